"""Options that several commands share, each defined once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class CoresType(click.ParamType[tuple[int, int]]):
    """A grid of cores, as 4x4: rows x columns."""

    name = "ROWSxCOLUMNS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        from neuromod.errors import UsageError
        from neuromod.hardware import Grid

        try:
            grid = Grid.parse(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)
        return grid.rows, grid.columns


class ColumnsType(click.ParamType[dict[str, str]]):
    """Columns of a table, as source=from,target=to,weight=3."""

    name = "ROLE=COLUMN,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        # A name may hold a comma.
        parts = re.split(r",\s*(?=(?:source|target|weight)=)", str(value).strip())
        pairs = [part.partition("=") for part in parts]
        roles = [role.strip() for role, _, _ in pairs]
        if not set(roles) <= {"source", "target", "weight"} or len(set(roles)) < len(roles):
            self.fail(f"{value!r} must be as source=…,target=…,weight=…, each once at most", param, ctx)
        if not all(name.strip() for _, _, name in pairs):
            self.fail(f"{value!r} leaves a column without name or number", param, ctx)
        return {role: name.strip() for role, (_, _, name) in zip(roles, pairs, strict=True)}


def run_option(function: F) -> F:
    """``--run PATH``: the run to work on, for a command that takes care of the lock itself."""
    return click.option(
        "--run",
        "run_path",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="PATH",
        help="Run directory to work on; the newest if omitted.",
    )(function)


def held_run_option(function: F) -> F:
    """``--run PATH``, handed to the command as ``run``, which no other command may work on meanwhile."""
    import functools

    @run_option
    @functools.wraps(function)
    def wrapped(*args: Any, run_path: Path | None, **kwargs: Any) -> Any:
        from neuromod.runs import locks
        from neuromod.runs import run as rundir

        run = rundir.open_run(run_path)
        with locks.hold(run.path):
            return function(*args, run=run, **kwargs)

    return wrapped  # type: ignore[return-value]


def plot_option(what: str) -> Callable[[F], F]:
    """``--plot FILE``: a figure of `what`; its format is known, and refused, before anything is computed."""

    def checked(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise click.BadParameter(f"'{value}': a figure is PNG, SVG or PDF, by the end of its name")
        return value

    return click.option(
        "--plot",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=checked,
        metavar="FILE",
        help=f"Draw {what} (PNG, SVG or PDF).",
    )


def engine_options(what: str, here: str) -> Callable[[F], F]:
    """``--engine``, ``--workers`` and ``--scheduler``: where `what` is computed, and how that happens `here`."""

    def wrapped(function: F) -> F:
        function = click.option(
            "--scheduler", metavar="ADDRESS", help="Dask scheduler (one is started if omitted), or Slurm partition."
        )(function)
        function = click.option(
            "--workers", type=click.IntRange(1), default=2, show_default=True, help=f"{what} at a time."
        )(function)
        return click.option(
            "--engine",
            type=click.Choice(["local", "dask", "slurm"]),
            default="local",
            show_default=True,
            help=f"Where {here} here, Dask, or Slurm.",
        )(function)

    return wrapped


def film_option(function: F) -> F:
    """``--film FILE``: a film of the training; what it takes is known, and refused, before anything is computed."""

    def checked(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
        import shutil

        if value is not None and value.suffix.lower() not in (".gif", ".mp4"):
            raise click.BadParameter(f"'{value}': a film is GIF or MP4, by the end of its name")
        if value is not None and value.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
            raise click.BadParameter(f"'{value}': MP4 takes ffmpeg, which is not here; install it, or name a .gif")
        return value

    return click.option(
        "--film",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=checked,
        metavar="FILE",
        help="Draw the plane while training: connections thin out, neurons swap (GIF; MP4 with ffmpeg).",
    )(function)


def data_options(function: F) -> F:
    """``--dt-ms`` and ``--channels``: how a file of data is read."""
    function = click.option(
        "--channels", type=click.IntRange(1), metavar="N", help="Spikes (.h5): channels that units are summed into."
    )(function)
    return click.option(
        "--dt-ms",
        type=click.FloatRange(0, min_open=True),
        metavar="MS",
        help="Data: time step in ms; spikes are counted in bins of it.",
    )(function)


def seed_option(function: F) -> F:
    """``--seed N``."""
    return click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Random seed.")(
        function
    )


def output_options(function: F) -> F:
    """``--json``, ``-q`` and ``-v``, handed to the command as one `Talk`."""
    import functools

    from .output import Talk

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout; talk goes to stderr.")
    @click.option("-q", "--quiet", is_flag=True, help="No progress, only the result.")
    @click.option("-v", "--verbose", is_flag=True, help="More detail, and where a bug happened.")
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, quiet: bool, verbose: bool, **kwargs: Any) -> Any:
        return function(*args, talk=Talk(as_json=as_json, quiet=quiet, verbose=verbose), **kwargs)

    return wrapped  # type: ignore[return-value]
