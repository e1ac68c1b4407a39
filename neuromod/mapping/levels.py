"""Placement by levels, for systems of many chips: neurons onto chips, then onto the cores of each, then all together.

What a hop from chip to chip costs outweighs what happens within a chip, so that neurons are first shared out over the
chips, as over cores as large as a chip. Within each chip its neurons are cut by their coordinates, and one search over
all cores refines the whole: it counts what goes over the borders, too, but on few chips each neuron stays on its own,
so that as few packets go from chip to chip as the first search found.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid, PacketPrice, Ways, cost_matrix
from neuromod.mapping.cost import lines
from neuromod.mapping.local_search.run import Search
from neuromod.mapping.placers import annealing
from neuromod.mapping.placers.bisection import cut_plane, embed
from neuromod.mapping.placers.tiles import cores_needed, least_corner
from neuromod.mapping.problem import CoreLimits, Effort, Problem, renumbered

Method = Callable[[Problem, np.random.Generator, Effort], npt.NDArray[np.int32]]

# Cores of a grid beyond which only the corner is searched that holds the neurons with some room, if that is smaller.
_CROPPED, _ROOM, _SMALLER = 16_384, 1.25, 0.8
# Chips up to which packets between them count more than how far they go: the ways are short.
_FEW_CHIPS, _FAR = 16, 0.001
# Share of the effort that goes into the chips; first temperature of the refinement, relative to that of a search.
_CHIPS, _COOL = 0.5, 0.25
# Price of a hop from chip to chip, in those of others, from which on each of a few chips keeps its neurons; and neurons
# up to which the whole grid is searched at once where they are not kept.
_DEAR, _AT_ONCE = 4.0, 5_000
# Tries of the refinement for each neuron, at the full effort, and last temperature as in `annealing`.
_TRIES, _COLD = 60, 0.05


def crop(
    problem: Problem, method: Method, rng: np.random.Generator, effort: Effort, *, whole: Grid
) -> npt.NDArray[np.int32]:
    """Place by a method; on very large grids in the corner that it takes, of whole chips or tiles."""
    grid = problem.grid
    if grid.cores <= _CROPPED:
        return method(problem, rng, effort)
    units = Grid(-(-grid.rows // whole.rows), -(-grid.columns // whole.columns))
    needed = min(math.ceil(_ROOM * cores_needed(problem) / whole.cores), units.cores)
    part = least_corner(units, needed)
    rows, columns = min(part.rows * whole.rows, grid.rows), min(part.columns * whole.columns, grid.columns)
    if rows * columns > _SMALLER * grid.cores:
        return method(problem, rng, effort)
    smaller = replace(grid, rows=rows, columns=columns)
    cores = (np.arange(rows)[:, None] * grid.columns + np.arange(columns)).ravel()
    assert isinstance(problem.cost, Ways)
    limits = problem.limits
    if limits.chip_of is not None:
        limits = replace(limits, chip_of=limits.chip_of[cores])
    cost = replace(problem.cost, at=problem.cost.at[cores])
    found = method(replace(problem, grid=smaller, cost=cost, limits=limits, grown=None), rng, effort)
    core_of: npt.NDArray[np.int32] = cores[found].astype(np.int32)
    return core_of


def place(problem: Problem, rng: np.random.Generator, effort: Effort, *, chip: Grid) -> npt.NDArray[np.int32]:
    """Place on several chips.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid of all cores, the cost and the limits.
    rng : Generator
        Source of randomness; equal generators give equal placements.
    effort : Effort
        Number of tries, or time.
    chip : Grid
        Cores of one chip.

    Returns
    -------
    (n,) int32
        Core of each neuron.
    """
    grid = problem.grid
    uneven = grid.rows % chip.rows or grid.columns % chip.columns
    if uneven or problem.objective in ("max-link", "max-core") or problem.limits.chip_of is not None:
        return annealing.place(problem, rng, effort)
    given = problem
    if problem.positions is None:
        problem = replace(problem, positions=embed(problem, rng))
    mesh = Grid(grid.rows // chip.rows, grid.columns // chip.columns)
    few = mesh.cores <= _FEW_CHIPS and _is_dear(problem)
    chip_of = _onto_chips(given, mesh, chip, rng, effort.part(0.0, _CHIPS, 2 * _CHIPS if few else _CHIPS))
    start = _onto_cores(problem, chip_of, mesh, chip)
    of_core = (grid.coordinates() // (chip.rows, chip.columns) @ (mesh.columns, 1)).astype(np.int32) if few else None
    found = [start, _refine(problem, start, rng, effort.part(_CHIPS, 1.0), of_core)]
    best = min(found, key=lambda core_of: annealing.rank(problem, core_of))
    if annealing.rank(problem, best)[0] or (problem.n <= _AT_ONCE and not few):
        # What the chips can hold in all may not go onto their cores.
        best = min(best, annealing.place(given, rng, effort), key=lambda core_of: annealing.rank(problem, core_of))
    return best


def _is_dear(problem: Problem) -> bool:
    """Whether a hop from chip to chip costs so much more than others that nothing else outweighs it."""
    assert isinstance(problem.cost, Ways)
    hops = np.concatenate([np.diff(line) for line in lines(problem.cost, problem.grid)])
    return bool(hops.max(initial=0.0) >= _DEAR * hops.min(initial=np.inf))


def _onto_chips(
    problem: Problem, mesh: Grid, chip: Grid, rng: np.random.Generator, effort: Effort
) -> npt.NDArray[np.int32]:
    price = PacketPrice(1.0, _FAR, _FAR) if mesh.cores <= _FEW_CHIPS else PacketPrice(0.0, 1.0, 1.0)
    chips = replace(
        problem,
        grid=mesh,
        capacity=problem.capacity * chip.cores,
        cost=cost_matrix(price, mesh),
        objective="hops",
        limits=CoreLimits(synapses=problem.limits.synapses * chip.cores),
        grown=None,
        tree=None,
        work=None,
    )
    return annealing.place(chips, rng, effort)


def _onto_cores(problem: Problem, chip_of: npt.NDArray[np.int32], mesh: Grid, chip: Grid) -> npt.NDArray[np.int32]:
    """Cut the neurons of each chip by their coordinates over as many of its cores as they take."""
    at = problem.positions
    assert at is not None
    core_of = np.empty(problem.n, np.int32)
    order = np.argsort(chip_of, kind="stable")
    ends = np.cumsum(np.bincount(chip_of, minlength=mesh.cores))
    for number, members in enumerate(np.split(order, ends[:-1])):
        if not len(members):
            continue
        by_synapses = math.ceil(int(problem.synapses[members].sum()) / problem.limits.synapses)
        cores = min(max(-(-len(members) // problem.capacity), by_synapses, 1), chip.cores)
        within = cut_plane(at[members], least_corner(chip, cores), chip)
        row, column = divmod(number, mesh.columns)
        rows, columns = np.divmod(within, chip.columns)
        core_of[members] = (row * chip.rows + rows) * problem.grid.columns + column * chip.columns + columns
    return core_of


def _refine(
    problem: Problem,
    start: npt.NDArray[np.int32],
    rng: np.random.Generator,
    effort: Effort,
    within: npt.NDArray[np.int32] | None,
) -> npt.NDArray[np.int32]:
    """Search over all cores from a start; neurons stay on the chip of their core, `within`, if that is given."""
    # Neighbours lie close in memory.
    order = np.argsort(start, kind="stable")
    search = Search(renumbered(problem, order), start[order], int(rng.integers(0, 2**63)), within)
    search.unit *= _COOL
    tries = max(int(2 * effort.amount * _TRIES * problem.n), 10_000)
    core_of = np.empty(problem.n, np.int32)
    core_of[order] = search.run(
        tries, _COLD * search.unit, seconds=effort.seconds, on_progress=effort.on_progress,
        should_stop=effort.should_stop,
    )  # fmt: skip
    return core_of
