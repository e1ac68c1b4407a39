"""What a network answers on the test trials of the user's data: a confusion matrix or values, and examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuromod.metrics import Evaluation, evaluate
from neuromod.network import Array
from neuromod.reporting.figures.svg import Element, document, element, figure, number, ticks
from neuromod.reporting.findings import Findings
from neuromod.reporting.numbers import percent, tidy
from neuromod.trials import Trials

# Trials that are run for the report, examples that are drawn, classes up to which a matrix is shown, points and lines.
_MOST_TRIALS, _EXAMPLES, _MOST_CLASSES, _MOST_POINTS, _MOST_LINES = 2000, 4, 30, 600, 12

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 340.0, 230.0, 46.0, 30.0


def answers(findings: Findings) -> dict[str, Any] | None:
    """Return what is shown of the network's answers; None without data.

    Parameters
    ----------
    findings : Findings
        With a network that has its data.
    """
    network = findings.network
    if network is None or network.data is None or "nir" in network.info:
        return None
    trials = network.data.part("test")
    if trials.n_trials > _MOST_TRIALS:
        trials = trials.take(np.sort(np.random.default_rng(0).choice(trials.n_trials, _MOST_TRIALS, replace=False)))
    y = network.run(trials.inputs, dtype=np.float32)[0]
    if not np.isfinite(y[trials.mask]).all():
        return None
    found = evaluate(network, trials, runner=lambda _: y)
    low, high = found.interval()
    name = str(network.data.source.get("name", network.data.names[0]))
    read = {"last": "at the last step", "mean": "as the mean over steps", "every": "at every step"}[trials.readout]
    if trials.values:
        said = f"R² {found.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}), NRMSE {found.nrmse:.3f}"
    else:
        said = f"{percent(found.accuracy)} of the answers right (95 % interval {percent(low)} to {percent(high)})"
    return {
        "score": found.accuracy,
        "words": f"{name}: {said} on {trials.n_trials:,} test trials, which nothing was chosen on; the answer is read "
        f"{read}.",
        "matrix": None if trials.values else _matrix(found, trials),
        "scatter": document(_scatter(found)) if trials.values else None,
        "examples": [_example(trials, y, k) for k in _chosen(trials)],
        "caption": f"Inputs above, outputs below{_strong(trials)}.",
    }


def _strong(trials: Trials) -> str:
    """Say which line of an example is drawn strong."""
    if trials.values:
        return " with the true values; the strong line is the first output"
    return "" if trials.readout == "every" else "; the strong line is the output of the right class"


def _matrix(found: Evaluation, trials: Trials) -> dict[str, Any] | None:
    """Counts of each answer for each class."""
    n = trials.n_classes
    if n > _MOST_CLASSES:
        return None
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (found.answers, found.decisions), 1)
    names = list(trials.class_names)
    rows = [
        [name, *(f"{count:,}" if count else "" for count in row), percent(row[k] / row.sum()) if row.sum() else "–"]
        for k, (name, row) in enumerate(zip(names, counts, strict=True))
    ]
    return {"header": ["wanted \\ answered", *names, "right"], "rows": rows}


def _scatter(found: Evaluation) -> Element:
    """Predicted values against true ones, in units of each output's standard deviation."""
    wanted, given = (np.asarray(x, np.float64) for x in (found.answers, found.decisions))
    scale, mean = np.maximum(wanted.std(axis=0), 1e-30), wanted.mean(axis=0)
    x, y = (((part - mean) / scale).ravel() for part in (wanted, given))
    if len(x) > _MOST_POINTS:
        some = np.random.default_rng(0).choice(len(x), _MOST_POINTS, replace=False)
        x, y = x[some], y[some]
    edge = max(1e-9, float(np.abs(np.concatenate([x, np.clip(y, x.min() - 3, x.max() + 3)])).max())) * 1.05
    root = figure(
        _WIDTH, _WIDTH, "Predicted against true values", f"{len(x)} values, R² {found.accuracy:.3f}", class_="curve"
    )
    size = _WIDTH - _LEFT - 12

    def across(value: float) -> float:
        return _LEFT + size * (value + edge) / (2 * edge)

    def up(value: float) -> float:
        return 12 + size * (edge - min(max(value, -edge), edge)) / (2 * edge)

    for tick in ticks(-edge, edge, most=5):
        element(root, "line", x1=_LEFT, x2=_LEFT + size, y1=up(tick), y2=up(tick), class_="rule")
        element(root, "text", tidy(tick), x=_LEFT - 7, y=up(tick) + 4, class_="end")
        element(root, "text", tidy(tick), x=across(tick), y=12 + size + 15, class_="middle")
    element(root, "line", x1=across(-edge), y1=up(-edge), x2=across(edge), y2=up(edge), class_="line")
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        element(root, "circle", cx=across(a), cy=up(b), r=1.8, class_="last")
    element(root, "text", "true value, standard deviations", x=_LEFT + size / 2, y=_WIDTH - 2, class_="middle axis")
    return root


def _chosen(trials: Trials) -> list[int]:
    """Test trials that are drawn: of different classes where there are some."""
    if trials.values or trials.readout == "every":
        return list(range(min(_EXAMPLES, trials.n_trials)))
    wanted = trials.answers
    return [int(np.flatnonzero(wanted == k)[0]) for k in np.unique(wanted)[:_EXAMPLES]]


def _example(trials: Trials, y: Array, trial: int) -> dict[str, str]:
    """Inputs of a trial over time, and the outputs below them."""
    steps = int(trials.mask[:, trial].sum())
    x, out = trials.inputs[:steps, trial].astype(np.float64), y[:steps, trial].astype(np.float64)
    root = figure(
        _WIDTH, _HEIGHT, f"Test trial {trial}", f"inputs and outputs over {steps} steps", class_="curve example"
    )
    middle = (_HEIGHT - _BOTTOM) / 2
    # Many channels are shown by their mean.
    shown = x if x.shape[1] <= _MOST_LINES else x.mean(axis=1, keepdims=True)
    wanted = trials.targets[:steps, trial].astype(np.float64) if trials.values else None
    strongest = np.argsort(-out.mean(axis=0))[:_MOST_LINES]
    label = -1 if trials.values or trials.readout == "every" else int(trials.answers[trial])
    _lines(root, shown, 8, middle - 6, marked=())
    if wanted is not None:
        _lines(root, np.hstack([out, wanted])[:, :_MOST_LINES], middle + 6, _HEIGHT - _BOTTOM, marked=(0,))
    else:
        marked = tuple(np.flatnonzero(strongest == label).tolist())
        _lines(root, out[:, strongest], middle + 6, _HEIGHT - _BOTTOM, marked=marked)
    element(root, "text", "in", x=_LEFT - 8, y=middle / 2 + 8, class_="end")
    element(root, "text", "out", x=_LEFT - 8, y=1.5 * middle, class_="end")
    for tick in ticks(0, max(steps - 1, 1), most=4):
        at = _LEFT + (_WIDTH - _LEFT - 12) * tick / max(steps - 1, 1)
        element(root, "text", f"{tick:,.0f}", x=at, y=_HEIGHT - _BOTTOM + 14, class_="middle")
    element(root, "text", "time step", x=(_LEFT + _WIDTH) / 2, y=_HEIGHT - 2, class_="middle axis")
    name = trials.class_names[label] if label >= 0 else f"test trial {trial}"
    mean = "" if x.shape[1] <= _MOST_LINES else f"mean of {x.shape[1]} channels"
    return {"name": name, "svg": document(root), "note": mean}


def _lines(root: Element, values: Array, top: float, bottom: float, *, marked: Sequence[int]) -> None:
    """Lines over time, each a column, that share one axis."""
    low, high = float(values.min()), float(values.max())
    wide, size = _WIDTH - _LEFT - 12, max(high - low, 1e-12)
    element(root, "line", x1=_LEFT, x2=_LEFT + wide, y1=bottom, y2=bottom, class_="rule")
    order = sorted(range(values.shape[1]), key=lambda k: k in marked)
    for k in order:
        points = " ".join(
            f"{number(_LEFT + wide * t / max(len(values) - 1, 1))},{number(bottom - (bottom - top) * (v - low) / size)}"
            for t, v in enumerate(values[:, k].tolist())
        )
        element(root, "polyline", points=points, class_="line" if k in marked else "line faint")
