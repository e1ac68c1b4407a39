"""Modules onto cores, cut as little as possible: bin packing with fragments.

Where the cores have room the modules stay whole. Where they hold hardly more than one module each, some must be cut:
the modules stand in a row, and the cores are filled in that order; a module that a core has no room for is cut, or the
core is closed with what room it has left. Which row and how much room is left are annealed.

References
----------
N. Menakerman, R. Rom, "Bin packing with item fragmentation", WADS 2001, 10.1007/3-540-44634-6_29.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.kernels import compiled
from neuromod.mapping.local_search.proposals import below, draw, share
from neuromod.mapping.placers import clusters
from neuromod.mapping.problem import Problem

# Rows that are tried, fewer where they are long: modules of all rows together. First and last temperature, in packets
# of cuts of a module in half.
_ROWS, _MODULES, _HOT, _COLD = 200_000, 20_000_000, 0.5, 0.005
# What room that is left costs at first, in packets a neuron; what a neuron costs that no core has room for.
_ROOM, _BEYOND = 2.0, 10.0


def pack_modules(
    problem: Problem, module: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Put modules onto cores, whole or in as few pieces as possible.

    Parameters
    ----------
    problem : Problem
        The neurons, the cores and their capacity.
    module : (n,) int64
        Module of each neuron.
    rng : Generator
        Source of randomness; which neurons of a module are in which piece is drawn too.

    Returns
    -------
    (n,) int64, (pieces,) int32
        Piece of each neuron, and core of each piece; the capacity is kept.
    """
    core_of = clusters.pack(module, problem)
    key, piece = np.unique(module * problem.grid.cores + core_of, return_inverse=True)
    sizes = np.bincount(module)
    if len(key) > len(sizes):
        found = _cut_few(problem, module, sizes, rng)
        if found is not None:
            return found
    return piece.astype(np.int64), (key % problem.grid.cores).astype(np.int32)


def _cut_few(
    problem: Problem, module: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]] | None:
    n, k, capacity = problem.n, problem.grid.cores, problem.capacity
    source, target = problem.between_neurons()
    targets = float((module[source] == module[target]).mean() * len(source) / n)
    row = rng.permutation(len(sizes))
    most = len(sizes) + n // capacity + k + 1
    pieces = np.zeros((most, 3), np.int64)
    half = float(sizes.mean())
    tries = min(_ROWS, _MODULES // len(sizes))
    random = rng.integers(0, 2**63, 1).astype(np.uint64)
    count = anneal_row(
        row, sizes, k, capacity, targets, half * _HOT, _COLD / _HOT, tries, _ROOM, _BEYOND, random, pieces
    )
    if count < 0:
        return None
    pieces = pieces[:count]
    by_module = np.argsort(pieces[:, 0], kind="stable")
    order = rng.permutation(n)
    order = order[np.argsort(module[order], kind="stable")]
    piece = np.empty(n, np.int64)
    piece[order] = np.repeat(by_module, pieces[by_module, 1])
    return piece, pieces[:, 2].astype(np.int32)


@compiled
def cut_cost(part, size, targets):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Packets of a module that is cut into `part` neurons and the rest, if each has so many targets at random."""
    rest = size - part
    return rest * (1.0 - (rest / size) ** targets) + part * (1.0 - (part / size) ** targets)


@compiled
def fill_cores(row, sizes, cores, capacity, targets, room, beyond, pieces):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill cores in the order of a row of modules; return the cost and, in `pieces`, module, size and core of each.

    Where the cores hold too little, the last pieces are on cores that are not there.
    """
    left = capacity
    core = 0
    cost = 0.0
    count = 0
    for module in row:
        size = sizes[module]
        rest = size
        while rest > 0:
            if left == 0:
                core += 1
                left = capacity
            part = min(rest, left)
            if rest > left:
                cut = cut_cost(left, size, targets)
                if left < capacity and room * left < cut:
                    core += 1
                    left = capacity
                    continue
                cost += cut
            if core >= cores:
                cost += beyond * part
            pieces[count, 0] = module
            pieces[count, 1] = part
            pieces[count, 2] = core
            count += 1
            rest -= part
            left -= part
    return cost, count


@compiled
def anneal_row(  # type: ignore[no-untyped-def]  # pragma: no cover
    row, sizes, cores, capacity, targets, hot, cooling, tries, room, beyond, random, pieces
):
    """Anneal the row and what room costs; return the number of `pieces`, -1 if the cores hold too little."""
    n = len(row)
    cost, count = fill_cores(row, sizes, cores, capacity, targets, room, beyond, pieces)
    best = row.copy()
    best_room = room
    least = cost
    for t in range(tries):
        temperature = hot * cooling ** (t / tries)
        kind = below(draw(random), 8)
        i = below(draw(random), n)
        j = below(draw(random), n)
        new_room = room
        if kind == 0:
            new_room = room * (0.8 + 0.45 * share(draw(random)))
        else:
            _change(row, i, j, kind < 4)
        new, _ = fill_cores(row, sizes, cores, capacity, targets, new_room, beyond, pieces)
        if new - cost <= -temperature * np.log(share(draw(random))):
            cost = new
            room = new_room
            if cost < least:
                least = cost
                best[:] = row
                best_room = room
        elif kind > 0:
            _change(row, j, i, kind < 4)
    row[:] = best
    cost, count = fill_cores(row, sizes, cores, capacity, targets, best_room, beyond, pieces)
    return count if pieces[count - 1, 2] < cores else -1


@compiled
def _change(row, i, j, inserts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take what is at i to j, or exchange both."""
    held = row[i]
    if not inserts:
        row[i] = row[j]
    elif i < j:
        row[i:j] = row[i + 1 : j + 1].copy()
    else:
        row[j + 1 : i + 1] = row[j:i].copy()
    row[j] = held
