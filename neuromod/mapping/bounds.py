"""How far a placement is from what cannot be beaten.

All bounds are for the given parts, that is, for the neurons that share a core: they say how much a better arrangement
of these parts on the grid could still win. Nothing is claimed about other ways to divide the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from neuromod.hardware import DENSE, Grid

# Cores up to which the bound is computed, and up to which it is raised by dual ascent: the time grows with the third
# power of their number, and in each round of the ascent with the fifth.
_MOST_CORES, _MOST_RAISED = 1_200, 36
# Rounds of the ascent on up to 16 cores, and the share by which a round must raise the bound to be worth another.
_ROUNDS, _WORTH = 40, 1e-3


@dataclass(frozen=True)
class Bounds:
    """Lower bounds of the hops of one division of the neurons into parts, whatever the arrangement.

    Parameters
    ----------
    arrangement : float or None
        Of the quadratic assignment problem: the Gilmore-Lawler bound, on small grids raised by dual ascent; None where
        there are too many cores to compute it.
    route : float
        Every source that sends to m other cores pays at least the m shortest ways of the best core.
    """

    arrangement: float | None
    route: float

    @property
    def best(self) -> float:
        """The larger bound."""
        return max(self.route, self.arrangement or 0.0)


def bound_hops(
    packets: Any,
    destinations: npt.NDArray[np.integer],
    rates: npt.NDArray[np.floating],
    grid: Grid,
) -> Bounds:
    """Bound the hops of a division of the neurons into parts from below.

    Parameters
    ----------
    packets : (cores, cores) float64, or sparse as in `Traffic`
        Packets between the parts.
    destinations : (n,) int
        Number of other parts to which each neuron sends.
    rates : (n,) float, spikes per time step
        Activity of the neurons.
    grid : Grid
        The cores on which the parts can lie.

    Returns
    -------
    Bounds
        Of the rate-weighted packet-hops per step.
    """
    arrangement = None
    if grid.cores > DENSE:
        return Bounds(
            None, float(np.asarray(rates, np.float64) @ _shells(grid, int(destinations.max(initial=0)))[destinations])
        )
    distances = grid.distances().astype(np.float64)
    if grid.cores <= _MOST_RAISED:
        arrangement = dual_ascent(packets, distances)
    elif grid.cores <= _MOST_CORES:
        arrangement = gilmore_lawler(packets, distances)
    return Bounds(arrangement, route_bound(destinations, rates, distances))


def gilmore_lawler(packets: npt.NDArray[np.float64], distances: npt.NDArray[np.float64]) -> float:
    r"""Gilmore-Lawler bound of :math:`\min_\pi \sum_{ij} T_{ij} D_{\pi(i) \pi(j)}` over all permutations.

    If part i lies on core j, its packets meet the distances from j at best in opposite order; the cheapest assignment
    of parts to cores with these costs is a lower bound.

    Parameters
    ----------
    packets : (k, k) float64
        Packets T between the parts.
    distances : (k, k) float64
        Distances D between the cores, symmetric, zero on the diagonal.

    References
    ----------
    P. C. Gilmore, Journal of SIAM 10:305 (1962), 10.1137/0110022; E. L. Lawler, Management Science 9:586 (1963),
    10.1287/mnsc.9.4.586.
    """
    k = len(packets)
    if k == 1:
        return 0.0
    # Both ways together: with symmetric distances only the sum counts, and half of it belongs to each end.
    both = (packets + packets.T) / 2
    others = ~np.eye(k, dtype=bool)
    flows = -np.sort(-both[others].reshape(k, k - 1), axis=1)
    ways = np.sort(distances[others].reshape(k, k - 1), axis=1)
    costs = flows @ ways.T
    return float(costs[linear_sum_assignment(costs)].sum())


def dual_ascent(packets: npt.NDArray[np.float64], distances: npt.NDArray[np.float64]) -> float:
    r"""Gilmore-Lawler bound of :math:`\min_\pi \sum_{ij} T_{ij} D_{\pi(i) \pi(j)}`, raised by dual ascent.

    That part i lies on core p and part j on core q costs :math:`T_{ij} D_{pq}`, and it is the same event as j on q and
    i on p. So what is left of one cost after the bound took its share may be moved to the other, and to the cost of a
    single part on a single core, and another assignment finds more. Each round is a valid bound.

    Parameters
    ----------
    packets : (k, k) float64
        Packets T between the parts.
    distances : (k, k) float64
        Distances D between the cores, zero on the diagonal.

    References
    ----------
    P. Hahn, T. Grant, "Lower bounds for the quadratic assignment problem based upon a dual formulation", Operations
    Research 46(6):912 (1998), 10.1287/opre.46.6.912.
    """
    k = len(packets)
    if k <= 1:
        return 0.0
    # pair[i, p, j, q]: left of the cost of i on p together with j on q; alone[i, p]: left of i on p.
    pair = packets[:, None, :, None] * distances[None, :, None, :]
    alone = np.zeros((k, k))
    bound = 0.0
    rest = [np.delete(np.arange(k), i) for i in range(k)]
    for _ in range(max(int(_ROUNDS * min((16 / k) ** 5, 1)), 1)):
        # Spread what a single assignment could not use over the pairs that it belongs to.
        pair += (alone / (k - 1))[:, :, None, None]
        both = (pair + pair.transpose(2, 3, 0, 1)) / 2
        alone[:] = 0.0
        for i in range(k):
            for p in range(k):
                costs = both[i, p][np.ix_(rest[i], rest[p])]
                least, left = _assign(costs)
                alone[i, p] = least
                both[i, p][np.ix_(rest[i], rest[p])] = left
        pair = both
        raised, alone = _assign(alone)
        bound += raised
        if raised < _WORTH * bound:
            break
    return bound


def _assign(costs: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """Least assignment of a cost matrix, and what of each cost is left when it has been paid: nowhere below zero."""
    rows, columns = linear_sum_assignment(costs)
    least = float(costs[rows, columns].sum())
    # Duals by relaxation: a row and the column assigned to it share the whole of their cost.
    k = len(costs)
    matched = costs[np.arange(k), columns]
    column_dual = np.zeros(k)
    for _ in range(k):
        row_dual = matched - column_dual[columns]
        lower = np.minimum(column_dual, (costs - row_dual[:, None]).min(axis=0))
        if (column_dual - lower).max() <= 1e-12:
            break
        column_dual = lower
    row_dual = matched - column_dual[columns]
    left = costs - row_dual[:, None] - column_dual[None]
    return least, np.maximum(left, 0.0)


def _shells(grid: Grid, most: int) -> npt.NDArray[np.float64]:
    """Least sum of ways to 0, 1, … `most` other cores: no core has more near it than one of an endless grid."""
    on_router = grid.tile_rows * grid.tile_columns
    ways = [np.zeros(on_router)]
    held, distance = on_router, 0
    while held <= most:
        distance += 1
        ways.append(np.full(4 * distance * on_router, float(distance)))
        held += 4 * distance * on_router
    least: npt.NDArray[np.float64] = np.cumsum(np.concatenate(ways))[: most + 1]
    return least


def route_bound(
    destinations: npt.NDArray[np.integer], rates: npt.NDArray[np.floating], distances: npt.NDArray[np.float64]
) -> float:
    """Sum over the neurons of rate times the least way to as many cores as they send to, from the best core."""
    nearest = np.sort(distances, axis=1)
    least = np.cumsum(nearest, axis=1).min(axis=0)
    return float(np.asarray(rates, np.float64) @ least[destinations])
