"""The Pareto figure: error against wiring length and against active neurons, for each method of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neuromod.analysis import growing_brains
from neuromod.plotting import overview
from neuromod.runs import point
from neuromod.sweeping import Row, curve


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw every finished trial as a dot, the mean of each λ as a line, and the paper's digitised points in grey.

    Parameters
    ----------
    rows : sequence of Row
        From `results.collect`.
    path : Path
        Figure, its format by the end of its name.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    for axes, key, column, name in (
        (both[0], "wiring_length", 2, "wiring length, pitches"),
        (both[1], "active_neurons", 0, "active neurons"),
    ):
        _draw(axes, rows, key, column)
        axes.set(xlabel=name, yscale="log")
    both[0].set(xscale="log", ylabel="error, 1 - mean accuracy")
    both[1].legend(fontsize=6)
    overview.save(figure, path)


def _draw(axes: Any, rows: Sequence[Row], key: str, column: int) -> None:
    paper = growing_brains()
    for name, style in (("bimt", "-"), ("l1", "--"), ("none", ":")):
        x, y = [at[column] for at in paper[name]], [at[1] for at in paper[name]]
        axes.plot(x, y, style, marker="x", color="0.7", markersize=4, label=f"{name}, paper, 400 neurons (digitised)")
    for number, name in enumerate(sorted({row["method"] for row in rows})):
        dots = [at for row in rows if row["method"] == name and (at := point(row)) is not None]
        axes.plot([at[key] for at in dots], [at["error"] for at in dots], ".", color=f"C{number}", alpha=0.4)
        line = curve(rows, name)
        axes.plot([at[key] for at in line], [at["error"] for at in line], "o-", color=f"C{number}", label=name)
