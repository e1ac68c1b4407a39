"""`neuromod report`: one HTML file that shows a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options

if TYPE_CHECKING:
    from neuromod.rundir import Run

    from .output import Talk


@click.command()
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also draw neurons and cores into this PNG, SVG or PDF.",
)
@held_run_option
@output_options
def command(plot: Path | None, run: Run, talk: Talk) -> None:
    """Write report.html: one file that shows what the run did, to keep or to send.

    It needs no network and no other file. What has not run yet is named in it, with its command.

    \b
      neuromod report
      neuromod report --plot overview.pdf
      neuromod report --run runs/2026-11-23-yang19-a1f3 --json
    """
    if plot is not None:
        draw(run, plot)
    result = report_stage(run, talk=talk)
    if plot is not None:
        result["plot"] = str(plot)
    talk.result(result, f"{result['report']}  ({result['bytes'] / 1000:,.0f} kB)")


def draw(run: Run, path: Path) -> None:
    """Draw the run's neurons and cores side by side into a file.

    Raises
    ------
    StageError
        If there is no fresh estimate.
    """
    from neuromod import plots
    from neuromod.reporting.findings import gather
    from neuromod.reporting.hardware import cores_of
    from neuromod.reporting.plane import plane_of

    run.require("estimate")
    findings = gather(run)
    cores = cores_of(findings)
    assert findings.network is not None
    assert cores is not None
    plots.save(plots.overview(plane_of(findings.network, findings.placement, findings.rates), cores), path)


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
