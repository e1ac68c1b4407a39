"""Do the tests notice? Small changes to the library, drawn by cosmic-ray, against the tests of the package changed.

Run it with ``python tests/benchmarks/bench_mutants.py --clones FOLDER [--count 400]`` where cosmic-ray and coverage are
installed too; what has been tried is kept, so it goes on where it stopped. The folder gets clones of the last commit,
in which modules are changed one at a time; the working tree is left alone. The tests of all these packages are run once
to learn which of them execute which line, and a mutant is tried by those that execute its line, the quickest first,
those of files that name its module before the others. It is killed where a test fails, or they do not end. Survivors
stand in ``docs/tables/mutants.json``, where their ``judgement`` is typed by hand: ``equivalent: why``, ``elsewhere:
how`` it is found, or ``gap`` until a test is there, after which it is tried again (``--again``, with new clones).
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mutants_tests import Covered, Running, learn, tests_of
from tables import Table, markdown

ROOT = Path(__file__).resolve().parents[2]
TABLE = Table(
    "mutants", "python tests/benchmarks/bench_mutants.py --clones FOLDER", ("cosmic-ray", "coverage", "pytest")
)
# Packages whose modules are changed; their tests are run, and some more.
PACKAGES = (
    "training", "mapping", "traffic", "hardware", "spiking", "chips", "exporting", "importing", "pruning",
    "verification",
)  # fmt: skip
TESTED = (
    *PACKAGES, "data", "cli", "runs", "metrics", "tasks", "test_layers.py", "test_hostile_files.py", "test_network.py",
    "test_quantization.py",
)  # fmt: skip
# What is drawn: comparisons turned round or moved by the edge, arithmetic, booleans, constants, loops. Operators that
# make nonsense, as `<` into `is`, would flatter the tests.
WANTED = re.compile(
    r"core/(ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Lt_GtE|Gt_LtE|Is_IsNot|IsNot_Is)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Pow_Mul)|ReplaceUnaryOperator_USub_UAdd"
    r"|ReplaceAndWithOr|ReplaceOrWithAnd|AddNot|NumberReplacer|ReplaceTrueWithFalse|ReplaceFalseWithTrue"
    r"|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ZeroIterationForLoop)$"
)
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
    """Choose mutants: modules in turn, in each a line and then one of its mutants, so that no long line rules.

    What is drawn of a module does not depend on the others.
    """
    modules = [path for name in PACKAGES for path in sorted((clone / "neuromod" / name).rglob("*.py"))]
    left: dict[str, dict[int, list[tuple[str, int, int]]]] = {}
    for path in modules:
        for found in mutants(path):
            left.setdefault(str(path.relative_to(clone)), {}).setdefault(found[2], []).append(found)
    chosen: list[tuple[str, str, int, int]] = []
    turn = 0
    while left and len(chosen) < 2 * count:
        turn += 1
        chances = {module: random.Random(f"{seed} {turn} {module}") for module in left}
        for module in sorted(left, key=lambda name: chances[name].random()):
            line = chances[module].choice(sorted(left[module]))
            chosen.append((module, *chances[module].choice(left[module].pop(line))))
            if not left[module]:
                del left[module]
    return [one for one in chosen if not _is_a_mark(clone, *one)]


def _is_a_mark(clone: Path, module: str, operator: str, _: int, line: int) -> bool:
    """Whether it is the star between parameters, which cosmic-ray takes for a product."""
    text = (clone / module).read_text(encoding="utf-8").splitlines()[line - 1]
    return "BinaryOperator" in operator and text.strip() == "*,"


class Attempt:
    """A mutant being tried in a clone of its own: the module is changed until its tests have ended."""

    def __init__(self, clone: Path, module: str, operator: str, occurrence: int, covered: Covered) -> None:
        from cosmic_ray import plugins
        from cosmic_ray.mutating import mutate_code

        path = clone / module
        text = path.read_text(encoding="utf-8")
        changed = mutate_code(text, plugins.get_operator(operator)(), occurrence)
        before, after = text.splitlines(), changed.splitlines()
        line = next(i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1])
        self.told = {"module": module, "line": line + 1, "was": before[line].strip(), "is": after[line].strip()}
        self.clone, self.key = clone, f"{module} {operator} {occurrence}"
        self._then = time.monotonic()
        self._running = Running(clone, path, changed, tests_of(clone, module, line + 1, covered), covered)

    def outcome(self) -> dict[str, Any] | None:
        """The row, once the tests have ended."""
        found = self._running.outcome()
        if found is None:
            return None
        return {**self.told, **found, "seconds": round(time.monotonic() - self._then)}


def report() -> None:
    """Write the Markdown."""
    rows = list(TABLE.read()["rows"].values())
    packages = Counter((row["module"].split("/")[1], row["outcome"]) for row in rows)
    survivors = [row for row in rows if row["outcome"] == "survived"]
    judged = Counter(row.get("judgement", "gap").split(":")[0] for row in survivors)
    equal, elsewhere = judged["equivalent"], judged["elsewhere"]
    killed, meant = len(rows) - len(survivors) + elsewhere, len(rows) - equal
    share = killed / meant if meant else 0.0
    names = [name for name in PACKAGES if any(packages[name, figure] for figure in FIGURES)]
    counted = markdown(["package", *FIGURES], [[n, *(packages[n, figure] for figure in FIGURES)] for n in names])
    found = markdown(
        ["module", "line", "was", "became", "judgement"],
        [
            [r["module"], r["line"], *(f"`{r[k]}`".replace("|", "\\|") for k in ("was", "is")), r.get("judgement", "–")]
            for r in survivors
        ],
    )
    said = (
        f"{len(rows)} mutants: {killed - elsewhere} killed, {len(survivors)} survived, of which {equal} change nothing "
        f"that can be seen and {elsewhere} are found where the simulator is installed for which they are, tried by "
        f"hand; **{share:.1%}** of the {meant} others killed (bar 95 %)."
    )
    TABLE.write(said, counted, "**Survivors**", found)


def main() -> None:
    """Try them, several side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="try the survivors judged a gap once more")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no mutant after that time")
    arguments = parser.parse_args()
    begun = time.monotonic()
    clones = [arguments.clones.resolve() / str(k) for k in range(arguments.workers)]
    for clone in clones:
        if not clone.exists():
            subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    covered = learn(clones, TESTED)
    known = TABLE.read()["rows"]
    gaps = [key for key, row in known.items() if arguments.again and row.get("judgement") == "gap"]
    for key in gaps:
        TABLE.drop(key)
    left = [(module, operator, int(occurrence)) for module, operator, occurrence in map(str.split, gaps)]
    for module, operator, occurrence, _ in draw(clones[0], arguments.count, arguments.seed):
        if f"{module} {operator} {occurrence}" not in known and len(known) - len(gaps) + len(left) < arguments.count:
            left.append((module, operator, occurrence))
    tried: list[Attempt] = []
    while tried or left:
        if time.monotonic() - begun > 60 * arguments.minutes:
            left.clear()
        free = [clone for clone in clones if all(attempt.clone != clone for attempt in tried)]
        if free and left:
            tried.append(Attempt(free[0], *left.pop(0), covered))
        for attempt in list(tried):
            row = attempt.outcome()
            if row is not None:
                tried.remove(attempt)
                TABLE.row(attempt.key, lambda row=row: row)  # type: ignore[misc]
        time.sleep(0.05)
    report()


if __name__ == "__main__":
    main()
