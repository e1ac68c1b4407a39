"""SANA-FE files, ``arch.yaml`` and ``net.yaml``: the same placement in an independent simulator of chips.

Beside them lie ``expected.json``, what neuromod counts, and ``referee.py``, which runs SANA-FE and compares.

Neurons replay the measured rates: each integrates its rate as a bias up to the threshold 1, synapses weigh nothing, so
that who spikes how often does not depend on the simulator. SANA-FE then counts the messages and their hops.
Tiles are routers, numbered column by column as SANA-FE numbers them; cores are numbered row by row within a tile.

References
----------
J. Boyle, M. Plagge, S. Cardwell, F. Chance, A. Gerstlauer, "SANA-FE: Simulating neuromorphic architectures for fast
exploration", IEEE TCAD 44(8):3165 (2025), 10.1109/TCAD.2025.3537971.
"""

from __future__ import annotations

import io
import json
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.files import replacing_folder, write_text
from neuromod.hardware import Grid, Target
from neuromod.mapping import Placement
from neuromod.network import Network

# Synapses beyond which the text would take more room than sense.
_MOST_SYNAPSES = 3_000_000

# Parameter of SANA-FE -> figure of a target, and the factor from its unit to SI.
_HOPS = {
    "energy_north_hop": ("energy_hop_y", 1e-12),
    "latency_north_hop": ("latency_hop_y", 1e-9),
    "energy_east_hop": ("energy_hop_x", 1e-12),
    "latency_east_hop": ("latency_hop_x", 1e-9),
    "energy_south_hop": ("energy_hop_y", 1e-12),
    "latency_south_hop": ("latency_hop_y", 1e-9),
    "energy_west_hop": ("energy_hop_x", 1e-12),
    "latency_west_hop": ("latency_hop_x", 1e-9),
}
_SOMA = {
    "energy_update_neuron": ("energy_neuron", 1e-12),
    "latency_update_neuron": ("latency_neuron", 1e-9),
    "energy_spike_out": ("energy_spike", 1e-12),
}
_SYNAPSE = {
    "energy_process_spike": ("energy_synaptic_event", 1e-12),
    "latency_process_spike": ("latency_synaptic_event", 1e-9),
}
_AXON_OUT = {"energy_message_out": ("energy_packet", 1e-12), "latency_message_out": ("latency_packet", 1e-9)}


def write(
    network: Network, placement: Placement, rates: npt.NDArray[np.floating], target: Target, folder: Path
) -> list[Path]:
    """Write ``arch.yaml`` and ``net.yaml``, and what it takes to compare: ``expected.json`` and ``referee.py``.

    Parameters
    ----------
    network : Network
        The network; its recurrent synapses.
    placement : Placement
        The core of each neuron.
    rates : (n,) float, spikes per time step
        What the neurons replay. Rates above 1 are scaled down to it, all by the same factor, since a neuron spikes at
        most once a step; the files say by how much.
    target : Target
        Whose figures the simulator gets; what is unknown is set to zero and named in the file.
    folder : Path
        Where the files go, replaced as a whole.

    Returns
    -------
    list of Path
        The four files.

    Raises
    ------
    UsageError
        If the placement is not for this network, there are too many synapses for text, or the folder cannot be written.
    """
    if len(placement.core_of) != network.n or len(rates) != network.n:
        raise UsageError(
            f"the network has {network.n} neurons, the placement {len(placement.core_of)} and the rates {len(rates)}"
        )
    if network.n_synapses > _MOST_SYNAPSES:
        raise UsageError(
            f"{network.n_synapses:,} synapses are too many for SANA-FE's text files, at most {_MOST_SYNAPSES:,}"
        )
    referee = resources.files("neuromod.exporting").joinpath("sanafe_referee.py").read_text(encoding="utf-8")
    texts = {
        "arch.yaml": architecture(placement, target),
        "net.yaml": netlist(network, placement, rates),
        "expected.json": json.dumps(expected(network, placement)) + "\n",
        "referee.py": referee,
    }
    with replacing_folder(folder) as new:
        for name, text in texts.items():
            write_text(new / name, text)
    return [folder / name for name in texts]


def expected(network: Network, placement: Placement) -> dict[str, list[int]]:
    """Packets that one spike of each neuron sends to other cores, and the hops of them all."""
    grid = placement.grid
    synapses = network.w_rec.tocoo()
    pairs = np.unique(synapses.col.astype(np.int64) * grid.cores + placement.core_of[synapses.row])
    source, core = np.divmod(pairs, grid.cores)
    home = placement.core_of[source]
    remote = core != home
    hops = grid.distances()[home, core]
    return {
        "packets": np.bincount(source[remote], minlength=network.n).tolist(),
        "hops": np.bincount(source, weights=hops, minlength=network.n).astype(int).tolist(),
    }


def architecture(placement: Placement, target: Target) -> str:
    """Text of ``arch.yaml`` for the grid of a placement."""
    grid = placement.grid
    tiles = grid.router_rows * grid.router_columns
    within = grid.tile_rows * grid.tile_columns
    unknown = sorted(
        {figure for table in (_HOPS, _SOMA, _SYNAPSE, _AXON_OUT) for figure, _ in table.values()}
        - {name for name in target.figures if target.value(name) is not None}
    )
    barrier = (target.value("latency_barrier") or 0.0) * 1e-9
    lines = [
        f"# {placement.target}, {grid} cores, written by neuromod",
        f"# unknown and therefore zero here: {', '.join(unknown) or 'nothing'}",
        "architecture:",
        "  name: neuromod",
        f"  attributes: {{topology: mesh, width: {grid.router_columns}, height: {grid.router_rows}, "
        f"link_buffer_size: 16, sync_model: fixed, latency_sync: {barrier:g}}}",
        "  tile:",
        f"    - name: tile[0..{tiles - 1}]",
        f"      attributes: {_figures(target, _HOPS)}",
        "      core:",
        f"        - name: core[0..{within - 1}]",
        "          attributes: {buffer_position: soma, buffer_inside_unit: false, "
        f"max_neurons_supported: {placement.neurons_per_core}}}",
        "          axon_in: [{name: axon_in, attributes: {energy_message_in: 0.0, latency_message_in: 0.0}}]",
        "          synapse: [{name: synapse, attributes: " + _figures(target, _SYNAPSE, model="current_based") + "}]",
        "          dendrite: [{name: dendrite, attributes: {model: accumulator, energy_update: 0.0, "
        "latency_update: 0.0}}]",
        "          soma: [{name: soma, attributes: "
        + _figures(
            target,
            _SOMA,
            model="leaky_integrate_fire",
            energy_access_neuron="0.0",
            latency_access_neuron="0.0",
            latency_spike_out="0.0",
        )
        + "}]",
        f"          axon_out: [{{name: axon_out, attributes: {_figures(target, _AXON_OUT)}}}]",
    ]
    return "\n".join(lines) + "\n"


def _figures(target: Target, table: dict[str, tuple[str, float]], **more: str) -> str:
    parts = [f"{name}: {text}" for name, text in more.items()]
    parts += [f"{name}: {(target.value(figure) or 0.0) * unit:g}" for name, (figure, unit) in table.items()]
    return f"{{{', '.join(parts)}}}"


def netlist(network: Network, placement: Placement, rates: npt.NDArray[np.floating]) -> str:
    """Text of ``net.yaml``: the neurons with their rates, the synapses, and where each neuron lies."""
    rates = np.asarray(rates, np.float64)
    factor = max(float(rates.max(initial=0.0)), 1.0)
    text = io.StringIO()
    text.write(f"# neuron k of the group is row k of placement.csv; rates are divided by {factor:g}\n")
    text.write("network:\n  name: neuromod\n  groups:\n    - name: rnn\n      attributes: {threshold: 1.0, ")
    text.write("leak_decay: 1.0, reset: 0.0, reset_mode: soft, force_update: true, log_spikes: true, ")
    text.write("log_potential: false}\n      neurons:\n")
    text.writelines(f"        - {neuron}: {{bias: {rate / factor:.9g}}}\n" for neuron, rate in enumerate(rates))
    text.write("  edges:\n")
    synapses = network.w_rec.tocsc().tocoo()
    text.writelines(
        f"    - rnn.{source} -> rnn.{aim}: {{weight: 0}}\n"
        for source, aim in zip(synapses.col.tolist(), synapses.row.tolist(), strict=True)
    )
    text.write("mappings:\n")
    text.writelines(
        f"  - rnn.{neuron}: {{core: {tile}.{core}, synapse: synapse, dendrite: dendrite, soma: soma}}\n"
        for neuron, (tile, core) in enumerate(tile_and_core(placement.core_of, placement.grid).tolist())
    )
    return text.getvalue()


def tile_and_core(core_of: npt.NDArray[np.integer], grid: Grid) -> npt.NDArray[np.int64]:
    """SANA-FE's numbers of the tile and of the core in it for every neuron, (n, 2)."""
    row, column = np.divmod(core_of.astype(np.int64), grid.columns)
    tile = (column // grid.tile_columns) * grid.router_rows + row // grid.tile_rows
    within = (row % grid.tile_rows) * grid.tile_columns + column % grid.tile_columns
    return np.stack([tile, within], axis=1)
