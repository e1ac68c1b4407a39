"""Referee: simulate the placement beside this file in SANA-FE and compare its packets and hops with neuromod's.

`neuromod export --format sanafe` copies this file to ``exports/sanafe/referee.py``. It needs SANA-FE alone, which lives
best in an environment of its own, since it is GPL and brings top-level packages called `src` and `tests`::

    python -m venv sanafe-env && sanafe-env/bin/pip install sanafe
    sanafe-env/bin/python exports/sanafe/referee.py

SANA-FE decides which neuron spikes when, and traces every message. neuromod's claim stands in ``expected.json``: the
packets that one spike of each neuron sends to other cores, and their hops. Both counts must be equal to the unit; the
exit code is 4 if they are not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def simulate(folder: Path, steps: int) -> tuple[dict[int, int], int, int, dict[str, Any]]:
    """Run SANA-FE; return the spikes of the neurons, packets that leave a core, their hops, and the energies."""
    import sanafe

    arch = sanafe.load_arch(str(folder / "arch.yaml"))
    chip = sanafe.SpikingChip(arch)
    chip.load(sanafe.load_net(str(folder / "net.yaml"), arch))
    result = chip.sim(steps, spike_trace=True, message_trace=True, processing_threads=1)
    spikes: dict[int, int] = {}
    for step in result["spike_trace"]:
        for address in step:
            neuron = int("".join(filter(str.isdigit, str(address).split(".")[-1])))
            spikes[neuron] = spikes.get(neuron, 0) + 1
    messages = [
        message
        for step in result["message_trace"]
        for message in step
        if not message["placeholder"] and message["src_core_id"] != message["dest_core_id"]
    ]
    return spikes, len(messages), sum(message["hops"] for message in messages), dict(result["energy"])


def compare(folder: Path, steps: int) -> dict[str, Any]:
    """Simulate and compare; `passed` says whether both counts agree."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    spikes, packets, hops, energy = simulate(folder, steps)
    ours = {name: sum(expected[name][i] * count for i, count in spikes.items()) for name in ("packets", "hops")}
    return {
        "steps": steps,
        "spikes": sum(spikes.values()),
        "packets": ours["packets"],
        "packets_sanafe": packets,
        "hops": ours["hops"],
        "hops_sanafe": hops,
        "energy_sanafe_j": energy,
        "passed": sum(spikes.values()) > 0 and ours == {"packets": packets, "hops": hops},
    }


def main() -> None:
    """Print the comparison as JSON, on the last line; end with 4 if the counts differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=200, help="Steps of the simulation, 200 if omitted.")
    result = compare(Path(__file__).resolve().parent, parser.parse_args().steps)
    # SANA-FE prints lines of its own before this one.
    print(json.dumps(result), flush=True)
    raise SystemExit(0 if result["passed"] else 4)


if __name__ == "__main__":
    main()
