"""Why a network cannot fit a target whatever is changed about its placement: bounds that hold for every placement."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Target, synapses_of_neurons
from neuromod.mapping.limits import cores_needed, most_cores, synapses_by_memory
from neuromod.network import Network

# Neurons beyond a limit that are few: each is one to be seen to by hand.
_FEW = 0.05


def find_hubs(network: Network, target: Target) -> list[str]:
    """Name the few neurons that alone are too much for any core, in words; the others must not be pruned for them."""
    found = []
    for numbers, words in _beyond(network, target):
        if len(numbers) > max(1, _FEW * network.n):
            continue
        what = "targets" if "sends" in words else "sources"
        worst = network.neuron_ids[numbers[0]]
        if len(numbers) == 1:
            found.append(f"neuron {worst} alone {words}: split it or take {what} away")
            continue
        names = ", ".join(str(network.neuron_ids[i]) for i in numbers[:10]) + (" …" if len(numbers) > 10 else "")
        found.append(
            f"neurons {names} alone are too much for a core (neuron {worst} {words}): split them or take {what} away"
        )
    return found


def find_obstacles(network: Network, target: Target, neurons_per_core: int | None) -> list[str]:
    """Name everything that keeps a network from a target on any of its grids, in words; may be empty."""
    found = find_hubs(network, target)
    for numbers, words in _beyond(network, target):
        if len(numbers) > max(1, _FEW * network.n):
            many = f"{len(numbers):,} of {network.n:,} neurons are too much for a core"
            found.append(f"{many} (neuron {network.neuron_ids[numbers[0]]} {words})")
    most = most_cores(target)
    channels, limit = count_channels(network), target.limit("in_axons")
    if most == 1 and channels > limit:
        found.append(f"there are {channels:,} input channels, and {target.name} takes {limit:,.0f} sources")
    capacity = min(neurons_per_core or math.inf, target.limit("neurons"))
    if math.isfinite(capacity):
        needed = cores_needed(network, target, int(capacity))
        short = [f"{cores:,} cores by {name}" for name, cores in needed.items() if cores > most]
        if short:
            has = f"at most {most:,} cores" if most > 1 else "one core"
            found.append(f"it takes {' and '.join(short)}, and there can be {has} of {target.name}")
    return found


def count_channels(network: Network) -> int:
    """Input channels that reach a neuron."""
    return int(network.w_in.any(axis=0).sum())


def _beyond(network: Network, target: Target) -> list[tuple[npt.NDArray[np.intp], str]]:
    """Neurons that no core can hold, worst first, and why, for each limit."""
    counts = synapses_of_neurons(network)
    loops = network.w_rec.diagonal() != 0
    room = min(target.limit("neurons"), network.n)
    # The other neurons of its core take no axons, if spikes that stay take none.
    near = 0 if target.local_axons else room - 1
    sources = counts["fan_in"] - (0 if target.local_axons else loops)
    # Sources of the only core are input channels, which all its neurons share.
    outside = target.limit("in_axons") if most_cores(target) > 1 else math.inf
    per_core = min(target.limit("synapses"), synapses_by_memory(target))
    aims = counts["fan_out"] - (0 if target.local_axons else loops)
    places = room * (target.chip.cores if target.destination == "chip" and target.chip else 1)
    reached = np.ceil(np.maximum(aims - (0 if target.local_axons else places - 1), 0) / places)
    found: list[tuple[npt.NDArray[np.intp], str]] = []
    for needs, limit, words in (
        (counts["fan_in"], target.limit("fan_in"), "listens to {} synapses, and the limit is {}"),
        (counts["fan_in"], per_core, "listens to {} synapses, and a core holds {}"),
        (sources - near, outside, "listens to {} sources from outside its core, which takes {}"),
        (counts["fan_out"], target.limit("fan_out"), "sends to {} neurons, and the limit is {}"),
        (reached, target.limit("destinations"), f"sends to {{}} {target.destination}s at least, and the limit is {{}}"),
    ):
        over = np.flatnonzero(needs > limit)
        # One reason is enough for a neuron.
        if len(over) and not any(set(over) <= set(order) for order, _ in found):
            order = over[np.argsort(-needs[over], kind="stable")]
            text = words.format(f"{int(needs[order[0]]):,}", f"{limit:,.0f}")
            found.append((order, text))
    return found
