"""Hilbert curve and force-directed exchanges: neurons along a curve through the plane, onto cores along one through
the grid; then neighbouring cores exchange what they hold while that helps.

References
----------
O. Jin, Q. Xing, Y. Li, S. Deng, S. He, G. Pan, "Mapping very large scale spiking neuron network to neuromorphic
hardware", ASPLOS 2023, 10.1145/3582016.3582038.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid
from neuromod.kernels import compiled
from neuromod.mapping.cost import packets_between
from neuromod.mapping.local_search.core_exchange import exchange_change
from neuromod.mapping.placers.bisection import embed
from neuromod.mapping.problem import Effort, Problem

# Bits of a coordinate on the curve through the plane of neurons.
_BITS = 16


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Cut the neurons' curve into even pieces, lay them along the grid's curve, exchange neighbouring cores.

    Parameters
    ----------
    problem : Problem
        The neurons with their positions, the grid and the cost. A network without positions gets coordinates from
        distances in its graph.
    rng : Generator
        Draws the first neuron from which distances are measured; unused where there are positions.
    effort : Effort
        Unused: the method is done when no exchange helps.

    Returns
    -------
    (n,) int32
        Core of each neuron.
    """
    at = problem.positions if problem.positions is not None else embed(problem, rng)
    span = max(float(np.ptp(at, axis=0).max()), 1e-12)
    cells = np.minimum(((at - at.min(axis=0)) / span * (1 << _BITS)).astype(np.int64), (1 << _BITS) - 1)
    order = np.argsort(curve_index(cells[:, 0], cells[:, 1], _BITS), kind="stable")
    cores = grid_curve(problem.grid)[: min(problem.grid.cores, problem.n)]
    core_of = np.empty(problem.n, np.int32)
    for core, piece in zip(cores, np.array_split(order, len(cores)), strict=True):
        core_of[piece] = core
    core_at = np.arange(problem.grid.cores)
    _exchange_neighbours(
        packets_between(problem, core_of), problem.matrix(), core_at, problem.grid.rows, problem.grid.columns
    )
    return core_at[core_of].astype(np.int32)


def grid_curve(grid: Grid) -> npt.NDArray[np.int64]:
    """Cores in the order in which a Hilbert curve meets them, (cores,).

    The curve fills the least square with a power of two as side; what lies outside the grid is left out.
    """
    row, column = grid.coordinates().T
    bits = max(int(max(grid.rows, grid.columns) - 1).bit_length(), 1)
    return np.argsort(curve_index(column, row, bits), kind="stable")


def curve_index(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """Place of the cells (x, y) of a square with the side 2**bits along the Hilbert curve, int64."""
    x, y = x.copy(), y.copy()
    index = np.zeros_like(x)
    for bit in range(bits - 1, -1, -1):
        side = np.int64(1) << bit
        right, upper = (x & side) > 0, (y & side) > 0
        index += side * side * ((3 * right) ^ upper)
        # Turn the quadrant, so that the curve within it begins and ends where it should.
        mirrored = ~upper & right
        x[mirrored], y[mirrored] = side - 1 - (x[mirrored] & (side - 1)), side - 1 - (y[mirrored] & (side - 1))
        x[~upper], y[~upper] = y[~upper].copy(), x[~upper].copy()
        x &= side - 1
        y &= side - 1
    return index


@compiled
def _exchange_neighbours(packets, cost, at, rows, columns):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Exchange what neighbouring cores hold, the best of each round's exchanges first, until none helps."""
    k = rows * columns
    part_on = np.empty(k, np.int64)
    changes = np.empty(2 * k)
    pairs = np.empty((2 * k, 2), np.int64)
    while True:
        part_on[at] = np.arange(k)
        count = 0
        for core in range(k):
            for step in range(2):
                if step == 0 and core % columns == columns - 1:
                    continue
                other = core + 1 if step == 0 else core + columns
                if other >= k:
                    continue
                change = exchange_change(packets, cost, at, part_on[core], part_on[other])
                if change < -1e-9:
                    changes[count] = change
                    pairs[count, 0] = core
                    pairs[count, 1] = other
                    count += 1
        moved = False
        for i in np.argsort(changes[:count]):
            x = part_on[pairs[i, 0]]
            y = part_on[pairs[i, 1]]
            # Another exchange of this round may have changed what this one is worth.
            if exchange_change(packets, cost, at, x, y) < -1e-9:
                at[x], at[y] = at[y], at[x]
                part_on[pairs[i, 0]] = y
                part_on[pairs[i, 1]] = x
                moved = True
        if not moved:
            return
