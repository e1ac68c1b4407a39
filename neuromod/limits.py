"""What a placement needs of a target's resources, and everything in which it does not fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.errors import DoesNotFitError, UsageError
from neuromod.network import Network
from neuromod.placement import Grid
from neuromod.targets import Target

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
        Which, a limit of `neuromod.targets.FIGURES`, or ``cores``.
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


@dataclass(frozen=True, eq=False)
class Usage:
    """What a placement needs.

    Parameters
    ----------
    of_core : dict of str to (cores,) int64
        Neurons, synapses, synapse memory, in- and out-axons of every core.
    of_neuron : dict of str to (n,) int64
        Fan-in, fan-out and destinations of every neuron.
    """

    of_core: dict[str, npt.NDArray[np.int64]]
    of_neuron: dict[str, npt.NDArray[np.int64]]


def decide_capacity(target: Target, grid: Grid, n: int, neurons_per_core: int | None = None) -> tuple[int, str]:
    """Neurons that a core takes, and where that number comes from, in words.

    It is `neurons_per_core` if given, else the target's limit, else an even share with 5 % slack.

    Raises
    ------
    UsageError
        If `neurons_per_core` is below 1 or above the target's limit.
    """
    limit = target.limit("neurons")
    if neurons_per_core is not None:
        if neurons_per_core < 1:
            raise UsageError(f"--neurons-per-core must be at least 1, found {neurons_per_core}")
        if neurons_per_core > limit:
            raise UsageError(f"--neurons-per-core {neurons_per_core:,} is above what {target.name} holds, {limit:,.0f}")
        return neurons_per_core, "as asked for"
    if math.isfinite(limit):
        return int(limit), f"the limit of {target.name}"
    return math.ceil(1.05 * n / grid.cores), "an even share with 5 % slack"


def count_usage(network: Network, core_of: npt.NDArray[np.integer], grid: Grid, target: Target) -> Usage:
    """Count what a placement needs of every core and neuron.

    Inputs take synapses and in-axons as recurrent sources do; biases, and the readout, which is read off the chip,
    take none.
    """
    n, k = network.n, grid.cores
    core_of = core_of.astype(np.int64)
    w_in = network.w_in != 0
    fan_in = np.diff(network.w_rec.indptr).astype(np.int64) + w_in.sum(axis=1)
    fan_out = np.bincount(network.w_rec.indices, minlength=n)
    reached = core_of.repeat(np.diff(network.w_rec.indptr))
    source = network.w_rec.indices.astype(np.int64)
    if not target.local_axons:
        remote = reached != core_of[source]
        reached, source = reached[remote], source[remote]
    pairs = np.unique(source * k + reached)
    source, reached = np.divmod(pairs, k)
    neuron, channel = np.nonzero(w_in)
    inputs = np.unique(channel.astype(np.int64) * k + core_of[neuron]) % k
    synapses = np.bincount(core_of, weights=fan_in, minlength=k).astype(np.int64)
    bits = int((target.value("weight_bits") or 0) + (target.value("index_bits") or 0))
    if target.destination == "chip" and target.chip is not None:
        at = grid.coordinates()
        chips = at // (target.chip.rows, target.chip.columns)
        chip = chips[:, 0] * (chips[:, 1].max() + 1) + chips[:, 1]
        destinations = np.bincount(np.unique(source * k + chip[reached]) // k, minlength=n)
    else:
        destinations = np.bincount(source, minlength=n)
    return Usage(
        of_core={
            "neurons": np.bincount(core_of, minlength=k),
            "synapses": synapses,
            "synapse_memory_bits": synapses * bits,
            "in_axons": np.bincount(reached, minlength=k) + np.bincount(inputs, minlength=k),
            "out_axons": np.bincount(core_of[source], minlength=k),
        },
        of_neuron={"fan_in": fan_in, "fan_out": fan_out, "destinations": destinations},
    )


def find_violations(
    network: Network, core_of: npt.NDArray[np.integer], grid: Grid, target: Target, capacity: int
) -> list[Violation]:
    """Find every limit that a placement exceeds; an empty list means that it fits."""
    usage = count_usage(network, core_of, grid, target)
    found = []
    for core, (row, column) in enumerate(grid.coordinates().tolist()):
        for resource, text in _OF_A_CORE.items():
            limit = min(target.limit(resource), capacity) if resource == "neurons" else target.limit(resource)
            needed = int(usage.of_core[resource][core])
            if needed > limit:
                words = text.format(needed=f"{needed:,}", limit=f"{limit:,.0f}")
                found.append(Violation(resource, (row, column), None, needed, int(limit), 0, words))
        found += _of_neurons(network, usage, np.flatnonzero(core_of == core), (row, column), target)
    return found


def _of_neurons(
    network: Network, usage: Usage, neurons: npt.NDArray[np.intp], core: tuple[int, int] | None, target: Target
) -> list[Violation]:
    found = []
    for resource, text in _OF_A_NEURON.items():
        limit = target.limit(resource)
        needs = usage.of_neuron[resource][neurons]
        over = int((needs > limit).sum())
        if over:
            worst = int(needs.argmax())
            number = int(network.neuron_ids[neurons[worst]])
            needed = int(needs[worst])
            words = text.format(
                neuron=number, needed=f"{needed:,}", limit=f"{limit:,.0f}", places=f"{target.destination}s"
            )
            if over > 1:
                words += f"; {over - 1:,} more neurons there are beyond it"
            found.append(Violation(resource, core, number, needed, int(limit), over - 1, words))
    return found


def refuse_impossible(network: Network, grid: Grid, target: Target, capacity: int) -> None:
    """Refuse a network that no placement on this grid can fit.

    Raises
    ------
    DoesNotFitError
        With everything that is wrong: too few cores, too large a grid, neurons beyond a limit of their own.
    """
    usage = count_usage(network, np.zeros(network.n, np.int64), Grid(1, 1), target)
    single = {name: counts for name, counts in usage.of_neuron.items() if name != "destinations"}
    found = _of_neurons(
        network,
        Usage(usage.of_core, {**single, "destinations": np.zeros(network.n, np.int64)}),
        np.arange(network.n),
        None,
        target,
    )
    chips = chips_of(grid, target)
    if chips > target.limit("max_chips"):
        limit = int(target.limit("max_chips"))
        text = f"a grid of {grid} takes {chips:,} chips, limit {limit:,}"
        found.append(Violation("cores", None, None, chips, limit, 0, text))
    if found or any(cores > grid.cores for cores in cores_needed(network, target, capacity).values()):
        raise DoesNotFitError(explain(found, network, grid, target, capacity))


def chips_of(grid: Grid, target: Target) -> int:
    """Number of chips that a grid of cores takes; 1 where the size of a chip is unknown or without bounds."""
    if target.chip is None:
        return 1
    return -(-grid.rows // target.chip.rows) * -(-grid.columns // target.chip.columns)


def cores_needed(network: Network, target: Target, capacity: int) -> dict[str, int]:
    """Least number of cores by each resource that adds up over the cores, whatever the placement."""
    usage = count_usage(network, np.zeros(network.n, np.int64), Grid(1, 1), target)
    limits = {
        "neurons": float(capacity),
        "synapses": target.limit("synapses"),
        "synapse memory": target.limit("synapse_memory_bits"),
    }
    totals = {
        "neurons": int(usage.of_core["neurons"][0]),
        "synapses": int(usage.of_core["synapses"][0]),
        "synapse memory": int(usage.of_core["synapse_memory_bits"][0]),
    }
    return {name: math.ceil(totals[name] / limit) for name, limit in limits.items() if math.isfinite(limit)}


def explain(found: list[Violation], network: Network, grid: Grid, target: Target, capacity: int) -> str:
    """Say in words, one line for each violation, what does not fit and what to try."""
    lines = [f"does not fit {target.name} on {grid} cores."]
    for item in found:
        where = "all cores" if item.core is None else f"core {item.core}"
        lines.append(f"  {where:<11}: {item.text}")
    needed = cores_needed(network, target, capacity)
    least = max(needed.values(), default=1)
    parts = [f"{cores:,} by {name}" for name, cores in needed.items()]
    if parts:
        parts[0] = parts[0].replace(" by", " cores by" if least > 1 else " core by")
        lines.append(f"  {'total':<11}: needs at least {', '.join(parts)}; the grid has {grid.cores:,}")
    advice = []
    resources = {item.resource for item in found}
    if "cores" in resources and target.chip is not None:
        advice.append(f"--cores {target.chip}")
    elif least > grid.cores or resources - {"fan_in", "fan_out"}:
        advice.append(f"--cores {_larger(grid, max(least, grid.cores + 1 if resources else least))}")
    if resources & {"fan_in", "fan_out", "destinations", "in_axons", "out_axons", "synapses", "synapse_memory_bits"}:
        worst = max(item.needed / max(item.limit, 1) for item in found if item.resource not in ("neurons", "cores"))
        keep = network.n_synapses / network.n**2 / worst
        advice.append(f"neuromod prune --keep {keep:.1g}")
    if "neurons" in resources or needed.get("neurons", 0) > grid.cores:
        advice.append("a larger --neurons-per-core" if capacity < target.limit("neurons") else "a smaller network")
    lines.append(f"  {'try':<11}: {', or '.join(advice)}")
    return "\n".join(lines)


def _larger(grid: Grid, cores: int) -> Grid:
    """Return the smallest grid of at least `cores` cores whose sides keep about the ratio of the grid's."""
    shape = math.log(grid.rows / grid.columns)
    options = []
    for rows in range(1, cores + 1):
        columns = -(-cores // rows)
        bend = abs(math.log(rows / columns) - shape)
        options.append((bend > math.log(2), rows * columns, bend, rows, columns))
    _, _, _, rows, columns = min(options)
    return Grid(rows, columns)
