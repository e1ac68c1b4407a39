"""Seeded faults in exported files, one at a time, for the benchmark and for a sample of it in the tests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

from neuromod import Network
from neuromod.errors import VerificationError
from neuromod.exporting import onnx as onnx_export
from neuromod.exporting import snn as snn_export
from neuromod.hardware.grid import Grid
from neuromod.mapping.placement import Placement
from neuromod.spiking import conversion, thresholds
from neuromod.spiking.network import SpikingNetwork
from neuromod.verification import runners

CHANGES = ("weight", "sign", "dropped", "added", "exchanged")
MATRICES = ("w_rec", "w_in", "w_out")


@dataclass(frozen=True)
class Exports:
    """A network, what was made of it, and where the healthy files are."""

    network: Network
    placement: Placement
    snn: SpikingNetwork
    nir: SpikingNetwork
    folder: Path


def random_network(n: int, *, alpha: float, density: float, seed: int) -> Network:
    """A network that stays bounded and excites all of its neurons now and then."""
    rng = np.random.default_rng(seed)

    def sparse(rows: int, columns: int, share: float) -> np.ndarray:
        return rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < share)

    return Network(
        w_rec=sparse(n, n, density) * 0.7 / np.sqrt(max(1, n * density)),
        w_in=sparse(n, 53, 0.2),
        w_out=sparse(17, n, 0.3),
        bias=rng.normal(size=n) * 0.2,
        bias_out=rng.normal(size=17) * 0.2,
        dt_s=0.1,
        tau_s=0.1 / alpha,
        positions=rng.random((n, 2)) * 10,
        info={"tasks": ["go", "dm1", "dms"], "semantics": "go-cue", "dt_ms": 100},
    )


def export(network: Network, folder: Path, *, with_nir: bool, seed: int) -> Exports:
    """Write all formats, healthy."""
    from neuromod.metrics.accuracy import trials_for

    rng = np.random.default_rng(seed)
    placement = Placement(
        Grid(2, 2), rng.integers(0, 4, network.n), network.n, "generic-mesh", "tiles", 0, network.sha256()
    )
    trials = trials_for(network, 200, seed=seed)
    scale = thresholds.balance(thresholds.activities(network, trials.inputs)[trials.mask])
    mode = "continuous" if seed % 2 and network.alpha < 1 else "hold"
    snn = conversion.convert(network, scale, substeps=5, mode=mode)
    onnx_export.write(network, folder, placement=placement)
    snn_export.write(snn, folder / "snn", network=network, placement=placement)
    nir = snn
    if with_nir:
        from neuromod.exporting import nir as nir_export

        nir = conversion.convert(network, scale, substeps=5, mode="continuous", delay=0, floor=None, reset="hard")
        nir_export.write(nir, folder / "network.nir", network=network, placement=placement)
    return Exports(network, placement, snn, nir, folder)


def caught(exports: Exports, kind: str, folder: Path, *, seed: int) -> bool:
    """Whether verification reports the files of one format in `folder`."""
    options: dict[str, Any] = {"placement": exports.placement, "n_trials": 60, "seed": seed}
    if kind != "onnx":
        # The networks here are random; what counts is whether a file does what was exported.
        options |= {"min_agreement": 0, "max_accuracy_gap": 1, "spiking": getattr(exports, kind)}
    target = {"onnx": folder, "snn": folder / "snn", "nir": folder / "network.nir"}[kind]
    try:
        return not runners.RUNNERS[kind](target, exports.network, **options)["passed"]
    except VerificationError:
        return True


def change(matrix: np.ndarray, what: str, rng: np.random.Generator) -> np.ndarray:
    """One fault in a weight matrix."""
    matrix = matrix.copy()
    if what == "exchanged":
        rows = np.flatnonzero(matrix.any(axis=1))
        a, b = rng.choice(rows, 2, replace=False)
        matrix[[a, b]] = matrix[[b, a]]
        return matrix
    there = np.argwhere((matrix == 0) if what == "added" else (matrix != 0))
    row, column = there[rng.integers(len(there))]
    value = matrix[row, column]
    typical = np.abs(matrix[matrix != 0]).mean()
    matrix[row, column] = {"weight": 1.1 * value, "sign": -value, "dropped": 0, "added": typical}[what]
    return matrix


def faults(exports: Exports, kind: str) -> Iterator[tuple[str, Callable[[Path, np.random.Generator], None]]]:
    """Names of faults in a format and functions that put them into the files of a folder."""
    yield from {"onnx": _onnx_faults, "snn": _snn_faults, "nir": _nir_faults}[kind](exports)


def spoil(exports: Exports, fault: Callable, folder: Path, rng: np.random.Generator) -> None:
    """Copy the healthy files and put one fault into them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(exports.folder, folder)
    fault(folder, rng)


def _onnx_faults(exports: Exports):
    def with_model(edit):
        def fault(folder, rng):
            path = folder / str(rng.choice(["network.onnx", "network_step.onnx"]))
            model = onnx.load(path)
            edit(model, rng)
            onnx.save(model, path)

        return fault

    for name in MATRICES:
        for what in CHANGES:
            yield f"{name} {what}", with_model(lambda m, rng, name=name, what=what: _edit_matrix(m, name, what, rng))
    for name, factor in (("alpha", 1.1), ("keep", 0.9), ("bias", 1.1), ("bias_out", 1.1)):
        yield f"{name} changed", with_model(lambda m, rng, name=name, factor=factor: _scale_one(m, name, factor, rng))
    yield "dt in metadata", with_model(lambda m, rng: _edit_metadata(m, "neuromod.network", "dt_s", 0.05))
    yield "tau in metadata", with_model(lambda m, rng: _edit_metadata(m, "neuromod.network", "tau_s", 7.0))
    yield "stale placement", with_model(lambda m, rng: _edit_placement(m, rng))


def _initializer(model, name):
    return next((t for t in model.graph.initializer if t.name == name), None)


def _edit_matrix(model, name, what, rng):
    dense = _initializer(model, name)
    if dense is not None:
        matrix = numpy_helper.to_array(dense)
        dense.CopyFrom(numpy_helper.from_array(change(matrix, what, rng), name))
        return
    parts = {part: _initializer(model, f"{name}.{part}") for part in ("index", "value", "shape")}
    index, value, shape = (numpy_helper.to_array(tensor) for tensor in parts.values())
    matrix = np.zeros(int(np.prod(shape)), np.float32)
    matrix[index] = value
    matrix = change(matrix.reshape(shape), what, rng).ravel()
    places = np.flatnonzero(matrix)
    parts["index"].CopyFrom(numpy_helper.from_array(places.astype(index.dtype), f"{name}.index"))
    parts["value"].CopyFrom(numpy_helper.from_array(matrix[places], f"{name}.value"))


def _scale_one(model, name, factor, rng):
    tensor = _initializer(model, name)
    values = numpy_helper.to_array(tensor).copy()
    place = rng.integers(values.size)
    values.reshape(-1)[place] = values.reshape(-1)[place] * factor or 0.1
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def _edit_metadata(model, key, field, value):
    for prop in model.metadata_props:
        if prop.key == key:
            prop.value = json.dumps({**json.loads(prop.value), field: value}, sort_keys=True)


def _edit_placement(model, rng):
    prop = next(p for p in model.metadata_props if p.key == "neuromod.placement")
    content = json.loads(prop.value)
    neuron = rng.integers(len(content["core_of"]))
    content["core_of"][neuron] = (content["core_of"][neuron] + 1) % 4
    prop.value = json.dumps(content, sort_keys=True)


def _snn_faults(exports: Exports):
    def with_tensors(edit):
        def fault(folder, rng):
            path = folder / "snn/weights.safetensors"
            tensors = load_file(path)
            edit(tensors, rng)
            save_file(tensors, path)

        return fault

    def with_config(edit):
        def fault(folder, rng):
            path = folder / "snn/config.json"
            content = json.loads(path.read_text())
            edit(content)
            path.write_text(json.dumps(content))

        return fault

    def edit_matrix(tensors, name, what, rng):
        if name in tensors:
            tensors[name] = change(tensors[name], what, rng)
            return
        shape = {"w_rec": (exports.snn.n,) * 2, "w_in": exports.snn.w_in.shape, "w_out": exports.snn.w_out.shape}[name]
        matrix = np.zeros(int(np.prod(shape)), np.float32)
        matrix[tensors[f"{name}.index"]] = tensors[f"{name}.value"]
        matrix = change(matrix.reshape(shape), what, rng).ravel()
        tensors[f"{name}.index"] = np.flatnonzero(matrix).astype(np.int32)
        tensors[f"{name}.value"] = matrix[matrix != 0]

    def scale_one(tensors, name, rng):
        tensors[name] = tensors[name].copy()
        tensors[name][rng.integers(len(tensors[name]))] *= 1.1

    for name in MATRICES:
        for what in CHANGES:
            yield (
                f"{name} {what}",
                with_tensors(lambda t, rng, name=name, what=what: edit_matrix(t, name, what, rng)),
            )
    for name in ("bias", "bias_out", "scale"):
        yield f"{name} changed", with_tensors(lambda t, rng, name=name: scale_one(t, name, rng))

    def threshold(tensors, rng):
        # A threshold of 1.1 is the same as everything that arrives divided by it.
        neuron = rng.integers(exports.snn.n)
        tensors["bias"] = tensors["bias"].copy()
        tensors["bias"][neuron] /= 1.1
        if "w_in" in tensors:
            tensors["w_in"] = tensors["w_in"].copy()
            tensors["w_in"][neuron] /= 1.1
        else:
            rows = tensors["w_in.index"] // exports.snn.w_in.shape[1]
            tensors["w_in.value"] = np.where(rows == neuron, tensors["w_in.value"] / 1.1, tensors["w_in.value"]).astype(
                np.float32
            )

    yield "threshold", with_tensors(threshold)
    for key, value in (("alpha", 0.31), ("dt_s", 0.05), ("reset", "hard"), ("floor", -1.0), ("start", 0.4),
                       ("substeps", 6), ("keep", 0.99), ("threshold", 1.1)):  # fmt: skip
        yield f"{key} in config", with_config(lambda c, key=key, value=value: c.update({key: value}))
    yield "tau in metadata", with_config(lambda c: c["about"]["network"].update(tau_s=7.0))
    yield (
        "stale placement",
        with_config(lambda c: c["about"]["placement"]["core_of"].reverse() or c["about"]["placement"].update(seed=9)),
    )


def _nir_faults(exports: Exports):
    import nir

    def with_graph(edit):
        def fault(folder, rng):
            graph = nir.read(folder / "network.nir")
            nir.write(folder / "network.nir", edit(graph, rng) or graph)

        return fault

    def edit_matrix(graph, name, what, rng):
        graph.nodes[name].weight = change(graph.nodes[name].weight, what, rng)

    def scale_one(graph, node, name, rng, factor=1.1):
        values = getattr(graph.nodes[node], name).copy()
        values.reshape(-1)[rng.integers(values.size)] *= factor
        setattr(graph.nodes[node], name, values)

    def scale_all(graph, node, name, factor=1.1):
        setattr(graph.nodes[node], name, getattr(graph.nodes[node], name) * factor)

    for name in MATRICES:
        for what in CHANGES:
            yield f"{name} {what}", with_graph(lambda g, rng, name=name, what=what: edit_matrix(g, name, what, rng))
    for name in ("tau_syn", "tau_mem", "r", "w_in", "v_threshold"):
        yield f"{name} of one neuron", with_graph(lambda g, rng, name=name: scale_one(g, "lif", name, rng))
        yield f"{name} of all", with_graph(lambda g, rng, name=name: scale_all(g, "lif", name))

    def without_recurrence(graph, rng):
        edges = [edge for edge in graph.edges if tuple(edge) != ("lif", "w_rec")]
        return nir.NIRGraph(graph.nodes, edges, metadata=graph.metadata)

    yield "edge dropped", with_graph(without_recurrence)
    for key, value in (("dt_s", 0.05), ("reset", "soft"), ("substeps", 6), ("readout_tau_s", 1.0)):
        yield f"{key} in metadata", with_graph(lambda g, rng, key=key, value=value: g.metadata.update({key: value}))

    def placement(graph, rng):
        about = json.loads(graph.metadata["about"])
        about["placement"]["core_of"].reverse()
        about["placement"]["seed"] = 9
        graph.metadata["about"] = json.dumps(about, sort_keys=True)

    yield "stale placement", with_graph(placement)
