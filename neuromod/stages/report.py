"""The report of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.runs import Run
    from neuromod.stages.talk import Talk


def compare_stage(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write the comparison of runs; return ``report``, ``bytes``, ``runs`` and ``table``, a list of rows."""
    from neuromod.reporting import comparison
    from neuromod.runs import run as rundir

    # A run may be named as `neuromod runs` lists it, or as it is called in the folder of the runs.
    named = [path if path.exists() else rundir.runs_folder() / path for path in paths]
    table = comparison.write([rundir.open_run(path) for path in named], out)
    return {
        "report": str(out),
        "bytes": out.stat().st_size,
        "runs": [str(path) for path in named],
        "table": table,
    }


def report_stage(run: Run, *, talk: Talk) -> dict[str, Any]:
    """Write the report of `run` and return ``report``, its path, and ``bytes``."""
    import time

    from neuromod import reporting

    begun = time.monotonic()
    inputs = reporting.write(run)
    path = run.file(reporting.FILE)
    size = path.stat().st_size
    run.record(
        "report",
        arguments={},
        seconds=time.monotonic() - begun,
        inputs=inputs,
        outputs=[reporting.FILE],
        # Nothing in a run is absolute.
        result={"report": reporting.FILE, "bytes": size},
    )
    talk.detail(f"read {', '.join(inputs) or 'nothing but run.json'}")
    return {"report": str(path), "bytes": size}
