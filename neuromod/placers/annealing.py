r"""Simulated annealing of single neurons, with the exact change of the cost and hard limits.

A move takes a neuron to another core, a swap exchanges two. Neurons with neighbours on other cores are tried, towards
the core of a neighbour, since all others can only lose; few tries go anywhere. The temperature falls geometrically
between bounds that are measured on the problem, and ends with a descent.

References
----------
S. Kirkpatrick, C. D. Gelatt, M. P. Vecchi, "Optimization by simulated annealing", Science 220:671 (1983),
10.1126/science.220.4598.671.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from neuromod.placers import bisection, shuffled, tiles
from neuromod.placers.components import pack_components
from neuromod.placers.moves import chips, count_usage, excess, make_limits
from neuromod.placers.problem import Problem
from neuromod.placers.search import Search
from neuromod.placers.tables import make_tables
from neuromod.routing import busiest_link, placement_cost

# Tries of all starts at an effort of 1: this many at 400 neurons, growing with this power of the number of neurons.
_TRIES, _POWER = 3_000_000, 0.6
# Starts: as many as place this number of neurons in all, within bounds; beyond the last number a single one.
_NEURONS_STARTED, _STARTS, _ONE_START = 1_600, (2, 16), 50_000
# Last temperature, in units of the mean loss of the losing tries at the start.
_COLD = 0.05


def place(
    problem: Problem,
    rng: np.random.Generator,
    *,
    effort: float = 1.0,
    seconds: float | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> npt.NDArray[np.int32]:
    """Anneal from several starts and keep the best placement.

    The starts are cuts of the plane of neurons and, for small networks, random ones. The result is never worse than
    the tiles.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid, the cost and the limits.
    rng : Generator
        Source of randomness; equal generators give equal placements, however many processors there are.
    effort : float, default 1
        Number of tries, relative to the default.
    seconds : float, optional
        Time for all starts together instead of an effort; then the result depends on the machine's speed.
    on_progress : callable, optional
        Takes the share that is done, 0 … 1.

    Returns
    -------
    (n,) int32
        Core of each neuron. Where the limits cannot be kept, a placement that exceeds them by little.
    """
    packed = pack_components(problem)
    if packed is not None and rank(problem, packed) == (0, 0.0):
        return packed
    starts = _starts(problem, rng)
    searches = [
        Search(problem, start, seed) for start, seed in zip(starts, rng.integers(0, 2**63, len(starts)), strict=True)
    ]
    coldest = min((search.unit for search in searches if search.unit > 0), default=0.0)
    tries = max(int(effort * _TRIES * (problem.n / 400) ** _POWER / len(starts)), 10_000)
    workers = min(len(starts), os.cpu_count() or 1)
    deadline = None if seconds is None else seconds * workers / len(starts)
    done = np.zeros(len(searches))

    def go(i: int) -> npt.NDArray[np.int32]:
        def tell(share: float) -> None:
            done[i] = share
            if on_progress is not None:
                on_progress(float(done.mean()))

        return searches[i].run(tries, _COLD * coldest, seconds=deadline, on_progress=tell)

    with ThreadPoolExecutor(workers) as pool:
        found = [starts[0], *pool.map(go, range(len(searches)))]
    ranks = [rank(problem, core_of) for core_of in found]
    return found[ranks.index(min(ranks))]


def rank(problem: Problem, core_of: npt.NDArray[np.int32]) -> tuple[int, float]:
    """By how much a placement exceeds the limits, then its cost: the lower the better."""
    beyond = 0
    if problem.limits.any:
        tables = make_tables(problem, core_of)
        usage = count_usage(problem, tables)
        beyond = excess(
            tables.rows, tables.first, usage, make_limits(problem), problem.limits.local_axons, chips(problem)
        )
    if problem.objective == "max-link":
        return beyond, busiest_link(problem, core_of)
    return beyond, placement_cost(problem, core_of)


def _starts(problem: Problem, rng: np.random.Generator) -> list[npt.NDArray[np.int32]]:
    cut = tiles.place(problem, rng) if problem.positions is not None else bisection.place(problem, rng)
    if problem.n > _ONE_START:
        return [cut]
    number = int(np.clip(_NEURONS_STARTED // problem.n, *_STARTS))
    # Odd starts are cuts, which is what networks with positions need; even ones find what no cut would.
    if problem.n > _NEURONS_STARTED:
        return [cut, *(bisection.place(problem, rng) for _ in range(number - 1))]
    return [cut if i % 2 == 0 else shuffled.place(problem, rng) for i in range(number)]
