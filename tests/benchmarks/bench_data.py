"""Data of one's own: accuracy, synapses, operations and hops for none, L1, BIMT and hops, beside a GRU of PyTorch.

Run it with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_data.py [--only NAME …] [--seeds 3]``; what has been
measured is kept, so it goes on where it stopped. The data sets are those that the wheel of aeon carries (the extra
``data``; or a folder with the same content, ``--folder``); NARMA-10 and the spikes are made here.

Bars, means over the seeds: BasicMotions at least 0.975 with at most 1,700 synapses of 10,000, JapaneseVowels at least
0.97 with at most 3,500 of 20,736 (BIMT); NARMA-10: an NRMSE below that of an echo state network of the same size with a
ridge readout, whose radius and input scale the validation trials choose; spikes: at least 0.95.
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
from neuromod import Trials
from neuromod.mapping import placers
from neuromod.metrics import count_rate, scores
from neuromod.training.on_data import batches, defaults

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


@dataclass(frozen=True)
class Case:
    """A data set, how its answers are read and how many neurons learn it."""

    make: Callable[[Path], Trials]
    neurons: int = 100
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def archive(name: str, readout: str) -> Callable[[Path], Trials]:
    """A data set of the UCR or UEA archive."""
    return lambda folder: neuromod.read_trials(folder / name / f"{name}_TRAIN.ts", readout=readout)


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

CASES: dict[str, Case] = {
    "BasicMotions": Case(archive("BasicMotions", "mean")),
    "JapaneseVowels": Case(archive("JapaneseVowels", "last"), neurons=144),
    "GunPoint": Case(archive("GunPoint", "mean")),
    "ItalyPowerDemand": Case(archive("ItalyPowerDemand", "mean")),
    "PickupGestureWiimoteZ": Case(archive("PickupGestureWiimoteZ", "mean")),
    "ArrowHead": Case(archive("ArrowHead", "mean")),
    "Daphnet": Case(daphnet),
    "NARMA-10": Case(narma, more=NARMA),
    "spikes": Case(spikes),
}


def ours(trials: Trials, case: Case, method: str, seed: int) -> dict[str, Any]:
    """Train, prune within the default drop, place on 4x4 cores, and count."""
    more = {**case.more, **METHODS[method]}
    begun = time.monotonic()
    network = neuromod.train(data=trials, neurons=case.neurons, seed=seed, more=more)
    seconds = time.monotonic() - begun
    test = trials.part("test")
    pruned = neuromod.prune(network, seed=seed).network
    placer = "grown" if method == "hops" else "annealing"
    assert placer in placers.PLACERS
    placement = neuromod.place(pruned, cores=(4, 4), placer=placer, seed=seed)
    found = neuromod.evaluate(network, test)
    return {
        "score": round(found.accuracy, 4),
        "nrmse": None if found.nrmse is None else round(found.nrmse, 4),
        "synapses": network.n_synapses,
        "score_pruned": round(neuromod.evaluate(pruned, test).accuracy, 4),
        "synapses_pruned": pruned.n_synapses,
        "macs": round(count_rate(pruned, test.inputs, test.mask).macs),
        "hops": round(neuromod.estimate(pruned, placement).summary["hops_per_step"], 1),
        "seconds": round(seconds, 1),
    }


class _Gated(torch.nn.Module):
    """A GRU with a linear readout."""

    def __init__(self, n_in: int, n: int, n_out: int) -> None:
        super().__init__()
        self.rnn, self.head = torch.nn.GRU(n_in, n, batch_first=False), torch.nn.Linear(n, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.rnn(x)[0])
        return found


def gated(trials: Trials, case: Case, seed: int) -> dict[str, Any]:
    """Train a GRU of as many units on the same batches, as long, with the same Adam and the same loss."""
    given = {"network.neurons": case.neurons, "seed": seed, **case.more}
    settings = defaults.settings_for(trials, given)
    material = batches.prepare(settings, trials)
    torch.manual_seed(seed)
    model = _Gated(trials.inputs.shape[2], case.neurons, trials.n_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.training.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.training.steps)
    cpu = torch.device("cpu")
    begun = time.monotonic()
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
    seconds = time.monotonic() - begun
    test, scale = trials.part("test"), material.scaling
    with torch.no_grad():
        x = torch.from_numpy(((test.inputs - scale.shift) / scale.scale).astype(np.float32))
        y = model(x).numpy() * scale.out_scale + scale.out_shift
    blank = neuromod.Network(
        w_rec=np.zeros((1, 1)), w_in=np.zeros((1, test.inputs.shape[2])), w_out=np.zeros((trials.n_classes, 1)),
        bias=np.zeros(1), bias_out=np.zeros(trials.n_classes), dt_s=0.1, tau_s=0.1,
    )  # fmt: skip
    found = neuromod.evaluate(blank, test, runner=lambda _: y)
    n = case.neurons
    return {
        "score": round(found.accuracy, 4),
        "nrmse": None if found.nrmse is None else round(found.nrmse, 4),
        "synapses": 3 * n * n,
        "macs": 3 * n * (n + trials.inputs.shape[2]) + n * trials.n_classes,
        "seconds": round(seconds, 1),
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
    parser.add_argument("--methods", nargs="*", default=[*METHODS, "GRU"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    spec = find_spec("aeon")
    folder = arguments.folder or Path(spec.submodule_search_locations[0]) / "datasets" / "data"  # type: ignore[union-attr,index]
    torch.set_num_threads(1)
    for name in arguments.only:
        case = CASES[name]
        trials = case.make(folder)
        for seed in range(arguments.seeds):
            for method in arguments.methods:
                if method == "GRU":
                    measure = partial(gated, trials, case, seed)
                else:
                    measure = partial(ours, trials, case, method, seed)
                TABLE.row(f"{name}|{method}|{seed}", measure)
            if name == "NARMA-10":
                TABLE.row(f"{name}|echo state|{seed}", partial(echo, trials, case.neurons, seed))
    rows = TABLE.read()["rows"]
    write(rows)
    raise SystemExit(0 if all(passed for _, _, passed in bars(rows)) else 1)


def grouped(rows: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, float]]:
    """Means over seeds: (data set, method) -> figure -> mean."""
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for key, row in rows.items():
        name, method, _ = key.split("|")
        parts.setdefault((name, method), []).append(row)
    return {
        pair: {
            "seeds": float(len(found)),
            **{
                key: mean(row[key] for row in found)
                for key in ("score", "nrmse", "synapses", "score_pruned", "synapses_pruned", "macs", "hops", "seconds")
                if all(row.get(key) is not None for row in found)
            },
        }
        for pair, found in parts.items()
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
    if (part := found.get(("NARMA-10", "BIMT"))) and (other := found.get(("NARMA-10", "echo state"))):
        lines.append(
            ("NARMA-10: NRMSE below the echo state network's", f"{part['nrmse']:.3f} against {other['nrmse']:.3f}",
             part["nrmse"] < other["nrmse"])
        )  # fmt: skip
    return lines


def write(rows: Mapping[str, Any]) -> None:
    """Write the tables of `docs/data.md`."""

    def cell(part: Mapping[str, float], key: str, form: str) -> str:
        return format(part[key], form) if key in part else "–"

    lines = [
        [name, method, f"{part['seeds']:.0f}", cell(part, "score", ".3f"), cell(part, "synapses", ",.0f"),
         cell(part, "score_pruned", ".3f"), cell(part, "synapses_pruned", ",.0f"), cell(part, "macs", ",.0f"),
         cell(part, "hops", ",.1f"), cell(part, "nrmse", ".3f")]
        for (name, method), part in grouped(rows).items()
    ]  # fmt: skip
    header = ["data", "method", "seeds", "test score", "recurrent weights", "pruned: score", "weights", "MACs a step",
              "hops a step, 4x4 cores", "NRMSE"]  # fmt: skip
    checked = [[asked, came, "yes" if met else "**no**"] for asked, came, met in bars(rows)]
    TABLE.write(markdown(header, lines), markdown(["bar", "found", "met"], checked))


if __name__ == "__main__":
    main()
