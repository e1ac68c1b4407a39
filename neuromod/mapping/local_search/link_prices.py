"""Prices of links for the objective ``max-link``: the busier a link, the dearer the ways that use it.

The load of the busiest link is approached by the p-norm of all loads. Its gradient gives every link a price, the sum
of the prices along a way is the cost of a packet on it, and that cost is renewed while the search goes on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid
from neuromod.mapping.cost import link_table
from neuromod.mapping.problem import Problem

_POWER = 6
# Price of a link without load, so that no way is free; and the share of the new prices in each renewal.
_FLOOR, _RENEWED = 0.02, 0.1


def reprice(
    problem: Problem, core_of: npt.NDArray[np.int32], cost: npt.NDArray[np.float64]
) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the load of the busiest link and the cost between cores with renewed prices.

    Parameters
    ----------
    problem : Problem
        The problem.
    core_of : (n,) int32
        Where the search stands.
    cost : (cores, cores) float64
        Cost so far; its mean is kept, so that temperatures keep their meaning.
    """
    links = link_table(problem, core_of)
    busiest = float(links.max())
    if busiest == 0:
        return 0.0, cost
    new = way_costs(_FLOOR + (links / busiest) ** (_POWER - 1), problem.grid)
    new *= problem.matrix().mean() / new.mean()
    return busiest, (1 - _RENEWED) * cost + _RENEWED * new


def way_costs(prices: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """Sum of the prices of the links along the way between every two cores, (cores, cores).

    Parameters
    ----------
    prices : (4, router rows, router columns) float64
        Price of the link that leaves a router in each of `neuromod.hardware.routing.DIRECTIONS`.
    grid : Grid
        The cores.
    """
    east, west, south, north = prices
    # Price from the first router of a row or column to each: a difference of two is the price of a way.
    forth = np.concatenate([np.zeros((len(east), 1)), np.cumsum(east[:, :-1], axis=1)], axis=1)
    back = np.concatenate([np.zeros((len(west), 1)), np.cumsum(west[:, 1:], axis=1)], axis=1)
    down = np.concatenate([np.zeros((1, south.shape[1])), np.cumsum(south[:-1], axis=0)])
    up = np.concatenate([np.zeros((1, north.shape[1])), np.cumsum(north[1:], axis=0)])
    row, column = grid.routers().T
    along = np.where(
        column[None] >= column[:, None],
        forth[row[:, None], column[None]] - forth[row[:, None], column[:, None]],
        back[row[:, None], column[:, None]] - back[row[:, None], column[None]],
    )
    then = np.where(
        row[None] >= row[:, None],
        down[row[None], column[None]] - down[row[:, None], column[None]],
        up[row[:, None], column[None]] - up[row[None], column[None]],
    )
    total: npt.NDArray[np.float64] = along + then
    return np.maximum(total, 0.0)
