"""An ONNX model around one RNN in the making, and what onnxruntime makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
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
    # The output is some rearrangement of the readout, or of that of the last step.
    rearranged: bool = False
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
        if m.rearranged:
            sorted_ = [np.sort(np.ravel(values)) for values in (made[0], y, y[-1])]
            return any(len(w) == len(sorted_[0]) and np.allclose(w, sorted_[0], 1e-3, 1e-4) for w in sorted_[1:])
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
