"""Known changes of an ONNX model: how its RNN starts, the layout of what it takes and gives, which steps are read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import numpy_helper
from onnx_models import Model, plain, readout, squeeze

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


# Anything.


def chain(m: Model) -> None:
    """Operators at random between the states and the output, of which many make no sense."""
    m.rearranged, shape, name = True, [m.steps, 1, m.batch, m.n], "Y"
    for k in range(int(m.rng.integers(1, 8))):
        at, rank = int(m.rng.integers(max(1, len(shape)))), len(shape)
        kinds = ["Unsqueeze", "Add", "Mul"] + ["Transpose", "Reshape", "Gather", "Slice", "MatMul", "Flatten"] * (
            rank > 0
        )
        kind, given, flags = str(m.rng.choice(kinds + ["Squeeze"] * (1 in shape))), [name], {}
        if kind == "Unsqueeze":
            given.append(m.axes(at))
            shape.insert(at, 1)
        elif kind == "Squeeze":
            at = int(m.rng.choice([k for k, size in enumerate(shape) if size == 1]))
            given.append(m.axes(at))
            shape.pop(at)
        elif kind in ("Add", "Mul"):
            size = shape[-1:] if m.rng.integers(2) else [1] * int(m.rng.integers(rank + 1))
            given.append(m.put(f"k{k}", m.rng.random(size) + 0.5))
        elif kind == "Transpose":
            order = m.rng.permutation(rank).tolist()
            flags, shape = {"perm": order}, [shape[k] for k in order]
        elif kind == "Reshape":
            shape = [int(size) for size in m.rng.permutation(shape)]
            if m.rng.integers(2) and len(shape) > 1:
                shape[at % (len(shape) - 1) : at % (len(shape) - 1) + 2] = [
                    int(np.prod(shape[at % (len(shape) - 1) : at % (len(shape) - 1) + 2]))
                ]
            free = int(m.rng.integers(-1, len(shape)))
            given.append(m.put(f"s{k}", [-1 if j == free else size for j, size in enumerate(shape)], np.int64))
        elif kind == "Gather":
            index = int(m.rng.integers(-1, shape[at]))
            given.append(m.put(f"i{k}", index, np.int64))
            flags = {"axis": at}
            shape.pop(at)
        elif kind == "Slice":
            first = int(m.rng.integers(-shape[at], shape[at]))
            given += [m.axes(first), m.axes(2**63 - 1), m.axes(at), m.axes(1)]
            shape[at] = len(range(shape[at])[first:])
        elif kind == "MatMul":
            new = int(m.rng.integers(1, 4))
            given.append(m.put(f"w{k}", m.rng.normal(size=(shape[-1], new))))
            shape[-1] = new
        elif kind == "Flatten":
            flags = {"axis": at}
            shape = [int(np.prod(shape[:at])), int(np.prod(shape[at:]))]
        name = m.node(kind, given, f"v{k}", **flags)
    m.outputs = [name]


def einsum(m: Model) -> None:
    squeeze(m)
    m.node("Einsum", ["h", "V"], "p", equation="tbn,no->tbo")
    m.node("Add", ["p", "c"], "y")


def einsum_turned(m: Model) -> None:
    squeeze(m)
    m.put("V", m.tensors["V"].T)
    m.node("Einsum", ["V", "h"], "p", equation="on,tbn->bto")
    m.node("Add", ["p", "c"], "y")
    m.view = lambda y, h: [y.transpose(1, 0, 2)]


def einsum_over_time(m: Model) -> None:
    squeeze(m)
    m.node("Einsum", ["h", "V"], "p", equation="tbn,no->bo")
    m.node("Add", ["p", "c"], "y")
