"""The cores that a network is trained for: where their neurons lie in the plane, and what packets between them cost."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import DoesNotFitError, UsageError
from neuromod.grid import Grid
from neuromod.grown import cores_of_places
from neuromod.objectives import check_objective, cost_matrix
from neuromod.settings import Settings
from neuromod.target_files import load_target
from neuromod.targets import Target


@dataclass(frozen=True, eq=False)
class Links:
    """Ways of packets: what they cost, and which destinations lie behind them.

    Parameters
    ----------
    price : (cores, links) float64
        What each link costs a packet of each source core, in sides of the grid.
    behind : (cores, links, cores) bool
        Whether a packet from a source core takes the link to reach a destination core.
    branching : bool
        Whether one packet branches to several cores. If not, there is a link for each destination core.
    """

    price: npt.NDArray[np.float64]
    behind: npt.NDArray[np.bool_]
    branching: bool


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
    """

    grid: Grid
    capacity: int
    block: tuple[int, int]
    target: Target
    weight_bits: int | None
    links: Links | None

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
        """What a trained network tells of its cores, JSON only; `neuromod.grown` reads it."""
        return {
            "cores": str(self.grid),
            "tile": [self.grid.tile_rows, self.grid.tile_columns],
            "neurons_per_core": self.capacity,
            "block": list(self.block),
            "target": self.target.name,
            "weight_bits": self.weight_bits,
            "wiring_cost": cost,
        }


@functools.lru_cache(maxsize=8)
def of_settings(settings: Settings) -> Chip | None:
    """Return the cores that settings train for; None if they name none.

    Raises
    ------
    UsageError
        If the grid or the target cannot be used.
    DoesNotFitError
        If the neurons do not fit the cores.
    """
    from neuromod.mapping import choose_grid

    chip, cost = settings.chip, settings.wiring.cost
    if not (chip.cores or chip.target or cost != "distance"):
        return None
    target = load_target(chip.target or "generic-mesh")
    asked = Grid.parse(chip.cores) if chip.cores else None
    grid = choose_grid(target, None if asked is None else (asked.rows, asked.columns))
    n, most = settings.network.neurons, target.limit("neurons")
    capacity = chip.neurons_per_core or int(min(math.ceil(n / grid.cores), most))
    if capacity > most:
        raise UsageError(f"chip.neurons_per_core = {capacity:,} is above what {target.name} holds, {most:,.0f}")
    if n > capacity * grid.cores:
        raise DoesNotFitError(
            f"{n:,} neurons do not fit {grid} cores of {capacity:,} ({target.name}); needed {-(-n // capacity):,} cores"
        )
    columns = math.ceil(math.sqrt(capacity))
    block = (math.ceil(capacity / columns), columns)
    links = None if cost == "distance" else make_links(cost, grid, target)
    return Chip(grid, capacity, block, target, _bits(settings, target), links)


def _bits(settings: Settings, target: Target) -> int | None:
    bits = settings.chip.weight_bits or target.value("weight_bits")
    # Beyond 16 bits float32 weights need no rounding; a single bit has no room for a sign and zero.
    return int(bits) if bits is not None and 2 <= bits <= 16 else None


def make_links(cost: str, grid: Grid, target: Target) -> Links:
    """State what packets cost on a grid, and over which links they go.

    Parameters
    ----------
    cost : str
        ``hops``, ``packets``, ``multicast`` or ``energy``.
    grid : Grid
        The cores.
    target : Target
        For the energies, and whether packets branch in its routers.

    Raises
    ------
    UsageError
        If the target does not state the energies.
    """
    k = grid.cores
    remote = ~np.eye(k, dtype=bool)
    objective = check_objective(cost)
    pair = cost_matrix(objective, grid, target)
    # In sides of the grid, as the lengths of bimt: all costs have the mean of hops, so that one λ serves all.
    mean = pair[remote].mean() if k > 1 else 0.0
    scale = grid.distances()[remote].mean() / max(grid.rows, grid.columns) / mean if mean > 0 else 0.0
    branching = cost == "multicast" or (cost == "energy" and target.routing == "multicast")
    if not branching:
        return Links(pair * scale, np.broadcast_to(np.eye(k, dtype=bool), (k, k, k)), False)
    if cost == "multicast":
        sent, along_row, along_column = 0.0, 1.0, 1.0
    else:
        sent, along_row, along_column = (target.value(f"energy_{name}") or 0.0 for name in ("packet", "hop_x", "hop_y"))
    behind, sideways = _tree(grid)
    # One more link, out of the core, that every remote destination lies behind.
    behind = np.concatenate([behind, remote[:, None]], axis=1)
    price = np.concatenate([np.where(sideways, along_row, along_column), np.full((k, 1), sent)], axis=1)
    return Links(price * scale, behind, True)


def _tree(grid: Grid) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Destinations behind the link into each router, (cores, routers, cores), and whether it runs along a row.

    With XY routing a packet goes along the row of its source first, so that the links of one source are a tree, each
    known by the router that it leads to.
    """
    routers = np.stack(np.divmod(np.arange(grid.router_rows * grid.router_columns), grid.router_columns), axis=1)
    at = grid.routers()
    row, column = at[:, 0], at[:, 1]
    source_row, source_column = row[:, None, None], column[:, None, None]
    head_row, head_column = routers[None, :, :1], routers[None, :, 1:]
    to_row, to_column = row[None, None], column[None, None]

    def passes(start: Any, stop: Any, over: Any) -> Any:
        return (over != start) & ((over - start) * (stop - over) >= 0) & ((over - start) * (stop - start) > 0)

    along_row = (head_row == source_row) & passes(source_column, to_column, head_column)
    along_column = (head_column == to_column) & passes(source_row, to_row, head_row)
    sideways = (routers[None, :, 0] == row[:, None]) & (routers[None, :, 1] != column[:, None])
    return along_row | along_column, sideways
