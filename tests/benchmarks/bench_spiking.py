"""How well trained networks convert to spikes: modes, resets, bits, before and after fine-tuning.

Run it with ``python tests/benchmarks/bench_spiking.py RUN …`` with runs that have been trained and pruned. Bars, for
256 neurons on the 20 tasks: untuned, ``hold`` decides as the rate network in at least 0.95 of the trials at 5 substeps
and in 0.975 at 20; tuned, both modes, in at least 0.97 at 5, and at the substeps that are chosen the accuracy is within
0.01; a tuned hard reset in at least 0.95; 8 bits for each row cost at most 0.01 of the accuracy. Each network is
written, and runs in snnTorch (those for NIR, which have no export there, in the reference). With ``--show`` nothing is
measured, and the table shows what has been.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tables import Table, markdown
from trained import trained

from neuromod import Network
from neuromod.exporting import snn
from neuromod.metrics.accuracy import evaluate, trials_for
from neuromod.metrics.agreements import agreement
from neuromod.spiking.selection import ConversionSettings, choose
from neuromod.verification.snn import load

TABLE = Table("spiking", "python tests/benchmarks/bench_spiking.py RUN …", ("numpy", "snntorch", "torch"))

TRIALS = 2000
NIR: dict[str, Any] = {"mode": "continuous", "delay": 0, "floor": None}
HARD: dict[str, Any] = {"substeps": (10,), "reset": "hard", "tune": "always", "tune_steps": 400}

# Each with the least agreement that is asked for, and the largest loss of accuracy.
CASES: dict[str, tuple[ConversionSettings, float | None, float | None]] = {
    "hold, 5 substeps": (ConversionSettings(substeps=(5,), tune="never"), 0.95, None),
    "hold, 20": (ConversionSettings(substeps=(20,), tune="never"), 0.975, None),
    "continuous, 5": (ConversionSettings(substeps=(5,), mode="continuous", tune="never"), None, None),
    "continuous, 20": (ConversionSettings(substeps=(20,), mode="continuous", tune="never"), None, None),
    "hold, 5, tuned": (ConversionSettings(substeps=(5,), tune="always"), 0.97, None),
    "continuous, 5, tuned": (ConversionSettings(substeps=(5,), mode="continuous", tune="always"), 0.97, None),
    "hold, number chosen": (ConversionSettings(tune="needed"), None, 0.01),
    "continuous, number chosen": (ConversionSettings(mode="continuous", tune="needed"), None, 0.01),
    "hold, hard reset, 10, tuned": (ConversionSettings(**HARD), 0.95, None),
    "continuous, hard reset, 10, tuned": (ConversionSettings(**HARD, mode="continuous"), 0.95, None),
    "hold, 5, 8 bits for each row": (ConversionSettings(substeps=(5,), weight_bits=8, tune="never"), None, 0.01),
    "hold, 5, 8 bits, one step for all": (
        ConversionSettings(substeps=(5,), weight_bits=8, granularity="tensor", tune="never"),
        None,
        None,
    ),
    "hold, 5, 4 bits for each row": (ConversionSettings(substeps=(5,), weight_bits=4, tune="never"), None, None),
    "hold, 5, 4 bits for each row, tuned": (
        ConversionSettings(substeps=(5,), weight_bits=4, tune="always"),
        None,
        None,
    ),
    "hold, 5, random input": (ConversionSettings(substeps=(5,), input="poisson", tune="never"), None, None),
    "hold, 20, random input": (ConversionSettings(substeps=(20,), input="poisson", tune="never"), None, None),
    "NIR, soft reset, 10": (ConversionSettings(substeps=(10,), **NIR, tune="never"), None, None),
    "NIR, hard reset, 10, tuned": (ConversionSettings(**HARD, **NIR), None, None),
}


def measure(network: Network, settings: ConversionSettings) -> dict[str, Any]:
    begun = time.process_time()
    done = choose(network, settings)
    chosen = done.chosen
    seconds = time.process_time() - begun
    # Trials that neither thresholds nor substeps were chosen on.
    trials = trials_for(network, TRIALS, seed=77)
    if settings.delay == 0:

        def runner(x: np.ndarray) -> np.ndarray:
            return done.spiking.run(x).y
    else:
        with tempfile.TemporaryDirectory() as folder:
            snn.write(done.spiking, Path(folder) / "snn", network=network)
            model = load(Path(folder) / "snn")

        def runner(x: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return model(torch.from_numpy(x), None, torch.Generator().manual_seed(0))[0].numpy()

    rate, found = evaluate(network, trials), evaluate(network, trials, runner=runner)
    agreed = agreement(rate.decisions, found.decisions)
    return {
        "substeps": chosen.substeps,
        "tuned": chosen.tuned,
        "agreement": round(agreed.share, 4),
        "interval": [round(agreed.low, 4), round(agreed.high, 4)],
        "trials": agreed.trials,
        "accuracy": round(found.accuracy, 4),
        "accuracy_rate": round(rate.accuracy, 4),
        "state_error": round(chosen.state_error, 4),
        "spikes_per_neuron_per_step": round(chosen.spikes_per_neuron_per_step, 3),
        "processor_seconds": round(seconds, 1),
    }


def verdict(row: dict[str, Any], agree: float | None, lost: float | None, before: dict[str, Any] | None) -> str:
    """Whether the bar is met, with the bar; `before` is what has not been rounded, if it is about that."""
    if agree is not None:
        return f"≥ {agree:g}: {'met' if row['agreement'] >= agree else 'missed'}"
    if lost is not None and before is not None:
        by_rounding = before["accuracy"] - row["accuracy"]
        return f"≤ {lost:g} lost by rounding: {'met' if by_rounding <= lost else 'missed'} ({by_rounding:+.4f})"
    if lost is not None:
        return f"≤ {lost:g} lost: {'met' if row['accuracy_rate'] - row['accuracy'] <= lost else 'missed'}"
    return ""


def main(paths: list[str], *, show: bool) -> None:
    torch.set_num_threads(1)
    parts = []
    for path in paths:
        name, network = trained(path)
        lines = []
        for case, (settings, agree, lost) in CASES.items():
            if show and f"{name}: {case}" not in TABLE.read()["rows"]:
                continue
            wanted = replace(settings, n_trials=TRIALS)
            row = TABLE.row(f"{name}: {case}", lambda n=network, w=wanted: measure(n, w))
            low, high = row["interval"]
            figures = [f"{row['agreement']:.3f} ({low:.3f} to {high:.3f})", f"{row['accuracy']:.3f}"]
            case = f"{case}: {row['substeps']}{', tuned' if row['tuned'] else ''}" if "chosen" in case else case
            spikes = f"{row['spikes_per_neuron_per_step']:.2f}"
            before = TABLE.read()["rows"][f"{name}: hold, 5 substeps"] if settings.weight_bits else None
            bar = verdict(row, agree, lost, before)
            lines.append([case, *figures, f"{row['state_error']:.2f}", spikes, bar])
        about = f"{name}: {network.n} neurons and {network.n_synapses:,} synapses after pruning"
        accuracy = f"accuracy (rate network {row['accuracy_rate']:.3f})"
        header = ["", "equal decisions (95 %)", accuracy, "error of the state", "spikes per neuron and step", "bar"]
        parts += [f"**{about}**", markdown(header, lines)]
    TABLE.write(*parts)


if __name__ == "__main__":
    main([path for path in sys.argv[1:] if path != "--show"], show="--show" in sys.argv)
