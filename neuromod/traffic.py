"""Packets and hops that a placement causes: an estimate from mean activity, without a simulation of time.

A neuron sends one packet to every other core that holds a target of it, in every step in which it is active. A packet
goes along its row to the column of its destination and then along that column (XY routing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod import wiring
from neuromod.activity import Activity, describe
from neuromod.errors import UsageError
from neuromod.kernels import compiled
from neuromod.network import Network
from neuromod.placement import Grid, Placement
from neuromod.placers.problem import Problem

SCHEMA = "neuromod/traffic/1"

ASSUMPTIONS = (
    "Every figure is an estimate from mean rates; packets do not wait for each other.",
    "An active neuron sends one packet a step to each other core that holds a target of it, copied at its source.",
    "Packets go along the row first, then along the column; synapses within a core send none.",
    "Multicast figures are those of one packet that branches along the same ways.",
    "Inputs and readouts are counted apart: one packet for each active input channel and core that listens to it, and "
    "one for each active neuron that the readout reads.",
)

# First index of a table of link loads: where the link leads.
DIRECTIONS = ("east", "west", "south", "north")


@dataclass(frozen=True, eq=False)
class Traffic:
    """Traffic of one placement per time step.

    Parameters
    ----------
    packets : (cores, cores) float64
        Packets from core to core; the diagonal is zero.
    hops : float
        Hops of all packets.
    links : (4, rows, columns) float64
        Packets over the link that leaves a core in each of `DIRECTIONS`.
    multicast_hops : float
        Links that packets cross if they branch on their way.
    multicast_links : (4, rows, columns) float64
        As `links`, with branching packets.
    destinations : (n,) int64
        Number of other cores to which each neuron sends.
    in_axons : (cores,) int64
        Number of neurons elsewhere that send to each core.
    """

    packets: npt.NDArray[np.float64]
    hops: float
    links: npt.NDArray[np.float64]
    multicast_hops: float
    multicast_links: npt.NDArray[np.float64]
    destinations: npt.NDArray[np.int64]
    in_axons: npt.NDArray[np.int64]


def measure(network: Network, core_of: npt.NDArray[np.integer], grid: Grid, rates: npt.NDArray[np.floating]) -> Traffic:
    """Count the packets, hops and link loads of a placement.

    Parameters
    ----------
    network : Network
        The network; only its recurrent synapses matter.
    core_of : (n,) int
        Core of each neuron.
    grid : Grid
        The cores.
    rates : (n,) float, spikes per time step
        Activity of the neurons.

    Returns
    -------
    Traffic
        Means per time step.

    Raises
    ------
    UsageError
        If the placement or the rates are not for this network.
    """
    if len(core_of) != network.n or len(rates) != network.n:
        raise UsageError(
            f"the network has {network.n} neurons, the placement {len(core_of)} and the rates {len(rates)}"
        )
    by_source = network.w_rec.tocsc()
    packets = np.zeros((grid.cores, grid.cores))
    multicast_links = np.zeros((4, grid.rows, grid.columns))
    destinations = np.zeros(network.n, np.int64)
    in_axons = np.zeros(grid.cores, np.int64)
    _count(
        by_source.indptr, by_source.indices, core_of.astype(np.int32), np.asarray(rates, np.float64),
        packets, multicast_links, destinations, in_axons,
    )  # fmt: skip
    return Traffic(
        packets=packets,
        hops=float((packets * grid.distances()).sum()),
        links=route(packets, grid),
        multicast_hops=float(multicast_links.sum()),
        multicast_links=multicast_links,
        destinations=destinations,
        in_axons=in_axons,
    )


def route(packets: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """Load of every link if the packets between the cores go along the row first, then along the column.

    Parameters
    ----------
    packets : (cores, cores) float64
        Packets from core to core.
    grid : Grid
        The cores.

    Returns
    -------
    (4, rows, columns) float64
        Packets over the link that leaves a core in each of `DIRECTIONS`.
    """
    rows, columns = grid.rows, grid.columns
    every = packets.reshape(rows, columns, rows, columns)
    along_row = every.sum(axis=2)  # (row of the source, its column, column of the destination)
    along_column = every.sum(axis=1)  # (row of the source, row of the destination, column of the destination)
    links = np.zeros((4, rows, columns))
    for c in range(columns - 1):
        links[0, :, c] = along_row[:, : c + 1, c + 1 :].sum(axis=(1, 2))
        links[1, :, c + 1] = along_row[:, c + 1 :, : c + 1].sum(axis=(1, 2))
    for r in range(rows - 1):
        links[2, r] = along_column[: r + 1, r + 1 :].sum(axis=(0, 1))
        links[3, r + 1] = along_column[r + 1 :, : r + 1].sum(axis=(0, 1))
    return links


@compiled
def _count(  # type: ignore[no-untyped-def]  # pragma: no cover
    indptr, targets, core_of, rates, packets, links, destinations, in_axons
):
    cores = len(in_axons)
    columns = links.shape[2]
    seen = np.full(cores, -1, np.int64)
    found = np.empty(cores, np.int64)
    top = np.empty(columns, np.int64)
    bottom = np.empty(columns, np.int64)
    for s in range(len(core_of)):
        home = core_of[s]
        seen[home] = s
        n_found = 0
        for p in range(indptr[s], indptr[s + 1]):
            core = core_of[targets[p]]
            if seen[core] != s:
                seen[core] = s
                found[n_found] = core
                n_found += 1
        destinations[s] = n_found
        if n_found == 0:
            continue
        row = home // columns
        column = home % columns
        left = column
        right = column
        for i in range(n_found):
            core = found[i]
            packets[home, core] += rates[s]
            in_axons[core] += 1
            left = min(left, core % columns)
            right = max(right, core % columns)
        # The tree: a trunk along the row of the source, and in each column a branch up and one down.
        for c in range(left, right + 1):
            top[c] = row
            bottom[c] = row
        for i in range(n_found):
            c = found[i] % columns
            r = found[i] // columns
            top[c] = min(top[c], r)
            bottom[c] = max(bottom[c], r)
        for c in range(column, right):
            links[0, row, c] += rates[s]
        for c in range(left, column):
            links[1, row, c + 1] += rates[s]
        for c in range(left, right + 1):
            for r in range(row, bottom[c]):
                links[2, r, c] += rates[s]
            for r in range(top[c], row):
                links[3, r + 1, c] += rates[s]


def placement_cost(problem: Problem, core_of: npt.NDArray[np.int32]) -> float:
    """Cost of a placement in full: what every incremental method must agree with."""
    k = problem.grid.cores
    source = np.repeat(np.arange(problem.n, dtype=np.int64), np.diff(problem.indptr))
    pairs = np.unique(source * k + core_of[problem.targets])
    source, core = np.divmod(pairs, k)
    return float(problem.rates[source] @ problem.cost[core_of[source], core])


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

    def as_json(self) -> dict[str, Any]:
        """Content of `traffic.json`, without its schema."""
        return {
            **self.summary,
            "shuffled": self.shuffled_summary,
            "activity": self.activity,
            "assumptions": list(self.assumptions),
        }


def estimate(network: Network, placement: Placement, activity: Activity, *, seed: int = 0) -> TrafficReport:
    """Estimate the traffic of a placement, beside the shuffled one.

    In the shuffled placement the neurons exchange their places, position and core, as `shuffle` says.

    Parameters
    ----------
    network : Network
        The network.
    placement : Placement
        Its neurons' cores.
    activity : Activity
        Its neurons' rates.
    seed : int, default 0
        Seed of the shuffle.

    Returns
    -------
    TrafficReport
        Means per time step.
    """
    order = shuffle(network.n, seed)
    reports = []
    for core_of, positions in (
        (placement.core_of, network.positions),
        (placement.core_of[order], None if network.positions is None else network.positions[order]),
    ):
        traffic = measure(network, core_of, placement.grid, activity.rates)
        reports.append((traffic, _summarise(network, core_of, positions, placement.grid, activity, traffic)))
    (own, summary), (shuffled, shuffled_summary) = reports
    return TrafficReport(own, shuffled, summary, shuffled_summary, ASSUMPTIONS, describe(activity))


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
) -> dict[str, Any]:
    counts = {
        "neurons": np.bincount(core_of, minlength=grid.cores),
        "synapses": np.bincount(core_of, weights=np.diff(network.w_rec.indptr), minlength=grid.cores).astype(int),
        "in_axons": traffic.in_axons,
        "out_axons": np.bincount(core_of, weights=traffic.destinations, minlength=grid.cores).astype(int),
    }
    rates = {
        "spikes_per_step": np.bincount(core_of, weights=activity.rates, minlength=grid.cores),
        "packets_sent_per_step": traffic.packets.sum(axis=1),
        "packets_received_per_step": traffic.packets.sum(axis=0),
    }
    per_core = [
        {
            "row": int(row),
            "column": int(column),
            **{name: int(values[core]) for name, values in counts.items()},
            **{name: float(values[core]) for name, values in rates.items()},
        }
        for core, (row, column) in enumerate(grid.coordinates())
    ]
    intra, inter = synapses_across(network, core_of)
    length = None if positions is None else wiring.lengths(network, positions, rates=activity.rates)
    listens = _listening_cores(network, core_of, grid)
    return {
        "wiring_length": None if length is None else length.count,
        "wiring_length_weighted": None if length is None else length.weighted,
        "wiring_length_per_step": None if length is None else length.rate_weighted,
        "mean_synapse_length": None if length is None else length.mean,
        "packets_per_step": float(traffic.packets.sum()),
        "hops_per_step": traffic.hops,
        "multicast_hops_per_step": traffic.multicast_hops,
        "max_link_load_per_step": float(traffic.links.max()),
        "link_load_variance": float(link_loads(traffic.links, grid).var()) if grid.cores > 1 else 0.0,
        "multicast_max_link_load_per_step": float(traffic.multicast_links.max()),
        "input_packets_per_step": float(activity.input_rates @ listens),
        "readout_packets_per_step": float(activity.rates @ (network.w_out != 0).any(axis=0)),
        "intra_core_synapses": intra,
        "inter_core_synapses": inter,
        "links": {name: traffic.links[i].tolist() for i, name in enumerate(DIRECTIONS)},
        "per_core": per_core,
    }


def link_loads(links: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """Loads of the links that exist, (links,): those that lead out of the grid are left out."""
    return np.concatenate(
        [links[0, :, :-1].ravel(), links[1, :, 1:].ravel(), links[2, :-1].ravel(), links[3, 1:].ravel()]
    )


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
