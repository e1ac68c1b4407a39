from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.exporting import onnx as exporting
from neuromod.exporting.onnx_int8 import write_int8
from neuromod.hardware.grid import Grid
from neuromod.importing.onnx import read_network
from neuromod.mapping.placement import Placement


def random_network(n=20, n_in=5, n_out=3, *, density=0.2, alpha=0.5, seed=0, positions=True, **kwargs) -> Network:
    rng = np.random.default_rng(seed)

    def weights(rows: int, columns: int) -> np.ndarray:
        return rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < density)

    # Scaled so that the spectral radius stays below one and the state does not grow.
    return Network(
        w_rec=weights(n, n) * 0.8 / max(1, np.sqrt(n * density)),
        w_in=weights(n, n_in),
        w_out=weights(n_out, n),
        bias=rng.normal(size=n) * 0.1,
        bias_out=rng.normal(size=n_out),
        dt_s=0.1,
        tau_s=0.1 / alpha,
        positions=rng.random((n, 2)) * 10 if positions else None,
        **kwargs,
    )


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {name: value.astype(np.float32) for name, value in inputs.items()})


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 64),
    density=st.sampled_from([0, 0.05, 0.5, 1]),
    alpha=st.sampled_from([0.01, 0.3, 0.5, 1]),
    time=st.integers(1, 30),
    batch=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_any_network_runs_as_the_reference(n, density, alpha, time, batch, seed):
    network = random_network(n, density=density, alpha=alpha, seed=seed)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(time, batch, network.n_in)).astype(np.float32)
    h0 = rng.random((batch, n)).astype(np.float32)
    y, h_last = network.run(x, h0)
    model = exporting.build(network)
    onnx.checker.check_model(model, full_check=True)
    for got in (run(model, x=x, h0=h0), ReferenceEvaluator(model).run(None, {"x": x, "h0": h0})):
        # States may grow above 100, where 1e-5 is one step of float32: the bound is of their size, as in `verify`.
        np.testing.assert_allclose(got[0], y, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(got[1], h_last, rtol=1e-5, atol=1e-5)


@pytest.fixture(params=[(20, 0.1), (20, 1.0), (300, 0.02)], ids=["sparse", "dense", "many"])
def files(request, tmp_path):
    """The network and all that is written of it: matrices dense, with 16-bit places and with 32-bit places."""
    n, density = request.param
    network = random_network(n, density=density, alpha=0.3)
    return network, [*exporting.write(network, tmp_path), *write_int8(network, tmp_path)]


def test_the_body_of_the_scan_takes_in_initialisers_alone(files):
    """OpenVINO takes what a node computes, or an input of the graph, for a missing input of the `Scan`."""
    for path in files[1]:
        graph = onnx.load(path).graph
        stored = {tensor.name for tensor in graph.initializer}
        bodies = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
        assert len(bodies) == (path.name != "network_step.onnx")
        for body in bodies:
            own = {value.name for value in body.input} | {name for node in body.node for name in node.output}
            taken_in = {name for node in body.node for name in node.input} - own
            assert taken_in
            assert taken_in <= stored


def test_files_run_alike_without_any_optimisation(files):
    """In a runtime that folds no constants."""
    network, paths = files
    rng = np.random.default_rng(2)
    x, h0 = rng.normal(size=(4, 3, 5)).astype(np.float32), rng.random((3, network.n)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for path in paths:
        x_t, state = (x[0], "h") if path.name == "network_step.onnx" else (x, "h0")
        wanted = onnxruntime.InferenceSession(path).run(None, {"x": x_t, state: h0})
        found = onnxruntime.InferenceSession(path, options).run(None, {"x": x_t, state: h0})
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_files_run_in_openvino(files):
    openvino = pytest.importorskip("openvino")
    network, paths = files
    rng = np.random.default_rng(2)
    core = openvino.Core()
    for path in paths:
        model = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        for time, batch in ((6, 3), (1, 1)):
            x, h0 = rng.normal(size=(time, batch, 5)).astype("f"), rng.random((batch, network.n)).astype("f")
            x_t, state = (x[0], "h") if path.name == "network_step.onnx" else (x, "h0")
            wanted = onnxruntime.InferenceSession(path).run(None, {"x": x_t, state: h0})
            found = model({"x": x_t, state: h0})
            for k, value in enumerate(wanted):
                np.testing.assert_allclose(found[k], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["network.onnx", "network_step.onnx"])
def test_files_of_version_0_1_0_are_read_as_what_they_were_made_from(name, tmp_path):
    old = Path(__file__).parents[1] / "golden" / "onnx_0.1.0" / name
    network = read_network(old)
    assert network.sha256() == "4b8cf07858b7a2be9c6f00a5517d7a06abfa2a304d32a39465baa7927cd6782c"
    exporting.write(network, tmp_path)
    assert read_network(tmp_path / name).sha256() == network.sha256()
    inputs = {"x": np.ones((3, 2, 3)), "h0": np.ones((2, 30))}
    inputs = inputs if name == "network.onnx" else {"x": inputs["x"][0], "h": inputs["h0"]}
    for a, b in zip(run(onnx.load(old), **inputs), run(onnx.load(tmp_path / name), **inputs), strict=True):
        assert (a == b).all()


def test_one_hand_computed_step():
    # Neuron 1 is driven by neuron 0 with 0.5: h1 = 0.75 * 2 + 0.25 * (0.5 * 4 + 1) = 2.25; h0 = 3 + 0.25 * 2.
    network = Network(
        w_rec=np.array([[0, 0], [0.5, 0]]),
        w_in=np.array([[2.0], [1.0]]),
        w_out=np.array([[0, 10.0]]),
        bias=np.zeros(2),
        bias_out=np.array([1.0]),
        dt_s=0.1,
        tau_s=0.4,
    )
    y, h_next = run(exporting.build(network, step=True), x=np.array([[1.0]]), h=np.array([[4.0, 2.0]]))
    assert h_next.tolist() == [[3.5, 2.25]]
    assert y.tolist() == [[23.5]]


def test_step_model_repeated_equals_the_sequence_model():
    network = random_network(30, alpha=0.3)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 4, 5)).astype(np.float32)
    h = rng.random((4, 30)).astype(np.float32)
    y, h_last = run(exporting.build(network), x=x, h0=h)
    step = exporting.build(network, step=True)
    onnx.checker.check_model(step, full_check=True)
    session = onnxruntime.InferenceSession(step.SerializeToString())
    for t in range(12):
        y_t, h = session.run(None, {"x": x[t], "h": h})
        np.testing.assert_allclose(y_t, y[t], atol=1e-6)
    np.testing.assert_allclose(h, h_last, atol=1e-6)


@pytest.mark.parametrize("n", [256, 300])
def test_sparse_networks_make_small_files(n):
    sizes = {}
    for density in (0.05, 1):
        network = random_network(n, 4, 3, density=density, positions=False)
        sizes[density] = exporting.build(network).ByteSize()
    assert sizes[0.05] < sizes[1] / 8
    assert sizes[1] > 4 * n * n


def test_interface_is_what_the_documentation_says(tmp_path):
    sequence, step = (onnx.load(path) for path in exporting.write(random_network(), tmp_path))
    assert (sequence.ir_version, sequence.opset_import[0].version) == (10, 21)
    assert [tuple(_shape(v)) for v in (*sequence.graph.input, *sequence.graph.output)] == [
        ("x", "time", "batch", 5),
        ("h0", "batch", 20),
        ("y", "time", "batch", 3),
        ("h_last", "batch", 20),
    ]
    assert [tuple(_shape(v)) for v in (*step.graph.input, *step.graph.output)] == [
        ("x", "batch", 5),
        ("h", "batch", 20),
        ("y", "batch", 3),
        ("h_next", "batch", 20),
    ]


def _shape(value):
    yield value.name
    for dim in value.type.tensor_type.shape.dim:
        yield dim.dim_param or dim.dim_value


def test_metadata_reaches_the_runtime(tmp_path):
    network = random_network(4, info={"tasks": ["go"], "dt_ms": 100}, neuron_ids=np.array([7, 3, 5, 9]))
    placement = Placement(Grid(1, 2), np.array([0, 1, 1, 0]), 2, "mesh", "tiles", 3, network.sha256())
    path = exporting.write(network, tmp_path, placement=placement)[0]
    found = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    content = {key: json.loads(value) for key, value in found.items()}
    assert content["neuromod.network"]["tau_s"] == network.tau_s
    assert content["neuromod.network"]["neuron_ids"] == [7, 3, 5, 9]
    assert content["neuromod.placement"]["core_of"] == [0, 1, 1, 0]
    assert content["neuromod.placement"]["target"] == "mesh"
    assert content["neuromod.provenance"]["info"] == {"tasks": ["go"], "dt_ms": 100}
    np.testing.assert_allclose(content["neuromod.positions"], network.positions, atol=1e-5)
    without = onnx.load(exporting.write(network, tmp_path)[0])
    assert "neuromod.placement" not in {prop.key for prop in without.metadata_props}


def test_placement_of_another_network_is_refused(tmp_path):
    placement = Placement(Grid(1, 2), np.zeros(4, int), 4, "mesh", "tiles", 0, random_network(4, seed=1).sha256())
    with pytest.raises(UsageError, match="another network"):
        exporting.write(random_network(4), tmp_path, placement=placement)
    assert not list(tmp_path.iterdir())


def test_equal_networks_give_equal_bytes_in_another_process(tmp_path):
    network = random_network(30, info={"b": 1, "a": 2})
    network.save(tmp_path / "n.safetensors")
    paths = exporting.write(network, tmp_path)
    code = (
        "import sys; from pathlib import Path; from neuromod import Network; from neuromod.exporting import onnx;"
        "onnx.write(Network.load(sys.argv[1]), Path(sys.argv[2])); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "n.safetensors", tmp_path / "again"], check=True)
    for path in paths:
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
