"""Time and memory of the commands `import`, `map` and `estimate` from ten thousand to a million neurons.

    python tests/benchmarks/bench_scale.py [--neurons 1000000]

Local networks with at least 20 synapses per neuron, on 32x32 cores with 5 % slack. Every command is a process of its
own whose time and peak memory the system tells. The tiles are placed beside it, for their hops.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mapping_plots import draw_scale
from nets import make_net
from tables import Table, markdown

SIZES = (10_000, 100_000, 1_000_000)
DEGREE, CORES = 22.5, "32x32"
MINUTES, GIB, FEWER, EXPONENT = 10.0, 12.0, 0.10, 1.2
TABLE = Table("scale", "python tests/benchmarks/bench_scale.py", ("numpy", "scipy", "numba"))


def run(folder: Path, *arguments: str) -> dict:
    """Run one command; return what it prints, its seconds and its peak memory in GiB."""
    out = folder / "out.json"
    started = time.perf_counter()
    with out.open("w") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-c", "from neuromod.cli import main; main()", *arguments, "--json"],
            cwd=folder, stdout=stdout, stderr=subprocess.DEVNULL, env={**os.environ, "NEUROMOD_RUNS": str(folder)},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "gib": usage.ru_maxrss / 2**20,
        "result": json.loads(out.read_text()),
    }


def measure(n: int) -> dict:
    """Make a network, import it, place it, estimate it; return times, memory and hops."""
    network = make_net(n, DEGREE)
    synapses = network.w_rec.tocoo()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "net.npz", source=synapses.col.astype(np.int32), target=synapses.row.astype(np.int32),
            weight=synapses.data, n_neurons=n, positions=network.positions, rates=network.rates,
        )  # fmt: skip
        del network
        done = {"import": run(folder, "import", "net.npz", "--run", "run")}
        (folder / "net.npz").unlink()
        tiles = run(folder, "map", "--run", "run", "--cores", CORES, "--placer", "tiles")
        done["map"] = run(folder, "map", "--run", "run", "--cores", CORES)
        done["estimate"] = run(folder, "estimate", "--run", "run")
    return {
        "neurons": n,
        "synapses": done["import"]["result"]["synapses"],
        "tiles_hops": tiles["result"]["hops"],
        "hops": done["map"]["result"]["hops"],
        "energy_known": done["estimate"]["result"]["energy_per_step"]["total_pj"] is not None,
        **{
            f"{command}_{key}": part[key] for command, part in done.items() for key in ("seconds", "cpu_seconds", "gib")
        },
    }


def write_table() -> bool:
    """Write the Markdown table; return whether the bars are met."""
    rows = sorted(TABLE.read()["rows"].values(), key=lambda row: row["neurons"])
    lines = [
        [
            f"{row['neurons']:,}", f"{row['synapses']:,}",
            *(f"{row[f'{command}_seconds']:.1f}" for command in ("import", "map", "estimate")),
            f"{max(row[f'{command}_gib'] for command in ('import', 'map', 'estimate')):.2f}",
            f"{row['tiles_hops']:,.0f}", f"{row['hops']:,.0f}", f"{1 - row['hops'] / row['tiles_hops']:.1%}",
        ]
        for row in rows
    ]  # fmt: skip
    seconds = [row["map_seconds"] + row["estimate_seconds"] for row in rows]
    cpu = [row["map_cpu_seconds"] + row["estimate_cpu_seconds"] for row in rows]
    sizes = np.log([row["neurons"] for row in rows])
    parts = [
        markdown(
            ["neurons", "synapses", "import, s", "map, s", "estimate, s", "GiB", "tiles, hops", "hops", "fewer"],
            lines,
        )
    ]
    passed = False
    if len(rows) > 1:
        wall_exponent, cpu_exponent = (float(np.polyfit(sizes, np.log(times), 1)[0]) for times in (seconds, cpu))
        steepest = float((np.diff(np.log(seconds)) / np.diff(sizes)).max())
        parts.append(
            f"The time of `map` with `estimate` grows with the exponent {wall_exponent:.2f} of the neurons "
            f"({cpu_exponent:.2f} of processor time; {steepest:.2f} between the two sizes where it is steepest). "
            f"Processor seconds of the largest: {cpu[-1]:.0f}."
        )
        last = rows[-1]
        passed = (
            wall_exponent <= EXPONENT
            and last["neurons"] == SIZES[-1]
            and seconds[-1] + last["import_seconds"] <= 60 * MINUTES
            and max(last[f"{command}_gib"] for command in ("import", "map", "estimate")) <= GIB
            and 1 - last["hops"] / last["tiles_hops"] >= FEWER
        )
    TABLE.write(*parts)
    draw_scale()
    return passed


def main() -> None:
    """Measure what is not there yet; end with 1 below a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, nargs="*", default=SIZES)
    for n in parser.parse_args().neurons:
        TABLE.row(f"{n}", lambda: measure(n))  # noqa: B023
    raise SystemExit(0 if write_table() else 1)


if __name__ == "__main__":
    main()
