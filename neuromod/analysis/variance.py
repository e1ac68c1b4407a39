"""What each neuron does in each task: the variance of its activity over trials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.metrics import has_tasks
from neuromod.network import Network
from neuromod.tasks import Trials, generate

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
        With ``tasks``, ``semantics`` and ``dt_ms`` in its `info`.
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
    info = network.info
    if not has_tasks(network):
        raise UsageError("the network does not say on which tasks it was trained, so it has no task variance")
    columns = []
    for number, name in enumerate(info["tasks"]):
        trials = generate(
            [name],
            _SURPLUS * trials_per_task,
            seed=np.random.SeedSequence(seed, spawn_key=(number,)),
            dt_ms=info["dt_ms"],
            noise=False,
            semantics=info["semantics"],
            strict=bool(info.get("strict", False)),
        )
        columns.append(network.states(of_one_length(trials, trials_per_task)).var(axis=1).mean(axis=0))
    return np.stack(columns, axis=1)


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
