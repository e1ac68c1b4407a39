"""ONNX files around one RNN, changed in known ways, beside onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from import_models import EQUAL, REFUSED, Case
from onnx_changes import (
    batch_first,
    chain,
    channels_first,
    einsum,
    einsum_over_time,
    einsum_turned,
    flat_and_back,
    flattened_last,
    frozen_shape,
    last_by,
    lengths,
    mixed_features,
    one_channel,
    scrambled_input,
    squeezed,
    start_by,
    unbatched,
)
from onnx_layers import (
    between,
    bias_over,
    by_batch,
    class_too,
    deep,
    encoder,
    encoder_with,
    from_the_left,
    gemm,
    harmless,
    input_as_output,
    no_bias,
    normalised,
    over_time,
    precision,
    residual,
    rnn_with,
    second_readout,
    states_alone,
    states_too,
    stored_elsewhere,
    to_integers,
    turned_minus,
    two_layers,
    unused,
)
from onnx_models import Model, finish, plain, start

from neuromod import importing


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
    **{f"last step: {k}": (last_by(k), EQUAL) for k in
       ("Y_h", "Y_h gather", "gather", "gather list", "number", "slice")},
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
    **{f"operators at random, {k}": (chain, None) for k in range(8)},
    "einsum": (einsum, EQUAL),
    "einsum, turned": (einsum_turned, EQUAL),
    "einsum over time": (einsum_over_time, REFUSED),
    "unused parts": (unused, EQUAL),
    "activation Tanh": (rnn_with(activations=["Tanh"]), REFUSED),
    "activation LeakyRelu": (rnn_with(activations=["LeakyRelu"], activation_alpha=[0.1]), REFUSED),
    "direction reverse": (rnn_with(direction="reverse"), REFUSED),
    "clip": (rnn_with(clip=0.3), REFUSED),
    "two layers": (two_layers, REFUSED),
}  # fmt: skip

ONNX_CASES = [_case(name, change, must) for name, (change, must) in _KINDS.items()]
