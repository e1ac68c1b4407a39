"""Do the tests notice? Small changes to the library, drawn by cosmic-ray, against the tests of the package changed.

Run it with ``python tests/benchmarks/bench_mutants.py --clone FOLDER [--count 400]`` where cosmic-ray is installed too;
what has been tried is kept, so it goes on where it stopped. The clone is one of the last commit, made if it is not
there, in which modules are changed one at a time; the working tree is left alone. A mutant is killed where a test
fails, or they do not end. Survivors stand in ``docs/tables/mutants.json``, where their ``judgement`` is typed
by hand: ``equivalent: why``, or ``gap`` until a test is there, after which it is tried again (``--again``).
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tables import Table, markdown

ROOT = Path(__file__).resolve().parents[2]
TABLE = Table("mutants", "python tests/benchmarks/bench_mutants.py --clone FOLDER", ("cosmic-ray", "pytest"))
# Packages, and where their tests are; those of a module's own name come first.
TESTS = {
    "training": ("training",),
    "mapping": ("mapping",),
    "traffic": ("traffic",),
    "hardware": ("hardware", "traffic"),
    "spiking": ("spiking", "verification"),
    "chips": ("chips",),
    "exporting": ("exporting", "verification"),
    "importing": ("importing",),
    "pruning": ("pruning",),
    "verification": ("verification",),
}
# What is drawn: comparisons turned round or moved by the edge, arithmetic, booleans, constants, loops. Operators that
# make nonsense, as `<` into `is`, would flatter the tests.
WANTED = re.compile(
    r"core/(ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Lt_GtE|Gt_LtE|Is_IsNot|IsNot_Is)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Pow_Mul)|ReplaceUnaryOperator_USub_UAdd"
    r"|ReplaceAndWithOr|ReplaceOrWithAnd|AddNot|NumberReplacer|ReplaceTrueWithFalse|ReplaceFalseWithTrue"
    r"|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ZeroIterationForLoop)$"
)
MOST_SECONDS = 900
FIGURES = ("killed", "survived")


def mutants(path: Path) -> Iterator[tuple[str, int, int]]:
    """Operator, occurrence and line of every mutant of a module."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast_from_path

    nodes = list(ast_nodes(get_ast_from_path(path)))
    for name in plugins.operator_names():
        operator = plugins.get_operator(name)
        if WANTED.match(name) and not operator.arguments():
            made = operator()
            places = (begin for node in nodes for begin, _ in made.mutation_positions(node))
            for occurrence, (line, _) in enumerate(places):
                yield name, occurrence, line


def draw(clone: Path, count: int, seed: int) -> list[tuple[str, str, int, int]]:
    """Choose mutants: modules in turn, in each a line and then one of its mutants, so that no long line rules."""
    rng = random.Random(seed)
    modules = [path for name in TESTS for path in sorted((clone / "neuromod" / name).rglob("*.py"))]
    left: dict[Path, dict[int, list[tuple[str, int, int]]]] = {}
    for path in modules:
        for found in mutants(path):
            left.setdefault(path, {}).setdefault(found[2], []).append(found)
    chosen: list[tuple[str, str, int, int]] = []
    while left and len(chosen) < count:
        for path in rng.sample(sorted(left), len(left)):
            line = rng.choice(sorted(left[path]))
            chosen.append((str(path.relative_to(clone)), *rng.choice(left[path].pop(line))))
            if not left[path]:
                del left[path]
    return chosen[:count]


def tests_of(clone: Path, module: str) -> list[str]:
    """Test files of the module's package, those that name the module first."""
    package = module.split("/")[1]
    files = [path for folder in TESTS[package] for path in sorted((clone / "tests" / folder).glob("test_*.py"))]
    name = Path(module).stem
    files.sort(key=lambda path: name not in path.read_text(encoding="utf-8"))
    return [str(path.relative_to(clone)) for path in files]


def attempt(clone: Path, module: str, operator: str, occurrence: int) -> dict[str, Any]:
    """Change the module, run the tests, put it back."""
    from cosmic_ray import plugins
    from cosmic_ray.mutating import mutate_code

    path = clone / module
    text = path.read_text(encoding="utf-8")
    changed = mutate_code(text, plugins.get_operator(operator)(), occurrence)
    before, after = text.splitlines(), changed.splitlines()
    line = next(i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1])
    path.write_text(changed, encoding="utf-8")
    then = time.monotonic()
    try:
        outcome, by = run_tests(clone, tests_of(clone, module))
    finally:
        path.write_text(text, encoding="utf-8")
    return {
        "module": module,
        "line": line + 1,
        "was": before[line].strip(),
        "is": after[line].strip(),
        "outcome": outcome,
        "by": by,
        "seconds": round(time.monotonic() - then),
    }


def run_tests(clone: Path, files: list[str]) -> tuple[str, str]:
    """Whether they pass, and what failed first."""
    folders = os.pathsep.join([str(clone), str(clone / "tests" / "benchmarks")])
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "mutants_kernels", "-p", "no:cacheprovider", *files]
    try:
        done = subprocess.run(
            command,
            cwd=clone,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([folders, os.environ.get("PYTHONPATH", "")])},
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "killed", f"not done within {MOST_SECONDS} s"
    if done.returncode == 0:
        return "survived", ""
    failed = re.search(r"^(FAILED|ERROR) (\S+)", done.stdout, re.M)
    return "killed", failed[2] if failed else "it does not run"


def report() -> None:
    """Write the Markdown."""
    rows = list(TABLE.read()["rows"].values())
    packages = Counter((row["module"].split("/")[1], row["outcome"]) for row in rows)
    survivors = [row for row in rows if row["outcome"] == "survived"]
    equal = sum(row.get("judgement", "").startswith("equivalent") for row in survivors)
    killed, meant = len(rows) - len(survivors), len(rows) - equal
    share = killed / meant if meant else 0.0
    names = [name for name in TESTS if any(packages[name, figure] for figure in FIGURES)]
    counted = markdown(["package", *FIGURES], [[n, *(packages[n, figure] for figure in FIGURES)] for n in names])
    found = markdown(
        ["module", "line", "was", "became", "judgement"],
        [
            [r["module"], r["line"], *(f"`{r[k]}`".replace("|", "\\|") for k in ("was", "is")), r.get("judgement", "–")]
            for r in survivors
        ],
    )
    said = (
        f"{len(rows)} mutants: {killed} killed, {len(survivors)} survived, of which {equal} change nothing that can be "
        f"seen; **{share:.1%}** of the {meant} others killed (bar 95 %)."
    )
    TABLE.write(counted, said, "**Survivors**", found)


def main() -> None:
    """Try them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clone", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="try the survivors judged a gap once more")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no mutant after that time")
    arguments = parser.parse_args()
    clone = arguments.clone.resolve()
    if not clone.exists():
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    begun = time.monotonic()
    known = TABLE.read()["rows"]
    for module, operator, occurrence, _ in draw(clone, arguments.count, arguments.seed):
        key = f"{module} {operator} {occurrence}"
        if arguments.again and known.get(key, {}).get("judgement") == "gap":
            TABLE.drop(key)
        if time.monotonic() - begun > 60 * arguments.minutes:
            break
        TABLE.row(key, lambda m=module, o=operator, n=occurrence: attempt(clone, m, o, n))  # type: ignore[misc]
        report()


if __name__ == "__main__":
    main()
