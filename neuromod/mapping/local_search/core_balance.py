"""The objective ``max-core``: as little as possible on the busiest core, and among such placements few hops.

The loads of all cores are kept up to date, move by move, so that the change of each is exact. Since the largest alone
says nothing about most moves, the search is led by a p-norm of all loads together with the hops, and p grows; what
decides is the exact maximum, and the hops where it is equal. A descent on these two ends the search.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from neuromod.mapping.cost import core_loads
from neuromod.mapping.local_search.core_changes import balance_cores
from neuromod.mapping.local_search.run import Search
from neuromod.mapping.local_search.side_by_side import search_all
from neuromod.mapping.problem import Effort, Problem

# First and last power of the norm; share of the tries in which only the exact maximum and the hops count; segments.
_POWERS, _DESCENT, _SEGMENTS = (4.0, 48.0), 0.15, 60
# Networks of up to so many neurons take whatever hops it costs; all others at most so many times those of the start,
# since the last per cent of the busiest core would cost a third of them.
FEW, _BUDGET = 64, 1.09
# First temperature in units of the mean loss of the losing tries, of a small network and a large one, the last relative
# to it, and what hops weigh beside the norm: so many per cent of its value are worth one per cent of the hops.
_HOT, _COLD, _HOPS = (0.5, 0.1), 0.04, (0.15, 0.6)
# By what the weight of the hops changes between segments where they are above this share of what may be taken, and not.
_MARGIN, _DEARER, _CHEAPER = 0.995, 1.2, 0.9
# Tries between two looks at the clock, and at whether to stop.
_BATCH, _CHUNK = 20_000, 200_000
# Loads that differ by less than this share are equal.
_EQUAL = 1e-9


def balance_all(
    problem: Problem,
    starts: list[npt.NDArray[np.int32]],
    seeds: npt.NDArray[np.int64],
    tries: int,
    effort: Effort,
) -> npt.NDArray[np.int32]:
    """Search from every start, on as many processors as there are; return the best placement of all, (n,)."""
    workers = min(len(starts), os.cpu_count() or 1)
    each = None if effort.seconds is None else effort.seconds * workers / len(starts)

    def search(i: int, tell: Callable[[float], None]) -> tuple[npt.NDArray[np.int32], int, float, float]:
        return balance(
            problem, starts[i], int(seeds[i]), tries, seconds=each, on_progress=tell, should_stop=effort.should_stop
        )

    found = search_all(search, len(starts), workers=workers, on_progress=effort.on_progress)
    best = found[0]
    for other in found[1:]:
        if _ranks_before(other[1:], best[1:]):
            best = other
    return best[0]


def balance(
    problem: Problem,
    start: npt.NDArray[np.int32],
    seed: int,
    tries: int,
    *,
    seconds: float | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[npt.NDArray[np.int32], int, float, float]:
    """Search from a start; return the best placement that was seen, its excess, its busiest core and its hops.

    A placement with less excess over the limits is better, whatever it costs.

    Parameters
    ----------
    problem : Problem
        With the objective ``max-core``.
    start : (n,) int32
        Placement to begin with; it must keep the capacity.
    seed : int
        Seed of the tries.
    tries : int
        Number of moves and swaps that are tried; with `seconds` as many as time allows.
    seconds : float, optional
        Time that may be taken.
    on_progress : callable, optional
        Takes the share that is done, 0 … 1.
    should_stop : callable, optional
        Once it says True, the search ends.
    """
    state = Search(problem, start, seed)
    best = start.astype(np.int32)
    loads, hops = core_loads(problem, best)
    if problem.grid.cores == 1 or not loads.any():
        return best, state.count_excess(), float(loads.max(initial=0.0)), hops
    least = (state.count_excess(), float(loads.max()), hops)
    whole = max(hops, 1e-300)
    large = int(problem.n > FEW)
    weight, budget = _HOPS[large], _BUDGET * hops if large else np.inf
    unit = _run(state, loads, (0.0, _POWERS[0], weight / whole, np.inf), 0, 2_000)[1]
    batch = max(tries // _SEGMENTS, 1) if seconds is None else _BATCH
    begin, share, step = time.monotonic(), 0.0, 1 / _SEGMENTS
    while share < 1 and not should_stop():
        descends = share >= 1 - _DESCENT
        cooled = min(share / (1 - _DESCENT), 1.0)
        temperature = 0.0 if descends else unit * _HOT[large] * _COLD**cooled
        power = _POWERS[0] * (_POWERS[1] / _POWERS[0]) ** cooled
        how = (temperature, power, weight / whole, budget - hops)
        for left in range(batch, 0, -_CHUNK):
            _run(state, loads, how, 2 if descends and hops <= budget else 1, min(left, _CHUNK))
            if should_stop():
                break
        # Sums of small changes drift, so that every segment begins with a full count.
        core_of = state.tables.core_of(problem.n)
        loads, hops = core_loads(problem, core_of)
        found = (state.count_excess(), float(loads.max()), hops)
        if hops <= budget and _ranks_before(found, least):
            best, least = core_of, found
        if large:
            weight *= _DEARER if hops > budget * _MARGIN else _CHEAPER
        if seconds is None:
            share = 1.0 if share > 1 - 1.5 * step else share + step
        else:
            share = min((time.monotonic() - begin) / seconds + step, 1.0)
        on_progress(share)
    return best, *least


def is_better(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether the busiest core of one placement is less than that of another or, if they are equal, its hops."""
    if one[0] < other[0] * (1 - _EQUAL):
        return True
    return one[0] <= other[0] * (1 + _EQUAL) and one[1] < other[1]


def _ranks_before(one: tuple[int, float, float], other: tuple[int, float, float]) -> bool:
    """Whether a placement has less excess than another or, if it is equal, is better: excess, busiest core, hops."""
    return one[0] < other[0] or (one[0] == other[0] and is_better(one[1:], other[1:]))


def _run(
    state: Search, loads: npt.NDArray[np.float64], how: tuple[float, float, float, float], mode: int, tries: int
) -> tuple[float, float]:
    t, problem = state.tables, state.problem
    work = problem.work
    assert work is not None
    found: tuple[float, float] = balance_cores(
        t.rows, t.rates, t.first[: problem.n], t.out_ptr, t.targets, t.in_ptr, t.sources, state.cost, state.routers,
        state.sizes, problem.capacity, state.members, state.slot, problem.synapses, state.usage, state.limits,
        problem.limits.local_axons, state.chips, work.events, work.weights, work.branching, loads, state.random,
        *how, mode, tries,
    )  # fmt: skip
    return found
