"""`neuromod explore`: one network on many grids of cores, chips, capacities and bits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import engine_options, output_options, plot_option, run_option, seed_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.exploring import Column
    from neuromod.stages import Workers


@click.command("explore", short_help="Compare grids, chips, capacities and bits on one network.")
@click.argument("network", metavar="[FILE]", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--cores", metavar="RxC,RxC", help="Grids of cores; as for `neuromod map` if omitted.")
@click.option("--target", metavar="NAME,FILE", help="Chips, by name or TOML file; as for `neuromod map` if omitted.")
@click.option("--neurons-per-core", metavar="N,N", help="Capacities of a core; as for `neuromod map` if omitted.")
@click.option("--weight-bits", metavar="N,N", help="Bits of a weight, 2 to 16; weights as they are if omitted.")
@click.option(
    "--placer", default="annealing", show_default=True, help="How every point is placed, as for `neuromod map`."
)
@click.option("--objective", default="hops", show_default=True, help="What placing makes small.")
@click.option("--effort", type=float, default=1.0, show_default=True, help="Work of the annealing.")
@click.option(
    "--pareto",
    metavar="COLUMN,COLUMN",
    help="What the Pareto front is about; hops,cores_used,memory_bits,accuracy if omitted.",
)
@engine_options("Points", "points are computed: threads")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="With FILE: folder of tables and points.  [default: runs/explore-NAME]",
)
@plot_option("the points with their Pareto front")
@seed_option
@run_option
@output_options
def command(
    network: Path | None,
    engine: str,
    workers: int,
    scheduler: str | None,
    out: Path | None,
    plot: Path | None,
    run_path: Path | None,
    talk: Talk,
    **given: Any,
) -> None:
    """Place one network on every combination of grids, chips, capacities and bits, into one table.

    The network is that of the run, whose own placement stays as it is, or one in FILE, as `neuromod import` reads it.
    A point that does not fit is a row that says why. Points are kept: what was computed before, and has not changed, is
    not computed again, also after a kill.

    \b
    Examples:
      neuromod explore --cores 2x2,4x4,8x8 --neurons-per-core 16,32,64
      neuromod explore --cores 4x4,8x8 --target loihi1,truenorth,mine.toml --weight-bits 4,8 --plot front.svg
      neuromod explore weights.npz --cores 4x4,8x8 --json
    """
    from neuromod.errors import InterruptedRunError, StageError, UsageError
    from neuromod.stages import Workers

    where = Workers(engine, workers, scheduler)
    if network is not None and run_path is not None:
        raise UsageError("give FILE or --run, not both")
    if network is None and out is not None:
        raise UsageError("--out goes with FILE; of a run, tables and points are in its folder explore")
    try:
        if network is None:
            result = _of_run(run_path, given, where, talk)
        else:
            result = _of_file(network, out, given, where, talk)
    except KeyboardInterrupt:
        raise InterruptedRunError("interrupted; the same command goes on with what is left") from None
    if plot is not None:
        from neuromod.plotting import explored

        explored.save(result, plot)
        result["plot"] = str(plot)
    talk.result(result, describe(result))
    if result["failed"]:
        rows = [row for row in result["points"] if row["status"] != "done"]
        raise StageError(f"{len(rows)} of {len(result['points'])} points are not computed: {rows[0]['why']}")


def _of_run(path: Path | None, given: dict[str, Any], where: Workers, talk: Talk) -> dict[str, Any]:
    from neuromod.runs import locks
    from neuromod.runs import run as rundir
    from neuromod.stages import explore_stage

    run = rundir.open_run(path)
    with locks.hold(run.path):
        return explore_stage(run, given, talk=talk, workers=where)


def _of_file(file: Path, out: Path | None, given: dict[str, Any], where: Workers, talk: Talk) -> dict[str, Any]:
    from neuromod.errors import UsageError
    from neuromod.runs import locks
    from neuromod.runs import run as rundir
    from neuromod.stages import explore_file

    if not file.is_file():
        raise UsageError(f"cannot read {file}: there is no such file")
    folder = out or rundir.runs_folder() / f"explore-{file.stem}"
    if (folder / "run.json").exists():
        raise UsageError(f"{folder} is a run; choose another folder with --out, or explore it with --run")
    folder.mkdir(parents=True, exist_ok=True)
    with locks.hold(folder):
        return explore_file(file, folder, given, talk=talk, workers=where)


def describe(result: dict[str, Any]) -> str:
    """Return the result in words: a table of what fits, and why the rest does not."""
    from neuromod.exploring import COLUMNS

    columns = [column for column in COLUMNS.values() if column.shown]
    rows, unfit = [], []
    for row in result["points"]:
        place = [row["target"], row["cores"] or "", _text(row["capacity"]), _text(row["weight_bits"])]
        if row["fits"]:
            figures = ["–" if row[c.key] is None else format(row[c.key], c.form) for c in columns]
            rows.append([*place, *figures, "*" if row["front"] else ""])
        else:
            asked = f"{_text(row['neurons_per_core'])} a core, " if row["neurons_per_core"] else ""
            bits = f"{row['weight_bits']} bits, " if row["weight_bits"] else ""
            unfit.append(f"{row['target']} {row['cores'] or ''}, {asked}{bits}{row['why'] or row['status']}")
    said = []
    if rows:
        header = ["target", "grid", "a core", "bits", *map(_heading, columns), "front"]
        said.append(table(rows, header=header))
        said.append(f"* on the Pareto front of {', '.join(result['pareto'])}; – unknown. Traffic, energy and time are "
                    "estimates, per step.")  # fmt: skip
    if unfit:
        said += [f"{len(unfit)} of {len(result['points'])} points do not fit:", *(f"  {line}" for line in unfit)]
    return "\n".join([*said, *(f"{result['folder']}/{name}" for name in result["files"])])


def _heading(column: Column) -> str:
    unit = column.unit.partition(" ")[0]
    return f"{column.title}, {unit}" if unit in ("pJ", "ns", "bit") else column.title


def _text(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
