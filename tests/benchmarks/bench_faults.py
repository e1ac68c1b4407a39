"""Share of seeded faults in exported files that `neuromod verify` reports, and of healthy files that it reports.

Run it with ``python tests/benchmarks/bench_faults.py RUN …`` with runs that have been trained and pruned, or none,
where Norse and SpikingJelly are installed. Bars: at least 99 % of at least 200 faults, and none of at least 50
healthy exports.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import faults
import numpy as np
from tables import Table, markdown
from trained import trained

from neuromod import Network

TABLE = Table(
    "faults",
    "python tests/benchmarks/bench_faults.py RUN …",
    ("onnxruntime", "snntorch", "nir", "norse", "spikingjelly"),
)
RANDOM = 19
EACH = 8
KINDS = ("onnx", "snn", "nir")


def random_network(seed: int) -> Network:
    n, alpha = (12, 40, 90)[seed % 3], (0.5, 0.3, 1.0, 0.2)[seed % 4]
    return faults.random_network(n, alpha=alpha, density=(0.1, 0.4)[seed % 2], seed=seed)


def campaign(network: Network, seed: int) -> dict[str, Any]:
    """Export, verify, spoil and verify."""
    put, found, reported, missed = Counter(), Counter(), [], []
    # Without a leak there is no trace, and so no NIR.
    kinds = KINDS if network.alpha < 1 else KINDS[:2]
    with tempfile.TemporaryDirectory() as temporary:
        exports = faults.export(network, Path(temporary) / "healthy", with_nir="nir" in kinds, seed=seed)
        for kind in kinds:
            if faults.caught(exports, kind, exports.folder, seed=seed):
                reported.append(kind)
            some = list(faults.faults(exports, kind))
            rng = np.random.default_rng([seed, len(kind)])
            for place in rng.permutation(len(some))[:EACH]:
                name, fault = some[place]
                faults.spoil(exports, fault, Path(temporary) / "spoiled", rng)
                put[kind] += 1
                if faults.caught(exports, kind, Path(temporary) / "spoiled", seed=seed):
                    found[kind] += 1
                else:
                    missed.append(f"{kind}: {name}")
    return {"healthy": len(kinds), "healthy_reported": reported, "put": put, "found": found, "missed": missed}


def main(paths: list[str]) -> None:
    networks = {f"random network {seed}": (random_network(seed), seed) for seed in range(RANDOM)}
    networks |= {name: (network, 100 + k) for k, (name, network) in enumerate(map(trained, paths))}
    rows = [TABLE.row(name, lambda n=network, s=seed: campaign(n, s)) for name, (network, seed) in networks.items()]
    lines, healthy = [], sum(row["healthy"] for row in rows)
    for kind in KINDS:
        put, found = (sum(row[what].get(kind, 0) for row in rows) for what in ("put", "found"))
        wrong = sum(kind in row["healthy_reported"] for row in rows)
        lines.append([kind, put, found, f"{found / put:.2%}", wrong])
    put, found = (sum(line[k] for line in lines) for k in (1, 2))
    lines.append(["all", put, found, f"{found / put:.2%}", sum(line[4] for line in lines)])
    missed = [f"{what} ({name})" for name, row in zip(networks, rows, strict=True) for what in row["missed"]]
    TABLE.write(
        markdown(["format", "faults", "reported", "share", f"of {healthy} healthy exports, reported"], lines),
        f"{len(networks)} networks, {len(paths)} of them trained. Not reported: {'; '.join(missed) or 'none'}.",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
