"""Rectangular tiles: cut the plane of neurons as the grid of cores is cut."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid
from neuromod.mapping.problem import Effort, Problem


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Cut the plane into as many bands as the grid has rows, and each band into as many tiles as it has columns.

    The cuts share the neurons out evenly over the smallest corner of the grid that holds them at the capacity.
    A network without positions is cut in the order of its numbers.

    Parameters
    ----------
    problem : Problem
        The neurons with their positions and the grid.
    rng : Generator
        Unused: the method has no randomness.
    effort : Effort
        Unused: the method is done when it is done.

    Returns
    -------
    (n,) int32
        Core of each neuron.
    """
    return cut(problem, least_corner(problem.grid, cores_needed(problem)))


def cut(problem: Problem, corner: Grid) -> npt.NDArray[np.int32]:
    """Share the neurons out evenly over the tiles of a corner of the grid, (n,) int32."""
    core_of = np.empty(problem.n, np.int32)
    at = problem.positions
    order = np.arange(problem.n) if at is None else np.lexsort((at[:, 0], at[:, 1]))
    # Ties are broken by the other coordinate, then by number, so that whole lattice rows stay together.
    for row, band in enumerate(np.array_split(order, corner.rows)):
        across = band if at is None else band[np.lexsort((at[band, 1], at[band, 0]))]
        for column, tile in enumerate(np.array_split(across, corner.columns)):
            core_of[tile] = row * problem.grid.columns + column
    return core_of


def cores_needed(problem: Problem) -> int:
    """Least number of cores that hold the neurons and, where they are limited, the synapses."""
    by_neurons = -(-problem.n // problem.capacity)
    by_synapses = math.ceil(int(problem.synapses.sum()) / problem.limits.synapses)
    return min(max(by_neurons, by_synapses, 1), problem.grid.cores)


def least_corner(grid: Grid, cores: int) -> Grid:
    """Return the smallest rectangle of at least `cores` cores that fits into the grid; the squarest of several."""
    fitting = []
    for rows in range(1, grid.rows + 1):
        columns = -(-cores // rows)
        if columns <= grid.columns:
            fitting.append((rows * columns, abs(math.log(rows / columns)), rows, columns))
    _, _, rows, columns = min(fitting)
    return Grid(rows, columns)
