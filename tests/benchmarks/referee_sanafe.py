"""Referee: placements in SANA-FE, an independent simulator, whose packets and hops must equal ours to the unit.

    python -m venv sanafe-env && sanafe-env/bin/pip install sanafe
    python tests/benchmarks/referee_sanafe.py --python sanafe-env/bin/python [--trained RUN …] [--placed RUN …]

Networks of ``--trained`` are placed here, with their active steps; those of ``--placed`` are taken as they lie in their
runs, on their targets and with the activity that was counted there, as the spikes of the spiking network. Each
placement is exported as `neuromod export --format sanafe` does it, and its own `referee.py` is run in that environment:
it is the step that users have too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from nets import make_net
from tables import Table, markdown
from trained import trained_network

from neuromod import Network, Placement
from neuromod.exporting import sanafe
from neuromod.hardware.target_files import load_target, parse_target
from neuromod.hardware.targets import Target
from neuromod.mapping import search
from neuromod.mapping.placers import Effort
from neuromod.metrics.accuracy import trials_for
from neuromod.metrics.activity import Activity, count_active_steps
from neuromod.runs.run import open_run

TABLE = Table(
    "referee", "python tests/benchmarks/referee_sanafe.py --python PYTHON --trained RUN … --placed RUN …", ("numpy",)
)


def place_and_judge(network: Network, rates, target: str, cores, capacity, placer: str, python: Path) -> dict:
    """Place, then judge."""
    chip = load_target(target)
    placement = search.place(
        network,
        activity=Activity(np.asarray(rates), np.ones(network.n_in), "given", 0),
        cores=cores,
        target=chip,
        neurons_per_core=capacity,
        placer=placer,
        effort=Effort(0.2),
    )
    return judge(network, placement, rates, chip, python)


def judge_run(path: str, python: Path) -> tuple[str, Callable[[], dict]]:
    """Name of a run's placement in the table, and what judges it."""
    run = open_run(Path(path))
    name, network = trained_network(path)
    placement, activity = Placement.load(run.file("placement.json")), Activity.load(run.file("activity.safetensors"))
    chip = parse_target(run.file("target.toml").read_text(encoding="utf-8"), where="target.toml")
    key = f"{name}; {chip.name} {placement.grid}, as mapped, {activity.kind}"
    return key, lambda: judge(network, placement, activity.rates, chip, python)


def judge(network: Network, placement: Placement, rates, chip: Target, python: Path) -> dict:
    """Export, simulate and compare."""
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
    parser.add_argument("--placed", nargs="*", default=[], help="Runs with a placement.")
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
    judged = {}
    for name, network, rates, target, cores, capacity, placer in cases:
        key = f"{name}, {network.n}; {target} {cores[0]}x{cores[1]}, {placer}"
        judged[key] = partial(place_and_judge, network, rates, target, cores, capacity, placer, python)
    judged.update(judge_run(path, python) for path in arguments.placed)
    for key, measure in judged.items():
        TABLE.row(key, measure)
    rows = []
    for key, row in TABLE.read()["rows"].items():
        counts = [f"{row[column]:,}" for column in ("spikes", "packets", "packets_sanafe", "hops", "hops_sanafe")]
        rows.append([*key.split("; "), *counts, "yes" if row["passed"] else "NO"])
    header = ["network, neurons", "target and placer", "spikes", "packets", "SANA-FE", "hops", "SANA-FE", "equal"]
    TABLE.write(markdown(header, rows), f"SANA-FE {row['sanafe']}, {row['steps']} steps each.")
    raise SystemExit(0 if all(row["passed"] for row in TABLE.read()["rows"].values()) else 1)


if __name__ == "__main__":
    main()
