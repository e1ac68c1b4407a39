"""How much weight hangs on each neuron, and whether there is a gap between those that matter and the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.network import Network

# Zero counts as the smallest relative difference of float32 to the largest, so that a fall to zero is finite.
_FLOOR = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Gap:
    """The steepest fall of sorted importance.

    Parameters
    ----------
    decades : float
        Fall, in factors of ten.
    rank : int
        Neurons above it.
    width : int
        Ranks over which it was measured.
    to_zero : bool
        Whether importance is exactly zero below; then `decades` is a lower bound set by the precision of float32.
    """

    decades: float
    rank: int
    width: int
    to_zero: bool


def importance(network: Network) -> npt.NDArray[np.float64]:
    """Sum of the absolute weights that enter and leave each neuron, (n,), as Liu, Gan and Tegmark 2023 define it."""
    w = abs(network.w_rec.astype(np.float64))
    total = w.sum(axis=1) + w.sum(axis=0) + np.abs(network.w_in).sum(axis=1) + np.abs(network.w_out).sum(axis=0)
    return np.asarray(total, np.float64)


def gap(values: npt.NDArray[np.float64], share: float = 0.05) -> Gap | None:
    """Find the largest fall of sorted importance within a share of the ranks; None if nothing is important.

    Parameters
    ----------
    values : (n,) float64
        Importance, in any order.
    share : float
        Ranks over which to measure, of all; at least one.
    """
    ordered = np.sort(values)[::-1]
    if len(ordered) < 2 or ordered[0] <= 0:
        return None
    width = min(max(1, round(share * len(ordered))), len(ordered) - 1)
    level = np.log10(np.maximum(ordered, _FLOOR * ordered[0]))
    falls = level[:-width] - level[width:]
    start = int(falls.argmax())
    inside = level[start : start + width + 1]
    rank = start + 1 + int(np.argmax(inside[:-1] - inside[1:]))
    return Gap(float(falls[start]), rank, width, bool(ordered[start + width] == 0))
