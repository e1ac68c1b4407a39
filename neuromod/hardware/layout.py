"""The placement that training grew: the places of a network's neurons tell their cores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.hardware.grid import Grid
from neuromod.network import Network


def grown_on(network: Network) -> tuple[Grid, npt.NDArray[np.int32]] | None:
    """Grid for which a network was trained and the core of each of its neurons, (n,); None if there is none.

    Raises
    ------
    UsageError
        If what the network says of its cores contradicts its positions.
    """
    info = network.info.get("chip")
    if info is None or network.positions is None:
        return None
    try:
        rows, columns = (int(part) for part in str(info["cores"]).split("x"))
        grid = Grid(rows, columns, *(int(part) for part in info["tile"]))
        core_of = cores_of_places(network.positions, (int(info["block"][0]), int(info["block"][1])), grid)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise UsageError(f"the network's note of the cores it was trained for is unreadable: {error!r}") from error
    if len(core_of) and not (core_of.min() >= 0 and core_of.max() < grid.cores):
        raise UsageError(f"neurons of the network lie outside the grid {grid} that it was trained for")
    return grid, core_of


def cores_of_places(positions: npt.NDArray[np.floating], block: tuple[int, int], grid: Grid) -> npt.NDArray[np.int32]:
    """Core of each place in a plane where every core is a block of so many rows and columns, (n,); -1 outside."""
    at = np.floor(np.asarray(positions, np.float64)[:, ::-1] / block).astype(np.int64)
    outside = ((at < 0) | (at >= (grid.rows, grid.columns))).any(axis=1)
    return np.where(outside, -1, at[:, 0] * grid.columns + at[:, 1]).astype(np.int32)
