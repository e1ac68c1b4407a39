"""Where a run of a sweep stands among the others: error against wiring length."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from neuromod.errors import NeuromodError
from neuromod.files import read_json
from neuromod.reporting.figures.svg import Element, document, element, figure, number, ticks
from neuromod.reporting.numbers import percent, tidy
from neuromod.runs import SWEEP_SCHEMA, point

_WIDTH, _HEIGHT = 560.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 16.0, 12.0, 42.0


def frontier(path: Path) -> dict[str, Any] | None:
    """Return the figure and what it says of the run at `path`; None if it is no finished trial of a sweep."""
    table = path.resolve().parent.parent / "table.json"
    if path.resolve().parent.name != "trials" or not table.is_file():
        return None
    try:
        trials = read_json(table, schema=SWEEP_SCHEMA)["trials"]
        found = {str(row["trial"]): at for row in trials if (at := point(row)) and _usable(at)}
        kinds = {str(row["trial"]): str(row.get("method", row["regularizer"])) for row in trials}
    except (NeuromodError, KeyError, TypeError, ValueError):
        # The table is the sweep's and not the run's; a broken one must not hide the run.
        return None
    own = found.get(path.resolve().name)
    if own is None or len(found) < 2:
        return None
    better = [
        name
        for name, at in found.items()
        if at["error"] <= own["error"] and at["wiring_length"] <= own["wiring_length"] and at != own
    ]
    place = "No trial of the sweep has both less error and less wiring: this run lies on the Pareto front."
    if better:
        place = (
            f"{len(better)} of {len(found)} trials have no more error and no more wiring, the shortest of them "
            f"{_best(better, found)}."
        )
    said = (
        f"Among {len(found)} finished trials, error {percent(own['error'])} at a wiring length of "
        f"{tidy(own['wiring_length'])} pitches. {place}"
    )
    return {"words": said, "svg": document(_draw(found, kinds, path.resolve().name))}


def _usable(at: dict[str, float]) -> bool:
    return at["error"] >= 0 and at["wiring_length"] > 0 and all(math.isfinite(value) for value in at.values())


def _best(names: list[str], found: dict[str, dict[str, float]]) -> str:
    return min(names, key=lambda name: found[name]["wiring_length"])


def _draw(found: dict[str, dict[str, float]], kinds: dict[str, str], own: str) -> Element:
    root = figure(_WIDTH, _HEIGHT, "Pareto plot", f"{len(found)} trials of the sweep, this run marked", class_="pareto")
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    x = [at["wiring_length"] for at in found.values()]
    # A logarithmic axis has no zero: trials without any error stand on its lower edge.
    y = [at["error"] for at in found.values() if at["error"] > 0] or [0.01]
    low_x, high_x, low_y, high_y = min(x) / 1.4, max(x) * 1.4, min(y) / 1.2, max(y) * 1.2

    def across(value: float) -> float:
        return _LEFT + (right - _LEFT) * math.log(value / low_x) / math.log(high_x / low_x)

    def up(value: float) -> float:
        return bottom - (bottom - _TOP) * math.log(max(value, low_y) / low_y) / math.log(high_y / low_y)

    for tick in ticks(low_y, high_y, logarithmic=True, most=5):
        element(root, "line", x1=_LEFT, x2=right, y1=up(tick), y2=up(tick), class_="rule")
        element(root, "text", percent(tick), x=_LEFT - 7, y=up(tick) + 4, class_="end")
    for tick in ticks(low_x, high_x, logarithmic=True, most=6):
        element(root, "text", tidy(tick), x=across(tick), y=bottom + 17, class_="middle")
    element(root, "text", "wiring length, pitches", x=(_LEFT + right) / 2, y=_HEIGHT - 4, class_="middle")
    names = sorted(set(kinds.values()))
    for name, at in found.items():
        kind = names.index(kinds[name])
        here = (across(at["wiring_length"]), up(at["error"]))
        mark = element(root, "path", d=_marker(kind, *here), class_=f"f{kind % 8}" + (" own" if name == own else ""))
        element(mark, "title", f"{name}: error {percent(at['error'])}, wiring {tidy(at['wiring_length'])} pitches")
    for kind, name in enumerate(names):
        at_y = _TOP + 10 + 15 * kind
        element(root, "path", d=_marker(kind, right - 84, at_y - 4), class_=f"f{kind % 8}")
        element(root, "text", name, x=right - 74, y=at_y)
    mine = found[own]
    element(root, "circle", cx=across(mine["wiring_length"]), cy=up(mine["error"]), r=9, class_="here")
    return root


def _marker(kind: int, x: float, y: float) -> str:
    """Return a shape for each method, so that colour is not needed to tell them apart."""
    corners = (4, 3, 6, 5)[kind % 4]
    points = [
        (x + 5 * math.sin(2 * math.pi * k / corners + kind), y - 5 * math.cos(2 * math.pi * k / corners + kind))
        for k in range(corners)
    ]
    return "M" + "L".join(f"{number(a)} {number(b)}" for a, b in points) + "Z"
