"""Networks of strong modules without positions: the annealing against Mt-KaHyPar, at equal capacity.

    python -m venv peers-env && peers-env/bin/pip install numpy scipy mtkahypar
    python tests/benchmarks/bench_modular.py --peers peers-env/bin/python [--only WORD]

Modules of about 60 neurons (30 in the smallest network), a tenth of the synapses anywhere, 5 % slack. The library is
Mt-KaHyPar with its presets default and quality: km1, then FAQ and 2-opt for the parts, see `peers.py`; the better of
the two counts, for each measure and seed apart. Ours is placed for hops, packets and multicast hops, with its default
effort. What is done stands in `docs/tables/modular.json` and is not done again; one row is one placement, so that a
run can be cut short anywhere.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import mean

import numpy as np
from bench_mapping import MEASURES, measured
from mapping_plots import draw_modular
from nets import make_modular_net, make_nested_net
from tables import Table, markdown

from neuromod import Network
from neuromod.hardware import Grid
from neuromod.mapping.placers import Effort, make_problem
from neuromod.mapping.placers import place as place_neurons

SEEDS = (0, 1, 2)
SLACK = 1.05
# Name -> network of a seed, grid, and whether the bars hold for it.
NETWORKS: dict[str, tuple[Callable[[int], Network], tuple[int, int], bool]] = {
    "600 on 5x5": (lambda seed: make_modular_net(600, 30, seed=seed), (5, 5), True),
    "2,000 on 6x6": (lambda seed: make_modular_net(2_000, 60, seed=seed), (6, 6), True),
    "5,000 on 8x8": (lambda seed: make_modular_net(5_000, 60, seed=seed), (8, 8), True),
    "20,000 on 8x8": (lambda seed: make_modular_net(20_000, 60, seed=seed), (8, 8), True),
    "6,000 on 8x8, modules within modules": (
        lambda seed: make_nested_net(6_000, (25, 100, 400), (0.6, 0.2, 0.12), seed=seed), (8, 8), False,
    ),
}  # fmt: skip
PEERS = {"default": "Mt-KaHyPar km1", "quality": "Mt-KaHyPar km1 quality"}
# Bars: hops relative to the library's on each network, in the mean, and the other measures; time relative to the
# library's, or seconds.
EACH, ALL, OTHERS, TIMES, SECONDS = 0.99, 0.97, 1.0, 3.0, 10.0
TABLE = Table("modular", "python tests/benchmarks/bench_modular.py --peers PYTHON", ("numpy", "numba", "mtkahypar"))


@cache
def case(name: str, seed: int) -> tuple[Network, Grid, int]:
    """Network, grid and capacity."""
    make, cores, _ = NETWORKS[name]
    network, grid = make(seed), Grid(*cores)
    return network, grid, int(np.ceil(SLACK * network.n / grid.cores))


def by_library(name: str, seed: int, method: str, peers: Path) -> dict:
    """Place by a library, in its environment."""
    network, grid, capacity = case(name, seed)
    problem = make_problem(network, network.rates, grid, capacity)
    with tempfile.TemporaryDirectory() as folder:
        held, out = Path(folder, "problem.npz"), Path(folder, "core_of.npy")
        np.savez(
            held, n=network.n, indptr=problem.indptr, targets=problem.targets, rates=problem.rates,
            tiles=np.zeros(network.n, int), rows=grid.rows, columns=grid.columns, capacity=capacity,
        )  # fmt: skip
        script = Path(__file__).with_name("peers.py")
        done = subprocess.run(
            [str(peers), str(script), str(held), method, str(out)], check=True, capture_output=True, text=True
        )
        core_of = np.load(out)
    if np.bincount(core_of, minlength=grid.cores).max() > capacity:
        raise SystemExit(f"{method} exceeds the capacity on {name}")
    return {**measured(network, core_of, grid, network.rates), **json.loads(done.stdout.splitlines()[-1])}


def by_ours(name: str, seed: int, objective: str) -> dict:
    """Place by the annealing."""
    network, grid, capacity = case(name, seed)
    wall, cpu = time.perf_counter(), time.process_time()
    core_of = place_neurons(network, network.rates, grid, capacity, seed=seed, objective=objective)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if np.bincount(core_of, minlength=grid.cores).max() > capacity:
        raise SystemExit(f"the annealing exceeds the capacity on {name}")
    return {**measured(network, core_of, grid, network.rates), "seconds": wall, "cpu_seconds": cpu}


def compare(content: dict, name: str, objective: str) -> list[dict]:
    """Best library, ours and their ratio for each seed of which all is there."""
    found = []
    for seed in SEEDS:
        theirs = [content.get(f"{name}, seed {seed}, {preset}") for preset in PEERS]
        ours = content.get(f"{name}, seed {seed}, ours, {objective}")
        if ours is None or None in theirs:
            continue
        best = min(theirs, key=lambda row: row[objective])
        found.append({
            "seed": seed, "library": best[objective], "ours": ours[objective],
            "ratio": ours[objective] / best[objective], "library_cpu": best["cpu_seconds"],
            "ours_cpu": ours["cpu_seconds"], "library_seconds": best["seconds"], "ours_seconds": ours["seconds"],
        })  # fmt: skip
    return found


def write_table() -> bool:
    """Write the Markdown table and the figure out of everything that is there; return whether the bars are met."""
    content = TABLE.read()["rows"]
    lines, of_hops, passed, drawn = [], [], True, []
    for name, (_, _, barred) in NETWORKS.items():
        for objective in MEASURES:
            rows = compare(content, name, objective)
            if not rows:
                continue
            ratios = [row["ratio"] for row in rows]
            theirs, ours = (mean(row[f"{who}_cpu"] for row in rows) for who in ("library", "ours"))
            bar = (EACH if objective == "hops" else OTHERS) if barred else None
            if bar is not None:
                passed &= mean(ratios) <= bar and len(rows) == len(SEEDS)
                passed &= mean(row["ours_seconds"] for row in rows) <= max(
                    TIMES * mean(row["library_seconds"] for row in rows), SECONDS
                )
                of_hops += [mean(ratios)] if objective == "hops" else []
            drawn.append((name, objective, ratios))
            lines.append([
                name if objective == "hops" else "", "multicast hops" if objective == "multicast" else objective,
                len(rows), f"{mean(row['library'] for row in rows):,.0f}", f"{theirs:.1f}",
                f"{mean(row['ours'] for row in rows):,.0f}", f"{ours:.1f}",
                f"{mean(ratios):.3f} ({min(ratios):.3f} … {max(ratios):.3f})", f"{bar:.2f}" if bar is not None else "",
            ])  # fmt: skip
    if of_hops:
        passed &= mean(of_hops) <= ALL and len(of_hops) == sum(barred for _, _, barred in NETWORKS.values())
        header = ["network", "measure", "seeds", "library", "its CPU s", "ours", "our CPU s", "ours / library", "bar"]
        said = (
            f"Mean of the hops of {len(of_hops)} networks with a bar, relative to the library's: "
            f"{mean(of_hops):.3f} (bar {ALL})."
        )
        TABLE.write(markdown(header, lines), said)
        draw_modular(drawn)
    return passed


def main() -> None:
    """Measure what is not there yet; end with 1 below a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True, help="Python with the library.")
    parser.add_argument("--only", default="", help="Only the rows whose name holds this.")
    arguments = parser.parse_args()
    peers = arguments.peers.absolute()
    network = make_modular_net(200, 20)
    for objective in MEASURES:
        # So that no time holds a compilation.
        place_neurons(network, network.rates, Grid(2, 4), 27, objective=objective, effort=Effort(0.01))
    for objective in MEASURES:
        for seed in SEEDS:
            for name in NETWORKS:
                rows = {f"{name}, seed {seed}, {preset}": (by_library, method) for preset, method in PEERS.items()}
                rows[f"{name}, seed {seed}, ours, {objective}"] = (by_ours, objective)
                for key, (place, what) in rows.items():
                    if arguments.only in key:
                        more = (peers,) if place is by_library else ()
                        TABLE.row(key, lambda: place(name, seed, what, *more))  # noqa: B023
    raise SystemExit(0 if write_table() else 1)


if __name__ == "__main__":
    main()
