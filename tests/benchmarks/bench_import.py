"""Every reader of `neuromod import` on files that were changed in known ways: python tests/benchmarks/bench_import.py.

``--count 60`` files of each transformation are drawn by hypothesis, without chance of its own; what is right is
NumPy's, SciPy's and networkx's word, see `import_cases`. Bar: each file gives an equal network, or is refused in the
words that are due. Writes docs/tables/import.json and .md; a reader with cases of its own adds them to
`import_cases.READERS`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import import_cases
import tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OUT = Path(__file__).resolve().parents[2] / "docs" / "tables" / "import.json"


def measure(case: Callable[..., import_cases.Made], count: int) -> dict[str, Any]:
    """Judge `count` files of a case."""
    found: Counter[str] = Counter()
    wrong: list[str] = []

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def judged(data: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            made = case(data.draw, Path(folder))
            verdict = import_cases.judge(made)
        right = verdict == ("refused" if made.w is None else "equal")
        found[verdict if right else "wrong"] += 1
        wrong.extend([] if right else [verdict])

    judged()
    return {"files": found.total(), "equal": found["equal"], "refused": found["refused"], "wrong": wrong[:5]}


def main() -> None:
    """Judge all cases and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--only", default="", help="a part of a reader's name")
    options = parser.parse_args()
    parts: dict[str, dict[str, Any]] = {}
    for reader, cases in import_cases.READERS.items():
        for name, case in cases.items():
            if options.only in reader:
                parts[f"{reader}: {name}"] = part = measure(case, options.count)
                print(f"{reader}: {name}: {part}", flush=True)
    rows = [[key, part["files"], part["equal"], part["refused"], len(part["wrong"])] for key, part in parts.items()]
    sums = [sum(part[key] for part in parts.values()) for key in ("files", "equal", "refused")]
    wrong = sum(len(part["wrong"]) for part in parts.values())
    rows.append(["**all**", *sums, wrong])
    if options.only:
        return
    content = {
        "command": f"python tests/benchmarks/bench_import.py --count {options.count}",
        "files": sums[0], "wrong": wrong, "cases": parts, **tables.stamp(),
    }  # fmt: skip
    tables.write(OUT, content, ["reader: transformation", "files", "equal", "refused, as is due", "wrong"], rows)


if __name__ == "__main__":
    main()
