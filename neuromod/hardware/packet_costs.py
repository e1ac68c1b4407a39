"""What a packet costs from core to core, copied or branching: for training, for placement and for the estimate.

A packet goes along its row first, then along its column (XY routing). Where a target copies packets at their source,
each destination has one of its own, and the cost is a matrix between cores. Where packets branch in the routers, all
destinations share one packet, whose ways are a tree: it is sent once, and each link of the tree is crossed once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.hardware.grid import Grid, borders
from neuromod.hardware.targets import PacketPrice, Target

# What a placement can make small.
Objective = Literal["hops", "packets", "multicast", "energy", "max-link", "max-core"]

OBJECTIVES: tuple[Objective, ...] = get_args(Objective)

# Hops as which one from chip to chip counts where a target does not say: serial links off the chip are slower and cost
# more than wires on it, whichever the chip.
CHIP_HOP = 10.0

HOPS, PACKETS = PacketPrice(0.0, 1.0, 1.0), PacketPrice(1.0, 0.0, 0.0)


@dataclass(frozen=True)
class PacketCost:
    """What one packet costs.

    Parameters
    ----------
    price : PacketPrice
        Of sending it, and of its hops.
    branching : bool
        Whether one packet reaches all destinations of a spike; if not, each has its own.
    """

    price: PacketPrice
    branching: bool


@dataclass(frozen=True, eq=False)
class Links:
    """Ways of packets in training: what they cost, and which destinations lie behind them.

    If packets branch there is a link into each router, row by row, and a last one out of the core, behind which all
    other cores lie. If not, there is one link for each destination core.

    Parameters
    ----------
    price : (cores, links) float64
        What each link costs a packet of each source core, in sides of the grid.
    branching : bool
        Whether one packet branches to several cores.
    grid : Grid
        The cores.
    """

    price: npt.NDArray[np.float64]
    branching: bool
    grid: Grid


def check_objective(name: str) -> Objective:
    """Return the name of an objective as such.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    for objective in OBJECTIVES:
        if name == objective:
            return objective
    raise UsageError(f"there is no objective {name}; choose one of {', '.join(OBJECTIVES)}")


def packet_cost(objective: Objective, target: Target, *, chips: bool = False) -> PacketCost:
    """Return what a packet costs by an objective: its hops, 1 for ``packets``, its picojoules for ``energy``.

    Parameters
    ----------
    objective : str
        One of `OBJECTIVES`.
    target : Target
        For the energies, and whether packets branch in its routers, which counts for ``energy``: the other objectives
        say by themselves what they count.
    chips : bool, default False
        Whether the grid spans several chips, so that some hops go from chip to chip.

    Returns
    -------
    PacketCost
        The price of a packet, and whether packets branch.

    Raises
    ------
    UsageError
        If the target does not state the energies that the objective ``energy`` needs.
    """
    if objective == "energy":
        return PacketCost(target.energy_of_packet(chips=chips), target.branches)
    price = PACKETS if objective == "packets" else HOPS
    if chips and objective in ("hops", "multicast", "max-core"):
        price = replace(price, across=chip_hop(target)[0])
    return PacketCost(price, objective == "multicast")


def chip_hop(target: Target) -> tuple[float, str]:
    """Hops as which one from chip to chip counts in what is made small, and who says so."""
    figure = target.figure("hops_of_chip_hop")
    if figure.value is None:
        return CHIP_HOP, f"chosen by neuromod: {target.name} states no hops_of_chip_hop"
    return figure.value, f"{target.name} ({figure.kind}): {figure.source}"


@dataclass(frozen=True, eq=False)
class Ways:
    """What packets cost between any two cores, in closed form: no table of all pairs.

    The cost from core a to another b is ``sent + |at[a, 0] - at[b, 0]| + |at[a, 1] - at[b, 1]|``: the position of every
    core is what a packet pays from the first row and column to it.

    Parameters
    ----------
    sent : float
        To send a packet.
    at : (cores, 2) float64
        What the hops down to the row and across to the column of each core cost.
    """

    sent: float
    at: npt.NDArray[np.float64]

    def between(self, source: npt.NDArray[np.integer], destination: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Cost of one packet from each source to its destination."""
        apart: npt.NDArray[np.float64] = np.abs(self.at[source] - self.at[destination]).sum(axis=1)
        apart += self.sent * (source != destination)
        return apart


def make_ways(price: PacketPrice, grid: Grid, chip: Grid | None = None) -> Ways:
    """Return the ways between the cores of a grid.

    Parameters
    ----------
    price : PacketPrice
        What a packet costs, and what each hop adds.
    grid : Grid
        The cores.
    chip : Grid, optional
        The cores of one chip, if there are several: a hop over a border between chips costs `price.across`.
    """
    down, across = hop_prices(price, grid, chip)
    row, column = grid.routers().T
    return Ways(price.sent, np.stack([np.cumsum(np.append(0, down))[row], np.cumsum(np.append(0, across))[column]], 1))


def hop_prices(
    price: PacketPrice, grid: Grid, chip: Grid | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Price of the hop from each row of routers to the next, and from each column of routers to the next."""
    down, across = (
        np.full(grid.router_rows - 1, price.along_column, np.float64),
        np.full(grid.router_columns - 1, price.along_row, np.float64),
    )
    if chip is not None and price.across is not None:
        down[borders(grid.router_rows, chip.rows, grid.tile_rows)] = price.across
        across[borders(grid.router_columns, chip.columns, grid.tile_columns)] = price.across
    return down, across


def cost_matrix(price: PacketPrice, grid: Grid, chip: Grid | None = None) -> npt.NDArray[np.float64]:
    """Return what one packet of its own costs between every two cores.

    Parameters
    ----------
    price : PacketPrice
        What a packet costs, and what each hop adds.
    grid : Grid
        The cores.
    chip : Grid, optional
        The cores of one chip, as for `make_ways`.

    Returns
    -------
    (cores, cores) float64
        Row = from, column = to; zero on the diagonal.
    """
    cost: npt.NDArray[np.float64] = price.sent * (1.0 - np.eye(grid.cores))
    if chip is not None and price.across is not None:
        row, column = make_ways(price, grid, chip).at.T
        cost += np.abs(np.subtract.outer(column, column))
        cost += np.abs(np.subtract.outer(row, row))
        return cost
    rows, columns = grid.routers().T
    cost += price.along_row * np.abs(np.subtract.outer(columns, columns))
    cost += price.along_column * np.abs(np.subtract.outer(rows, rows))
    return cost


def make_links(cost: str, grid: Grid, target: Target) -> Links:
    """State what packets cost in training, and over which links they go.

    Parameters
    ----------
    cost : str
        ``hops``, ``packets``, ``multicast`` or ``energy``.
    grid : Grid
        The cores.
    target : Target
        For the energies, and whether packets branch in its routers.

    Returns
    -------
    Links
        The cost of packets between cores.

    Raises
    ------
    UsageError
        If the target does not state the energies.
    """
    k = grid.cores
    one = packet_cost(check_objective(cost), target)
    pair = cost_matrix(one.price, grid)
    # In sides of the grid, as the lengths of bimt: all costs have the mean of hops, so that one λ serves all.
    remote = ~np.eye(k, dtype=bool)
    mean = pair[remote].mean() if k > 1 else 0.0
    scale = grid.distances()[remote].mean() / max(grid.rows, grid.columns) / mean if mean > 0 else 0.0
    if not one.branching:
        return Links(pair * scale, False, grid)
    columns = grid.router_columns
    head_row, head_column = np.divmod(np.arange(grid.router_rows * columns), columns)
    row, column = grid.routers().T[:, :, None]
    sideways = (head_row == row) & (head_column != column)
    into = np.where(sideways, one.price.along_row, one.price.along_column)
    return Links(np.concatenate([into, np.full((k, 1), one.price.sent)], axis=1) * scale, True, grid)
