"""NIR files of trained networks in Norse and SpikingJelly, against the spiking reference, and the round trip.

Run it with ``python tests/benchmarks/bench_nir.py RUN …`` with runs that have been trained and pruned, where both are
installed. Bars: on at least 500 trials all decisions equal those of our own simulation of the same network; reading a
file, writing it and reading that gives the same network.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from tables import Table, markdown
from trained import trained

from neuromod import Network
from neuromod.exporting import nir
from neuromod.importing.nir import read_network
from neuromod.spiking.selection import ConversionSettings, choose
from neuromod.verification.nir import verify_nir

TABLE = Table(
    "nir",
    "python tests/benchmarks/bench_nir.py RUN …",
    ("nir", "norse", "spikingjelly", "torch"),
)
TRIALS = 1000
NIR = ConversionSettings(mode="continuous", delay=0, floor=None, substeps=(10,), n_trials=1000, tune="never")
VARIANTS = {
    "soft reset": NIR,
    "hard reset, tuned": replace(NIR, reset="hard", tune="always", tune_steps=400),
    "hard reset, tuned, 8 bits": replace(NIR, reset="hard", tune="always", tune_steps=400, weight_bits=8),
}


def measure(network: Network, settings: ConversionSettings) -> dict[str, Any]:
    spiking = choose(network, settings).spiking
    with tempfile.TemporaryDirectory() as folder:
        path = nir.write(spiking, Path(folder) / "a.nir", network=network)
        found = verify_nir(path, network, spiking=spiking, n_trials=TRIALS, min_agreement=0, max_accuracy_gap=1)
        first = read_network(path)
        again = read_network(nir.save(nir.rebuild(first), Path(folder) / "b.nir"))
        size = path.stat().st_size
    simulators = {
        name: {key: part[key] for key in ("decisions_equal", "trials", "trials_without_a_tie", "max_relative_error")}
        for name, part in found["runtimes"].items()
        if part["verified"]
    }
    return {
        "simulators": simulators,
        "round_trip_identical": first.sha256() == again.sha256() and first.info == again.info,
        "reasons": found["reasons"],
        "agreement_with_rate": found["decision_agreement"],
        "bytes": size,
    }


def main(paths: list[str]) -> None:
    lines = []
    for path in paths:
        name, network = trained(path)
        for variant, settings in VARIANTS.items():
            row = TABLE.row(f"{name}: {variant}", lambda n=network, w=settings: measure(n, w))
            cells = []
            for simulator in ("norse", "spikingjelly"):
                part = row["simulators"].get(simulator)
                cells.append("–" if part is None else f"{part['decisions_equal']:.2%} of {part['trials']:,}")
            lines.append([name, variant, *cells, "yes" if row["round_trip_identical"] else "no"])
    header = ["network", "file", "decisions equal in Norse", "in SpikingJelly", "in, out, in: identical"]
    TABLE.write(markdown(header, lines), "SpikingJelly knows no soft reset.")


if __name__ == "__main__":
    main(sys.argv[1:])
