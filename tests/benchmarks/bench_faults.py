"""Share of seeded faults in exported files that `neuromod verify` reports, and of healthy files that it reports.

Run it with ``python tests/benchmarks/bench_faults.py``; it prints one JSON object. Bars: at least 99 % of at least 200
faults, and none of at least 50 healthy exports.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import faults


def main(networks: int = 19) -> None:
    try:
        import norse.torch  # noqa: F401

        kinds = ("onnx", "snn", "nir")
    except ImportError:
        kinds = ("onnx", "snn")
    put, found, healthy, missed = Counter(), Counter(), [], []
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(networks):
            n, alpha = (12, 40, 90)[seed % 3], (0.5, 0.3, 1.0, 0.2)[seed % 4]
            with_nir = "nir" in kinds and alpha < 1
            network = faults.random_network(n, alpha=alpha, density=(0.1, 0.4)[seed % 2], seed=seed)
            exports = faults.export(network, Path(temporary) / "healthy", with_nir=with_nir, seed=seed)
            for kind in kinds if with_nir else kinds[:2]:
                healthy.append(faults.caught(exports, kind, exports.folder, seed=seed))
                some = list(faults.faults(exports, kind))
                rng = np.random.default_rng([seed, len(kind)])
                for place in rng.permutation(len(some))[:8]:
                    name, fault = some[place]
                    faults.spoil(exports, fault, Path(temporary) / "spoiled", rng)
                    put[kind] += 1
                    if faults.caught(exports, kind, Path(temporary) / "spoiled", seed=seed):
                        found[kind] += 1
                    else:
                        missed.append(f"{kind}: {name} (network {seed})")
    print(
        json.dumps(
            {
                "faults": sum(put.values()),
                "caught": sum(found.values()),
                "share": sum(found.values()) / sum(put.values()),
                "by_format": {kind: f"{found[kind]} of {put[kind]}" for kind in put},
                "missed": missed,
                "healthy_exports": len(healthy),
                "healthy_reported": sum(healthy),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
