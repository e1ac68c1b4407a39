"""The commands that make the steps of a run, as they are to be typed again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuromod.exporting.formats import FORMATS
from neuromod.target_files import target_names

# Step -> the command that makes it again; a step that is not here is part of the command that needs it.
COMMANDS = {
    "train": "neuromod train",
    "import": "neuromod import FILE",
    "prune": "neuromod prune",
    "map": "neuromod map",
    "estimate": "neuromod estimate",
    **{f"export-{name}": f"neuromod export --format {name}" for name in FORMATS},
    "verify": "neuromod verify",
    "analyze": "neuromod analyze",
    "report": "neuromod report",
}

# Options of a command that is to be typed again, with their defaults: without those given it would make something else.
DEFAULTS: dict[str, dict[str, Any]] = {
    "map": {
        "cores": "4x4",
        "target": "generic-mesh",
        "neurons_per_core": None,
        "placer": "annealing",
        "objective": "hops",
        "effort": 1.0,
        "time": None,
        "seed": 0,
        "activity": None,
    }
}


def as_given(step: str, arguments: Mapping[str, Any], *, target_file: Path) -> str | None:
    """Return the command of a step with the options that it was given.

    Parameters
    ----------
    step : str
        A step of a run.
    arguments : mapping of str to value
        Its arguments, as its record in `run.json` has them; empty if it has not run.
    target_file : Path
        The run's ``target.toml``, which stands for a target of the user's own.

    Returns
    -------
    str or None
        None for a step without a command of its own.
    """
    if step not in COMMANDS:
        return None
    words = [COMMANDS[step]]
    for key, default in DEFAULTS.get(step, {}).items():
        value = arguments.get(key)
        if key == "target" and value is not None and value not in target_names():
            value = str(target_file) if target_file.is_file() else None
        if isinstance(value, str | int | float) and value != default:
            words.append(f"--{key.replace('_', '-')} {shlex.quote(str(value))}")
    return " ".join(words)
