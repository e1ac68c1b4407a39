"""What a placement needs of a target's resources, and everything in which it does not fit, in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.hardware import (
    Grid,
    Target,
    bits_of_synapse,
    chip_of_core,
    chips_of,
    count_usage,
    grown_on,
    synapses_of_neurons,
)
from neuromod.mapping.problem import CoreLimits
from neuromod.metrics import channel_names
from neuromod.network import Network

# Cores of a grid, 1024x1024: as many as the largest machines have.
MOST_CORES = 2**20
# Rows of cores of a larger grid that is advised.
_MOST_ROWS = 16_384
# Room that a core has beyond an even share of the neurons, where the target does not say how many it holds.
_SLACK = 0.05

# Resource -> how a message names it, with `needed` and `limit` put in.
_OF_A_CORE = {
    "neurons": "{needed} neurons, limit {limit}",
    "synapses": "{needed} synapses, limit {limit}",
    "synapse_memory_bits": "{needed} bit of synapse memory, limit {limit}",
    "in_axons": "{needed} in-axons, limit {limit}",
    "out_axons": "{needed} out-axons, limit {limit}",
}
_OF_A_NEURON = {
    "fan_in": "fan-in of neuron {neuron} is {needed}, limit {limit}",
    "fan_out": "fan-out of neuron {neuron} is {needed}, limit {limit}",
    "destinations": "neuron {neuron} sends to {needed} {places}, limit {limit}",
}


@dataclass(frozen=True)
class Violation:
    """One resource that is exceeded on one core, or on the whole grid.

    Parameters
    ----------
    resource : str
        Which, a limit of `neuromod.hardware.targets.FIGURES`; ``cores``, a grid of more chips than can be joined; or
        ``total``, a grid of fewer cores than it takes.
    core : tuple of int or None
        Row and column; None for the whole grid.
    neuron : int or None
        Number of the worst neuron, where the limit is one of neurons.
    needed, limit : int
        What there would have to be and what there is.
    others : int
        Further neurons of that core beyond the same limit.
    text : str
        The same in words.
    """

    resource: str
    core: tuple[int, int] | None
    neuron: int | None
    needed: int
    limit: int
    others: int
    text: str


def decide_capacity(
    target: Target,
    grid: Grid,
    n: int,
    neurons_per_core: int | None = None,
    *,
    spread: bool = False,
    option: str = "neurons_per_core",
) -> tuple[int, str]:
    """Neurons that a core takes, and where that number comes from, in words.

    It is `neurons_per_core` if given, else the target's limit, else an even share with 5 % slack.

    Parameters
    ----------
    target : Target
        Says how many neurons a core can hold.
    grid : Grid
        The cores.
    n : int
        Number of neurons.
    neurons_per_core : int, optional
        What is asked for.
    spread : bool, default False
        Take no more than the even share with its slack where the target's limit is larger: training for a grid is
        about the packets between its cores, and on one core that holds all neurons there are none.
    option : str, default neurons_per_core
        How messages name what is asked for.

    Raises
    ------
    UsageError
        If `neurons_per_core` is below 1 or above the target's limit.
    """
    limit = target.limit("neurons")
    if neurons_per_core is not None:
        if neurons_per_core < 1:
            raise UsageError(f"{option} = {neurons_per_core}: a core holds at least 1 neuron")
        if neurons_per_core > limit:
            raise UsageError(f"{option} = {neurons_per_core:,} is above what {target.name} holds, {limit:,.0f}")
        return neurons_per_core, "as asked for"
    share = math.ceil((1 + _SLACK) * n / grid.cores)
    if math.isfinite(limit) and not (spread and share < limit):
        return int(limit), f"the limit of {target.name}"
    return share, f"an even share with {_SLACK:.0%} slack".replace("%", " %")


def capacity_of(network: Network, target: Target, grid: Grid, neurons_per_core: int | None = None) -> tuple[int, str]:
    """Neurons that a core takes of a network, and where that number comes from, in words.

    It is `neurons_per_core` if given, else what the network was trained for if that was this grid of this target, else
    as `decide_capacity`.

    Raises
    ------
    UsageError
        If `neurons_per_core` is below 1 or above the target's limit, or the network's note of its cores is unreadable.
    """
    found = grown_on(network)
    if neurons_per_core is None and found is not None:
        trained = network.info["chip"]
        if found[0] == grid and trained["target"] == target.name:
            try:
                capacity = int(trained["neurons_per_core"])
            except (KeyError, TypeError, ValueError) as error:
                raise UsageError(
                    f"the network's note of the cores it was trained for is unreadable: {error!r}"
                ) from error
            if 1 <= capacity <= target.limit("neurons"):
                return capacity, "as trained for"
    return decide_capacity(target, grid, network.n, neurons_per_core)


def limits_of_search(target: Target, grid: Grid) -> CoreLimits:
    """Limits of a target that a placer keeps while it searches; the others do not depend on the placement alone."""
    return CoreLimits(
        synapses=min(target.limit("synapses"), synapses_by_memory(target)),
        in_axons=target.limit("in_axons"),
        out_axons=target.limit("out_axons"),
        destinations=target.limit("destinations"),
        local_axons=target.local_axons,
        chip_of=chip_of_core(grid, target) if target.destination == "chip" else None,
    )


def synapses_by_memory(target: Target) -> float:
    """Synapses that the memory of a core holds; infinite where it is not known what a synapse takes of it."""
    bits, memory = bits_of_synapse(target), target.limit("synapse_memory_bits")
    return memory // bits if bits and math.isfinite(memory) else math.inf


def find_violations(
    network: Network, core_of: npt.NDArray[np.integer], grid: Grid, target: Target, capacity: int
) -> list[Violation]:
    """Find every limit that a placement exceeds; an empty list means that it fits.

    Parameters
    ----------
    network : Network
        The network.
    core_of : (n,) int
        Core of each neuron.
    grid : Grid
        The cores.
    target : Target
        Whose limits hold.
    capacity : int
        Neurons that a core takes.
    """
    usage = count_usage(network, core_of, grid, target)
    found = _of_outputs(network, target)
    most = {name: target.limit(name) for name in _OF_A_CORE}
    most["neurons"] = min(most["neurons"], capacity)
    full = np.zeros(grid.cores, bool)
    for resource, limit in most.items():
        full |= usage.of_core[resource] > limit
    for core in np.flatnonzero(full).tolist():
        row, column = divmod(core, grid.columns)
        for resource, text in _OF_A_CORE.items():
            limit = most[resource]
            needed = int(usage.of_core[resource][core])
            if needed > limit:
                words = text.format(needed=f"{needed:,}", limit=f"{limit:,.0f}")
                channels = np.flatnonzero(network.w_in.any(axis=0))
                if resource == "in_axons" and target.routing == "none" and len(channels) == needed:
                    words = _of_channels(network, channels, int(limit))
                found.append(Violation(resource, (row, column), None, needed, int(limit), 0, words))
    limit = target.limit("router_entries")
    for row, column in np.argwhere(usage.router_entries > limit).tolist():
        needed = int(usage.router_entries[row, column])
        words = f"its router has {needed:,} entries, limit {limit:,.0f}"
        first = (row * grid.tile_rows, column * grid.tile_columns)
        found.append(Violation("router_entries", first, None, needed, int(limit), 0, words))
    over = np.zeros(network.n, bool)
    for resource in _OF_A_NEURON:
        over |= usage.of_neuron[resource] > target.limit(resource)
    for core in np.unique(core_of[over]).tolist():
        row, column = divmod(core, grid.columns)
        found += _of_neurons(network, usage.of_neuron, np.flatnonzero(core_of == core), (row, column), target)
    return sorted(found, key=lambda item: item.core or (-1, -1))


def _of_neurons(
    network: Network,
    usage: Mapping[str, npt.NDArray[np.int64]],
    neurons: npt.NDArray[np.intp],
    core: tuple[int, int] | None,
    target: Target,
) -> list[Violation]:
    found = []
    for resource in usage:
        text, limit = _OF_A_NEURON[resource], target.limit(resource)
        needs = usage[resource][neurons]
        over = int((needs > limit).sum())
        if over:
            worst = int(needs.argmax())
            number = int(network.neuron_ids[neurons[worst]])
            needed = int(needs[worst])
            words = text.format(
                neuron=number, needed=f"{needed:,}", limit=f"{limit:,.0f}", places=f"{target.destination}s"
            )
            if over > 1:
                words += f" (and {over - 1:,} more)"
            found.append(Violation(resource, core, number, needed, int(limit), over - 1, words))
    return found


def find_impossible(network: Network, grid: Grid, target: Target, capacity: int) -> list[Violation]:
    """Find what no placement on this grid can keep; an empty list means that a placement may be found.

    Too few cores, too large a grid, neurons beyond a limit of their own.
    """
    found = find_stuck(network, target)
    chips = chips_of(grid, target)
    if chips > target.limit("max_chips"):
        limit = int(target.limit("max_chips"))
        text = f"a grid of {grid} takes {chips:,} chips, limit {limit:,}"
        found.append(Violation("cores", None, None, chips, limit, 0, text))
    elif target.chip is not None:
        for name, size, of_chip in (
            ("rows", grid.rows, target.chip.rows),
            ("columns", grid.columns, target.chip.columns),
        ):
            most, needed = target.limit(f"mesh_{name}"), -(-size // of_chip)
            if needed > most:
                text = f"a grid of {grid} takes {needed:,} {name} of chips, limit {most:,.0f}"
                found.append(Violation("cores", None, None, needed, int(most), 0, text))
    least = max(cores_needed(network, target, capacity).values(), default=1)
    if least > grid.cores:
        found.append(Violation("total", None, None, least, grid.cores, 0, f"needs at least {least:,} cores"))
    return found


def find_stuck(network: Network, target: Target) -> list[Violation]:
    """Find neurons and outputs beyond a limit of their own, which no placement can keep."""
    own = _of_neurons(network, synapses_of_neurons(network), np.arange(network.n), None, target)
    return _of_outputs(network, target) + own


def _of_outputs(network: Network, target: Target) -> list[Violation]:
    """Find outputs beyond those that can be read off the chip."""
    limit = target.limit("output_channels")
    if network.n_out <= limit:
        return []
    told = network.info.get("data")
    names = told.get("classes", ()) if isinstance(told, dict) else ()
    named = f" ({names[int(limit)]})" if len(names) == network.n_out else ""
    words = f"{network.n_out:,} outputs, limit {limit:,.0f}; output {int(limit)}{named} is the first beyond"
    return [Violation("output_channels", None, None, network.n_out, int(limit), 0, words)]


def _of_channels(network: Network, channels: npt.NDArray[np.intp], limit: int) -> str:
    """Say how many input channels are beyond a limit, and name the first."""
    names = channel_names(network)
    second = sum(names[k].startswith("minus ") for k in channels.tolist())
    own = f", {second:,} of them second ones for what is negative," if second else ","
    return f"{len(channels):,} input channels{own} limit {limit:,}; {names[channels[limit]]} is the first beyond"


def cores_needed(network: Network, target: Target, capacity: int) -> dict[str, int]:
    """Least number of cores by each resource that adds up over the cores, whatever the placement."""
    synapses = int(synapses_of_neurons(network)["fan_in"].sum())
    needs = {
        "neurons": (network.n, float(capacity)),
        "synapses": (synapses, target.limit("synapses")),
        "synapse memory": (synapses, synapses_by_memory(target)),
    }
    return {name: math.ceil(total / limit) for name, (total, limit) in needs.items() if math.isfinite(limit)}


def most_cores(target: Target) -> int:
    """Cores that there can be: those of all chips that can be joined, and no more than can be mapped onto."""
    if target.chip is None:
        return MOST_CORES
    return int(min(MOST_CORES, target.chip.cores * target.limit("max_chips")))


def is_allowed(grid: Grid, target: Target) -> bool:
    """Whether there can be such a grid of a target's chips, and it can be mapped onto."""
    if grid.cores > MOST_CORES or chips_of(grid, target) > target.limit("max_chips"):
        return False
    chip = target.chip or grid
    rows, columns = -(-grid.rows // chip.rows), -(-grid.columns // chip.columns)
    return rows <= target.limit("mesh_rows") and columns <= target.limit("mesh_columns")


def larger_grid(grid: Grid, cores: int, target: Target) -> Grid | None:
    """Return the smallest grid of at least `cores` cores whose sides keep about the ratio of the grid's.

    None if the chips of the target cannot make one.
    """
    shape = math.log(grid.rows / grid.columns)
    options = []
    # Grids of more than twice the ratio are taken only if there is no other, up to the number of cores once allowed.
    for rows in range(1, min(cores, _MOST_ROWS) + 1):
        columns = -(-cores // rows)
        bend = abs(math.log(rows / columns) - shape)
        if is_allowed(replace(grid, rows=rows, columns=columns), target):
            options.append((bend > math.log(2), rows * columns, bend, rows, columns))
    if not options:
        return None
    _, _, _, rows, columns = min(options)
    return replace(grid, rows=rows, columns=columns)
