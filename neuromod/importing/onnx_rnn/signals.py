"""Linear functions of a signal that runs through an ONNX graph, and what the operators of the graph make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto

from neuromod.network import Array

FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}

# A number times sizes that only a run of the file tells.
Size = tuple[int, tuple[str, ...]]


class Dimension(NamedTuple):
    """A dimension that means something, as the time, the batch or the features; its size may be a name."""

    name: str
    size: int | str


# The dimensions that an axis runs through, the slowest first; none where its length is 1.
Axis = tuple[Dimension, ...]


def axis(dimension: Dimension) -> Axis:
    """Return the axis of one dimension."""
    return () if dimension.size == 1 else (dimension,)


def size_of(dimensions: Axis) -> Size:
    """Return the length of an axis."""
    number = int(np.prod([d.size for d in dimensions if isinstance(d.size, int)], dtype=object))
    return number, tuple(sorted(d.size for d in dimensions if isinstance(d.size, str)))


@dataclass(frozen=True, eq=False)
class Signal:
    """``weight @ source + bias`` along its feature dimension; None stands for the identity and for no bias.

    Which axis of an input holds its features is not known before something treats one so. `time` is the dimension of
    the time steps, where that is known.
    """

    source: str
    axes: tuple[Axis, ...]
    feature: Dimension | None = None
    weight: Array | None = None
    bias: Array | None = None
    time: Dimension | None = None

    @property
    def plain(self) -> bool:
        """Whether it is the source itself, in whatever layout."""
        return self.weight is None and self.bias is None


def with_feature(signal: Signal, at: int) -> Signal | None:
    """Return the signal with the axis `at` as its feature; None if that axis runs through anything else."""
    found = signal.axes[at]
    if signal.feature is not None:
        return signal if found == axis(signal.feature) else None
    feature = found[0] if found else Dimension("feature", 1)
    return replace(signal, feature=feature) if len(found) < 2 and isinstance(feature.size, int) else None


def _linear(signal: Signal, at: int, matrix: Array) -> Signal | None:
    """Multiply the features, which lie in the axis `at`, by ``matrix (new, old)``."""
    known = with_feature(signal, at)
    if known is None or known.feature is None or matrix.ndim != 2 or matrix.shape[1] != known.feature.size:
        return None
    wide = matrix.astype(np.float64)
    feature = Dimension("feature", len(matrix))
    axes = list(known.axes)
    axes[at] = axis(feature)
    return replace(
        known,
        axes=tuple(axes),
        feature=feature,
        weight=wide if known.weight is None else wide @ known.weight,
        bias=None if known.bias is None else wide @ known.bias,
    )


def _product(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    a, b = inputs
    if isinstance(a, Signal) and b.ndim == 1 and a.axes:
        made = _linear(a, -1, b[None])
        return None if made is None else replace(made, axes=made.axes[:-1])
    if isinstance(a, Signal):
        thin = b.ndim >= 2 and b.ndim <= max(2, len(a.axes)) and b.size == b.shape[-1] * b.shape[-2]
        return _linear(a, -1, b.reshape(b.shape[-2:]).T) if thin and a.axes else None
    return _linear(b, -2, a) if a.ndim == 2 and len(b.axes) >= 2 else None


def _gemm(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    a, b, c = (*inputs, None)[:3]
    if not isinstance(a, Signal) or len(a.axes) != 2 or b.ndim != 2 or isinstance(c, Signal):
        return None
    a = replace(a, axes=a.axes[::-1]) if flags.get("transA", 0) else a
    matrix = b if flags.get("transB", 0) else b.T
    made = _linear(a, -1, matrix * np.float64(flags.get("alpha", 1.0)))
    return made if made is None or c is None else _shift(made, c * np.float64(flags.get("beta", 1.0)))


def _einsum(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    """A product with a matrix, written as a sum over one letter."""
    terms, _, result = flags["equation"].decode().replace(" ", "").partition("->")
    order = slice(None) if isinstance(inputs[0], Signal) else slice(None, None, -1)
    (signal, matrix), (of_signal, of_matrix) = inputs[order], terms.split(",")[order]
    old, new = (set(of_matrix) - other for other in (set(result), set(of_signal)))
    if matrix.ndim != 2 or not len(old) == len(new) == 1 or len(of_signal) != len(set(of_signal)):
        return None
    letters = of_signal.replace(min(old), min(new))
    if sorted(result) != sorted(letters) or len(letters) != len(signal.axes):
        return None
    made = _linear(signal, letters.index(min(new)), matrix if of_matrix[0] == min(new) else matrix.T)
    return made and _transpose([made], {"perm": [letters.index(letter) for letter in result]})


def _along(signal: Signal, values: Array) -> tuple[Signal, Array] | None:
    """Spread a constant that broadcasts over the signal, if it differs between features alone, over these."""
    extra = values.ndim - len(signal.axes)
    if extra > 0:
        signal = replace(signal, axes=((),) * extra + signal.axes)
    if not signal.axes:
        return None
    long = [k - values.ndim for k, size in enumerate(values.shape) if size != 1]
    known = with_feature(signal, long[0] if long else -1) if len(long) < 2 else None
    if known is None and not long and signal.feature is not None:
        known = signal  # one number for all of them
    if known is None or known.feature is None or values.size not in (1, known.feature.size):
        return None
    return known, np.broadcast_to(values.ravel().astype(np.float64), (int(known.feature.size),))


def _shift(signal: Signal, values: Array) -> Signal | None:
    found = _along(signal, values)
    return found and replace(found[0], bias=found[1] if signal.bias is None else signal.bias + found[1])


def _scale(signal: Signal, values: Array) -> Signal | None:
    found = _along(signal, values)
    if found is None or (signal.weight is None and len(found[1]) > 2**14):
        return None
    weight = np.diag(found[1]) if signal.weight is None else found[1][:, None] * signal.weight
    return replace(found[0], weight=weight, bias=None if signal.bias is None else found[1] * signal.bias)


def _either(change: Callable[[Signal, Array], Signal | None]) -> Callable[[list[Any], dict[str, Any]], Signal | None]:
    """Apply a change that does not ask which of two inputs is the signal."""
    return lambda inputs, flags: change(*(inputs if isinstance(inputs[0], Signal) else inputs[::-1]))


def _over(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    return _scale(inputs[0], 1 / inputs[1].astype(np.float64)) if isinstance(inputs[0], Signal) else None


def _minus(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    a, b = inputs
    if isinstance(a, Signal):
        return _shift(a, -b)
    turned = _scale(b, np.full(1, -1.0))
    return turned and _shift(turned, a)


def reshape(signal: Signal, shape: Sequence[int | str] | None) -> Signal | None:
    """Join and part axes, where the shapes prove that each dimension stays whole and none change places."""
    if shape is None:
        return None
    names = {d.size for dimensions in signal.axes for d in dimensions}
    sizes = [
        None if isinstance(s, str) and s not in names else (s, ()) if isinstance(s, int) else (1, (s,)) for s in shape
    ]
    rest = [d for dimensions in signal.axes for d in dimensions]
    if sizes.count(None) > 1:
        return None
    unknown = sizes.index(None) if None in sizes else len(sizes)
    axes: list[Axis] = [()] * len(sizes)
    for order, first in ((range(unknown), True), (range(len(sizes) - 1, unknown, -1), False)):
        for at in order:
            taken = next((n for n in range(len(rest) + 1) if size_of(_part(rest, n, first)) == sizes[at]), None)
            if taken is None:
                return None
            axes[at] = _part(rest, taken, first)
            rest = rest[taken:] if first else rest[: len(rest) - taken]
    if unknown < len(sizes):
        axes[unknown] = tuple(rest)
    return replace(signal, axes=tuple(axes)) if unknown < len(sizes) or not rest else None


def _part(dimensions: list[Dimension], n: int, first: bool) -> Axis:
    return tuple(dimensions[:n] if first else dimensions[len(dimensions) - n :])


def _transpose(inputs: list[Any], flags: dict[str, Any]) -> Signal:
    signal: Signal = inputs[0]
    order = flags.get("perm", range(len(signal.axes))[::-1])
    return replace(signal, axes=tuple(signal.axes[k] for k in order))


def _flatten(inputs: list[Any], flags: dict[str, Any]) -> Signal:
    signal: Signal = inputs[0]
    axes, at = signal.axes, flags.get("axis", 1)
    return replace(signal, axes=tuple(sum(part, ()) for part in (axes[:at], axes[at:])))


def _numbers(inputs: list[Any], flags: dict[str, Any], at: int, name: str) -> list[int] | None:
    """Whole numbers that older files keep in an attribute and newer ones in an input."""
    found = inputs[at] if len(inputs) > at and inputs[at] is not None else flags.get(name)
    return None if found is None else [int(value) for value in np.ravel(found)]


def _squeeze(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    signal: Signal = inputs[0]
    axes, given = signal.axes, _numbers(inputs, flags, 1, "axes")
    # Without a list, whatever turns out to be 1 in a run goes.
    fixed = all(isinstance(d.size, int) for dimensions in axes for d in dimensions)
    gone = {k % len(axes) for k in given} if given is not None else {k for k, a in enumerate(axes) if not a}
    if any(axes[k] for k in gone) or (given is None and not fixed) or given == []:
        return None
    return replace(signal, axes=tuple(a for k, a in enumerate(axes) if k not in gone))


def _unsqueeze(inputs: list[Any], flags: dict[str, Any]) -> Signal:
    signal: Signal = inputs[0]
    axes, given = signal.axes, _numbers(inputs, flags, 1, "axes") or []
    new = {k % (len(axes) + len(given)) for k in given}
    left = iter(axes)
    return replace(signal, axes=tuple(() if k in new else next(left) for k in range(len(axes) + len(given))))


def _select(signal: Signal, at: int, start: int, stop: int, step: int) -> Signal | None:
    """Take a range out of an axis: all of it, the last time step, or some of the features."""
    found = signal.axes[at]
    number, names = size_of(found)
    end = 2**31 - 1 if names else number
    chosen = range(end)[start:stop:step] if not names else None
    if (chosen == range(end)) if chosen is not None else (start == 0 and stop >= end and step == 1):
        return signal
    time = signal.time is not None and found == axis(signal.time)
    last = chosen == range(end)[-1:] if chosen is not None else (start == -1 and stop >= end and step == 1)
    if time and last:
        axes = list(signal.axes)
        axes[at] = ()
        return replace(signal, axes=tuple(axes), time=None)
    known = None if chosen is None or signal.feature is None else with_feature(signal, at)
    return known and _linear(known, at, np.equal.outer(chosen or (), range(number)))


def _slice(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    made: Signal | None = inputs[0]
    starts, stops = _numbers(inputs, flags, 1, "starts") or [], _numbers(inputs, flags, 2, "ends") or []
    axes = _numbers(inputs, flags, 3, "axes") or list(range(len(starts)))
    steps = _numbers(inputs, flags, 4, "steps") or [1] * len(starts)
    for at, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        made = made and _select(made, at, start, stop, step)
    return made


def _gather(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    signal, index = inputs
    at = flags.get("axis", 0) % len(signal.axes) if isinstance(signal, Signal) else 0
    if not isinstance(signal, Signal) or index.size != 1 or index.ndim > 1:
        return None
    k = int(index.ravel()[0])
    made = _select(signal, at, k, 2**62 if k == -1 else k + 1, 1)
    if made is None or made.axes[at]:
        return None
    return made if index.ndim else replace(made, axes=made.axes[:at] + made.axes[at + 1 :])


def _dropout(inputs: list[Any], flags: dict[str, Any]) -> Signal | None:
    return None if len(inputs) > 2 and inputs[2] is not None and np.any(inputs[2]) else inputs[0]


ON_SIGNALS: Mapping[str, Callable[[list[Any], dict[str, Any]], Signal | None]] = {
    "Identity": lambda inputs, flags: inputs[0],
    "Cast": lambda inputs, flags: inputs[0] if flags.get("to") in FLOATS else None,
    "Dropout": _dropout,
    "Transpose": _transpose,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Gather": _gather,
    "MatMul": _product,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "Add": _either(_shift),
    "Sub": _minus,
    "Mul": _either(_scale),
    "Div": _over,
    "Neg": lambda inputs, flags: _scale(inputs[0], np.full(1, -1.0)),
}
