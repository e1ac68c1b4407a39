"""`neuromod report`: one HTML file that shows a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import output_options, plot_option, run_option

if TYPE_CHECKING:
    from neuromod.runs import Run

    from .output import Talk


@click.command("report", short_help="Write one HTML file that shows the run, offline.")
@plot_option("neurons and cores, too")
@click.option("--compare", is_flag=True, help="Put the runs RUN RUN … side by side instead.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the comparison goes.  [default: comparison.html beside the runs]",
)
@click.argument("runs", nargs=-1, metavar="[RUN RUN …]", type=click.Path(path_type=Path))
@run_option
@output_options
def command(
    plot: Path | None, compare: bool, out: Path | None, runs: tuple[Path, ...], run_path: Path | None, talk: Talk
) -> None:
    """Write report.html: one file that shows what the run did, to keep or to send.

    It needs no network and no other file. What has not run yet is named in it, with its command.

    \b
      neuromod report
      neuromod report --plot overview.pdf
      neuromod report --run runs/2026-11-23-yang19-a1f3 --json
      neuromod report --compare runs/2026-11-23-bimt runs/2026-11-23-l1
    """
    from neuromod.errors import UsageError
    from neuromod.runs import locks
    from neuromod.runs import run as rundir
    from neuromod.stages import compare_stage

    if compare:
        if plot is not None or run_path is not None:
            raise UsageError("--compare takes runs as arguments, and --out; not --run or --plot")
        files = [path for path in runs if path.is_file()]
        if files:
            # A pattern as runs/* finds them, too.
            talk.say(f"Left out, as files are no runs: {', '.join(map(str, files))}")
        runs = tuple(path for path in runs if path not in files)
        result = compare_stage(runs, out or rundir.runs_folder() / "comparison.html")
        talk.result(result, f"{result['report']}  ({result['bytes'] / 1000:,.0f} kB)")
        return
    if runs or out is not None:
        raise UsageError("runs as arguments and --out need --compare; one run is given with --run PATH")
    run = rundir.open_run(run_path)
    with locks.hold(run.path):
        _report(run, plot, talk)


def _report(run: Run, plot: Path | None, talk: Talk) -> None:
    from neuromod.stages import report_stage

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
    from neuromod.plotting import overview
    from neuromod.reporting import cores_of, gather, plane_of

    run.require("estimate")
    findings = gather(run)
    cores = cores_of(findings)
    assert findings.network is not None
    assert cores is not None
    overview.save(overview.overview(plane_of(findings.network, findings.placement, findings.rates), cores), path)
