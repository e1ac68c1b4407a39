"""Make the tables of docs/ from those of the sweeps.

``python tests/benchmarks/sweep_tables.py --take runs/sweep-pareto`` adds the finished trials of a sweep's ``table.csv``
to ``docs/tables/pareto.csv`` and notes beside it the hours and the machine, which is this one unless ``--machine``
names another; every call writes ``docs/tables/NAME.md`` anew from each ``docs/tables/NAME.csv``. No figure in them is
typed by hand, and a test makes them again.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
from pathlib import Path

from sweep_views import (
    AT_PAPERS_SIZE,
    BARS,
    ON_MOD_COG,
    Row,
    chips,
    claims,
    curves,
    equal_accuracy,
    hops_at_error,
    hops_columns,
    modules,
    parts_left_out,
)
from sweep_words import claims_of_the_abstract
from tables import FOLDER, machine

from neuromod.plotting import pareto
from neuromod.sweeping import read_plan


def take(folder: Path, on: str, sweeps: Path | None = None) -> None:
    """Take the finished trials of a sweep over, beside those that other folders of the same sweep have given before.

    Trials are known by their names, which hold a digest of all settings; those of another plan are dropped.
    The note names every machine that gave some.
    """
    content = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    name = content["name"]
    planned = [trial.name for trial in read_plan(sweeps / f"{name}.toml" if sweeps else name).trials]
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        taken = [row for row in csv.DictReader(file) if row["status"] in ("done", "kept")]
    known = {row["trial"]: row for row in (*read(name), *taken)}
    rows = [known[trial] for trial in planned if trial in known]
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    typed = [{key: value for key, value in row.items() if value} | {"strength": float(row["strength"])} for row in rows]
    pareto.draw(typed, FOLDER / f"{name}.svg")
    path, today = FOLDER / f"{name}.sweep.json", datetime.date.today().isoformat()
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"date": today, "machine": on}
    note = {
        "trials": len(rows),
        "planned": len(planned),
        "hours": round(sum(float(row["train.seconds"]) for row in rows) / 3600, 1),
        "machine": " and ".join(dict.fromkeys([*before["machine"].split(" and "), on])),
        "date": " to ".join(dict.fromkeys([before["date"].split(" to ")[0], today])),
    }
    path.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


def read(name: str) -> list[Row]:
    """Return the rows of a table; none if there is no such table."""
    path = FOLDER / f"{name}.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


def render(name: str) -> str:
    """Return the Markdown of one sweep."""
    rows = read(name)
    note = json.loads((FOLDER / f"{name}.sweep.json").read_text(encoding="utf-8"))
    of = "" if note["trials"] == note["planned"] else f" of {note['planned']} planned"
    lines = [
        f"{note['trials']} trials{of} of `neuromod sweep {name}`, {note['hours']} hours of training on "
        f"{note['machine']}, {note['date']}. Raw table: `docs/tables/{name}.csv`.",
        "",
    ]
    if name in ("pareto", "modcog", "growing_brains"):
        bars = {"growing_brains": AT_PAPERS_SIZE, "modcog": ON_MOD_COG}.get(name, BARS)
        lines += ["**Claims**", "", claims(rows, bars), ""]
    if name == "targets":
        return "\n".join([*lines, chips(rows), ""])
    if name == "chip":
        # L1 and BIMT are those of the same tasks, steps and size in the other sweep.
        lines += ["**Hops at equal accuracy**", "", equal_accuracy([*rows, *read("pareto")]), ""]
        lines += ["**Other costs, and each part left out**", "", parts_left_out(rows), ""]
    if name == "modcog":
        lines += ["**Hops at equal accuracy**", "", equal_accuracy(rows), ""]
    if hops_columns(rows) and not name.startswith(("ablation", "chip")):
        lines += ["**Fewest hops on 4x4 cores within an error**", "", hops_at_error(rows), ""]
    lines += ["**All λ**", "", curves(rows), ""]
    if any(row.get("analyze.isolated_ratio.z") for row in rows):
        lines += ["**Modules in space**, for each seed", "", modules(rows), ""]
    return "\n".join(lines)


def words() -> str | None:
    """Return the claims of the abstract, from the sweep at the paper's size once it holds all three methods."""
    rows = read("growing_brains")
    there = {row["method"] for row in rows}
    return claims_of_the_abstract(rows) + "\n" if {"bimt", "l1", "none"} <= there else None


def names() -> list[str]:
    """Names of the sweeps with a table."""
    return sorted(path.name.removesuffix(".sweep.json") for path in FOLDER.glob("*.sweep.json"))


def main() -> None:
    """Take tables over and write their Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--take", type=Path, action="append", default=[], metavar="SWEEP")
    parser.add_argument("--machine", default=machine(), help="on which those sweeps ran")
    given = parser.parse_args()
    for folder in given.take:
        take(folder, given.machine)
    for name in names():
        (FOLDER / f"{name}.md").write_text(render(name), encoding="utf-8")
    if (said := words()) is not None:
        (FOLDER / "abstract.md").write_text(said, encoding="utf-8")


if __name__ == "__main__":
    main()
