"""Energy and time of a step on a target, made of its published figures: estimates, each part with its kind.

A part whose figures are not all known is unknown, and so is every sum that it would enter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.hardware import (
    Grid,
    Target,
    Traffic,
    chip_of_core,
    chip_with_borders,
    chips_of,
    core_loads,
    hops_between_chips,
    pairs_of,
)
from neuromod.metrics import Activity
from neuromod.network import Network


def synaptic_events(network: Network, activity: Activity) -> npt.NDArray[np.float64]:
    """Spikes that arrive at the synapses of each neuron per step, those of the inputs included, (n,)."""
    return core_loads.synaptic_events(network, activity.rates, activity.input_rates)


def packets_sent(traffic: Traffic, target: Target) -> npt.NDArray[np.float64]:
    """Packets that each core sends per step, (cores,): one for each spike where they branch, else for each core."""
    return traffic.multicast_sent if target.branches else traffic.packets.sum(axis=1)


def estimate_energy(
    network: Network,
    activity: Activity,
    target: Target,
    traffic: Traffic,
    events: npt.NDArray[np.float64],
    *,
    chips: int | None = 1,
    chip: Grid | None = None,
) -> dict[str, Any]:
    """Energy of a step in picojoules, split into synaptic events, neurons, packets and hops.

    Parameters
    ----------
    network : Network
        The network.
    activity : Activity
        Its rates.
    target : Target
        Whose figures are used.
    traffic : Traffic
        Of the placement; with branching packets where the target's routers branch them.
    events : (n,) float64
        Of `synaptic_events`.
    chips : int or None, default 1
        Chips that hold neurons, of `neuromod.hardware.resources.chips_used`; None if unknown.
    chip : Grid, optional
        Cores of one chip, where the grid spans several: hops from chip to chip are charged apart.

    Returns
    -------
    dict
        For each part its ``count`` per step, ``pj`` or None, the ``kind`` of its figures and what is ``unknown``; their
        sum ``total_pj`` or None; and ``static_mw`` of all ``chips`` together or None.
    """
    links = traffic.multicast_links if target.branches else traffic.links
    spikes = float(activity.rates.sum())
    across, down, between = hops_between_chips(links, chip, target.tile)
    parts = {
        "synaptic_event": _part(target, {"energy_synaptic_event": float(events.sum())}),
        "neuron": _part(target, {"energy_neuron": float(network.n), "energy_spike": spikes}, count=network.n),
        "packet": _part(target, {"energy_packet": float(packets_sent(traffic, target).sum())}),
        "hop": _part(target, {"energy_hop_x": across, "energy_hop_y": down, "energy_hop_chip": between}),
    }
    known = [part["pj"] for part in parts.values()]
    static = target.value("static_power")
    return {
        **parts,
        "total_pj": None if None in known else sum(known),
        "static_mw": None if static is None or chips is None else static * chips,
        "chips": chips,
        "static_kind": target.figure("static_power").kind,
    }


def _part(target: Target, counts: dict[str, float], *, count: float | None = None) -> dict[str, Any]:
    # What never happens costs nothing, whether its figure is known or not.
    figures = {name: target.figure(name) for name, number in counts.items() if number}
    unknown = [name for name, figure in figures.items() if figure.value is None]
    kinds = sorted({figure.kind for figure in figures.values() if figure.kind})
    return {
        "count": sum(counts.values()) if count is None else count,
        "pj": None if unknown else sum(counts[name] * (figure.value or 0.0) for name, figure in figures.items()),
        "kind": kinds,
        "unknown": unknown,
    }


def estimate_time(
    network: Network,
    core_of: npt.NDArray[np.integer],
    grid: Grid,
    target: Target,
    traffic: Traffic,
    events: npt.NDArray[np.float64],
) -> dict[str, Any]:
    """Time of a step in nanoseconds: the busiest core, the longest way of a packet, and the barrier.

    Parameters
    ----------
    network : Network
        The network.
    core_of : (n,) int
        Core of each neuron.
    grid : Grid
        The cores.
    target : Target
        Whose figures are used.
    traffic : Traffic
        Packets between the cores.
    events : (n,) float64, per step
        Synaptic events at each neuron, from `synaptic_events`.

    Returns
    -------
    dict
        ``core_ns``, ``way_ns`` and ``barrier_ns``, each None if unknown, their sum ``total_ns`` or None, the ``kind``
        of the figures and what is ``unknown``.
    """
    k = grid.cores
    loads = {
        "latency_neuron": np.bincount(core_of, minlength=k).astype(np.float64),
        "latency_synaptic_event": np.bincount(core_of, weights=events, minlength=k),
        "latency_packet": packets_sent(traffic, target),
    }
    source, receiver, _ = traffic.pairs()
    down, across, between = hops_of(source, receiver, grid, chip_with_borders(grid, target))
    names = [*loads, "latency_hop_x", "latency_hop_y", "latency_barrier"]
    if between.any():
        names.append("latency_hop_chip")
    figures = {name: target.figure(name) for name in names}
    unknown = [name for name, figure in figures.items() if figure.value is None]
    if not len(source):
        unknown = [name for name in unknown if not name.startswith("latency_hop") and name != "latency_packet"]

    def sum_of(table: dict[str, Any]) -> Any:
        if any(name in unknown for name in table):
            return None
        return sum((figures[name].value or 0.0) * load for name, load in table.items())

    core = sum_of(loads)
    hops = {"latency_hop_x": across, "latency_hop_y": down}
    way = sum_of(hops | ({"latency_hop_chip": between} if between.any() else {}))
    times = {
        "core_ns": None if core is None else float(core.max()),
        "way_ns": None if way is None else float(np.max(way, initial=0.0)),
        "barrier_ns": target.value("latency_barrier"),
    }
    known = list(times.values())
    return {
        **times,
        "total_ns": None if None in known else sum(value for value in known if value is not None),
        "kind": sorted({figure.kind for figure in figures.values() if figure.kind}),
        "unknown": unknown,
    }


def hops_of(
    source: npt.NDArray[np.integer], receiver: npt.NDArray[np.integer], grid: Grid, chip: Grid | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hops along columns, along rows and from chip to chip between pairs of cores; `chip` is None for a single one."""
    at = grid.routers()
    down, across = np.abs(at[source] - at[receiver]).T
    none = np.zeros(len(source), np.int64)
    if chip is None:
        return down, across, none
    place = grid.coordinates() // (chip.rows, chip.columns)
    rows, columns = np.abs(place[source] - place[receiver]).T
    return down - rows, across - columns, rows + columns


def packets_between_chips(packets: Any, grid: Grid, target: Target) -> float | None:
    """Packets per step that leave their chip; None where the size of a chip is unknown, 0 on a single chip."""
    if target.value("chip_rows") is None or target.value("chip_columns") is None:
        return None
    chip = chip_of_core(grid, target)
    if chip is None or chips_of(grid, target) == 1:
        return 0.0
    source, receiver, load = pairs_of(packets)
    return float(load[chip[source] != chip[receiver]].sum())
