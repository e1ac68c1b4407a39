"""ONNX: the network as a `Scan` over time, and as one step for streaming; written and run without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.files import write_bytes
from neuromod.mapping import Placement
from neuromod.network import Array, Network
from neuromod.quantization import steps
from neuromod.version import __version__

FORMAT = "neuromod/onnx/1"
OPSET = 21
IR_VERSION = 10

# A protobuf message cannot be larger.
MAX_BYTES = 2**31 - 1


def write(network: Network, folder: Path, *, placement: Placement | None = None) -> list[Path]:
    """Write ``network.onnx`` and ``network_step.onnx``; equal networks give equal bytes.

    Parameters
    ----------
    network : Network
        What to export.
    folder : Path
        Where to.
    placement : Placement, optional
        Cores of the neurons, written into the metadata.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    UsageError
        If a file would be larger than protobuf allows (2 GiB), the folder cannot be written or the placement is of
        another network.
    """
    paths = []
    for name, step in (("network.onnx", False), ("network_step.onnx", True)):
        write_model(build(network, placement=placement, step=step), folder / name)
        paths.append(folder / name)
    return paths


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a model, all or nothing; equal models give equal bytes.

    Raises
    ------
    UsageError
        If it is larger than protobuf allows (2 GiB), or cannot be written.
    """
    check_size(model, path.name)
    write_bytes(path, model.SerializeToString(deterministic=True))


def check_size(model: onnx.ModelProto, name: str) -> None:
    """Refuse a model that is larger than protobuf allows (2 GiB).

    Raises
    ------
    UsageError
        With both sizes.
    """
    if (size := model.ByteSize()) > MAX_BYTES:
        raise UsageError(f"{name} would have {size:,} bytes, ONNX allows {MAX_BYTES:,}; prune the network further")


def build(
    network: Network,
    *,
    placement: Placement | None = None,
    step: bool = False,
    int8: bool = False,
    plain: bool = False,
    captured: bool = False,
) -> onnx.ModelProto:
    r"""Return the network as an ONNX model.

    The sequence model maps ``x (time, batch, n_in)``, ``h0 (batch, n)`` to ``y (time, batch, n_out)``, ``h_last
    (batch, n)``; time and batch are free. The step model maps ``x (batch, n_in)``, ``h (batch, n)`` to ``y (batch,
    n_out)``, ``h_next (batch, n)``. Weights are stored as they are in the network; the leak is multiplied in when the
    file is loaded, by :math:`\alpha \max(0, z) = \max(0, \alpha z)`, which leaves four operators to each time step.

    Parameters
    ----------
    network : Network
        What to export.
    placement : Placement, optional
        Cores of the neurons, written into the metadata.
    step : bool
        One time step instead of a sequence.
    int8 : bool
        Store weights as 8-bit integers with a step size for each row; they are multiplied out when the file is loaded.
    plain : bool
        Store weights dense, transposed and with the leak multiplied in, as the quantiser of onnxruntime needs them.
    captured : bool
        The form of version 0.1.0, to know its files: the recurrent weights are made outside of the `Scan`.

    Returns
    -------
    onnx.ModelProto
        Opset 21, IR version 10.

    Raises
    ------
    UsageError
        If the placement is of another network.
    """
    if "nir" in network.info:
        raise UsageError('a network imported from NIR is spiking, which ONNX cannot say; use `format="nir"`')
    graph = Graph([], [])
    # OpenVINO takes nothing into the body of a `Scan` but initialisers, so what is computed of them is computed there;
    # runtimes that know constants do that once, when the file is loaded.
    inside = graph if step or captured else Graph([], graph.initializers)
    keep = graph.constant("keep", np.float32(1 - network.alpha))
    if plain:
        w_rec = graph.constant("leaky_w_rec", network.w_rec.toarray().T * np.float32(network.alpha))
        w_in = graph.constant("leaky_w_in", network.w_in.T * np.float32(network.alpha))
        bias = graph.constant("leaky_bias", network.bias * np.float32(network.alpha))
        w_out = graph.constant("w_out", np.ascontiguousarray(network.w_out.T))
    else:
        alpha = graph.constant("alpha", np.float32(network.alpha))
        w_rec = inside.node("Mul", inside.matrix("w_rec", network.w_rec, int8=int8), alpha, name="leaky_w_rec")
        w_in = graph.node("Mul", graph.transposed("w_in", network.w_in, int8=int8), alpha, name="leaky_w_in")
        bias = graph.node("Mul", graph.constant("bias", network.bias), alpha, name="leaky_bias")
        w_out = graph.transposed("w_out", network.w_out, int8=int8)
    bias_out = graph.constant("bias_out", network.bias_out)

    drive = graph.node("Add", graph.node("MatMul", "x", w_in, name="input"), bias, name="drive")
    if step:
        time: list[str] = []
        names = ("h", "h_next")
        states = _leak(graph, "h", drive, w_rec, keep, out="h_next", plain=plain)
    else:
        time = ["time"]
        names = ("h0", "h_last")
        states = "states"
        graph.nodes.append(
            helper.make_node(
                "Scan",
                ["h0", drive],
                ["h_last", states],
                name="scan",
                num_scan_inputs=1,
                body=_body(network.n, [] if captured else inside.nodes, w_rec, keep, plain=plain),
            )
        )
    graph.node("Add", graph.node("MatMul", states, w_out, name="readout"), bias_out, name="y")

    def value(name: str, *shape: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs = [value("x", *time, "batch", network.n_in), value(names[0], "batch", network.n)]
    outputs = [value("y", *time, "batch", network.n_out), value(names[1], "batch", network.n)]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "step" if step else "network", inputs, outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="neuromod",
        producer_version=__version__,
        doc_string="Leaky ReLU RNN: h = (1 - alpha) h + alpha max(0, w_rec h + w_in x + bias), y = w_out h + bias_out.",
    )
    helper.set_model_props(model, metadata(network, placement))
    return model


def metadata(network: Network, placement: Placement | None) -> dict[str, str]:
    """Return what travels with the model in its `metadata_props`: one JSON text for each key, for information only.

    Raises
    ------
    UsageError
        If the placement was made for another network.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "network": {
            "n": network.n,
            "n_in": network.n_in,
            "n_out": network.n_out,
            "synapses": network.n_synapses,
            "dt_s": network.dt_s,
            "tau_s": network.tau_s,
            "model": "leaky_relu",
            "neuron_ids": network.neuron_ids.tolist(),
        },
        "provenance": {"neuromod": __version__, "network_sha256": network.sha256(), "info": dict(network.info)},
    }
    # The shortest text that gives the same single-precision number.
    if network.positions is not None:
        content["positions"] = [[float(str(x)) for x in row] for row in network.positions]
    if network.rates is not None:
        content["rates"] = [float(str(x)) for x in network.rates]
    if placement is not None:
        if placement.network_sha256 != network.sha256():
            raise UsageError("the placement was made for another network; run `neuromod.place`")
        content["placement"] = {
            "grid": str(placement.grid),
            "core_of": placement.core_of.tolist(),
            "neurons_per_core": placement.neurons_per_core,
            "target": placement.target,
            "placer": placement.placer,
            "seed": placement.seed,
        }
    return {f"neuromod.{key}": json.dumps(content[key], sort_keys=True) for key in sorted(content)}


def _leak(graph: Graph, h: str, drive: str, w_rec: str, keep: str, *, out: str, plain: bool) -> str:
    """Four operators: keep * h + max(0, w_rec h + drive), where w_rec and drive contain the leak.

    `Gemm` takes the sum into the product, which a runtime that calls one operator after the other thanks for where
    there is little to compute. The quantiser wants a `MatMul`.
    """
    if plain:
        total = graph.node("Add", graph.node("MatMul", h, w_rec, name="recurrent"), drive, name="total")
    else:
        total = graph.node("Gemm", h, w_rec, drive, name="total", transB=1)
    active = graph.node("Relu", total, name="active")
    return graph.node("Add", graph.node("Mul", h, keep, name="kept"), active, name=out)


def _body(n: int, weights: list[onnx.NodeProto], w_rec: str, keep: str, *, plain: bool) -> onnx.GraphProto:
    body = Graph([*weights], [])
    body.node("Identity", _leak(body, "h", "drive_t", w_rec, keep, out="h_next", plain=plain), name="state")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n]) for name in _BODY_VALUES]
    return helper.make_graph(body.nodes, "leaky_step", values[:2], values[2:])


_BODY_VALUES = ("h", "drive_t", "h_next", "state")


@dataclass(frozen=True)
class Graph:
    """Nodes and initialisers in the making; every node is named as its output."""

    nodes: list[onnx.NodeProto]
    initializers: list[onnx.TensorProto]

    def node(self, kind: str, *inputs: str, name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Any) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def matrix(self, name: str, matrix: Array | sparse.csr_array, *, int8: bool = False) -> str:
        """Add a weight matrix, row = target, and return its name.

        Stored dense, or as the places and values of what is not zero, whichever is smaller. SparseTensorProto is not
        used: the checker's shape inference, the reference evaluator and the quantiser fail on it.
        """
        places = sparse.coo_array(matrix)
        places.eliminate_zeros()
        values = places.data
        if int8:
            largest = np.zeros(places.shape[0])
            np.maximum.at(largest, places.row, np.abs(values))
            step = steps(largest, 8).astype(np.float32)
            values = np.round(values / step[places.row]).astype(np.int8)
        dense = self.stored(name, places, values)
        if int8:
            # By way of 32 bits, because OpenVINO takes 8-bit integers that are scaled at once for weights that it may
            # multiply with activities rounded to 8 bits.
            dense = self.node("Cast", dense, name=f"{name}.integer", to=TensorProto.INT32)
            dense = self.node("Cast", dense, name=f"{name}.float", to=TensorProto.FLOAT)
            dense = self.node("Mul", dense, self.constant(f"{name}.step", step[:, None]), name=f"{name}.scaled")
        return dense

    def transposed(self, name: str, matrix: Array, *, int8: bool = False) -> str:
        """Add a weight matrix, row = target, and return the name of its transpose."""
        return self.node("Transpose", self.matrix(name, matrix, int8=int8), name=f"{name}.transposed", perm=[1, 0])

    def stored(self, name: str, places: sparse.coo_array, values: Array) -> str:
        """Add a matrix with the given values at its places, and return its name."""
        size = int(np.prod(places.shape))
        flat = places.row.astype(np.int64) * places.shape[1] + places.col
        kind = np.uint16 if size <= 2**16 else np.int32 if size <= 2**31 else np.int64
        index = flat.astype(kind)
        if index.nbytes + values.nbytes < values.itemsize * size:
            order = np.argsort(flat)
            self.constant(f"{name}.index", index[order])
            self.constant(f"{name}.value", values[order])
            at = f"{name}.index"
            if kind == np.uint16:
                at = self.node("Cast", at, name=f"{name}.place", to=TensorProto.INT32)
            zero = numpy_helper.from_array(np.zeros(1, values.dtype))
            shape = self.constant(f"{name}.size", np.array([size]))
            zeros = self.node("ConstantOfShape", shape, name=f"{name}.zeros", value=zero)
            filled = self.node("ScatterElements", zeros, at, f"{name}.value", name=f"{name}.flat", axis=0)
            shape = self.constant(f"{name}.shape", np.array(places.shape, np.int64))
            return self.node("Reshape", filled, shape, name=f"{name}.dense")
        return self.constant(name, sparse.coo_array((values, (places.row, places.col)), places.shape).toarray())
