"""The plane in which the neurons of a network in training lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """A rectangle of places for neurons, one a unit of pitch.

    Parameters
    ----------
    rows, columns : int
        Places down and across.
    """

    rows: int
    columns: int

    @classmethod
    def square(cls, n: int) -> Plane:
        """Return the smallest square that holds n neurons."""
        side = math.ceil(math.sqrt(n))
        return cls(side, side)

    @property
    def side(self) -> int:
        """The longer side, the unit of the lengths that training charges, as of the hops between cores."""
        return max(self.rows, self.columns)


def distances(positions: npt.NDArray[np.floating], others: npt.NDArray[np.floating] | None = None) -> Matrix:
    """Manhattan distance between every two positions, (n, n), or to others, (n, m), in the unit of `positions`."""
    at = np.asarray(positions, np.float64)
    to = at if others is None else np.asarray(others, np.float64)
    result: Matrix = np.abs(at[:, None, 0] - to[None, :, 0]) + np.abs(at[:, None, 1] - to[None, :, 1])
    return result


def grid_positions(n: int) -> npt.NDArray[np.float32]:
    """Columns and rows of n neurons, (n, 2), row by row on the smallest square grid that holds them."""
    side = grid_side(n)
    rows, columns = np.divmod(np.arange(n), side)
    return np.stack([columns, rows], axis=1).astype(np.float32)


def grid_order(positions: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Numbers of neurons, (n,), row by row as they lie in the plane: how the trained network numbers them."""
    order: npt.NDArray[np.int64] = np.lexsort((positions[:, 0], positions[:, 1]))
    return order


def grid_side(n: int) -> int:
    """Neurons along a side of that grid."""
    return int(np.ceil(np.sqrt(n)))
