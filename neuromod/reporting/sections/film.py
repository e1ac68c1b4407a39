"""The film of the training as a slider: some of its frames, small enough for a page; without script the last one."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid
from neuromod.reporting.figures.curves import draw_curve
from neuromod.reporting.figures.plane import CLUSTER_COLOURS, MOST_NEURONS, core_colour, squares_of
from neuromod.reporting.figures.svg import Element, document, element, figure
from neuromod.reporting.figures.task_variance import clusters_of
from neuromod.reporting.findings import Findings
from neuromod.reporting.numbers import count, percent, tidy
from neuromod.reporting.template import read
from neuromod.training import Film, Frame

# Neurons times frames, frames, and connections of each: a quarter of a megabyte.
_MOST_PLACES, _MOST_FRAMES, _FEWEST_FRAMES, _MOST_LINES = 16_000, 40, 12, 500
# Classes of a connection by |weight| over the largest; fainter ones are left out.
_CLASSES, _FAINTEST = (0.2, 0.5), 0.02
_SIDE = 640.0

Array = npt.NDArray[Any]


def film(findings: Findings) -> dict[str, Any] | None:
    """Return what the page shows of the film; None for a run that kept none, ``fault`` alone where it is unreadable."""
    found = findings.film
    if isinstance(found, str):
        return {"fault": found}
    if found is None or not found.frames:
        return None
    n = len(found.frames[0].positions)
    # A sample that is the same in every report.
    neurons = np.arange(n)
    if n > MOST_NEURONS:
        neurons = np.sort(np.random.default_rng(0).choice(n, MOST_NEURONS, replace=False))
    most = int(np.clip(_MOST_PLACES // len(neurons), _FEWEST_FRAMES, _MOST_FRAMES))
    shown = np.unique(np.linspace(0, len(found.frames) - 1, min(most, len(found.frames))).round().astype(int))
    frames = [found.frames[k] for k in shown]
    classes = _classes(found, _group(findings, found))[neurons]
    places, at = _places([frame.positions[neurons] for frame in frames], _scale([f.positions for f in found.frames]))
    lines = _lines(frames, neurons, n)
    curves, points = _curves(found, shown)
    words = [_words(frame, found.steps) for frame in frames]
    data = {
        "places": places.ravel().tolist(),
        "start": at[0].tolist(),
        "frames": [
            {"words": words[k], "moves": _moves(at[max(k - 1, 0)], at[k]), "lines": lines[k], "points": points[k]}
            for k in range(len(frames))
        ],
    }
    return {
        "fault": "",
        "svg": document(_draw(found, classes, places[at[-1]], lines[-1])),
        "curves": curves,
        "last": len(frames) - 1,
        "words": words[-1],
        "caption": _caption(found, len(frames), len(neurons)),
        # Nothing in it can end the element that holds it.
        "data": json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c"),
        "script": read("film.js"),
    }


def _group(findings: Findings, found: Film) -> Array | None:
    """Colour class of each neuron: that of the analysis, where it ran, as everywhere on the page."""
    clusters, network = clusters_of(findings), findings.network
    if found.grouping != "function" or clusters is None or network is None or found.order is None:
        return found.group
    if network.neuron_ids.max(initial=-1) >= len(found.order):
        return found.group
    group = np.full(len(found.order), -1, np.int64)
    group[found.order[network.neuron_ids]] = clusters
    return group


def _classes(found: Film, group: Array | None) -> Array:
    """Class of each neuron for the style sheet; empty for none."""
    if group is None:
        return np.array(["k0"] * len(found.frames[0].positions))
    if found.grouping == "core" and found.grid is not None:
        grid = Grid(*found.grid)
        return np.array([f"k{core_colour(core, grid)}" if core >= 0 else "" for core in group.tolist()])
    return np.array([f"f{k % CLUSTER_COLOURS}" if k >= 0 else "" for k in group.tolist()])


def _places(positions: Sequence[Array], scaled: tuple[Array, float]) -> tuple[Array, Array]:
    """All places, (m, 2) whole numbers of the drawing, and the place of each neuron in each frame, (frames, n)."""
    low, scale = scaled
    pixels = np.rint((np.concatenate(positions).astype(np.float64) - low) * scale).astype(np.int64)
    places, which = np.unique(pixels, axis=0, return_inverse=True)
    return places, which.reshape(len(positions), -1)


def _scale(positions: Sequence[Array]) -> tuple[Array, float]:
    """Where the drawing begins in the plane, (2,), and how many units of it a pitch has."""
    everything = np.concatenate(positions).astype(np.float64)
    return everything.min(axis=0), _SIDE / max(float(np.ptp(everything, axis=0).max()), 1e-9)


def _moves(before: Array, now: Array) -> list[int]:
    """Neurons that changed their places, each with the new one, in one row."""
    moved = np.flatnonzero(before != now)
    return [int(part) for part in np.stack([moved, now[moved]], axis=1).ravel()]


def _lines(frames: Sequence[Frame], neurons: Array, n: int) -> list[list[str]]:
    """Connections of each frame by class, thin to thick: sources and targets in turn, uint16 in base64."""
    sizes = np.concatenate([np.abs(frame.weight.astype(np.float64)) for frame in frames])
    largest = max(float(np.quantile(sizes, 0.995)) if len(sizes) else 1.0, 1e-12)
    number = np.full(n, -1)
    number[neurons] = np.arange(len(neurons))
    found = []
    for frame in frames:
        size = np.abs(frame.weight.astype(np.float64)) / largest
        ends = number[np.stack([frame.source, frame.target], axis=1).astype(np.int64)]
        chosen = np.flatnonzero((size > _FAINTEST) & (ends >= 0).all(axis=1))[-_MOST_LINES:]
        level = np.searchsorted(_CLASSES, size[chosen], side="right")
        found.append(
            [
                base64.b64encode(ends[chosen[level == k]].astype("<u2").tobytes()).decode()
                for k in range(len(_CLASSES) + 1)
            ]
        )
    return found


def _curves(found: Film, shown: Array) -> tuple[list[dict[str, str]], list[list[int]]]:
    """λ and accuracy over the training, and the point of each line at which a frame is; -1 for none."""
    step = [frame.step for frame in found.frames]
    curves, points = [], []
    for name, values, words in (
        ("λ, weight of the wiring cost", [frame.strength for frame in found.frames], tidy),
        ("Accuracy on the batch", [frame.accuracy for frame in found.frames], lambda v: percent(v, digits=0)),
    ):
        there = np.isfinite(values)
        curves.append({"name": name, "svg": document(draw_curve(step, values, title=name, words=words))})
        points.append(np.where(there, np.cumsum(there) - 1, -1)[shown].tolist())
    return curves, [list(pair) for pair in zip(*points, strict=True)]


def _words(frame: Frame, steps: int) -> str:
    accuracy = f"accuracy {percent(frame.accuracy, digits=0)} · " if np.isfinite(frame.accuracy) else ""
    return (
        f"Step {frame.step:,} of {steps:,} · λ {tidy(frame.strength)} · {accuracy}{frame.synapses:,} "
        "recurrent connections"
    )


def _caption(found: Film, frames: int, neurons: int) -> str:
    n = len(found.frames[0].positions)
    coloured = {
        "core": " Neurons have the colour of the core on which they end, cores are the squares below them; the four "
        "colours repeat.",
        "function": " Neurons have the colour of the functional cluster to which they come to belong.",
    }
    return (
        f"{count(frames)} of the {count(len(found.frames))} pictures that were kept, each with its "
        f"{count(_MOST_LINES)} strongest connections at most.{coloured.get(found.grouping, '')}"
        + (f" Drawn are {count(neurons)} of {count(n)} neurons." if neurons < n else "")
    )


def _draw(found: Film, classes: Array, at: Array, lines: Sequence[str]) -> Element:
    """Draw a frame; the script of the page moves its circles and replaces its lines."""
    pitch = _SIDE / max(float(np.sqrt(len(classes))) - 1, 1)
    low, high = at.min(axis=0) - 0.8 * pitch, np.maximum(at.max(axis=0), 1) + 0.8 * pitch
    squares = np.zeros((0, 4))
    if found.grid is not None and found.block is not None:
        start, scale = _scale([frame.positions for frame in found.frames])
        squares = (squares_of(found.grid, found.block) - (*start, 0, 0)) * scale
        low = np.minimum(low, squares[:, :2].min(axis=0) - 2)
        high = np.maximum(high, (squares[:, :2] + squares[:, 2:]).max(axis=0) + 2)
    wide, tall = (float(part) for part in high - low)
    root = figure(wide, tall, "Plane of neurons while training", "the slider goes through it", class_="film")
    root.set("viewBox", " ".join(f"{part:.0f}" for part in (*low, *(high - low))))
    for x, y, across, down in squares.tolist():
        element(root, "rect", x=x, y=y, width=across, height=down, rx=0.25 * pitch)
    wires = element(root, "g", class_="wires")
    for level, text in enumerate(lines):
        ends = np.frombuffer(base64.b64decode(text), "<u2").reshape(-1, 2)
        same = classes[ends[:, 0]] == classes[ends[:, 1]]
        looks = np.where(same, classes[ends[:, 0]], "out")
        for look in np.unique(looks):
            d = "".join(f"M{at[a, 0]} {at[a, 1]}L{at[b, 0]} {at[b, 1]}" for a, b in ends[looks == look])
            element(wires, "path", d=d, class_=f"l{level} {look}")
    radius = float(np.clip(0.27 * pitch, 2, 16))
    for (x, y), look in zip(at.tolist(), classes.tolist(), strict=True):
        element(root, "circle", cx=x, cy=y, r=radius, class_=look or None)
    return root
