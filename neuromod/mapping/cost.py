"""What a placement costs, as the placers' problem counts it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.hardware import route, tally
from neuromod.mapping import Problem


def placement_cost(problem: Problem, core_of: npt.NDArray[np.int32]) -> float:
    """Cost of a placement, counted in full: what every incremental method must agree with.

    For ``max-link`` and ``max-core`` it is that of the matrix `cost`, see `busiest_link` and `core_loads`.
    """
    packets, links, destinations = _of_problem(problem, core_of)
    if problem.tree is None:
        return float((packets * problem.cost).sum())
    sent = float(problem.rates[: problem.n] @ (destinations > 0))
    east_west, south_north = float(links[:2].sum()), float(links[2:].sum())
    return problem.tree.sent * sent + problem.tree.along_row * east_west + problem.tree.along_column * south_north


def packets_between(problem: Problem, core_of: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Packets from core to core, (cores, cores), with one packet for each destination."""
    return _of_problem(problem, core_of)[0]


def link_table(problem: Problem, core_of: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Load of every link with one packet for each destination, (4, router rows, router columns)."""
    return route(_of_problem(problem, core_of)[0], problem.grid)


def busiest_link(problem: Problem, core_of: npt.NDArray[np.int32]) -> float:
    """Load of the busiest link with one packet for each destination."""
    return float(link_table(problem, core_of).max())


def core_loads(problem: Problem, core_of: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.float64], float]:
    """Load of every core, (cores,), and the cost of the packets, for the objective ``max-core``."""
    work, k = problem.work, problem.grid.cores
    assert work is not None
    packets, _, destinations = _of_problem(problem, core_of)
    sent = packets.sum(axis=1)
    if work.branching:
        sent = np.bincount(core_of, weights=problem.rates[: problem.n] * (destinations > 0), minlength=k)
    counts = [np.bincount(core_of, weights=work.events, minlength=k), np.bincount(core_of, minlength=k)]
    loads: npt.NDArray[np.float64] = work.weights @ np.stack([*counts, sent, packets.sum(axis=0)])
    return loads, float((packets * problem.cost).sum())


def _of_problem(
    problem: Problem, core_of: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    n = problem.n
    return tally(problem.indptr[: n + 1], problem.targets, core_of, problem.rates[:n], problem.grid)
