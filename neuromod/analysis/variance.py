"""What each neuron does in each task: the variance of its activity over trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.metrics import has_tasks
from neuromod.network import Network
from neuromod.tasks import RING, behind_low_pass, generate
from neuromod.trials import Trials

Matrix = npt.NDArray[np.float64]

# Summed over tasks, as in the analysis code of the task collection; Yang et al. 2019 used 1e-3 with softplus units.
ACTIVE = 1e-6

# Drawn for each trial that is wanted, because only those of one length are kept.
_SURPLUS = 4


def task_variance(network: Network, *, trials_per_task: int = 100, seed: int = 0) -> Matrix:
    r"""Variance over trials of each neuron's activity, mean over time, for each task.

    .. math:: TV_i(A) = \frac{1}{T} \sum_t \mathrm{Var}_{trials\ of\ A}\, h_i(t)

    as in Yang et al. 2019, doi:10.1038/s41593-018-0310-2, on trials without noise that start at rest and have the same
    length, the most frequent one of their task.

    Parameters
    ----------
    network : Network
        With ``tasks``, ``semantics`` and ``dt_ms`` in its `info`; or with `data`, whose classes stand for tasks, see
        `class_variance`.
    trials_per_task : int
        Most trials of a task.
    seed : int
        Seed of the trials.

    Returns
    -------
    (n, tasks) float64
        The variances, in the order of the network's tasks.

    Raises
    ------
    UsageError
        If the network does not say what its tasks are.
    """
    if network.data is not None:
        return class_variance(network, network.data.part("train"))
    info = network.info
    if not has_tasks(network):
        raise UsageError("the network does not say on which tasks it was trained, so it has no task variance")
    columns = []
    for number, name in enumerate(info["tasks"]):
        small = int(info.get("ring", RING)) != RING
        trials = generate(
            # On a smaller ring, tasks have rule units only beside each other.
            info["tasks"] if small else [name],
            _SURPLUS * trials_per_task * (len(info["tasks"]) if small else 1),
            seed=np.random.SeedSequence(seed, spawn_key=(number,)),
            dt_ms=info["dt_ms"],
            noise=False,
            semantics=info["semantics"],
            strict=bool(info.get("strict", False)),
            ring=int(info.get("ring", RING)),
        )
        if small:
            own = trials.task == number
            trials = replace(
                trials, inputs=trials.inputs[:, own], targets=trials.targets[:, own], mask=trials.mask[:, own],
                task=trials.task[own],
            )  # fmt: skip
        if info.get("counts"):
            trials = behind_low_pass(trials, counts=float(info["counts"]), alpha=network.alpha)
        columns.append(network.states(of_one_length(trials, trials_per_task)).var(axis=1).mean(axis=0))
    return np.stack(columns, axis=1)


def class_variance(network: Network, trials: Trials) -> Matrix:
    """Variance of each neuron's activity for each class: over the trials that last that long, mean over time.

    Where the class is one of each step, the variance is over all steps of a class; values are one class together.

    Parameters
    ----------
    network : Network
        The network.
    trials : Trials
        Data, of any lengths.

    Returns
    -------
    (n, classes) float64
        0 for a class of fewer than two trials.
    """
    states = network.states(trials.inputs)
    if trials.values:
        return _over_trials(states, trials.mask)[:, None]
    columns = []
    for label in range(trials.n_classes):
        if trials.readout == "every":
            there = states[trials.reads & (trials.targets == label)]
            columns.append(there.var(axis=0) if len(there) else np.zeros(network.n))
        else:
            some = trials.answers == label
            columns.append(_over_trials(states[:, some], trials.mask[:, some]))
    return np.stack(columns, axis=1)


def _over_trials(states: Matrix, alive: npt.NDArray[np.bool_]) -> Matrix:
    """Variance over the trials that are alive, mean over the steps at which there are two or more, (n,)."""
    count = alive.sum(axis=1)
    found = np.where(alive[..., None], states, 0)
    kept = count > 1
    if not kept.any():
        return np.zeros(states.shape[2])
    number = count[kept, None]
    mean = found[kept].sum(axis=1) / number
    square = (found[kept] ** 2).sum(axis=1) / number
    variance: Matrix = np.maximum(square - mean**2, 0).mean(axis=0)
    return variance


def of_one_length(trials: Trials, most: int) -> npt.NDArray[np.float32]:
    """Inputs (time, trial, n_in) of the first trials that have the most frequent length, at most `most`."""
    lengths = trials.mask.sum(axis=0)
    length = int(np.bincount(lengths).argmax())
    chosen = np.flatnonzero(lengths == length)[:most]
    return np.asarray(trials.inputs[:length, chosen])


def active(variance: Matrix, threshold: float = ACTIVE) -> npt.NDArray[np.bool_]:
    """Which neurons vary at all, (n,) bool: the sum of their variances over tasks is above `threshold`."""
    found: npt.NDArray[np.bool_] = variance.sum(axis=1) > threshold
    return found


def normalized(variance: Matrix) -> Matrix:
    """Variances divided by each neuron's largest, (n, tasks) in 0 … 1; a neuron that never varies stays 0."""
    largest = variance.max(axis=1, keepdims=True)
    result: Matrix = np.divide(variance, largest, out=np.zeros_like(variance), where=largest > 0)
    return result
