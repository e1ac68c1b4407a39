"""Tables of the benchmarks: a JSON file with everything, and a Markdown table that the documentation includes."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from neuromod import rundir


def machine() -> dict[str, Any]:
    """Return date, CPU and versions, without the name of the machine."""
    import os

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), platform.processor())
    return {"date": date.today().isoformat(), "cpu": model, "cores": os.cpu_count(), "versions": rundir.versions()}


def write(path: Path, content: Mapping[str, Any], header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write `path` as JSON and, beside it, the rows as Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    lines = [header, ["---"] * len(header), *rows]
    text = "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
    made = f"\n`{content['command']}`, {content['date']}, {content['cores']} cores of {content['cpu']}.\n"
    path.with_suffix(".md").write_text(text + made, encoding="utf-8")
