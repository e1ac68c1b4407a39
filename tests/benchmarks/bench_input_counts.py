"""Inputs as spikes that carry their error on, beside currents and random spikes, at 10 substeps.

Run it with ``python tests/benchmarks/bench_input_counts.py RUN …`` with runs that have been trained and pruned. Bar, on
the 20 tasks: at least 0.97 equal decisions. Thresholds are chosen on other trials than those that are counted here.
With ``--show`` nothing is measured, and the table shows what has been.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch
from tables import Table, markdown
from trained import trained

from neuromod import Network
from neuromod.metrics import agreement, evaluate, trials_for
from neuromod.spiking import ConversionSettings, choose

TABLE = Table("input_counts", "python tests/benchmarks/bench_input_counts.py RUN …", ("numpy", "torch"))
TRIALS = 2000
NIR: dict[str, Any] = {"mode": "continuous", "delay": 0, "floor": None, "tune": "always"}
CASES: dict[str, dict[str, Any]] = {
    "hold": {"mode": "hold", "tune": "never"},
    "continuous": {"mode": "continuous", "tune": "never"},
    "NIR, soft reset, tuned": {**NIR, "reset": "soft"},
    "NIR, hard reset, tuned": {**NIR, "reset": "hard", "tune_steps": 400},
}
INPUTS = {"constant": "currents", "counts": "counts", "poisson": "random spikes"}


def measure(network: Network, settings: ConversionSettings) -> dict[str, Any]:
    begun = time.process_time()
    done = choose(network, settings)
    seconds = time.process_time() - begun
    trials, rng = trials_for(network, TRIALS, seed=78), np.random.default_rng(0)
    rate = evaluate(network, trials)
    found = evaluate(network, trials, runner=lambda x: done.spiking.run(x, rng=rng).y)
    agreed = agreement(rate.decisions, found.decisions)
    return {
        "agreement": round(agreed.share, 4),
        "interval": [round(agreed.low, 4), round(agreed.high, 4)],
        "trials": agreed.trials,
        "accuracy": round(found.accuracy, 4),
        "accuracy_rate": round(rate.accuracy, 4),
        "processor_seconds": round(seconds, 1),
    }


def main(paths: list[str], *, show: bool) -> None:
    torch.set_num_threads(1)
    parts = []
    for path in paths:
        name, network = trained(path)
        lines = []
        for case, options in CASES.items():
            for kind, said in INPUTS.items():
                if kind == "poisson" and options["tune"] == "always":
                    continue
                if show and f"{name}: {case}, {kind}" not in TABLE.read()["rows"]:
                    continue
                settings = ConversionSettings(substeps=(10,), input=kind, n_trials=TRIALS, **options)  # type: ignore[arg-type]
                row = TABLE.row(f"{name}: {case}, {kind}", lambda n=network, s=settings: measure(n, s))
                low, high = row["interval"]
                bar = "≥ 0.97: " + ("met" if row["agreement"] >= 0.97 else "missed") if kind == "counts" else ""
                figures = [f"{row['agreement']:.3f} ({low:.3f} to {high:.3f})", f"{row['accuracy']:.3f}"]
                lines.append([case, said, *figures, bar])
        header = ["", "inputs", "equal decisions (95 %)", f"accuracy (network {row['accuracy_rate']:.3f})", "bar"]
        parts += [f"**{name}: {network.n} neurons, {network.n_synapses:,} synapses**", markdown(header, lines)]
    TABLE.write(*parts)


if __name__ == "__main__":
    main([path for path in sys.argv[1:] if path != "--show"], show="--show" in sys.argv)
