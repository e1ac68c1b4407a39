"""The annealing against partitioning libraries: the same problems, the same capacity, the same machine.

    python -m venv peers-env && peers-env/bin/pip install numpy scipy pymetis kahip mtkahypar
    python tests/benchmarks/bench_mapping.py --peers peers-env/bin/python [--trained RUN …] [--only WORD]

The libraries run in their environment, `peers.py`; what is done stands in `docs/tables/mapping.json` and is not done
again. Each placement is measured by `neuromod.hardware.routing`, and of the libraries the best counts, for each measure
apart. Ours is placed for hops, for packets and for multicast hops, with its default effort.

`map_onto_graph` and `improve_mapping` run on grids of up to 25 cores: on 64 cores they do not end within minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np
from mapping_plots import draw_mapping
from nets import make_net
from tables import Table, markdown
from trained import trained_network

from neuromod import Network
from neuromod.hardware.grid import Grid
from neuromod.hardware.routing import measure
from neuromod.mapping.placers import Effort, find_placer, make_problem
from neuromod.mapping.placers import place as place_neurons
from neuromod.metrics.accuracy import trials_for
from neuromod.metrics.activity import count_active_steps

SEEDS = (0, 1, 2)
# Name -> neurons, synapses per neuron, reach, grid, capacity, least gain over the best library in hops.
LOCAL = {
    "400 on 4x4": (400, 10.2, 2.0, (4, 4), 27, 0.08),
    "2,000 on 8x8": (2_000, 12.1, 2.0, (8, 8), 35, 0.12),
    "20,000 on 8x8": (20_000, 16.0, 2.0, (8, 8), 328, 0.12),
    "20,000 on 4x4": (20_000, 16.0, 2.0, (4, 4), 1_312, 0.03),
    "400 on 4x4, no locality": (400, 10.2, None, (4, 4), 27, 0.0),
}
EVERYWHERE = ("METIS cut", "METIS volume", "KaHIP eco", "Mt-KaHyPar km1", "Mt-KaHyPar km1 quality")
SMALL_GRIDS = ("Mt-KaHyPar map_onto_graph", "Mt-KaHyPar improve_mapping")
MEASURES = ("hops", "packets", "multicast")
TABLE = Table("mapping", "python tests/benchmarks/bench_mapping.py --peers PYTHON --trained RUN …", ("numpy", "numba"))


def measured(network: Network, core_of: np.ndarray, grid: Grid, rates: np.ndarray) -> dict[str, float]:
    """Hops, packets and multicast hops of a placement."""
    load = measure(network, core_of.astype(np.int32), grid, rates)
    return {"hops": load.hops, "packets": float(load.packets.sum()), "multicast": load.multicast_hops}


def compare(
    network: Network, rates: np.ndarray, grid: Grid, capacity: int, seed: int, peers: Path, *,
    methods: tuple[str, ...] = (), objectives: tuple[str, ...] = MEASURES, placed: dict | None = None,
) -> dict:  # fmt: skip
    """Place by every library, or by some `methods`, and by ours for `objectives`; return every measure and time.

    Our placements go into `placed`, by their objective.
    """
    problem = make_problem(network, rates, grid, capacity)
    first = "tiles" if network.positions is not None else "bisection"
    tiles = find_placer(first)(problem, np.random.default_rng(seed), Effort())
    found = {"tiles": measured(network, tiles, grid, rates)}
    methods = methods or (
        EVERYWHERE + (SMALL_GRIDS if grid.cores <= 25 else ()) + (("KaHIP strong",) if network.n <= 2_000 else ())
    )
    with tempfile.TemporaryDirectory() as folder:
        case, out = Path(folder, "problem.npz"), Path(folder, "core_of.npy")
        np.savez(
            case, n=network.n, indptr=problem.indptr, targets=problem.targets, rates=problem.rates, tiles=tiles,
            rows=grid.rows, columns=grid.columns, capacity=capacity, distances=grid.distances(),
        )  # fmt: skip
        script = Path(__file__).with_name("peers.py")
        for method in methods:
            done = subprocess.run(
                [str(peers), str(script), str(case), method, str(out)], check=True, capture_output=True, text=True
            )
            core_of = np.load(out)
            over = int(np.bincount(core_of, minlength=grid.cores).max()) - capacity
            found[method] = {
                **measured(network, core_of, grid, rates),
                **json.loads(done.stdout.splitlines()[-1]),
                "neurons_beyond_capacity": max(over, 0),
            }
    for objective in objectives:
        wall, cpu = time.perf_counter(), time.process_time()
        core_of = place_neurons(network, rates, grid, capacity, seed=seed, objective=objective)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert np.bincount(core_of, minlength=grid.cores).max() <= capacity
        if placed is not None:
            placed[objective] = core_of
        found[f"ours, {objective}"] = {
            **measured(network, core_of, grid, rates), "seconds": wall, "cpu_seconds": cpu
        }  # fmt: skip
    return found


def best_library(found: dict, objective: str) -> tuple[str, dict]:
    """Library that keeps the capacity and has least of a measure."""
    fair = {
        name: row for name, row in found.items()
        if isinstance(row, dict) and row.get("neurons_beyond_capacity") == 0
    }  # fmt: skip
    name = min(fair, key=lambda name: fair[name][objective])
    return name, fair[name]


def gain(found: dict, objective: str) -> float:
    """Share by which ours has less than the best library; zero if both have none."""
    theirs = best_library(found, objective)[1][objective]
    return 1 - found[f"ours, {objective}"][objective] / theirs if theirs else 0.0


def describe(name: str, rows: list[dict], bar: float) -> list[list[str]]:
    """Return one line of the table for each measure."""
    lines = []
    for objective in MEASURES:
        ours = [row[f"ours, {objective}"] for row in rows]
        best = [best_library(row, objective) for row in rows]
        gains = [gain(row, objective) for row in rows]
        spread = f"{mean(gains):.1%}" + (f" ({min(gains):.1%} … {max(gains):.1%})" if len(rows) > 1 else "")
        lines.append([
            name if objective == "hops" else "", "multicast hops" if objective == "multicast" else objective,
            f"{mean(row['tiles'][objective] for row in rows):,.1f}",
            f"{mean(row[objective] for _, row in best):,.1f}", ", ".join(dict.fromkeys(name for name, _ in best)),
            f"{mean(row['cpu_seconds'] for _, row in best):.1f}",
            f"{mean(row[objective] for row in ours):,.1f}", f"{mean(row['cpu_seconds'] for row in ours):.1f}",
            spread, f"{bar:.0%}" if objective == "hops" else "0%",
        ])  # fmt: skip
    return lines


def write_tables() -> bool:
    """Write the Markdown table out of everything that is there; return whether all bars are met."""
    content = TABLE.read()["rows"]
    header = ["network", "measure", "tiles", "best library", "which", "its CPU s", "ours", "our CPU s", "fewer", "bar"]
    local, trained, passed = [], [], True
    for name, case in LOCAL.items():
        rows = [content[key] for seed in SEEDS if (key := f"{name}, seed {seed}") in content]
        if rows:
            local += describe(name, rows, case[-1])
            passed &= mean(gain(row, "hops") for row in rows) >= case[-1]
            passed &= all(gain(row, objective) >= 0 for row in rows for objective in MEASURES)
    for key, row in content.items():
        if not any(key.startswith(f"{name}, seed") for name in LOCAL):
            trained += describe(key, [row], 0.0)
            passed &= all(gain(row, objective) >= 0 for objective in MEASURES)
    parts = [markdown(header, local)]
    if trained:
        parts.append(markdown(header, trained))
    TABLE.write(*parts)
    draw_mapping(ratios(content))
    return passed


def ratios(content: dict) -> dict[str, dict[str, list[float]]]:
    """Ours relative to the best library: network -> measure -> the ratio of each row."""
    found: dict[str, dict[str, list[float]]] = {}
    for key, row in content.items():
        of = found.setdefault(key.rsplit(", seed", 1)[0], {})
        for objective in MEASURES:
            of.setdefault(objective, []).append(1 - gain(row, objective))
    return found


def main() -> None:
    """Measure what is not there yet; end with 1 below a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True, help="Python with the libraries.")
    parser.add_argument("--trained", nargs="*", default=[], help="Runs with a pruned network.")
    parser.add_argument("--only", default="", help="Only the networks whose name holds this.")
    arguments = parser.parse_args()
    peers = arguments.peers.absolute()
    compile_kernels()
    for seed in SEEDS:
        for name, (n, degree, reach, cores, capacity, _) in LOCAL.items():
            if arguments.only in f"{name}, seed {seed}":
                network = make_net(n, degree, reach=reach, seed=seed)
                TABLE.row(
                    f"{name}, seed {seed}",
                    lambda: compare(network, network.rates, Grid(*cores), capacity, seed, peers),  # noqa: B023
                )
    for path in arguments.trained:
        name, network = trained_network(path)
        if arguments.only in name:
            rates = count_active_steps(network, trials_for(network, 256, seed=4_201)).rates
            # A network trained for cores brings their capacity, and the placement that training grew.
            chip = network.info.get("chip", {})
            capacity = chip.get("neurons_per_core", int(np.ceil(1.05 * network.n / 16)))
            TABLE.row(name, lambda: compare(network, rates, Grid(4, 4), capacity, 0, peers))  # noqa: B023
    raise SystemExit(0 if write_tables() else 1)


def compile_kernels() -> None:
    """Place something small, so that no time holds a compilation."""
    network = make_net(100, 5.0)
    for objective in MEASURES:
        place_neurons(network, network.rates, Grid(2, 2), 27, objective=objective, effort=Effort(0.01))


if __name__ == "__main__":
    main()
