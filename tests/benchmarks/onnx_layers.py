"""Known changes of an ONNX model: layers before and behind its RNN, its outputs, and the RNN itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from onnx_models import Model, plain, readout, squeeze

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
