"""A training step that pays for packets against one of BIMT, swaps and all, at 400 neurons.

Run it with ``python tests/benchmarks/bench_chip_training.py [--json]`` on one core; it ends with 1 above the bar. Both
train on the same trials for some hundred steps with the cost at its full height; the two take turns, and the median of
the ratios counts.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median

import torch

from neuromod.training import config, loop

BAR = 1.3
COSTS = ("hops", "multicast")


def seconds(cost: str, neurons: int, steps: int) -> float:
    """Processor time of a training."""
    settings = config.load(
        None,
        [
            f"network.neurons={neurons}",
            f"training.steps={steps}",
            "wiring.ramp_from=0.0",
            "wiring.ramp_to=0.1",
            "chip.cores=4x4",
            f"wiring.cost={cost}",
        ],
    )
    begun = time.process_time()
    loop.train(settings)
    return time.process_time() - begun


def main() -> None:
    """Measure, print, and fail above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--neurons", type=int, default=400)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for cost in ("distance", *COSTS):
        # Compile.
        seconds(cost, 36, 120)
    times: dict[str, list[float]] = {cost: [] for cost in ("distance", *COSTS)}
    for _ in range(arguments.rounds):
        for cost, found in times.items():
            found.append(seconds(cost, arguments.neurons, arguments.steps))
    ratios = {
        cost: median(ours / bimt for ours, bimt in zip(times[cost], times["distance"], strict=True)) for cost in COSTS
    }
    content = {
        "neurons": arguments.neurons,
        "steps": arguments.steps,
        "bimt_ms": round(1e3 * median(times["distance"]) / arguments.steps, 2),
        "ratios": {cost: round(ratio, 3) for cost, ratio in ratios.items()},
        "bar": BAR,
        "passed": ratios["hops"] <= BAR,
    }
    if arguments.json:
        print(json.dumps(content))
    else:
        print(f"{arguments.neurons} neurons, {content['bimt_ms']} ms for a step of bimt")
        for cost, ratio in ratios.items():
            print(f"{cost:10} {ratio:.2f} times")
    raise SystemExit(0 if content["passed"] else 1)


if __name__ == "__main__":
    main()
