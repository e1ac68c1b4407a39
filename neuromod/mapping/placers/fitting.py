"""A placement that keeps the limits, at whatever cost: what a search for little traffic falls back on.

It knows neither the effort nor the activity, and has no randomness but its own: a change of the grid, the capacity or
the network that makes it find a placement once makes it find the same again, however the search itself is set. So
advice that was tried by it alone holds for every run that follows the advice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neuromod.hardware import DENSE, HOPS, cost_matrix, make_ways
from neuromod.mapping.local_search.run import Search
from neuromod.mapping.placers import bisection, clusters, tiles
from neuromod.mapping.placers.components import pack_components
from neuromod.mapping.problem import Effort, Problem

# Cores up to which groups of neurons are arranged; neurons beyond which nothing is searched.
_PAIRED = 16_384
MOST = 20_000
# Segments of a search, those without less excess after which it is given up, and the work of each: synapses of the
# neurons that are tried, each try counting as some more.
_SEGMENTS, _PATIENCE, _WORK, _TRY = 24, 6, 40_000, 16


def find(problem: Problem) -> npt.NDArray[np.int32] | None:
    """Find a placement that keeps the limits of a search.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the limits; its rates and costs are not looked at.

    Returns
    -------
    (n,) int32 or None
        Core of each neuron; None if none was found, or there are too many neurons to search.
    """
    if problem.n > MOST:
        return None
    plain = replace(
        problem,
        rates=np.concatenate([np.ones(problem.n), np.zeros(len(problem.rates) - problem.n)]),
        objective="hops",
        cost=make_ways(HOPS, problem.grid) if problem.grid.cores > DENSE else cost_matrix(HOPS, problem.grid),
        tree=None,
    )
    searches = []
    for number, start in enumerate(_starts(plain)):
        search = Search(plain, start, number)
        if search.excess == 0:
            return start
        searches.append(search)
    tries = max(int(_WORK / (_TRY + 2 * len(problem.targets) / problem.n)), 200)
    # The most promising first.
    for search in sorted(searches, key=lambda item: item.excess)[:2]:
        found = search.run_until_it_fits(tries, _SEGMENTS, _PATIENCE)
        if found is not None:
            return found
    return None


def _starts(problem: Problem) -> list[npt.NDArray[np.int32]]:
    """Different ways to divide the neurons: as they are connected, whole groups, evenly, over few cores and many."""
    rng, effort = np.random.default_rng(0), Effort()
    spread = replace(problem, capacity=-(-problem.n // problem.grid.cores))
    starts = [
        pack_components(problem),
        problem.grown,
        clusters.place(problem, rng) if problem.grid.cores <= _PAIRED else None,
        *(bisection.place(each, rng, effort) for each in (problem, spread)),
        tiles.place(spread, rng, effort),
    ]
    return [start.astype(np.int32) for start in starts if start is not None]
