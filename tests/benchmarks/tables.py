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

    def write(self, *parts: str) -> None:
        """Write the Markdown file: the parts, and where the figures are from."""
        content = self.read()
        dates = sorted({row["measured"] for row in content["rows"].values()})
        said = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
        made = f"*`{content['command']}`, {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, {content['machine']}"
        text = "\n\n".join([*parts, f"{made}; {said}.*" if said else f"{made}.*"])
        (FOLDER / f"{self.name}.md").write_text(text + "\n", encoding="utf-8")


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def machine() -> str:
    """Processor and cores."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return f"{model}, {os.cpu_count()} cores"


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Version of Python and of each package that is installed."""
    found = {"Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
