"""Time and memory of the commands `import`, `map` and `estimate` from ten thousand to ten million neurons.

    python tests/benchmarks/bench_scale.py [--neurons 1000000]

Local networks with at least 20 synapses per neuron, on 32x32 cores with 5 % slack; ten million on 64x64 cores, from a
folder of arrays that is read in parts. Every command is a process of its
own whose time and peak memory the system tells. The tiles are placed beside it, for their hops.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mapping_plots import draw_scale
from nets import make_net, write_net
from tables import Table, markdown

SIZES = (10_000, 100_000, 1_000_000)
# Too large to be drawn in memory; no bar on how many hops fewer than tiles, but that they are fewer.
LARGEST = 10_000_000
DEGREE = 22.5
MINUTES, GIB, FEWER, EXPONENT = 10.0, 12.0, 0.10, 1.2
LARGEST_MINUTES, LARGEST_GIB = 45.0, 22.0
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


def write(folder: Path, n: int) -> Path:
    """Write a network: one archive, or the largest a folder of arrays."""
    if n >= LARGEST:
        net = folder / "net"
        net.mkdir()
        write_net(net, n, DEGREE)
        return net
    network = make_net(n, DEGREE)
    synapses = network.w_rec.tocoo()
    np.savez(
        folder / "net.npz", source=synapses.col.astype(np.int32), target=synapses.row.astype(np.int32),
        weight=synapses.data, n_neurons=n, positions=network.positions, rates=network.rates,
    )  # fmt: skip
    return folder / "net.npz"


def measure(n: int) -> dict:
    """Make a network, import it, place it, estimate it; return times, memory and hops."""
    cores = "64x64" if n >= LARGEST else "32x32"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = write(folder, n)
        done = {"import": run(folder, "import", file.name, "--run", "run")}
        if file.is_file():
            file.unlink()
        else:
            shutil.rmtree(file)
        tiles = run(folder, "map", "--run", "run", "--cores", cores, "--placer", "tiles")
        done["map"] = run(folder, "map", "--run", "run", "--cores", cores)
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


def peak(row: dict) -> float:
    """Peak memory of the commands in GiB."""
    return float(max(row[f"{command}_gib"] for command in ("import", "map", "estimate")))


def times(rows: list[dict]) -> tuple[list[float], list[float], np.ndarray]:
    """Seconds and processor seconds of `map` with `estimate`, and logarithms of the sizes."""
    seconds, cpu = (
        [row[f"map_{kind}"] + row[f"estimate_{kind}"] for row in rows] for kind in ("seconds", "cpu_seconds")
    )
    return seconds, cpu, np.log([row["neurons"] for row in rows])


def write_table() -> bool:
    """Write the Markdown table; return whether the bars are met."""
    rows = sorted(TABLE.read()["rows"].values(), key=lambda row: row["neurons"])
    lines = [
        [
            f"{row['neurons']:,}", f"{row['synapses']:,}",
            *(f"{row[f'{command}_seconds']:.1f}" for command in ("import", "map", "estimate")),
            f"{peak(row):.2f}",
            f"{row['tiles_hops']:,.0f}", f"{row['hops']:,.0f}", f"{1 - row['hops'] / row['tiles_hops']:.1%}",
        ]
        for row in rows
    ]  # fmt: skip
    parts = [
        markdown(
            ["neurons", "synapses", "import, s", "map, s", "estimate, s", "GiB", "tiles, hops", "hops", "fewer"],
            lines,
        )
    ]
    usual = [row for row in rows if row["neurons"] < LARGEST]
    passed = False
    if len(usual) > 1:
        seconds, cpu, sizes = times(usual)
        wall_exponent, cpu_exponent = (float(np.polyfit(sizes, np.log(part), 1)[0]) for part in (seconds, cpu))
        steepest = float((np.diff(np.log(seconds)) / np.diff(sizes)).max())
        parts.append(
            f"Up to {usual[-1]['neurons']:,} neurons, on 32x32 cores, the time of `map` with `estimate` grows with the "
            f"exponent {wall_exponent:.2f} of the neurons "
            f"({cpu_exponent:.2f} of processor time; {steepest:.2f} between the two sizes where it is steepest). "
            f"Processor seconds of the largest: {cpu[-1]:.0f}."
        )
        last = usual[-1]
        passed = (
            wall_exponent <= EXPONENT
            and last["neurons"] == SIZES[-1]
            and seconds[-1] + last["import_seconds"] <= 60 * MINUTES
            and peak(last) <= GIB
            and 1 - last["hops"] / last["tiles_hops"] >= FEWER
        )
    if len(rows) > len(usual) and usual:
        seconds, cpu, sizes = times([usual[-1], rows[-1]])
        exponent = float(np.diff(np.log(seconds))[0] / np.diff(sizes)[0])
        large, before = rows[-1], usual[-1]
        parts.append(
            f"{large['neurons']:,} neurons on 64x64 cores: `map` and `estimate` take {seconds[-1] / 60:.1f} minutes "
            f"(bar {LARGEST_MINUTES:.0f}) and {peak(large):.1f} GiB (bar {LARGEST_GIB:.0f}); from "
            f"{before['neurons']:,} on, time grows with the exponent {exponent:.2f} (bar {EXPONENT})."
        )
        passed = (
            passed
            and seconds[-1] <= 60 * LARGEST_MINUTES
            and peak(large) <= LARGEST_GIB
            and exponent <= EXPONENT
            and large["hops"] < large["tiles_hops"]
        )
    TABLE.write(*parts)
    draw_scale()
    return passed


def main() -> None:
    """Measure what is not there yet; end with 1 below a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, nargs="*", default=(*SIZES, LARGEST))
    for n in parser.parse_args().neurons:
        TABLE.row(f"{n}", lambda: measure(n))  # noqa: B023
    raise SystemExit(0 if write_table() else 1)


if __name__ == "__main__":
    main()
