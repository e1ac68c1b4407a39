"""Figures of an analysis in the style of the paper's figure 2, its digitised points in grey beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuromod.analysis import growing_brains
from neuromod.plotting import overview

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Content = Mapping[str, Any]

PAPER: dict[str, Any] = {"color": "0.55", "zorder": 1}
# The shapes in which clusters take the colours, one after the other.
MARKS = ("s", "o", "^", "D", "v", "P")
_LABEL = "paper, 400 neurons (digitised)"


def task_variance(axes: Axes, content: Content) -> None:
    """Draw figure 2b: normalised task variance, neurons ordered by cluster."""
    rows = np.asarray(content["task_variance"])[content["active"]]
    rows = rows / rows.max(axis=1, keepdims=True)
    labels = np.asarray(content["clusters"]["labels"])
    order = np.lexsort((-rows.max(axis=1), labels))
    image = axes.imshow(rows[order].T, aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest")
    axes.figure.colorbar(image, ax=axes, label="normalised task variance")
    for edge in np.flatnonzero(np.diff(labels[order])):
        axes.axvline(edge + 0.5, color="w", linewidth=0.8)
    axes.set_yticks(range(len(content["tasks"])), content["tasks"], fontsize=6)
    axes.set_xlabel("active neurons, by cluster")


def plane(axes: Axes, content: Content) -> None:
    """Draw figure 2c: functional clusters in the plane."""
    from matplotlib.ticker import MaxNLocator

    at = np.asarray(content["positions"])
    axes.scatter(at[:, 0], at[:, 1], s=12, color="0.88", marker="s", linewidths=0)
    labels = np.asarray(content["clusters"]["labels"])
    here = at[content["active"]]
    # Shape and colour together tell clusters apart, for colour-blind eyes and on grey paper.
    for cluster in range(int(labels.max(initial=-1)) + 1):
        mark, colour = (
            MARKS[cluster // len(overview.OKABE_ITO) % len(MARKS)],
            overview.OKABE_ITO[cluster % len(overview.OKABE_ITO)],
        )
        x, y = here[labels == cluster].T
        axes.scatter(x, y, color=colour, marker=mark, s=24, linewidths=0, label=str(cluster))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(title="cluster", fontsize=6, title_fontsize=6, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.set(
        aspect="equal", xlabel="column, pitches", ylabel="row, pitches", title=f"{content['clusters']['k']} clusters"
    )
    axes.invert_yaxis()


def accuracy(axes: Axes, content: Content) -> None:
    """Draw figure 2d: accuracy on each task."""
    tasks = content["tasks"]
    found, paper = content["lesions"]["accuracy_per_task"], growing_brains()["accuracy_per_task"]
    axes.bar(range(len(tasks)), [found[name] for name in tasks], color="C0", label="this network")
    known = [(k, paper[name]) for k, name in enumerate(tasks) if name in paper]
    if known:
        axes.plot(
            *zip(*known, strict=True), "_", markersize=9, markeredgewidth=2, label=_LABEL, **(PAPER | {"zorder": 3})
        )
    axes.set_xticks(range(len(tasks)), tasks, rotation=90, fontsize=6)
    axes.set(ylabel="accuracy", ylim=(0, 1.05))
    axes.legend(fontsize=6, loc="lower left")


def importance(axes: Axes, content: Content) -> None:
    """Draw figure 2e: importance against rank, before pruning."""
    values = np.asarray(content["importance"])
    there = values > 0
    axes.semilogy(np.arange(len(values))[there], values[there], ".", markersize=3)
    title = f"{int((~there).sum())} of {len(values)} neurons at exactly zero"
    axes.set(xlabel="rank", ylabel="importance", title=title, xlim=(0, len(values)))


def weight_by_distance(axes: Axes, content: Content) -> None:
    """Draw figure 2f: weight against distance."""
    rows = content["weight_by_distance"]
    at = [row["distance"] for row in rows]
    axes.plot(*np.transpose(growing_brains()["mean_weight_at_distance"]), ".--", label=_LABEL, **PAPER)
    axes.plot(at, [row["mean"] for row in rows], "o-", markersize=3, label="mean of all pairs")
    there = [row for row in rows if row["synapses"]]
    axes.plot(
        [row["distance"] for row in there],
        [row["median_of_synapses"] for row in there],
        "s:",
        markersize=3,
        label="median of the synapses",
    )
    axes.set(xlabel="Manhattan distance, pitches", ylabel="|w|", yscale="log")
    axes.legend(fontsize=6)


def neurons_and_error(axes: Axes, content: Content) -> None:
    """Draw figure 2g: error against active neurons."""
    _paper(axes, 0)
    axes.plot(
        len(content["active"]), 1 - content["lesions"]["accuracy"], "*", color="C3", markersize=11, label="this network"
    )
    axes.set(xlabel="active neurons", ylabel="error", yscale="log")
    axes.legend(fontsize=6)


def wiring_and_error(axes: Axes, content: Content) -> None:
    """Draw figure 2h: error against wiring length."""
    _paper(axes, 2)
    axes.plot(
        content["wiring"]["count"],
        1 - content["lesions"]["accuracy"],
        "*",
        color="C3",
        markersize=11,
        label="this network",
    )
    axes.set(xlabel="wiring length, pitches", ylabel="error", xscale="log", yscale="log")
    axes.legend(fontsize=6)


def _paper(axes: Axes, column: int) -> None:
    """Draw the paper's three methods in grey; our point is the red star."""
    for name, marker in (("bimt", "o"), ("l1", "^"), ("none", "s")):
        rows = np.asarray(growing_brains()[name])
        axes.plot(rows[:, column], rows[:, 1], f"{marker}-", markersize=4, label=f"{name}, {_LABEL}", **PAPER)


# Name of the file -> what draws it and what the analysis must hold for that.
FIGURES: dict[str, tuple[Callable[[Axes, Content], None], tuple[str, ...]]] = {
    "figure_2b_task_variance": (task_variance, ("clusters",)),
    "figure_2c_plane": (plane, ("clusters", "positions")),
    "figure_2d_accuracy": (accuracy, ("lesions",)),
    "figure_2e_importance": (importance, ("importance",)),
    "figure_2f_weight_by_distance": (weight_by_distance, ("weight_by_distance",)),
    "figure_2g_neurons_and_error": (neurons_and_error, ("lesions",)),
    "figure_2h_wiring_and_error": (wiring_and_error, ("lesions", "wiring")),
}


def write(content: Content, folder: Path) -> list[Path]:
    """Draw every figure that an analysis has the measures for.

    Parameters
    ----------
    content : mapping
        Content of ``analysis.json``.
    folder : Path
        Where the SVG files go; it is made.

    Returns
    -------
    list of Path
        The files, one a figure.

    Raises
    ------
    UsageError
        If the folder cannot be written.
    """
    from matplotlib.figure import Figure

    written = []
    for name, (draw, needs) in FIGURES.items():
        if all(content.get(need) is not None for need in needs):
            path = folder / f"{name}.svg"
            figure = Figure(figsize=(4.6, 3.4), layout="constrained")
            draw(figure.add_subplot(), content)
            overview.save(figure, path)
            written.append(path)
    return written
