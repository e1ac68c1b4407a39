"""One table of a sweep, and what it says about the methods."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.files import write_json, write_text
from neuromod.runs import SWEEP_SCHEMA, point
from neuromod.runs import run as rundir
from neuromod.sweeping.plan import Plan, Trial
from neuromod.sweeping.trial import Orders, Outcome, finished, measures
from neuromod.training import config

# Left out of the table: names of files, and what has a column for each cluster.
_SKIPPED = {"run", "lesions", "figures", "cluster_sizes"}

Row = dict[str, Any]


def collect(plan: Plan, orders: Orders, outcomes: Mapping[str, Outcome]) -> list[Row]:
    """Return a row for each trial: its settings, how it ended, and the measures of those that are finished."""
    return [_row(trial, orders, outcomes.get(trial.name)) for trial in plan.trials]


def _row(trial: Trial, orders: Orders, outcome: Outcome | None) -> Row:
    settings = config.load(None, (), trial.settings)
    row: Row = {
        "trial": trial.name,
        "group": trial.group,
        "method": trial.method,
        "regularizer": settings.wiring.regularizer,
        "strength": settings.wiring.strength,
        "seed": settings.seed,
        "tasks": Path(settings.data.file).name or ",".join(settings.tasks.names),
        "neurons": settings.network.neurons,
        "steps": settings.training.steps,
        **{key: value for key, value in trial.varied.items() if key not in ("seed", "wiring.strength")},
    }
    row.pop("wiring.regularizer", None)
    done = finished(orders.run(trial.name), orders.then)
    row["status"] = outcome.status if outcome else ("kept" if done else "waiting")
    row["reason"] = outcome.reason if outcome else ""
    if done:
        run = rundir.Run(orders.run(trial.name))
        row.update(_flat(run.result("train"), "train."))
        found = measures(run.path)
        for line in orders.then:
            row.update(_flat(found[line], f"{_column(line, orders.then)}."))
    return row


def _column(line: str, then: Sequence[str]) -> str:
    """Name of a command's columns: the command alone where no other has the same."""
    word = line.split()[0]
    return word if [other.split()[0] for other in then].count(word) == 1 else line


def _flat(content: Mapping[str, Any], prefix: str) -> Row:
    row: Row = {}
    for key, value in content.items():
        if key in _SKIPPED or isinstance(value, list):
            continue
        if key == "accuracy_per_task":
            # Of all tasks, the one that is solved least.
            if value:
                task = min(value, key=lambda name: value[name])
                row |= {f"{prefix}worst_task": task, f"{prefix}worst_task_accuracy": value[task]}
        elif isinstance(value, Mapping):
            row.update(_flat(value, f"{prefix}{key}."))
        else:
            row[f"{prefix}{key}"] = value
    return row


def summarize(rows: Sequence[Row], *, margin: float = 0.02) -> dict[str, Any]:
    """Compare the methods along their curves, never at equal λ.

    Parameters
    ----------
    rows : sequence of Row
        From `collect`.
    margin : float
        Error above the best of ``none`` at which wiring is compared; without trials of ``none``, above the best of all.

    Returns
    -------
    dict
        ``matched_error``, and for each method the number of finished trials, the lowest error of a λ (mean over its
        seeds) and the shortest wiring of a λ whose error is within the margin; None where there is none.
    """
    curves = {name: curve(rows, name) for name in sorted({row["method"] for row in rows})}
    best = {name: min((at["error"] for at in points), default=None) for name, points in curves.items()}
    floor = best.get("none")
    if floor is None:
        floor = min((value for value in best.values() if value is not None), default=None)
    limit = None if floor is None else floor + margin
    methods = {
        name: {
            "trials": sum(row["method"] == name and point(row) is not None for row in rows),
            "best_error": best[name],
            "matched_wiring_length": min(
                (at["wiring_length"] for at in points if limit is not None and at["error"] <= limit), default=None
            ),
        }
        for name, points in curves.items()
    }
    return {"matched_error": limit, "methods": methods}


def curve(rows: Sequence[Row], method: str) -> list[dict[str, float]]:
    """Return a point for each setting of a method: means over seeds of error, wiring length and active neurons.

    Parameters
    ----------
    rows : sequence of Row
        The table of a sweep.
    method : str
        The method.

    Returns
    -------
    list of dict
        By rising strength: ``strength``, how many ``seeds``, and the means of what `neuromod.runs.point` reads.
    """
    found: dict[tuple[float, str], list[dict[str, float]]] = {}
    for row in rows:
        at = point(row)
        if row["method"] == method and at is not None:
            found.setdefault((row["strength"], row["group"]), []).append(at)
    return [
        {"strength": strength, "seeds": len(points)}
        | {key: float(np.mean([at[key] for at in points])) for key in points[0]}
        for (strength, _), points in sorted(found.items())
    ]


def write(plan: Plan, orders: Orders, rows: Sequence[Row]) -> dict[str, Any]:
    """Write ``table.csv`` and ``table.json`` into the sweep's folder and return the summary."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(orders.folder / "table.csv", text.getvalue())
    summary = summarize(rows)
    content = {"schema": SWEEP_SCHEMA, "name": plan.name, "then": list(plan.then), **summary, "trials": list(rows)}
    write_json(orders.folder / "table.json", content)
    return summary
