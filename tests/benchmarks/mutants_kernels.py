"""A pytest plugin for mutants: chosen tests in a chosen order, or what each of them executes.

Machine code stays valid while no module with compiled loops is another.
"""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from neuromod import kernels

_modules = sorted(Path(kernels.__file__).parent.rglob("*.py"))
_texts = [path.read_bytes() for path in _modules]
kernels.SOURCES = hashlib.sha256(b"".join(text for text in _texts if b"neuromod.kernels" in text)).hexdigest()

CHOSEN, COVER = os.environ.pop("MUTANTS_TESTS", None), os.environ.pop("MUTANTS_COVER", None)


def pytest_configure(config: pytest.Config) -> None:
    """Trace only where it is asked for."""
    if COVER:
        config.pluginmanager.register(_Cover(Path(COVER)))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the chosen tests, in their order."""
    if CHOSEN:
        place = {test: k for k, test in enumerate(json.loads(Path(CHOSEN).read_text(encoding="utf-8")))}
        items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])


class _Cover:
    """Lines that each test executes, and each fixture of more than one test for all that use it."""

    def __init__(self, path: Path) -> None:
        import coverage

        self.path, self.root = path, Path(kernels.__file__).parents[1]
        self.cover = coverage.Coverage(source=[str(self.root / "neuromod")], data_file=None, config_file=False)
        self.cover.start()
        self.now, self.users = "", defaultdict(list)
        self.seconds: dict[str, float] = defaultdict(float)

    def _switch(self, name: str) -> None:
        self.now = name
        self.cover.switch_context(name)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Generator[None]:
        for name in item.fixturenames:
            self.users[f"fixture {name}"].append(item.nodeid)
        self._switch(item.nodeid)
        yield
        self._switch("")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None]:
        before = self.now
        if fixturedef.scope != "function":
            self._switch(f"fixture {fixturedef.argname}")
        yield
        self._switch(before)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        self.cover.stop()
        data = self.cover.get_data()
        lines: dict[str, dict[int, list[str]]] = {}
        for file in data.measured_files():
            known = data.contexts_by_lineno(file)
            found = {n: sorted({t for c in names if c for t in self.users.get(c, [c])}) for n, names in known.items()}
            lines[str(Path(file).relative_to(self.root))] = {n: tests for n, tests in found.items() if tests}
        self.path.write_text(json.dumps({"lines": lines, "seconds": self.seconds}), encoding="utf-8")
