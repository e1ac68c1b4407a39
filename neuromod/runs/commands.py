"""The commands that make the steps of a run, as they are to be typed again: with the options that they were given."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuromod.exporting import FORMATS
from neuromod.hardware import target_names
from neuromod.spiking import OPTIONS as SPIKING_OPTIONS
from neuromod.spiking import ConversionSettings

# Step -> the command that makes it again; a step that is not here is part of the command that needs it.
COMMANDS = {
    "train": "neuromod train",
    "import": "neuromod import FILE",
    "prune": "neuromod prune",
    "map": "neuromod map",
    "estimate": "neuromod estimate",
    "explore": "neuromod explore",
    **{f"export-{name}": f"neuromod export --format {name}" for name in FORMATS},
    "verify": "neuromod verify",
    "analyze": "neuromod analyze",
    "report": "neuromod report",
}


@dataclass(frozen=True)
class Option:
    """An option of a command that decides what its step makes.

    Parameters
    ----------
    key : str
        Its name in a record.
    flag : str
        As it is typed; empty for an argument that has none.
    default : value
        What it is where it is not given; None where the command finds it.
    """

    key: str
    flag: str
    default: str | int | float | bool | None = None


_SEED = Option("seed", "--seed", 0)
_SPIKING = (
    *(
        Option(
            name, f"--{name.replace('_', '-')}", None if name == "substeps" else getattr(ConversionSettings(), field)
        )
        for name, field in SPIKING_OPTIONS.items()
    ),
    _SEED,
)
_PACKETS = (
    Option("max_accuracy_drop", "--max-accuracy-drop", 0.01),
    Option("trials_per_task", "--trials", 200),
    _SEED,
)

# Step -> its options; a test holds them to the commands. Settings of training are a list of their own.
OPTIONS: dict[str, tuple[Option, ...]] = {
    "train": (Option("film", "--film"),),
    "import": (
        Option("recurrent", "--recurrent"),
        Option("inputs", "--input"),
        Option("readout", "--readout"),
        Option("delimiter", "--delimiter"),
        Option("comments", "--comments"),
        Option("columns", "--columns"),
        Option("duplicates", "--duplicates"),
        Option("transpose", "--transpose", False),
        Option("tau_ms", "--tau-ms"),
        Option("dt_ms", "--dt-ms"),
        Option("data", "--data"),
        Option("data_readout", "--data-readout"),
        Option("channels", "--channels"),
        Option("file", ""),
    ),
    "prune": (
        Option("threshold", "--threshold"),
        Option("keep", "--keep"),
        Option("target", "--target"),
        Option("weight_bits", "--weight-bits"),
        *_PACKETS,
    ),
    "map": (
        Option("cores", "--cores"),
        Option("chips", "--chips"),
        Option("target", "--target"),
        Option("neurons_per_core", "--neurons-per-core"),
        Option("placer", "--placer", "annealing"),
        Option("objective", "--objective", "hops"),
        Option("effort", "--effort", 1.0),
        Option("seconds", "--time"),
        _SEED,
        Option("activity", "--activity"),
    ),
    "estimate": (),
    "explore": (
        Option("cores", "--cores"),
        Option("target", "--target"),
        Option("neurons_per_core", "--neurons-per-core"),
        Option("weight_bits", "--weight-bits"),
        Option("placer", "--placer", "annealing"),
        Option("objective", "--objective", "hops"),
        Option("effort", "--effort", 1.0),
        _SEED,
        Option("pareto", "--pareto"),
    ),
    **{
        f"export-{name}": (
            *(_SPIKING if format.converts else ()),
            *(Option(key, f"--{key.replace('_', '-')}", option.default) for key, option in format.options.items()),
        )
        for name, format in FORMATS.items()
    },
    "verify": (
        Option("n_trials", "--trials", 1000),
        Option("max_error", "--max-error", 1e-5),
        Option("min_agreement", "--min-agreement", 0.95),
        Option("max_accuracy_gap", "--max-accuracy-gap", 0.02),
        Option("seed", "--seed", 1),
        Option("python", "--python"),
    ),
    "analyze": (
        Option("trials_per_task", "--trials", 100),
        Option("permutations", "--permutations", 1000),
        Option("nulls", "--nulls", 50),
        Option("density", "--density", 0.1),
        _SEED,
    ),
    "report": (),
}

# Settings of training with options of their own; the others are typed as --set.
SETTINGS = {
    "tasks.names": "--tasks",
    "tasks.semantics": "--semantics",
    "network.neurons": "--neurons",
    "training.steps": "--steps",
    "wiring.regularizer": "--regularizer",
    "wiring.strength": "--strength",
    "wiring.cost": "--wiring-cost",
    "chip.cores": "--cores",
    "chip.neurons_per_core": "--neurons-per-core",
    "chip.target": "--target",
    "seed": "--seed",
    "device": "--device",
}


def as_record(step: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a step as they are recorded, JSON only: None where a default was left to the command."""
    record: dict[str, Any] = {}
    for option in OPTIONS[step]:
        value = options.get(option.key, option.default)
        if isinstance(value, tuple):
            value = "x".join(map(str, value))
        if isinstance(value, Mapping):
            value = ",".join(f"{key}={name}" for key, name in value.items())
        record[option.key] = None if value == option.default else str(value) if isinstance(value, Path) else value
    return record


def given_to(step: str, record: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what a step was given, by its record in `run.json`; empty if it has not run.

    Version 0.1.0 recorded what the options were resolved to: typed in full, they make the same.
    """
    if record is None:
        return {}
    if step == "train":
        return {**record["arguments"], **(record["given"] if isinstance(record.get("given"), dict) else {})}
    if isinstance(record.get("given"), dict):
        given: Mapping[str, Any] = record["given"]
        return given
    old = dict(record["arguments"])
    renamed = {"time": "seconds", "granularity": "weight_steps", "form": "nir_form"}
    if step == "import":
        renamed["input"] = "inputs"
    old = {renamed.get(key, key): value for key, value in old.items()}
    if isinstance(substeps := old.get("substeps"), list):
        old["substeps"] = substeps[0] if len(substeps) == 1 else None
    if isinstance(packets := old.get("packets"), dict):
        old["packets"] = [packets]
    return old


def as_given(step: str, given: Mapping[str, Any], *, target_file: Path) -> tuple[str, ...]:
    """Return the command of a step with the options that it was given.

    Parameters
    ----------
    step : str
        A step of a run.
    given : mapping of str to value
        What it was given, from `given_to`; the settings of training.
    target_file : Path
        The run's ``target.toml``, which stands for a target of the user's own.

    Returns
    -------
    tuple of str
        More than one command where pruning went on after a placement; none for a step without a command of its own.
    """
    if step not in COMMANDS:
        return ()
    if step == "train":
        film = given.get("film")
        drawn = [f"--film {shlex.quote(film)}"] if isinstance(film, str) else []
        return (" ".join([COMMANDS[step], *_settings(given), *drawn]),)
    words, last = [COMMANDS[step]], []
    for option in OPTIONS[step]:
        value = given.get(option.key)
        if step == "map" and option.key == "target" and value is not None and value not in target_names():
            value = str(target_file) if target_file.is_file() else value
        # What else a manifest may hold was tampered with.
        if not isinstance(value, str | int | float) or value == option.default:
            continue
        if isinstance(value, bool):
            words += [option.flag] if option.default is False else []
        elif option.flag:
            words.append(f"{option.flag} {shlex.quote(str(value))}")
        else:
            words[0] = words[0].removesuffix(f" {option.key.upper()}")
            last = ["--", shlex.quote(str(value))] if str(value).startswith("-") else [shlex.quote(str(value))]
    made = [" ".join([*words, *last])]
    rounds = given.get("packets") if step == "prune" else None
    for packets in rounds if isinstance(rounds, list) else ():
        if isinstance(packets, dict):
            placed = packets.get("map")
            made += as_given("map", placed if isinstance(placed, dict) else {}, target_file=target_file)
            some = [
                f"{option.flag} {packets[option.key]}"
                for option in _PACKETS
                if isinstance(packets.get(option.key), int | float) and packets[option.key] != option.default
            ]
            made.append(" ".join([COMMANDS["prune"], "--packets", *some]))
    return tuple(made)


def _settings(settings: Mapping[str, Any]) -> Iterator[str]:
    """Options that make settings of training out of the defaults."""
    from neuromod.training import Settings, config

    defaults = config.flatten(config.to_dict(Settings()))
    for key, value in config.flatten(settings).items():
        if key not in defaults or value == defaults[key] or value is None:
            continue
        # JSON's strings, numbers, truth values and arrays are TOML's.
        names = isinstance(value, list) and all(isinstance(name, str) and "," not in name for name in value)
        text = ",".join(value) if names else value
        if key in SETTINGS and isinstance(text, str | int | float) and str(text).strip() == str(text) != "":
            yield f"{SETTINGS[key]} {shlex.quote(str(text))}"
        else:
            yield f"--set {shlex.quote(f'{key}={json.dumps(value)}')}"
