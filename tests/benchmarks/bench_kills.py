"""Kill every stage at random moments: python tests/benchmarks/bench_kills.py [--count 24]; resumable.

Writes docs/tables/kills.json and .md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import kills
import tables

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "tables" / "kills.json"


def main() -> None:
    """Run what is left and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=24, help="kills of each stage")
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which nothing is begun")
    parser.add_argument("--work", type=Path, help="folder for the runs, kept; a temporary one if omitted")
    options, begun = parser.parse_args(), time.monotonic()
    known = json.loads(OUT.read_text())["kills"] if OUT.exists() else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        if not (folder / "work" / "plan.json").exists():
            seconds = kills.prepare(folder / "work")
            print({stage: round(value, 1) for stage, value in seconds.items()}, flush=True)
        for seed in range(options.count):
            for stage in kills.STAGES:
                if any(item["stage"] == stage and item["seed"] == seed for item in known):
                    continue
                if time.monotonic() - begun > options.budget:
                    sys.exit(75)
                done = kills.kill_once(stage, seed, folder / "work")
                known.append(asdict(done))
                print(done, flush=True)
                _write(known, options.count)


def _write(known: list[dict[str, object]], count: int) -> None:
    rows = []
    for stage in kills.STAGES:
        own = [item for item in known if item["stage"] == stage]
        rows.append([stage, sum(bool(i["killed"]) for i in own), sum(not i["killed"] for i in own),
                     sum(bool(i["found"]) for i in own)])  # fmt: skip
    rows.append(["**all**", *(sum(int(str(row[k])) for row in rows) for k in (1, 2, 3))])
    content = {
        "command": f"python tests/benchmarks/bench_kills.py --count {count}",
        "killed": rows[-1][1],
        "findings": rows[-1][3],
        **tables.stamp(),
        "kills": known,
    }
    header = ["stage", "killed", "ended before", "artefacts broken, not continued or not byte for byte the same"]
    tables.write(OUT, content, header, rows)


if __name__ == "__main__":
    main()
