"""Capacity-balanced coordinate bisection: halve the grid and the neurons, across the longer side, again and again.

References
----------
M. J. Berger, S. H. Bokhari, "A partitioning strategy for nonuniform problems on multiprocessors", IEEE Transactions
on Computers C-36(5):570 (1987), 10.1109/TC.1987.1676942.

D. Harel, Y. Koren, "Graph drawing by high-dimensional embedding", Graph Drawing 2002, LNCS 2528:207,
10.1007/3-540-36151-0_20: the coordinates of a network that brings none.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from neuromod.hardware import Grid
from neuromod.mapping.cost import placement_cost
from neuromod.mapping.placers.components import connected_parts
from neuromod.mapping.placers.tiles import cores_needed, least_corner
from neuromod.mapping.problem import Effort, Problem

# Neurons from which distances are measured in a network without positions, and how many ways round its plane is cut:
# the main axes of a square are any two, and cuts along its diagonals are long.
_PIVOTS, _TURNS = 30, 6


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Cut the neurons by their coordinates as the grid is cut in halves, in proportion to the cores of each half.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the cost. A network without positions gets coordinates from distances in its graph,
        which are turned so that the cuts cost least.
    rng : Generator
        Draws the first neuron from which distances are measured; unused where there are positions.
    effort : Effort
        Unused: the method is done when it is done.

    Returns
    -------
    (n,) int32
        Core of each neuron.
    """
    corner = least_corner(problem.grid, cores_needed(problem))
    if problem.positions is not None:
        return cut_plane(problem.positions, corner, problem.grid)
    at = embed(problem, rng)
    cuts = [cut_plane(_turned(at, turn * math.pi / 2 / _TURNS), corner, problem.grid) for turn in range(_TURNS)]
    return min(cuts, key=lambda core_of: placement_cost(problem, core_of))


def _turned(at: npt.NDArray[np.float64], angle: float) -> npt.NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    turned: npt.NDArray[np.float64] = at @ np.array([[cos, sin], [-sin, cos]])
    return turned


def cut_plane(at: npt.NDArray[np.float64], corner: Grid, grid: Grid) -> npt.NDArray[np.int32]:
    """Core of each point of the plane, (points,), if even shares go to the cores of a `corner` of the `grid`."""
    core_of = np.empty(len(at), np.int32)
    _cut(np.arange(len(at)), at, 0, 0, corner, grid, core_of)
    return core_of


def _cut(
    neurons: npt.NDArray[np.intp],
    at: npt.NDArray[np.float64],
    row: int,
    column: int,
    part: Grid,
    grid: Grid,
    core_of: npt.NDArray[np.int32],
) -> None:
    """Share `neurons` out over the `part` of the grid that begins at `row`, `column`."""
    if part.cores == 1:
        core_of[neurons] = row * grid.columns + column
        return
    across = part.rows >= part.columns
    axis = 1 if across else 0
    order = neurons[np.lexsort((at[neurons, 1 - axis], at[neurons, axis]))]
    if across:
        near, far = Grid(part.rows // 2, part.columns), Grid(part.rows - part.rows // 2, part.columns)
    else:
        near, far = Grid(part.rows, part.columns // 2), Grid(part.rows, part.columns - part.columns // 2)
    # Rounded so that neither half gets more than an even share of the neurons rounded up.
    cores = part.cores
    cut = min(-(-len(order) // cores) * near.cores, round(len(order) * near.cores / cores))
    cut = max(cut, len(order) - -(-len(order) // cores) * far.cores)
    _cut(order[:cut], at, row, column, near, grid, core_of)
    beyond = (row + near.rows, column) if across else (row, column + near.columns)
    _cut(order[cut:], at, *beyond, far, grid, core_of)


def embed(problem: Problem, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Coordinates of a network without positions: the two main axes of the distances from some neurons, (n, 2).

    Parts that are not connected lie side by side.
    """
    n = problem.n
    within = problem.indptr[n]
    ones = np.ones(within, np.int8)
    graph = sparse.csr_array((ones, problem.targets[:within], problem.indptr[: n + 1]), shape=(n, n))
    part_of = connected_parts(problem)
    graph = sparse.csr_array(graph + graph.T, dtype=np.float64)
    sizes = np.bincount(part_of)
    at = np.zeros((n, 2))
    shift = 0.0
    order = np.argsort(part_of, kind="stable")
    ends = np.cumsum(sizes)
    for part in np.argsort(-sizes, kind="stable"):
        members = order[ends[part] - sizes[part] : ends[part]]
        if len(members) > 2:
            inner = graph if len(sizes) == 1 else graph[members][:, members]
            at[members] = _main_axes(inner, rng)
        at[members, 0] += shift - at[members, 0].min()
        shift = at[members, 0].max() + 1.0
    return at


def _main_axes(graph: sparse.csr_array, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    n = graph.shape[0]
    distances = np.zeros((min(_PIVOTS, n), n))
    nearest = np.full(n, np.inf)
    pivot = int(rng.integers(n))
    for row in distances:
        row[:] = csgraph.dijkstra(graph, directed=True, indices=np.array([pivot]), unweighted=True)[0]
        nearest = np.minimum(nearest, row)
        # The next pivot is the neuron that is farthest from all so far.
        pivot = int(nearest.argmax())
    centred = distances - distances.mean(axis=1, keepdims=True)
    _, axes = np.linalg.eigh(centred @ centred.T)
    main: npt.NDArray[np.float64] = (axes[:, -2:][:, ::-1].T @ centred).T
    return main
