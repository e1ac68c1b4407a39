"""Runs side by side: one HTML file with their figures in one table and their pictures next to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from neuromod.errors import UsageError
from neuromod.files import write_text
from neuromod.reporting.figures.cores import draw_cores
from neuromod.reporting.figures.plane import draw_plane, plane_of
from neuromod.reporting.figures.svg import document
from neuromod.reporting.findings import Findings, gather
from neuromod.reporting.numbers import UNKNOWN, count, duration, is_number, percent
from neuromod.reporting.sections import summary
from neuromod.reporting.sections.hardware import cores_of
from neuromod.reporting.template import fill
from neuromod.runs import Run
from neuromod.version import __version__

FILE = "comparison.html"

# Name, step, dotted key of its result, how to write it, and whether more or less is better ("" for neither).
_ROWS: tuple[tuple[str, str, str, Any, str], ...] = (
    ("regulariser", "train", "", str, ""),
    ("accuracy after training", "train", "accuracy", percent, "more"),
    ("accuracy after pruning", "prune", "accuracy_after", percent, "more"),
    ("neurons after pruning", "prune", "neurons_after", count, ""),
    ("recurrent synapses after pruning", "prune", "synapses_after", count, "less"),
    ("wiring length, pitches", "estimate", "wiring_length", count, "less"),
    ("cores", "map", "grid", str, ""),
    ("target", "map", "target", str, ""),
    ("neurons per core", "map", "neurons_per_core", count, ""),
    ("placer", "map", "placer", str, ""),
    ("packets per step (estimate)", "estimate", "packets_per_step", count, "less"),
    ("hops per step (estimate)", "estimate", "hops_per_step", count, "less"),
    ("hops per step, shuffled (estimate)", "estimate", "shuffled.hops_per_step", count, ""),
    ("busiest link, packets per step (estimate)", "estimate", "max_link_load_per_step", count, "less"),
    ("busiest core, weighted events per step (estimate)", "estimate", "busiest_core.load", count, "less"),
    ("functional clusters", "analyze", "clusters", count, ""),
    ("distance within clusters, z", "analyze", "within_cluster_distance.z", count, "less"),
    ("ONNX: equal decisions", "verify", "onnx.decision_agreement", percent, "more"),
    ("spiking: equal decisions", "verify", "snn.decision_agreement", percent, "more"),
    ("spiking: substeps", "verify", "snn.substeps", count, ""),
    ("time of training", "train", "seconds", duration, ""),
)


def write(runs: Sequence[Run], path: Path) -> list[dict[str, Any]]:
    """Write the comparison.

    Parameters
    ----------
    runs : sequence of Run
        At least two; what a run lacks is unknown.
    path : Path
        The HTML file.

    Returns
    -------
    list of dict
        The table: ``name`` of each row and its ``values``, one for each run, null where it is unknown.

    Raises
    ------
    UsageError
        If there are fewer than two, a run cannot be read, or the file cannot be written.
    """
    if len(runs) < 2:
        raise UsageError(f"needed at least two runs to compare, found {len(runs)}; `neuromod.runs.STEPS` lists them")
    found = [gather(run) for run in runs]
    values = [[_value(item, step, key) for item in found] for _, step, key, _, _ in _ROWS]
    rows = [
        {
            "name": name,
            "cells": [
                {"text": form(value) if value is not None else UNKNOWN, "best": k in _best(line, better, alike)}
                for k, value in enumerate(line)
            ],
        }
        for (name, step, _, form, better), line in zip(_ROWS, values, strict=True)
        for alike in [_alike(found, step)]
        if any(value is not None for value in line)
    ]
    names = _names([run.path for run in runs])
    context = {
        "title": f"{len(runs)} runs side by side · neuromod report",
        "names": names,
        "rows": rows,
        "tasks": _tasks(found),
        "runs": [_pictures(name, item) for name, item in zip(names, found, strict=True)],
        "cautions": _cautions(found),
        "version": __version__,
    }
    write_text(path, fill("compare.html", context))
    return [{"name": row[0], "values": line} for row, line in zip(_ROWS, values, strict=True)]


def _value(findings: Findings, step: str, key: str) -> Any:
    if not key:
        wiring = findings.stages["train"].arguments.get("wiring")
        if not isinstance(wiring, Mapping) or not isinstance(wiring.get("regularizer"), str):
            return None
        cost = wiring.get("cost", "distance")
        return wiring["regularizer"] if cost == "distance" else f"{wiring['regularizer']}, {cost}"
    value: Any = findings.result(step)
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if is_number(value) or isinstance(value, str) else None


def _alike(found: Sequence[Findings], step: str) -> bool:
    """Whether the figures of a step compare: the same tasks, and for traffic the same cores, target and capacity."""
    if step in ("train", "prune", "verify", "analyze"):
        return len({frozenset(_per_task(item)) for item in found if item.network is not None}) <= 1
    keys = ("grid", "target", "neurons_per_core")
    placed = [item for item in found if item.result(step)]
    return len({tuple(_value(item, "map", key) for key in keys) for item in placed}) <= 1


def _cautions(found: Sequence[Findings]) -> list[str]:
    """Return what keeps figures from being compared, one sentence each."""
    said = []
    if not _alike(found, "train"):
        said.append("The runs were not trained on the same tasks: their accuracies and synapses do not compare.")
    if not _alike(found, "estimate"):
        said.append(
            "The placements are not on the same cores, target and capacity: their packets and hops do not compare."
        )
    return said


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell the runs apart."""
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names


def _best(values: Sequence[Any], better: str, alike: bool) -> set[int]:
    known = [value for value in values if is_number(value)]
    if not better or not alike or len(known) < 2 or min(known) == max(known):
        return set()
    wanted = max(known) if better == "more" else min(known)
    return {k for k, value in enumerate(values) if value == wanted}


def _tasks(found: Sequence[Findings]) -> list[tuple[str, ...]]:
    """Return a row for each task that any of the runs knows."""
    parts = [_per_task(item) for item in found]
    names = dict.fromkeys(name for part in parts for name in part)
    return [(str(name), *(percent(part.get(name)) for part in parts)) for name in names]


def _per_task(findings: Findings) -> Mapping[str, Any]:
    for step in ("prune", "train"):
        part = findings.result(step).get("accuracy_per_task")
        if isinstance(part, Mapping):
            return part
    return {}


def _pictures(name: str, findings: Findings) -> dict[str, Any]:
    plane = cores = None
    if findings.network is not None:
        plane = document(draw_plane(plane_of(findings.network, findings.placement, findings.rates)))
        drawn = cores_of(findings)
        cores = document(draw_cores(replace(drawn, inside=None))) if drawn is not None else None
    return {"name": name, "heading": summary.heading(findings), "plane": plane, "cores": cores}
