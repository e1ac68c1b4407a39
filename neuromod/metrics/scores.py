"""Scores of answers: the share of right classes, R² and NRMSE of values, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax

from neuromod.metrics.agreements import Agreement, agreement, wilson
from neuromod.network import Array

# Resamples of trials behind an interval, and their seed.
_RESAMPLES, _SEED = 1000, 17

# Said of a score that is not finite or below it: an export that explodes has no R².
LEAST = -1e6


def r2(wanted: Array, found: Array) -> float:
    """R², the share of the variance that is explained: mean over outputs of 1 - mean square error / variance.

    Parameters
    ----------
    wanted, found : (answer, n_out) float
        Values.

    Returns
    -------
    float
        At most 1; not below `LEAST`, also where `found` is not finite. An output that does not vary counts as 1 where
        it is met exactly, else as 0.
    """
    wanted, found = np.asarray(wanted, np.float64), np.asarray(found, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return _r2(((found - wanted) ** 2).mean(axis=0), wanted.var(axis=0))


def nrmse(wanted: Array, found: Array) -> float:
    """Return the root of the mean square error over the variance, mean over outputs: √(1 - R²).

    Parameters
    ----------
    wanted, found : (answer, n_out) float
        Values.
    """
    return float(np.sqrt(max(0.0, 1 - r2(wanted, found))))


def loss(wanted: Array, found: Array, *, label_smoothing: float = 0.0) -> float:
    """Return the loss that training lowers: the mean cross-entropy in nat, or 1 - R² of values.

    Parameters
    ----------
    wanted : (answer,) int or (answer, n_out) float
        Classes or values.
    found : (answer, n_out) float
        Outputs.
    label_smoothing : float
        Share of the target that is spread over all classes.
    """
    if wanted.ndim == 2:
        return 1 - r2(wanted, found)
    logs = log_softmax(np.asarray(found, np.float64), axis=1)
    right = logs[np.arange(len(wanted)), wanted]
    return float(-((1 - label_smoothing) * right + label_smoothing * logs.mean(axis=1)).mean())


def _r2(error: Array, variance: Array) -> float:
    explained = np.where(variance > 0, 1 - error / np.where(variance > 0, variance, 1), np.where(error > 0, 0.0, 1.0))
    value = float(explained.mean())
    return max(value, LEAST) if np.isfinite(value) else LEAST


def interval(wanted: Array, found: Array, trial: Array) -> tuple[float, float]:
    """95 % confidence interval of the accuracy, or of R² where values are wanted.

    Wilson's where each trial has one answer that is a class; else from resampling trials with replacement, since the
    answers of one trial depend on each other.

    Parameters
    ----------
    wanted, found : (answer,) int or (answer, n_out) float
        Classes or values.
    trial : (answer,) int
        Trial of each answer.

    References
    ----------
    B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), doi:10.1007/978-1-4899-4541-9, chapter 13.
    """
    if wanted.ndim == 1 and len(np.unique(trial)) == len(trial):
        return wilson(int(np.count_nonzero(wanted == found)), len(wanted))
    _, index = np.unique(trial, return_inverse=True)
    size = np.bincount(index).astype(np.float64)
    if wanted.ndim == 1:
        right = np.bincount(index, weights=wanted == found)
        return _resampled(len(size), lambda counts: float(counts @ right) / float(counts @ size))
    wanted, found = np.asarray(wanted, np.float64), np.asarray(found, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        # Of each trial: sums of squared errors, of what is wanted, and of its square.
        sums = [np.zeros((len(size), wanted.shape[1])) for _ in range(3)]
        for total, part in zip(sums, ((found - wanted) ** 2, wanted, wanted**2), strict=True):
            np.add.at(total, index, part)

        def score(counts: Array) -> float:
            n = float(counts @ size)
            error, mean, square = (counts @ total / n for total in sums)
            return _r2(error, np.maximum(square - mean**2, 0))

        return _resampled(len(size), score)


def _resampled(trials: int, score: Callable[[Array], float]) -> tuple[float, float]:
    rng = np.random.default_rng(_SEED)
    counts = rng.multinomial(trials, np.full(trials, 1 / trials), size=_RESAMPLES).astype(np.float64)
    low, high = np.percentile([score(row) for row in counts], [2.5, 97.5])
    return float(low), float(high)


def agree(ours: Array, theirs: Array, trial: Array) -> Agreement:
    """How well two networks agree: the share of equal classes, or the R² of the values of the second for the first's.

    Parameters
    ----------
    ours, theirs : (answer,) int or (answer, n_out) float
        Answers of the reference and of the other.
    trial : (answer,) int
        Trial of each answer.

    Returns
    -------
    Agreement
        With its 95 % interval; a share below 0 counts as 0.
    """
    if ours.ndim == 1 and len(np.unique(trial)) == len(trial):
        return agreement(ours, theirs)
    share = float(np.mean(ours == theirs)) if ours.ndim == 1 else r2(ours, theirs)
    low, high = interval(ours, theirs, trial)
    return Agreement(max(0.0, share), max(0.0, low), max(0.0, high), len(ours))
