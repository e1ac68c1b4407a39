"""Data of one's own: accuracy, synapses, operations and hops for none, L1, BIMT and hops, beside a GRU of PyTorch.

Run it with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_data.py [--only NAME …] [--seeds 3]``; what has been
measured is kept, so it goes on where it stopped. The data sets are those that the wheel of aeon carries (the extra
``data``; or a folder with the same content, ``--folder``); NARMA-10 and the spikes are made here. Everything that is
not named here is a default of `neuromod train --data`, λ and the readout too, for every data set and every method:
nothing is chosen by a test set. A seed is that of the training; the trials held out for the validation are always the
same.

Bars, means over the seeds: BasicMotions at least 0.975 with at most 1,700 synapses of 10,000, JapaneseVowels at least
0.97 with at most 3,500 of 20,736 (BIMT); NARMA-10: an NRMSE below that of an echo state network of the same size with
a ridge readout, whose radius, input scale, leak and ridge the validation trials choose; spikes: at least 0.95. Exports
of what BIMT trained, pruned, on the test trials: an ONNX error of at most 1e-5, spiking decisions equal to the
network's in at least 0.97, NIR's in Norse equal to those of our own simulation in all.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any

import h5py
import numpy as np
import torch
from tables import Table, markdown

import neuromod
from neuromod import Trials, data
from neuromod.metrics import count_rate, scores
from neuromod.spiking.dynamics.fine_time import agreement_in_fine_time
from neuromod.training.on_data import batches, defaults, readout

TABLE = Table(
    "data",
    "OMP_NUM_THREADS=1 python tests/benchmarks/bench_data.py",
    ("aeon", "numpy", "scipy", "torch"),
)
METHODS: dict[str, dict[str, Any]] = {
    "none": {"wiring.regularizer": "none"},
    "L1": {"wiring.regularizer": "l1"},
    "BIMT": {},
    "hops": {"wiring.cost": "hops", "chip.cores": "4x4"},
}


# Published tables of accuracies on the archives' own split into training and test set.
INCEPTION = "InceptionTime, Ismail Fawaz et al. 2020, github.com/hfawaz/InceptionTime"
REVIEW = "Ismail Fawaz et al. 2019, github.com/hfawaz/dl-4-tsc"
ROCKET = "ROCKET, Dempster et al. 2020, github.com/angus924/rocket"


@dataclass(frozen=True)
class Case:
    """A data set, how many neurons learn it, and the best accuracy that the three published tables above have."""

    make: Callable[[Path], Trials]
    neurons: int = 100
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    published: str = "none found"


def archive(name: str) -> Callable[[Path], Trials]:
    """A data set of the UCR or UEA archive."""
    return lambda folder: neuromod.read_trials(folder / name / f"{name}_TRAIN.ts")


def daphnet(folder: Path) -> Trials:
    """Nine accelerations of a walking person, 64 Hz: the values of 4 samples later, in windows split along time."""
    rows = np.genfromtxt(folder / "Daphnet_S06R02E0" / "S06R02E0.csv", delimiter=",", skip_header=1)[:, 1:10]
    ahead, long = 4, 68
    windows = np.lib.stride_tricks.sliding_window_view(rows, long, axis=0)[::long].swapaxes(1, 2)
    part = np.array(["train", "train", "validation", "test", "train"])[np.arange(len(windows)) * 10 // len(windows) % 5]
    mask = np.broadcast_to(np.arange(long - ahead) >= 8, (len(windows), long - ahead))
    return Trials.from_arrays(
        windows[:, :-ahead], windows[:, ahead:], mask=mask, split=part, dt_ms=1000 / 64, name="Daphnet"
    )


def narma(_: Path) -> Trials:
    """NARMA-10: the value at every step, after 20 steps."""
    rng = np.random.default_rng(0)
    n, steps = 120, 150
    u = rng.uniform(0, 0.5, (n, steps))
    y = np.zeros((n, steps))
    for t in range(10, steps):
        y[:, t] = (0.3 * y[:, t - 1] + 0.05 * y[:, t - 1] * y[:, t - 10 : t].sum(axis=1)
                   + 1.5 * u[:, t - 10] * u[:, t - 1] + 0.1)  # fmt: skip
    mask = np.broadcast_to(np.arange(steps) >= 20, (n, steps))
    split = np.repeat(["train", "validation", "test"], [80, 20, 20])
    # What is asked for at t is known from the inputs before t.
    return Trials.from_arrays(u[:, :, None], y[:, :, None], mask=mask, split=split, name="NARMA-10")


def write_spikes(path: Path, *, classes: int = 10, n: int = 400, units: int = 700, seed: int = 0) -> None:
    """A file in the layout of the Heidelberg digits: each class is three tones that glide, with jitter and noise."""
    rng = np.random.default_rng(seed)
    glides = rng.uniform(50, units - 50, (classes, 3, 2))
    labels = np.arange(n) % classes
    kinds = {"times": h5py.vlen_dtype(np.float16), "units": h5py.vlen_dtype(np.uint16)}
    with h5py.File(path, "w") as file:
        group = file.create_group("spikes")
        data = {name: group.create_dataset(name, (n,), dtype=kind) for name, kind in kinds.items()}
        for k, label in enumerate(labels):
            long = rng.uniform(0.6, 0.9)
            at, tone = rng.random(240), rng.integers(0, 3, 240)
            start, end = glides[label, tone, 0], glides[label, tone, 1]
            unit = start + (end - start) * at + rng.normal(0, 12, 240)
            unit = np.concatenate([unit, rng.uniform(0, units, 80)]).clip(0, units - 1)
            when = np.concatenate([at, rng.random(80)]) * long
            order = np.argsort(when)
            data["times"][k], data["units"][k] = when[order].astype(np.float16), unit[order].astype(np.uint16)
        file["labels"] = labels


def spikes(_: Path) -> Trials:
    """Such a file, as it is read."""
    with tempfile.TemporaryDirectory() as folder:
        write_spikes(Path(folder) / "digits.h5")
        return neuromod.read_trials(Path(folder) / "digits.h5", dt_ms=20, channels=70)


# A start that mixes, without a leak, since what is asked for multiplies two inputs of the past.
NARMA = {
    "network.start": "random",
    "network.tau_ms": 100.0,
    "network.noise": 0.0,
    "training.steps": 600,
    "training.learning_rate": 2e-3,
    "wiring.strength": 0.001,
}

# Time constants in time steps, 2 by default; longer ones where the time step costs most.
LONGER = {"PickupGestureWiimoteZ": (2, 5, 10), "Daphnet": (2, 5, 10)}

CASES: dict[str, Case] = {
    "BasicMotions": Case(archive("BasicMotions"), published=f"1.000 ({INCEPTION})"),
    "JapaneseVowels": Case(archive("JapaneseVowels"), neurons=144, published=f"0.993 (FCN; {REVIEW})"),
    "ItalyPowerDemand": Case(archive("ItalyPowerDemand"), published=f"0.970 ({ROCKET})"),
    "GunPoint": Case(archive("GunPoint"), published=f"1.000 ({ROCKET})"),
    "PickupGestureWiimoteZ": Case(archive("PickupGestureWiimoteZ"), published=f"0.830 ({ROCKET})"),
    "Daphnet": Case(daphnet),
    "NARMA-10": Case(narma, more=NARMA),
    "spikes": Case(spikes),
}

# Data sets that are made here, of which BIMT alone is measured.
MADE = ("NARMA-10", "spikes")


def trained(trials: Trials, case: Case, method: str, seed: int, kept: Path) -> tuple[neuromod.Network, float]:
    """Train, or read what was trained before; and the CPU seconds."""
    name = f"{trials.names[0]}-{method}-{seed}"
    network_file, seconds_file = kept / f"{name}.safetensors", kept / f"{name}.seconds"
    if seconds_file.exists():
        network = data.with_data(neuromod.Network.load(network_file), trials)
        return network, float(seconds_file.read_text(encoding="utf-8"))
    begun = time.process_time()
    more = {**case.more, **METHODS.get(method, {})}
    network = neuromod.train(data=trials, neurons=case.neurons, seed=seed, more=more)
    seconds = time.process_time() - begun
    network.save(network_file)
    seconds_file.write_text(str(seconds), encoding="utf-8")
    return network, seconds


def ours(trials: Trials, case: Case, method: str, seed: int, kept: Path) -> dict[str, Any]:
    """Train, prune within the default drop, place on 4x4 cores, and count."""
    network, seconds = trained(trials, case, method, seed, kept)
    test = trials.part("test")
    pruned = neuromod.prune(network, seed=seed).network
    placement = neuromod.place(pruned, cores=(4, 4), placer="grown" if method == "hops" else "annealing", seed=seed)
    found = neuromod.evaluate(network, test)
    return {
        "readout": trials.readout,
        "validation_score": round(neuromod.evaluate(network, trials.part("validation")).accuracy, 4),
        "score": round(found.accuracy, 4),
        "nrmse": None if found.nrmse is None else round(found.nrmse, 4),
        "synapses": network.n_synapses,
        "score_pruned": round(neuromod.evaluate(pruned, test).accuracy, 4),
        "synapses_pruned": pruned.n_synapses,
        "macs": round(count_rate(pruned, test.inputs, test.mask).macs),
        "hops": round(neuromod.estimate(pruned, placement).summary["hops_per_step"], 1),
        "cpu_seconds": round(seconds, 1),
    }


def exports(trials: Trials, case: Case, seed: int, kept: Path) -> dict[str, Any]:
    """Export what BIMT trained, pruned, and verify it on the test trials."""
    network, _ = trained(trials, case, "BIMT", seed, kept)
    pruned = neuromod.prune(network, seed=seed).network
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for format in ("onnx", "snn", "nir"):
            exported = neuromod.export(pruned, Path(folder) / format, format=format)
            figures = neuromod.verify(pruned, exported).figures
            if format == "onnx":
                found["onnx_error"] = figures["max_relative_error"]
                continue
            parts = {"snn": figures} if format == "snn" else {"nir": figures, "nir_hard": figures["hard"]}
            for name, part in parts.items():
                low, high = part["decision_agreement_interval"]
                found[name] = {
                    "substeps": part["substeps"],
                    "agreement": round(part["decision_agreement"], 4),
                    "interval": [round(low, 4), round(high, 4)],
                    "trials": part["trials"],
                    **{f"{runtime}_equal": run["decisions_equal"] for runtime, run in part.get("runtimes", {}).items()
                       if run["verified"]},
                }  # fmt: skip
    return found


def fine_time(trials: Trials, case: Case, seed: int, kept: Path, taus: tuple[int, ...]) -> dict[str, Any]:
    """What the time step costs: decisions of BIMT's network that stay in 20 substeps, without spikes or delay."""
    found = {}
    test = trials.part("test")
    for tau in taus:
        longer = {} if tau == 2 else {"network.tau_ms": tau * (trials.dt_ms or 100.0)}
        part = dataclasses.replace(case, more={**case.more, **longer})
        network, _ = trained(trials, part, "BIMT" if tau == 2 else f"BIMT, tau {tau}", seed, kept)
        own = neuromod.evaluate(network, test)
        same = agreement_in_fine_time(network, test, own, 20)
        found[str(tau)] = {"score": round(own.accuracy, 4), "same": round(same.share, 4)}
    return found


class _Gated(torch.nn.Module):
    """A GRU with a linear readout."""

    def __init__(self, n_in: int, n: int, n_out: int) -> None:
        super().__init__()
        self.rnn, self.head = torch.nn.GRU(n_in, n, batch_first=False), torch.nn.Linear(n, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.rnn(x)[0])
        return found


@dataclass(frozen=True, eq=False)
class Gated:
    """A GRU that was trained: what it makes of raw inputs, its loss in validation, the CPU seconds."""

    run: Callable[[np.ndarray], np.ndarray]
    loss: float
    seconds: float


def fit_gated(trials: Trials, case: Case, seed: int, share: float = 1.0) -> Gated:
    """Train a GRU of as many units on the same batches, as long, with the same Adam and the same loss."""
    given = {"network.neurons": case.neurons, "seed": seed, **case.more}
    settings = defaults.settings_for(trials, given)
    steps = round(share * settings.training.steps)
    settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, steps=steps))
    material = batches.prepare(settings, trials)
    torch.manual_seed(seed)
    model = _Gated(trials.inputs.shape[2], case.neurons, trials.n_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.training.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    cpu = torch.device("cpu")
    begun = time.process_time()
    for packed in batches.batches(settings, material, 0, cpu):
        assert isinstance(packed, batches.PackedData)
        sequence = torch.nn.utils.rnn.PackedSequence(packed.inputs, torch.tensor(packed.sizes))
        hidden = model.rnn(sequence)[0].data
        loss, _ = batches.loss_and_score(model.head(hidden), packed, label_smoothing=settings.training.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.training.clip)
        optimizer.step()
        schedule.step()
    seconds, scale = time.process_time() - begun, material.scaling

    def run(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            y = model(torch.from_numpy(((x - scale.shift) / scale.scale).astype(np.float32))).numpy()
        found: np.ndarray = y * scale.out_scale + scale.out_shift
        return found

    held = trials.part("validation")
    return Gated(run, readout.loss_of_outputs(run(held.inputs), held, settings.training.label_smoothing), seconds)


def gated(trials: Trials, case: Case, seed: int) -> dict[str, Any]:
    """Measure such a GRU; where the readout is open, a quarter of the training with each chooses it, as for ours."""
    losses = {}
    if readout.is_open(trials, {}):
        read = {name: dataclasses.replace(trials, readout=name) for name in data.OPEN_READOUTS}
        losses = {name: fit_gated(part, case, seed, share=0.25).loss for name, part in read.items()}
        trials = read[min(losses, key=lambda name: losses[name])]
    found = fit_gated(trials, case, seed)
    test, n = trials.part("test"), case.neurons
    blank = neuromod.Network(
        w_rec=np.zeros((1, 1)), w_in=np.zeros((1, test.inputs.shape[2])), w_out=np.zeros((trials.n_classes, 1)),
        bias=np.zeros(1), bias_out=np.zeros(trials.n_classes), dt_s=0.1, tau_s=0.1,
    )  # fmt: skip
    scored = neuromod.evaluate(blank, test, runner=found.run)
    return {
        "readout": trials.readout,
        "score": round(scored.accuracy, 4),
        "nrmse": None if scored.nrmse is None else round(scored.nrmse, 4),
        "synapses": 3 * n * n,
        "macs": 3 * n * (n + trials.inputs.shape[2]) + n * trials.n_classes,
        "cpu_seconds": round(found.seconds, 1),
    }


def echo(trials: Trials, neurons: int, seed: int) -> dict[str, Any]:
    """An echo state network with a ridge readout; the validation chooses radius, input scale, leak and ridge."""
    train, validation, test = (trials.part(name) for name in ("train", "validation", "test"))
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(neurons, neurons)) * (rng.random((neurons, neurons)) < 0.1)
    base /= np.abs(np.linalg.eigvals(base)).max()
    w_in, bias = rng.uniform(-1, 1, (neurons, trials.inputs.shape[2])), rng.uniform(-1, 1, neurons)

    def states(part: Trials, radius: float, scale: float, leak: float) -> np.ndarray:
        h, found = np.zeros((part.n_trials, neurons)), []
        for x in part.inputs:
            h = (1 - leak) * h + leak * np.tanh(radius * h @ base.T + scale * (x @ w_in.T) + 0.2 * bias)
            found.append(h)
        rows = np.stack(found, axis=1)[part.reads.T]
        return np.hstack([rows, np.ones((len(rows), 1))])

    best: tuple[float, float] = (np.inf, np.inf)
    for radius in (0.8, 0.9, 0.99):
        for scale in (0.1, 0.3, 1.0):
            for leak in (0.5, 1.0):
                a, b, c = (states(part, radius, scale, leak) for part in (train, validation, test))
                for ridge in (1e-8, 1e-6, 1e-4):
                    w = np.linalg.solve(a.T @ a + ridge * np.eye(a.shape[1]), a.T @ train.answers)
                    chosen = scores.nrmse(validation.answers, b @ w)
                    if chosen < best[0]:
                        best = chosen, scores.nrmse(test.answers, c @ w)
    return {"nrmse": round(best[1], 4), "score": round(1 - best[1] ** 2, 4)}


def main() -> None:
    """Measure what is missing, write the table, fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    parser.add_argument(
        "--methods", nargs="*", default=["BIMT", "echo", "none", "exports", "fine time", "GRU", "hops", "L1"]
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--kept", type=Path, help="folder of the networks that are trained; a temporary one if omitted")
    arguments = parser.parse_args()
    spec = find_spec("aeon")
    folder = arguments.folder or Path(spec.submodule_search_locations[0]) / "datasets" / "data"  # type: ignore[union-attr,index]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        kept = arguments.kept or Path(temporary)
        kept.mkdir(parents=True, exist_ok=True)
        for seed in range(arguments.seeds):
            for method in arguments.methods:
                for name in arguments.only:
                    measure(name, method, seed, folder, kept)
    rows = TABLE.read()["rows"]
    write(rows)
    raise SystemExit(0 if all(passed for _, _, passed in bars(rows)) else 1)


def measure(name: str, method: str, seed: int, folder: Path, kept: Path) -> None:
    """Measure one row, if it is not there."""
    case = CASES[name]
    if (name in MADE and method not in ("BIMT", "echo", "exports")) or (method == "echo" and name != "NARMA-10"):
        return
    if method == "echo":
        TABLE.row(f"{name}|echo state|{seed}", lambda: echo(case.make(folder), case.neurons, seed))
        return
    if method == "GRU":
        TABLE.row(f"{name}|GRU|{seed}", lambda: gated(case.make(folder), case, seed))
        return
    run = {
        "exports": partial(exports, seed=seed, kept=kept),
        "fine time": partial(fine_time, seed=seed, kept=kept, taus=LONGER.get(name, (2,))),
    }.get(method, partial(ours, method=method, seed=seed, kept=kept))
    TABLE.row(f"{name}|{method}|{seed}", lambda: run(settled(name, seed, folder), case))


def settled(name: str, seed: int, folder: Path) -> Trials:
    """A data set with the readout that `neuromod train` chooses; the same for all methods: it knows no penalty."""
    case = CASES[name]
    trials = case.make(folder)
    if not readout.is_open(trials, {}):
        return trials
    given = {"network.neurons": case.neurons, "seed": seed, **case.more}
    row = TABLE.row(f"{name}|readout|{seed}", lambda: dataclasses.asdict(readout.try_readouts(trials, given)))
    return dataclasses.replace(trials, readout=row["readout"])


def grouped(rows: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, float]]:
    """Means over seeds: (data set, method) -> figure -> mean, in the order of the tables."""
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = {
        (name, method): [] for name in CASES for method in (*METHODS, "GRU", "echo state")
    }
    for key, row in rows.items():
        name, method, _ = key.split("|")
        if (name, method) in parts:
            parts[name, method].append(row)
    keys = ("score", "nrmse", "synapses", "score_pruned", "synapses_pruned", "macs", "hops", "cpu_seconds")
    return {
        pair: {
            "seeds": float(len(found)),
            **{key: mean(row[key] for row in found) for key in keys if all(row.get(key) is not None for row in found)},
        }
        for pair, found in parts.items()
        if found
    }


def bars(rows: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """What was asked for, what came out, whether that is enough; only of what has been measured."""
    found = grouped(rows)
    lines = []
    for name, least, most in (("BasicMotions", 0.975, 1700), ("JapaneseVowels", 0.97, 3500), ("spikes", 0.95, 10**9)):
        if part := found.get((name, "BIMT")):
            asked = f"{name}: accuracy ≥ {least}" + (f", ≤ {most:,} synapses" if most < 10**9 else "")
            met = round(part["score"], 4) >= least and part["synapses"] <= most
            lines.append((asked, f"{part['score']:.4f}, {part['synapses']:,.0f} synapses", met))
    if part := found.get(("JapaneseVowels", "BIMT")):
        slowest = max(row["cpu_seconds"] for key, row in rows.items() if key.startswith("JapaneseVowels|BIMT|"))
        lines.append(("JapaneseVowels: each training ≤ 3 minutes of CPU time", f"{slowest:.0f} s", slowest <= 180))
    if (part := found.get(("NARMA-10", "BIMT"))) and (other := found.get(("NARMA-10", "echo state"))):
        lines.append(
            ("NARMA-10: NRMSE below the echo state network's", f"{part['nrmse']:.3f} against {other['nrmse']:.3f}",
             part["nrmse"] < other["nrmse"])
        )  # fmt: skip
    if proofs := [row for key, row in rows.items() if key.split("|")[1] == "exports"]:
        error = max(row["onnx_error"] for row in proofs)
        lines.append(("ONNX error on raw inputs ≤ 1e-5", f"{error:.1e}", error <= 1e-5))
        least = min(row["snn"]["agreement"] for row in proofs)
        lines.append(("spiking decisions equal to the network's ≥ 0.97", f"at least {least:.3f}", least >= 0.97))
        norse = min(row[kind]["norse_equal"] for row in proofs for kind in ("nir", "nir_hard"))
        lines.append(("NIR in Norse: decisions equal to ours, all", f"at least {norse:.3f}", norse == 1))
    return lines


def write(rows: Mapping[str, Any]) -> None:
    """Write the tables of `docs/data.md`."""

    def cell(part: Mapping[str, float], key: str, form: str) -> str:
        return format(part[key], form) if key in part else "–"

    found = grouped(rows)
    lines = [
        [name, method, f"{part['seeds']:.0f}", cell(part, "score", ".3f"), cell(part, "synapses", ",.0f"),
         cell(part, "score_pruned", ".3f"), cell(part, "synapses_pruned", ",.0f"), cell(part, "macs", ",.0f"),
         cell(part, "hops", ",.1f"), cell(part, "nrmse", ".3f")]
        for (name, method), part in found.items()
    ]  # fmt: skip
    header = ["data", "method", "seeds", "test score", "recurrent weights", "pruned: score", "weights",
              "multiplications a step", "hops a step, 4x4 cores", "NRMSE"]  # fmt: skip
    there = dict.fromkeys(name for name, _ in found if name not in MADE)
    best = [[name, f"{CASES[name].neurons}", CASES[name].published] for name in there]
    proofs = []
    for key, row in rows.items():
        name, method, seed = key.split("|")
        for kind in ("snn", "nir", "nir_hard") if method == "exports" else ():
            part = row[kind]
            low, high = part["interval"]
            equal = ", ".join(
                f"{runtime} {part[f'{runtime}_equal']:.3f}"
                for runtime in ("norse", "spikingjelly")
                if f"{runtime}_equal" in part
            )
            proofs.append(
                [name, seed, f"{row['onnx_error']:.1e}", kind, part["substeps"],
                 f"{part['agreement']:.3f} ({low:.3f} to {high:.3f})", part["trials"], equal or "–"]
            )  # fmt: skip
    fine: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for key, row in rows.items():
        if key.split("|")[1] == "fine time":
            for tau, part in row.items():
                if tau.isdigit():
                    fine.setdefault((key.split("|")[0], tau), []).append(part)
    order = sorted(fine.items(), key=lambda item: (list(CASES).index(item[0][0]), int(item[0][1])))
    without = [
        [name, tau, len(parts), f"{mean(part['score'] for part in parts):.3f}",
         ", ".join(f"{part['same']:.3f}" for part in parts)]
        for (name, tau), parts in order
    ]  # fmt: skip
    spent = ["data", "time constant, in time steps", "seeds", "test score", "decisions that stay in each seed"]
    proven = ["data", "seed", "ONNX error", "export", "substeps", "decisions equal to the network's", "test trials",
              "decisions equal to ours in"]  # fmt: skip
    checked = [[asked, came, "yes" if met else "**no**"] for asked, came, met in bars(rows)]
    TABLE.write(
        markdown(header, lines),
        markdown(["data", "neurons", "best published accuracy, and its source"], best),
        *([markdown(proven, proofs)] if proofs else []),
        *(["**The time step, without spikes**", markdown(spent, without)] if without else []),
        markdown(["bar", "found", "met"], checked),
    )


if __name__ == "__main__":
    main()
