"""NIR graphs, changed in known ways, beside a simulation of the graph node by node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
from import_models import EQUAL, REFUSED, Case

from neuromod import importing

Nodes = dict[str, Any]
Edges = list[tuple[str, str]]
Graph = tuple[Nodes, Edges]

_STEPS = 12


def lif(n: int, rng: np.random.Generator) -> Any:
    return nir.LIF(tau=rng.random(n) * 5e-3 + 2e-3, r=np.full(n, 3.0), v_leak=np.zeros(n), v_threshold=np.ones(n))


def integrate(n: int, rng: np.random.Generator) -> Any:
    return nir.IF(r=np.full(n, 500.0), v_threshold=np.full(n, 0.8))


def linear(rows: int, columns: int, rng: np.random.Generator, *, bias: bool = False, dtype: Any = np.float32) -> Any:
    weight = (rng.normal(size=(rows, columns)) * 2).astype(dtype)
    return nir.Affine(weight, rng.normal(size=rows).astype(dtype)) if bias else nir.Linear(weight)


def start(rng: np.random.Generator, cell: Callable[..., Any] = lif, **flags: Any) -> Graph:
    """Input, a recurrent population and a readout, in the layout of snnTorch's exports."""
    n_in, n, n_out = (int(k) for k in rng.integers(2, 6, 3))
    nodes = {
        "input": nir.Input({"input": np.array([n_in])}),
        "fc1": linear(n, n_in, rng, **flags),
        "lif1.lif": cell(n, rng),
        "lif1.w_rec": linear(n, n, rng, **flags),
        "fc2": linear(n_out, n, rng, **flags),
        "output": nir.Output({"output": np.array([n_out])}),
    }
    edges = [("input", "fc1"), ("fc1", "lif1.lif"), ("lif1.lif", "lif1.w_rec"), ("lif1.w_rec", "lif1.lif"),
             ("lif1.lif", "fc2"), ("fc2", "output")]  # fmt: skip
    return nodes, edges


def braille(rng: np.random.Generator) -> Graph:
    """The graph of the NIR paper's Braille networks as their authors publish it, small: two CubaLIF layers."""
    nodes, edges = start(rng, bias=bool(rng.integers(2)))
    for name, n in (("lif1.lif", len(nodes["fc1"].weight)), ("lif2", len(nodes["fc2"].weight))):
        nodes[name] = nir.CubaLIF(
            tau_syn=np.full(n, 4e-3), tau_mem=np.full(n, 6e-3), r=np.full(n, 8.0), v_leak=np.zeros(n),
            v_threshold=np.ones(n), w_in=np.full(n, 5.0), v_reset=np.zeros(n),
        )  # fmt: skip
    return nodes, [*edges[:-1], ("fc2", "lif2"), ("lif2", "output")]


def simulate(nodes: Nodes, edges: Edges, x: Any, dt: float = 1e-3) -> Any:
    """Run a graph of nodes by forward Euler; what a population gets from a loop is of the step before."""
    given = {name: np.zeros(np.size(getattr(node, "v_threshold", 0))) for name, node in nodes.items()}
    state: dict[str, Any] = {}
    kinds = {name: type(node).__name__ for name, node in nodes.items()}
    out = []

    def value(name: str, now: Any) -> Any:
        node, kind = nodes[name], kinds[name]
        if kind == "Input":
            return now
        if kind in ("LIF", "CubaLIF", "IF"):
            return given[name]
        total = sum((value(a, now) for a, b in edges if b == name), np.zeros(1))
        if kind in ("Linear", "Affine"):
            return node.weight @ total + (node.bias if kind == "Affine" else 0)
        return total * node.scale if kind == "Scale" else total

    for now in x:
        fired = {}
        for name, node in nodes.items():
            if kinds[name] not in ("LIF", "CubaLIF", "IF"):
                continue
            drive = sum((value(a, now) for a, b in edges if b == name), np.zeros(1))
            v, i = state.get(name, (0.0, 0.0))
            if kinds[name] == "CubaLIF":
                i = i + dt / node.tau_syn * (-i + node.w_in * drive)
                drive = i
            if kinds[name] == "IF":
                v = v + dt * node.r * drive
            else:
                v = v + dt / (node.tau_mem if kinds[name] == "CubaLIF" else node.tau) * (
                    node.v_leak - v + node.r * drive
                )
            spikes = v > node.v_threshold
            state[name] = np.where(spikes, 0.0, v), i
            fired[name] = spikes.astype(float)
        given.update(fired)
        out.append(np.ravel(value("output", now)))
    return np.stack(out)


def imported(network: Any, x: Any) -> Any:
    """Run what was imported by its matrices and the parameters that it keeps, in the same way."""
    group = {}
    for part in network.info["nir"]["groups"]:
        for key, values in part.items():
            if key not in ("type", "start", "stop", "node", "trace"):
                held = group.setdefault(key, np.full(network.n, np.nan))
                held[part["start"] : part["stop"]] = values
        group.setdefault("kind", np.empty(network.n, object))[part["start"] : part["stop"]] = part["type"]
    kind, dt = group["kind"], network.dt_s
    v, i, spikes, out = np.zeros(network.n), np.zeros(network.n), np.zeros(network.n), []
    cuba, plain = kind == "CubaLIF", kind == "IF"
    tau = np.where(cuba, group.get("tau_mem", np.nan), group.get("tau", np.nan))
    for now in x:
        drive = network.w_rec @ spikes + network.w_in @ now + network.bias
        i = np.where(cuba, i + dt / group.get("tau_syn", 1.0) * (-i + group.get("w_in", 0.0) * drive), drive)
        v = np.where(plain, v + dt * group["r"] * drive, v + dt / tau * (group.get("v_leak", 0.0) - v + group["r"] * i))
        fired = v > group["v_threshold"]
        v = np.where(fired, 0.0, v)
        spikes = fired.astype(float)
        out.append(network.w_out @ spikes + network.bias_out)
    return np.stack(out)


# Changes.


def scaled(size: str) -> Callable[[Graph, np.random.Generator], Graph]:
    def change(graph: Graph, rng: np.random.Generator) -> Graph:
        nodes, edges = graph
        n = len(nodes["fc1"].weight)
        if size == "one of one":
            nodes["fc1"] = linear(1, nodes["fc1"].weight.shape[1], rng)
            nodes["lif1.lif"], nodes["lif1.w_rec"] = lif(1, rng), linear(1, 1, rng)
            nodes["fc2"] = linear(len(nodes["fc2"].weight), 1, rng)
            n = 1
        nodes["s"] = nir.Scale(scale=rng.normal(size=1 if size != "each" else n) + 2)
        edges = [(a, "s") if (a, b) == ("fc1", "lif1.lif") else (a, b) for a, b in edges]
        return nodes, [*edges, ("s", "lif1.lif")]

    return change


def with_node(make: Callable[[int], Any]) -> Callable[[Graph, np.random.Generator], Graph]:
    """A node between the readout and the output."""

    def change(graph: Graph, rng: np.random.Generator) -> Graph:
        nodes, edges = graph
        nodes["more"] = make(len(nodes["fc2"].weight))
        return nodes, [*edges[:-1], ("fc2", "more"), ("more", "output")]

    return change


def layers(graph: Graph, rng: np.random.Generator) -> Graph:
    nodes, edges = graph
    k = len(nodes["fc2"].weight)
    nodes["b"], nodes["l"] = integrate(k, rng), linear(k, k, rng, bias=True)
    return nodes, [*edges[:-1], ("fc2", "b"), ("b", "l"), ("l", "b"), ("b", "output")]


def parallel(graph: Graph, rng: np.random.Generator) -> Graph:
    nodes, edges = graph
    n, n_in = nodes["fc1"].weight.shape
    nodes["side"], nodes["loop"] = linear(n, n_in, rng), linear(n, n, rng)
    return nodes, [*edges, ("input", "side"), ("side", "lif1.lif"), ("lif1.lif", "loop"), ("loop", "lif1.lif")]


def dead(graph: Graph, rng: np.random.Generator) -> Graph:
    nodes, edges = graph
    nodes["dead"] = linear(3, len(nodes["lif1.w_rec"].weight), rng)
    return nodes, [*edges, ("lif1.lif", "dead")]


def twice(graph: Graph, rng: np.random.Generator) -> Graph:
    return graph[0], [*graph[1], ("fc1", "lif1.lif")]


def shortcut(graph: Graph, rng: np.random.Generator) -> Graph:
    nodes, edges = graph
    nodes["past"] = linear(len(nodes["fc2"].weight), nodes["fc1"].weight.shape[1], rng)
    return nodes, [*edges, ("input", "past"), ("past", "output")]


def too_large(graph: Graph, rng: np.random.Generator) -> Graph:
    nodes, edges = graph
    weight = nodes["lif1.w_rec"].weight.astype(np.float64)
    weight[0, 0] = 1e60
    nodes["lif1.w_rec"] = nir.Linear(weight)
    return nodes, edges


def two_inputs(graph: Graph, rng: np.random.Generator) -> Graph:
    nodes, edges = graph
    nodes["other"] = nir.Input({"input": np.array([nodes["fc1"].weight.shape[1]])})
    return nodes, [*edges, ("other", "fc1")]


def wrong_size(graph: Graph, rng: np.random.Generator) -> Graph:
    nodes, edges = graph
    n = len(nodes["lif1.w_rec"].weight)
    nodes["lif1.w_rec"] = linear(n + 1, n, rng)
    return nodes, edges


def _same(graph: Graph, rng: np.random.Generator) -> Graph:
    return graph


def _case(name: str, change: Any, must: str | None, first: Callable[[np.random.Generator], Graph]) -> Case:
    def write(path: Path, rng: np.random.Generator) -> Callable[[importing.Imported], bool]:
        nodes, edges = change(first(rng), rng)
        nir.write(path, nir.NIRGraph(nodes, edges, metadata={"dt_s": 1e-3}, type_check=False))

        def compare(found: importing.Imported) -> bool:
            x = (rng.random((_STEPS, nodes["fc1"].weight.shape[1])) < 0.5).astype(float)
            told = [name for name in nodes if name not in ("input", "output") and not any(a == name for a, _ in edges)]
            named = all(any(name in entry for entry in found.ignored) for name in told)
            return named and np.allclose(imported(found.network, x), simulate(nodes, edges, x), rtol=1e-4, atol=1e-4)

        return compare

    return Case("NIR", name, write, ".nir", must)


_KINDS: dict[str, tuple[Any, str | None, Callable[[np.random.Generator], Graph]]] = {
    "none": (_same, EQUAL, start),
    "with biases": (_same, EQUAL, lambda rng: start(rng, bias=True)),
    "double precision": (_same, EQUAL, lambda rng: start(rng, dtype=np.float64)),
    "IF": (_same, EQUAL, lambda rng: start(rng, integrate)),
    "as the Braille networks": (_same, EQUAL, braille),
    "scale: one of one": (scaled("one of one"), EQUAL, start),
    "scale: one of several": (scaled("one"), REFUSED, start),
    "scale: each": (scaled("each"), EQUAL, start),
    "two populations": (layers, EQUAL, start),
    "parallel nodes": (parallel, EQUAL, start),
    "nodes that lead nowhere": (dead, EQUAL, start),
    "an edge twice": (twice, REFUSED, start),
    "a way past the neurons": (shortcut, REFUSED, start),
    "too large": (too_large, REFUSED, start),
    "two inputs": (two_inputs, REFUSED, start),
    "sizes that do not fit": (wrong_size, REFUSED, start),
    "delay": (with_node(lambda n: nir.Delay(delay=np.ones(n))), REFUSED, start),
    "threshold": (with_node(lambda n: nir.Threshold(threshold=np.ones(n))), REFUSED, start),
    "convolution": (
        with_node(lambda n: nir.Conv1d(
            input_shape=n, weight=np.ones((1, 1, 1)), stride=1, padding=0, dilation=1, groups=1, bias=np.ones(1))),
        REFUSED, start),
}  # fmt: skip

NIR_CASES = [_case(name, *parts) for name, parts in _KINDS.items()]
