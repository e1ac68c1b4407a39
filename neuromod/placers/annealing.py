r"""Simulated annealing of single neurons, with the exact change of the cost and a hard capacity.

A move takes a neuron to another core, a swap exchanges two. The cost
:math:`\sum_s r_s \sum_{c \in D_s} cost(core_s, c)` changes only through the neuron itself and through those of its
sources whose number of targets in the old core falls to zero or in the new core rises to one. Any cost between cores
is possible: hops, packets or energy.

References
----------
S. Kirkpatrick, C. D. Gelatt, M. P. Vecchi, "Optimization by simulated annealing", Science 220:671 (1983),
10.1126/science.220.4598.671.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from neuromod.kernels import compiled
from neuromod.placers import shuffled, tiles
from neuromod.placers.problem import Problem
from neuromod.traffic import placement_cost

# Tries for each neuron at an effort of 1, and their bounds.
_TRIES_PER_NEURON = 2_000
_LEAST, _MOST = 100_000, 20_000_000
# Small networks are annealed from several starts, so many that this number of neurons is placed in all.
_NEURONS_STARTED = 1_000
# First and last temperature, in units of the mean cost of one neuron's packet over the shortest way.
_HOT, _COLD = 5.0, 0.02
# Share of the tries at the end that accept no loss.
_QUENCH = 0.1


def place(problem: Problem, rng: np.random.Generator, *, effort: float = 1.0) -> npt.NDArray[np.int32]:
    """Anneal from several starts and keep the best placement.

    The starts are rectangular tiles and random ones. The result is never worse than the tiles.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the cost.
    rng : Generator
        Source of randomness; equal generators give equal placements, however many processors there are.
    effort : float, default 1
        Number of tries, relative to the default.

    Returns
    -------
    (n,) int32
        Core of each neuron.
    """
    n_starts = int(np.clip(_NEURONS_STARTED // problem.n, 2, 16))
    starts = [tiles.place(problem, rng), *(shuffled.place(problem, rng) for _ in range(n_starts - 1))]
    seeds = [int(seed) for seed in rng.integers(0, 2**63, len(starts))]
    tries = int(np.clip(_TRIES_PER_NEURON * problem.n, _LEAST, _MOST) * effort)
    with ThreadPoolExecutor(max_workers=min(len(starts), os.cpu_count() or 1)) as pool:
        annealed = pool.map(lambda start, seed: anneal(problem, start, seed, tries), starts, seeds)
        found = [starts[0], *annealed]
    costs = [placement_cost(problem, core_of) for core_of in found]
    return found[int(np.argmin(costs))]


def anneal(problem: Problem, start: npt.NDArray[np.int32], seed: int, tries: int) -> npt.NDArray[np.int32]:
    """Anneal one placement.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the cost.
    start : (n,) int32
        Placement to begin with; it must keep the capacity.
    seed : int
        Seed of the method.
    tries : int
        Number of moves and swaps that are tried.

    Returns
    -------
    (n,) int32
        Core of each neuron.
    """
    core_of = start.astype(np.int32)
    k = problem.grid.cores
    remote = problem.cost[~np.eye(k, dtype=bool)]
    if k == 1 or not len(problem.targets) or not remote.any():
        return core_of
    unit = float(remote[remote > 0].min() * problem.rates.mean())
    if not unit:
        return core_of
    state = _start(problem, core_of)
    _anneal(
        problem.indptr, problem.targets, *_sources(problem), problem.rates, problem.cost,
        core_of, *state, problem.capacity, _HOT * unit, _COLD * unit, tries, int(_QUENCH * tries), np.uint64(seed),
    )  # fmt: skip
    return core_of


def _sources(problem: Problem) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Sources of each neuron: the transpose of its targets."""
    source = np.repeat(np.arange(problem.n, dtype=np.int32), np.diff(problem.indptr))
    order = np.argsort(problem.targets, kind="stable")
    counts = np.bincount(problem.targets, minlength=problem.n)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), source[order]


@compiled
def _count_targets(indptr, targets, core_of, used, entries):  # type: ignore[no-untyped-def]  # pragma: no cover
    for s in range(len(indptr) - 1):
        first = indptr[s]
        n_used = 0
        for p in range(first, indptr[s + 1]):
            core = core_of[targets[p]]
            at = first
            while at < first + n_used and entries[at, 0] != core:
                at += 1
            if at == first + n_used:
                entries[at, 0] = core
                entries[at, 1] = 0
                n_used += 1
            entries[at, 1] += 1
        used[s] = n_used


def _start(problem: Problem, core_of: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], ...]:
    """Tables that the kernel keeps up to date: for each neuron the cores of its targets with their number (a list
    as long as its targets at most, which stays small at a million neurons), and for each core its neurons.
    """
    used = np.zeros(problem.n, np.int32)
    entries = np.zeros((len(problem.targets), 2), np.int32)
    _count_targets(problem.indptr, problem.targets, core_of, used, entries)
    sizes = np.bincount(core_of, minlength=problem.grid.cores).astype(np.int32)
    order = np.argsort(core_of, kind="stable").astype(np.int32)
    slot = np.empty(problem.n, np.int32)
    first = np.concatenate([[0], np.cumsum(sizes)])
    slot[order] = np.arange(problem.n) - first[core_of[order]]
    members = np.full((problem.grid.cores, min(problem.capacity, problem.n)), -1, np.int32)
    members[core_of, slot] = np.arange(problem.n, dtype=np.int32)
    return used, entries, sizes, slot, members


@compiled
def _change(v, b, indptr, into, sources, rates, cost, core_of, used, entries):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change of the cost if neuron v goes to core b."""
    a = core_of[v]
    change = 0.0
    for p in range(indptr[v], indptr[v] + used[v]):
        core = entries[p, 0]
        change += cost[b, core] - cost[a, core]
    change *= rates[v]
    for q in range(into[v], into[v + 1]):
        u = sources[q]
        here = core_of[u]
        leaves = False
        enters = True
        for p in range(indptr[u], indptr[u] + used[u]):
            core = entries[p, 0]
            if core == a:
                leaves = entries[p, 1] == 1
            elif core == b:
                enters = False
        if leaves:
            change -= rates[u] * cost[here, a]
        if enters:
            change += rates[u] * cost[here, b]
    return change


@compiled
def _move(v, b, indptr, into, sources, core_of, used, entries):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write down that neuron v goes to core b, all but the members of the cores."""
    a = core_of[v]
    core_of[v] = b
    for q in range(into[v], into[v + 1]):
        u = sources[q]
        first = indptr[u]
        last = first + used[u]
        at_a = -1
        at_b = -1
        for p in range(first, last):
            if entries[p, 0] == a:
                at_a = p
            elif entries[p, 0] == b:
                at_b = p
        if entries[at_a, 1] == 1:
            if at_b < 0:
                entries[at_a, 0] = b
            else:
                entries[at_b, 1] += 1
                last -= 1
                entries[at_a, 0] = entries[last, 0]
                entries[at_a, 1] = entries[last, 1]
                used[u] -= 1
        else:
            entries[at_a, 1] -= 1
            if at_b < 0:
                entries[last, 0] = b
                entries[last, 1] = 1
                used[u] += 1
            else:
                entries[at_b, 1] += 1


@compiled
def _anneal(  # type: ignore[no-untyped-def]  # pragma: no cover
    indptr, targets, into, sources, rates, cost, core_of, used, entries, sizes, slot, members,
    capacity, hot, cold, tries, quench, seed,
):  # fmt: skip
    n = len(core_of)
    k = len(sizes)
    cooling = (cold / hot) ** (1.0 / max(tries - quench, 1))
    temperature = hot
    state = seed ^ np.uint64(0x9E3779B97F4A7C15)
    for i in range(tries):
        temperature = temperature * cooling if i < tries - quench else 0.0
        # splitmix64 (S. Vigna, public domain): one number for each draw.
        state += np.uint64(0x9E3779B97F4A7C15)
        z = state
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        v = np.int64((z >> np.uint64(33)) * np.uint64(n) >> np.uint64(31))
        draw = z & np.uint64(0xFFFFFFFF)
        a = core_of[v]
        # Half of the tries go to the core of a neighbour, half anywhere.
        n_out = indptr[v + 1] - indptr[v]
        n_all = n_out + into[v + 1] - into[v]
        if draw & np.uint64(1) and n_all > 0:
            pick = np.int64(((draw >> np.uint64(1)) * np.uint64(n_all)) >> np.uint64(31))
            other = targets[indptr[v] + pick] if pick < n_out else sources[into[v] + pick - n_out]
            b = core_of[other]
        else:
            b = np.int32(((draw >> np.uint64(1)) * np.uint64(k)) >> np.uint64(31))
        if b == a:
            continue
        state += np.uint64(0x9E3779B97F4A7C15)
        z = state
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        chance = np.float64(z >> np.uint64(32)) / 4294967296.0
        place = np.int64(((z & np.uint64(0xFFFFFFFF)) * np.uint64(capacity)) >> np.uint64(32))
        limit = -temperature * np.log(chance + 1e-300)
        change = _change(v, b, indptr, into, sources, rates, cost, core_of, used, entries)
        if place >= sizes[b]:
            # An empty place of the core: a move.
            if change > limit:
                continue
            _move(v, b, indptr, into, sources, core_of, used, entries)
            sizes[a] -= 1
            last = members[a, sizes[a]]
            members[a, slot[v]] = last
            slot[last] = slot[v]
            members[b, sizes[b]] = v
            slot[v] = sizes[b]
            sizes[b] += 1
        else:
            w = members[b, place]
            _move(v, b, indptr, into, sources, core_of, used, entries)
            change += _change(w, a, indptr, into, sources, rates, cost, core_of, used, entries)
            if change > limit:
                _move(v, a, indptr, into, sources, core_of, used, entries)
                continue
            _move(w, a, indptr, into, sources, core_of, used, entries)
            members[a, slot[v]] = w
            members[b, place] = v
            slot[w] = slot[v]
            slot[v] = place
