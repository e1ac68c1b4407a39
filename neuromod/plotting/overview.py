"""Figures for papers and slides, drawn with Matplotlib; the report draws its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.files import replacing
from neuromod.reporting import Cores, Plane, core_colour, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")

# As in the report: neighbouring cores differ, also for colour-blind eyes.
CORE_COLOURS = ("#2b47b2", "#c36008", "#1c928f", "#792956")
# Okabe and Ito's colours, which colour-blind eyes tell apart: blue, vermilion, green, purple, orange, sky blue, black.
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_INK, _MUTED, _PAPER = "#1c1f22", "#5a6068", "#fdfdfb"
_LOADS, _LINKS = ("#e6ecf2", "#14538c"), ("#ecd8cb", "#b5460f")


def draw_plane(ax: Axes, plane: Plane) -> None:
    """Draw neurons where they lie, coloured by core, with their connections.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    plane : Plane
        From `neuromod.reporting.figures.plane.plane_of`.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    source, target = plane.at[plane.source], plane.at[plane.target]
    step = target - source
    bend = source + 0.5 * step + 0.13 * np.stack([step[:, 1], -step[:, 0]], axis=1)
    size = np.abs(plane.weight) / np.abs(plane.weight).max(initial=1e-12)
    colours = [CORE_COLOURS[core_colour(core, plane.grid)] for core in plane.core.tolist()]
    lines, widths, shades = [], [], []
    for k in np.flatnonzero(plane.source != plane.target):
        a, b = int(plane.source[k]), int(plane.target[k])
        curve = Curve([source[k], bend[k], target[k]], [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3])
        lines.append(PathPatch(curve))
        widths.append(0.25 + 1.3 * size[k])
        shades.append(colours[a] if plane.core[a] == plane.core[b] else _MUTED)
    ax.add_collection(
        PatchCollection(lines, facecolors="none", edgecolors=shades, linewidths=widths, alpha=0.55, capstyle="round")
    )
    looped = np.isin(np.arange(plane.n), plane.source[plane.source == plane.target])
    edges = [_INK if loop else _PAPER for loop in looped]
    area = 300 / np.sqrt(plane.n) * plane.members / plane.members.max()
    ax.scatter(plane.at[:, 0], plane.at[:, 1], s=area, c=colours, edgecolors=edges, linewidths=0.7, zorder=3)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_box_aspect(1)
    ax.invert_yaxis()
    ax.set_axis_off()


def draw_cores(ax: Axes, cores: Cores) -> None:
    """Draw the grid of cores with their packets and the load of every link.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    cores : Cores
        From `neuromod.reporting.sections.hardware.cores_of`.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import FancyArrow, FancyBboxPatch

    loads, links = (LinearSegmentedColormap.from_list("", list(ends)) for ends in (_LOADS, _LINKS))
    at = cores.grid.coordinates()[:, ::-1]
    share = cores.load / max(float(cores.load.max()), 1e-12)
    lettered = max(cores.grid.rows, cores.grid.columns) <= 10
    for core, (x, y) in enumerate(at):
        box = FancyBboxPatch(
            (x - 0.33, y - 0.33), 0.66, 0.66, boxstyle="round,pad=0.02", fc=loads(share[core]), ec="none"
        )
        ax.add_patch(box)
        if lettered:
            colour = ink_on(loads(share[core]))
            ax.text(x, y, count(int(cores.neurons[core])), ha="center", va="center", fontsize=8, color=colour)
    busiest = max(float(cores.link_load.max(initial=0)), 1e-12)
    for a, b, load in zip(cores.source.tolist(), cores.target.tolist(), cores.link_load.tolist(), strict=True):
        if load <= 0:
            continue
        way = at[b] - at[a]
        aside = 0.09 * np.array([-way[1], way[0]])
        (x, y), (dx, dy) = at[a] + 0.37 * way + aside, 0.26 * way
        width = 0.012 + 0.07 * load / busiest
        arrow = FancyArrow(
            x, y, dx, dy, width=width, length_includes_head=True, head_width=width + 0.04, head_length=0.08,
            fc=links(load / busiest), ec="none",
        )  # fmt: skip
        ax.add_patch(arrow)
    ax.set_xlim(-0.5, cores.grid.columns - 0.5)
    ax.set_ylim(cores.grid.rows - 0.5, -0.5)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_box_aspect(1)
    ax.set_axis_off()


def ink_on(colour: npt.ArrayLike) -> str:
    """Return "black" or "white", whichever stands out more from a colour: by at least 4.5 to 1.

    Parameters
    ----------
    colour : (3,) or (4,) float
        Red, green and blue of sRGB from 0 to 1; more, as an alpha, is passed over.

    References
    ----------
    WCAG 2.2, relative luminance and contrast ratio.
    """
    rgb = np.asarray(colour, np.float64)[:3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


def overview(plane: Plane, cores: Cores) -> Figure:
    """Return the plane of neurons and the grid of cores side by side, as wide as a page's text (7 in).

    Parameters
    ----------
    plane, cores : Plane, Cores
        What is drawn.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.7), facecolor=_PAPER, layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_plane(left, plane)
    draw_cores(right, cores)
    for ax, title, note in (
        (
            left,
            f"{count(int(plane.members.sum()))} neurons, coloured by core",
            f"{count(plane.n_connections)} connections",
        ),
        (
            right,
            f"{cores.grid} cores, number of neurons",
            f"colour: packets per step (at most {count(float(cores.load.max()))}); "
            f"arrows: link load (at most {count(float(cores.link_load.max(initial=0)))}); estimates",
        ),
    ):
        ax.set_title(title, fontsize=9, color=_INK)
        ax.text(0.5, -0.02, note, transform=ax.transAxes, ha="center", va="top", fontsize=6.5, color=_MUTED)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF; equal figures give equal bytes.

    Raises
    ------
    UsageError
        If the suffix names another format, or the file cannot be written.
    """
    import matplotlib

    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"cannot write {path}: a figure is one of {', '.join(FORMATS)}, by the end of its name")
    # Journals refuse the Type 3 fonts that are Matplotlib's default in PDF files.
    settings: Any = {"svg.hashsalt": "neuromod", "savefig.dpi": 300, "pdf.fonttype": 42}
    undated: dict[str, Any] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context(settings), replacing(path) as temporary:
        figure.savefig(temporary, metadata=undated[path.suffix.lower()], facecolor=figure.get_facecolor())
