"""ONNX files as networks: our own, and recurrent networks of the `RNN` operator with ReLU."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.exporting.onnx import FORMAT, MAX_BYTES, build
from neuromod.importing.result import Choice, Imported, notes_of_placement, read_unnamed
from neuromod.network import Array, Network

# Where a file says nothing, this is the time step of the imported network.
DEFAULT_DT_S = 1e-3

_MAX_ELEMENTS = 2**31
_MAX_SPARSE = 2**26


def read(path: Path, choice: Choice) -> Imported:
    """Read a file for `neuromod import`; see `read_network`.

    Raises
    ------
    UsageError
        If the file cannot be read or holds what no network here can be.
    """
    network = read_unnamed(read_network, path)
    notes = _left(path)
    if network.info.get("dt_known") is False:
        notes.append(f"the file says nothing of time, so a time step of {DEFAULT_DT_S:g} s without leak is assumed")
    return Imported(network, "ONNX", notes=tuple(notes))


def _left(path: Path) -> list[str]:
    """What a file of ours carries that no network holds."""
    properties = {prop.key: prop.value for prop in load(path).metadata_props}
    try:
        return notes_of_placement(json.loads(properties["neuromod.mapping.placement"]))
    except (KeyError, ValueError, RecursionError):
        return []


def read_network(path: Path) -> Network:
    """Read an ``.onnx`` file: one that `exporting.onnx` wrote, or one with a single `RNN` node.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Network
        For our own files the network that was exported, to the last bit. An `RNN` becomes a network with alpha = 1 and
        an unknown time step (`Network.info` says ``dt_known`` false).

    Raises
    ------
    UsageError
        If the file cannot be read, keeps its weights elsewhere, or is not such a network; the message says what it is.
    """
    model = load(path)
    properties = {prop.key: prop.value for prop in model.metadata_props}
    if properties.get("neuromod.format") == json.dumps(FORMAT):
        return _own(model, properties, path)
    return _rnn(model, path)


def load(path: Path) -> onnx.ModelProto:
    """Read a model, refusing weights in other files and tensors that would not fit.

    Raises
    ------
    UsageError
        If the file is missing, truncated or no ONNX, or any of that.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"cannot read {path}: it has more than the {MAX_BYTES:,} bytes that ONNX allows")
        model = onnx.load_model_from_string(path.read_bytes())
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # of protobuf, which has several
        raise UsageError(f"cannot read {path}: it is truncated or no ONNX file") from error
    if not model.graph.node:
        raise UsageError(f"cannot read {path}: it holds no graph")
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise UsageError(f"cannot read {path}: {tensor.name or 'a tensor'} lies in another file")
        if not 0 <= int(np.prod(np.array(tensor.dims, dtype=object))) <= _MAX_ELEMENTS:
            raise UsageError(f"cannot read {path}: {tensor.name or 'a tensor'} declares the shape {list(tensor.dims)}")
    return model


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for tensor in graph.sparse_initializer:
        yield from (tensor.values, tensor.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from ([attribute.t] if attribute.HasField("t") else [])
            yield from attribute.tensors
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _tensors(inner)


def _own(model: onnx.ModelProto, properties: dict[str, str], path: Path) -> Network:
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    try:
        about = json.loads(properties["neuromod.network"])
        made_of = json.loads(properties["neuromod.provenance"])
        if about["n"] != len(_array(arrays["bias"])):
            raise ValueError(f"{about['n']} neurons with {len(_array(arrays['bias']))} biases")
        optional = {
            name: np.asarray(json.loads(properties[f"neuromod.{name}"]))
            for name in ("positions", "rates")
            if f"neuromod.{name}" in properties
        }
        network = Network(
            w_rec=_matrix(arrays, "w_rec", (about["n"], about["n"])),
            w_in=_matrix(arrays, "w_in", (about["n"], about["n_in"])),
            w_out=_matrix(arrays, "w_out", (about["n_out"], about["n"])),
            bias=_array(arrays["bias"]),
            bias_out=_array(arrays["bias_out"]),
            dt_s=about["dt_s"],
            tau_s=about["tau_s"],
            neuron_ids=np.asarray(about["neuron_ids"]),
            info=made_of["info"],
            **optional,
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: it does not hold a valid network ({error})") from error
    step = model.graph.name == "step"
    # Whatever was changed in the graph would otherwise be lost without a word. Version 0.1.0 wrote another form.
    forms = [build(network, step=step, captured=captured).graph for captured in (False, True)]
    if _skeleton(model.graph) not in map(_skeleton, forms):
        raise UsageError(f"cannot read {path}: its graph is not the one that neuromod writes for its weights")
    for name, value in (("alpha", network.alpha), ("keep", 1 - network.alpha)):
        if _array(arrays[name]) != np.float32(value):
            raise UsageError(f"cannot read {path}: {name} does not fit the dt and tau that it says")
    return network


def _matrix(arrays: dict[str, onnx.TensorProto], name: str, shape: tuple[int, int]) -> Any:
    if name in arrays:
        return _array(arrays[name])
    index, value = (_array(arrays[f"{name}.{part}"]) for part in ("index", "value"))
    # The places of a sparse matrix are few, so a small file can declare a large one.
    if not 0 < shape[0] * shape[1] <= (_MAX_ELEMENTS if name == "w_rec" else _MAX_SPARSE):
        raise ValueError(f"{name} has the shape {shape}")
    rows, columns = np.divmod(index.astype(np.int64), shape[1])
    matrix = sparse.csr_array((value, (rows, columns)), shape=shape)
    return matrix if name == "w_rec" else matrix.toarray()


def _array(tensor: onnx.TensorProto) -> Array:
    return numpy_helper.to_array(tensor)


def _skeleton(graph: onnx.GraphProto) -> Any:
    """Everything of a graph but the values of its initialisers."""
    nodes = []
    for node in graph.node:
        attributes = sorted(
            (a.name, _skeleton(a.g) if a.HasField("g") else a.SerializeToString(deterministic=True))
            for a in node.attribute
        )
        nodes.append((node.op_type, node.domain, tuple(node.input), tuple(node.output), tuple(attributes)))
    ends = [[v.SerializeToString(deterministic=True) for v in side] for side in (graph.input, graph.output)]
    return nodes, ends, sorted((t.name, t.data_type, tuple(t.dims)) for t in graph.initializer)


def _rnn(model: onnx.ModelProto, path: Path) -> Network:
    graph = model.graph
    recurrent = [node for node in graph.node if node.op_type in ("RNN", "LSTM", "GRU", "Scan", "Loop")]
    if len(recurrent) != 1 or recurrent[0].op_type != "RNN":
        found = ", ".join(sorted(node.op_type for node in recurrent)) or "none"
        products = Counter(
            name for node in graph.node if node.op_type in ("MatMul", "Gemm") for name in node.input[1:2]
        )
        if not recurrent and products and max(products.values()) > 1:
            found += "; its time steps are unrolled, and PyTorch writes an RNN with torch.onnx.export(…, dynamo=False)"
        raise UsageError(f"cannot use {path}: needed one RNN or a file of neuromod's, recurrent nodes: {found}")
    node = recurrent[0]
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    activation = [a.decode() for a in attributes.get("activations", [b"Tanh"])]
    direction = attributes.get("direction", b"forward").decode()
    if activation != ["Relu"] or direction != "forward" or "clip" in attributes:
        raise UsageError(
            f"cannot use {path}: needed an RNN running forward with Relu, found {direction}, {', '.join(activation)}"
        )
    try:
        constants = {t.name: _array(t) for t in graph.initializer}
        for other in graph.node:
            if other.op_type == "Constant" and other.attribute and other.attribute[0].HasField("t"):
                constants[other.output[0]] = _array(other.attribute[0].t)
        w, r = constants[node.input[1]][0], constants[node.input[2]][0]
        n = len(r)
        given = node.input[3] if len(node.input) > 3 else ""
        bias = constants[given][0].reshape(2, n).sum(axis=0) if given else np.zeros(n)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UsageError(f"cannot use {path}: the weights of the RNN are not constants of fitting shapes") from error
    _check_before(graph, node, constants, path)
    w_out, bias_out = _readout(graph, constants, _states(graph, node), n, path)
    return Network(
        w_rec=r,
        w_in=w,
        w_out=w_out,
        bias=bias,
        bias_out=bias_out,
        dt_s=DEFAULT_DT_S,
        tau_s=DEFAULT_DT_S,
        info={"dt_known": False},
    )


def _check_before(graph: onnx.GraphProto, rnn: onnx.NodeProto, constants: dict[str, Array], path: Path) -> None:
    """Refuse what would be lost: more than reshaping between the input and the RNN, and a state that it starts from."""
    makers = {name: node for node in graph.node for name in node.output}
    value = rnn.input[0]
    while value in makers:
        node = makers.pop(value)
        if not _reshapes(node):
            raise UsageError(f"cannot use {path}: {node.op_type} between the input and the RNN cannot be represented")
        value = node.input[0]
    initial = constants.get(rnn.input[5]) if len(rnn.input) > 5 else None
    if initial is not None and initial.any():
        raise UsageError(
            f"cannot use {path}: its RNN starts from a state that is not zero; networks here start at rest"
        )


def _states(graph: onnx.GraphProto, rnn: onnx.NodeProto) -> str:
    """Name of the states of all steps or of the last one: of those that lead to something, the first."""
    names = [name for name in rnn.output if name]
    used = {name for node in graph.node for name in node.input}
    ends = {value.name for value in graph.output}
    return next((name for group in (used, ends) for name in names if name in group), names[0] if names else "")


def _reshapes(node: onnx.NodeProto) -> bool:
    """Whether a node leaves the values of each step and trial as they are."""
    if node.op_type == "Transpose":
        (order,) = [helper.get_attribute_value(a) for a in node.attribute if a.name == "perm"] or [[1, 0]]
        return bool(order[-1] == len(order) - 1)
    return node.op_type in ("Squeeze", "Unsqueeze", "Reshape", "Identity", "Flatten")


def _readout(
    graph: onnx.GraphProto, constants: dict[str, Array], value: str, n: int, path: Path
) -> tuple[Array, Array]:
    """Follow the states to the output; only reshaping, one product and one sum may lie between."""
    weight: Array = np.eye(n, dtype=np.float32)
    bias: Array = np.zeros(n, np.float32)
    seen: set[str] = set()
    while True:
        if value in seen:
            raise UsageError(f"cannot use {path}: what follows the RNN runs in a circle")
        seen.add(value)
        users = [node for node in graph.node if value in node.input and node.op_type != "Shape"]
        if not users:
            return weight, bias
        if len(users) > 1:
            kinds = ", ".join(sorted(node.op_type for node in users))
            raise UsageError(f"cannot use {path}: the states go several ways ({kinds}); needed one readout")
        node = users[0]
        others = [constants[name] for name in node.input if name in constants]
        flags = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        plain = value == node.input[0] and not flags.get("transA", 0)
        plain = plain and flags.get("alpha", 1.0) == flags.get("beta", 1.0) == 1.0
        if node.op_type in ("MatMul", "Gemm") and plain and others and others[0].ndim == 2 and n in others[0].shape:
            matrix = others[0] if flags.get("transB", 0) else others[0].T
            if matrix.shape[1] != len(weight):
                raise UsageError(f"cannot use {path}: the readout takes {matrix.shape[1]} values, needed {len(weight)}")
            weight, bias = matrix @ weight, matrix @ bias
            bias = bias + others[1] if node.op_type == "Gemm" and len(others) > 1 else bias
        elif node.op_type == "Add" and others and others[0].size == len(bias):
            bias = bias + others[0].ravel()
        elif not _reshapes(node):
            raise UsageError(f"cannot use {path}: {node.op_type} between the RNN and the output cannot be represented")
        value = node.output[0]
