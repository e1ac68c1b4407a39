"""Hardware targets: what a grid of cores can hold and what an event costs, each figure with its source and kind."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from neuromod.errors import UsageError
from neuromod.placement import Grid

SCHEMA = "neuromod/target/1"

Kind = Literal["measured", "pre-silicon", "vendor", "derived", "chosen"]
Routing = Literal["unicast", "multicast", "none", "unknown"]


@dataclass(frozen=True)
class Meaning:
    """What a figure of a target means: its section in the file, its unit, and one sentence."""

    section: str
    unit: str
    text: str


# Every figure that a target can state; the order is that of `neuromod targets show`.
FIGURES = {
    "chip_rows": Meaning("grid", "cores", "Rows of cores on one chip."),
    "chip_columns": Meaning("grid", "cores", "Columns of cores on one chip."),
    "max_chips": Meaning("grid", "chips", "Chips that can be joined to one grid."),
    "tile_rows": Meaning("grid", "cores", "Rows of cores that share one router."),
    "tile_columns": Meaning("grid", "cores", "Columns of cores that share one router."),
    "neurons": Meaning("limits", "per core", "Neurons that a core holds."),
    "synapses": Meaning("limits", "per core", "Synapses that a core holds, where they are counted one by one."),
    "synapse_memory_bits": Meaning("limits", "bit per core", "Memory for synapses of a core."),
    "in_axons": Meaning("limits", "per core", "Different sources from which a core can receive."),
    "out_axons": Meaning("limits", "per core", "Pairs of a neuron of the core and a core to which it sends."),
    "fan_in": Meaning("limits", "per neuron", "Synapses onto one neuron, inputs included."),
    "fan_out": Meaning("limits", "per neuron", "Synapses from one neuron."),
    "destinations": Meaning("limits", "per neuron", "Places to which one neuron sends, see `destination`."),
    "router_entries": Meaning("limits", "per router", "Entries of a router's multicast table."),
    "weight_bits": Meaning("synapses", "bit", "Bits of a weight, its sign included."),
    "index_bits": Meaning("synapses", "bit", "Bits that a stored synapse takes beside its weight."),
    "energy_synaptic_event": Meaning("cost", "pJ", "Energy of one spike at one synapse."),
    "energy_neuron": Meaning("cost", "pJ", "Energy of one update of one neuron."),
    "energy_spike": Meaning("cost", "pJ", "Energy that a neuron spends when it spikes, on top of its update."),
    "energy_packet": Meaning("cost", "pJ", "Energy of one packet that is sent, without its hops."),
    "energy_hop_x": Meaning("cost", "pJ", "Energy of one hop along a row."),
    "energy_hop_y": Meaning("cost", "pJ", "Energy of one hop along a column."),
    "latency_synaptic_event": Meaning("cost", "ns", "Time of one spike at one synapse."),
    "latency_neuron": Meaning("cost", "ns", "Time of one update of one neuron."),
    "latency_packet": Meaning("cost", "ns", "Time to send one packet, without its hops."),
    "latency_hop_x": Meaning("cost", "ns", "Time of one hop along a row."),
    "latency_hop_y": Meaning("cost", "ns", "Time of one hop along a column."),
    "latency_barrier": Meaning("cost", "ns", "Time to synchronise all cores at the end of a time step."),
    "static_power": Meaning("cost", "mW per chip", "Power that flows without any event."),
}


@dataclass(frozen=True)
class Figure:
    """One figure of a target.

    Parameters
    ----------
    value : float or None
        In the unit of `FIGURES`; infinite where the hardware has no such limit, None where it is unknown.
    kind : str or None
        How it is known: measured, pre-silicon, vendor, derived, or chosen (of a made-up target).
    source : str or None
        Where it stands.
    """

    value: float | None = None
    kind: Kind | None = None
    source: str | None = None

    @property
    def text(self) -> str:
        """The value in words: a number, ``none`` or ``unknown``."""
        if self.value is None:
            return "unknown"
        return "none" if math.isinf(self.value) else f"{self.value:,g}" if self.value % 1 else f"{int(self.value):,}"


UNKNOWN = Figure()


@dataclass(frozen=True)
class Target:
    """A grid of cores: its limits, its routing and the cost of its events.

    Parameters
    ----------
    name, title, about : str
        Short name, full name, and what a user should know.
    routing : str
        ``unicast``: one packet for each core that a spike must reach, copied at its source; ``multicast``: one packet
        that branches on its way; ``none``: a single core; ``unknown``.
    destination : str
        What one destination of the limit `destinations` is: ``core`` or ``chip``.
    local_axons : bool
        Whether spikes that stay on their core take an in-axon (and a destination) too.
    figures : mapping of str to Figure
        The figures, keys as in `FIGURES`; what is left out is unknown.
    """

    name: str
    title: str
    about: str
    routing: Routing
    destination: Literal["core", "chip"]
    local_axons: bool
    figures: Mapping[str, Figure]

    def figure(self, name: str) -> Figure:
        """Return the figure `name`, a key of `FIGURES`."""
        assert name in FIGURES
        return self.figures.get(name, UNKNOWN)

    def value(self, name: str) -> float | None:
        """Value of a figure; infinite for no limit, None for unknown."""
        return self.figure(name).value

    def limit(self, name: str) -> float:
        """Return the number that must not be exceeded: infinite where there is no limit or none is known."""
        value = self.value(name)
        return math.inf if value is None else value

    @property
    def chip(self) -> Grid | None:
        """Cores of one chip; None where unknown or without bounds."""
        rows, columns = self.value("chip_rows"), self.value("chip_columns")
        if rows is None or columns is None or math.isinf(rows) or math.isinf(columns):
            return None
        return Grid(int(rows), int(columns))

    @property
    def tile(self) -> Grid:
        """Cores that share a router; 1x1 where unknown."""
        rows, columns = self.value("tile_rows"), self.value("tile_columns")
        return Grid(int(rows), int(columns)) if rows and columns else Grid(1, 1)

    def as_json(self) -> dict[str, Any]:
        """Return everything as one JSON object; an absent limit is the text ``none``, an unknown one ``unknown``."""
        figures = {}
        for name, meaning in FIGURES.items():
            figure = self.figure(name)
            value: float | int | str = figure.text
            if figure.value is not None and math.isfinite(figure.value):
                value = figure.value if figure.value % 1 else int(figure.value)
            figures[name] = {"value": value, "unit": meaning.unit, "kind": figure.kind, "source": figure.source}
        return {
            "name": self.name,
            "title": self.title,
            "about": self.about,
            "routing": self.routing,
            "destination": self.destination,
            "local_axons": self.local_axons,
            "figures": figures,
        }


def target_names() -> list[str]:
    """Names of the targets that come with neuromod."""
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
    near = difflib.get_close_matches(str(name_or_path), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; choose one of {', '.join(names)}, or the path of a TOML file"
    raise UsageError(f"there is no target {name_or_path}{hint}")


def load_target(name_or_path: str | Path) -> Target:
    """Read and check a target, by its name or by the path of a user's own TOML file.

    Raises
    ------
    UsageError
        If there is no such target or its file breaks the schema; the message names the key.
    """
    return parse_target(read_text(name_or_path), where=str(name_or_path))


def parse_target(text: str, *, where: str) -> Target:
    """Read and check the text of a target's file; `where` names it in messages.

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
    if section == "cost" and math.isinf(number):
        raise UsageError(f"{name}.value must be a number")
    if value.get("kind") not in get_args(Kind):
        raise UsageError(f"{name}.kind must be one of {', '.join(get_args(Kind))}; found {value.get('kind')!r}")
    source = value.get("source")
    if not isinstance(source, str) or not source.strip():
        raise UsageError(f"{name}.source must say where the figure stands")
    return Figure(value=number, kind=value["kind"], source=sources.get(source, source))


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
