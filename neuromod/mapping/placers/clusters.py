"""Groups of neurons that belong together, each onto one core: what a search of single neurons finds last.

Pairs of groups that are most connected for their size merge, as long as a core can hold them; the groups are packed
onto cores, and what the cores hold is arranged on the grid by where the groups lie and then by annealing whole cores.

References
----------
G. Karypis, V. Kumar, "A fast and high quality multilevel scheme for partitioning irregular graphs", SIAM Journal on
Scientific Computing 20(1):359 (1998), 10.1137/S1064827595287997: merging by a matching of heavy edges.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.mapping.cost import packets_between
from neuromod.mapping.local_search.core_exchange import anneal_cores
from neuromod.mapping.placers.bisection import cut_plane, embed
from neuromod.mapping.placers.tiles import least_corner
from neuromod.mapping.problem import Problem

# Temperatures of the arrangement, in units of the mean packets between two cores that talk; their number for up to so
# many cores, with fewer for more, since each takes the third power of the cores.
_HOT, _COLD, _SEGMENTS, _CORES = 8.0, 0.3, 300, 64


def place(problem: Problem, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Merge neurons into groups, pack the groups, arrange the cores.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the cost.
    rng : Generator
        Breaks ties.

    Returns
    -------
    (n,) int32
        Core of each neuron; the capacity is kept, other limits are not looked at.
    """
    held = pack(merge(problem, rng), problem)
    used = np.unique(held)
    at = problem.positions if problem.positions is not None else embed(problem, rng)
    sizes = np.bincount(held, minlength=problem.grid.cores)
    middle = np.stack([np.bincount(held, weights=at[:, axis], minlength=len(sizes)) for axis in (0, 1)], axis=1)
    to = np.full(len(sizes), -1, np.int32)
    to[used] = cut_plane(middle[used] / sizes[used, None], least_corner(problem.grid, len(used)), problem.grid)
    core_of: npt.NDArray[np.int32] = arrange(problem, to[held], rng)[to[held]].astype(np.int32)
    return core_of


def merge(problem: Problem, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Group of each neuron, (n,): pairs that are each other's most connected merge, up to the capacity of a core."""
    for group in rounds(problem, rng, problem.capacity):
        last = group
    return last


def rounds(problem: Problem, rng: np.random.Generator, most: int) -> Iterator[npt.NDArray[np.int64]]:
    """Group of each neuron, (n,), after each round of merging: first all alone, at last up to `most` together."""
    n = problem.n
    source, target = problem.between_neurons()
    one, two = np.minimum(source, target), np.maximum(source, target)
    # Silent neurons belong together too, only less.
    weights = problem.rates[source] + 1e-6
    group, sizes = np.arange(n), np.ones(n, np.int64)
    while True:
        yield group
        graph = sparse.coo_array((weights, (one, two)), shape=(len(sizes), len(sizes))).tocsr().tocoo()
        one, two, weights = graph.row, graph.col, graph.data
        fits = sizes[one] + sizes[two] <= most
        one, two, weights = one[fits], two[fits], weights[fits]
        score = weights / (sizes[one] * sizes[two]) * (1 + 1e-3 * rng.random(len(one)))
        # Of each group the best of its pairs: the last one when sorted by score.
        order = np.argsort(score)
        mate = np.full(len(sizes), -1)
        best = np.full(len(sizes), -np.inf)
        for side, other in ((one, two), (two, one)):
            top = np.full(len(sizes), -1)
            top[side[order]] = order
            better = (top >= 0) & (score[top] > best) if len(score) else top >= 0
            best[better] = score[top[better]]
            mate[better] = other[top[better]]
        lead = np.flatnonzero((mate >= 0) & (mate[mate] == np.arange(len(sizes))) & (np.arange(len(sizes)) < mate))
        if not len(lead):
            return
        number = np.arange(len(sizes))
        number[mate[lead]] = lead
        _, number = np.unique(number, return_inverse=True)
        group, sizes = number[group], np.bincount(number, weights=sizes).astype(np.int64)
        one, two = np.minimum(number[one], number[two]), np.maximum(number[one], number[two])
        apart = one != two
        one, two, weights = one[apart], two[apart], weights[apart]


def pack(group: npt.NDArray[np.int64], problem: Problem) -> npt.NDArray[np.int64]:
    """Put every group on one core, largest first, where it leaves the least room; split those that fit nowhere."""
    room = np.full(problem.grid.cores, problem.capacity)
    core_of = np.empty(problem.n, np.int64)
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    begins = np.cumsum(sizes) - sizes
    for number in np.argsort(-sizes, kind="stable").tolist():
        members = order[begins[number] : begins[number] + sizes[number]]
        while len(members):
            fits = room >= len(members)
            core = int(np.where(fits, -room, -problem.capacity - 1).argmax() if fits.any() else room.argmax())
            taken = members[: room[core]]
            core_of[taken] = core
            room[core] -= len(taken)
            members = members[len(taken) :]
    return core_of


def arrange(problem: Problem, part: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Core of each part, (cores,): what the cores hold stays together and is exchanged, by annealing."""
    k = problem.grid.cores
    packets = packets_between(problem, part)
    at = np.arange(k)
    if not packets.any():
        return at
    unit = float(packets[packets > 0].mean())
    random = rng.integers(0, 2**63, 1).astype(np.uint64)
    segments = max(int(_SEGMENTS * min((_CORES / k) ** 3, 1.0)), 1)
    for temperature in [*np.geomspace(_HOT, _COLD, segments).tolist(), 0.0]:
        anneal_cores(packets, problem.matrix(), at, temperature * unit, 4 * k * k, random)
    return at
