"""What comes of following the advice of random refusals to its end.

Run it with ``python tests/benchmarks/bench_advice.py``. Bar: of 500 refusals no loop, and no dead end that promises.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import advice
from tables import Table, markdown

TABLE = Table("advice", "python tests/benchmarks/bench_advice.py", ("numpy", "scipy", "numba"))
REFUSALS, EACH = 500, 50
ENDS = ("fits", "fits later", "nothing", "loop", "dead end")


def campaign(first: int) -> dict[str, Any]:
    """Follow some refusals, from a seed on."""
    ends: Counter[str] = Counter()
    refusals, seed, wrong = 0, first, []
    while refusals < EACH:
        found = advice.ends(advice.random_question(seed))
        if found is not None:
            refusals += 1
            ends.update(f"{kinds}: {end}" for kinds, end in found)
            wrong += [seed for _, end in found if end not in ("fits", "nothing")]
        seed += 1
    return {"refusals": refusals, "questions": seed - first, "ends": dict(ends), "wrong_seeds": wrong}


def parts(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """Table and words of the campaigns."""
    ends: Counter[str] = Counter()
    for row in rows:
        ends.update(row["ends"])
    kinds = sorted({key.split(": ")[0] for key in ends})
    lines = [[kind, *(ends[f"{kind}: {end}"] for end in ENDS)] for kind in kinds]
    lines.append(["all", *(sum(line[k] for line in lines) for k in range(1, len(ENDS) + 1))])
    wrong = [str(seed) for row in rows for seed in row["wrong_seeds"]]
    refusals, questions = (sum(row[key] for row in rows) for key in ("refusals", "questions"))
    return (
        markdown(["advice", "fits at once", "fits later", "nothing helps, and why", "loop", "dead end"], lines),
        f"{refusals:,} refusals of {questions:,} random networks and targets, each advice followed by itself. "
        f"Seeds that went wrong: {', '.join(wrong) or 'none'}.",
    )


def main() -> None:
    seeds = range(0, REFUSALS // EACH * 1000, 1000)
    TABLE.write(*parts([TABLE.row(f"seed {first}", lambda f=first: campaign(f)) for first in seeds]))


if __name__ == "__main__":
    main()
