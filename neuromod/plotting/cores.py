"""Picture of the grid of cores: how full each is, what it sends, and how loaded the links are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuromod.errors import UsageError
from neuromod.hardware import Traffic
from neuromod.mapping import Placement
from neuromod.plotting import overview

# Cores up to which their numbers are written into them.
_MOST_LABELLED = 100
# Cores up to which they are drawn at all.
_MOST_DRAWN = 16_384


def save(path: Path, placement: Placement, traffic: Traffic) -> None:
    """Draw the cores, coloured by the packets that they send, with links as wide and dark as they are loaded.

    Parameters
    ----------
    path : Path
        File, its format by its suffix: PNG, SVG or PDF.
    placement : Placement
        What lies on the cores.
    traffic : Traffic
        Packets between them.

    Raises
    ------
    UsageError
        If the format is not known or the file cannot be written.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    grid = placement.grid
    if grid.cores > _MOST_DRAWN:
        raise UsageError(f"{grid.cores:,} cores are too many to draw, at most {_MOST_DRAWN:,}; leave the figure out")
    sent = traffic.packets.sum(axis=1).reshape(grid.rows, grid.columns)
    side = float(np.clip(0.8 * max(grid.rows, grid.columns), 4, 9))
    figure = Figure(
        figsize=(
            side * grid.columns / max(grid.rows, grid.columns) + 1.6,
            side * grid.rows / max(grid.rows, grid.columns) + 1,
        ),
        layout="constrained",
    )
    axes = figure.add_subplot()
    cells = axes.imshow(sent, cmap="cividis", vmin=0)
    figure.colorbar(cells, ax=axes, label="packets sent per step (estimate)", shrink=0.8)
    links = traffic.links
    both = [links[0, :, :-1] + links[1, :, 1:], links[2, :-1] + links[3, 1:]]
    busiest = max((float(load.max(initial=0.0)) for load in both), default=0.0)
    if busiest > 0:
        # Routers lie in the middle of their tiles.
        down, across = grid.tile_rows, grid.tile_columns
        lines, widths = [], []
        for load, step in zip(both, ((0, 1), (1, 0)), strict=True):
            for row, column in np.argwhere(load > 0):
                start = (column * across + (across - 1) / 2, row * down + (down - 1) / 2)
                end = (start[0] + step[1] * across, start[1] + step[0] * down)
                lines.append([start, end])
                widths.append(0.3 + 5 * load[row, column] / busiest)
        axes.add_collection(LineCollection(lines, linewidths=widths, colors=overview.OKABE_ITO[1], alpha=0.8))
    if grid.cores <= _MOST_LABELLED:
        for core, (row, column) in enumerate(grid.coordinates().tolist()):
            label = f"{placement.neurons_on[core]:,}"
            colour = overview.ink_on(cells.to_rgba(sent[row, column]))
            # Beside the links, which run along the middle.
            axes.text(column - 0.25, row - 0.3, label, ha="center", va="center", fontsize=8, color=colour)
    axes.set(xlabel="core column", ylabel="core row")
    axes.set_xticks(range(0, grid.columns, max(1, grid.columns // 8)))
    axes.set_yticks(range(0, grid.rows, max(1, grid.rows // 8)))
    axes.set_title(
        f"{placement.target}, {placement.placer}: "
        f"{traffic.packets.sum():,.0f} packets, {traffic.hops:,.0f} hops a step\n"
        f"numbers: neurons; links: up to {busiest:,.0f} packets a step both ways",
        fontsize=9,
    )
    overview.save(figure, path)
