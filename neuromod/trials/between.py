"""Trials between those that there are: inputs on which two networks can be compared where few were recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuromod.errors import UsageError
from neuromod.trials.batch import Trials

# A point on the line through two trials, their middle at 0 and each at 1/2: uniform up to here, so that the points are
# spread as the trials themselves, E[(1/2 + u)² + (1/2 - u)²] = 1.
_REACH = 0.75**0.5


def trials_between(
    trials: Trials, n_trials: int, *, seed: int | np.random.Generator | np.random.SeedSequence
) -> Trials:
    """Make trials on the lines through pairs of trials, between them and somewhat beyond.

    A network decides with a wide margin for what it was trained on. Between two trials its decision must change
    somewhere, so that these show how well another network agrees with it where that is not obvious. Nobody knows the
    right answers to them: `targets` are those of the first of each pair.

    Parameters
    ----------
    trials : Trials
        Data, of a mean and a covariance that the result has, too.
    n_trials : int
        How many to make.
    seed : int, SeedSequence or Generator
        Of the pairs and the points.

    Returns
    -------
    Trials
        Each as long as the shorter of its pair and within the range of each channel; whole numbers where inputs are
        counts.

    Raises
    ------
    UsageError
        If there are fewer than two trials.

    References
    ----------
    H. Zhang et al., mixup, ICLR 2018, arXiv:1710.09412, mixes trials in the same way to train on.
    """
    if trials.n_trials < 2:
        raise UsageError(f"needed two trials at least to make others between them, found {trials.n_trials}")
    rng = np.random.default_rng(seed)
    first = rng.integers(trials.n_trials, size=n_trials)
    second = (first + rng.integers(1, trials.n_trials, size=n_trials)) % trials.n_trials
    read = trials.mask if trials.read is None else trials.read
    # A trial whose answer is read where the other one has none stays as it is.
    second = np.where((read[:, first] & read[:, second]).any(axis=0), second, first)
    share = (0.5 + rng.uniform(-_REACH, _REACH, n_trials)).astype(np.float32)
    mask = trials.mask[:, first] & trials.mask[:, second]
    there = trials.inputs[trials.mask]
    inputs = trials.inputs[:, first] * share[:, None]
    inputs += trials.inputs[:, second] * (1 - share[:, None])
    np.clip(inputs, there.min(axis=0), there.max(axis=0), out=inputs)
    if trials.source.get("counts"):
        np.rint(inputs, out=inputs)
    inputs[~mask] = 0
    made = replace(
        trials,
        inputs=inputs,
        targets=trials.targets[:, first],
        mask=mask,
        task=trials.task[first],
        read=read[:, first] & read[:, second],
        split=None,
    )
    return made.take(np.arange(n_trials))
