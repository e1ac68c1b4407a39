"""`Grid`: a rectangular mesh of cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuromod.errors import UsageError

if TYPE_CHECKING:
    # NumPy takes a tenth of a second to load, and `neuromod targets` needs none of it.
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Grid:
    """A rectangular mesh of cores, numbered row by row: core = row * columns + column.

    Parameters
    ----------
    rows, columns : int
        Cores down and across.
    tile_rows, tile_columns : int, default 1
        Cores that share one router, down and across; packets between them take no hop.
    """

    rows: int
    columns: int
    tile_rows: int = 1
    tile_columns: int = 1

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1 or self.tile_rows < 1 or self.tile_columns < 1:
            raise UsageError(f"a grid needs at least 1x1 cores, found {self}")

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"

    @classmethod
    def parse(cls, text: str) -> Grid:
        """Read rows x columns, as ``4x4``, at most 4,096 each.

        Raises
        ------
        UsageError
            If it is something else.
        """
        parts = text.lower().split("x")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) <= 4096 for part in parts):
            raise UsageError(f"'{text}' is not a grid of cores; write rows x columns, as 4x4")
        return cls(int(parts[0]), int(parts[1]))

    @property
    def cores(self) -> int:
        """Number of cores."""
        return self.rows * self.columns

    @property
    def router_rows(self) -> int:
        """Rows of routers."""
        return -(-self.rows // self.tile_rows)

    @property
    def router_columns(self) -> int:
        """Columns of routers."""
        return -(-self.columns // self.tile_columns)

    def coordinates(self) -> npt.NDArray[np.int64]:
        """Row and column of every core, (cores, 2)."""
        import numpy as np

        return np.stack(np.divmod(np.arange(self.cores), self.columns), axis=1)

    def routers(self) -> npt.NDArray[np.int64]:
        """Row and column of every core's router, (cores, 2)."""
        return self.coordinates() // (self.tile_rows, self.tile_columns)

    def hops(self, source: npt.NDArray[np.integer], destination: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Hops from each source to its destination with XY routing: the Manhattan distance of their routers."""
        at = self.routers()
        import numpy as np

        apart: npt.NDArray[np.int64] = np.abs(at[source] - at[destination]).sum(axis=1)
        return apart

    def distances(self) -> npt.NDArray[np.int64]:
        """Hops between every two cores with XY routing, (cores, cores): the Manhattan distance of their routers."""
        import numpy as np

        rows, columns = self.routers().T
        hops: npt.NDArray[np.int64] = np.abs(np.subtract.outer(rows, rows))
        hops += np.abs(np.subtract.outer(columns, columns))
        return hops


def borders(routers: int, cores: int, tile: int) -> npt.NDArray[np.bool_]:
    """Which hops from router to router in a line lead to another chip, (routers - 1,)."""
    import numpy as np

    chip = np.arange(routers) * tile // cores
    border: npt.NDArray[np.bool_] = chip[1:] != chip[:-1]
    return border
