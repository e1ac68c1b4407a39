"""A NIR graph without subgraphs, and what drives each of its nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.network import Array

# Parameters of each kind of neuron that is understood; all of one shape.
NEURONS = {
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    "IF": ("r", "v_threshold", "v_reset"),
}
_MAX_NODES = 10_000
_MAX_CHANNELS = 2**20

# A matrix for each source, which is the input or a population, with a trace behind its spikes or not; and a bias.
Drive = tuple[dict[tuple[str, bool], sparse.csr_array], Array]


@dataclass
class Flat:
    """A graph without subgraphs. `nodes` holds no inputs and outputs but the graph's own two."""

    where: str
    nodes: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)  # who feeds whom
    input: str = ""
    output: str = ""
    known: dict[str, Drive] = field(default_factory=dict)  # what nodes pass on

    def size(self, name: str) -> int:
        """Number of values that a node gives."""
        node = self.nodes[name]
        kind = type(node).__name__
        if kind in ("Affine", "Linear"):
            return int(np.shape(node.weight)[0])
        if kind in ("Input", "Output"):
            shape = np.ravel(np.asarray(node.output_type["output"], np.float64))
            size = float(np.prod(shape))
            if len(shape) > 1 and self._next_to(name) == {shape[-1]}:
                size = float(shape[-1])  # sinabs and Rockpool put time in front
            if not 1 <= size <= _MAX_CHANNELS:
                raise UsageError(
                    f"cannot use {self.where}: {name} has {size:g} channels, the most is {_MAX_CHANNELS:,}"
                )
            return int(size)
        key = {"Scale": "scale", "LI": "tau"}.get(kind) or NEURONS.get(kind, ("",))[0]
        if np.size(getattr(node, key, 1)) > 1 or not self.sources.get(name):
            return int(np.size(getattr(node, key, 1)))
        # One value for all of them: as many as arrive, from outside a loop.
        for source in self.sources[name]:
            if type(self.nodes[source]).__name__ in ("Affine", "Linear", "Input"):
                return self.size(source)
        return int(np.size(getattr(node, key, 1)))

    def _next_to(self, name: str) -> set[float]:
        """Numbers of values that linear nodes take from the input, or that other nodes give to the output."""
        if name == self.output:
            return {float(self.size(source)) for source in self.sources.get(name, []) if source != name}
        fed = [self.nodes[target] for target, sources in self.sources.items() if name in sources]
        return {float(np.shape(node.weight)[1]) if hasattr(node, "weight") else -1.0 for node in fed}

    @property
    def wide(self) -> bool:
        """Whether any weights are kept in more than single precision."""
        held = (getattr(node, key, None) for node in self.nodes.values() for key in ("weight", "bias", "scale"))
        return any(np.asarray(values).dtype == np.float64 for values in held if values is not None)

    def trace_of(self, population: str) -> Any:
        """The LI node that low-passes a population's spikes."""
        return next(
            node
            for name, node in self.nodes.items()
            if type(node).__name__ == "LI" and self.sources.get(name) == [population]
        )

    def drive(self, name: str) -> Drive:
        """What arrives at a node, as a matrix for each source (input or population, with trace or not), and a bias."""
        return self._sum(name, ())

    def _sum(self, name: str, path: tuple[str, ...]) -> Drive:
        total: dict[tuple[str, bool], sparse.csr_array] = {}
        size = self.size(name) if type(self.nodes[name]).__name__ not in ("Affine", "Linear") else None
        bias: Any = np.zeros(size if size is not None else np.shape(self.nodes[name].weight)[1])
        for source in self.sources.get(name, []):
            matrices, offset = self._given(source, (*path, name))
            if np.shape(offset) != np.shape(bias):
                raise UsageError(
                    f"cannot use {self.where}: {source} gives {len(offset)} values, {name} takes {len(bias)}"
                )
            bias = bias + offset
            for key, matrix in matrices.items():
                total[key] = total[key] + matrix if key in total else matrix
        return total, bias

    def _given(self, name: str, path: tuple[str, ...]) -> Drive:
        """What a node passes on, in terms of the input and the populations."""
        if name not in self.known or name in path:
            self.known[name] = self._give(name, path)
        return self.known[name]

    def _give(self, name: str, path: tuple[str, ...]) -> Drive:
        node, kind = self.nodes[name], type(self.nodes[name]).__name__
        if kind in NEURONS or kind == "Input":
            return {(name, False): _identity(self.size(name))}, np.zeros(self.size(name))
        if name in path:
            raise UsageError(f"cannot use {self.where}: the loop through {name} has no neuron in it")
        if kind == "LI":
            feeding = self.sources.get(name, [])
            if len(feeding) != 1 or type(self.nodes[feeding[0]]).__name__ not in NEURONS:
                raise UsageError(
                    f"cannot use {self.where}: the LI node {name} is neither one population's trace nor the readout"
                )
            return {(feeding[0], True): _identity(self.size(name))}, np.zeros(self.size(name))
        matrices, bias = self._sum(name, path)
        if kind in ("Affine", "Linear"):
            weight = np.asarray(node.weight, np.float64)
            offset = np.asarray(node.bias, np.float64) if kind == "Affine" else np.zeros(len(weight))
            rows = sparse.csr_array(weight)
            return {key: sparse.csr_array(rows @ matrix) for key, matrix in matrices.items()}, weight @ bias + offset
        if kind == "Scale":
            scale = np.ravel(np.asarray(node.scale, np.float64))
            if scale.size == 1 < len(bias):
                raise UsageError(
                    f"cannot use {self.where}: the scale of {name} is one number, needed one for each value"
                )
            diagonal = sparse.diags_array(scale)
            return {key: sparse.csr_array(diagonal @ matrix) for key, matrix in matrices.items()}, scale * bias
        return matrices, bias  # Flatten of what is flat already


def flatten(graph: Any, where: str) -> Flat:
    """Take subgraphs apart, and refuse what is not understood."""
    names, edges = dict(_walk(graph, "", 0, where)), list(_edges(graph, "", where))
    understood = {*NEURONS, "LI", "Affine", "Linear", "Scale", "Flatten", "Input", "Output"}
    for name, node in names.items():
        kind = type(node).__name__
        if kind not in understood:
            raise UsageError(f"cannot use {where}: the node {name} is a {kind}, which cannot be represented here")
        if kind in ("Affine", "Linear") and np.ndim(node.weight) != 2:
            raise UsageError(f"cannot use {where}: the weight of {name} has the shape {np.shape(node.weight)}")
    if len(names) > _MAX_NODES:
        raise UsageError(f"cannot use {where}: it has {len(names):,} nodes, the most is {_MAX_NODES:,}")
    # Inputs and outputs of subgraphs only pass on.
    through = {n for n, node in names.items() if type(node).__name__ in ("Input", "Output") and n not in graph.nodes}
    own = [[n for n in names if type(names[n]).__name__ == kind and n not in through] for kind in ("Input", "Output")]
    if len(own[0]) != 1 or len(own[1]) != 1:
        raise UsageError(f"cannot use {where}: needed one input and one output, found {len(own[0])} and {len(own[1])}")
    before: dict[str, list[str]] = {}
    for a, b in dict.fromkeys(edges):
        if a not in names or b not in names:
            raise UsageError(f"cannot use {where}: an edge from {a} to {b} names a node that is not there")
        before.setdefault(b, []).append(a)

    def sources(name: str, path: tuple[str, ...] = ()) -> Iterator[str]:
        for source in before.get(name, []):
            if source in path:
                continue
            if source in through:
                yield from sources(source, (*path, source))
            else:
                yield source

    kept = {name: node for name, node in names.items() if name not in through}
    return Flat(where, kept, {name: list(sources(name)) for name in kept}, own[0][0], own[1][0])


def _walk(graph: Any, prefix: str, depth: int, where: str) -> Iterator[tuple[str, Any]]:
    if depth > 16:
        raise UsageError(f"cannot use {where}: its subgraphs are nested more than 16 deep")
    for name, node in graph.nodes.items():
        if type(node).__name__ == "NIRGraph":
            yield from _walk(node, f"{prefix}{name}.", depth + 1, where)
        else:
            yield f"{prefix}{name}", node


def _edges(graph: Any, prefix: str, where: str) -> Iterator[tuple[str, str]]:
    def ends(name: str, kind: str) -> list[str]:
        node = graph.nodes.get(name)
        if type(node).__name__ != "NIRGraph":
            return [f"{prefix}{name}"]
        return [f"{prefix}{name}.{inner}" for inner, n in node.nodes.items() if type(n).__name__ == kind]

    twice = next((edge for edge, times in Counter(graph.edges).items() if times > 1), None)
    if twice:
        raise UsageError(f"cannot use {where}: the edge from {prefix}{twice[0]} to {prefix}{twice[1]} is given twice")
    for a, b in graph.edges:
        yield from ((x, y) for x in ends(a, "Output") for y in ends(b, "Input"))
    for name, node in graph.nodes.items():
        if type(node).__name__ == "NIRGraph":
            yield from _edges(node, f"{prefix}{name}.", where)


def _identity(size: int) -> sparse.csr_array:
    return sparse.csr_array(sparse.eye_array(size))
