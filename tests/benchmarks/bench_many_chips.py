"""Systems of many chips: packets between chips beside Mt-KaHyPar's parts, and how large a system can be.

    python tests/benchmarks/bench_many_chips.py [--only chips|large|million]

Networks of 12 synapses a neuron on 2x2 chips of 8x16 cores: packets to other chips, one for each neuron and chip,
beside the km1 metric of four parts of the same capacity. Then grids of 256x256 and 1024x1024 cores, and a million
neurons with 20 synapses each on 24x48 chips of 8x16 cores, 7 to a core; that one by the commands, with their time and
memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_scale import run
from nets import make_net
from tables import Table, markdown

import neuromod
from neuromod import Network
from neuromod.hardware import packets_to_chips
from neuromod.metrics import Activity

TABLE = Table("many_chips", "python tests/benchmarks/bench_many_chips.py", ("numpy", "scipy", "numba", "mtkahypar"))


def parts_of(network: Network, rates: np.ndarray, parts: int, capacity: int, preset: str) -> np.ndarray:
    """Partition by Mt-KaHyPar with the km1 objective, a neuron with its targets as one hyperedge."""
    import mtkahypar

    library = mtkahypar.initialize(1)
    context = library.context_from_preset(getattr(mtkahypar.PresetType, preset))
    context.set_partitioning_parameters(parts, capacity * parts / network.n - 1, mtkahypar.Objective.KM1)
    context.set_individual_target_block_weights([capacity] * parts)
    context.logging = False
    by_source = network.w_rec.tocsc()
    weights = np.maximum(np.rint(rates * (1000 / rates.max())), 1).astype(int)
    pins, of_edge = [], []
    for s in range(network.n):
        targets = by_source.indices[by_source.indptr[s] : by_source.indptr[s + 1]]
        targets = targets[targets != s]
        if len(targets):
            pins.append([s, *targets.tolist()])
            of_edge.append(int(weights[s]))
    graph = library.create_hypergraph(context, network.n, len(pins), pins, [1] * network.n, of_edge)
    return np.asarray(graph.partition(context).get_partition(), np.int64)


def km1(network: Network, rates: np.ndarray, part_of: np.ndarray) -> float:
    """Packets between parts, counted apart from both programs."""
    synapses = network.w_rec.tocoo()
    pairs = np.unique(np.stack([synapses.col, part_of[synapses.row]], 1), axis=0)
    source, part = pairs.T
    return float(rates[source][part != part_of[source]].sum())


def beside_parts(network: Network, seed: int) -> dict:
    """Packets to other chips, ours and those of the library's parts."""
    rates = network.rates / network.rates.max()
    capacity = int(np.ceil(1.05 * network.n / 512))
    begun = time.process_time()
    placement = neuromod.place(
        network, chips=(2, 2), cores=(8, 16), neurons_per_core=capacity, seed=seed,
        activity=Activity(rates, np.zeros(1), "given", 0),
    )  # fmt: skip
    found = {"cpu": time.process_time() - begun}
    row, column = np.divmod(placement.core_of.astype(np.int64), 32)
    found["ours"] = km1(network, rates, row // 8 * 2 + column // 16)
    said = packets_to_chips(network, placement.core_of, rates, placement.grid, placement.hardware)
    assert np.isclose(found["ours"], said)
    for preset in ("DEFAULT", "QUALITY"):
        begun = time.process_time()
        found[preset] = km1(network, rates, parts_of(network, rates, 4, capacity * 128, preset))
        found[f"{preset}_cpu"] = time.process_time() - begun
    return found


def large(side: int, n: int) -> dict:
    """Place as many neurons as a grid has cores, or fewer."""
    network = make_net(n, 12.0)
    begun = time.process_time()
    placement = neuromod.place(network, cores=(side, side))
    told = neuromod.estimate(network, placement)
    return {
        "cores": side * side, "neurons": n, "used": int((placement.neurons_on > 0).sum()),
        "hops": told.summary["hops_per_step"], "shuffled": told.shuffled_summary["hops_per_step"],
        "cpu": time.process_time() - begun,
    }  # fmt: skip


def million(n: int, chips: str) -> dict:
    """Import, map and estimate by the commands."""
    network = make_net(n, 22.5)
    synapses = network.w_rec.tocoo()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "net.npz", source=synapses.col.astype(np.int32), target=synapses.row.astype(np.int32),
            weight=synapses.data, n_neurons=n, positions=network.positions, rates=network.rates,
        )  # fmt: skip
        del network, synapses
        run(folder, "import", "net.npz", "--run", "run")
        where = ("--run", "run", "--chips", chips, "--cores", "8x16")
        start = run(folder, "map", *where, "--placer", "tiles")["result"]
        mapped = run(folder, "map", *where)
        told = run(folder, "estimate", "--run", "run")
    keys = ("hops", "packets", "packets_between_chips", "packets_to_chips", "cores_used")
    return {
        "neurons": n, "chips": chips,
        **{key: mapped["result"][key] for key in keys}, **{f"tiles_{key}": start[key] for key in keys},
        **{f"map_{key}": mapped[key] for key in ("seconds", "cpu_seconds", "gib")},
        **{f"estimate_{key}": told[key] for key in ("seconds", "cpu_seconds", "gib")},
    }  # fmt: skip


def main() -> None:
    """Measure what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=["chips", "large", "million"])
    only = parser.parse_args().only
    if "chips" in only:
        for n in (5_000, 20_000):
            for seed in range(2):
                local = make_net(n, 12.0, seed=seed)
                key = f"local, {n:,}, seed {seed}"
                TABLE.row(f"{key}", lambda net=local, seed=seed: beside_parts(net, seed))
                bare = replace(local, positions=None)
                TABLE.row(f"{key}, no positions", lambda net=bare, seed=seed: beside_parts(net, seed))
    if "large" in only:
        for side, n in ((256, 65_536), (1024, 20_000)):
            TABLE.row(f"{side}x{side} cores", lambda side=side, n=n: large(side, n))
    if "million" in only:
        TABLE.row("a million neurons", lambda: million(1_000_000, "24x48"))
    rows = TABLE.read()["rows"]
    beside = [
        [name, f"{row['ours']:,.1f}", f"{row['DEFAULT']:,.1f}", f"{row['QUALITY']:,.1f}",
         f"{row['ours'] / min(row['DEFAULT'], row['QUALITY']):.3f}",
         f"{row['cpu']:.0f}, {row['DEFAULT_cpu']:.0f}, {row['QUALITY_cpu']:.0f}"]
        for name, row in rows.items() if "DEFAULT" in row
    ]  # fmt: skip
    sizes = [
        [name, f"{row['neurons']:,}", f"{row.get('used', row.get('cores_used')):,}", f"{row['hops']:,.0f}",
         f"{row.get('tiles_hops', row.get('shuffled')):,.0f}", f"{row.get('map_cpu_seconds', row.get('cpu')):,.0f}",
         f"{row['map_gib']:.1f}" if "map_gib" in row else "–"]
        for name, row in rows.items() if "DEFAULT" not in row
    ]  # fmt: skip
    header = ["network, neurons", "packets to other chips", "Mt-KaHyPar default", "quality", "ours over best", "CPU s"]
    texts = [markdown(header, beside)] if beside else []
    if sizes:
        head = ["system", "neurons", "cores used", "hops", "of tiles or shuffled", "CPU s of map", "GiB"]
        texts.append(markdown(head, sizes))
    TABLE.write(*texts)


if __name__ == "__main__":
    main()
