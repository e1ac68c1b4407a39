"""Holds what ``neuromod demo --json`` printed against what is promised of it, with nothing but the standard library.

``python check_demo.py demo.json --seconds 120``, with the file in the folder in which the demo ran. Prints each promise
with what was found and ends with exit code 1 if one is broken.
"""

import argparse
import json
import sys
from pathlib import Path

KEYS = {
    "train": "accuracy accuracy_per_task wiring_length synapses seconds run",
    "prune": "accuracy_before accuracy_after synapses_before synapses_after neurons_before neurons_after sparsity",
    "map": "grid target placer neurons_per_core cores_used intra_core_synapses inter_core_synapses hops packets",
    "estimate": "wiring_length packets_per_step hops_per_step max_link_load_per_step per_core shuffled",
    "export": "files",
    "verify": "onnx snn passed",
}
SHUFFLED = ["wiring_length", "packets_per_step", "hops_per_step", "max_link_load_per_step", "per_core"]
SPIKING = ["decision_agreement", "accuracy", "substeps", "spikes_per_neuron_per_step"]


def promises(demo, folder, seconds):
    """Yield what was promised, what was found, and whether that is enough."""
    for command, keys in KEYS.items():
        missing = [key for key in keys.split() if key not in demo.get(command, {})]
        yield f"{command} has its keys", f"lacks {', '.join(missing)}" if missing else "all", not missing
    missing = [key for key in SHUFFLED if key not in demo["estimate"]["shuffled"]]
    yield "estimate's shuffled has the same keys", missing or "all", not missing
    missing = [key for key in SPIKING if key not in demo["verify"]["snn"]]
    yield "verify's snn has its keys", missing or "all", not missing

    yield "at most 180 s", f"{seconds:.0f} s", seconds <= 180
    yield "accuracy at least 0.85", demo["accuracy"], demo["accuracy"] >= 0.85
    tasks = demo["train"]["accuracy_per_task"]
    yield "over 20 tasks", len(tasks), len(tasks) == 20
    yield "at least 100 neurons", demo["prune"]["neurons_before"], demo["prune"]["neurons_before"] >= 100
    report = folder / demo["report"]
    yield "the report exists", demo["report"], report.is_file()
    yield "and is small", f"{report.stat().st_size:,} bytes", report.stat().st_size <= 1_000_000

    drop = demo["prune"]["accuracy_before"] - demo["prune"]["accuracy_after"]
    yield "pruning costs at most 0.01 accuracy", round(drop, 4), drop <= 0.01 + 1e-9
    yield "and leaves at least 0.95 of the weights zero", demo["prune"]["sparsity"], demo["prune"]["sparsity"] >= 0.95
    ours, shuffled = (part["hops_per_step"] for part in (demo["estimate"], demo["estimate"]["shuffled"]))
    yield "hops at most 1/5 of the shuffled placement's", f"{ours:.1f} against {shuffled:.1f}", ours <= shuffled / 5

    for file in demo["export"]["files"]:
        path = folder / file["path"]
        there = path.is_file() and path.stat().st_size == file["bytes"]
        yield f"{file['path']} is there, as large as told", f"{file['bytes']:,} bytes", there
    onnx, snn = demo["verify"]["onnx"], demo["verify"]["snn"]
    yield "ONNX error at most 1e-5", onnx["max_abs_error"], onnx["max_abs_error"] <= 1e-5
    yield "over at least 200 steps", onnx["steps"], onnx["steps"] >= 200
    yield "ONNX decisions all equal", onnx["decision_agreement"], onnx["decision_agreement"] == 1
    yield "spiking decisions at least 0.93 equal", snn["decision_agreement"], snn["decision_agreement"] >= 0.93
    gap = abs(snn["accuracy"] - snn["accuracy_reference"])
    yield "spiking accuracy within 0.03", round(gap, 4), gap <= 0.03
    yield "verification passed", demo["verify"]["passed"], demo["verify"]["passed"] is True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    kept = True
    for promise, found, enough in promises(json.loads(given.file.read_text()), given.file.parent, given.seconds):
        kept = kept and bool(enough)
        print(f"{'kept  ' if enough else 'BROKEN'}  {promise}: {found}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
