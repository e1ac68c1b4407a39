"""Tables that benchmarks fill row by row and the documentation includes: JSON, and Markdown made from it.

A row that is there is not measured again, so that an interrupted benchmark goes on where it stopped; delete the JSON
file to begin anew.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from neuromod.runs import run as rundir

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "tables"


@dataclass(frozen=True)
class Table:
    """One table of measurements.

    Parameters
    ----------
    name : str
        Of the files, ``docs/tables/NAME.json`` and ``docs/tables/NAME.md``.
    command : str
        How it is made.
    packages : tuple of str
        Whose versions matter.
    """

    name: str
    command: str
    packages: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.json"

    def read(self) -> dict[str, Any]:
        """Everything that has been measured."""
        if self.path.exists():
            content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            return content
        return {"command": self.command, "rows": {}}

    def row(self, key: str, measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Return a row, measuring it if it is not there yet."""
        content = self.read()
        if key not in content["rows"]:
            found = dict(measure())
            content = self.read()
            content |= {"command": self.command, "machine": machine(), "versions": versions(self.packages)}
            content["rows"][key] = {**found, "measured": datetime.now(UTC).date().isoformat()}
            FOLDER.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            print(f"{self.name}: {key}: {json.dumps(found)[:300]}", flush=True)
        row: dict[str, Any] = content["rows"][key]
        return row

    def drop(self, key: str) -> None:
        """Forget a row, so that it is measured again."""
        content = self.read()
        content["rows"].pop(key, None)
        self.path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def text(self, *parts: str) -> str:
        """Return the Markdown: the parts, and where the figures are from."""
        content = self.read()
        dates = sorted({row["measured"] for row in content["rows"].values()})
        said = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
        made = f"*`{content['command']}`, {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, {content['machine']}"
        return "\n\n".join([*parts, f"{made}; {said}.*" if said else f"{made}.*"]) + "\n"

    def write(self, *parts: str) -> None:
        """Write the Markdown file, and draw the figure if there is one."""
        (FOLDER / f"{self.name}.md").write_text(self.text(*parts), encoding="utf-8")
        self.draw()

    def draw(self) -> None:
        """Draw what has been measured, where the table has a figure."""
        from table_plots import DRAW

        from neuromod.plotting.overview import save

        if self.name in DRAW:
            save(DRAW[self.name](self.read()["rows"]), FOLDER / f"{self.name}.svg")


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def cpu() -> str:
    """Model of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def machine() -> str:
    """Processor and cores."""
    return f"{cpu()}, {os.cpu_count()} cores"


def stamp() -> dict[str, Any]:
    """Return date, processor and versions of all that neuromod uses, for a campaign that is written as a whole."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "versions": rundir.versions(),
    }


def write(path: Path, content: Mapping[str, Any], header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a campaign, with its `stamp`, as JSON and, beside it, its rows as Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    made = f"`{content['command']}`, {content['date']}, {content['cores']} cores of {content['cpu']}."
    path.with_suffix(".md").write_text(f"{markdown(header, rows)}\n\n{made}\n", encoding="utf-8")


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Version of Python and of each package that is installed."""
    found = {"Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
