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
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neuromod.hardware import DENSE
from neuromod.mapping.cost import busiest_link, core_loads, placement_cost
from neuromod.mapping.local_search.core_balance import FEW, balance_all
from neuromod.mapping.local_search.moves import chips, count_usage, excess, make_limits
from neuromod.mapping.local_search.run import Search
from neuromod.mapping.local_search.side_by_side import search_all
from neuromod.mapping.local_search.tables import make_tables
from neuromod.mapping.modules import start as whole_modules
from neuromod.mapping.placers import bisection, clusters, multilevel, tiles
from neuromod.mapping.placers import random as shuffled
from neuromod.mapping.placers.components import pack_components
from neuromod.mapping.placers.fitting import find
from neuromod.mapping.placers.tiles import cores_needed
from neuromod.mapping.problem import Effort, Problem, renumbered

# Tries of all starts at an effort of 1: this many at the first number of neurons, growing with the root of their number
# up to the second and with a smaller power beyond.
_TRIES, _NEURONS, _MANY_NEURONS, _POWER = 3_000_000, 400, 20_000, 0.35
# Starts: as many as place this number of neurons in all, within bounds; beyond the last number a single one.
_NEURONS_STARTED, _STARTS, _ONE_START = 1_600, (2, 16), 50_000
# Neurons beyond which they are numbered anew, core by core, so that neighbours lie close in memory.
_RENUMBERED = 50_000
# Neurons and cores up to which groups of neurons, each kept whole on a core, are tried beside the search.
_CLUSTERED, _CORES_CLUSTERED = 5_000, 256
# Last temperature, in units of the mean loss of the losing tries at the start.
COLD = 0.05
# First and last temperature where the start has found the network's modules: hotter ones undo it. Number of starts of
# that kind, the share of the tries that is enough for them, and of the time, if time is given, that they take.
HOT_MODULES, COLD_MODULES, _STARTS_MODULES, _TRIES_MODULES, _TIME_MODULES = 0.04, 0.01, 2, 0.4, 0.4
# First temperature where the start keeps modules whole, which is for few packets, and the share of the tries where it
# had to cut some: which of their neurons lie apart is for the search to find.
HOT_WHOLE, _TRIES_CUT = 0.12, 1.0
_WORKERS = os.cpu_count() or 1
# Further rounds, where the first found nothing that keeps the limits, as long as each leaves no more than this share of
# the excess.
_PATIENCE, _WORTH = 5, 0.5


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Anneal from several starts and keep the best placement.

    The starts are the placement that training grew, if there is one, cuts of the plane of neurons and, for small
    networks, random ones; where neurons form modules that a cut does not follow, `neuromod.mapping.placers.multilevel`,
    whose starts are refined at lower temperatures with fewer tries. The result is never worse than the first of them,
    nor, in networks of at most 5,000 neurons, than `neuromod.mapping.placers.clusters`.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid, the cost and the limits.
    rng : Generator
        Source of randomness; equal generators give equal placements, however many processors there are.
    effort : Effort
        Number of tries, or time.

    Returns
    -------
    (n,) int32
        Core of each neuron. Where the limits cannot be kept, a placement that exceeds them by little.
    """
    packed = pack_components(problem)
    if packed is not None and rank(problem, packed) == (0, 0.0):
        return packed
    if problem.objective == "max-core":
        return _balance(problem, rng, effort)
    if problem.tree is not None or problem.objective == "max-link":
        # A good placement of copied packets is half the way to both.
        good = place(replace(problem, objective="hops", tree=None), rng, effort.part(0.0, 0.5))
        effort = effort.part(0.5, 1.0)
        seen = problem.tree is not None and _sees_modules(problem, _cut(problem))
        starts = [Start(good, HOT_MODULES, _TRIES_MODULES) if seen else Start(good)] * 2
    else:
        starts = _starts(problem, rng, effort)
        if any(start.hot is not None for start in starts):
            effort = effort.part(_TIME_MODULES, 1.0, 1.0)
    found = [starts[0].core_of] if problem.grown is None else [problem.grown, starts[0].core_of]
    tries = count_tries(problem, starts, effort)
    beyond = min(rank(problem, start.core_of)[0] for start in starts)
    fitting = find(problem) if beyond else None
    # Where even that found nothing, a search that gets no nearer to the limits is not worth its time.
    stubborn = bool(beyond) and fitting is None
    found += _anneal_all(problem, starts, rng, tries, effort, give_up=stubborn)
    if problem.n <= _CLUSTERED and problem.grid.cores <= _CORES_CLUSTERED:
        found.append(clusters.place(problem, rng))
    best = min(found, key=lambda core_of: rank(problem, core_of))
    left = rank(problem, best)[0]
    if left and fitting is not None:
        found = [fitting, *_anneal_all(problem, [Start(fitting)] * len(starts), rng, tries, effort)]
        return min(found, key=lambda core_of: rank(problem, core_of))
    for _ in range(_PATIENCE):
        # Limits are still exceeded: once more, from there, as long as it gets much better.
        if not left or left > _WORTH * beyond or effort.seconds is not None or effort.should_stop():
            break
        found = [best, *_anneal_all(problem, [Start(best)] * len(starts), rng, tries, effort, give_up=stubborn)]
        best = min(found, key=lambda core_of: rank(problem, core_of))
        beyond, left = left, rank(problem, best)[0]
    return best


@dataclass(frozen=True, eq=False)
class Start:
    """A placement to begin with.

    Parameters
    ----------
    core_of : (n,) int32
        Core of each neuron.
    hot : float, optional
        First temperature that suits it, in units of the mean loss of losing tries; that of a search from anywhere if
        omitted.
    tries : float, default 1
        How many tries are enough for it, relative to a search from anywhere.
    """

    core_of: npt.NDArray[np.int32]
    hot: float | None = None
    tries: float = 1.0


def count_tries(problem: Problem, starts: list[Start], effort: Effort) -> int:
    """Tries of each start."""
    some = min(problem.n, _MANY_NEURONS)
    growth = (some / _NEURONS) ** 0.5 * (problem.n / some) ** _POWER
    share = 1.0 if any(start.hot is None for start in starts) else max(start.tries for start in starts)
    return max(int(share * effort.amount * _TRIES * growth / len(starts)), 10_000)


def _anneal_all(
    problem: Problem,
    starts: list[Start],
    rng: np.random.Generator,
    tries: int,
    effort: Effort,
    *,
    give_up: bool = False,
) -> list[npt.NDArray[np.int32]]:
    """Anneal every start, on as many processors as there are."""
    seeds = rng.integers(0, 2**63, len(starts))
    order = np.arange(problem.n)
    if problem.n > _RENUMBERED:
        order = np.argsort(starts[0].core_of, kind="stable")
        problem = renumbered(problem, order)
    searches = [Search(problem, start.core_of[order], seed) for start, seed in zip(starts, seeds, strict=True)]
    coldest = min((search.unit for search in searches if search.unit > 0), default=0.0)
    deadline = None if effort.seconds is None else effort.seconds * min(len(starts), _WORKERS) / len(starts)

    def search(i: int, tell: Callable[[float], None]) -> npt.NDArray[np.int32]:
        hot = starts[i].hot
        core_of = np.empty(problem.n, np.int32)
        core_of[order] = searches[i].run(
            tries, (COLD if hot is None else COLD_MODULES) * coldest, seconds=deadline, hot=hot, give_up=give_up,
            on_progress=tell, should_stop=effort.should_stop,
        )  # fmt: skip
        return core_of

    workers = min(len(starts), _WORKERS)
    return search_all(search, len(searches), workers=workers, on_progress=effort.on_progress)


def _balance(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Find few hops first, then as little as possible on the busiest core."""
    # With the whole effort, so that it is the placement for hops, of which only a few more are taken.
    best = place(replace(problem, objective="hops", work=None), rng, effort.part(0.0, 0.5, 1.0))
    if rank(problem, best)[0]:
        return best
    effort = effort.part(0.5, 1.0, 1.0)
    number = int(np.clip(_NEURONS_STARTED // problem.n, *_STARTS))
    some = min(problem.n, _MANY_NEURONS)
    growth = (some / _NEURONS) ** 0.5 * (problem.n / some) ** _POWER
    tries = max(int(effort.amount / 2 * _TRIES * growth / number), 10_000)
    starts = [best if i % 2 == 0 or problem.n > FEW else shuffled.place(problem, rng, effort) for i in range(number)]
    return balance_all(problem, starts, rng.integers(0, 2**63, number), tries, effort)


def rank(problem: Problem, core_of: npt.NDArray[np.int32]) -> tuple[float, ...]:
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
    if problem.objective == "max-core":
        loads, hops = core_loads(problem, core_of)
        return beyond, float(loads.max()), hops
    return beyond, placement_cost(problem, core_of)


def _cut(problem: Problem, rng: np.random.Generator | None = None) -> npt.NDArray[np.int32]:
    """Placement that training grew, or out of coordinates: the neurons' own, or distances in the graph."""
    if problem.grown is not None:
        return problem.grown
    place_by = tiles.place if problem.positions is not None else bisection.place
    return place_by(problem, rng or np.random.default_rng(0), Effort())


def _sees_modules(problem: Problem, first: npt.NDArray[np.int32]) -> bool:
    """Whether starts that see modules are worth their time, beside the cut `first`."""
    looked_at = problem.positions is None or problem.n <= _ONE_START
    return looked_at and 1 < problem.grid.cores <= DENSE and multilevel.has_modules(problem, first)


def _starts(problem: Problem, rng: np.random.Generator, effort: Effort) -> list[Start]:
    first = _cut(problem, rng)
    starts = [Start(first)]
    number = int(np.clip(_NEURONS_STARTED // problem.n, *_STARTS)) if problem.n <= _ONE_START else 1
    if _sees_modules(problem, first):
        starts = _modules(problem, rng, effort)
        if problem.n > _NEURONS_STARTED and not any(rank(problem, start.core_of)[0] for start in starts):
            return starts
        starts, number = [Start(first), *starts], number + len(starts)
    if rank(problem, first)[0] and cores_needed(problem) < problem.grid.cores:
        # What is too much for a few full cores may do on many.
        spread = replace(problem, capacity=-(-problem.n // problem.grid.cores))
        starts.append(Start(_cut(replace(spread, grown=None), rng)))
    # Cuts of the plane are what local networks need; random starts find what no cut would.
    for i in range(len(starts), number):
        cut = problem.n > _NEURONS_STARTED or i % 2 == 0
        starts.append(Start(first if cut else shuffled.place(problem, rng, effort)))
    return starts


def _modules(problem: Problem, rng: np.random.Generator, effort: Effort) -> list[Start]:
    """Starts that see modules, made side by side."""
    effort = effort.part(0.0, _TIME_MODULES, 1.0)
    # What moves groups reads the cost of all pairs of cores.
    problem = replace(problem, cost=problem.matrix())
    seeds = rng.spawn(_STARTS_MODULES)

    def start(i: int, tell: Callable[[float], None]) -> Start:
        part = replace(effort, on_progress=tell)
        if problem.objective != "packets":
            return Start(multilevel.place(problem, seeds[i], part), HOT_MODULES, _TRIES_MODULES)
        core_of, whole = whole_modules.place(problem, seeds[i], part)
        return Start(core_of, HOT_WHOLE, _TRIES_MODULES if whole else _TRIES_CUT)

    workers = min(_STARTS_MODULES, _WORKERS)
    return search_all(start, _STARTS_MODULES, workers=workers, on_progress=effort.on_progress)
