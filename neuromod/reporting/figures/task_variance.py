"""What the neurons do: their functional clusters and the map of their task variance."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.reporting.figures.svg import Element, document, element, figure
from neuromod.reporting.findings import Findings

_WIDTH, _LEFT, _ROW, _TOP = 760.0, 96.0, 13.0, 6.0


def clusters_of(findings: Findings) -> npt.NDArray[np.int64] | None:
    """Return the functional cluster of each neuron, (n,), -1 for those that are not active; None without an analysis.

    Raises
    ------
    UsageError
        If `analysis.json` does not fit the network.
    """
    network, analysis = findings.network, findings.analysis
    if network is None or not analysis or not analysis.get("clusters"):
        return None
    found = np.full(network.n, -1, np.int64)
    try:
        found[np.asarray(analysis["active"], np.int64)] = np.asarray(analysis["clusters"]["labels"], np.int64)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise UsageError(f"analysis.json does not fit the network ({error}); run `neuromod.analyze`") from error
    return found


def variance_map(findings: Findings) -> dict[str, Any] | None:
    """Return the map of task variance, tasks down and active neurons across, by cluster; None without an analysis.

    Raises
    ------
    UsageError
        If `analysis.json` does not fit the network.
    """
    labels = clusters_of(findings)
    if labels is None or findings.analysis is None:
        return None
    tasks = [str(task) for task in findings.analysis.get("tasks") or ()]
    try:
        variance = np.asarray(findings.analysis["task_variance"], np.float64)
        if variance.shape != (len(labels), len(tasks)) or not len(tasks):
            raise ValueError(f"the task variance has the shape {variance.shape}")
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"analysis.json cannot be used ({error}); run `neuromod.analyze`") from error
    active = np.flatnonzero(labels >= 0)
    rows = variance[active] / np.maximum(variance[active].max(axis=1, keepdims=True), 1e-300)
    order = np.lexsort((-rows.max(axis=1), rows.argmax(axis=1), labels[active]))
    drawn = _draw(np.nan_to_num(rows[order].T), tasks, labels[active][order])
    return {
        "svg": document(drawn),
        "caption": f"Each column is one of {len(active):,} active neurons, sorted by functional cluster (lines), each "
        "row a task; the brighter, the more the neuron's activity varies in that task, relative to its own largest.",
    }


def _draw(share: npt.NDArray[np.float64], tasks: list[str], labels: npt.NDArray[np.int64]) -> Element:
    height = _TOP + _ROW * len(tasks) + 26
    bottom, wide = _TOP + _ROW * len(tasks), _WIDTH - _LEFT
    root = figure(_WIDTH, height, "Task variance", f"{len(tasks)} tasks, {share.shape[1]} neurons", class_="variance")
    element(
        root, "image", x=_LEFT, y=_TOP, width=wide, height=bottom - _TOP, preserveAspectRatio="none", href=_png(share)
    )
    for row, task in enumerate(tasks):
        element(root, "text", task, x=_LEFT - 6, y=_TOP + _ROW * (row + 0.75), class_="end")
    for edge in np.flatnonzero(np.diff(labels)) + 1:
        at = _LEFT + wide * float(edge) / len(labels)
        element(root, "line", x1=at, x2=at, y1=_TOP, y2=bottom, class_="edge")
    element(root, "text", "active neurons, by functional cluster", x=_LEFT + wide / 2, y=height - 6, class_="middle")
    return root


def _png(share: npt.NDArray[np.float64]) -> str:
    """Return values from 0 to 1 as a picture of one pixel each, in a data address."""
    from matplotlib import colormaps, image

    out = io.BytesIO()
    image.imsave(out, colormaps["cividis"](np.clip(share, 0, 1)), format="png")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
