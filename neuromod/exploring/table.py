"""The table of an exploration: a row for each point, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neuromod.exploring.columns import COLUMNS, Row, find_front, of_bits
from neuromod.exploring.parts import Orders, known
from neuromod.exploring.points import Exploration, Point
from neuromod.files import write_json, write_text
from neuromod.hardware import parse_target
from neuromod.runs import EXPLORE_SCHEMA
from neuromod.sweeping import Outcome

FILES = ("table.csv", "table.json")


def collect(
    exploration: Exploration, orders: Orders, outcomes: Mapping[str, Outcome], goals: Sequence[str]
) -> list[Row]:
    """Return a row for each point, as far as its parts are computed.

    Parameters
    ----------
    exploration : Exploration
        The points.
    orders : Orders
        Where their parts are kept.
    outcomes : mapping of str to Outcome
        How the parts that were computed now went, by their names.
    goals : sequence of str
        Columns that the Pareto front is about.

    Returns
    -------
    list of dict
        What was asked for, ``status`` (``done``, ``crashed``, ``stopped`` or ``waiting``), whether it ``fits`` and
        ``why`` not, every column of `COLUMNS`, None where unknown, and whether it lies on the ``front``.
    """
    parts = {part.name: known(part, orders) for part in exploration.parts}
    rows = [_row(point, parts, outcomes) for point in exploration.points]
    for row, on in zip(rows, find_front(rows, goals), strict=True):
        row["front"] = on
    return rows


def _row(point: Point, parts: Mapping[str, dict[str, Any] | None], outcomes: Mapping[str, Outcome]) -> Row:
    placing, bits = point.placing, point.rounding.weight_bits
    placed, judged = parts[placing.name], parts[point.rounding.name]
    row: Row = {
        "target": parse_target(placing.chip.text, where=placing.chip.given).name,
        "cores": None if placing.cores is None else "x".join(map(str, placing.cores)),
        "neurons_per_core": placing.neurons_per_core,
        "weight_bits": bits,
        "status": "done",
        "fits": False,
        "why": "",
    }
    missing = [part.name for part, held in ((placing, placed), (point.rounding, judged)) if held is None]
    if placed is None or judged is None:
        ended = next((outcomes[name] for name in missing if name in outcomes), None)
        row |= {"status": ended.status, "why": ended.reason} if ended else {"status": "waiting"}
        return row | dict.fromkeys(("capacity", "bits_per_synapse", *COLUMNS), None) | {"unknown": []}
    figures = placed["figures"]
    row |= {"fits": placed["fits"], "why": placed["why"], "capacity": figures.get("capacity")}
    row["cores"] = figures.get("grid", row["cores"])
    if placed["fits"]:
        own = figures["chip_weight_bits"]
        if bits is not None and own is not None and bits > own:
            row |= {"fits": False, "why": f"weights of {bits} bits, and those of {row['target']} have {own:g}"}
        else:
            row |= of_bits(figures, bits)
    # Of what does not fit, nothing is told but what holds anywhere.
    found = {**(figures if row["fits"] else {}), **row, **{key: judged[key] for key in ("accuracy", "synapses_lost")}}
    unknown = sorted({*found.get("energy_unknown", ()), *found.get("time_unknown", ())})
    return row | {key: found.get(key) for key in ("bits_per_synapse", *COLUMNS)} | {"unknown": unknown}


def write(rows: Sequence[Row], about: Mapping[str, Any], folder: Path) -> None:
    """Write ``table.csv`` and ``table.json`` into a folder.

    Parameters
    ----------
    rows : sequence of dict
        Of `collect`.
    about : mapping
        What holds for all of them, JSON only.
    folder : Path
        The folder.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "unknown": " ".join(row["unknown"])} for row in rows)
    write_text(folder / "table.csv", text.getvalue())
    write_json(folder / "table.json", {"schema": EXPLORE_SCHEMA, **about, "points": list(rows)})
