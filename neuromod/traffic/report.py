"""Packets and hops that a placement causes: an estimate from mean activity, without a simulation of time.

A neuron sends one packet to every other core that holds a target of it, in every step in which it is active. A packet
goes along its row to the column of its destination and then along that column (XY routing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.hardware import (
    DIRECTIONS,
    CoreLoads,
    Grid,
    Target,
    Traffic,
    chip_with_borders,
    chips_used,
    count_core_loads,
    count_usage,
    link_loads,
    load_target,
    measure,
    target_names,
)
from neuromod.mapping import Placement
from neuromod.metrics import Activity, describe, find_activity, wiring
from neuromod.network import Network
from neuromod.notebook import html_table
from neuromod.traffic import energy_and_time

SCHEMA = "neuromod/traffic/1"

# Cores up to which all of them and their links are listed; beyond, only the cores that hold neurons.
MOST_LISTED = 16_384

# Says how cores are counted where no target does.
_BARE = Target("", "", "", "unicast", "core", False, {})

ASSUMPTIONS = (
    "Every figure is an estimate from mean rates; packets do not wait for each other.",
    "An active neuron sends one packet a step to each other core that holds a target of it, copied at its source.",
    "Packets go along the row first, then along the column; synapses within a core send none.",
    "Multicast figures are those of one packet that branches along the same ways.",
    "Inputs and readouts are counted apart: one packet for each active input channel and core that listens to it, and "
    "one for each active neuron that the readout reads.",
)


@dataclass(frozen=True, eq=False)
class TrafficReport:
    """Traffic of a placement beside that of a shuffled one.

    Parameters
    ----------
    own, shuffled : Traffic
        Of the placement, and of the same with the neurons exchanged at random, so that every core is as full.
    summary, shuffled_summary : dict
        The same in figures, JSON only, keys alike.
    assumptions : tuple of str
        What was assumed.
    activity : dict
        Where the rates come from.
    """

    own: Traffic
    shuffled: Traffic
    summary: dict[str, Any]
    shuffled_summary: dict[str, Any]
    assumptions: tuple[str, ...]
    activity: dict[str, Any]

    def _repr_html_(self) -> str:
        keys = ("wiring_length", "packets_per_step", "hops_per_step", "max_link_load_per_step", "inter_core_synapses")
        rows = [
            (key.replace("_", " "), f"{_short(self.summary[key])}; shuffled {_short(self.shuffled_summary[key])}")
            for key in keys
        ]
        return html_table("Traffic (estimate)", rows)

    def as_json(self) -> dict[str, Any]:
        """Content of `traffic.json`, without its schema."""
        return {
            **self.summary,
            "shuffled": self.shuffled_summary,
            "activity": self.activity,
            "assumptions": list(self.assumptions),
        }


def _short(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.5g}"


def estimate(
    network: Network,
    placement: Placement,
    activity: Activity | None = None,
    *,
    target: Target | None = None,
    seed: int = 0,
) -> TrafficReport:
    """Estimate what a placement costs, beside the shuffled one, as `neuromod estimate` does.

    In the shuffled placement the neurons exchange their places, position and core, as `shuffle` says.

    Parameters
    ----------
    network : Network
        The network.
    placement : Placement
        Its neurons' cores.
    activity : Activity, optional
        How often each neuron sends; `activity.find_activity` if omitted.
    target : Target, optional
        For energy, time and chips; the placement's, where it is known, if omitted; else they are left out.
    seed : int, default 0
        Seed of the shuffle.

    Returns
    -------
    TrafficReport
        Means per time step: ``summary["hops_per_step"]`` in packet-hops, ``summary["packets_per_step"]``, …

    Raises
    ------
    UsageError
        If placement or activity are of another network.

    Examples
    --------
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=np.eye(4, k=1), w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...                        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> placement = neuromod.place(net, cores=(1, 2), neurons_per_core=2)
    >>> neuromod.estimate(net, placement).summary["hops_per_step"]
    1.0
    """
    activity = activity or find_activity(network)
    target = target or placement.hardware
    if target is None and placement.target in target_names():
        target = load_target(placement.target)
    sizes = (len(placement.core_of), len(activity.rates), len(activity.input_rates))
    if sizes != (network.n, network.n, network.n_in):
        raise UsageError(
            f"the placement is of {sizes[0]} neurons and the activity of {sizes[1]} with {sizes[2]} inputs, but the "
            f"network has {network.n} and {network.n_in}; run `neuromod.place`"
        )
    order = shuffle(network.n, seed)
    reports = []
    for core_of, positions in (
        (placement.core_of, network.positions),
        (placement.core_of[order], None if network.positions is None else network.positions[order]),
    ):
        traffic = measure(network, core_of, placement.grid, activity.rates)
        usage = count_usage(network, core_of, placement.grid, target or _BARE).of_core
        events = energy_and_time.synaptic_events(network, activity)
        work = count_core_loads(core_of, traffic, events, target)
        summary = _summarise(network, core_of, positions, placement.grid, activity, traffic, usage, work)
        if target is not None:
            summary |= _on_target(network, core_of, placement.grid, activity, traffic, target, events)
        reports.append((traffic, summary))
    (own, summary), (shuffled, shuffled_summary) = reports
    return TrafficReport(own, shuffled, summary, shuffled_summary, ASSUMPTIONS, describe(activity))


def _on_target(
    network: Network,
    core_of: npt.NDArray[np.int32],
    grid: Grid,
    activity: Activity,
    traffic: Traffic,
    target: Target,
    events: npt.NDArray[np.float64],
) -> dict[str, Any]:
    return {
        "packets_off_chip_per_step": energy_and_time.packets_between_chips(traffic.packets, grid, target),
        "energy_per_step": energy_and_time.estimate_energy(
            network,
            activity,
            target,
            traffic,
            events,
            chips=chips_used(core_of, grid, target),
            chip=chip_with_borders(grid, target),
        ),
        "time_per_step": energy_and_time.estimate_time(network, core_of, grid, target, traffic, events),
    }


def shuffle(n: int, seed: int) -> npt.NDArray[np.int64]:
    """Return whose place each of `n` neurons takes in the shuffled placement: every core stays as full as it was."""
    return np.random.default_rng(seed).permutation(n)


def _summarise(
    network: Network,
    core_of: npt.NDArray[np.int32],
    positions: npt.NDArray[Any] | None,
    grid: Grid,
    activity: Activity,
    traffic: Traffic,
    usage: dict[str, npt.NDArray[np.int64]],
    work: CoreLoads,
) -> dict[str, Any]:
    counts = {name: usage[name] for name in ("neurons", "synapses", "in_axons", "out_axons")}
    rates = {
        "spikes_per_step": np.bincount(core_of, weights=activity.rates, minlength=grid.cores),
        "packets_sent_per_step": traffic.packets.sum(axis=1),
        "packets_received_per_step": traffic.packets.sum(axis=0),
        "synaptic_events_per_step": work.counts[0],
        "updates_per_step": work.counts[1],
        "load": work.total,
    }
    cores = np.arange(grid.cores) if grid.cores <= MOST_LISTED else np.flatnonzero(counts["neurons"])
    row, column = np.divmod(cores, grid.columns)
    table = {"row": row, "column": column, **{name: values[cores] for name, values in {**counts, **rates}.items()}}
    lines = zip(*(values.tolist() for values in table.values()), strict=True)
    per_core = [dict(zip(table, line, strict=True)) for line in lines]
    intra, inter = synapses_across(network, core_of)
    length = None if positions is None else wiring.lengths(network, positions, rates=activity.rates)
    listens = _listening_cores(network, core_of, grid)
    loads = link_loads(traffic.links, grid)
    return {
        "wiring_length": None if length is None else length.count,
        "wiring_length_weighted": None if length is None else length.weighted,
        "wiring_length_per_step": None if length is None else length.rate_weighted,
        "mean_synapse_length": None if length is None else length.mean,
        "packets_per_step": float(traffic.packets.sum()),
        "hops_per_step": traffic.hops,
        "multicast_hops_per_step": traffic.multicast_hops,
        "max_link_load_per_step": float(traffic.links.max()),
        # Cores that share one router have no link between them.
        "link_load_variance": float(loads.var()) if len(loads) else 0.0,
        "multicast_max_link_load_per_step": float(traffic.multicast_links.max()),
        "input_packets_per_step": float(activity.input_rates @ listens),
        "readout_packets_per_step": float(activity.rates @ (network.w_out != 0).any(axis=0)),
        "intra_core_synapses": intra,
        "inter_core_synapses": inter,
        "links": {name: traffic.links[i].tolist() for i, name in enumerate(DIRECTIONS)}
        if grid.cores <= MOST_LISTED
        else None,
        "busiest_core": work.busiest(grid),
        "per_core": per_core,
    }


def synapses_across(network: Network, core_of: npt.NDArray[np.integer]) -> tuple[int, int]:
    """Number of recurrent synapses within a core, and of those between cores."""
    target = np.repeat(core_of, np.diff(network.w_rec.indptr))
    within = int((target == core_of[network.w_rec.indices]).sum())
    return within, network.n_synapses - within


def _listening_cores(network: Network, core_of: npt.NDArray[np.integer], grid: Grid) -> npt.NDArray[np.int64]:
    """Number of cores that listen to each input channel, (n_in,)."""
    neuron, channel = np.nonzero(network.w_in)
    pairs = np.unique(channel.astype(np.int64) * grid.cores + core_of[neuron])
    return np.bincount(pairs // grid.cores, minlength=network.n_in)
