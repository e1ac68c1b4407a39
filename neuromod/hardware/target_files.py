"""The files of targets: those that come with neuromod and a user's own, checked key by key."""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from neuromod.errors import UsageError
from neuromod.hardware.targets import FIGURES, UNKNOWN, Figure, Kind, Routing, Target

SCHEMA = "neuromod/target/1"

# Figures that are always a number, and the largest number that counts; beyond it, "none" is meant.
_ALWAYS_A_NUMBER = {"grid.tile_rows", "grid.tile_columns", "synapses.weight_bits", "synapses.index_bits"}
_MOST = 2**53
_TEXTS = ("name", "title", "about", "routing", "destination")


def target_names() -> list[str]:
    """Return the names of the targets that come with neuromod.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    folder = resources.files("neuromod.hw_targets")
    return sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml"))


def read_text(name_or_path: str | Path) -> str:
    """Text of a target's file, by its name or by the path of a user's own.

    Raises
    ------
    UsageError
        If there is no such target.
    """
    names = target_names()
    if str(name_or_path) in names:
        return resources.files("neuromod.hw_targets").joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8")
    path = Path(name_or_path)
    try:
        if path.suffix == ".toml" or path.is_file():
            return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"cannot read the target {path}: {reason}") from error
    near = difflib.get_close_matches(str(name_or_path), names, n=3)
    hint = (
        f"; did you mean {' or '.join(near)}?"
        if near
        else f"; choose one of {', '.join(names)}, or the path of a TOML file"
    )
    raise UsageError(f"there is no target {name_or_path}{hint}")


def load_target(name_or_path: str | Path) -> Target:
    """Read and check a target, by its name or by the path of a user's own TOML file.

    Parameters
    ----------
    name_or_path : str or Path
        One of `target_names`, or a file.

    Returns
    -------
    Target
        Its limits, routing and costs.

    Raises
    ------
    UsageError
        If there is no such target or its file breaks the schema; the message names the key.
    """
    return parse_target(read_text(name_or_path), where=str(name_or_path))


def parse_target(text: str, *, where: str) -> Target:
    """Read and check the text of a target's file.

    Parameters
    ----------
    text : str
        What such a file holds.
    where : str
        What messages call it.

    Returns
    -------
    Target
        Its limits, routing and costs.

    Raises
    ------
    UsageError
        If the text breaks the schema; the message names the key.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"cannot read the target {where}: it is not valid TOML ({error})") from error
    try:
        return _parse(content)
    except UsageError as error:
        raise UsageError(f"cannot use the target {where}: {error}") from error


def as_toml(target: Target) -> str:
    """Text of a target's file: read again, it is the same target."""
    lines = [f"schema = {json.dumps(SCHEMA)}"]
    lines += [f"{key} = {json.dumps(getattr(target, key), ensure_ascii=False)}" for key in _TEXTS]
    lines.append(f"local_axons = {str(target.local_axons).lower()}")
    for section in dict.fromkeys(meaning.section for meaning in FIGURES.values()):
        lines += ["", f"[{section}]"]
        for name, meaning in FIGURES.items():
            figure = target.figure(name)
            if meaning.section != section or name not in target.figures:
                continue
            if figure.value is None:
                lines.append(f'{name} = "unknown"')
                continue
            value = '"none"' if math.isinf(figure.value) else repr(figure.value)
            source = json.dumps(figure.source, ensure_ascii=False)
            lines.append(f'{name} = {{ value = {value}, kind = "{figure.kind}", source = {source} }}')
    return "\n".join(lines) + "\n"


def _parse(content: dict[str, Any]) -> Target:
    if content.get("schema") != SCHEMA:
        raise UsageError(f"its schema is {content.get('schema')!r}, needed {SCHEMA!r}")
    sections = {meaning.section for meaning in FIGURES.values()}
    plain = {"schema", "name", "title", "about", "routing", "destination", "local_axons", "sources"}
    _refuse_unknown("key", content, plain | sections)
    sources = content.get("sources", {})
    if not isinstance(sources, dict) or not all(isinstance(value, str) for value in sources.values()):
        raise UsageError("[sources] must give each source as text")
    figures = {}
    for section in sections:
        table = content.get(section, {})
        if not isinstance(table, dict):
            raise UsageError(f"{section} must be a table")
        _refuse_unknown(f"key of [{section}]", table, {n for n, m in FIGURES.items() if m.section == section})
        for name, value in table.items():
            figures[name] = _parse_figure(f"{section}.{name}", value, sources)
    _check_memory(figures)
    return Target(
        name=_text(content, "name"),
        title=_text(content, "title"),
        about=_text(content, "about"),
        routing=_choice(content, "routing", get_args(Routing)),
        destination=_choice({"destination": "core", **content}, "destination", ("core", "chip")),
        local_axons=_flag(content, "local_axons"),
        figures={name: figures[name] for name in FIGURES if name in figures},
    )


def _parse_figure(name: str, value: Any, sources: Mapping[str, str]) -> Figure:
    if value == "unknown":
        return UNKNOWN
    if not isinstance(value, dict):
        raise UsageError(f'{name} must be "unknown" or a table with value, kind and source')
    _refuse_unknown(f"key of {name}", value, {"value", "kind", "source"})
    number = math.inf if value.get("value") == "none" else value.get("value")
    if isinstance(number, bool) or not isinstance(number, int | float) or math.isnan(number) or number < 0:
        raise UsageError(f'{name}.value must be a number not below 0, or "none" for no limit; found {number!r}')
    number = float(number)
    section = name.split(".")[0]
    if section != "cost" and math.isfinite(number) and (number < 1 or number % 1):
        least = "0, or a whole number" if name == "synapses.index_bits" else "a whole number above 0"
        if not (number == 0 and name == "synapses.index_bits"):
            raise UsageError(f"{name}.value must be {least}, found {value['value']!r}")
    if math.isinf(number) and (section == "cost" or name in _ALWAYS_A_NUMBER):
        raise UsageError(f"{name}.value must be a number")
    if section != "cost" and _MOST < number < math.inf:
        raise UsageError(f'{name}.value must be at most {_MOST:,}, or "none" for no limit; found {number:g}')
    if value.get("kind") not in get_args(Kind):
        raise UsageError(f"{name}.kind must be one of {', '.join(get_args(Kind))}; found {value.get('kind')!r}")
    source = value.get("source")
    if not isinstance(source, str) or not source.strip():
        raise UsageError(f"{name}.source must say where the figure stands")
    return Figure(value=number, kind=value["kind"], source=sources.get(source, source))


def _check_memory(figures: Mapping[str, Figure]) -> None:
    memory = figures.get("synapse_memory_bits", UNKNOWN).value
    bits = sum(figures.get(name, UNKNOWN).value or 0 for name in ("weight_bits", "index_bits"))
    if memory is not None and memory < bits:
        raise UsageError(f"limits.synapse_memory_bits = {memory:g} holds no synapse, which takes {bits:g} bit")


def _refuse_unknown(what: str, table: Mapping[str, Any], known: set[str]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise UsageError(f"unknown {what}: {key}" + (f"; did you mean {near[0]}?" if near else ""))


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{key} must be a text")
    return value


def _flag(table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{key} must be true or false, found {value!r}")
    return value


def _choice(table: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> Any:
    if table.get(key) not in choices:
        raise UsageError(f"{key} must be one of {', '.join(choices)}; found {table.get(key)!r}")
    return table[key]


def bits_of(target: Target | str, *, option: str = "weight_bits") -> int:
    """Bits of a weight on a chip, given by itself, its name or the path of a TOML file.

    Parameters
    ----------
    target : Target or str
        The chip.
    option : str, default weight_bits
        How messages name what says the number instead.

    Raises
    ------
    UsageError
        If there is no such target, or the number is unknown.
    """
    from neuromod.hardware import load_target

    chip = load_target(target) if isinstance(target, str) else target
    figure = chip.figure("weight_bits")
    if figure.value is None:
        raise UsageError(f"the number of bits of a weight on {chip.name} is {figure.text}; give one with {option}")
    return int(figure.value)
