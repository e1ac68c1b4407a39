"""ONNX files of other tools: one `RNN` operator with ReLU, and linear layers before and behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from neuromod.errors import UsageError
from neuromod.importing.onnx_rnn.signals import Axis, Dimension, Signal, axis, with_feature
from neuromod.importing.onnx_rnn.values import Filled, Interpreter, Unknown, Value
from neuromod.importing.result import Imported, build
from neuromod.network import Array

__all__ = ["DEFAULT_DT_S", "read_rnn"]

# Where a file says nothing, this is the time step of the imported network.
DEFAULT_DT_S = 1e-3

_STATES = "the states"


@dataclass(frozen=True, eq=False)
class Readout:
    """An output of the graph: ``weight @ h + bias`` of every step or of the last, or without both the states."""

    name: str
    weight: Array | None
    bias: Array | None
    last: bool

    def same(self, other: Readout) -> bool:
        """Whether it computes the same of a state."""
        return all(
            (a is None) == (b is None) and (a is None or b is None or np.array_equal(a, b))
            for a, b in ((self.weight, other.weight), (self.bias, other.bias))
        )


def read_rnn(model: onnx.ModelProto) -> Imported:
    """Turn a model with one `RNN` operator into a network with alpha = 1.

    What lies between the input and the operator, and between that and the outputs, must be linear along the features
    and leave time steps and trials where they are; shapes have to prove it. Constants are computed, so that a first
    state of zeros is known as such however it is made.

    Raises
    ------
    UsageError
        If the model is anything else, or if some of it would be lost; the message says what.
    """
    model = _inlined(model)
    graph = model.graph
    rnn = _find(graph)
    live = _live(graph)
    if rnn.output and not any(node is rnn for node in live):
        raise UsageError("none of its outputs comes from its RNN")
    interpreter = Interpreter(model)
    x: Value = Unknown("RNN")
    for node in live:
        if node is rnn:
            x = interpreter.get(node.input[0])
            interpreter.values.update(_states(node, interpreter))
        else:
            interpreter.step(node)
    parts, notes = _weights(rnn, interpreter, x)
    notes += _start(rnn, interpreter, x)
    readout, others = _outputs(graph, interpreter)
    n = len(parts["w_rec"])
    kept = np.float64 if parts["w_rec"].dtype == np.float64 else np.float32
    parts["w_out"] = np.eye(n, dtype=kept) if readout.weight is None else readout.weight.astype(kept)
    parts["bias_out"] = np.zeros(len(parts["w_out"]), kept) if readout.bias is None else readout.bias.astype(kept)
    if readout.weight is None and readout.bias is None:
        notes.append("it has no readout: its outputs are the states of the neurons")
    elif readout.last:
        notes.append(
            "it reads the last step alone; here every step has a readout, of which the last is that of the file"
        )
    for other in others:
        same = other.same(readout)
        what = f"the same as {readout.name}" if same else "the states of the neurons"
        notes.append(f"its output {other.name} is {what}{', of the last step' if other.last else ''}")
    network, more = build({**parts, "dt_s": DEFAULT_DT_S, "tau_s": DEFAULT_DT_S}, "ONNX")
    ignored = (*(other.name for other in others), *_unused(graph, live))
    return Imported(replace(network, info={"dt_known": False}), "ONNX", ignored, (*notes, *more))


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    if not model.functions:
        return model
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception as error:
        raise UsageError("its functions cannot be put in the place of their calls") from error


def _find(graph: onnx.GraphProto) -> onnx.NodeProto:
    recurrent = [node for node in graph.node if node.op_type in ("RNN", "LSTM", "GRU", "Scan", "Loop")]
    if len(recurrent) != 1 or recurrent[0].op_type != "RNN" or recurrent[0].domain not in ("", "ai.onnx"):
        found = ", ".join(sorted(node.op_type for node in recurrent)) or "none"
        products = Counter(
            name for node in graph.node if node.op_type in ("MatMul", "Gemm") for name in node.input[1:2]
        )
        if not recurrent and products and max(products.values()) > 1:
            found += "; its time steps are unrolled, and PyTorch writes an RNN with torch.onnx.export(…, dynamo=False)"
        raise UsageError(f"needed one RNN or a file of neuromod's, recurrent nodes: {found}")
    attributes = _attributes(recurrent[0])
    activation = [a.decode() for a in attributes.get("activations", [b"Tanh"])]
    direction = attributes.get("direction", b"forward").decode()
    if activation != ["Relu"] or direction != "forward":
        raise UsageError(f"needed an RNN running forward with Relu, found {direction}, {', '.join(activation)}")
    if "clip" in attributes:
        raise UsageError(f"its RNN clips what its units receive (clip = {attributes['clip']:g}), which none here do")
    found_one: onnx.NodeProto = recurrent[0]
    return found_one


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _taken(node: onnx.NodeProto) -> Iterator[str]:
    """Names of all values that a node takes, those of graphs within it among them."""
    yield from node.input
    for attribute in node.attribute:
        for inner in [attribute.g, *attribute.graphs]:
            for other in inner.node:
                yield from _taken(other)
            yield from (value.name for value in inner.output)


def _live(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes that lead to an output, in order."""
    wanted = {value.name for value in graph.output}
    live = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            live.append(node)
            wanted.update(_taken(node))
    return live[::-1]


def _unused(graph: onnx.GraphProto, live: list[onnx.NodeProto]) -> Iterator[str]:
    used = {name for node in live for name in _taken(node)} | {value.name for value in graph.output}
    made = {name for node in live for name in node.output}
    constants = [tensor.name for tensor in graph.initializer] + [t.values.name for t in graph.sparse_initializer]
    yield from (name for name in constants if name not in used)
    yield from (v.name for v in graph.input if v.name not in used and v.name not in constants)
    yield from (
        f"{node.op_type} {node.name or node.output[0]}"
        for node in graph.node
        if made.isdisjoint(node.output) and node.output
    )


def _states(rnn: onnx.NodeProto, interpreter: Interpreter) -> dict[str, Value]:
    """What the RNN gives: the states of all steps, and those of the last."""
    x, r = interpreter.get(rnn.input[0]), interpreter.get(rnn.input[2])
    if not isinstance(x, Signal) or len(x.axes) != 3 or not isinstance(r, np.ndarray) or r.ndim != 3:
        return dict.fromkeys(filter(None, rnn.output), Unknown("RNN", frozenset([_STATES])))
    by_batch = _attributes(rnn).get("layout", 0)
    batch, time = x.axes[:2] if by_batch else x.axes[1::-1]
    neurons = Dimension("neurons", r.shape[-1])
    features = axis(neurons)
    every = (batch, time, (), features) if by_batch else (time, (), batch, features)
    final = (batch, (), features) if by_batch else ((), batch, features)
    steps = time[0] if time else Dimension("time", 1)
    values = (Signal(_STATES, every, neurons, time=steps), Signal(_STATES, final, neurons))
    return {name: value for name, value in zip(rnn.output, values, strict=False) if name}


def _constant(interpreter: Interpreter, rnn: onnx.NodeProto, at: int, shape: tuple[int | None, ...]) -> Array | None:
    """A weight of the RNN without its dimension of directions; None if it is left out."""
    name = rnn.input[at] if len(rnn.input) > at else ""
    if not name:
        return None
    value = interpreter.get(name)
    if not isinstance(value, np.ndarray) or not np.issubdtype(value.dtype, np.floating):
        raise UsageError(f"the weights of the RNN are not constants of fitting shapes ({name} is no constant)")
    if value.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, value.shape, strict=True)):
        raise UsageError(f"the weights of the RNN are not constants of fitting shapes ({name} has {value.shape})")
    return value[0]  # type: ignore[no-any-return]


def _weights(rnn: onnx.NodeProto, interpreter: Interpreter, x: Value) -> tuple[dict[str, Array], list[str]]:
    """Weights of the network, with what is linear before the RNN multiplied in, and what to say of that."""
    w, r = (_constant(interpreter, rnn, at, (1, None, None)) for at in (1, 2))
    if w is None or r is None or r.shape[0] != r.shape[1] or len(w) != len(r):
        raise UsageError("the weights of the RNN are not constants of fitting shapes")
    n = len(r)
    if _attributes(rnn).get("hidden_size", n) != n:
        raise UsageError(f"its RNN says hidden_size = {_attributes(rnn)['hidden_size']}, but has weights for {n}")
    biases = _constant(interpreter, rnn, 3, (1, 2 * n))
    kept = np.float64 if w.dtype == np.float64 else np.float32
    bias = np.zeros(n) if biases is None else biases.astype(np.float64).reshape(2, n).sum(axis=0)
    notes = []
    if w.dtype == np.float16:
        notes.append("it computes in half precision (float16), and the imported network in higher")
    if isinstance(x, Unknown):
        raise UsageError(f"{x.operator} between the input and the RNN cannot be represented")
    known = with_feature(x, 2) if isinstance(x, Signal) and len(x.axes) == 3 else None
    if known is None and not (isinstance(x, Signal) and len(x.axes) == 3 and x.feature is None and len(x.axes[2]) == 1):
        raise UsageError(
            "what its RNN takes is no input with a dimension each for the time, the batch and the features"
        )
    assert isinstance(x, Signal)
    if known is not None and known.feature is not None and known.feature.size != w.shape[1]:
        raise UsageError(f"its RNN takes {w.shape[1]} values in each step, but is given {known.feature.size}")
    times = x.axes[1 if _attributes(rnn).get("layout", 0) else 0]
    if len(times) > 1:
        raise UsageError("the time steps of its RNN run through several dimensions of the input")
    notes += _layout(interpreter.get(x.source), x.axes[2] if x.feature is None else (), times)
    w_in: Array = w
    if not x.plain:
        notes.append("what lies between its input and its RNN is linear, and was multiplied into the input weights")
        wide = w.astype(np.float64)
        w_in = wide if x.weight is None else wide @ x.weight
        bias = bias if x.bias is None else bias + wide @ x.bias
    return {"w_rec": r.astype(kept), "w_in": w_in.astype(kept), "bias": bias.astype(kept)}, notes


def _layout(entering: Value, features: Axis, times: Axis) -> list[str]:
    """Say which dimension of the input is which, unless they come as they do here."""
    if not isinstance(entering, Signal) or len(entering.axes) != 3 or not times:
        return []
    names = {times: "time", features: "inputs"} if features else {times: "time"}
    found = [names.get(axis, "batch") for axis in entering.axes]
    plain = found[0] == "time" and (not features or found[2] == "inputs")
    return [] if plain else [f"its input is laid out as {', '.join(found)}; here it is time, batch, inputs"]


def _start(rnn: onnx.NodeProto, interpreter: Interpreter, x: Value) -> list[str]:
    """Refuse sequences that end early and a first state that may not be zero; say where a state comes from outside."""
    lengths, first = (rnn.input[at] if len(rnn.input) > at else "" for at in (4, 5))
    if lengths:
        value = interpreter.get(lengths)
        times = x.axes[1 if _attributes(rnn).get("layout", 0) else 0] if isinstance(x, Signal) else ()
        steps = times[0].size if times else 1
        held = value.values if isinstance(value, Filled) else value
        if not isinstance(held, np.ndarray) or not isinstance(steps, int) or not (held == steps).all():
            raise UsageError(
                f"its RNN is given the lengths of its sequences ({lengths}), at which it stops; here all run to their "
                "end; export it without lengths"
            )
    if not first:
        return []
    value = interpreter.get(first)
    if isinstance(value, np.ndarray | Filled):
        if np.any(value if isinstance(value, np.ndarray) else value.values):
            raise UsageError("its RNN starts from a state that is not zero; networks here start at rest")
        return []
    if isinstance(value, Signal) and value.plain and isinstance(x, Signal) and value.source not in (x.source, _STATES):
        return [f"the file takes its first state from outside ({value.source}); networks here start at rest"]
    made = value.operator if isinstance(value, Unknown) else "a linear layer"
    raise UsageError(
        f"its RNN starts from a state that is computed ({made}) and may not be zero; networks here start at rest"
    )


def _outputs(graph: onnx.GraphProto, interpreter: Interpreter) -> tuple[Readout, list[Readout]]:
    """Find the one readout among the outputs, and the others, which must say nothing that it does not."""
    found = []
    for output in graph.output:
        value = interpreter.get(output.name)
        of = f"its output {output.name}: " if len(graph.output) > 1 else ""
        if isinstance(value, Unknown) and _STATES in value.sources:
            raise UsageError(f"{of}{value.operator} between the RNN and the output cannot be represented")
        if not isinstance(value, Signal) or value.source != _STATES:
            raise UsageError(f"its output {output.name} does not come from the states of its RNN")
        found.append(Readout(output.name, value.weight, value.bias, value.time is None))
    readouts = [output for output in found if output.weight is not None or output.bias is not None] or found
    # Of equal ones, that of every step.
    chosen = min(readouts, key=lambda output: output.last)
    if not all(chosen.same(other) for other in readouts):
        names = ", ".join(output.name for output in readouts)
        raise UsageError(f"it has several readouts ({names}); needed one: export it with one output")
    return chosen, [output for output in found if output is not chosen]
