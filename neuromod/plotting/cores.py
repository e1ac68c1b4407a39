"""Picture of the grid of cores: how full each is, what it sends and receives, and how loaded the links are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.hardware import Traffic
from neuromod.mapping import Placement
from neuromod.plotting import overview
from neuromod.reporting import arrange, count

# Cores up to which they are drawn at all.
_MOST_DRAWN = 16_384


def save(
    path: Path,
    placement: Placement,
    traffic: Traffic,
    *,
    clusters: npt.NDArray[np.int64] | None = None,
    rates: npt.NDArray[np.floating] | None = None,
) -> None:
    """Draw the cores as the overview does, with their neurons inside where these are not too many.

    Parameters
    ----------
    path : Path
        File, its format by its suffix: PNG, SVG or PDF.
    placement : Placement
        What lies on the cores.
    traffic : Traffic
        Packets between them.
    clusters : (n,) int64, optional
        Functional cluster of each neuron, -1 for none.
    rates : (n,) float, optional
        Spikes (active steps) per step.

    Raises
    ------
    UsageError
        If the format is not known or the file cannot be written.
    """
    from matplotlib.figure import Figure

    grid = placement.grid
    if grid.cores > _MOST_DRAWN:
        raise UsageError(f"{grid.cores:,} cores are too many to draw, at most {_MOST_DRAWN:,}; leave the figure out")
    load = traffic.packets.sum(axis=0) + traffic.packets.sum(axis=1)
    cores = arrange(placement, load, traffic.links, clusters=clusters, rates=rates)
    # Inches; the letters below need some width.
    side = float(np.clip(0.95 * max(grid.rows, grid.columns), 4.4, 9)) / max(grid.rows, grid.columns)
    figure = Figure(
        figsize=(max(side * grid.columns, 3.6) + 0.2, side * grid.rows + 0.85),
        facecolor=overview.PAPER,
        layout="constrained",
    )
    axes = figure.add_subplot()
    overview.draw_cores(axes, cores, inside=True)
    axes.set_aspect("equal")
    axes.set_title(
        f"{placement.target}, {placement.placer}: "
        f"{traffic.packets.sum():,.0f} packets, {traffic.hops:,.0f} hops a step (estimate)",
        fontsize=9,
        color=overview.INK,
    )
    dots = ""
    if cores.inside is not None:
        known = bool((cores.inside.cluster >= 0).any())
        dots = f"\ndots: neurons, {'by functional cluster' if known else 'the darker, the more active'}"
    axes.text(
        0.5,
        -0.01,
        f"colour: packets sent and received per step (at most {count(float(cores.load.max()))})\n"
        f"arrows: link load (at most {count(float(cores.link_load.max(initial=0)))} packets per step){dots}",
        transform=axes.transAxes,
        ha="center",
        va="top",
        fontsize=6.5,
        color=overview.MUTED,
    )
    overview.save(figure, path)
