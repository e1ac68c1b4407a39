"""Integer networks of chips: beside the rate network, bit for bit in vendors' simulators, and faults in their files.

Run it with ``python tests/benchmarks/bench_chips.py [--python PATH …] [--only WORD] RUN …`` with runs that have been
trained, pruned and mapped; PATHs are Pythons that have xylosim, nengo-loihi and brian2-loihi, or Lava. BasicMotions is
that of the wheel of aeon (the extra ``data``; or of ``--folder``). Rows that are there are not measured again. Bars:
100 % of the trials equal to the last bit everywhere; Xylo on the 20 tasks at least 0.99 equal decisions and within
0.005 of the accuracy; tasks on a ring of 4 within all limits at least 0.99; BasicMotions within all limits at most
0.025 below the rate network, 0.95 on the average; graded spikes of Loihi 2 at least 0.985; Loihi within 0.02 of the
accuracy; at least 99 % of 100 faults, and none of 30 healthy folders.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from tables import Table, markdown

import neuromod
from neuromod import Network
from neuromod.chips import calibrate_loihi2, calibrate_xylo
from neuromod.errors import VerificationError
from neuromod.exporting import chips
from neuromod.hardware import Grid, load_target
from neuromod.mapping import Placement
from neuromod.mapping.limits import find_violations
from neuromod.spiking import SpikingNetwork, balance
from neuromod.spiking.conversion import convert
from neuromod.spiking.thresholds import activities
from neuromod.verification.chips import verify_chip

TABLE = Table("chips", "python tests/benchmarks/bench_chips.py --python PATH … RUN …", ("numpy", "torch"))
RING_TASKS = "go,anti,rtgo,rtanti,dlygo,dlyanti"
SHOWN = (
    "simulator", "trials", "bit_equal", "trials_compared", "decision_agreement", "decision_agreement_95", "accuracy",
    "accuracy_network", "simulators", "verified", "reasons",
)  # fmt: skip


def exported(
    network: Network,
    family: str,
    pythons: list[str],
    *,
    simulated: int,
    placement: Placement | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Export and verify; the figures and the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        done = neuromod.export(network, folder, format=family, placement=placement, **more)
        seconds = time.monotonic() - begun
        found = verify_chip(
            family,
            done.target,
            network,
            spiking=done.references[family],
            placement=placement,
            simulated=simulated,
            pythons=pythons,
            # On a busy machine, too.
            time_limit=3600.0,
        )
        return {key: found[key] for key in SHOWN} | {
            "neurons": network.n,
            "seconds_export": round(seconds, 1),
            "seconds": round(time.monotonic() - begun, 1),
        }


def violations(network: Network, target: str) -> list[str]:
    """What of a target's limits a network on one core exceeds."""
    chip = load_target(target)
    core = np.zeros(network.n, np.int32)
    return [item.text for item in find_violations(network, core, Grid(1, 1), chip, int(chip.limit("neurons")))]


def ring(seed: int, pythons: list[str], **settings: Any) -> dict[str, Any]:
    """Train on a ring of 4 for Xylo, export, verify."""
    more = {"tasks.ring": 4, "chip.target": "xylo-a2", **settings}
    network = neuromod.train(tasks=RING_TASKS, neurons=64, steps=1500, seed=seed, more=more)
    found = exported(network, "xylo", pythons, simulated=1000)
    fan_out = np.bincount(network.w_rec.indices, minlength=network.n)
    return found | {
        "synapses": network.n_synapses,
        "largest_fan_out": int(fan_out.max()),
        "beyond_limits": {name: violations(network, name) for name in ("xylo-a2", "xylo-imu")},
    }


def motions(
    folder: Path, target: str, seed: int, pythons: list[str], *, family: str = "xylo", **settings: Any
) -> dict[str, Any]:
    """The whole path of a file of sensor data, for one chip: train, prune, place within its limits, export, verify."""
    data = neuromod.read_trials(folder / "BasicMotions" / "BasicMotions_TRAIN.ts")
    begun = time.process_time()
    xylo = family == "xylo"
    trained = neuromod.train(data=data, seed=seed, more={"chip.target": target, **settings} if xylo else settings)
    seconds = time.process_time() - begun
    network = neuromod.prune(trained, weight_bits=8).network
    # Xylo has one core; on Loihi spikes are to travel.
    placement = neuromod.place(network, target=target, neurons_per_core=None if xylo else 16)
    simulated = 20 if family == "loihi" else 1000
    found = exported(network, family, pythons, simulated=simulated, placement=placement)
    return found | {
        "seconds_of_training": round(seconds, 1),
        "channels": network.n_in,
        "synapses": network.n_synapses,
        "largest_fan_out": int(np.bincount(network.w_rec.indices, minlength=network.n).max()),
        "beyond_limits": {target: violations(network, target)},
    }


def random_network(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    n, n_in, n_out = (12, 30, 60)[seed % 3], 4, 3
    return Network(
        w_rec=sparse.csr_array(rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.2) * 0.4),
        w_in=rng.normal(size=(n, n_in)) * 0.5,
        w_out=rng.normal(size=(n_out, n)) * 0.3,
        bias=rng.normal(size=n) * 0.2,
        bias_out=rng.normal(size=n_out) * 0.1,
        dt_s=0.1,
        tau_s=(0.2, 0.4)[seed % 2],
    )


def spiking(network: Network, x: np.ndarray) -> SpikingNetwork:
    """Neurons as Loihi has them, not tuned."""
    scale = 16 * balance(activities(network, x).reshape(-1, network.n), percentile=99.9)
    like = {"mode": "continuous", "reset": "hard", "delay": 0, "floor": -1.0, "start": 0.0}
    return convert(network, scale, substeps=6, **like)


def faults(seeds: range, each: int) -> dict[str, Any]:
    """Spoil one array element, number or trial of each folder, at random, and verify without a simulator."""
    healthy, alarms, put, caught, missed = 0, [], 0, 0, []
    for seed in seeds:
        rng = np.random.default_rng([seed, 4])
        network = random_network(seed)
        x = np.repeat(rng.normal(size=(5, 16, network.n_in)), 5, axis=0)
        for family, integers in (
            ("xylo", calibrate_xylo(network, x).integers),
            ("loihi", chips.calibrate_loihi(spiking(network, x), x).integers),
            ("loihi2", calibrate_loihi2(network, x).integers),
        ):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                module = getattr(chips, family)
                module.write(integers, folder, network=network, x=x)

                def reasons(folder=folder, family=family, network=network, integers=integers) -> list[str]:
                    try:
                        common: dict[str, Any] = {"spiking": integers, "n_trials": 20, "simulated": 2}
                        found: list[str] = verify_chip(family, folder, network, **common, min_agreement=0)["reasons"]
                    except VerificationError as error:
                        return [str(error)]
                    return found

                healthy += 1
                if wrong := reasons():
                    alarms.append(f"{family} {seed}: {wrong}")
                for _ in range(each):
                    files = ("network.safetensors", "network.json", "trials.safetensors", "example.py")
                    path = folder / files[rng.integers(len(files))]
                    before = path.read_bytes()
                    spoil(path, rng)
                    put += 1
                    if reasons():
                        caught += 1
                    else:
                        missed.append(f"{family} {seed}: {path.name}")
                    path.write_bytes(before)
    return {"faults": put, "caught": caught, "missed": missed, "healthy": healthy, "alarms": alarms}


def spoil(path: Path, rng: np.random.Generator) -> None:
    """Change one number, by one or to another, of a file, or one byte of a script."""
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        key = rng.choice([key for key, value in content.items() if key not in ("figures", "schema")])
        value = content[key]
        if isinstance(value, list):
            at = int(rng.integers(len(value)))
            value[at] = value[at] + "x" if isinstance(value[at], str) else not value[at] if value[at] in (0, 1) else 1.5
        else:
            content[key] = value + "x" if isinstance(value, str) else value + 1
        path.write_text(json.dumps(content))
        return
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little") if path.suffix == ".safetensors" else 0
    at = int(rng.integers(start, len(data)))
    data[at] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def table(rows: dict[str, Any]) -> str:
    lines = []
    for key, row in rows.items():
        if "bit_equal" not in row:
            continue
        low, high = row["decision_agreement_95"]
        lines.append(
            [
                key,
                row["neurons"],
                row["simulator"],
                f"{row['bit_equal']} of {row['trials']}",
                f"{row['decision_agreement']:.3f} ({low:.3f}–{high:.3f})",
                f"{row['accuracy']:.3f}",
                f"{row['accuracy_network']:.3f}",
            ]
        )
    return markdown(
        ["what", "neurons", "simulator", "equal to the last bit", "equal decisions (95 %)", "accuracy", "network's"],
        lines,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--only", default="")
    parser.add_argument("--folder", type=Path, help="Folder with BasicMotions, as that of the wheel of aeon.")
    parser.add_argument("runs", nargs="*", type=Path)
    arguments = parser.parse_args()
    pythons = arguments.python
    measures = {f"Xylo, tasks on a ring of 4, seed {seed}": lambda seed=seed: ring(seed, pythons) for seed in range(3)}
    plain = {"chip.spikes": 65536}
    measures |= {
        f"Xylo, ring of 4 without levels in training, seed {seed}": lambda seed=seed: ring(seed, pythons, **plain)
        for seed in range(3)
    }
    spec = find_spec("aeon")
    folder = arguments.folder or (spec and Path(str(spec.origin)).parent / "datasets" / "data")
    if folder:
        measures |= {
            f"Xylo {chip}, BasicMotions, seed {seed}": lambda target=target, seed=seed: motions(
                folder, target, seed, pythons
            )
            for target, chip in (("xylo-a2", "Audio 2"), ("xylo-imu", "IMU"))
            for seed in range(3)
        }
        measures |= {
            f"{chip}, BasicMotions, seed {seed}": lambda family=family, target=target, seed=seed: motions(
                folder, target, seed, pythons, family=family
            )
            for family, target, chip in (("loihi", "loihi1", "Loihi"), ("loihi2", "loihi2", "Loihi 2"))
            for seed in range(1)
        }
        measures |= {
            f"Xylo Audio 2, BasicMotions without levels in training, seed {seed}": lambda seed=seed: motions(
                folder, "xylo-a2", seed, pythons, **plain
            )
            for seed in range(3)
        }
    for number, run in enumerate(arguments.runs):
        network = Network.load(run / "pruned.safetensors")
        placement = Placement.load(run / "placement.json") if (run / "placement.json").exists() else None
        if placement is not None and len(placement.core_of) != network.n:
            placement = None
        measures |= {
            f"Xylo, arithmetic alone, run {number}": lambda n=network: exported(n, "xylo", pythons, simulated=100),
            f"Loihi 2, run {number}": lambda n=network, p=placement: exported(
                n, "loihi2", pythons, simulated=100, placement=p
            ),
            f"Loihi, run {number}": lambda n=network, p=placement: exported(
                n, "loihi", pythons, simulated=20, placement=p
            ),
        }
    measures["faults"] = lambda: faults(range(20), 3)
    for key, measure in measures.items():
        if arguments.only in key:
            TABLE.row(key, measure)
    rows = TABLE.read()["rows"]
    parts = [table(rows)]
    if "faults" in rows:
        found = rows["faults"]
        parts.append(
            f"Of {found['faults']} seeded faults in the files of Xylo, Loihi and Loihi 2, {found['caught']} were "
            f"caught; of {found['healthy']} healthy folders, {len(found['alarms'])} were reported."
        )
    TABLE.write(*parts)


if __name__ == "__main__":
    main()
