"""Putting settings together: defaults, TOML file, ``--set section.key=value``, in rising precedence."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from neuromod.errors import UsageError
from neuromod.training.penalties.members import FAMILY
from neuromod.training.settings import NO_LEVELS, Settings
from neuromod.trials import READOUTS

DEVICES = ("auto", "cpu", "cuda")
WIRING_COSTS = ("distance", "hops", "packets", "multicast", "energy")
STARTS = ("self", "random")
FREEZES = ("recurrent", "input", "readout")

# Collection -> settings that suit it, where the defaults leave it unlearned: the variants of Mod-Cog are learned by
# networks that know what they vary, that see more often what they fail at, whose neurons remember long enough to tell
# how long a delay was, and whose wiring costs nothing before they have learned the most of it.
SUITED: Mapping[str, Mapping[str, Any]] = {
    "modcog": {
        "tasks.first": 0.25,
        "tasks.by_error": 0.5,
        "training.steps": 40000,
        "network.tau_ms": 300.0,
        "wiring.ramp_from": 0.5,
        "wiring.ramp_to": 0.7,
    }
}

# What a file of settings that an earlier version wrote means where it lacks one of those.
BEFORE: Mapping[str, Any] = {"tasks.first": 0.0, "tasks.by_error": 0.0}


def load(
    path: Path | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Put settings together.

    Parameters
    ----------
    path : Path, optional
        TOML file with the sections and keys of `Settings`.
    assignments : sequence of str
        ``section.key=value``, the value as in TOML; a bare word is text.
    flags : mapping of str to value, optional
        Dotted key to value; None means not given. They win over `assignments`, which win over the file.
    defaults : mapping of str to value, optional
        Dotted key to value, in place of the defaults of `Settings`; everything else wins over them.

    Returns
    -------
    Settings
        Checked.

    Raises
    ------
    UsageError
        If a key is unknown, or a value has the wrong type or is out of range.
    """
    values = given(path, assignments, flags)
    settings: Settings = _build(Settings, {**_suited_to_tasks(values), **(defaults or {}), **values}, "")
    check(settings)
    return settings


def _suited_to_tasks(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings that suit the collection of tasks that is asked for, in place of the defaults."""
    names = values.get("tasks.names", ())
    asked = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, list | tuple) else ()
    # What is no name is refused later, in words.
    return SUITED.get(asked[0], {}) if len(asked) == 1 and isinstance(asked[0], str) else {}


def given(
    path: Path | None = None, assignments: Sequence[str] = (), flags: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what is given, dotted key to value, without defaults; arguments as for `load`.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values.update(flatten(tomllib.loads(path.read_text(encoding="utf-8"))))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise UsageError(f"cannot read {path}: it is not valid TOML ({error})") from error
    values.update(parse_assignments(assignments))
    values.update({key: value for key, value in (flags or {}).items() if value is not None})
    return values


def dump(settings: Settings) -> str:
    """Return the settings as TOML."""
    import tomli_w

    return tomli_w.dumps(to_dict(settings))


def to_dict(settings: Settings) -> dict[str, Any]:
    """Return the settings as nested dicts and lists, as JSON and TOML hold them."""
    content = dataclasses.asdict(settings)
    content["tasks"]["names"] = list(settings.tasks.names)
    content["start"]["freeze"] = list(settings.start.freeze)
    # TOML wants plain keys before tables.
    return dict(sorted(content.items(), key=lambda item: isinstance(item[1], dict)))


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Read ``section.key=value``, the value as in TOML; a bare word is text.

    Raises
    ------
    UsageError
        If one has no ``=``.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"the setting {assignment}: needed section.key=value, as training.steps=2000")
        values[key.strip()] = _parse(text.strip())
    return values


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _parse(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def _keys(kind: Any, prefix: str = "") -> list[str]:
    hints = get_type_hints(kind)
    return [
        key
        for name, hint in hints.items()
        for key in (_keys(hint, f"{prefix}{name}.") if dataclasses.is_dataclass(hint) else [f"{prefix}{name}"])
    ]


def _build(kind: Any, values: Mapping[str, Any], prefix: str) -> Any:
    if not prefix:
        known = _keys(kind)
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise UsageError(f"there is no setting '{key}'" + (f"; did you mean '{near[0]}'?" if near else ""))
    arguments: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        key = f"{prefix}{name}"
        if dataclasses.is_dataclass(hint):
            arguments[name] = _build(hint, values, f"{key}.")
        elif key in values:
            arguments[name] = _convert(key, values[key], hint)
    return kind(**arguments)


def _convert(key: str, value: Any, hint: Any) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf"):
        return float(value)
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return value
    if hint == tuple[str, ...]:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
            return tuple(value)
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}.get(hint, "names")
    raise UsageError(f"{key} = {value!r} cannot be used: needed {wanted}")


def check(settings: Settings) -> None:
    """Raise `UsageError` for the first value that is out of range."""
    from neuromod.tasks import SEMANTICS, base_tasks

    network, wiring, training, tasks = settings.network, settings.wiring, settings.training, settings.tasks
    limits: list[tuple[str, float, float, float]] = [
        ("network.neurons", network.neurons, 2, 65536),
        ("network.noise", network.noise, 0, 10),
        ("tasks.dt_ms", tasks.dt_ms, 1, 1000),
        ("tasks.counts", tasks.counts, 0, 15),
        ("tasks.first", tasks.first, 0, 1),
        ("tasks.by_error", tasks.by_error, 0, 1),
        ("network.tau_ms", network.tau_ms, settings.dt_ms, 1e6),
        ("wiring.strength", wiring.strength, 0, 1e6),
        ("wiring.layer_spacing", wiring.layer_spacing, 0, 1e3),
        ("wiring.ramp_from", wiring.ramp_from, 0, 1),
        ("wiring.ramp_to", wiring.ramp_to, wiring.ramp_from, 1),
        ("wiring.bias_from", wiring.bias_from, 0, 1),
        ("wiring.swap_every", wiring.swap_every, 0, 1e9),
        ("wiring.reach", wiring.reach, 0, 1e6),
        ("training.steps", training.steps, 1, 1e9),
        ("training.batch", training.batch, 1, 1e6),
        ("training.learning_rate", training.learning_rate, 1e-9, 1),
        ("training.warmup", training.warmup, 0, 1),
        ("training.decay", training.decay, 0, 1),
        ("training.carry", training.carry, 0, 1),
        ("training.clip", training.clip, 1e-9, 1e9),
        ("training.response_weight", training.response_weight, 1e-9, 1e6),
        ("training.label_smoothing", training.label_smoothing, 0, 0.99),
        ("training.log_every", training.log_every, 1, 1e9),
        ("training.checkpoint_every", training.checkpoint_every, 1, 1e9),
        ("training.test_trials", training.test_trials, 1, 1e6),
        ("training.threads", training.threads, 1, 1024),
        ("chip.neurons_per_core", settings.chip.neurons_per_core, 0, 65536),
        ("chip.weight_bits", settings.chip.weight_bits, 0, 32),
        ("chip.spikes", settings.chip.spikes, 0, NO_LEVELS),
        ("data.counts", settings.data.counts, 0, 15),
        ("data.dt_ms", settings.data.dt_ms, 0, 1e6),
        ("data.channels", settings.data.channels, 0, 65536),
        ("data.split_seed", settings.data.split_seed, 0, 2**63 - 1),
        ("data.input_noise", settings.data.input_noise, 0, 1e3),
        ("data.patience", settings.data.patience, 0, 1e9),
        ("seed", settings.seed, 0, 2**63 - 1),
    ]
    for key, value, low, high in limits:
        if not low <= value <= high:
            raise UsageError(f"{key} = {value:g} is out of range: needed {low:g} to {high:g}")
    choices = [
        ("wiring.regularizer", wiring.regularizer, tuple(FAMILY)),
        ("wiring.cost", wiring.cost, WIRING_COSTS),
        ("tasks.semantics", tasks.semantics, SEMANTICS),
        ("network.start", network.start, STARTS),
        ("device", settings.device, DEVICES),
        ("data.readout", settings.data.readout, ("", *READOUTS)),
        *(("start.freeze", part, FREEZES) for part in settings.start.freeze),
    ]
    for key, word, allowed in choices:
        if word not in allowed:
            raise UsageError(f"{key} = {word!r} is unknown: needed {', '.join(allowed)}")
    if wiring.cost != "distance" and wiring.regularizer != "bimt":
        raise UsageError(
            f"wiring.cost = {wiring.cost} replaces the distance of bimt; it cannot be used with {wiring.regularizer}"
        )
    if settings.chip.weight_bits == 1 or 16 < settings.chip.weight_bits < 32:
        raise UsageError(f"chip.weight_bits = {settings.chip.weight_bits}: needed 2 to 16, 32 for none, or 0")
    if tasks.ring not in (4, 8, 16):
        raise UsageError(f"tasks.ring = {tasks.ring} is unknown: needed 4, 8 or 16")
    if settings.start.freeze and not settings.start.run:
        raise UsageError("start.freeze keeps parts of a trained network; it needs one to start from")
    if not tasks.names:
        raise UsageError("tasks.names is empty: name a collection, as yang19, or tasks")
    if tasks.first and not base_tasks(tasks.names):
        raise UsageError(
            f"tasks.first = {tasks.first:g}: all of the tasks are variants, so that none can be learned first; "
            "add those that they are made from, or set it to 0"
        )
