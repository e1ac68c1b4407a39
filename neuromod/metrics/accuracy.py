"""How well a network solves its tasks, or learned its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.metrics import scores
from neuromod.network import Network
from neuromod.notebook import html_table
from neuromod.tasks import RING, Seed, behind_low_pass, generate
from neuromod.trials import Trials, decisions, trials_between

Array = npt.NDArray[Any]

# What a network's `info` holds if its tasks are known.
_NEEDED = ("tasks", "semantics", "dt_ms")

# Fewer validation trials than that cannot show an agreement of 0.95.
_FEW = 100

# Trials between those of data with few: so many of which 0.97 are equal show an agreement of 0.95.
TRIALS_BETWEEN = 500


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The score on trials: the share of answers that are right, or R² where values are wanted.

    Parameters
    ----------
    accuracy : float
        The score, mean over the tasks that have trials; `score_name` says which it is.
    accuracy_per_task : dict of str to float
        Of each of these tasks, or of the data under their name.
    decisions : (answer,) int64 or (answer, n_out) float
        Class decided for, or the values, in each trial, or at each step that is read.
    n_trials : int
        Number of trials.
    score_name : {"accuracy", "r2"}
        What the score is.
    nrmse : float or None
        Of values: root mean square error over the standard deviation.
    answers : (answer,) int64 or (answer, n_out) float
        What was wanted.
    trial_of_answer : (answer,) int64
        Trial of each answer.
    """

    accuracy: float
    accuracy_per_task: dict[str, float]
    decisions: Array
    n_trials: int
    score_name: str = "accuracy"
    nrmse: float | None = None
    answers: Array = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    trial_of_answer: Array = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)

    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the score over all trials."""
        return scores.interval(self.answers, self.decisions, self.trial_of_answer)

    def _repr_html_(self) -> str:
        per_task = [(name, f"{value:.3f}") for name, value in self.accuracy_per_task.items()]
        name = "R²" if self.score_name == "r2" else "Accuracy"
        return html_table(f"{name} {self.accuracy:.3f} on {self.n_trials:,} trials", per_task)


def evaluate(network: Network, trials: Trials, *, runner: Callable[[Array], Array] | None = None) -> Evaluation:
    """Measure how many trials a network solves, or how well it makes the values that are wanted.

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
    decided, wanted, trial = decisions(y, trials), trials.answers, trials.trial_of_answer
    common: dict[str, Any] = {
        "decisions": decided,
        "n_trials": trials.n_trials,
        "answers": wanted,
        "trial_of_answer": trial,
    }
    if trials.values:
        value = scores.r2(wanted, decided)
        return Evaluation(
            value, {trials.names[0]: value}, score_name="r2", nrmse=scores.nrmse(wanted, decided), **common
        )
    right, task = decided == wanted, trials.task[trial]
    counts = np.bincount(task, minlength=len(trials.names))
    solved = np.bincount(task, weights=right, minlength=len(trials.names))
    per_task = {
        name: float(part / whole) for name, part, whole in zip(trials.names, solved, counts, strict=True) if whole
    }
    return Evaluation(float(np.mean(list(per_task.values()))), per_task, **common)


def has_tasks(network: Network) -> bool:
    """Whether a network brings data or says what its tasks are, so that it can be judged on trials: the only test."""
    return network.data is not None or all(network.info.get(key) for key in _NEEDED)


def has_few_trials(network: Network) -> bool:
    """Whether the validation trials of a network's data are too few to tell how well another network agrees with it."""
    return network.data is not None and network.data.counts()["validation"] < _FEW


def skills_of(network: Network) -> tuple[str, ...]:
    """Names of what a network was trained for: its tasks, or the classes of its data; none if it names neither."""
    if network.data is not None:
        return network.data.class_names or network.data.names
    return tuple(network.info["tasks"]) if has_tasks(network) else ()


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


def trials_for(network: Network, n_trials: int, *, seed: Seed, split: str = "test") -> Trials:
    """Make trials of the tasks that a network was trained on, as its `info` names them, or take some of its data.

    Parameters
    ----------
    network : Network
        With `data`; or with ``tasks``, ``semantics`` and ``dt_ms`` in its `info`, ``strict`` for Mod-Cog as published,
        ``ring`` for rings of fewer than 16 positions, and ``counts`` where inputs are counts behind a chip's low-pass.
    n_trials, seed
        As for `neuromod.tasks.generate`. Of data, all trials of the split if there are no more than `n_trials`.
    split : {"train", "validation", "test", "seen", "between"}
        Which part of the data: to count activity or fit on, to choose by, or to tell how good the result is; ``seen``
        are the first two together, ``between`` new ones without known answers that `trials.trials_between` makes of
        these. Trials of tasks are always new ones.

    Returns
    -------
    Trials
        The trials.

    Raises
    ------
    UsageError
        If the network says neither, or has another number of inputs than they have.
    """
    if network.data is not None:
        if split == "between":
            return _checked(network, trials_between(network.data.part("seen"), n_trials, seed=seed), "data have")
        trials = network.data.part(split)
        if trials.n_trials > n_trials:
            some = np.random.default_rng(seed).choice(trials.n_trials, size=n_trials, replace=False)
            trials = trials.take(np.sort(some))
        return _checked(network, trials, "data have")
    info = network.info
    if isinstance(info.get("data"), dict):
        raise UsageError(
            f"the network was trained on the data {info['data'].get('name')}, which are not here; "
            "what needs trials, as accuracy and the spiking formats do, is not to be had without them"
        )
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
        ring=int(info.get("ring", RING)),
    )
    if info.get("counts"):
        trials = behind_low_pass(trials, counts=float(info["counts"]), alpha=network.alpha)
    return _checked(network, trials, "tasks have")


def _checked(network: Network, trials: Trials, what: str) -> Trials:
    if trials.inputs.shape[2] != network.n_in:
        raise UsageError(f"its {what} {trials.inputs.shape[2]} inputs, but the network takes {network.n_in}")
    return trials
