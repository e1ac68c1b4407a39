"""The plane of neurons with their connections, as one SVG figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid, grown_on, synapses_of_neurons
from neuromod.mapping import Placement
from neuromod.network import Network
from neuromod.reporting.figures.svg import Element, element, figure
from neuromod.reporting.numbers import MINUS, count, percent

# More than this is a grey carpet to the eye and a megabyte to the file.
MOST_NEURONS = 1_600
MOST_CONNECTIONS = 6_000
# Classes of a connection by |weight| over the largest, thin to thick.
WEIGHT_CLASSES = (0.08, 0.2, 0.45)
_SIDE = 1000.0

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

# Colours of functional clusters; more clusters than that take them again.
CLUSTER_COLOURS = 8


@dataclass(frozen=True, eq=False)
class Plane:
    """What is drawn: nodes, which are neurons or bins of neurons, and the connections among them.

    Parameters
    ----------
    at : (m, 2) float64
        Place of each node, x to the right and y down, in the unit square of the longer side.
    core : (m,) int64
        Core of each node, -1 where there is no placement.
    cluster : (m,) int64
        Functional cluster of each node, the most frequent one of a bin; -1 where there is none.
    rate : (m,) float64
        Spikes (active steps) per step; NaN where unknown.
    members : (m,) int64
        Neurons that each node stands for.
    label : tuple of str
        What each node says of itself.
    source, target : (k,) int64
        Nodes of each connection, weakest first; self-connections included.
    weight : (k,) float64
        Weight, or the sum over the connections between two bins.
    grid : Grid or None
        The cores.
    where : str
        Where the places come from: ``trained``, ``core`` or ``number``.
    n_connections : int
        Connections of the network, drawn or not.
    squares : (cores, 4) float64, or None
        Left, top, width and height of each core in the plane, where the network was trained for cores.
    """

    at: Array
    core: Index
    cluster: Index
    rate: Array
    members: Index
    label: tuple[str, ...]
    source: Index
    target: Index
    weight: Array
    grid: Grid | None
    where: str
    n_connections: int
    squares: Array | None = None

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.at)


def plane_of(
    network: Network,
    placement: Placement | None,
    rates: npt.ArrayLike | None,
    clusters: npt.NDArray[np.int64] | None = None,
) -> Plane:
    """Arrange a network for drawing.

    Parameters
    ----------
    network : Network
        With or without positions.
    placement : Placement, optional
        Its cores.
    rates : (n,) float, optional
        Spikes (active steps) per step.
    clusters : (n,) int, optional
        Functional cluster of each neuron, -1 for none.

    Returns
    -------
    Plane
        One node for a neuron up to 1,600 neurons, beyond that one for the neurons of a cell; the 6,000 strongest
        connections.
    """
    core = np.full(network.n, -1) if placement is None else placement.core_of.astype(np.int64)
    rate = np.full(network.n, np.nan) if rates is None else np.asarray(rates, np.float64)
    at, where, squares = _places(network, placement)
    weights = network.w_rec.tocoo()
    source, target = weights.col.astype(np.int64), weights.row.astype(np.int64)
    weight: Array = weights.data.astype(np.float64)
    cluster = np.full(network.n, -1) if clusters is None else clusters
    grid = None if placement is None else placement.grid
    fan_in, fan_out = synapses_of_neurons(network).values()
    members = np.ones(network.n, np.int64)
    if network.n > MOST_NEURONS:
        cell = _cells(at, core, MOST_NEURONS)
        m = int(cell.max()) + 1
        members = np.bincount(cell, minlength=m)
        at = np.stack([np.bincount(cell, at[:, k], m) / members for k in (0, 1)], axis=1)
        rate = np.bincount(cell, rate, m) / members
        fan_in, fan_out = (np.bincount(cell, fan, m).astype(np.int64) for fan in (fan_in, fan_out))
        counted = np.zeros((m, int(cluster.max(initial=-1)) + 2), np.int64)
        np.add.at(counted, (cell, cluster + 1), 1)
        cluster = counted.argmax(axis=1) - 1
        core_of_cell = np.zeros(m, np.int64)
        core_of_cell[cell] = core
        core = core_of_cell
        pairs, which = np.unique(cell[source] * m + cell[target], return_inverse=True)
        source, target = pairs // m, pairs % m
        weight = np.bincount(which, weight).astype(np.float64)
        names = [f"{k:,} neurons" for k in members]
    else:
        names = [f"Neuron {i}" for i in network.neuron_ids]
    order = np.argsort(np.abs(weight), kind="stable")
    # Weakest first: the strongest connection of each node to another stays.
    apart = order[source[order] != target[order]]
    strongest = {int(source[k]): f"strongest to {names[target[k]]}, weight {weight[k]:.3g}" for k in apart}
    binned = len(members) < network.n
    label = tuple(
        _label(names[k], core[k], cluster[k], rate[k], int(fan_in[k]), int(fan_out[k]), grid)
        + (f" · {strongest[k].replace('-', MINUS)}" if k in strongest and not binned else "")
        for k in range(len(members))
    )
    order = order[-MOST_CONNECTIONS:]
    source, target, weight = source[order], target[order], weight[order]
    n = network.n_synapses
    return Plane(at, core, cluster, rate, members, label, source, target, weight, grid, where, n, squares)


def squares_of(grid: tuple[int, int], block: tuple[int, int]) -> Array:
    """Left, top, width and height, (cores, 4), of cores that are blocks of places; in pitches of these.

    Parameters
    ----------
    grid, block : (int, int)
        Rows and columns of cores, and of the places of one.
    """
    row, column = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    ones = np.ones(len(row))
    left, top = column * block[1] - 0.44, row * block[0] - 0.44
    return np.stack([left, top, (block[1] - 0.12) * ones, (block[0] - 0.12) * ones], axis=1)


def _label(name: str, core: int, cluster: int, rate: float, fan_in: int, fan_out: int, grid: Grid | None) -> str:
    parts = [name]
    if grid is not None:
        parts.append(f"core ({core // grid.columns}, {core % grid.columns})")
    if cluster >= 0:
        parts.append(f"functional cluster {cluster}")
    if np.isfinite(rate):
        parts.append(f"active in {percent(rate)} of steps")
    parts.append(f"{count(fan_in)} connections in (inputs included), {count(fan_out)} out")
    return " · ".join(parts)


def _places(network: Network, placement: Placement | None) -> tuple[Array, str, Array | None]:
    squares = None
    if network.positions is not None:
        at = network.positions.astype(np.float64)
        where = "trained"
        grown = grown_on(network)
        if grown is not None:
            rows, columns = network.info["chip"]["block"]
            squares = squares_of((grown[0].rows, grown[0].columns), (int(rows), int(columns)))
    elif placement is not None:
        # In the order of their numbers, row by row, inside the square of their core.
        where = "core"
        order = np.argsort(placement.core_of, kind="stable")
        core = placement.core_of[order]
        rank = np.arange(len(core)) - np.searchsorted(core, core)
        side = int(np.ceil(np.sqrt(placement.neurons_on.max())))
        at = np.empty((network.n, 2))
        at[order, 0] = core % placement.grid.columns + 0.1 + 0.8 * (rank % side + 0.5) / side
        at[order, 1] = core // placement.grid.columns + 0.1 + 0.8 * (rank // side + 0.5) / side
    else:
        where = "number"
        side = int(np.ceil(np.sqrt(network.n)))
        at = np.stack([np.arange(network.n) % side, np.arange(network.n) // side], axis=1).astype(np.float64)
    if squares is None:
        at = at - at.min(axis=0)
        return at / max(at.max(), 1e-9), where, None
    low, size = squares[:, :2].min(axis=0), float((squares[:, :2] + squares[:, 2:]).max())
    size = max(size - float(low.min()), 1e-9)
    return (at - low) / size, where, (squares - (*low, 0, 0)) / size


def _cells(at: Array, core: Index, most: int) -> Index:
    """Cell of each neuron, 0 … m-1: about `most` squares of the plane, split where two cores share one."""
    side = max(1, int(np.sqrt(most)))
    square = np.minimum((at * side).astype(np.int64), side - 1)
    _, cell = np.unique((square[:, 1] * side + square[:, 0]) * (core.max() + 2) + core + 1, return_inverse=True)
    return cell.astype(np.int64)


def draw_plane(plane: Plane) -> Element:
    """Return the figure.

    Nodes carry their number as ``data-i``, their core as ``data-c`` and their label as a title; paths carry their
    source as ``data-s`` and their targets as ``data-t``. Style sheet and script of the page do the rest.
    """
    extent = plane.at.max(axis=0)
    if plane.squares is not None:
        extent = np.maximum(extent, (plane.squares[:, :2] + plane.squares[:, 2:]).max(axis=0))
    radius = float(np.clip(0.26 * np.sqrt(extent.max() * max(extent.min(), 0.05) / plane.n) * _SIDE, 2.5, 17))
    margin = 2 * radius
    inner = _SIDE - 2 * margin
    xy = plane.at * inner + margin
    height = float(extent[1] * inner + 2 * margin)
    width = float(extent[0] * inner + 2 * margin)
    root = figure(
        width,
        height,
        "Plane of neurons",
        f"{count(plane.n)} {'neurons' if plane.members.max() == 1 else 'groups of neurons'} and "
        f"{count(len(plane.weight))} connections; the arrow keys go from one to the next and tell about it",
        class_="plane",
    )
    for x, y, across, down in [] if plane.squares is None else plane.squares.tolist():
        element(root, "rect", x=x * inner + margin, y=y * inner + margin, width=across * inner, height=down * inner,
                rx=0.6 * radius)  # fmt: skip
    _draw_connections(root, plane, xy)
    looped = np.zeros(plane.n, bool)
    looped[plane.source[plane.source == plane.target]] = True
    fastest = max(float(np.nanmax(plane.rate, initial=0)), 1e-9)
    largest = plane.members.max()
    neurons = element(root, "g", class_="neurons")
    for k in range(plane.n):
        classes = f"k{core_colour(int(plane.core[k]), plane.grid)}" + (" self" if looped[k] else "")
        if plane.cluster[k] >= 0:
            classes += f" f{plane.cluster[k] % CLUSTER_COLOURS}"
        rate = plane.rate[k]
        circle = element(
            neurons,
            "circle",
            cx=float(xy[k, 0]),
            cy=float(xy[k, 1]),
            r=radius * float(np.sqrt(plane.members[k] / largest)),
            class_=classes,
            style=f"--r:{100 * rate / fastest:.0f}%" if np.isfinite(rate) else None,
            data_i=k,
            data_c=int(plane.core[k]) if plane.grid is not None else None,
        )
        element(circle, "title", plane.label[k])
    return root


def _draw_connections(root: Element, plane: Plane, xy: Array) -> None:
    apart = plane.source != plane.target
    source, target, weight = plane.source[apart], plane.target[apart], plane.weight[apart]
    if not len(weight):
        return
    step = xy[target] - xy[source]
    # A slight bend to the left of the way: two neurons that excite each other show two lines.
    bend = 0.5 * step + 0.13 * np.stack([step[:, 1], -step[:, 0]], axis=1)
    # Whole numbers: a coordinate has three digits, and the figure is drawn at about this size.
    start, bend, step = np.rint([xy[source], bend, step]).astype(np.int64)
    strength = np.searchsorted(WEIGHT_CLASSES, np.abs(weight) / np.abs(weight).max(), side="right")
    colour = np.array([core_colour(core, plane.grid) for core in plane.core.tolist()])[source]
    # One group for all lines that look the same: level, then -1 between cores or the colour of the core, then sign.
    crossing = plane.core[source] != plane.core[target]
    looks = np.stack([strength, np.where(crossing, -1, colour), weight < 0], axis=1)
    for look in np.unique(looks, axis=0):
        level, inside, negative = (int(part) for part in look)
        place = "out" if inside < 0 else f"k{inside}"
        group = element(root, "g", class_=f"w{level} {place} {'minus' if negative else 'plus'}")
        chosen = np.flatnonzero((looks == look).all(axis=1))
        chosen = chosen[np.argsort(source[chosen], kind="stable")]
        for part in np.split(chosen, np.flatnonzero(np.diff(source[chosen])) + 1):
            line = "".join(
                f"M{start[k, 0]} {start[k, 1]}q{bend[k, 0]} {bend[k, 1]} {step[k, 0]} {step[k, 1]}" for k in part
            )
            element(group, "path", d=line, data_s=int(source[part[0]]), data_t=" ".join(map(str, target[part])))


def core_colour(core: int, grid: Grid | None) -> int:
    """Return the colour class of a core, 0 … 3; neighbours, also diagonal ones, differ."""
    if grid is None or core < 0:
        return 0
    row, column = divmod(core, grid.columns)
    return 2 * (row % 2) + column % 2
