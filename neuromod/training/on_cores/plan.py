"""The cores that a network is trained for: where their neurons lie in the plane, and what packets between them cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import Advice, DoesNotFitError
from neuromod.geometry import Plane
from neuromod.hardware import Grid, Links, Target, cores_of_places, load_target, make_links
from neuromod.training.settings import NO_LEVELS, Settings


@dataclass(frozen=True, eq=False)
class Chip:
    """Cores for training.

    Parameters
    ----------
    grid : Grid
        The cores.
    capacity : int
        Neurons that a core holds.
    block : (int, int)
        Rows and columns of places for neurons that a core has in the plane; the last may be unused.
    target : Target
        Whose limits are kept.
    weight_bits : int or None
        Bits to which weights are rounded; None for no rounding.
    links : Links or None
        What packets cost; None where wires cost their length.
    most_spikes : int or None
        Spikes of a neuron in a step, the levels to which its rectifier is rounded; None for no rounding.
    """

    grid: Grid
    capacity: int
    block: tuple[int, int]
    target: Target
    weight_bits: int | None
    links: Links | None
    most_spikes: int | None = None

    @property
    def plane(self) -> Plane:
        """The plane of all places."""
        return Plane(self.grid.rows * self.block[0], self.grid.columns * self.block[1])

    def places(self) -> npt.NDArray[np.float32]:
        """Column and row of every place for a neuron, (cores * capacity, 2), core by core."""
        rows, columns = np.divmod(np.arange(self.capacity), self.block[1])
        at = self.grid.coordinates() * self.block
        row, column = at[:, :1] + rows, at[:, 1:] + columns
        return np.stack([column.ravel(), row.ravel()], axis=1).astype(np.float32)

    def positions(self, n: int) -> npt.NDArray[np.float32]:
        """Places of n neurons before training, (n, 2), spread evenly over the cores."""
        share, more = divmod(n, self.grid.cores)
        on = np.full(self.grid.cores, share) + (np.arange(self.grid.cores) < more)
        taken = np.arange(self.capacity)[None] < on[:, None]
        return self.places()[taken.ravel()]

    def core_of(self, positions: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
        """Core of each place, (n,), row by row."""
        return cores_of_places(positions, self.block, self.grid)

    def move(self, positions: npt.NDArray[np.float32], core_of: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Places on new cores, (n, 2): neurons that stay on theirs keep their places, the others take free ones."""
        places = self.places()
        moved = self.core_of(positions) != core_of
        taken = {(float(x), float(y)) for x, y in positions[~moved]}
        result = positions.copy()
        for core in np.unique(core_of[moved]):
            own = places[core * self.capacity : (core + 1) * self.capacity]
            free = [place for place in own if (float(place[0]), float(place[1])) not in taken]
            movers = np.flatnonzero(moved & (core_of == core))
            result[movers] = free[: len(movers)]
        return result

    def as_info(self, cost: str) -> dict[str, Any]:
        """What a trained network tells of its cores, JSON only; `neuromod.hardware.layout` reads it."""
        return {
            "cores": str(self.grid),
            "tile": [self.grid.tile_rows, self.grid.tile_columns],
            "neurons_per_core": self.capacity,
            "block": list(self.block),
            "target": self.target.name,
            "weight_bits": self.weight_bits,
            "wiring_cost": cost,
        }


def of_settings(settings: Settings, *, neurons_per_core: int | None = None) -> Chip | None:
    """Return the cores that settings train for; None if they name none. The target's file is read anew.

    Parameters
    ----------
    settings : Settings
        What to train.
    neurons_per_core : int, optional
        What a core holds in a run that goes on; as the settings say, else as
        `neuromod.mapping.limits.decide_capacity`, if omitted.

    Raises
    ------
    UsageError
        If the grid or the target cannot be used.
    DoesNotFitError
        If the neurons do not fit the cores.
    """
    from neuromod.mapping import choose_grid, decide_capacity, limits

    chip, cost = settings.chip, settings.wiring.cost
    if not (chip.cores or chip.target or cost != "distance"):
        return None
    target = load_target(chip.target or "generic-mesh")
    asked = Grid.parse(chip.cores) if chip.cores else None
    grid = choose_grid(target, None if asked is None else (asked.rows, asked.columns))
    n = settings.network.neurons
    held = neurons_per_core or chip.neurons_per_core or None
    capacity, _ = decide_capacity(target, grid, n, held, spread=True, option="chip.neurons_per_core")
    if not limits.is_allowed(grid, target):
        most = limits.most_cores(target)
        facts = f"a grid of {grid} cores takes more chips of {target.name} than can be joined: there can be "
        raise DoesNotFitError(
            facts + f"{most:,} cores" if most > 1 else facts + "one core", _advice(grid, target, n, held)
        )
    if n > capacity * grid.cores:
        facts = f"{n:,} neurons do not fit {grid} cores of {capacity:,} ({target.name})"
        raise DoesNotFitError(f"{facts}; needed {-(-n // capacity):,} cores", _advice(grid, target, n, held))
    columns = math.ceil(math.sqrt(capacity))
    block = (math.ceil(capacity / columns), columns)
    links = None if cost == "distance" else make_links(cost, grid, target)
    return Chip(grid, capacity, block, target, _bits(settings, target), links, _spikes(settings, target))


def _advice(grid: Grid, target: Target, n: int, held: int | None) -> tuple[Advice, ...]:
    """What makes n neurons fit: a grid that there can be, about as large as was asked for, or fuller cores."""
    from neuromod.mapping import limits

    most, limit = limits.most_cores(target), target.limit("neurons")
    needed = math.ceil(n / min(held or n, limit))
    found = []
    other = limits.larger_grid(grid, max(needed, min(grid.cores, most)), target)
    if other is None and needed <= most:
        other = limits.larger_grid(grid, needed, target)
    if other is not None and other != grid:
        found.append(Advice("cores", (other.rows, other.columns)))
    share = -(-n // grid.cores)
    if held is not None and limits.is_allowed(grid, target) and held < share <= limit:
        found.append(Advice("neurons_per_core", share))
    if not found and held is not None and (other := limits.larger_grid(grid, math.ceil(n / limit), target)):
        fuller = Advice("neurons_per_core", min(int(min(limit, n)), -(-n // other.cores)))
        found.append(Advice("cores", (other.rows, other.columns), then=fuller))
    if found:
        return tuple(found)
    there = f"at most {most:,} cores" if most > 1 else "one core"
    return (Advice("nothing", f"{n:,} neurons take {needed:,} cores, and there can be {there} of {target.name}"),)


def _bits(settings: Settings, target: Target) -> int | None:
    bits = settings.chip.weight_bits or target.value("weight_bits")
    # Beyond 16 bits float32 weights need no rounding; a single bit has no room for a sign and zero.
    return int(bits) if bits is not None and 2 <= bits <= 16 else None


def _spikes(settings: Settings, target: Target) -> int | None:
    spikes = settings.chip.spikes or target.value("spikes")
    # Without counts as inputs the levels of a neuron have no common unit with them; one level is no rectifier.
    return int(spikes) if settings.counts and spikes is not None and 1 < spikes < NO_LEVELS else None
