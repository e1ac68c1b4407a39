"""The sections of the report: from findings to words, rows and figures for the template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.exporting import FORMATS
from neuromod.hardware import synapses_of_neurons
from neuromod.reporting.figures.curves import draw_curve
from neuromod.reporting.figures.plane import CLUSTER_COLOURS, Plane, draw_plane, plane_of
from neuromod.reporting.figures.svg import document
from neuromod.reporting.figures.task_variance import clusters_of
from neuromod.reporting.findings import Findings
from neuromod.reporting.numbers import MINUS, UNKNOWN, count, is_number, percent, ratio, size, tidy

Section = dict[str, Any]


def plane(findings: Findings) -> Section | None:
    """Return the plane of neurons, None without a network."""
    network = findings.network
    if network is None:
        return None
    clusters = clusters_of(findings)
    drawn = plane_of(network, findings.placement, findings.rates, clusters)
    known = findings.rates is not None
    return {
        "svg": document(draw_plane(drawn)),
        "words": _plane_words(drawn),
        "caption": _plane_caption(drawn, network.n),
        "cores": drawn.grid is not None,
        "rates": known,
        "clusters": [] if clusters is None else [k % CLUSTER_COLOURS for k in range(int(clusters.max()) + 1)],
        "fastest": percent(float(np.nanmax(drawn.rate, initial=0))) if known else UNKNOWN,
        "header": ("Neuron", "Column", "Row", "Core", "Cluster", "Active", "In", "Out"),
        "rows": _neuron_rows(findings, clusters) if drawn.n == network.n else [],
    }


def _plane_words(drawn: Plane) -> str:
    places = {
        "trained": "Each neuron is drawn where training put it",
        "core": "The network has no positions: each neuron is drawn inside its core",
        "number": "The network has no positions and no placement yet: neurons are drawn in the order of their numbers",
    }[drawn.where]
    lines = len(drawn.weight)
    if drawn.grid is not None and lines and lines == drawn.n_connections:
        inside = float(np.mean(drawn.core[drawn.source] == drawn.core[drawn.target]))
        return f"{places}. Of the connections, {percent(inside, digits=0)} stay inside a core."
    return f"{places}."


def _plane_caption(drawn: Plane, n: int) -> str:
    said = "Lines bend to the left on their way from source to target; thicker lines are stronger weights."
    if bool((drawn.source == drawn.target).any()):
        rimmed = "a neuron that excites or inhibits itself" if drawn.n == n else "a cell with connections inside"
        said += f" A rim marks {rimmed}."
    if drawn.n < n:
        said = (
            f"Each disc stands for the neurons of one cell ({count(n)} neurons in {count(drawn.n)} cells), and a line "
            f"for all connections between two cells. {said}"
        )
    elif len(drawn.weight) < drawn.n_connections:
        said += f" Drawn are the {count(len(drawn.weight))} strongest of {count(drawn.n_connections)} connections."
    if drawn.grid is not None:
        said += " Neighbouring cores have different colours; the four colours repeat."
    return said


def _neuron_rows(findings: Findings, clusters: npt.NDArray[np.int64] | None) -> list[tuple[str, ...]]:
    network, placement, rates = findings.network, findings.placement, findings.rates
    assert network is not None
    fan = synapses_of_neurons(network)
    rows: list[tuple[str, ...]] = []
    for i in range(network.n):
        at = network.positions[i] if network.positions is not None else None
        core = divmod(int(placement.core_of[i]), placement.grid.columns) if placement is not None else UNKNOWN
        rows.append(
            (
                str(network.neuron_ids[i]),
                f"{at[0]:g}" if at is not None else UNKNOWN,
                f"{at[1]:g}" if at is not None else UNKNOWN,
                str(core),
                _cluster(clusters, i),
                percent(float(rates[i])) if rates is not None else UNKNOWN,
                str(fan["fan_in"][i]),
                str(fan["fan_out"][i]),
            )
        )
    return rows


def _cluster(clusters: npt.NDArray[np.int64] | None, neuron: int) -> str:
    if clusters is None:
        return UNKNOWN
    return str(clusters[neuron]) if clusters[neuron] >= 0 else "none"


def tasks(findings: Findings) -> Section | None:
    """Return accuracy on each task, None where it was not measured."""
    found = next(
        (findings.result(step)["accuracy_per_task"] for step in ("prune", "train")
         if isinstance(findings.result(step).get("accuracy_per_task"), dict)),
        None,
    )  # fmt: skip
    if not found:
        return None
    known = _known_tasks(findings)
    values = [value for value in found.values() if is_number(value)]
    low = 50 if min(values, default=0) >= 0.5 else 0
    rows = []
    for name, value in found.items():
        asks, ceiling = known.get(name, ("", None))
        rows.append(
            {
                "name": name,
                "asks": asks,
                "accuracy": percent(value),
                "ceiling": percent(ceiling),
                "at": _along(value, low),
                "mark": _along(ceiling, low),
            }
        )
    below = [name for name, value in found.items() if is_number(value) and value < 0.9]
    said = f"Mean over {len(found)} tasks: {percent(float(np.mean(values)))}" if values else "Nothing was measured"
    ceilings = [ceiling for name in found if is_number(ceiling := known.get(name, ("", None))[1])]
    if ceilings and len(ceilings) == len(found):
        best = percent(float(np.mean(ceilings)))
        said += f"; an ideal observer, who knows the tasks and sees the same noise, reaches {best}"
    said += f". Below 90 %: {', '.join(below)}." if below else "."
    return {"rows": rows, "low": low, "ceilings": bool(ceilings), "words": said}


def _along(value: Any, low: int) -> float | None:
    return round(100 * (100 * value - low) / (100 - low), 1) if is_number(value) else None


def _known_tasks(findings: Findings) -> dict[str, tuple[str, float | None]]:
    """What each of the network's tasks asks for, and what an ideal observer reaches where that is known."""
    from neuromod import tasks
    from neuromod.errors import UsageError
    from neuromod.tasks import ceilings

    info = findings.network.info if findings.network is not None else {}
    try:
        found, _, _ = tasks.find(info.get("tasks", ()), semantics=info.get("semantics", ""))
        if info.get("dt_ms") != ceilings.DT_MS:
            return {task.name: (task.asks, None) for task in found}
        return {task.name: (task.asks, ceilings.ceiling(task.name, info["semantics"])) for task in found}
    except (UsageError, TypeError):
        # Tasks of another version or of the user's own.
        return {}


def curves(findings: Findings) -> list[Section]:
    """Return loss, accuracy and wiring length over training, those that were logged."""
    kinds: tuple[tuple[str, str, Callable[[float], str], bool], ...] = (
        ("loss", "Task loss" if findings.of_values else "Task loss, nat", tidy, True),
        (
            "accuracy",
            f"{'R²' if findings.of_values else 'Accuracy'} on training trials",
            tidy if findings.of_values else lambda value: percent(value, digits=0),
            False,
        ),
        ("wiring_length", "Wiring length, pitches", tidy, True),
    )
    drawn = []
    for key, name, words, logarithmic in kinds:
        points = [(m["step"], m[key]) for m in findings.metrics if is_number(m.get("step")) and is_number(m.get(key))]
        if points:
            step, value = zip(*points, strict=True)
            figure = draw_curve(step, value, title=name, words=words, logarithmic=logarithmic)
            drawn.append({"name": name, "svg": document(figure)})
    return drawn


def pruning(findings: Findings) -> list[tuple[str, ...]] | None:
    """Return the rows of the table of what pruning did, None if it did not run."""
    result = findings.result("prune")
    if not result:
        return None
    rows: list[tuple[str, ...]] = []
    before: Any
    after: Any
    for name, key in (("recurrent synapses", "synapses"), ("neurons", "neurons")):
        before, after = result.get(f"{key}_before"), result.get(f"{key}_after")
        share = percent(after / before) if is_number(before) and is_number(after) and before else UNKNOWN
        rows.append((name, count(before), count(after), share))
    before, after = result.get("accuracy_before"), result.get("accuracy_after")
    change = UNKNOWN
    if is_number(before) and is_number(after):
        change = f"{after - before:+.3f}" if findings.of_values else f"{100 * (after - before):+.2f} points"
    name = "R²" if findings.of_values else "accuracy"
    scores = (findings.score(value, digits=2) for value in (before, after))
    rows.append((name, *scores, change.replace("-", MINUS)))
    return rows


def exports(findings: Findings) -> list[tuple[str, ...]]:
    """Return the exported files: name, format, size."""
    rows: list[tuple[str, ...]] = []
    for name, format in FORMATS.items():
        files = findings.result(f"export-{name}").get("files")
        rows += [
            (str(file.get("path", UNKNOWN)), format.title, size(file.get("bytes")))
            for file in (files if isinstance(files, list) else [])
            if isinstance(file, dict)
        ]
    return rows


def traffic(findings: Findings) -> Section | None:
    """Return the estimate beside that of the shuffled placement, None without one."""
    result = findings.result("estimate")
    shuffled = result.get("shuffled")
    if not result or not isinstance(shuffled, dict):
        return None
    kinds = (
        ("hops_per_step", "packet-hops", "per step"),
        ("multicast_hops_per_step", "hops if packets branch on their way", "per step"),
        ("packets_per_step", "packets between cores", "per step"),
        ("max_link_load_per_step", "busiest link", "packets per step"),
        ("busiest_core", "busiest core", "per step, weighted"),
        ("wiring_length", "wiring length", "pitches"),
    )
    rows = []
    for key, name, unit in kinds:
        ours, other = (
            part.get("load") if isinstance(part, dict) else part for part in (result.get(key), shuffled.get(key))
        )
        bars = None
        if is_number(ours) and is_number(other) and max(ours, other) > 0:
            bars = tuple(round(100 * value / max(ours, other), 1) for value in (ours, other))
        rows.append({"name": name, "unit": unit, "ours": count(ours), "shuffled": count(other),
                     "ratio": "none" if ours == other == 0 else ratio(ours, other), "bars": bars})  # fmt: skip
    said = f"{rows[0]['ours']} packet-hops per time step against {rows[0]['shuffled']}."
    if result.get("hops_per_step") == shuffled.get("hops_per_step") == 0:
        said = "No packet travels between cores, wherever the neurons lie."
    lines = (findings.traffic or {}).get("assumptions")
    assumed = [str(line) for line in lines] if isinstance(lines, list) else []
    return {"rows": rows, "words": said, "assumptions": assumed}
