"""The figure of an exploration: its points in planes of two columns, with the Pareto front of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuromod.errors import UsageError
from neuromod.plotting import overview
from neuromod.reporting import axis_of, columns_of, front_of, known_in, label, planes_of

_MARKERS = "osD^vP*X"


def save(table: Mapping[str, Any], path: Path) -> None:
    """Draw the points that fit, the columns of the front two by two, and save the figure.

    Parameters
    ----------
    table : mapping
        Content of the exploration's ``table.json``.
    path : Path
        The file, its format by the end of its name.

    Raises
    ------
    UsageError
        If there is nothing to draw, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    planes = planes_of(table)
    if not planes:
        raise UsageError(f"there is nothing to draw in {path}: no point fits, or the columns of the front are unknown")
    figure = Figure(figsize=(4.2 * len(planes), 3.6), layout="constrained")
    for axes, (x, y) in zip(figure.subplots(1, len(planes), squeeze=False)[0], planes, strict=True):
        _draw(axes, table, x, y)
    if len({row["target"] for row in table["points"] if row["fits"]}) > 1:
        figure.axes[0].legend(fontsize=7)
    overview.save(figure, path)


def _draw(axes: Any, table: Mapping[str, Any], x: str, y: str) -> None:
    columns, known = columns_of(table), known_in(table["points"], x, y)
    for number, name in enumerate(dict.fromkeys(row["target"] for row in known)):
        dots = [row for row in known if row["target"] == name]
        marker = _MARKERS[number % len(_MARKERS)]
        axes.plot([r[x] for r in dots], [r[y] for r in dots], marker, color=f"C{number}", markersize=5, label=name)
    front = front_of(known, columns[x], columns[y])
    axes.plot([row[x] for row in front], [row[y] for row in front], "--", color="0.4", linewidth=1, zorder=0)
    middle = sum(axes.get_xlim()) / 2
    for row in front:
        side = {"ha": "right", "xytext": (-5, 4)} if row[x] > middle else {"ha": "left", "xytext": (5, 4)}
        axes.annotate(label(row), (row[x], row[y]), fontsize=5.5, textcoords="offset points", **side)
    axes.set(xlabel=axis_of(columns[x]), ylabel=axis_of(columns[y]))
