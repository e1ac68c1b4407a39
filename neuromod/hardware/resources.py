"""What a placement needs of the resources of a target's cores, counted in full."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.hardware.grid import Grid
from neuromod.hardware.router_tables import count_entries
from neuromod.hardware.targets import Target
from neuromod.kernels import as_indices, compiled
from neuromod.network import Network


@dataclass(frozen=True, eq=False)
class Usage:
    """What a placement needs.

    Parameters
    ----------
    of_core : dict of str to (cores,) int64
        Neurons, synapses, synapse memory, in- and out-axons of every core.
    of_neuron : dict of str to (n,) int64
        Fan-in, fan-out and destinations of every neuron.
    router_entries : (router rows, router columns) int64
        Entries of every router, where packets branch in the routers; zero elsewhere.
    """

    of_core: dict[str, npt.NDArray[np.int64]]
    of_neuron: dict[str, npt.NDArray[np.int64]]
    router_entries: npt.NDArray[np.int64]


def synapses_of_neurons(network: Network) -> dict[str, npt.NDArray[np.int64]]:
    """Fan-in of every neuron, inputs included, and its recurrent fan-out."""
    return {
        "fan_in": np.diff(network.w_rec.indptr).astype(np.int64) + (network.w_in != 0).sum(axis=1),
        "fan_out": np.bincount(network.w_rec.indices, minlength=network.n),
    }


def bits_of_synapse(target: Target) -> int:
    """Bits that a synapse takes as far as they are known: at least its weight, and what is stored beside it."""
    return int((target.value("weight_bits") or 0) + (target.value("index_bits") or 0))


def chips_of(grid: Grid, target: Target) -> int:
    """Number of chips that a grid of cores takes; 1 where the size of a chip is unknown or without bounds."""
    if target.chip is None:
        return 1
    return -(-grid.rows // target.chip.rows) * -(-grid.columns // target.chip.columns)


def chip_with_borders(grid: Grid, target: Target) -> Grid | None:
    """Cores of one chip, if some hops of a grid lead from chip to chip and some do not.

    None on a single chip, and where a chip has one router: there every hop leads to another chip, and the target's
    figures of a hop are those of such a hop.
    """
    chip = target.chip
    if chip is None or chips_of(grid, target) == 1:
        return None
    return None if (chip.rows, chip.columns) == (grid.tile_rows, grid.tile_columns) else chip


def mesh_of(grid: Grid, target: Target) -> str | None:
    """Rows and columns of the chips that a grid takes, as 2x2; None where the size of a chip is unknown."""
    if target.chip is None:
        return None
    return f"{-(-grid.rows // target.chip.rows)}x{-(-grid.columns // target.chip.columns)}"


def packets_to_chips(
    network: Network, core_of: npt.NDArray[np.integer], rates: npt.NDArray[np.floating], grid: Grid, target: Target
) -> float | None:
    """Packets per step if each neuron sent one to every other chip with a target of it: the km1 metric of the chips.

    None where the size of a chip is unknown.
    """
    chip = chip_of_core(grid, target)
    if chip is None:
        return None
    home = chip[core_of]
    by_source = network.w_rec.tocsc()
    reached = np.zeros(network.n, np.int64)
    sources = as_indices(by_source.indptr, by_source.indices)
    each = np.arange(int(chip.max()) + 1, dtype=np.int32)
    unused = np.zeros((2, len(each)), np.int64)
    _count_axons(*sources, home, home, each, False, *unused, reached)
    return float(np.asarray(rates, np.float64) @ reached)


def chip_of_core(grid: Grid, target: Target) -> npt.NDArray[np.int32] | None:
    """Chip on which each core lies, (cores,); None where the size of a chip is unknown or without bounds."""
    if target.chip is None:
        return None
    at = grid.coordinates() // (target.chip.rows, target.chip.columns)
    chip: npt.NDArray[np.int32] = (at[:, 0] * (at[:, 1].max() + 1) + at[:, 1]).astype(np.int32)
    return chip


def chips_used(core_of: npt.NDArray[np.integer], grid: Grid, target: Target) -> int | None:
    """Number of chips that hold neurons; None where the size of a chip is unknown."""
    if target.value("chip_rows") is None or target.value("chip_columns") is None:
        return None
    chip = chip_of_core(grid, target)
    return 1 if chip is None else len(np.unique(chip[core_of]))


def count_usage(network: Network, core_of: npt.NDArray[np.integer], grid: Grid, target: Target) -> Usage:
    """Count what a placement needs of every core and neuron.

    Inputs take synapses and in-axons as recurrent sources do; biases, and the readout, which is read off the chip,
    take none.

    Parameters
    ----------
    network : Network
        The network.
    core_of : (n,) int
        Core of each neuron.
    grid : Grid
        The cores.
    target : Target
        Says whether local spikes take axons, whether destinations are chips, and how many bits a synapse takes.
    """
    n, k = network.n, grid.cores
    core_of = core_of.astype(np.int32)
    chip = chip_of_core(grid, target) if target.destination == "chip" else None
    if chip is None:
        chip = np.arange(k, dtype=np.int32)
    in_axons, out_axons = np.zeros(k, np.int64), np.zeros(k, np.int64)
    destinations = np.zeros(n, np.int64)
    recurrent = network.w_rec.tocsc()
    sources = as_indices(recurrent.indptr, recurrent.indices)
    _count_axons(*sources, core_of, core_of, chip, target.local_axons, in_axons, out_axons, destinations)
    nowhere, ignored = np.full(network.n_in, -1, np.int32), np.zeros(network.n_in, np.int64)
    inputs = sparse.csc_array(network.w_in)
    channels = as_indices(inputs.indptr, inputs.indices)
    _count_axons(*channels, core_of, nowhere, chip, True, in_axons, out_axons, ignored)
    of_neuron = synapses_of_neurons(network)
    synapses = np.bincount(core_of, weights=of_neuron["fan_in"], minlength=k).astype(np.int64)
    entries = np.zeros((grid.router_rows, grid.router_columns), np.int64)
    if target.branches:
        pairs = np.repeat(core_of, np.diff(recurrent.indptr)), core_of[recurrent.indices]
        reached = sparse.coo_array((np.ones(len(pairs[0]), bool), pairs), shape=(k, k)).tocsr()
        entries = count_entries(reached, grid)
    return Usage(
        of_core={
            "neurons": np.bincount(core_of, minlength=k),
            "synapses": synapses,
            "synapse_memory_bits": synapses * bits_of_synapse(target),
            "in_axons": in_axons,
            "out_axons": out_axons,
        },
        of_neuron={**of_neuron, "destinations": destinations},
        router_entries=entries,
    )


def count_terminals(
    indptr: npt.NDArray[np.int64], targets: npt.NDArray[np.int32], block_of: npt.NDArray[np.int32], blocks: int
) -> npt.NDArray[np.int64]:
    """Sources, within or without, whose targets lie on both sides of the border of each block, (blocks,)."""
    in_axons, out_axons = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
    reached = np.zeros(len(indptr) - 1, np.int64)
    each = np.arange(blocks, dtype=np.int32)
    _count_axons(indptr, targets, block_of, block_of, each, False, in_axons, out_axons, reached)
    return in_axons + np.bincount(block_of[reached > 0], minlength=blocks)


@compiled
def _count_axons(  # type: ignore[no-untyped-def]  # pragma: no cover
    indptr, targets, core_of, homes, chip_of, local, in_axons, out_axons, destinations
):
    seen = np.full(len(in_axons), -1, np.int64)
    seen_chip = np.full(len(chip_of), -1, np.int64)
    for s in range(len(homes)):
        home = homes[s]
        for p in range(indptr[s], indptr[s + 1]):
            core = core_of[targets[p]]
            if seen[core] == s or (core == home and not local):
                continue
            seen[core] = s
            in_axons[core] += 1
            if home >= 0:
                out_axons[home] += 1
            chip = chip_of[core]
            if seen_chip[chip] != s and (local or home < 0 or chip != chip_of[home]):
                seen_chip[chip] = s
                destinations[s] += 1
