"""The integer arithmetic that chips share: decays, saturation, and inputs as whole numbers that carry their error."""

from __future__ import annotations

import numpy as np

from neuromod.arrays import Array

# Range of Xylo's states and of Loihi's.
INT16 = (-(2**15), 2**15 - 1)
INT24 = (-(2**23) + 1, 2**23 - 1)


def decay_by_shift(value: Array, dash: Array) -> Array:
    """Take off the share 2**-dash, rounded down, at least 1 towards zero: Xylo's decay.

    Parameters
    ----------
    value : (..., n) int
        States.
    dash : (n,) int
        Bits of the shift; 0 forgets everything.

    Examples
    --------
    >>> import numpy as np
    >>> decay_by_shift(np.array([100, 3, -1, -100]), np.array([3, 3, 3, 3])).tolist()
    [88, 2, 0, -87]
    """
    taken = value >> dash
    return np.where((taken == 0) & (value != 0), value - np.sign(value), value - taken)


def decay_by_share(value: Array, decay: int) -> Array:
    """Keep (4096 - decay) / 4096, rounded towards zero: Loihi's decay of current and membrane.

    Examples
    --------
    >>> import numpy as np
    >>> decay_by_share(np.array([100, -100]), 1024).tolist()
    [75, -75]
    >>> decay_by_share(np.array([101, -101]), 1024).tolist()
    [75, -75]
    """
    return np.asarray(np.sign(value) * ((np.abs(value) * (4096 - decay)) >> 12))


def follow(wanted: Array, keep: float, lowest: Array | int, highest: Array | int) -> Array:
    """Whole numbers whose leaky sum follows a signal: what rounding or the range leaves over goes to the next step.

    With the sum a, in every step :math:`e_t = clip(round(wanted_t - keep a_{t-1}))`, :math:`a_t = keep a_{t-1} + e_t`.
    With `keep` = 1 the number of spikes follows the signal's sum; with that of a synapse, what passes its low-pass
    follows the signal.

    Parameters
    ----------
    wanted : (time, ...) float
        The signal that the sum is to follow.
    keep : float
        Share of the sum that stays from one step to the next.
    lowest, highest : int or (...) array
        Range of the numbers, or of those of each channel.

    Returns
    -------
    (time, ...) int64
        The numbers e.

    Examples
    --------
    >>> import numpy as np
    >>> follow(np.cumsum(np.full(8, 0.25)), 1.0, 0, 1).tolist()
    [0, 0, 1, 0, 0, 0, 1, 0]
    """
    sum_ = np.zeros(wanted.shape[1:])
    out = np.empty(wanted.shape, np.int64)
    for t, aim in enumerate(np.asarray(wanted, float)):
        rest = keep * sum_
        out[t] = np.clip(np.round(aim - rest), lowest, highest)
        sum_ = rest + out[t]
    return out


def split_signs(counts: Array, signed: Array) -> Array:
    """Turn numbers of either sign into those of unsigned channels: all channels, then the negative part of `signed`.

    Parameters
    ----------
    counts : (time, batch, n_in) int
        Numbers; negative ones only where `signed`.
    signed : (n_in,) bool
        Channels that get a second one.

    Returns
    -------
    (time, batch, n_in + number of signed channels) int
        All at least 0.
    """
    return np.concatenate([np.maximum(counts, 0), np.maximum(-counts[..., signed], 0)], axis=-1)


def product(left: Array, right: Array) -> Array:
    """Matrix product of integers, exact up to 2**53, by the fast routines for floating point."""
    return np.rint(left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
