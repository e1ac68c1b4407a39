"""What a placement costs, as the placers' problem counts it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid, Ways, route, tally, tally_trees
from neuromod.mapping import Problem
from neuromod.mapping.problem import check_pairs


def placement_cost(problem: Problem, core_of: npt.NDArray[np.int32]) -> float:
    """Cost of a placement, counted in full: what every incremental method must agree with.

    For ``max-link`` and ``max-core`` it is that of the matrix `cost`, see `busiest_link` and `core_loads`.
    """
    packets, destinations = tally(*_of_problem(problem, core_of))
    if problem.tree is None:
        return problem.price(packets)
    links = tally_trees(*_of_problem(problem, core_of))
    sent = float(problem.rates[: problem.n] @ (destinations > 0))
    if isinstance(problem.cost, Ways):
        return problem.tree.sent * sent + price_of_links(problem.cost, problem.grid, links)
    east_west, south_north = float(links[:2].sum()), float(links[2:].sum())
    return problem.tree.sent * sent + problem.tree.along_row * east_west + problem.tree.along_column * south_north


def price_of_links(ways: Ways, grid: Grid, links: npt.NDArray[np.float64]) -> float:
    """Sum over the links of their loads times what a hop over them costs."""
    down, across = (np.diff(line) for line in lines(ways, grid))
    east_west = links[0, :, :-1] @ across + links[1, :, 1:] @ across
    south_north = down @ links[2, :-1] + down @ links[3, 1:]
    return float(east_west.sum() + south_north.sum())


def lines(ways: Ways, grid: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What the hops from the first to each row of routers cost, and to each column."""
    at = ways.at.reshape(grid.rows, grid.columns, 2)
    return at[:: grid.tile_rows, 0, 0].copy(), at[0, :: grid.tile_columns, 1].copy()


def packets_between(problem: Problem, core_of: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Packets from core to core, (cores, cores), with one packet for each destination.

    Raises
    ------
    UsageError
        If there are so many cores that the table of all pairs would not fit memory.
    """
    check_pairs(problem.grid.cores)
    packets = tally(*_of_problem(problem, core_of))[0]
    table: npt.NDArray[np.float64] = packets if isinstance(packets, np.ndarray) else packets.toarray()
    return table


def link_table(problem: Problem, core_of: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Load of every link with one packet for each destination, (4, router rows, router columns)."""
    return route(tally(*_of_problem(problem, core_of))[0], problem.grid)


def busiest_link(problem: Problem, core_of: npt.NDArray[np.int32]) -> float:
    """Load of the busiest link with one packet for each destination."""
    return float(link_table(problem, core_of).max())


def core_loads(problem: Problem, core_of: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.float64], float]:
    """Load of every core, (cores,), and the cost of the packets, for the objective ``max-core``."""
    work, k = problem.work, problem.grid.cores
    assert work is not None
    packets, destinations = tally(*_of_problem(problem, core_of))
    sent = packets.sum(axis=1)
    if work.branching:
        sent = np.bincount(core_of, weights=problem.rates[: problem.n] * (destinations > 0), minlength=k)
    counts = [np.bincount(core_of, weights=work.events, minlength=k), np.bincount(core_of, minlength=k)]
    loads: npt.NDArray[np.float64] = work.weights @ np.stack([*counts, sent, packets.sum(axis=0)])
    return loads, problem.price(packets)


def _of_problem(problem: Problem, core_of: npt.NDArray[np.int32]) -> tuple[Any, ...]:
    """What is counted of: where each neuron's targets begin, the targets, their cores, rates and the grid."""
    n = problem.n
    return problem.indptr[: n + 1], problem.targets, core_of, problem.rates[:n], problem.grid
