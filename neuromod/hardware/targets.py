"""Hardware targets: what a grid of cores can hold and what an event costs, each figure with its source and kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from neuromod.errors import UsageError
from neuromod.hardware.grid import Grid

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
    "mesh_rows": Meaning("grid", "chips", "Rows of the largest mesh that chips are joined to."),
    "mesh_columns": Meaning("grid", "chips", "Columns of the largest mesh that chips are joined to."),
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
    "output_channels": Meaning("limits", "per chip", "Outputs that can be read off the chip."),
    "input_events": Meaning("limits", "per channel and step", "Events of one input channel in one step."),
    "spikes": Meaning("limits", "per neuron and step", "Spikes of one neuron in one step."),
    "router_entries": Meaning("limits", "per router", "Entries of a router's multicast table."),
    "weight_bits": Meaning("synapses", "bit", "Bits of a weight, its sign included."),
    "index_bits": Meaning("synapses", "bit", "Bits that a stored synapse takes beside its weight."),
    "energy_synaptic_event": Meaning("cost", "pJ", "Energy of one spike at one synapse."),
    "energy_neuron": Meaning("cost", "pJ", "Energy of one update of one neuron."),
    "energy_spike": Meaning("cost", "pJ", "Energy that a neuron spends when it spikes, on top of its update."),
    "energy_packet": Meaning("cost", "pJ", "Energy of one packet that is sent, without its hops."),
    "energy_hop_x": Meaning("cost", "pJ", "Energy of one hop along a row."),
    "energy_hop_y": Meaning("cost", "pJ", "Energy of one hop along a column."),
    "energy_hop_chip": Meaning(
        "cost", "pJ", "Energy of one hop from chip to chip, in place of one along a row or column."
    ),
    "hops_of_chip_hop": Meaning("cost", "hops", "Hops as which one from chip to chip counts in what is made small."),
    "latency_synaptic_event": Meaning("cost", "ns", "Time of one spike at one synapse."),
    "latency_neuron": Meaning("cost", "ns", "Time of one update of one neuron."),
    "latency_packet": Meaning("cost", "ns", "Time to send one packet, without its hops."),
    "latency_hop_x": Meaning("cost", "ns", "Time of one hop along a row."),
    "latency_hop_y": Meaning("cost", "ns", "Time of one hop along a column."),
    "latency_hop_chip": Meaning("cost", "ns", "Time of one hop from chip to chip."),
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

# What the energy of a packet is made of.
PACKET_ENERGIES = ("energy_packet", "energy_hop_x", "energy_hop_y")


@dataclass(frozen=True)
class PacketPrice:
    """What one packet costs, in any unit.

    Parameters
    ----------
    sent : float
        To send it, without its hops.
    along_row, along_column : float
        A hop along a row, and one along a column.
    across : float, optional
        A hop from chip to chip; as any other if omitted.
    """

    sent: float
    along_row: float
    along_column: float
    across: float | None = None


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
    def takes_counts(self) -> bool:
        """Whether an input channel takes several events in a step, which neurons see behind their low-pass."""
        events = self.value("input_events")
        return events is not None and 1 < events < math.inf

    @property
    def branches(self) -> bool:
        """Whether one packet branches in the routers, instead of one copy for each destination."""
        return self.routing == "multicast"

    def energy_of_packet(self, *, chips: bool = False) -> PacketPrice:
        """Return the picojoules of a packet and of its hops.

        Parameters
        ----------
        chips : bool, default False
            Whether there are hops from chip to chip, too.

        Raises
        ------
        UsageError
            If one of them is unknown.
        """
        names = (*PACKET_ENERGIES, *(("energy_hop_chip",) if chips else ()))
        values = [self.value(name) for name in names]
        unknown = [name for name, value in zip(names, values, strict=True) if value is None]
        if unknown:
            raise UsageError(
                f"the energy of packets on {self.name} is unknown ({', '.join(unknown)}); "
                "choose another objective or another target"
            )
        return PacketPrice(*(value or 0.0 for value in values))

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
