"""How well a trained network of a run converts to spikes: modes, resets, bits, before and after fine-tuning.

Run it with ``python tests/benchmarks/bench_spiking.py --run RUN``; it prints one JSON object. Bars, for 256 to 400
neurons on the 20 tasks: untuned ``hold`` agrees in at least 0.95 of the decisions at 5 substeps and 0.975 at 20; tuned,
both modes at least 0.97 at 5; a tuned hard reset at least 0.95; 8 bits cost at most 0.01 of the accuracy.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from neuromod import Network
from neuromod.rundir import open_run
from neuromod.substeps import Wishes, choose

NIR = {"mode": "continuous", "delay": 0, "floor": None}
CASES = {
    "hold, 5": Wishes(substeps=(5,)),
    "hold, 20": Wishes(substeps=(20,)),
    "continuous, 5": Wishes(substeps=(5,), mode="continuous"),
    "continuous, 20": Wishes(substeps=(20,), mode="continuous"),
    "hold, 5, tuned": Wishes(substeps=(5,), tune="always"),
    "continuous, 5, tuned": Wishes(substeps=(5,), mode="continuous", tune="always"),
    "hold, hard reset, 10, tuned": Wishes(substeps=(10,), reset="hard", tune="always", tune_steps=400),
    "continuous, hard reset, 10, tuned": Wishes(
        substeps=(10,), mode="continuous", reset="hard", tune="always", tune_steps=400
    ),
    "NIR, soft reset, 10": Wishes(substeps=(10,), **NIR),
    "NIR, hard reset, 10, tuned": Wishes(substeps=(10,), reset="hard", tune="always", tune_steps=400, **NIR),
    "hold, 5, 8 bits per row": Wishes(substeps=(5,), weight_bits=8),
    "hold, 5, 8 bits per tensor": Wishes(substeps=(5,), weight_bits=8, granularity="tensor"),
    "hold, 5, 4 bits per row": Wishes(substeps=(5,), weight_bits=4),
    "hold, 5, 4 bits per row, tuned": Wishes(substeps=(5,), weight_bits=4, tune="always"),
    "hold, 5, random input": Wishes(substeps=(5,), input="poisson"),
    "hold, 20, random input": Wishes(substeps=(20,), input="poisson"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path)
    run = open_run(parser.parse_args().run)
    network = Network.load(run.file(run.network_file()))
    rows = {}
    for name, wishes in CASES.items():
        begun = time.perf_counter()
        c = choose(network, wishes).chosen
        rows[name] = {
            "agreement": round(c.agreement.share, 4),
            "interval": [round(c.agreement.low, 4), round(c.agreement.high, 4)],
            "accuracy": round(c.accuracy, 4),
            "accuracy_rate": round(c.accuracy_rate, 4),
            "spikes_per_neuron_per_step": round(c.spikes_per_neuron_per_step, 3),
            "seconds": round(time.perf_counter() - begun, 1),
        }
    print(json.dumps({"neurons": network.n, "synapses": network.n_synapses, "alpha": network.alpha, **rows}, indent=1))


if __name__ == "__main__":
    main()
