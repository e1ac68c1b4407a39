"""The grid of cores, coloured by load, with the load of every link, as one SVG figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid
from neuromod.reporting.figures.svg import Element, element, figure
from neuromod.reporting.numbers import count

_CELL = 100.0
_GAP = 44.0
# Cores are lettered up to this many rows and columns; beyond it the letters would be dust.
_MOST_LETTERED = 10


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
    """

    grid: Grid
    neurons: npt.NDArray[np.int64]
    capacity: int
    load: npt.NDArray[np.float64]
    source: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    link_load: npt.NDArray[np.float64]


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
    lettered = max(grid.rows, grid.columns) <= _MOST_LETTERED
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
        if lettered:
            element(group, "text", f"{row}, {column}", x=x + 9, y=y + 23, class_="name")
            element(group, "text", count(int(cores.neurons[core])), x=x + _CELL / 2, y=y + 63, class_="value")
    return root


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
