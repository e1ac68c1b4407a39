"""Referee: run exported SANA-FE files and compare its messages with our packets and hops, to the unit.

SANA-FE is GPL and its wheel drops top-level packages called `src` and `tests`, so it lives in its own environment::

    python -m venv sanafe-env && sanafe-env/bin/pip install sanafe
    python tests/benchmarks/referee_sanafe.py --python sanafe-env/bin/python

makes placements of several networks by several methods, exports them, simulates each in that environment, and counts
packets and hops from the spikes that SANA-FE itself reports.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from nets import make_net

from neuromod import Network, mapping
from neuromod.activity import count_active_steps
from neuromod.evaluation import trials_for
from neuromod.exporting import sanafe
from neuromod.placers import Effort
from neuromod.routing import measure
from neuromod.targets import load_target

STEPS = 200

# Runs in the other environment: simulate, count messages that leave a core, report the spikes of every neuron.
RUNNER = """
import json, sys
import sanafe
folder, steps = sys.argv[1], int(sys.argv[2])
arch = sanafe.load_arch(folder + "/arch.yaml")
chip = sanafe.SpikingChip(arch)
chip.load(sanafe.load_net(folder + "/net.yaml", arch))
result = chip.sim(steps, spike_trace=True, message_trace=True, processing_threads=1)
spikes = {}
for step in result["spike_trace"]:
    for address in step:
        text = str(address)
        spikes[text] = spikes.get(text, 0) + 1
packets = hops = 0
for step in result["message_trace"]:
    for message in step:
        if not message["placeholder"] and message["src_core_id"] != message["dest_core_id"]:
            packets += 1
            hops += message["hops"]
print("RESULT " + json.dumps({"spikes": spikes, "packets": packets, "hops": hops, "energy": result["energy"]}))
"""


def simulate(python: Path, folder: Path, n: int) -> tuple[np.ndarray, int, int]:
    """Run SANA-FE; return the spikes of every neuron, its packets that leave a core, and their hops."""
    (folder / "run.py").write_text(RUNNER)
    done = subprocess.run(
        [str(python), "run.py", ".", str(STEPS)], cwd=folder, check=True, capture_output=True, text=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    spikes = np.zeros(n, np.int64)
    for address, count in result["spikes"].items():
        spikes[int("".join(filter(str.isdigit, address.split(".")[-1])))] = count
    return spikes, result["packets"], result["hops"]


def cases(networks: list[Path]):
    """Yield (name, network, rates, target, cores, neurons per core, placer)."""
    net = make_net(400, 10.2)
    rates = np.minimum(net.rates / net.rates.max(), 1)
    for placer in ("tiles", "annealing", "shuffled"):
        yield f"local 400, {placer}", net, rates, "generic-mesh", (4, 4), None, placer
    yield "local 400 on loihi1", net, rates, "loihi1", (4, 4), 30, "annealing"
    loose = make_net(150, 6.0, reach=None, seed=1)
    for cores in ((3, 5), (2, 7)):
        rates = np.minimum(loose.rates / 9, 1)
        yield f"random 150, {cores[0]}x{cores[1]}", loose, rates, "generic-mesh", cores, None, "hilbert"
    for path in networks:
        trained = Network.load(path)
        active = count_active_steps(trained, trials_for(trained, 60, seed=0)).rates
        for placer in ("annealing", "tiles"):
            yield f"{path.stem}, {placer}", trained, active, "generic-mesh", (4, 4), None, placer


def main() -> None:
    """Print a table; exit with 1 if any count differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="Python with sanafe installed.")
    parser.add_argument("--networks", type=Path, nargs="*", default=[], help="Trained networks (*.safetensors).")
    arguments = parser.parse_args()
    print(f"| placement | packets, ours | SANA-FE | hops, ours | SANA-FE |\n|{'---|' * 5}")
    wrong = 0
    for name, network, rates, target, cores, capacity, placer in cases(arguments.networks):
        chip = load_target(target)
        placement = mapping.place(
            network, rates=rates, cores=cores, target=chip, neurons_per_core=capacity, placer=placer, effort=Effort(0.2)
        )
        with tempfile.TemporaryDirectory() as folder:
            sanafe.write(network, placement, rates, chip, Path(folder))
            spikes, packets, hops = simulate(arguments.python.absolute(), Path(folder), network.n)
        ours = measure(network, placement.core_of, placement.grid, spikes)
        wrong += ours.packets.sum() != packets or ours.hops != hops
        print(f"| {name} | {ours.packets.sum():,.0f} | {packets:,} | {ours.hops:,.0f} | {hops:,} |", flush=True)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
