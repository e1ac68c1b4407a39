"""ONNX files around one RNN, changed in known ways, beside onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from import_models import EQUAL, REFUSED, Case
from onnx import TensorProto, helper, numpy_helper

from neuromod import importing

Array = Any


@dataclass
class Model:
    """An RNN with a readout in the making; `change` functions alter it."""

    rng: np.random.Generator
    n: int
    n_in: int
    n_out: int
    steps: int
    batch: int
    fixed: bool
    dtype: Any = np.float32
    tensors: dict[str, Array] = field(default_factory=dict)
    before: list[Any] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)
    rnn: list[str] = field(default_factory=lambda: ["x", "W", "R", "B"])
    flags: dict[str, Any] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=lambda: ["y"])
    more_inputs: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    order: tuple[int, ...] = (0, 1, 2)
    drop: int | None = None
    # onnxruntime runs no RNN of other precisions or layouts, and ONNX's evaluator none with Relu.
    by_hand: bool = False
    # What each output must be, of the network's readout and states.
    view: Callable[[Array, Array], list[Array | None]] = lambda y, h: [y]

    def node(self, kind: str, inputs: list[str], output: str, *, first: bool = False, **flags: Any) -> str:
        (self.before if first else self.after).append(helper.make_node(kind, inputs, [output], **flags))
        return output

    def put(self, name: str, value: Any, dtype: Any = None) -> str:
        self.tensors[name] = np.asarray(value, dtype or self.dtype)
        return name

    def axes(self, *values: int) -> str:
        return self.put(f"axes{len(self.tensors)}", np.array(values), np.int64)


def start(rng: np.random.Generator) -> Model:
    n, n_in, n_out, steps, batch = (int(k) for k in rng.integers(1, 6, 5))
    m = Model(rng, n, n_in, n_out, steps + 1, batch, bool(rng.integers(2)))
    m.put("W", rng.normal(size=(1, n, n_in)))
    m.put("R", rng.normal(size=(1, n, n)) * 0.4)
    m.put("B", rng.normal(size=(1, 2 * n)))
    m.put("V", rng.normal(size=(n, n_out)))
    m.put("c", rng.normal(size=n_out))
    return m


def readout(m: Model, states: str = "h", out: str = "y") -> None:
    m.node("MatMul", [states, "V"], f"{out}.p")
    m.node("Add", [f"{out}.p", "c"] if m.rng.integers(2) else ["c", f"{out}.p"], out)


def squeeze(m: Model) -> None:
    m.node("Squeeze", ["Y", m.axes(1)], "h")


def plain(m: Model) -> None:
    squeeze(m)
    readout(m)


def finish(m: Model, path: Path) -> Callable[[importing.Imported], bool]:
    kinds = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE, np.float16: TensorProto.FLOAT16}
    sizes = [("t", m.steps), ("b", m.batch), ("f", m.n_in)]
    shape = [sizes[k][1] if m.fixed or k == 2 else sizes[k][0] for k in m.order]
    if m.drop is not None:
        shape.pop(m.drop)
    flags = {"hidden_size": m.n, "activations": ["Relu"], **m.flags}
    nodes = [*m.before, helper.make_node("RNN", m.rnn, ["Y", "Y_h"], **flags), *m.after]
    kind = kinds[m.dtype]
    enters = [helper.make_tensor_value_info("x", kind, shape)]
    enters += [
        helper.make_tensor_value_info(k, kinds.get(v.dtype.type, TensorProto.INT32), s)
        for k, (v, s) in m.more_inputs.items()
    ]
    leaves = [helper.make_tensor_value_info(name, kind, None) for name in m.outputs]
    held = [numpy_helper.from_array(v, k) for k, v in m.tensors.items()]
    graph = helper.make_graph(nodes, "g", enters, leaves, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())

    def compare(found: importing.Imported) -> bool:
        x = m.rng.normal(size=(m.steps, m.batch, m.n_in)).astype(m.dtype)
        given = x.transpose(m.order)
        given = given if m.drop is None else given.squeeze(m.drop)
        feeds = {"x": given, **{k: v for k, (v, _) in m.more_inputs.items()}}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        if m.by_hand:
            made = [by_hand(m, x).transpose(m.order)]
        else:
            made = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)
        network = found.network
        y, h = network.run(x)[0], network.states(x)
        wanted = m.view(y, h)
        within = {"rtol": 1e-3, "atol": 1e-4} if m.dtype != np.float16 else {"rtol": 0.05, "atol": 0.05}
        told = [name in found.ignored for name, w in zip(m.outputs, wanted, strict=True) if w is None]
        return all(told) and all(
            np.allclose(np.reshape(w, np.shape(o)) if np.size(w) == np.size(o) else np.nan, o, **within)
            for w, o in zip(wanted, made, strict=True)
            if w is not None
        )

    return compare


def by_hand(m: Model, x: Array) -> Array:
    """The sum that the operator's definition writes, in double precision."""
    w, r, b, v, c = (m.tensors[name].astype(np.float64) for name in ("W", "R", "B", "V", "c"))
    h, y = np.zeros((x.shape[1], m.n)), []
    for now in x.astype(np.float64):
        h = np.maximum(0, now @ w[0].T + h @ r[0].T + b[0, : m.n] + b[0, m.n :])
        y.append(h @ v + c)
    return np.stack(y)


# Starts.


def start_by(kind: str, value: float) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        state = np.full((1, m.batch, m.n), value)
        m.fixed = m.fixed or kind not in ("shape", "expand")
        m.rnn = ["x", "W", "R", "B", "", "h0"]
        if kind == "constant":
            m.put("h0", state)
        elif kind == "node":
            m.node("Constant", [], "h0", first=True, value=numpy_helper.from_array(state.astype(m.dtype)))
        elif kind == "identity":
            m.node("Identity", [m.put("z", state)], "h0", first=True)
        elif kind in ("shape", "expand"):
            m.node("Shape", ["x"], "s", first=True)
            m.node("Gather", ["s", m.put("one", 1, np.int64)], "b", first=True, axis=0)
            m.node("Unsqueeze", ["b", m.axes(0)], "bb", first=True)
            m.node("Concat", [m.axes(1), "bb", m.axes(m.n)], "hs", first=True, axis=0)
            if kind == "shape":
                m.node(
                    "ConstantOfShape",
                    ["hs"],
                    "h0",
                    first=True,
                    value=numpy_helper.from_array(np.full(1, value, m.dtype)),
                )
            else:
                m.node("Expand", [m.put("z", np.full((1, 1, m.n), value)), "hs"], "h0", first=True)
        elif kind == "input":
            m.fixed = True
            m.more_inputs["h0"] = (state.astype(m.dtype), [1, m.batch, m.n])
        elif kind == "from x":
            m.order = (0, 1, 2)
            m.node("ReduceMax", ["x"], "top", first=True, axes=[0, 2], keepdims=1)
            m.node("Expand", ["top", m.put("hs", [1, m.batch, m.n], np.int64)], "h0", first=True)
        elif kind == "random":
            m.node("RandomUniform", [], "h0", first=True, shape=[1, m.batch, m.n], low=0.5, high=1.5)
        elif kind == "tile":
            m.node(
                "Tile",
                [m.put("z", np.full((1, 1, m.n), value)), m.put("times", [1, m.batch, 1], np.int64)],
                "h0",
                first=True,
            )
        elif kind == "sum":
            m.node("Add", [m.put("z", state), m.put("q", np.zeros(1))], "h0", first=True)
        elif kind == "overridable":
            m.put("h0", state)
        plain(m)

    return change


def lengths(kind: str) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        m.fixed = True
        m.rnn = ["x", "W", "R", "B", "n"]
        many = np.full(m.batch, m.steps if kind == "full" else m.steps - 1, np.int32)
        if kind == "input":
            m.more_inputs["n"] = (many, [m.batch])
        elif kind == "computed":
            m.node("Identity", [m.put("nn", many, np.int32)], "n", first=True)
        else:
            m.put("n", many, np.int32)
        plain(m)

    return change


# Layouts.


def batch_first(m: Model) -> None:
    m.order = (1, 0, 2)
    m.node("Transpose", ["x"], "xt", first=True, perm=[1, 0, 2])
    m.rnn[0] = "xt"
    squeeze(m)
    m.node("Transpose", ["h"], "hb", perm=[1, 0, 2])
    readout(m, "hb")
    m.view = lambda y, h: [y.transpose(1, 0, 2)]


def channels_first(m: Model) -> None:
    m.order = (1, 2, 0)
    m.node("Transpose", ["x"], "xt", first=True, perm=[2, 0, 1])
    m.rnn[0] = "xt"
    plain(m)


def unbatched(m: Model) -> None:
    m.batch, m.drop, m.fixed = 1, 1, m.fixed
    m.node("Unsqueeze", ["x", m.axes(1)], "xt", first=True)
    m.rnn[0] = "xt"
    squeeze(m)
    m.node("Squeeze", ["h", m.axes(1)], "hh")
    readout(m, "hh")


def one_channel(m: Model) -> None:
    m.n_in, m.drop = 1, 2
    m.put("W", m.rng.normal(size=(1, m.n, 1)))
    m.node("Unsqueeze", ["x", m.axes(2)], "xt", first=True)
    m.rnn[0] = "xt"
    plain(m)


def scrambled_input(m: Model) -> None:
    m.fixed, m.batch = True, m.steps + 1
    m.node("Reshape", ["x", m.put("s", [m.batch, m.steps, m.n_in], np.int64)], "xb", first=True)
    m.node("Transpose", ["xb"], "xt", first=True, perm=[1, 0, 2])
    m.rnn[0] = "xt"
    plain(m)


def flat_and_back(shape: str) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        squeeze(m)
        m.node("Reshape", ["h", m.put("flat", [-1, m.n], np.int64)], "hf")
        readout(m, "hf", "yf")
        if shape == "known":
            m.fixed = True
            m.node("Reshape", ["yf", m.put("back", [m.steps, m.batch, m.n_out], np.int64)], "y")
        elif shape == "turned":
            m.fixed = True
            m.node("Reshape", ["yf", m.put("back", [m.batch, m.steps, m.n_out], np.int64)], "y")
            m.view = lambda y, h: [y if m.batch in (1, m.steps) else y * np.nan]
        else:
            m.node("Shape", ["x"], "s")
            m.node("Slice", ["s", m.axes(0), m.axes(2), m.axes(0)], "tb")
            m.node("Concat", ["tb", m.axes(m.n_out)], "back", axis=0)
            m.node("Reshape", ["yf", "back"], "y")

    return change


def frozen_shape(m: Model) -> None:
    """A shape from the example at export, in a file that says that its sizes are free."""
    m.fixed = False
    squeeze(m)
    m.node("Reshape", ["h", m.put("back", [m.batch, m.steps, m.n], np.int64)], "hr")
    readout(m, "hr")
    m.view = lambda y, h: [y if m.batch in (1, m.steps) else y * np.nan]


def mixed_features(m: Model) -> None:
    """A reshape that takes the neurons apart."""
    m.fixed = True
    squeeze(m)
    m.node("Reshape", ["h", m.put("odd", [m.steps, m.n, m.batch], np.int64)], "hr")
    m.node("Transpose", ["hr"], "ht", perm=[0, 2, 1])
    readout(m, "ht")
    m.view = lambda y, h: [y if 1 in (m.n, m.batch) else y * np.nan]


def flattened_last(m: Model) -> None:
    m.node("Flatten", ["Y_h"], "hf", axis=2)
    readout(m, "hf")
    m.view = lambda y, h: [y[-1]]


def squeezed(m: Model) -> None:
    m.n_out = 1
    m.put("V", m.rng.normal(size=(m.n, 1)))
    m.put("c", m.rng.normal(size=1))
    squeeze(m)
    readout(m, out="yy")
    m.node("Squeeze", ["yy", m.axes(2)], "y")


# The last step.


def last_by(kind: str) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        m.view = lambda y, h: [y[-1]]
        if kind == "Y_h":
            m.node("Squeeze", ["Y_h", m.axes(0)], "h")
        elif kind == "Y_h gather":
            m.node("Gather", ["Y_h", m.put("k", -1 if m.rng.integers(2) else 0, np.int64)], "h", axis=0)
        else:
            squeeze(m)
        if kind == "gather":
            m.node("Gather", ["h", m.put("k", -1, np.int64)], "hl", axis=0)
        elif kind == "gather list":
            m.node("Gather", ["h", m.axes(-1)], "hl", axis=0)
        elif kind == "number":
            m.fixed = True
            m.node("Gather", ["h", m.put("k", m.steps - 1, np.int64)], "hl", axis=0)
        elif kind == "slice":
            m.node("Slice", ["h", m.axes(-1), m.axes(2**63 - 1), m.axes(0), m.axes(1)], "hl")
        elif kind == "first":
            m.node("Gather", ["h", m.put("k", 0, np.int64)], "hl", axis=0)
            m.view = lambda y, h: [y[0]]
        elif kind == "all but one":
            m.node("Slice", ["h", m.axes(1), m.axes(2**63 - 1), m.axes(0), m.axes(1)], "hl")
            m.view = lambda y, h: [y[1:]]
        elif kind == "reversed":
            m.node("Slice", ["h", m.axes(-1), m.axes(-(2**63)), m.axes(0), m.axes(-1)], "hl")
            m.view = lambda y, h: [y[::-1]]
        elif kind == "mean":
            m.node("ReduceMean", ["h"], "hl", axes=[0], keepdims=0)
            m.view = lambda y, h: [y.mean(axis=0)]
        elif kind == "max":
            m.node("ReduceMax", ["h"], "hl", axes=[0], keepdims=0)
            m.view = lambda y, h: [y * np.nan]
        elif kind == "one trial":
            m.node("Gather", ["h", m.put("k", 0, np.int64)], "hl", axis=1)
            m.view = lambda y, h: [y[:, 0]]
        readout(m, "hl" if not kind.startswith("Y_h") else "h")

    return change


# Readouts.


def gemm(m: Model) -> None:
    alpha, beta = (float(v) for v in m.rng.normal(size=2))
    m.node("Squeeze", ["Y_h", m.axes(0)], "h")
    turned = int(m.rng.integers(2))
    if turned:
        m.put("V", m.tensors["V"].T)
    m.node("Gemm", ["h", "V", "c"], "y", alpha=alpha, beta=beta, transB=turned)
    m.view = lambda y, h: [y[-1]]


def deep(m: Model) -> None:
    squeeze(m)
    m.node("MatMul", ["h", m.put("V0", m.rng.normal(size=(m.n, m.n)))], "h1")
    m.node("Mul", ["h1", m.put("g", m.rng.normal(size=m.n))], "h2")
    m.node("Sub", ["h2", m.put("d", m.rng.normal(size=m.n))], "h3")
    m.node("Div", ["h3", m.put("q", 2.5)], "h4")
    m.node("Neg", ["h4"], "h5")
    readout(m, "h5")


def turned_minus(m: Model) -> None:
    squeeze(m)
    m.node("MatMul", ["h", "V"], "p")
    m.node("Sub", ["c", "p"], "y")


def bias_over(what: str) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        m.fixed = True
        squeeze(m)
        m.node("MatMul", ["h", "V"], "p")
        size = {"trials": (m.batch, 1), "steps": (m.steps, 1, 1), "both": (m.batch, m.n_out)}[what]
        m.put("c", m.rng.normal(size=size) + 1)
        m.node("Add", ["p", "c"], "y")

    return change


def from_the_left(m: Model) -> None:
    m.node("Squeeze", ["Y_h", m.axes(0)], "h")
    m.node("Transpose", ["h"], "ht", perm=[1, 0])
    m.put("V", m.tensors["V"].T)
    m.node("MatMul", ["V", "ht"], "yt")
    m.node("Transpose", ["yt"], "p", perm=[1, 0])
    m.node("Add", ["p", "c"], "y")
    m.view = lambda y, h: [y[-1]]


def stored_elsewhere(kind: str) -> Callable[[Model], None]:
    """Weights that nodes make from constants."""

    def change(m: Model) -> None:
        if kind == "transposed":
            m.put("WT", m.tensors.pop("W").transpose(0, 2, 1))
            m.node("Transpose", ["WT"], "W", first=True, perm=[0, 2, 1])
        elif kind == "int8":
            step = np.float32(0.05)
            m.put("Rq", np.round(m.tensors.pop("R") / step).clip(-100, 100), np.int8)
            m.node("DequantizeLinear", ["Rq", m.put("step", step), m.put("zero", 0, np.int8)], "R", first=True)
        elif kind == "concat":
            w = m.tensors.pop("B")
            m.node("Concat", [m.put("B1", w[:, : m.n]), m.put("B2", w[:, m.n :])], "B", first=True, axis=1)
        elif kind == "masked":
            r = m.tensors.pop("R")
            m.node("Mul", [m.put("R0", r), m.put("mask", m.rng.integers(0, 2, r.shape))], "R", first=True)
        elif kind == "of x":
            m.fixed = True
            m.node("ReduceMax", ["x"], "top", first=True, keepdims=0)
            m.node("Mul", [m.put("R0", m.tensors.pop("R")), "top"], "R", first=True)
        plain(m)

    return change


def between(kind: str) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        squeeze(m)
        flags = {"Softmax": {"axis": -1}, "LeakyRelu": {"alpha": 0.1}, "Clip": {}}.get(kind, {})
        extra = [m.put("low", 0.1), m.put("high", 0.5)] if kind == "Clip" else []
        m.node(kind, ["h", *extra], "h1", **flags)
        readout(m, "h1")

    return change


def harmless(m: Model) -> None:
    squeeze(m)
    m.node("Identity", ["h"], "h1")
    m.node("Dropout", ["h1"], "h2")
    m.node("Cast", ["h2"], "h3", to=TensorProto.DOUBLE)
    m.node("Cast", ["h3"], "h4", to=TensorProto.FLOAT)
    readout(m, "h4")


def to_integers(m: Model) -> None:
    squeeze(m)
    m.node("Cast", ["h"], "hi", to=TensorProto.INT32)
    m.node("Cast", ["hi"], "h1", to=TensorProto.FLOAT)
    readout(m, "h1")


def residual(m: Model) -> None:
    m.n_in = m.n
    m.put("W", m.rng.normal(size=(1, m.n, m.n)))
    squeeze(m)
    m.node("Add", ["h", "x"], "h1")
    readout(m, "h1")


# Before the RNN.


def encoder(m: Model) -> None:
    m.put("E", m.rng.normal(size=(m.n_in, 4)))
    m.put("W", m.rng.normal(size=(1, m.n, 4)))
    m.node("MatMul", ["x", "E"], "e", first=True)
    m.node("Add", ["e", m.put("eb", m.rng.normal(size=4))], "e2", first=True)
    m.rnn[0] = "e2"
    plain(m)


def normalised(m: Model) -> None:
    m.node("Sub", ["x", m.put("mean", m.rng.normal(size=m.n_in))], "x1", first=True)
    m.node("Div", ["x1", m.put("std", m.rng.random(m.n_in) + 0.5)], "x2", first=True)
    m.rnn[0] = "x2"
    plain(m)


def encoder_with(kind: str) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        m.node(kind, ["x"], "e", first=True)
        m.rnn[0] = "e"
        plain(m)

    return change


def over_time(m: Model) -> None:
    """A gain for each time step."""
    m.fixed = True
    m.node("Mul", ["x", m.put("gain", m.rng.random((m.steps, 1, 1)) + 0.5)], "x1", first=True)
    m.rnn[0] = "x1"
    plain(m)


# Outputs.


def states_too(m: Model) -> None:
    plain(m)
    m.outputs = ["y", "Y_h"] if m.rng.integers(2) else ["Y_h", "y"]
    first = m.outputs[0] == "y"
    m.view = lambda y, h: [y, None] if first else [None, y]


def states_alone(m: Model) -> None:
    m.outputs = ["Y"]
    m.view = lambda y, h: [y[:, None]]


def second_readout(equal: bool) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        plain(m)
        m.node("Squeeze", ["Y_h", m.axes(0)], "hl")
        m.node("MatMul", ["hl", "V" if equal else m.put("U", m.rng.normal(size=(m.n, 2)))], "z0")
        m.node("Add", ["z0", "c" if equal else m.put("cz", 0.5)], "z")
        m.outputs = ["y", "z"] if m.rng.integers(2) else ["z", "y"]
        m.view = lambda y, h: [y if name == "y" else None for name in m.outputs]

    return change


def input_as_output(m: Model) -> None:
    plain(m)
    m.node("Identity", ["x"], "xx")
    m.outputs = ["y", "xx"]


def class_too(m: Model) -> None:
    plain(m)
    m.node("Softmax", ["y"], "p", axis=-1)
    m.outputs = ["y", "p"]


def unused(m: Model) -> None:
    plain(m)
    m.put("left over", np.ones(3))
    m.node("Relu", ["h"], "dead")


# The RNN itself.


def rnn_with(**flags: Any) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        m.flags = flags
        plain(m)

    return change


def by_batch(m: Model) -> None:
    m.flags, m.order, m.by_hand = {"layout": 1}, (1, 0, 2), True
    m.node("Squeeze", ["Y", m.axes(2)], "h")
    readout(m)
    m.view = lambda y, h: [y.transpose(1, 0, 2)]


def no_bias(m: Model) -> None:
    m.rnn = ["x", "W", "R"] if m.rng.integers(2) else ["x", "W", "R", ""]
    del m.tensors["B"]
    plain(m)


def precision(dtype: Any) -> Callable[[Model], None]:
    def change(m: Model) -> None:
        m.dtype, m.by_hand = dtype, True
        m.tensors = {k: v.astype(dtype) for k, v in m.tensors.items()}
        plain(m)

    return change


def two_layers(m: Model) -> None:
    m.put("W2", m.rng.normal(size=(1, m.n, m.n)))
    m.put("R2", m.rng.normal(size=(1, m.n, m.n)))
    squeeze(m)
    m.after.append(
        helper.make_node("RNN", ["h", "W2", "R2"], ["Y2", ""], hidden_size=m.n, activations=["Relu"], name="second")
    )
    m.node("Squeeze", ["Y2", m.axes(1)], "h2")
    readout(m, "h2")


def _case(name: str, change: Callable[[Model], None], must: str | None) -> Case:
    def write(path: Path, rng: np.random.Generator) -> Callable[[importing.Imported], bool]:
        m = start(rng)
        change(m)
        return finish(m, path)

    return Case("ONNX", name, write, ".onnx", must)


_KINDS: dict[str, tuple[Callable[[Model], None], str | None]] = {
    "none": (plain, EQUAL),
    "no bias": (no_bias, EQUAL),
    "double precision": (precision(np.float64), EQUAL),
    "half precision": (precision(np.float16), EQUAL),
    "layout by batch": (by_batch, EQUAL),
    **{f"start: {k}, zeros": (start_by(k, 0.0), EQUAL) for k in
       ("constant", "node", "identity", "shape", "expand", "tile", "sum", "input")},
    **{f"start: {k}, not zero": (start_by(k, 0.7), REFUSED) for k in
       ("constant", "node", "identity", "shape", "expand", "tile", "sum", "from x", "random")},
    "lengths: full": (lengths("full"), EQUAL),
    **{f"lengths: {k}": (lengths(k), REFUSED) for k in ("short", "computed", "input")},
    "batch first": (batch_first, EQUAL),
    "channels first": (channels_first, EQUAL),
    "unbatched": (unbatched, EQUAL),
    "one channel, squeezed": (one_channel, EQUAL),
    "reshape of the input that mixes": (scrambled_input, REFUSED),
    "reshape: flat and back, known": (flat_and_back("known"), EQUAL),
    "reshape: flat and back, of the shape": (flat_and_back("shape"), EQUAL),
    "reshape: flat and turned": (flat_and_back("turned"), None),
    "reshape: frozen at export": (frozen_shape, None),
    "reshape: mixes features": (mixed_features, None),
    "flatten of the last state": (flattened_last, EQUAL),
    "readout squeezed": (squeezed, EQUAL),
    **{f"last step: {k}": (last_by(k), EQUAL) for k in ("Y_h", "Y_h gather", "gather", "gather list", "number", "slice")},
    **{f"steps: {k}": (last_by(k), REFUSED) for k in ("first", "reversed", "mean", "max")},
    **{f"steps: {k}": (last_by(k), None) for k in ("one trial", "all but one")},
    "gemm, alpha and beta": (gemm, EQUAL),
    "several linear layers": (deep, EQUAL),
    "constant minus readout": (turned_minus, EQUAL),
    "product from the left": (from_the_left, EQUAL),
    **{f"bias that differs between {k}": (bias_over(k), None) for k in ("trials", "steps", "both")},
    **{f"weights made by nodes: {k}": (stored_elsewhere(k), EQUAL) for k in ("transposed", "int8", "concat", "masked")},
    "weights made of the input": (stored_elsewhere("of x"), REFUSED),
    **{f"{k} before the readout": (between(k), REFUSED) for k in ("Softmax", "Tanh", "LeakyRelu", "Sigmoid", "Clip")},
    "Relu before the readout": (between("Relu"), None),
    "identity, dropout, casts": (harmless, EQUAL),
    "cast to integers": (to_integers, REFUSED),
    "residual connection": (residual, REFUSED),
    "linear encoder": (encoder, EQUAL),
    "normalised input": (normalised, EQUAL),
    **{f"{k} of the input": (encoder_with(k), REFUSED) for k in ("Tanh", "Relu", "Abs")},
    "gain for each step": (over_time, REFUSED),
    "outputs: readout and states": (states_too, EQUAL),
    "outputs: states alone": (states_alone, EQUAL),
    "outputs: the same readout twice": (second_readout(True), EQUAL),
    "outputs: two readouts": (second_readout(False), REFUSED),
    "outputs: the input": (input_as_output, REFUSED),
    "outputs: classes": (class_too, REFUSED),
    "unused parts": (unused, EQUAL),
    "activation Tanh": (rnn_with(activations=["Tanh"]), REFUSED),
    "activation LeakyRelu": (rnn_with(activations=["LeakyRelu"], activation_alpha=[0.1]), REFUSED),
    "direction reverse": (rnn_with(direction="reverse"), REFUSED),
    "clip": (rnn_with(clip=0.3), REFUSED),
    "two layers": (two_layers, REFUSED),
}  # fmt: skip

ONNX_CASES = [_case(name, change, must) for name, (change, must) in _KINDS.items()]
