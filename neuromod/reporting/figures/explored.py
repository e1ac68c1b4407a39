"""The points of an exploration in a plane of two of its columns, with their Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from neuromod.reporting.figures.svg import Element, element, figure, number, ticks
from neuromod.reporting.numbers import tidy

Row = Mapping[str, Any]

_WIDTH, _HEIGHT = 420.0, 290.0
_LEFT, _RIGHT, _TOP, _BOTTOM, _LINE = 66.0, 16.0, 14.0, 42.0, 16.0


def columns_of(table: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the columns of an exploration by their key: title, unit, and which way is ``better``."""
    return {str(column["key"]): column for column in table["columns"]}


def axis_of(column: Mapping[str, Any]) -> str:
    """Name of an axis: what the column is and what it counts."""
    return ", ".join(filter(None, (column["title"], column["unit"])))


def planes_of(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the columns that are drawn against each other, the horizontal one first.

    They are those of the front, two by two, as far as a point that fits has a figure for both.
    """
    goals = [str(goal) for goal in table["pareto"]]
    pairs = [(goals[k + 1], goals[k]) for k in range(0, len(goals) - 1, 2)]
    return [pair for pair in pairs if known_in(table["points"], *pair)]


def known_in(rows: Sequence[Row], x: str, y: str) -> list[Row]:
    """Return the points that fit and have a figure in both columns."""
    return [row for row in rows if row["fits"] and row[x] is not None and row[y] is not None]


def front_of(rows: Sequence[Row], x: Mapping[str, Any], y: Mapping[str, Any]) -> list[Row]:
    """Return the points of the Pareto front of two columns, from left to right; of equal ones the first.

    Parameters
    ----------
    rows : sequence of mapping
        Points with figures in both.
    x, y : mapping
        The columns, from `columns_of`.
    """
    across, up = (-1.0 if column["better"] == "high" else 1.0 for column in (x, y))
    ordered = sorted(rows, key=lambda row: (across * row[x["key"]], up * row[y["key"]]))
    front: list[Row] = []
    for row in ordered:
        if not front or up * row[y["key"]] < up * front[-1][y["key"]]:
            front.append(row)
    return sorted(front, key=lambda row: float(row[x["key"]]))


def draw(table: Mapping[str, Any], x: str, y: str) -> Element:
    """Draw the points of an exploration, a shape for each target.

    Parameters
    ----------
    table : mapping
        Content of the exploration's ``table.json``.
    x, y : str
        Columns.
    """
    columns, rows = columns_of(table), known_in(table["points"], x, y)
    titles = [axis_of(columns[key]) for key in (x, y)]
    names = list(dict.fromkeys(str(row["target"]) for row in rows))
    root = figure(
        _WIDTH,
        _HEIGHT + _LINE * len(names),
        f"{titles[1]} against {titles[0]}",
        f"{len(rows)} points with their front",
        class_="pareto",
    )
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    (low_x, high_x), (low_y, high_y) = (_range([float(row[key]) for row in rows]) for key in (x, y))

    def across(value: float) -> float:
        return _LEFT + (right - _LEFT) * (value - low_x) / (high_x - low_x)

    def up(value: float) -> float:
        return bottom - (bottom - _TOP) * (value - low_y) / (high_y - low_y)

    for tick in ticks(low_y, high_y):
        element(root, "line", x1=_LEFT, x2=right, y1=up(tick), y2=up(tick), class_="rule")
        element(root, "text", tidy(tick), x=_LEFT - 7, y=up(tick) + 4, class_="end")
    for tick in ticks(low_x, high_x):
        element(root, "text", tidy(tick), x=across(tick), y=bottom + 17, class_="middle")
    element(root, "text", titles[0], x=(_LEFT + right) / 2, y=_HEIGHT - 5, class_="middle")
    element(root, "text", titles[1], x=_LEFT, y=_TOP - 3)
    front = front_of(rows, columns[x], columns[y])
    line = " ".join(f"{number(across(row[x]))},{number(up(row[y]))}" for row in front)
    element(root, "polyline", points=line, class_="front")
    for kind, name in enumerate(names):
        below = _HEIGHT + _LINE * kind + 10
        element(root, "path", d=shape(kind, _LEFT + 5, below - 4), class_=f"f{kind % 8}")
        element(root, "text", name, x=_LEFT + 17, y=below)
    for row in rows:
        kind = names.index(str(row["target"]))
        at = (across(float(row[x])), up(float(row[y])))
        mark = element(root, "path", d=shape(kind, *at), class_=f"f{kind % 8}")
        element(mark, "title", f"{label(row)}: {tidy(row[y])}, {tidy(row[x])}")
    return root


def label(row: Row) -> str:
    """Name a point, as ``loihi1 4x4, 16 a core, 8 bits``."""
    bits = f", {row['weight_bits']} bits" if row["weight_bits"] else ""
    return f"{row['target']} {row['cores']}, {row['capacity']} a core{bits}"


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.08 * max(abs(high), 1e-9)
    return low - room, high + room


def shape(kind: int, x: float, y: float) -> str:
    """Return a square, a triangle, a hexagon or a diamond, so that colour is not needed to tell them apart."""
    turns = (45, 90, 0, 0)[kind % 4]
    corners = (4, 3, 6, 4)[kind % 4]
    angles = [math.radians(turns + 360 * k / corners) for k in range(corners)]
    return "M" + "L".join(f"{number(x + 5.5 * math.cos(a))} {number(y - 5.5 * math.sin(a))}" for a in angles) + "Z"
