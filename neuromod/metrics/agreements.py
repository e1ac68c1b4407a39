"""How well two networks agree in what they decide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neuromod.network import Array


@dataclass(frozen=True)
class Agreement:
    """Share of trials in which two networks decide for the same class, with its 95 % confidence interval.

    Parameters
    ----------
    share : float
        Equal decisions among all.
    low, high : float
        Wilson's interval.
    trials : int
        Number of decisions compared.
    """

    share: float
    low: float
    high: float
    trials: int


def agreement(ours: Array, theirs: Array) -> Agreement:
    """Compare two arrays of decisions.

    Parameters
    ----------
    ours, theirs : (trial,) int
        The decision in each trial.

    Returns
    -------
    Agreement
        The share of equal decisions, with its interval.

    Examples
    --------
    >>> import numpy as np
    >>> agreement(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 0])).share
    0.75
    """
    hits, trials = int(np.count_nonzero(ours == theirs)), len(ours)
    low, high = wilson(hits, trials)
    return Agreement(hits / trials, low, high, trials)


def wilson(hits: int, trials: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Confidence interval of a share, by default of 95 %, which stays within 0 and 1.

    References
    ----------
    E. B. Wilson, J. Amer. Statist. Assoc. 22 (1927) 209-212, doi:10.1080/01621459.1927.10502953.
    """
    share = hits / trials
    centre = share + z**2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    # Exactly 0 and 1 at the ends, where rounding would miss them.
    return (centre - half) / scale if hits else 0.0, (centre + half) / scale if hits < trials else 1.0


def allowed_gap(gap: float, trials: int) -> float:
    """Largest difference of accuracies within `gap`, in whole trials: on few of them a single one is more than that.

    Examples
    --------
    >>> allowed_gap(0.02, 1000), allowed_gap(0.02, 40)
    (0.02, 0.025)
    """
    return max(gap, min(1, math.ceil(gap * trials)) / trials)
