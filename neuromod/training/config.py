"""Putting settings together: defaults, TOML file, ``--set section.key=value``, in rising precedence."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from neuromod.errors import UsageError
from neuromod.training.ranges import check
from neuromod.training.settings import Settings

# Collection -> settings that suit it, where the defaults leave it unlearned: the variants of Mod-Cog are learned by
# networks that know what they vary. docs/reproduction.md has the trials.
SUITED: Mapping[str, Mapping[str, Any]] = {"modcog": {"tasks.first": 0.25, "training.steps": 40000}}

# What a file of settings that an earlier version wrote means where it lacks one of those.
BEFORE: Mapping[str, Any] = {"tasks.first": 0.0}


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
    return SUITED.get(asked[0], {}) if len(asked) == 1 else {}


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
