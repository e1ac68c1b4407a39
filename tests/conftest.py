"""A run made without training, for the tests of what comes after it."""

import json
import math

import numpy as np
import pytest

from neuromod.files import write_text
from neuromod.network import Network
from neuromod.rundir import create
from neuromod.tasks import resolve


@pytest.fixture(scope="session")
def local_network():
    """Make a network on a square grid whose connections are mostly short."""
    return _local_network


@pytest.fixture(scope="session")
def full_run():
    """Make a run in which every stage has run: ``full_run(path, network=None)``."""
    return _full_run


def _local_network(n_side=10, *, seed=0, reach=1.6, **changes):
    """A network on a square grid whose connections are mostly short."""
    rng = np.random.default_rng(seed)
    n = n_side**2
    at = np.stack([np.arange(n) % n_side, np.arange(n) // n_side], axis=1)
    distance = np.abs(at[:, None] - at[None]).sum(axis=2)
    there = rng.random((n, n)) < 0.75 * np.exp(-distance / reach)
    w_rec = np.where(there, rng.normal(0.1, 0.5, (n, n)), 0)
    given = dict(
        w_rec=w_rec, w_in=rng.normal(size=(n, 53)), w_out=rng.normal(size=(17, n)), bias=np.zeros(n),
        bias_out=np.zeros(17), dt_s=0.1, tau_s=0.2, positions=at,
        info={"tasks": list(resolve("yang19")), "semantics": "go-cue", "dt_ms": 100},
    )  # fmt: skip
    return Network(**{**given, **changes})


def _record(run, step, result, *, inputs=(), outputs=(), seconds=1.0, **arguments):
    run.record(step, arguments=arguments, seconds=seconds, inputs=inputs, outputs=outputs, result=result)
    return result


def _train(run, network, *, label="network.safetensors"):
    network.save(run.file(label))
    rng = np.random.default_rng(1)
    steps = np.arange(100, 6001, 100)
    lines = [
        {"step": int(s), "loss": float(2.4 * math.exp(-s / 900) + 0.05 + 0.01 * rng.random()),
         "accuracy": float(1 - 0.9 * math.exp(-s / 1100) - 0.01 * rng.random()),
         "wiring_length": float(8e5 * math.exp(-s / 700) + 2e3), "strength": 0.3, "seconds": s / 50}
        for s in steps
    ]  # fmt: skip
    write_text(run.file("metrics.jsonl"), "".join(json.dumps(line) + "\n" for line in lines))
    names = resolve("yang19")
    per_task = {name: float(np.clip(1 - 0.1 * rng.random() ** 2, 0, 1)) for name in names}
    return _record(
        run, "train",
        {"accuracy": float(np.mean(list(per_task.values()))), "accuracy_per_task": per_task, "wiring_length": 2100.0,
         "synapses": network.n_synapses, "seconds": 301.2, "run": str(run.path)},
        outputs=["network.safetensors"], seconds=301.2, seed=0, neurons=network.n,
    )  # fmt: skip


def _full_run(path, network=None):
    """Run every stage on a small network."""
    run = create("yang19", path)
    network = network or _local_network()
    _train(run, network)
    network.save(run.file("pruned.safetensors"))
    per_task = run.result("train")["accuracy_per_task"]
    _record(
        run, "prune",
        {"accuracy_before": 0.9512, "accuracy_after": 0.9466, "synapses_before": network.n**2,
         "synapses_after": network.n_synapses, "neurons_before": network.n, "neurons_after": network.n,
         "sparsity": 1 - network.n_synapses / network.n**2, "accuracy_per_task": per_task},
        inputs=["network.safetensors"], outputs=["pruned.safetensors"], seconds=8.1, seed=0,
    )  # fmt: skip
    return run
