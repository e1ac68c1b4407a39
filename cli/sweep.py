"""`neuromod sweep`: train a grid of networks and put them into one table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuromod.stages import clock

from .options import engine_options, output_options
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.sweeping import Outcome, Plan

# Axes that have an option of their own.
AXES = {"strengths": "wiring.strength", "regularizers": "wiring.regularizer", "seeds": "seed"}


def sweep_stage(
    plan: Plan,
    folder: Path,
    *,
    talk: Talk,
    engine: str = "local",
    workers: int = 2,
    scheduler: str | None = None,
    stall_s: float = 1800.0,
    command: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Run what is left of a sweep, write table.csv, table.json and pareto.svg, return what ``--json`` prints."""
    from neuromod.plotting import pareto
    from neuromod.sweeping import ENGINES, results, trial

    begun = time.monotonic()
    folder = folder.resolve()
    orders = trial.Orders(folder, plan.then, stall_s, command or trial.COMMAND)
    folder.mkdir(parents=True, exist_ok=True)
    orders.stop.unlink(missing_ok=True)
    outcomes: dict[str, Outcome] = {}
    left = [item for item in plan.trials if not trial.finished(orders.run(item.name), plan.then)]
    talk.say(f"{len(plan.trials)} trials in {folder}, {len(plan.trials) - len(left)} of them finished before")
    for outcome in ENGINES[engine](left, orders, workers=workers, scheduler=scheduler) if left else ():
        outcomes[outcome.name] = outcome
        said = f"{len(outcomes)}/{len(left)}  {outcome.name}  {outcome.status} in {clock(outcome.seconds)}"
        talk.say(f"{said}  {outcome.reason}".rstrip())
        # After each, so that whatever happens to this process, the table holds what there is.
        results.write(plan, orders, results.collect(plan, orders, outcomes))
    rows = results.collect(plan, orders, outcomes)
    summary = results.write(plan, orders, rows)
    pareto.draw(rows, folder / "pareto.svg")
    status = [row["status"] for row in rows]
    return {
        "name": plan.name,
        "folder": str(folder),
        "trials": len(rows),
        **{name: status.count(name) for name in ("done", "kept", "crashed", "hung", "stopped")},
        "failed": {row["trial"]: row["reason"] for row in rows if row["status"] in ("crashed", "hung", "stopped")},
        **summary,
        "files": ["table.csv", "table.json", "pareto.svg"],
        "seconds": round(time.monotonic() - begun, 3),
    }


def describe(result: dict[str, Any]) -> str:
    """Return the result in words."""

    def number(value: float | None, form: str) -> str:
        return "unknown" if value is None else format(value, form)

    rows = [
        [
            name,
            str(item["trials"]),
            number(item["best_error"], ".4f"),
            number(item["matched_wiring_length"], ",.0f"),
        ]
        for name, item in result["methods"].items()
    ]
    said = [
        table(
            rows, header=["method", "trials", "best error", f"wiring at error {number(result['matched_error'], '.3f')}"]
        )
    ]
    said += [f"{name}: {reason}" for name, reason in result["failed"].items()]
    return "\n".join([*said, *(f"{result['folder']}/{file}" for file in result["files"])])


def numbers(_context: click.Context, parameter: click.Parameter, value: str | None) -> list[Any] | None:
    """Read 0.1,0.3 or 0-2 or words, separated by commas."""
    if value is None:
        return None
    whole = parameter.name == "seeds"
    read: list[Any] = []
    try:
        for part in (part.strip() for part in value.split(",")):
            if whole and "-" in part:
                low, high = part.split("-")
                read.extend(range(int(low), int(high) + 1))
            else:
                read.append(int(part) if whole else part if parameter.name == "regularizers" else float(part))
    except ValueError:
        raise click.BadParameter(f"'{value}': needed values separated by commas") from None
    return read


def axes_and_settings(assignments: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split ``--set`` into axes, which have a TOML array for a value, and settings."""
    from neuromod.training import config

    axes: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for key, value in config.parse_assignments(assignments).items():
        # The tasks of one trial are an array themselves.
        listed = isinstance(value, list) and (key != "tasks.names" or any(isinstance(part, list) for part in value))
        (axes if listed else settings)[key] = value
    return axes, settings


def plans() -> dict[str, Any]:
    """Return the sweeps that have names, as ``--json`` prints them."""
    from neuromod.sweeping import plan_names, read_plan, read_text

    return {
        "sweeps": [
            {
                "name": name,
                "trials": len(read_plan(name).trials),
                "about": read_text(name).partition("\n")[0].removeprefix("# "),
            }
            for name in plan_names()
        ]
    }


@click.command("sweep", short_help="Train a grid of networks into one table.")
@click.argument("file", metavar="[NAME|FILE]", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder.  [default: runs/sweep-NAME]")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Trials of your own instead of tasks; settings that suit them unless given.",
)
@click.option("--strengths", callback=numbers, metavar="λ,λ", help="Values of λ.")
@click.option("--regularizers", callback=numbers, metavar="NAME,NAME", help="Regularisers.")
@click.option("--seeds", callback=numbers, metavar="N,N-N", help="Seeds, as 0-2 or 0,5.")
@click.option(
    "--set", "assignments", multiple=True, metavar="SECTION.KEY=VALUE", help="A setting; an axis if VALUE is [a, b]."
)
@engine_options("Trials", "trials run: processes")
@click.option("--stall", "stall_s", type=float, default=1800, show_default=True, help="Seconds of silence of a trial.")
@click.option("--list", "listed", is_flag=True, help="List the sweeps that have names and do nothing.")
@click.option("--dry-run", is_flag=True, help="List the trials and do nothing.")
@output_options
def command(
    file: Path | None,
    out: Path | None,
    data: Path | None,
    assignments: tuple[str, ...],
    engine: str,
    workers: int,
    scheduler: str | None,
    stall_s: float,
    listed: bool,
    dry_run: bool,
    talk: Talk,
    **axes: list[Any] | None,
) -> None:
    """Train every network of a grid, each in a process of its own, then prune and analyze it.

    The grid is one that comes with neuromod, by its name, or a TOML file of your own, or given by options.

    Finished trials are skipped, interrupted ones go on, crashed and hanging ones are reported and do not stop the rest.

    \b
    Examples:
      neuromod sweep --list
      neuromod sweep pareto
      neuromod sweep mine.toml --dry-run
      neuromod sweep --regularizers bimt,l1 --strengths 0.1,0.3,1 --seeds 0-2
      neuromod sweep pareto --engine dask --scheduler tcp://10.0.0.1:8786
    """
    from neuromod.errors import InterruptedRunError, StageError
    from neuromod.runs import locks
    from neuromod.runs import run as rundir
    from neuromod.sweeping import make_plan, read_plan

    if listed:
        content = plans()
        talk.result(content, "\n".join(f"{row['name']:<12}{row['about']}" for row in content["sweeps"]))
        return
    more_axes, settings = axes_and_settings(assignments)
    if data is not None:
        settings["data.file"] = str(data)
    more_axes |= {key: axes[name] for name, key in AXES.items() if axes[name] is not None}
    if file is not None:
        plan = read_plan(file, more_settings=settings, more_axes=more_axes)
    else:
        plan = make_plan("sweep", settings={}, grids=[{}], more_settings=settings, more_axes=more_axes)
    folder = out or rundir.runs_folder() / f"sweep-{plan.name}"
    if dry_run:
        content = {"name": plan.name, "folder": str(folder), "trials": [item.name for item in plan.trials]}
        talk.result(content, "\n".join(item.name for item in plan.trials))
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locks.hold(folder):
            result = sweep_stage(
                plan, folder, talk=talk, engine=engine, workers=workers, scheduler=scheduler, stall_s=stall_s
            )
    except KeyboardInterrupt:
        raise InterruptedRunError(f"the sweep was interrupted; the same command goes on with it in {folder}") from None
    talk.result(result, describe(result))
    if result["failed"]:
        raise StageError(
            f"{len(result['failed'])} of {result['trials']} trials did not finish; logs in {folder / 'logs'}"
        )
