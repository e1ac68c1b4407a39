"""ONNX in 8 bits: integers throughout by onnxruntime's dynamic quantisation, and 8-bit weights alone."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper
from scipy import sparse

from neuromod.exporting.onnx import Graph, build, check_size, write_model
from neuromod.mapping import Placement
from neuromod.network import Network


def write_int8(network: Network, folder: Path, *, placement: Placement | None = None) -> list[Path]:
    """Write the network in 8 bits: ``network_int8.onnx`` and ``network_int8_weights.onnx``.

    The first computes in integers: weights with a step for each column of the products, activities with one chosen in
    every step (onnxruntime's dynamic quantisation, within the `Scan`). The second holds 8-bit weights with a step for
    each row and computes in floating point. Both store sparse matrices sparse.

    Parameters and errors are those of `onnx.write`.
    """
    from onnxruntime.quantization import quantize_dynamic

    paths = [folder / "network_int8.onnx", folder / "network_int8_weights.onnx"]
    with tempfile.TemporaryDirectory() as temporary:
        # Only files go in and out of the quantiser.
        before, after = Path(temporary) / "before.onnx", Path(temporary) / "after.onnx"
        plain = build(network, placement=placement, plain=True)
        check_size(plain, f"{paths[0].name} before it is quantised")
        onnx.save(plain, before)
        # It logs advice that does not apply here on the root logger.
        level, logging.root.manager.disable = logging.root.manager.disable, logging.WARNING
        try:
            quantize_dynamic(before, after, per_channel=True, extra_options={"EnableSubgraph": True})
        finally:
            logging.root.manager.disable = level
        quantized = thinned(onnx.load(after))
    write_model(quantized, paths[0])
    write_model(build(network, placement=placement, int8=True), paths[1])
    return paths


def thinned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its 8-bit matrices stored as places and values wherever that is smaller.

    A matrix is filled where it is used: in the graph or, as `build` does, in the body of the `Scan`.
    """
    thin = onnx.ModelProto()
    thin.CopyFrom(model)
    del thin.graph.initializer[:]
    inside: list[onnx.NodeProto] = []
    outside: list[onnx.NodeProto] = []
    (body,) = (a.g for node in thin.graph.node for a in node.attribute if a.HasField("g"))
    used_inside = {name for node in body.node for name in node.input}
    for tensor in model.graph.initializer:
        graph = Graph([], [])
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 2:
            matrix = numpy_helper.to_array(tensor)
            graph.stored(f"{tensor.name}.sparse", sparse.coo_array(matrix), matrix[matrix != 0])
        if not graph.nodes:  # dense is smaller
            thin.graph.initializer.append(tensor)
            continue
        graph.nodes[-1].output[0] = tensor.name
        thin.graph.initializer.extend(graph.initializers)
        (inside if tensor.name in used_inside else outside).extend(graph.nodes)
    for part, filled in ((body, inside), (thin.graph, outside)):
        nodes = [*filled, *part.node]
        del part.node[:]
        part.node.extend(nodes)
    return thin
