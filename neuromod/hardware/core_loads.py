"""What every core has to do in a time step: the busiest one sets the pace of a chip.

Chips of many cores are as slow as their busiest core, whatever the sum of hops: the floorline model takes the largest
number of synaptic operations, updates of neurons and messages of any core. Here the load of a core is a weighted sum of
these counts.

References
----------
"The floorline model", arXiv:2511.21549, measured on Loihi 2, Speck and AKD1000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.hardware.grid import Grid
from neuromod.hardware.routing import Traffic
from neuromod.hardware.targets import Target
from neuromod.network import Network

# Figures of a target that weigh what a core does.
_LATENCIES = ("latency_synaptic_event", "latency_neuron", "latency_packet")


@dataclass(frozen=True)
class CoreWeights:
    """What one event of each kind adds to the load of a core.

    Parameters
    ----------
    synaptic_event, update, packet_out, packet_in : float
        A spike at a synapse, the update of a neuron, a packet that is sent, and one that is received.
    unit : str
        ``ns``, or ``events`` where the weights are equal shares.
    origin : str
        Where the weights come from, in words.
    """

    synaptic_event: float = 0.25
    update: float = 0.25
    packet_out: float = 0.25
    packet_in: float = 0.25
    unit: str = "events"
    origin: str = "equal shares"

    def as_array(self) -> npt.NDArray[np.float64]:
        """Weights of `CoreLoads.counts`, (4,)."""
        return np.array([self.synaptic_event, self.update, self.packet_out, self.packet_in])

    def as_json(self) -> dict[str, Any]:
        """Return the weights, their unit and where they come from."""
        names = CoreLoads.KINDS
        return {**dict(zip(names, self.as_array().tolist(), strict=True)), "unit": self.unit, "origin": self.origin}


@dataclass(frozen=True, eq=False)
class CoreWork:
    """What neurons and packets add to the load of a core, for the objective ``max-core``.

    Parameters
    ----------
    weights : (4,) float64
        Of a synaptic event, an update, a packet that is sent and one that is received, of `CoreWeights`.
    events : (n,) float64
        Synaptic events at each neuron per step.
    branching : bool
        Whether one packet reaches all destinations of a spike, so that it is sent once.
    """

    weights: npt.NDArray[np.float64]
    events: npt.NDArray[np.float64]
    branching: bool = False


@dataclass(frozen=True, eq=False)
class CoreLoads:
    """What every core does in a time step.

    Parameters
    ----------
    counts : (4, cores) float64
        Synaptic events, updates of neurons, packets sent and packets received, per step; packets between cores alone,
        a packet that branches on its way counts once where it is sent.
    weights : CoreWeights
        What they weigh.
    """

    KINDS = ("synaptic_events", "updates", "packets_sent", "packets_received")

    counts: npt.NDArray[np.float64]
    weights: CoreWeights

    @property
    def total(self) -> npt.NDArray[np.float64]:
        """Load of each core, (cores,), in the unit of the weights."""
        load: npt.NDArray[np.float64] = self.weights.as_array() @ self.counts
        return load

    def busiest(self, grid: Grid) -> dict[str, Any]:
        """Return the largest load, whose it is, and the largest count of each kind, JSON only."""
        load = self.total
        core = int(load.argmax())
        most = zip(self.KINDS, self.counts.max(axis=1).tolist(), strict=True)
        return {
            "load": float(load[core]),
            "row": core // grid.columns,
            "column": core % grid.columns,
            "mean_load": float(load[load > 0].mean()) if load.any() else 0.0,
            "most": dict(most),
            "weights": self.weights.as_json(),
        }


def core_weights(target: Target | None) -> CoreWeights:
    """Return the latencies that a target states, as weights; equal shares if one of them is unknown.

    Parameters
    ----------
    target : Target or None
        A packet weighs what it takes to send one, at both ends; None stands for a target that states nothing.

    Returns
    -------
    CoreWeights
        The weights, and where they come from.
    """
    values = {name: None if target is None else target.value(name) for name in _LATENCIES}
    unknown = [name for name, value in values.items() if value is None]
    if target is None or unknown:
        name = "the target" if target is None else target.name
        return CoreWeights(origin=f"equal shares, since {name} states no {', '.join(unknown)}")
    event, update, packet = (float(value or 0.0) for value in values.values())
    if not event + update + packet:
        return CoreWeights(origin=f"equal shares, since all latencies of {target.name} are zero")
    kinds = ", ".join(sorted({str(target.figure(name).kind) for name in _LATENCIES}))
    origin = f"latencies of {target.name} ({kinds}); receiving a packet counts as sending one"
    return CoreWeights(event, update, packet, packet, "ns", origin)


def synaptic_events(
    network: Network, rates: npt.NDArray[np.floating], input_rates: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Spikes that arrive at the synapses of each neuron per step, those of the inputs included, (n,)."""
    w_rec = network.w_rec
    pattern = sparse.csr_array((np.ones(w_rec.nnz, np.float32), w_rec.indices, w_rec.indptr), shape=w_rec.shape)
    events: npt.NDArray[np.float64] = pattern @ rates + (network.w_in != 0) @ input_rates
    return events


def count_core_loads(
    core_of: npt.NDArray[np.integer], traffic: Traffic, events: npt.NDArray[np.float64], target: Target | None
) -> CoreLoads:
    """Count what every core does in a step.

    Parameters
    ----------
    core_of : (n,) int
        Core of each neuron.
    traffic : Traffic
        Packets between the cores.
    events : (n,) float64
        Of `synaptic_events`.
    target : Target or None
        Says whether packets branch in the routers, and what events weigh.

    Returns
    -------
    CoreLoads
        Counts and loads of all cores.
    """
    k = traffic.packets.shape[0]
    branches = target is not None and target.branches
    counts = np.stack(
        [
            np.bincount(core_of, weights=events, minlength=k),
            np.bincount(core_of, minlength=k).astype(np.float64),
            traffic.multicast_sent if branches else traffic.packets.sum(axis=1),
            traffic.packets.sum(axis=0),
        ]
    )
    return CoreLoads(counts, core_weights(target))
