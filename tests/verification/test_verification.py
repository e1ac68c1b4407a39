from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import neuromod
from neuromod.errors import VerificationError
from neuromod.exporting import onnx as exporting
from neuromod.exporting import snn
from neuromod.metrics.accuracy import trials_for
from neuromod.spiking import conversion, thresholds
from neuromod.verification import runners
from neuromod.verification.common import WRONG, streams
from neuromod.verification.onnx import _error
from neuromod.verification.snn_config import differences_of


def test_healthy_onnx_passes(solver, tmp_path):
    exporting.write(solver, tmp_path)
    result = runners.verify_onnx(tmp_path, solver, n_trials=100)
    assert result["passed"]
    assert result["max_abs_error"] <= 1e-5
    assert result["decision_agreement"] == 1
    assert result["steps"] >= 200
    assert result["state_bounded"]
    assert result["accuracy"] == result["accuracy_reference"] == 1


@pytest.mark.parametrize("name", ["network.onnx", "network_step.onnx"])
@pytest.mark.parametrize("fault", ["w_rec", "w_in", "w_out", "bias", "bias_out", "keep", "alpha"])
def test_a_changed_number_in_either_file_fails(solver, tmp_path, name, fault):
    exporting.write(solver, tmp_path)
    model = onnx.load(tmp_path / name)
    tensor = next(t for t in model.graph.initializer if t.name in (fault, f"{fault}.value"))
    values = numpy_helper.to_array(tensor).copy()
    values.reshape(-1)[-1] += 0.05
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, tmp_path / name)
    assert not runners.verify_onnx(tmp_path, solver, n_trials=50)["passed"]


def test_not_a_number_fails(solver, tmp_path):
    exporting.write(replace(solver, bias_out=np.full(17, 1e-3)), tmp_path)
    for path in tmp_path.iterdir():
        model = onnx.load(path)
        tensor = next(t for t in model.graph.initializer if t.name == "bias_out")
        tensor.CopyFrom(numpy_helper.from_array(np.full(17, np.nan, np.float32), "bias_out"))
        onnx.save(model, path)
    assert not runners.verify_onnx(tmp_path, solver, n_trials=50)["passed"]


def test_decisions_that_differ_fail_whatever_error_is_allowed(solver, tmp_path):
    exporting.write(solver, tmp_path)
    turned = replace(solver, w_out=np.roll(solver.w_out, 1, axis=0))
    result = runners.verify_onnx(tmp_path, turned, n_trials=50, max_error=1e9)
    assert any(reason.startswith("decisions agree in") for reason in result["reasons"])


def test_what_nothing_runs_is_not_verified(solver, tmp_path):
    placement = neuromod.place(solver, cores=(2, 2), placer="tiles")
    found = neuromod.verify(solver, neuromod.export(solver, tmp_path, format="sanafe", placement=placement))
    assert (found.passed, found.verified) == (False, False)
    assert found.figures == {"verified": False, "passed": False}


def test_a_network_without_tasks_is_not_verified_where_they_are_needed(solver, snn_folder):
    anonymous = replace(solver, info={})
    found = runners.verify_variant("snn", snn_folder, anonymous, n_trials=5)
    assert (found["verified"], found["passed"]) == (False, False)
    assert found["reason"]


def test_an_export_of_another_network_is_verified_and_fails(solver, tmp_path):
    exported = neuromod.export(solver, tmp_path)
    found = neuromod.verify(solver, exported, n_trials=50)
    assert (found.passed, found.verified) == (True, True)
    other = replace(solver, bias_out=solver.bias_out + 0.05)
    found = neuromod.verify(other, exported, n_trials=50)
    assert (found.passed, found.verified) == (False, True)


@pytest.mark.parametrize("wanted", [1e39, 1e300, np.inf, np.nan])
def test_what_overflows_is_wrong_however_large_the_state(wanted):
    size = np.array([np.maximum(1, wanted)])
    _, relative, _ = _error(np.array([np.inf], np.float32), np.array([wanted]), size)
    assert relative == WRONG


def test_network_that_grows_without_bound_is_compared_trial_by_trial(solver, tmp_path):
    growing = replace(solver, w_rec=solver.w_rec * 1.5)
    exporting.write(growing, tmp_path)
    result = runners.verify_onnx(tmp_path, growing, n_trials=50)
    assert not result["state_bounded"]
    assert result["passed"]


def test_truncated_and_missing_files_are_one_sentence(solver, tmp_path):
    exporting.write(solver, tmp_path)
    whole = (tmp_path / "network.onnx").read_bytes()
    (tmp_path / "network.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VerificationError, match="truncated or no ONNX"):
        runners.verify_onnx(tmp_path, solver, n_trials=50)
    (tmp_path / "network.onnx").unlink()
    with pytest.raises(VerificationError, match="cannot read"):
        runners.verify_onnx(tmp_path, solver, n_trials=50)


def test_network_of_another_size_is_one_sentence(solver, tmp_path):
    exporting.write(solver.subset(np.arange(16)), tmp_path)
    with pytest.raises(VerificationError, match="does not run in onnxruntime"):
        runners.verify_onnx(tmp_path, solver, n_trials=50)


@pytest.fixture
def snn_folder(solver, tmp_path):
    x = trials_for(solver, 200, seed=9)
    scale = thresholds.balance(thresholds.activities(solver, x.inputs)[x.mask])
    snn.write(conversion.convert(solver, scale, substeps=10), tmp_path / "snn", network=solver)
    return tmp_path / "snn"


def test_healthy_snn_passes(solver, snn_folder):
    result = runners.verify_snn(snn_folder, solver, n_trials=200)
    assert result["passed"]
    assert result["substeps"] == 10
    assert 0 < result["spikes_per_neuron_per_step"] < 10
    low, high = result["decision_agreement_interval"]
    assert low < result["decision_agreement"] <= high
    assert not runners.verify_snn(snn_folder, solver, n_trials=200, min_agreement=1.01)["passed"]


def test_what_was_exported_before_there_was_a_placement_is_no_fault(solver, snn_folder):
    said = json.loads((snn_folder / "config.json").read_text())
    placement = neuromod.place(solver, cores=(2, 2), placer="tiles")
    assert "placement" not in said["about"]
    assert differences_of(said, solver, None, placement) == []
    other = {**said, "about": {**said["about"], "placement": {}}}
    assert differences_of(other, solver, None, placement) == [
        "config.json carries a placement that is not the network's"
    ]


def test_batches_of_trials_are_one_count(solver, snn_folder, monkeypatch):
    from neuromod.verification import snn as verifying

    whole = runners.verify_snn(snn_folder, solver, n_trials=100)
    monkeypatch.setattr(verifying, "BATCH", 30)
    parts = runners.verify_snn(snn_folder, solver, n_trials=100)
    assert parts["spikes_per_neuron_per_step"] == pytest.approx(whole["spikes_per_neuron_per_step"])
    assert parts["decision_agreement"] == whole["decision_agreement"]


def test_wrong_snn_fails(solver, snn_folder):
    # Exported from a network whose ring is turned by one position.
    turned = replace(solver, w_out=np.roll(solver.w_out, 1, axis=0))
    assert not runners.verify_snn(snn_folder, turned, n_trials=200)["passed"]


def test_changed_code_is_not_run(solver, snn_folder, tmp_path):
    text = (snn_folder / "model.py").read_text()
    (snn_folder / "model.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{text}")
    with pytest.raises(VerificationError, match="was not run"):
        runners.verify_snn(snn_folder, solver, n_trials=50)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "change", [{"n": 0}, {"substeps": "many"}, {"mode": None, "alpha": None}, {"floor": "no"}, {"floor": 1.5}]
)
def test_broken_config_is_one_sentence(solver, snn_folder, change):
    config = json.loads((snn_folder / "config.json").read_text())
    (snn_folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(VerificationError, match="which cannot be"):
        runners.verify_snn(snn_folder, solver, n_trials=50)


def test_streams_are_whole_trials_without_padding(solver):
    trials = trials_for(solver, 20, seed=0)
    x = streams(trials, 100, 3, np.random.default_rng(0))
    assert x.shape == (100, 3, 53)
    first = x[:, 0]
    starts = [
        i
        for i in range(trials.n_trials)
        if np.array_equal(first[: trials.last_step[i] + 1], trials.inputs[: trials.last_step[i] + 1, i])
    ]
    assert len(starts) == 1


def loop_model():
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Loop", ["many", "yes", "x"], ["y"], body=helper.make_graph([], "b", [], []))],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    return helper.make_model(graph)


def huge_model(solver):
    model = exporting.build(solver)
    size = next(t for t in model.graph.initializer if t.name == "w_rec.size")
    size.CopyFrom(numpy_helper.from_array(np.array([2**50]), size.name))
    return model


@pytest.mark.parametrize(("kind", "said"), [("loop", "operator Loop"), ("huge", "declares a tensor")])
def test_hostile_models_are_not_run(solver, tmp_path, kind, said):
    exporting.write(solver, tmp_path)
    model = loop_model() if kind == "loop" else huge_model(solver)
    (tmp_path / "network.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(VerificationError, match=said):
        runners.verify_onnx(tmp_path, solver, n_trials=50)


@pytest.mark.parametrize("damage", ["truncated", "index", "shape", "nan", "missing"])
def test_damaged_weights_of_a_spiking_network_are_reported(solver, snn_folder, damage):
    from safetensors.numpy import load_file, save_file

    path = snn_folder / "weights.safetensors"
    tensors = load_file(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    else:
        if damage == "index":
            tensors["w_rec.index"] = tensors["w_rec.index"] + 10**6
        elif damage == "shape":
            tensors["bias"] = tensors["bias"][:1]
        elif damage == "nan":
            tensors["bias"] = np.full_like(tensors["bias"], np.nan)
        else:
            del tensors["bias_out"]
        save_file(tensors, path)
    try:
        result = runners.verify_snn(snn_folder, solver, n_trials=50)
    except VerificationError as error:
        assert "does not load" in str(error)  # noqa: PT017
    else:
        assert damage == "nan"
        assert not result["passed"]
