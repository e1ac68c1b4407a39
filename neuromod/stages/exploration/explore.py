"""One network on many grids, chips, capacities and bits: its points computed, where they are not yet, and told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuromod.stages.talk import Talk, clock

if TYPE_CHECKING:
    from neuromod.exploring import Axes, Exploration, Orders, Search
    from neuromod.network import Network
    from neuromod.runs import Run
    from neuromod.sweeping import Outcome

# Folder of the exploration in a run.
FOLDER = "explore"


@dataclass(frozen=True)
class Workers:
    """Where points are computed.

    Parameters
    ----------
    engine : str
        A key of `neuromod.sweeping.ENGINES`.
    count : int
        Points at a time.
    scheduler : str, optional
        Dask scheduler, or Slurm partition.
    """

    engine: str = "local"
    count: int = 2
    scheduler: str | None = None


def explore_stage(run: Run, given: Mapping[str, Any], *, talk: Talk, workers: Workers | None = None) -> dict[str, Any]:
    """Explore the run's network, write ``explore/table.csv`` and ``.json``, return what ``--json`` prints.

    The placement of the run stays as it is.

    Parameters
    ----------
    run : Run
        The run.
    given : mapping of str to value
        The options of `neuromod explore`, those of `neuromod.runs.commands.OPTIONS`.
    talk : Talk
        Where it says what it does.
    workers : Workers, optional
        Where points are computed; two at a time here if omitted.

    Raises
    ------
    UsageError
        If an option cannot be used.
    """
    from neuromod.exploring import Orders
    from neuromod.runs import commands
    from neuromod.stages.activity import network_with_activity

    begun = time.monotonic()
    _check(given)
    name, network, _ = network_with_activity(run, talk=talk)
    # A run that was moved, or is reached under another path, is still itself.
    orders = Orders(run.file(FOLDER).resolve(), run.path.resolve(), name)
    result = _explore(network, orders, given, workers or Workers(), talk)
    stopped = any(row["status"] != "done" for row in result["points"])
    if not stopped:
        kept = {**given, "target": _names(given.get("target"))}
        run.record(
            "explore",
            arguments={key: given[key] for key in sorted(given)} | {"target": kept["target"]},
            given=commands.as_record("explore", kept),
            seconds=time.monotonic() - begun,
            inputs=[name, "activity.safetensors"],
            outputs=[f"{FOLDER}/table.csv", f"{FOLDER}/table.json"],
            # The rows are in the table.
            result={key: value for key, value in result.items() if key not in ("points", "folder")},
        )
    return {**result, "run": str(run.path), "folder": str(run.file(FOLDER))}


def explore_file(
    file: Path, folder: Path, given: Mapping[str, Any], *, talk: Talk, workers: Workers | None = None
) -> dict[str, Any]:
    """Explore the network in a file that `neuromod import` reads; return what ``--json`` prints.

    Parameters
    ----------
    file : Path
        The file.
    folder : Path
        Where tables and points are kept.
    given, talk, workers
        As for `explore_stage`.

    Raises
    ------
    UsageError
        If an option cannot be used, or the file not be read.
    """
    from neuromod import importing
    from neuromod.exploring import Orders
    from neuromod.metrics import find_activity
    from neuromod.runs import words

    _check(given)
    found = importing.read(file)
    for note in found.notes:
        talk.detail(words.in_commands(note))
    found.network.save(folder / "network.safetensors")
    find_activity(found.network).save(folder / "activity.safetensors")
    orders = Orders(folder.resolve(), folder.resolve(), "network.safetensors")
    return {**_explore(found.network, orders, given, workers or Workers(), talk), "folder": str(folder)}


def _check(given: Mapping[str, Any]) -> None:
    """Refuse what cannot be used before anything is done: pruning, which may come first, takes long."""
    from neuromod.exploring import make_exploration, read_goals

    read_goals(given.get("pareto"))
    make_exploration((), _search(given), _axes(given))


def _search(given: Mapping[str, Any]) -> Search:
    from neuromod.exploring import Search

    return Search(**{key: given[key] for key in ("placer", "objective", "effort", "seed") if key in given})


def _axes(given: Mapping[str, Any]) -> Axes:
    from neuromod.exploring import Axes

    return Axes(**{key: given.get(key) for key in ("cores", "target", "neurons_per_core", "weight_bits")})


def _names(targets: str | None) -> str | None:
    """Targets as a record holds them: where a user's own file was is no one else's."""
    if targets is None:
        return None
    return ",".join(Path(name).name if Path(name).is_absolute() else name for name in targets.split(","))


def _explore(
    network: Network, orders: Orders, given: Mapping[str, Any], workers: Workers, talk: Talk
) -> dict[str, Any]:
    from neuromod.exploring import COLUMNS, make_exploration, read_goals, table
    from neuromod.files import sha256
    from neuromod.stages.map import trained_for

    begun = time.monotonic()
    goals = read_goals(given.get("pareto"))
    digests = [sha256(orders.home / name) for name in (orders.network, "activity.safetensors")]
    exploration = make_exploration(digests, _search(given), _axes(given), instead=trained_for(network))
    outcomes, kept = _compute(exploration, orders, workers, talk)
    rows = table.collect(exploration, orders, outcomes, goals)
    about = {
        "neurons": network.n,
        "synapses": network.n_synapses,
        **{key: given.get(key) for key in ("placer", "objective", "effort", "seed")},
        "pareto": list(goals),
        "columns": [
            {key: getattr(column, key) for key in ("key", "title", "unit", "better")} for column in COLUMNS.values()
        ],
    }
    table.write(rows, about, orders.folder)
    return {
        **about,
        "parts": {"computed": len(exploration.parts) - kept - _failed(outcomes), "kept": kept},
        "fitting": sum(row["fits"] for row in rows),
        "failed": _failed(outcomes),
        "points": rows,
        "files": list(table.FILES),
        "seconds": round(time.monotonic() - begun, 3),
    }


def _failed(outcomes: Mapping[str, Outcome]) -> int:
    return sum(outcome.status != "done" for outcome in outcomes.values())


def _compute(exploration: Exploration, orders: Orders, workers: Workers, talk: Talk) -> tuple[dict[str, Outcome], int]:
    """Compute what is not kept; return how that went, by name, and how many parts were kept."""
    from neuromod.exploring import parts, run_part
    from neuromod.mapping import precompile
    from neuromod.sweeping import ENGINES

    orders.folder.mkdir(parents=True, exist_ok=True)
    orders.stop.unlink(missing_ok=True)
    left = [part for part in exploration.parts if parts.known(part, orders) is None]
    kept = len(exploration.parts) - len(left)
    talk.say(
        f"{len(exploration.points):,} points of {len(exploration.parts):,} parts, {kept:,} of them computed before"
    )
    outcomes: dict[str, Outcome] = {}
    if not left:
        return outcomes, kept
    precompile.begin()
    begun = time.monotonic()
    engine = ENGINES[workers.engine]
    for outcome in engine(left, orders, workers=workers.count, scheduler=workers.scheduler, work=run_part):
        outcomes[outcome.name] = outcome
        done = len(outcomes)
        rest = (time.monotonic() - begun) / done * (len(left) - done)
        talk.progress(f"{done} of {len(left)} parts, {clock(rest)} left", done=done == len(left))
    return outcomes, kept
