"""Figures for papers and slides, drawn with Matplotlib; the report draws its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.files import replacing
from neuromod.reporting import PANEL, Cores, Inside, Plane, core_colour, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = npt.NDArray[np.float64]

FORMATS = (".png", ".svg", ".pdf")

# As in the report: neighbouring cores differ, also for colour-blind eyes.
CORE_COLOURS = ("#2b47b2", "#c36008", "#1c928f", "#792956")
# Okabe and Ito's colours, which colour-blind eyes tell apart: blue, vermilion, green, purple, orange, sky blue, black.
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
INK, MUTED, PAPER, GROUND = "#1c1f22", "#5a6068", "#fdfdfb", "#eeeee8"
# Cores a side up to which links have arrowheads, and all that is drawn are lines and not pixels.
_MOST_HEADS, _MOST_VECTORS = 16, 32
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

    if plane.squares is not None:
        draw_squares(ax, plane.squares)
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
        shades.append(colours[a] if plane.core[a] == plane.core[b] else MUTED)
    ax.add_collection(
        PatchCollection(lines, facecolors="none", edgecolors=shades, linewidths=widths, alpha=0.55, capstyle="round")
    )
    looped = np.isin(np.arange(plane.n), plane.source[plane.source == plane.target])
    edges = [INK if loop else PAPER for loop in looped]
    area = 300 / np.sqrt(plane.n) * plane.members / plane.members.max()
    ax.scatter(plane.at[:, 0], plane.at[:, 1], s=area, c=colours, edgecolors=edges, linewidths=0.7, zorder=3)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_box_aspect(1)
    ax.invert_yaxis()
    ax.set_axis_off()


def draw_squares(ax: Axes, squares: Points) -> None:
    """Draw the cores as faint squares of the plane.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    squares : (cores, 4) float64
        Left, top, width and height of each, in units of the axes.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import FancyBboxPatch

    corner = 0.07 * float(squares[:, 2:].min())
    style = f"round,pad=0,rounding_size={corner:.4g}"
    boxes = [FancyBboxPatch((x, y), across, down, boxstyle=style) for x, y, across, down in squares.tolist()]
    ax.add_collection(PatchCollection(boxes, facecolors=GROUND, edgecolors="none", zorder=0, label="squares"))


def draw_cores(ax: Axes, cores: Cores, *, inside: bool = False) -> None:
    """Draw the grid of cores, coloured by their packets, with an arrow for each direction of a link.

    Up to 10 cores a side have their numbers or their neurons in them, up to 16 a side the arrows have heads.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    cores : Cores
        From `neuromod.reporting.cores_of` or `neuromod.reporting.arrange`.
    inside : bool
        Whether neurons are drawn inside their cores, unless they are too many; by functional cluster where that is
        known, else the darker, the more active.
    """
    from matplotlib.collections import PatchCollection, PolyCollection
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import FancyBboxPatch

    loads, links = (LinearSegmentedColormap.from_list("", list(ends)) for ends in (_LOADS, _LINKS))
    at = cores.grid.coordinates()[:, ::-1].astype(np.float64)
    share = cores.load / max(float(cores.load.max()), 1e-12)
    boxes = [
        FancyBboxPatch((x - 0.33, y - 0.33), 0.66, 0.66, boxstyle="round,pad=0.02", fc="none") for x, y in at.tolist()
    ]
    ax.add_collection(PatchCollection(boxes, facecolors=loads(share), edgecolors="none", label="cores"))
    shown = cores.inside if inside else None
    for core, (x, y) in enumerate(at.tolist() if cores.lettered else []):
        ink, number = ink_on(loads(share[core])), count(int(cores.neurons[core]))
        if shown is None:
            ax.text(x, y, number, ha="center", va="center", fontsize=8, color=ink)
        else:
            ax.text(x - 0.29, y - 0.22, number, ha="left", va="center", fontsize=6, color=ink)
    if shown is not None:
        _draw_inside(ax, shown, at)
    arrows, strength = _arrows(cores, at)
    many = max(cores.grid.rows, cores.grid.columns) > _MOST_VECTORS
    ax.add_collection(
        PolyCollection(list(arrows), facecolors=links(strength), edgecolors="none", label="links", rasterized=many)
    )
    ax.set_xlim(-0.5, cores.grid.columns - 0.5)
    ax.set_ylim(cores.grid.rows - 0.5, -0.5)
    ax.set_axis_off()


def _arrows(cores: Cores, at: Points) -> tuple[Points, Points]:
    """Outlines of the arrows, (k, corners, 2), traffic on the right as on a road, and their loads over the largest."""
    busy = np.flatnonzero(cores.link_load > 0)
    start, end = at[cores.source[busy]], at[cores.target[busy]]
    strength: Points = cores.link_load[busy] / max(float(cores.link_load.max(initial=0)), 1e-12)
    way = end - start
    across = np.stack([-way[:, 1], way[:, 0]], axis=1)
    half = 0.006 + 0.035 * strength
    # Along and across, in pitches: a shaft, and a head where it can be seen.
    corners: list[tuple[float, Points]]
    if max(cores.grid.rows, cores.grid.columns) <= _MOST_HEADS:
        corners = [(0.37, half), (0.55, half), (0.55, half + 0.02), (0.63, 0 * half), (0.55, -half - 0.02),
                   (0.55, -half), (0.37, -half)]  # fmt: skip
    else:
        corners = [(0.36, half), (0.64, half), (0.64, -half), (0.36, -half)]
    outline = [start + along * way + (0.09 + side)[:, None] * across for along, side in corners]
    return np.stack(outline, axis=1), strength


def _draw_inside(ax: Axes, inside: Inside, at: Points) -> None:
    from matplotlib.collections import EllipseCollection, PatchCollection
    from matplotlib.colors import LinearSegmentedColormap, to_rgba
    from matplotlib.patches import FancyBboxPatch

    size = 0.7
    corner = at - size / 2
    left, top, right, bottom = PANEL
    panels = [
        FancyBboxPatch(
            (x + size * left - 0.02, y + size * top - 0.015),
            size * (right - left) + 0.04,
            size * (bottom - top) + 0.03,
            boxstyle="round,pad=0,rounding_size=0.02",
        )
        for x, y in corner.tolist()
    ]
    ax.add_collection(PatchCollection(panels, facecolors=PAPER, edgecolors="none", label="panels"))
    rates = LinearSegmentedColormap.from_list("", ["#d9d8d2", INK])
    colours = [
        to_rgba(OKABE_ITO[cluster % len(OKABE_ITO)]) if cluster >= 0 else rates(rate)
        for cluster, rate in zip(inside.cluster.tolist(), inside.rate.tolist(), strict=True)
    ]
    wide = np.full(len(colours), 2 * size * inside.radius)
    ax.add_collection(
        EllipseCollection(
            wide,
            wide,
            np.zeros(len(wide)),
            units="xy",
            offsets=corner[inside.core] + size * inside.at,
            offset_transform=ax.transData,
            facecolors=colours,
            edgecolors="none",
            label="neurons",
        )
    )


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

    figure = Figure(figsize=(7, 3.7), facecolor=PAPER, layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_plane(left, plane)
    draw_cores(right, cores)
    right.set_aspect("equal", adjustable="datalim")
    right.set_box_aspect(1)
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
        ax.set_title(title, fontsize=9, color=INK)
        ax.text(0.5, -0.02, note, transform=ax.transAxes, ha="center", va="top", fontsize=6.5, color=MUTED)
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
