"""The grid of cores, coloured by load, with the load of every link and their neurons inside, as one SVG figure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid
from neuromod.mapping import Placement
from neuromod.reporting.figures.plane import CLUSTER_COLOURS, MOST_NEURONS
from neuromod.reporting.figures.svg import Element, element, figure
from neuromod.reporting.numbers import count

_CELL = 100.0
_GAP = 44.0
# Cores are lettered up to this many rows and columns; beyond it the letters would be dust.
_MOST_LETTERED = 10
# Neurons of a core that are drawn inside it, and the share of its square, from left, top to right, bottom, for them.
_MOST_INSIDE = 144
PANEL = (0.08, 0.31, 0.92, 0.92)

# Where the links of `traffic.json` lead: rows down and columns to the right; in the order of `hardware.DIRECTIONS`.
DIRECTIONS = {"east": (0, 1), "west": (0, -1), "south": (1, 0), "north": (-1, 0)}

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Inside:
    """Neurons as dots inside their cores, those of one functional cluster beside each other.

    Parameters
    ----------
    core : (n,) int64
        Core of each neuron.
    at : (n, 2) float64
        Its place, x to the right and y down, in a core that is a square of side 1.
    radius : float
        Of a dot, in sides of a core.
    cluster : (n,) int64
        Functional cluster, -1 for none.
    rate : (n,) float64
        Spikes (active steps) per step over the largest; 1 where unknown.
    """

    core: Index
    at: Array
    radius: float
    cluster: Index
    rate: Array


@dataclass(frozen=True, eq=False)
class Cores:
    """What is drawn.

    Parameters
    ----------
    grid : Grid
        The cores.
    neurons : (cores,) int64
        Neurons on each core.
    capacity : int
        Neurons that fit a core.
    load : (cores,) float64
        Packets per step that a core sends and receives.
    source, target : (links,) int64
        Cores at the two ends of each directed link.
    link_load : (links,) float64
        Packets per step over each link.
    inside : Inside or None
        The neurons; None where they are too many to be seen.
    """

    grid: Grid
    neurons: Index
    capacity: int
    load: Array
    source: Index
    target: Index
    link_load: Array
    inside: Inside | None = None

    @property
    def lettered(self) -> bool:
        """Whether cores are large enough to be written in."""
        return max(self.grid.rows, self.grid.columns) <= _MOST_LETTERED


def arrange(
    placement: Placement,
    load: Array,
    links: Array,
    *,
    clusters: Index | None = None,
    rates: npt.NDArray[np.floating] | None = None,
) -> Cores:
    """Arrange a placement for drawing.

    Parameters
    ----------
    placement : Placement
        What lies on the cores.
    load : (cores,) float64
        Packets per step that each core sends and receives.
    links : (4, router rows, router columns) float64
        Packets per step over the link that leaves a router in each of `DIRECTIONS`.
    clusters : (n,) int64, optional
        Functional cluster of each neuron, -1 for none.
    rates : (n,) float, optional
        Spikes (active steps) per step.

    Returns
    -------
    Cores
        With the neurons inside, where these are not too many.
    """
    grid = placement.grid
    at, router = grid.coordinates(), grid.routers()
    source, target, link_load = [], [], []
    for way, loads in zip(DIRECTIONS.values(), links, strict=True):
        to = at + np.array(way)
        there = ((to >= 0) & (to < (grid.rows, grid.columns))).all(axis=1)
        # Cores of a tile share a router: its link is drawn once, between the first two cores that face each other.
        leaves = ((to // (grid.tile_rows, grid.tile_columns)) != router).any(axis=1)
        across = at[:, 0] % grid.tile_rows if way[0] == 0 else at[:, 1] % grid.tile_columns
        cores = np.flatnonzero(there & leaves & (across == 0))
        source.append(cores)
        target.append(to[cores] @ (grid.columns, 1))
        link_load.append(loads[router[cores, 0], router[cores, 1]])
    found = Cores(
        grid,
        placement.neurons_on,
        placement.neurons_per_core,
        load,
        np.concatenate(source),
        np.concatenate(target),
        np.concatenate(link_load),
    )
    return replace(found, inside=_inside(found, placement.core_of.astype(np.int64), clusters, rates))


def _inside(
    cores: Cores, core_of: Index, clusters: Index | None, rates: npt.NDArray[np.floating] | None
) -> Inside | None:
    n, most = len(core_of), int(cores.neurons.max(initial=0))
    if not cores.lettered or not 0 < most <= _MOST_INSIDE or n > MOST_NEURONS:
        return None
    cluster = np.full(n, -1) if clusters is None else clusters
    order = np.lexsort((np.arange(n), cluster, core_of))
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n) - np.searchsorted(core_of[order], core_of[order])
    left, top, right, bottom = PANEL
    columns = int(np.ceil(np.sqrt(most * (right - left) / (bottom - top))))
    across, down = (right - left) / columns, (bottom - top) / -(-most // columns)
    row, column = np.divmod(rank, columns)
    at = np.stack([left + across * (column + 0.5), top + down * (row + 0.5)], axis=1)
    rate = np.ones(n) if rates is None else np.asarray(rates, np.float64)
    return Inside(
        core_of, at, min(0.36 * min(across, down), 0.06), cluster, rate / max(float(rate.max(initial=0)), 1e-12)
    )


def draw_cores(cores: Cores) -> Element:
    """Return the figure; squares and links carry ``--r``, their load as a share of the largest, for the style sheet."""
    grid = cores.grid
    pitch = _CELL + _GAP
    root = figure(
        grid.columns * pitch - _GAP + 8,
        grid.rows * pitch - _GAP + 8,
        "Grid of cores",
        f"{grid} cores coloured by packets per step, with the load of the links between them; "
        "the tables below the figure list them",
        class_="cores",
    )
    corner = grid.coordinates()[:, ::-1].astype(np.float64) * pitch + 4
    _draw_links(root, cores, corner + _CELL / 2)
    busiest = max(float(cores.load.max(initial=0)), 1e-12)
    for core in range(grid.cores):
        x, y = (float(part) for part in corner[core])
        share = float(cores.load[core]) / busiest
        group = element(root, "g", class_="core", style=f"--r:{100 * share:.0f}%", data_c=core)
        row, column = divmod(core, grid.columns)
        words = (
            f"Core ({row}, {column}) · {cores.neurons[core]} of {cores.capacity} neurons · "
            f"{count(float(cores.load[core]))} packets per step sent and received"
        )
        element(group, "title", words)
        element(group, "rect", x=x, y=y, width=_CELL, height=_CELL, rx=5)
        if cores.lettered:
            element(group, "text", f"{row}, {column}", x=x + 9, y=y + 23, class_="name")
            element(group, "text", count(int(cores.neurons[core])), x=x + _CELL / 2, y=y + 63, class_="value")
        if cores.inside is not None:
            _draw_inside(group, cores.inside, core, x, y)
    return root


def _draw_inside(parent: Element, inside: Inside, core: int, x: float, y: float) -> None:
    """Draw the neurons of a core; each carries its number as ``data-i``, as in the plane."""
    here = np.flatnonzero(inside.core == core)
    left, top, right, bottom = (_CELL * part for part in PANEL)
    room = 4.0
    group = element(parent, "g", class_="inside")
    element(group, "rect", x=x + left - room, y=y + top - room / 2, width=right - left + 2 * room,
            height=bottom - top + room, rx=3)  # fmt: skip
    for i in here.tolist():
        cluster = int(inside.cluster[i])
        element(
            group,
            "circle",
            cx=x + _CELL * float(inside.at[i, 0]),
            cy=y + _CELL * float(inside.at[i, 1]),
            r=_CELL * inside.radius,
            class_=f"f{cluster % CLUSTER_COLOURS}" if cluster >= 0 else None,
            style=f"--r:{100 * inside.rate[i]:.0f}%",
            data_i=i,
        )


def _draw_links(root: Element, cores: Cores, middle: npt.NDArray[np.float64]) -> None:
    """Each link in its gap; the two directions side by side, traffic on the right as on a road."""
    busiest = float(cores.link_load.max(initial=0))
    if busiest <= 0:
        return
    group = element(root, "g", class_="links")
    columns = cores.grid.columns
    for a, b, load in zip(cores.source.tolist(), cores.target.tolist(), cores.link_load.tolist(), strict=True):
        if load <= 0:
            continue
        direction = (middle[b] - middle[a]) / np.abs(middle[b] - middle[a]).sum()
        aside = 13 * np.array([-direction[1], direction[0]])
        start = middle[a] + direction * (_CELL / 2 + 3) + aside
        end = middle[b] - direction * (_CELL / 2 + 3) + aside
        # An arrow's shaft as wide as its load, and a head.
        half = 1 + 7 * load / busiest
        across = half * np.array([-direction[1], direction[0]])
        neck = end - direction * 12
        points = [start + across, neck + across, neck + 1.35 * across, end, neck - 1.35 * across, neck - across,
                  start - across]  # fmt: skip
        arrow = element(
            group,
            "path",
            d="M" + "L".join(f"{p[0]:.1f} {p[1]:.1f}" for p in points) + "Z",
            style=f"--r:{100 * load / busiest:.0f}%",
        )
        ends = [f"({core // columns}, {core % columns})" for core in (a, b)]
        element(arrow, "title", f"Link {ends[0]} → {ends[1]} · {count(load)} packets per step")
