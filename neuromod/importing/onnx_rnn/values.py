"""What each value of an ONNX graph is, found without running it: a constant, or a linear function of one signal."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from neuromod.importing.onnx_rnn.signals import FLOATS, ON_SIGNALS, Dimension, Signal, axis, reshape
from neuromod.network import Array

# Operators whose result is computed where all that they take is constant.
_FOLDED = {
    "Add", "Cast", "Concat", "Constant", "ConstantOfShape", "DequantizeLinear", "Div", "Expand", "Flatten", "Gather",
    "Identity", "MatMul", "Mul", "Neg", "Reshape", "Slice", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
# Operators that take elements from elsewhere and compute none.
_MOVED = {"Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Tile",
          "Transpose", "Unsqueeze"}  # fmt: skip
_MAX_FOLDED = 2**26
# A constant that long is no shape, so that its values do not matter for one.
_MAX_SHAPE = 1024
_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, eq=False)
class Filled:
    """A constant of unknown shape; each of its elements is one of `values`."""

    values: Array


@dataclass(frozen=True)
class Unknown:
    """Anything else: the operator at which it was lost, and the sources that it depends on."""

    operator: str
    sources: frozenset[str] = frozenset()


Value = Array | Filled | Signal | Unknown


class Interpreter:
    """Keeps what is known of each value of a graph; `step` adds what a node makes."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.opset = next((o.version for o in model.opset_import if o.domain in _DOMAINS), 1)
        self.shapes = _shapes(model)
        self.values: dict[str, Value] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        for info in model.graph.input:
            if info.name not in self.values:
                self.values[info.name] = self._enters(info)

    def _enters(self, info: onnx.ValueInfoProto) -> Value:
        sizes = self.shapes.get(info.name)
        if info.type.tensor_type.elem_type not in FLOATS or sizes is None:
            return Unknown(f"the input {info.name}", frozenset([info.name]))
        return Signal(info.name, tuple(axis(Dimension(f"axis {k}", size)) for k, size in enumerate(sizes)))

    def get(self, name: str) -> Value:
        """Return what is known of a value."""
        return self.values.get(name, Unknown(f"{name}, which nothing makes,"))

    def step(self, node: onnx.NodeProto) -> None:
        """Find what a node makes."""
        inputs = [self.get(name) if name else None for name in node.input]
        given = [value for value in inputs if value is not None]
        made = None
        if node.domain in _DOMAINS:
            # Attributes and inputs that no operator has make the value unknown.
            with contextlib.suppress(ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
                made = self._make(node, inputs, given)
        if made is None:
            lost = next((value.operator for value in given if isinstance(value, Unknown)), node.op_type)
            sources = [
                v.sources if isinstance(v, Unknown) else {v.source} for v in given if isinstance(v, Unknown | Signal)
            ]
            made = Unknown(lost, frozenset[str]().union(*sources))
        for k, name in enumerate(node.output):
            self.values[name] = made if k == 0 or isinstance(made, Unknown) else Unknown(node.op_type)

    def _make(self, node: onnx.NodeProto, inputs: list[Value | None], given: list[Value]) -> Value | None:
        kind, flags = node.op_type, {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if kind in _FOLDED and all(isinstance(value, np.ndarray) for value in given):
            folded = _fold(node, given, self.opset)
            if folded is not None:
                return folded
        if kind == "ConstantOfShape":
            return Filled(numpy_helper.to_array(flags["value"]) if "value" in flags else np.zeros(1, np.float32))
        if kind in _MOVED:
            held = [
                np.ravel(value.values if isinstance(value, Filled) else value)
                for value in (given if kind == "Concat" else given[:1])
                if isinstance(value, np.ndarray | Filled)
            ]
            if len(held) == (len(given) if kind == "Concat" else 1):
                return Filled(np.concatenate(held))
        signals = [value for value in given if isinstance(value, Signal)]
        if len(signals) == 1 and kind == "Reshape" and signals[0] is inputs[0]:
            return reshape(signals[0], self.shapes.get(node.output[0]))
        # What only a shape depends on is in `Reshape` alone.
        if len(signals) == 1 and kind in ON_SIGNALS and not any(isinstance(v, Unknown | Filled) for v in given):
            return ON_SIGNALS[kind](inputs, flags)
        return None


def _shapes(model: onnx.ModelProto) -> dict[str, list[int | str]]:
    """Shapes of the values as ONNX infers them; a size is a number, or a name where only a run of the file tells it."""
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    graph = bare.graph
    graph.name = "shapes"
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    # What the file itself says of its values may be wrong.
    graph.output.extend(onnx.ValueInfoProto(name=info.name, type=info.type) for info in model.graph.output)
    for info in graph.output:
        info.type.tensor_type.ClearField("shape")
    for tensor in model.graph.initializer:
        if np.prod(tensor.dims, dtype=object) < _MAX_SHAPE:
            graph.initializer.append(tensor)
        else:
            graph.initializer.add(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    for info in bare.graph.input:
        for k, size in enumerate(info.type.tensor_type.shape.dim):
            if not size.dim_param and size.dim_value <= 0:
                size.dim_param = f"{info.name}.{k}"
    try:
        bare = shape_inference.infer_shapes(bare, data_prop=True)
    except Exception:  # whatever an odd model leads to; what needs shapes is then not known
        return {}
    known = [*bare.graph.input, *bare.graph.value_info, *bare.graph.output]
    return {
        info.name: [d.dim_param or (d.dim_value if d.HasField("dim_value") else "?") for d in kind.shape.dim]
        for info in known
        if (kind := info.type.tensor_type).HasField("shape")
    }


def _fold(node: onnx.NodeProto, arrays: Sequence[Any], opset: int) -> Array | None:
    """Compute a node of constants, unless that would take much memory or goes wrong."""
    try:
        if node.op_type in ("ConstantOfShape", "Expand", "Tile"):
            size = np.prod(arrays[-1].astype(object)) * (1 if len(arrays) == 1 else max(1, arrays[0].size))
        elif node.op_type == "MatMul":
            size = arrays[0].size * arrays[1].shape[-1] + arrays[1].size
        elif node.op_type == "Gather":
            size = arrays[0].size * max(1, arrays[1].size)
        elif node.op_type in ("Add", "Sub", "Mul", "Div"):
            size = np.prod(np.array(np.broadcast_shapes(*(a.shape for a in arrays)), object))
        else:
            size = sum(array.size for array in arrays)
        if size > _MAX_FOLDED:
            return None
        names = [name for name in node.input if name]
        evaluator: Any = ReferenceEvaluator(node, opsets={"": opset})
        return np.asarray(evaluator.run(None, dict(zip(names, arrays, strict=True)))[0])
    except Exception:  # of the evaluator, which raises whatever an odd node leads to
        return None
