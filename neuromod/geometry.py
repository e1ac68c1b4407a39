"""The plane in which the neurons of a network in training lie."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
