"""Which tests execute which line of the library, and runs of these tests while a module is another."""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Imported once, before the fork; none of the library's own modules.
HEAVY = (
    "torch", "numpy", "scipy.sparse", "scipy.optimize", "scipy.stats", "numba", "networkx", "click",
    "safetensors.torch", "onnx", "onnxruntime", "snntorch", "nir", "nirtorch", "norse.torch", "h5py", "sklearn.cluster",
    "matplotlib.figure", "hypothesis", "pytest",
)  # fmt: skip
OURS = ("neuromod", "cli", "hw_targets", "tests", "conftest", "tables", "mutants_kernels")
COPIED = ("neuromod/exporting/snn_model.py", "neuromod/exporting/sanafe_referee.py")
# What is held of the text of every module.
OF_TEXTS = "tests/test_layers.py"
# Of one mutant's tests together, as they took when the lines were learned.
MOST_SECONDS = 60


@dataclass(frozen=True)
class Covered:
    """What executes what.

    Parameters
    ----------
    lines : mapping
        Module, line as text, and the tests that execute it.
    seconds : mapping
        What each test took.
    """

    lines: Mapping[str, Mapping[str, Sequence[str]]]
    seconds: Mapping[str, float]

    def of(self, module: str, lines: range | None = None) -> set[str]:
        """Tests that execute any of these lines, or any line at all of a module."""
        known = self.lines.get(module, {})
        return {test for line, tests in known.items() if lines is None or int(line) in lines for test in tests}


def learn(clones: Sequence[Path], packages: Sequence[str]) -> Covered:
    """Run the tests of the packages once, a package in each clone at a time; it is kept beside the clones."""
    folder = clones[0].parent
    left = [package for package in packages if not (folder / f"{package}.json").exists()]
    running: dict[Path, tuple[multiprocessing.process.BaseProcess, str]] = {}
    while left or running:
        for clone in clones:
            if clone not in running and left:
                package = left.pop(0)
                told = {"MUTANTS_COVER": str(folder / f"{package}.json")}
                running[clone] = (_start(clone, [f"tests/{package}"], told, folder / f"{package}.log"), package)
            elif clone in running and not running[clone][0].is_alive():
                process, package = running.pop(clone)
                if process.exitcode:
                    raise SystemExit(f"tests/{package} fail before any change; see {folder / package}.log")
        time.sleep(0.1)
    lines: dict[str, dict[str, list[str]]] = {}
    seconds: dict[str, float] = {}
    for package in packages:
        found = json.loads((folder / f"{package}.json").read_text(encoding="utf-8"))
        seconds |= found["seconds"]
        for module, known in found["lines"].items():
            for line, tests in known.items():
                lines.setdefault(module, {}).setdefault(line, []).extend(tests)
    return Covered(lines, seconds)


def tests_of(clone: Path, module: str, line: int, covered: Covered) -> list[str]:
    """Tests that execute a line: of its whole module where it is one of import, of its callers where it is compiled."""
    tree = ast.parse((clone / module).read_text(encoding="utf-8"))
    around = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and _spans(node, line)]
    # Decorators stand before their function: as what is done at import.
    inner = min(around, key=lambda node: (node.end_lineno or 0) - node.lineno, default=ast.Pass(lineno=line))
    functions = [node for node in around if isinstance(node, ast.FunctionDef) and node is not inner]
    compiled = any("compiled" in ast.unparse(what) for node in functions for what in node.decorator_list)
    if module in COPIED or "/examples/" in module:
        # Copied into what is exported, and run from there.
        folders = ("tests/chips/",) if "/examples/" in module else ("tests/exporting/", "tests/verification/")
        found = {test for test in covered.seconds if test.startswith(folders)}
    elif compiled:
        found = set().union(*(covered.of(name) for name in _users(clone, module)))
    elif functions:
        body = getattr(inner, "body", None)
        last = max(inner.lineno, body[0].lineno - 1) if body else inner.end_lineno or inner.lineno
        found = covered.of(module, range(inner.lineno, last + 1))
    else:
        found = set().union(*(covered.of(name) for name in _users(clone, module)))
        found |= {test for test in covered.seconds if test.startswith(OF_TEXTS)}
    files = {test.split("::")[0] for test in covered.seconds}
    named = {name for name in files if Path(module).stem in (clone / name).read_text(encoding="utf-8")}
    if compiled:
        # Tests may call a compiled loop themselves, past every line that is traced.
        found |= {test for test in covered.seconds if test.split("::")[0] in named}
    first = (lambda test: not test.startswith(OF_TEXTS), lambda test: test.split("::")[0] not in named)
    order = sorted(found, key=lambda test: (*(later(test) for later in first), covered.seconds[test]))
    kept, total = [], 0.0
    # A line of import has no tests of its own.
    most = MOST_SECONDS if functions or compiled else 3 * MOST_SECONDS
    for test in order:
        if total + covered.seconds[test] <= most:
            total += covered.seconds[test]
            kept.append(test)
    return kept


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _users(clone: Path, module: str) -> set[str]:
    """A module with compiled loops and those that import it, directly or through others with compiled loops."""
    texts = {str(p.relative_to(clone)): p.read_text(encoding="utf-8") for p in (clone / "neuromod").rglob("*.py")}
    found, new = {module}, {module}
    while new:
        folders = {name: name.removesuffix(".py").replace("/", ".").rpartition(".") for name in new}
        patterns = [
            rf"{re.escape(package)}\.{stem} import|from {re.escape(package)} import [^#]*?\b{stem}\b"
            for package, _, stem in folders.values()
        ]
        users = {name for name, text in texts.items() if any(re.search(pattern, text) for pattern in patterns)} - found
        found |= users
        new = {name for name in users if "neuromod.kernels" in texts[name]}
    return found


class Running:
    """Tests at work on a changed module, which is put back when they have ended."""

    def __init__(self, clone: Path, path: Path, changed: str, tests: Sequence[str], covered: Covered) -> None:
        self._path, self._text, self._at = path, path.read_text(encoding="utf-8"), path.stat()
        self._folder = Path(tempfile.mkdtemp())
        self._process = None
        self._until = time.monotonic() + 60 + 2 * sum(covered.seconds[test] for test in tests)
        if not tests:
            return
        (self._folder / "tests.json").write_text(json.dumps(tests), encoding="utf-8")
        told = {"MUTANTS_TESTS": str(self._folder / "tests.json")}
        if "neuromod.kernels" in self._text:
            # Machine code of a mutant must not take the place of the library's.
            told["NUMBA_CACHE_DIR"] = str(self._folder / "numba")
        path.write_text(changed, encoding="utf-8")
        files = sorted({test.split("::")[0] for test in tests})
        self._process = _start(clone, ["-x", *files], told, self._folder / "log")

    def outcome(self) -> dict[str, Any] | None:
        """What became of it; None while the tests run."""
        if self._process is None:
            return self._end("survived", "no test executes it")
        if self._process.is_alive():
            if time.monotonic() < self._until:
                return None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid or 0, signal.SIGKILL)
            self._process.join()
            return self._end("killed", "its tests do not end")
        if self._process.exitcode == 0:
            return self._end("survived", "")
        failed = re.search(r"^(FAILED|ERROR) (\S+)", (self._folder / "log").read_text(errors="replace"), re.M)
        return self._end("killed", failed[2] if failed else "it does not run")

    def _end(self, outcome: str, by: str) -> dict[str, Any]:
        self._path.write_text(self._text, encoding="utf-8")
        os.utime(self._path, ns=(self._at.st_atime_ns, self._at.st_mtime_ns))
        shutil.rmtree(self._folder)
        return {"outcome": outcome, "by": by}


def _start(clone: Path, arguments: Sequence[str], told: Mapping[str, str], log: Path) -> Any:
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    process = multiprocessing.get_context("fork").Process(target=_tests, args=(clone, arguments, told, log))
    process.start()
    return process


def _tests(clone: Path, arguments: Sequence[str], told: Mapping[str, str], log: Path) -> None:
    """Run pytest in this process, a fork without a module of ours."""
    os.setsid()
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(clone)
    first = [str(clone), str(clone / "tests" / "benchmarks")]
    sys.path[:0] = first
    path = os.pathsep.join([*first, os.environ.get("PYTHONPATH", "")])
    os.environ |= {**told, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    if "NUMBA_CACHE_DIR" in told:
        import numba

        numba.config.CACHE_DIR = told["NUMBA_CACHE_DIR"]
    import pytest

    code = pytest.main(["-q", "-p", "mutants_kernels", "-p", "no:cacheprovider", *arguments])
    sys.stdout.flush()
    os._exit(int(code))
