"""A PyTorch loop of one's own around snnTorch's RLeaky, with and without `neuromod.Wiring`, on real data.

Run it with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_own_loop.py [--seeds 0 1 2] [--folder DIR]``; what has
been measured is kept, so it goes on where it stopped. The data are BasicMotions, as the wheel of aeon carries them
(installed, or in a folder such as its ``aeon/datasets/data``). 100 neurons, 400 steps of Adam with a batch of 32, a
learning rate that falls along a cosine, and surrogate gradients; λ the same from the first step on; the readout is the
mean over the steps. The surrogate is the fast sigmoid with a slope of 25: behind snnTorch's default, an arctangent of
slope 2, gradients grow over 100 steps, and the dense network's training loss ended at 0.4 after 600 steps; it ends at
0.002 now. Surrogate, cosine and number of steps were chosen by that loss.

Two of the ten training trials of each class are held out, others for each seed. They choose λ: the largest whose
accuracy on them, mean over the seeds, is within 0.025 of that without a penalty. Every λ is reported. The test set is
seen once, after training. Bars, of the λ that is chosen, means over the seeds: at most 1/10 of the synapses of no
penalty, within 0.025 of its accuracy, and, mapped on 4x4 cores with its own spikes on the training trials, at most 1/5
of its hops.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import snntorch
import torch
from tables import Table, markdown
from torch import nn

import neuromod
from neuromod.spiking import LeakyNetwork, count_spikes

TABLE = Table("own_loop", "OMP_NUM_THREADS=1 python tests/benchmarks/bench_own_loop.py", ("numpy", "snntorch", "torch"))
METHODS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "BIMT, λ 0.1": {"strength": 0.1},
    "BIMT, λ 0.3": {"strength": 0.3},
    "BIMT, λ 1": {"strength": 1.0},
}
NEURONS, STEPS, BATCH, RATE = 100, 400, 32, 5e-3

# Accuracy that a penalty may cost.
NEAR = 0.025


class Net(nn.Module):
    """Linear, RLeaky, Linear, and the mean of the readout over the steps."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.into = nn.Linear(n_in, NEURONS)
        slope = snntorch.surrogate.fast_sigmoid(slope=25)
        self.neurons = snntorch.RLeaky(beta=0.9, linear_features=NEURONS, spike_grad=slope)
        self.out = nn.Linear(NEURONS, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch (time, batch, n_in)."""
        spikes, membrane = self.neurons.reset_mem()
        total = torch.zeros(())
        for current in self.into(x):
            spikes, membrane = self.neurons(current, spikes, membrane)
            total = total + spikes
        # The readout is linear: that of the mean is the mean of the readout.
        logits: torch.Tensor = self.out(total / len(x))
        return logits


def read(path: Path) -> tuple[np.ndarray, list[str]]:
    """Series (time, trial, channel) and labels of a ``.ts`` file whose series are equally long."""
    lines = path.read_text(encoding="utf-8").splitlines()
    trials = [line.split(":") for line in lines[lines.index("@data") + 1 :] if line]
    series = np.array([[np.fromstring(channel, sep=",") for channel in trial[:-1]] for trial in trials])
    return series.transpose(2, 0, 1).astype(np.float32), [trial[-1] for trial in trials]


@dataclass(frozen=True, eq=False)
class Part:
    """Trials: series (time, trial, channel), standardised, and classes (trial,)."""

    x: torch.Tensor
    y: torch.Tensor


def load(folder: Path) -> tuple[Part, Part]:
    """All training trials, and the test set; channels are standardised on the former."""
    (x, y), (x_test, y_test) = (read(folder / "BasicMotions" / f"BasicMotions_{s}.ts") for s in ("TRAIN", "TEST"))
    names = sorted(set(y))
    middle, spread = x.mean(axis=(0, 1)), x.std(axis=(0, 1))
    first, second = (
        Part(torch.from_numpy((series - middle) / spread), torch.tensor([names.index(name) for name in labels]))
        for series, labels in ((x, y), (x_test, y_test))
    )
    return first, second


def held_out(seen: Part, seed: int) -> tuple[Part, Part]:
    """Training and validation trials: two of each class are held out."""
    rng = np.random.default_rng(seed)
    labels = seen.y.numpy()
    out = np.concatenate([rng.choice(np.flatnonzero(labels == k), 2, replace=False) for k in np.unique(labels)])
    rest = np.setdiff1d(np.arange(len(labels)), out)
    train, validation = (Part(seen.x[:, index], seen.y[index]) for index in (rest, np.sort(out)))
    return train, validation


def train(options: dict[str, Any] | None, seed: int, seen: Part, test: Part) -> dict[str, Any]:
    """Train, measure, place and export one network."""
    part, validation = held_out(seen, seed)
    x, y = part.x, part.y
    torch.manual_seed(seed)
    net = Net(x.shape[2], int(y.max()) + 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    wiring = options and neuromod.Wiring(
        net.neurons.recurrent.weight, inputs=net.into.weight, readout=net.out.weight, **options
    )
    started = time.process_time()
    for _ in range(STEPS):
        batch = torch.randperm(len(y))[:BATCH]
        loss = nn.functional.cross_entropy(net(x[:, batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if wiring:
            wiring.step(optimizer)
        schedule.step()
    seconds = time.process_time() - started
    network = neuromod.from_snntorch(net, dt_s=0.1, positions=wiring.positions if wiring else None)
    with torch.no_grad():
        logits, held = net(test.x), net(validation.x)
    ours = LeakyNetwork.of(network).run(test.x.numpy()).y.mean(axis=0)
    spikes = count_spikes(network, x.numpy())
    placement = neuromod.place(network, cores=(4, 4), activity=spikes, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        exported = neuromod.export(network, folder, format="nir", placement=placement)
        verified = neuromod.verify(network, exported)
    return {
        "training_loss": float(loss.detach()),
        "validation_accuracy": float((held.argmax(dim=1) == validation.y).float().mean()),
        "test_accuracy": float((logits.argmax(dim=1) == test.y).float().mean()),
        "synapses": network.n_synapses,
        "swaps": wiring.state.swaps if wiring else 0,
        "spikes_per_neuron_per_step": float(spikes.rates.mean()),
        "hops": neuromod.estimate(network, placement, activity=spikes).summary["hops_per_step"],
        "decisions_as_snntorch": float((ours.argmax(axis=1) == logits.argmax(dim=1).numpy()).mean()),
        "nir_verified": verified.passed,
        "cpu_seconds": round(seconds, 1),
    }


def chosen(groups: dict[str, list[dict[str, Any]]]) -> str | None:
    """Return the largest λ whose accuracy on the trials that were held out is near that without a penalty."""
    if not groups["none"]:
        return None
    held = {
        method: mean(row["validation_accuracy"] for row in group)
        for method, group in groups.items()
        if len(group) >= len(groups["none"])
    }
    near = [method for method, score in held.items() if method != "none" and held["none"] - score <= NEAR]
    return near[-1] if near else None


def write() -> None:
    """Write the table and say which bars are met."""
    rows = TABLE.read()["rows"]
    groups = {
        method: [row for key, row in rows.items() if key.rpartition(", seed ")[0] == method] for method in METHODS
    }
    best = chosen(groups)

    def of(method: str, key: str) -> float:
        return mean(row[key] for row in groups[method])

    lines, bars = [], []
    for method, group in groups.items():
        if not group:
            continue
        accuracy, synapses, hops = (of(method, key) for key in ("test_accuracy", "synapses", "hops"))
        verified = f"{sum(row['nir_verified'] for row in group)} of {len(group)}"
        lines.append(
            [method, len(group), f"{of(method, 'validation_accuracy'):.3f}", f"{accuracy:.3f}", f"{synapses:,.0f}",
             f"{hops:.2f}", f"{of(method, 'spikes_per_neuron_per_step'):.3f}",
             f"{of(method, 'decisions_as_snntorch'):.3f}", verified]
        )  # fmt: skip
        if method != "none" and groups["none"]:
            loss = of("none", "test_accuracy") - accuracy
            few, near = synapses / of("none", "synapses"), hops / of("none", "hops")
            met = few <= 0.1 and loss <= NEAR and near <= 0.2
            bars.append(
                [f"{method} (chosen)" if method == best else method, f"{few:.3f} (≤ 0.1)", f"{-loss:+.3f} (≥ −{NEAR})",
                 f"{near:.3f} (≤ 0.2)", "yes" if met else "**no**"]
            )  # fmt: skip
    header = ["penalty", "seeds", "accuracy, held out", "test accuracy", "recurrent synapses", "hops a step, 4x4 cores"]
    header += ["spikes per neuron and step", "decisions equal to snnTorch's", "NIR verified"]
    bar = ["penalty", "synapses, of those without", "accuracy, beside that without", "hops, of those without", "met"]
    TABLE.write(markdown(header, lines), markdown(bar, bars))


def main() -> None:
    """Measure what is missing, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", default="", help="a part of a row's name; several may be measured at a time")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder
    if folder is None:
        spec = find_spec("aeon")
        if spec is None or spec.origin is None:
            parser.error("aeon is not installed; give --folder, one with BasicMotions/BasicMotions_TRAIN.ts")
        folder = Path(spec.origin).parent / "datasets" / "data"
    torch.set_num_threads(1)
    seen, test = load(folder)
    for seed in options.seeds:
        for method, told in METHODS.items():
            if options.only in (key := f"{method}, seed {seed}"):
                TABLE.row(key, lambda told=told, seed=seed: train(told, seed, seen, test))  # type: ignore[misc]
    write()


if __name__ == "__main__":
    main()
