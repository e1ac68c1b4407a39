"""ONNX files as networks: our own; those of other tools are read by `onnx_rnn`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.exporting import onnx as exported
from neuromod.importing.onnx_rnn import DEFAULT_DT_S, read_rnn
from neuromod.importing.result import Choice, Imported, notes_of_placement, read_unnamed
from neuromod.network import Array, Network

_MAX_ELEMENTS = 2**31
_MAX_SPARSE = 2**26


def read(path: Path, choice: Choice) -> Imported:
    """Read a file for `neuromod import`; see `read_network`.

    Raises
    ------
    UsageError
        If the file cannot be read or holds what no network here can be.
    """
    found = read_unnamed(_imported, path)
    notes = [*_left(path), *found.notes]
    if found.network.info.get("dt_known") is False:
        notes.append(f"the file says nothing of time, so a time step of {DEFAULT_DT_S:g} s without leak is assumed")
    return replace(found, notes=tuple(notes))


def _left(path: Path) -> list[str]:
    """What a file of ours carries that no network holds."""
    properties = {prop.key: prop.value for prop in load(path).metadata_props}
    try:
        return notes_of_placement(json.loads(properties["neuromod.placement"]))
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
    return _imported(path).network


def _imported(path: Path) -> Imported:
    model = load(path)
    properties = {prop.key: prop.value for prop in model.metadata_props}
    if properties.get("neuromod.format") == json.dumps(exported.FORMAT):
        return Imported(_own(model, properties, path), "ONNX")
    try:
        return read_rnn(model)
    except UsageError as error:
        raise UsageError(f"cannot use {path}: {error}") from error


def load(path: Path) -> onnx.ModelProto:
    """Read a model, refusing weights in other files and tensors that would not fit.

    Raises
    ------
    UsageError
        If the file is missing, truncated or no ONNX, or any of that.
    """
    try:
        if path.stat().st_size > exported.MAX_BYTES:
            raise UsageError(f"cannot read {path}: it has more than the {exported.MAX_BYTES:,} bytes that ONNX allows")
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
        optional: dict[str, Any] = {
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
    forms = [exported.build(network, step=step, captured=captured).graph for captured in (False, True)]
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
