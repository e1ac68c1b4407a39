"""How well a network solves tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.network import Network
from neuromod.notebook import html_table
from neuromod.tasks import Seed, Trials, decisions, generate

Array = npt.NDArray[Any]

# What a network's `info` holds if its tasks are known.
_NEEDED = ("tasks", "semantics", "dt_ms")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy on trials: the share of answers that are right, in most tasks one at the last step of each trial.

    Parameters
    ----------
    accuracy : float
        Mean over the tasks that have trials.
    accuracy_per_task : dict of str to float
        Of each of these tasks.
    decisions : (answer,) int64
        Class decided for in each trial, or wherever the trials are read.
    n_trials : int
        Number of trials.
    """

    accuracy: float
    accuracy_per_task: dict[str, float]
    decisions: Array
    n_trials: int

    def _repr_html_(self) -> str:
        per_task = [(name, f"{value:.3f}") for name, value in self.accuracy_per_task.items()]
        return html_table(f"Accuracy {self.accuracy:.3f} on {self.n_trials:,} trials", per_task)


def evaluate(network: Network, trials: Trials, *, runner: Callable[[Array], Array] | None = None) -> Evaluation:
    """Measure how many trials a network solves.

    Parameters
    ----------
    network : Network
        The network.
    trials : Trials
        The trials.
    runner : callable, optional
        Takes inputs (time, trial, n_in) and returns the readout (time, trial, n_out), for a network that runs
        elsewhere, as an exported file; `network.run` if omitted.

    Returns
    -------
    Evaluation
        The accuracy, the decisions.

    Raises
    ------
    UsageError
        If the network does not take these inputs.

    Examples
    --------
    >>> import neuromod
    >>> net = neuromod.train(tasks="go", neurons=16, steps=10)
    >>> found = neuromod.evaluate(net, neuromod.generate("go", 50, seed=0))
    >>> list(found.accuracy_per_task), found.n_trials
    (['go'], 50)
    """
    y = network.run(trials.inputs)[0] if runner is None else runner(trials.inputs)
    decided = decisions(y, trials)
    right = decided == trials.answers
    task = trials.task[trials.trial_of_answer]
    counts = np.bincount(task, minlength=len(trials.names))
    solved = np.bincount(task, weights=right, minlength=len(trials.names))
    per_task = {
        name: float(part / whole) for name, part, whole in zip(trials.names, solved, counts, strict=True) if whole
    }
    return Evaluation(
        accuracy=float(np.mean(list(per_task.values()))),
        accuracy_per_task=per_task,
        decisions=decided,
        n_trials=trials.n_trials,
    )


def has_tasks(network: Network) -> bool:
    """Whether a network's `info` says what its tasks are, so that it can be judged by its accuracy: the only test."""
    return all(network.info.get(key) for key in _NEEDED)


def random_trials(network: Network, n_trials: int, *, steps: int, seed: Seed) -> Trials:
    """Make trials of random inputs, for a network that names no tasks: nothing is asked, so accuracy means nothing.

    Parameters
    ----------
    network : Network
        For its number of inputs and readouts.
    n_trials, steps : int
        Number of trials, and time steps of each.
    seed : int or Generator
        Of the inputs: normal with standard deviation 1, each channel silent half of the time.

    Returns
    -------
    Trials
        Inputs (steps, n_trials, n_in); all targets are 0.
    """
    rng = np.random.default_rng(seed)
    shape = (steps, n_trials, network.n_in)
    return Trials(
        inputs=(rng.normal(size=shape) * (rng.random(shape) < 0.5)).astype(np.float32),
        targets=np.zeros((steps, n_trials), np.int64),
        mask=np.ones((steps, n_trials), bool),
        task=np.zeros(n_trials, np.int64),
        names=("random inputs",),
        n_classes=network.n_out,
    )


def trials_for(network: Network, n_trials: int, *, seed: Seed) -> Trials:
    """Make trials of the tasks that a network was trained on, as its `info` names them.

    Parameters
    ----------
    network : Network
        With ``tasks``, ``semantics`` and ``dt_ms`` in its `info`, and ``strict`` for Mod-Cog as published.
    n_trials, seed
        As for `neuromod.tasks.generate`.

    Returns
    -------
    Trials
        The trials.

    Raises
    ------
    UsageError
        If the network does not say what its tasks are, or has another number of inputs than they have.
    """
    info = network.info
    if not has_tasks(network):
        missing = [key for key in _NEEDED if not info.get(key)]
        raise UsageError(
            f"the network does not say on which tasks it was trained (no {', '.join(missing)} in its info); "
            "what needs trials, as accuracy and the spiking formats do, is not to be had for it; "
            "map, estimate, ONNX and its verification need none"
        )
    trials = generate(
        info["tasks"],
        n_trials,
        seed=seed,
        dt_ms=info["dt_ms"],
        semantics=info["semantics"],
        strict=bool(info.get("strict", False)),
    )
    if trials.inputs.shape[2] != network.n_in:
        raise UsageError(f"its tasks have {trials.inputs.shape[2]} inputs, but the network takes {network.n_in}")
    return trials
