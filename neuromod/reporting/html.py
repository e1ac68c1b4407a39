"""The report: one HTML file that shows a run to people, complete in itself."""

from __future__ import annotations

from neuromod.files import write_text
from neuromod.reporting.findings import gather
from neuromod.reporting.page import render
from neuromod.runs import Run

__all__ = ["FILE", "write"]

FILE = "report.html"


def write(run: Run) -> tuple[str, ...]:
    """Write `report.html` into a run.

    Stages that have not run, or are stale, are named with the command that makes them; nothing of them is shown.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    tuple of str
        The artefacts whose change makes the report stale.

    Raises
    ------
    UsageError
        If an artefact cannot be read, or the report not be written.
    """
    findings = gather(run)
    write_text(run.file(FILE), render(findings, run_name=run.path.name, path=run.path))
    return findings.files
