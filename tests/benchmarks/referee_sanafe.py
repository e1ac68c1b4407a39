"""Referee: placements in SANA-FE, an independent simulator, whose packets and hops must equal ours to the unit.

    python -m venv sanafe-env && sanafe-env/bin/pip install sanafe
    python tests/benchmarks/referee_sanafe.py --python sanafe-env/bin/python [--trained RUN …]

Each placement is exported as `neuromod export --format sanafe` does it, and its own `referee.py` is run in that
environment: it is the step that users have too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from bench_mapping import trained_network
from nets import make_net
from tables import Table, markdown

from neuromod import Network, mapping
from neuromod.activity import count_active_steps
from neuromod.evaluation import trials_for
from neuromod.exporting import sanafe
from neuromod.placers import Effort
from neuromod.target_files import load_target

TABLE = Table("referee", "python tests/benchmarks/referee_sanafe.py --python PYTHON --trained RUN …", ("numpy",))


def judge(network: Network, rates, target: str, cores, capacity, placer: str, python: Path) -> dict:
    """Place, export, simulate and compare."""
    chip = load_target(target)
    placement = mapping.place(
        network, rates=rates, cores=cores, target=chip, neurons_per_core=capacity, placer=placer, effort=Effort(0.2)
    )
    with tempfile.TemporaryDirectory() as folder:
        sanafe.write(network, placement, rates, chip, Path(folder))
        done = subprocess.run([str(python), "referee.py"], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 4):
        raise SystemExit(done.stderr)
    version = subprocess.run(
        [str(python), "-c", "from importlib.metadata import version; print(version('sanafe'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    return {**json.loads(done.stdout.splitlines()[-1]), "sanafe": version}


def main() -> None:
    """Judge what is not there yet; end with 1 if any count differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="Python with SANA-FE.")
    parser.add_argument("--trained", nargs="*", default=[], help="Runs with a pruned network.")
    arguments = parser.parse_args()
    python = arguments.python.absolute()
    local, loose = make_net(400, 10.2), make_net(150, 6.0, reach=None, seed=1)
    cases = [
        ("local", local, local.rates / local.rates.max(), target, cores, capacity, placer)
        for target, cores, capacity, placer in (
            ("generic-mesh", (4, 4), None, "tiles"),
            ("generic-mesh", (4, 4), None, "annealing"),
            ("generic-mesh", (4, 4), None, "shuffled"),
            ("loihi1", (4, 4), 30, "annealing"),
        )
    ]
    cases += [
        ("no locality", loose, np.minimum(loose.rates / 9, 1), "generic-mesh", cores, None, "hilbert")
        for cores in ((3, 5), (2, 7))
    ]
    for path in arguments.trained:
        name, network = trained_network(path)
        rates = count_active_steps(network, trials_for(network, 60, seed=0)).rates
        cases += [(name, network, rates, "generic-mesh", (4, 4), None, placer) for placer in ("annealing", "tiles")]
    rows = []
    for name, network, rates, target, cores, capacity, placer in cases:
        key = f"{name}, {network.n}; {target} {cores[0]}x{cores[1]}, {placer}"
        row = TABLE.row(key, lambda: judge(network, rates, target, cores, capacity, placer, python))  # noqa: B023
        counts = [f"{row[column]:,}" for column in ("spikes", "packets", "packets_sanafe", "hops", "hops_sanafe")]
        rows.append([*key.split("; "), *counts, "yes" if row["passed"] else "NO"])
    header = ["network, neurons", "target and placer", "spikes", "packets", "SANA-FE", "hops", "SANA-FE", "equal"]
    TABLE.write(markdown(header, rows), f"SANA-FE {row['sanafe']}, {row['steps']} steps each.")
    raise SystemExit(0 if all(row["passed"] for row in TABLE.read()["rows"].values()) else 1)


if __name__ == "__main__":
    main()
