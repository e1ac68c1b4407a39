from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from neuromod import Network
from neuromod.runs import run as rundir
from neuromod.runs.run import Run
from neuromod.training import Film, frames

# The first example of a test may have to wait until a kernel is compiled.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Let Ctrl-C mean what it does at a terminal: shells start background jobs with it ignored, and it is inherited."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def solver_network() -> Network:
    """A network made by hand that solves go, rtgo and dlygo: a neuron for each ring position that remembers."""
    w_in = np.zeros((17, 53))
    w_in[0, 0] = 1  # the fixation cue
    for k in range(16):
        w_in[1 + k, [1 + k, 17 + k]] = 1  # both rings
    return Network(
        w_rec=np.diag([0] + [0.9] * 16),
        w_in=w_in,
        w_out=np.diag([20.0] + [1.0] * 16),
        bias=np.zeros(17),
        bias_out=np.zeros(17),
        dt_s=0.1,
        tau_s=0.2,
        positions=np.stack(np.divmod(np.arange(17), 5), axis=1),
        neuron_ids=np.arange(100, 117),
        info={"tasks": ["go", "rtgo", "dlygo"], "semantics": "go-cue", "dt_ms": 100},
    )


@pytest.fixture
def solver(solver_network: Network) -> Network:
    """The same, by its short name."""
    return solver_network


@pytest.fixture(scope="session")
def nir_simulation() -> Callable[..., Any]:
    """Outputs of a NIR graph of ours for inputs (time, batch, channels): ``nir_simulation(graph, inputs, dt)``."""
    return _simulate


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[[Network], Run]:
    """Make a run that holds a network as an imported one."""

    def make(network: Network, **kwargs: Any) -> Run:
        run = rundir.create("test", tmp_path / "run", **kwargs)
        network.save(run.file("network.safetensors"))
        run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
        return run

    return make


@pytest.fixture(scope="session")
def local_network() -> Callable[..., Network]:
    """Make a network on a square grid whose connections are mostly short: ``local_network(side, **changes)``."""
    return _local_network


@pytest.fixture(scope="session")
def full_run() -> Callable[..., Run]:
    """Make a run in which every stage but the spiking export has run: ``full_run(path, network=None)``.

    What training and pruning report is made up; everything after them is done by the commands' own functions.
    """
    return _full_run


@pytest.fixture(scope="session")
def film_of() -> Callable[..., Film]:
    """Make a film of neurons on a square grid that swap places while connections go: ``film_of(side, frames)``."""
    return _film_of


def _film_of(n_side: int, n_frames: int, *, grouping: str = "function") -> Film:
    rng = np.random.default_rng(0)
    n = n_side**2
    at = np.stack([np.arange(n) % n_side, np.arange(n) // n_side], axis=1).astype(np.float32)
    w = rng.normal(size=(n, n)).astype(np.float32)
    taken = []
    for k in range(n_frames):
        strength = 0.4 * k / max(n_frames - 1, 1)
        w = np.where(np.abs(w) > 6 * strength, w, 0).astype(np.float32)
        one, other = rng.choice(n, 2, replace=False)
        at[[one, other]] = at[[other, one]]
        taken.append(frames.take(10 * k, w, at, strength=strength, accuracy=np.nan if k == 0 else k / n_frames))
    order = np.lexsort((at[:, 0], at[:, 1]))
    cores = {"grid": (2, 2), "block": (-(-n_side // 2), -(-n_side // 2))} if grouping == "core" else {}
    return Film(tuple(taken), 10 * (n_frames - 1), order, np.arange(n) % 4, grouping, **cores)


def _local_network(n_side: int = 10, *, seed: int = 0, reach: float = 1.6, **changes: Any) -> Network:
    from neuromod.tasks import resolve

    rng = np.random.default_rng(seed)
    n = n_side**2
    at = np.stack([np.arange(n) % n_side, np.arange(n) // n_side], axis=1)
    distance = np.abs(at[:, None] - at[None]).sum(axis=2)
    there = rng.random((n, n)) < 0.75 * np.exp(-distance / reach)
    given = {
        "w_rec": np.where(there, rng.normal(0.0, 0.2, (n, n)), 0),
        "w_in": rng.normal(size=(n, 53)),
        "w_out": rng.normal(size=(17, n)),
        "bias": np.zeros(n),
        "bias_out": np.zeros(17),
        "dt_s": 0.1,
        "tau_s": 0.2,
        "positions": at,
        "info": {"tasks": list(resolve("yang19")), "semantics": "go-cue", "dt_ms": 100},
    }
    return Network(**{**given, **changes})


def _full_run(path: Path, network: Network | None = None, *, verify: bool = True) -> Run:
    from neuromod.cli.output import Talk

    from neuromod.stages import estimate_stage, export_stage, map_stage, verify_stage

    run, talk = rundir.create("yang19", path), Talk(quiet=True)
    network = network or _local_network()
    _pretend_to_train(run, network)
    map_stage(run, talk=talk, placer="tiles")
    estimate_stage(run, talk=talk)
    export_stage(run, formats=("onnx",), talk=talk)
    if verify:
        verify_stage(run, talk=talk, n_trials=100)
    return run


def _pretend_to_train(run: Run, network: Network) -> None:
    rng = np.random.default_rng(1)
    lines = [
        {
            "step": step,
            "loss": 2.4 * math.exp(-step / 900) + 0.05 + 0.01 * rng.random(),
            "accuracy": 1 - 0.9 * math.exp(-step / 1100) - 0.01 * rng.random(),
            "wiring_length": 8e5 * math.exp(-step / 700) + 2e3,
        }
        for step in range(100, 6001, 100)
    ]
    run.file("metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    network.save(run.file("network.safetensors"))
    network.save(run.file("pruned.safetensors"))
    per_task = {name: 1 - 0.1 * rng.random() ** 2 for name in network.info["tasks"]}
    train = {
        "accuracy": 0.9512,
        "accuracy_per_task": per_task,
        "synapses": network.n**2,
        "neurons": network.n,
        "steps": 6000,
        "seconds": 301.2,
        "test_trials": 4000,
        "wiring_length": 2000.0,
        "run": str(run.path),
    }
    prune = {
        "accuracy_before": 0.9512,
        "accuracy_after": 0.9466,
        "accuracy_per_task": per_task,
        "synapses_before": network.n**2,
        "synapses_after": network.n_synapses,
        "neurons_before": network.n,
        "neurons_after": network.n,
        "sparsity": 1 - network.n_synapses / network.n**2,
    }
    for step, result, inputs, output in (
        ("train", train, [], "network.safetensors"),
        ("prune", prune, ["network.safetensors"], "pruned.safetensors"),
    ):
        run.record(step, arguments={"seed": 0}, seconds=301.2, inputs=inputs, outputs=[output], result=result)


def _simulate(graph: Any, inputs: Any, dt: float) -> Any:
    """Euler's method for the nodes of both forms, straight from NIR's differential equations, in double precision."""
    nodes, state, outputs = graph.nodes, {}, []
    names = ("input", "trace_in", "w_in", "lif", "neurons", "trace", "w_rec", "w_out")
    order = [name for name in names if name in nodes]
    last = dict.fromkeys(nodes, 0.0)
    for x in inputs:
        now = {}
        for name in order:
            node = nodes[name]
            # Only w_rec closes the loop, so its output reaches the neurons one step later.
            total = sum(now.get(a, last[a]) for a, b in graph.edges if b == name) if name != "input" else x
            kind = type(node).__name__
            if kind == "Input":
                now[name] = total
            elif kind == "Affine":
                now[name] = total @ node.weight.T.astype(float) + node.bias
            elif kind == "LI":
                v = state.get(name, 0.0)
                state[name] = v + dt / node.tau * (node.v_leak - v + node.r * total)
                now[name] = state[name]
            else:
                if kind == "CubaLIF":
                    i = state.get("i", 0.0)
                    state["i"] = i + dt / node.tau_syn * (-i + node.w_in * total)
                    total = state["i"]
                v = state.get(name, 0.0)
                if kind == "IF":
                    v = v + dt * node.r * total
                else:
                    tau = node.tau_mem if kind == "CubaLIF" else node.tau
                    v = v + dt / tau * (node.v_leak - v + node.r * total)
                spike = (v > node.v_threshold).astype(float)
                rule = graph.metadata["reset"]
                state[name] = v - spike * node.v_threshold if rule == "soft" else v * (1 - spike)
                now[name] = spike
        last = {**last, **now}
        outputs.append(now["w_out"])
    return np.stack(outputs)
