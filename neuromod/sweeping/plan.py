"""What a sweep is made of: settings for all trials, and grids of those that differ."""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from neuromod.errors import UsageError
from neuromod.training import config, read_for, suited

THEN = ("prune", "analyze")
_KEYS = {"name", "then", "settings", "grid"}


@dataclass(frozen=True)
class Trial:
    """One training and what is measured after it.

    Parameters
    ----------
    name : str
        Name of its run directory; holds a digest of the settings, so that a changed setting is another trial.
    settings : mapping of str to value
        Dotted keys and values that differ from the defaults of `neuromod.training.config`, as ``section.key``.
    varied : mapping of str to value
        Those of them that the sweep varies.
    method : str
        What the wiring costs: the regulariser, or what a chip charges, as ``hops``.
    group : str
        Digest of all settings but the seed: trials of one group are repetitions.
    """

    name: str
    settings: Mapping[str, Any]
    varied: Mapping[str, Any]
    method: str
    group: str


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Parameters
    ----------
    name : str
        Its name, part of its folder's.
    trials : tuple of Trial
        All of them, no two alike.
    then : tuple of str
        Commands of `neuromod` run on each trained network, with their options, as ``map --cores 4x4``.
    """

    name: str
    trials: tuple[Trial, ...]
    then: tuple[str, ...] = THEN


def plan_names() -> list[str]:
    """Return the names of the sweeps that come with neuromod.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    folder = resources.files("neuromod.sweeping") / "plans"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def read_text(name_or_path: str | Path) -> str:
    """Text of a sweep, by its name or by the path of a user's own.

    Raises
    ------
    UsageError
        If there is neither.
    """
    path, names = Path(name_or_path), plan_names()
    if str(name_or_path) in names:
        return (resources.files("neuromod.sweeping") / "plans" / f"{name_or_path}.toml").read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(
            f"cannot read {path}: there is no such file; the sweeps that have names are {', '.join(names)}"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"cannot read {path}: it is no text") from error


def read_plan(path: Path | str, **changes: Any) -> Plan:
    """Read a sweep from TOML.

    Parameters
    ----------
    path : Path or str
        The name of a sweep that comes with neuromod, see `plan_names`, or a file with ``name``, ``then`` (list of
        commands), ``[settings]`` (sections and keys of `neuromod.training.config`) and ``[grid]``, or several
        ``[[grid]]``: dotted keys with lists of values, multiplied within a grid.
    **changes : value
        As for `make_plan`: further settings and axes.

    Returns
    -------
    Plan
        The sweep, with its trials.

    Raises
    ------
    UsageError
        If the file cannot be read or holds something else.
    """
    text = read_text(path)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: it is not valid TOML ({error})") from error
    unknown = sorted(set(content) - _KEYS)
    if unknown:
        raise UsageError(f"{path} holds '{unknown[0]}'; needed {', '.join(sorted(_KEYS))}")
    grids = content.get("grid", {})
    then = content.get("then", list(THEN))
    if not (isinstance(then, list) and all(isinstance(line, str) and line.strip() for line in then)):
        raise UsageError(f"{path}: then = {then!r} cannot be used: needed a list of commands")
    if not isinstance(content.get("settings", {}), dict):
        raise UsageError(f"{path}: settings must be a table")
    return make_plan(
        str(content.get("name", Path(path).stem)),
        settings=config.flatten(content.get("settings", {})),
        grids=grids if isinstance(grids, list) else [grids],
        then=then,
        **changes,
    )


def make_plan(
    name: str,
    *,
    settings: Mapping[str, Any],
    grids: Sequence[Mapping[str, Any]],
    then: Sequence[str] = THEN,
    more_settings: Mapping[str, Any] | None = None,
    more_axes: Mapping[str, Sequence[Any]] | None = None,
) -> Plan:
    """Multiply grids out.

    Parameters
    ----------
    name : str
        Name of the sweep.
    settings : mapping of str to value
        Dotted keys, for all trials.
    grids : sequence of mapping
        Each with dotted keys and lists of values; the trials are the union of their products.
    then : sequence of str
        Commands after training.
    more_settings : mapping, optional
        Wins over `settings` and takes the place of axes of the same key.
    more_axes : mapping, optional
        Axes that every grid gets, in place of its own of the same key.

    Returns
    -------
    Plan
        The sweep, with its trials.

    Raises
    ------
    UsageError
        If a setting is unknown or out of range, or an axis is no list or empty.
    """
    if not name or not all(part.isalnum() or part in "-_." for part in name) or name.startswith("."):
        raise UsageError(f"the name of a sweep becomes a folder: needed letters, digits, - and _, found {name!r}")
    fixed = {**settings, **(more_settings or {})}
    if fixed.get("data.file"):
        # What suits the data is chosen once, so that it stands among the settings of each trial.
        fixed = {**suited(read_for(fixed)), **fixed}
    trials: dict[str, Trial] = {}
    for grid in grids:
        if not isinstance(grid, Mapping):
            raise UsageError(f"grid = {grid!r} cannot be used: needed a table of settings with lists of values")
        axes = {key: values for key, values in grid.items() if key not in (more_settings or {})} | dict(more_axes or {})
        for key, values in axes.items():
            if not isinstance(values, list | tuple) or not values:
                raise UsageError(f"grid: {key} = {values!r} cannot be used: needed a list of values")
        for chosen in itertools.product(*axes.values()):
            varied = dict(zip(axes, chosen, strict=True))
            trial = _trial({**fixed, **varied}, varied)
            trials.setdefault(trial.name, trial)
    return Plan(name, tuple(trials.values()), tuple(then))


def _trial(given: Mapping[str, Any], varied: Mapping[str, Any]) -> Trial:
    settings = config.load(None, (), given)
    wiring = settings.wiring
    content = {**config.to_dict(settings), "device": ""}
    method = wiring.regularizer if wiring.cost == "distance" else wiring.cost
    name = f"{method}-{wiring.strength:g}-seed{settings.seed}-{_digest(content)}"
    return Trial(name, dict(given), dict(varied), method, _digest({**content, "seed": -1}))


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
