"""Generated ONNX files, state dicts and NIR graphs with a known transformation, each read and held against an oracle.

``python tests/benchmarks/import_models.py [FILES] [SEED]`` reads at least that many files and prints, for each reader
and transformation, how many came out equal, were refused, or came out silently different: nothing may.
The oracles are onnxruntime, the PyTorch module itself, and a NumPy simulation of the NIR graph node by node.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuromod import importing
from neuromod.errors import UsageError

Rng = np.random.Generator

# What a reader made of a file: what the oracle says, a refusal in a sentence, or something else.
EQUAL, REFUSED, DIFFERENT = "equal", "refused", "different"


@dataclass(frozen=True)
class Case:
    """A file to read; `compare` says whether the network computes what the oracle does, `must` what has to come out."""

    reader: str
    transformation: str
    write: Callable[[Path, Rng], Callable[[importing.Imported], bool]]
    ending: str
    must: str | None = None


def judge(case: Case, rng: Rng) -> tuple[str, str]:
    """Write one file, read it and return the outcome with what the reader said."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{case.ending}"
        compare = case.write(path, rng)
        try:
            found = importing.read(path)
        except UsageError as error:
            said = str(error)
            outcome = REFUSED if "does not fit together" not in said else DIFFERENT
            return outcome, said
        return (EQUAL if compare(found) else DIFFERENT), "; ".join((*found.notes, *found.ignored))


def cases(rng: Rng) -> Iterator[tuple[str, str, str]]:
    """Read one file of every kind: its reader, its transformation, and what came out."""
    for case in all_cases():
        outcome, said = judge(case, rng)
        if case.must not in (None, outcome):
            outcome = f"{DIFFERENT}: {case.must} expected, {outcome}: {said}"
        yield case.reader, case.transformation, outcome


def all_cases() -> list[Case]:
    """Return every kind of file."""
    from import_models_nir import NIR_CASES
    from import_models_onnx import ONNX_CASES
    from import_models_torch import TORCH_CASES

    return [*ONNX_CASES, *TORCH_CASES, *NIR_CASES]


def main(files: int, seed: int) -> int:
    """Read `files` files, print the table, and return how many were wrong."""
    rng = np.random.default_rng(seed)
    counts: Counter[tuple[str, str, str]] = Counter()
    done = 0
    while done < files:
        for reader, transformation, outcome in cases(rng):
            if outcome not in (EQUAL, REFUSED):
                print(f"{reader}: {transformation}: {outcome}")
                outcome = DIFFERENT
            counts[reader, transformation, outcome] += 1
            done += 1
    kinds = dict.fromkeys((reader, transformation) for reader, transformation, _ in counts)
    print("| reader | transformation | files | equal | refused | different |\n|---|---|---|---|---|---|")
    for kind in kinds:
        n = [counts[(*kind, outcome)] for outcome in (EQUAL, REFUSED, DIFFERENT)]
        print(f"| {kind[0]} | {kind[1]} | {sum(n)} | {n[0]} | {n[1]} | {n[2]} |")
    total = Counter[str]()
    for (_, _, outcome), n in counts.items():
        total[outcome] += n
    print(f"| all | {len(kinds)} | {done} | {total[EQUAL]} | {total[REFUSED]} | {total[DIFFERENT]} |")
    return total[DIFFERENT]


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(bool(main(*(numbers + [2000, 0][len(numbers) :]))))
