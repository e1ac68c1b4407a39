from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from neuromod.cli import group
from onnx import numpy_helper

from neuromod.errors import StageError, VerificationError
from neuromod.runs import run as rundir


def invoke(*arguments):
    return CliRunner().invoke(group, [str(a) for a in arguments])


@pytest.fixture
def run(solver, run_of):
    run = run_of(solver)
    assert invoke("export", "--run", run.path, "-q").exit_code == 0
    return run


def test_healthy_exports_pass(run):
    done = invoke("verify", "--run", run.path, "--trials", 200, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["passed"]
    assert result["onnx"]["max_abs_error"] <= 1e-5
    assert result["onnx"]["decision_agreement"] == 1
    assert result["snn"]["decision_agreement"] >= 0.95
    assert {"substeps", "spikes_per_neuron_per_step", "accuracy"} <= set(result["snn"])
    written = json.loads(run.file("verify.json").read_text())
    assert written["passed"]
    assert written["schema"] == "neuromod/verify/1"
    assert run.state("verify")[0] == "fresh"


def test_a_fault_ends_with_code_4_and_is_written_down(run):
    path = run.file("exports/network.onnx")
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == "bias")
    tensor.CopyFrom(numpy_helper.from_array(np.full(17, 0.1, np.float32), "bias"))
    onnx.save(model, path)
    done = invoke("verify", "--run", run.path, "--trials", 50, "--json")
    assert isinstance(done.exception, VerificationError)
    assert done.exception.exit_code == 4
    result = json.loads(done.stdout)
    assert not result["passed"]
    assert not result["onnx"]["passed"]
    assert result["snn"]["passed"]
    assert json.loads(run.file("verify.json").read_text())["passed"] is False


def test_a_file_that_does_not_load_fails_and_the_others_are_still_verified(run):
    run.file("exports/network.onnx").write_bytes(b"not a model")
    done = invoke("verify", "--run", run.path, "--trials", 50, "--json")
    assert isinstance(done.exception, VerificationError)
    result = json.loads(done.stdout)
    assert "no ONNX file" in result["onnx"]["reason"]
    assert result["snn"]["passed"]


def test_a_file_of_8_bits_that_is_gone_is_not_verified(solver, run_of):
    run = run_of(solver)
    assert invoke("export", "--format", "onnx", "--quantize", "int8", "--run", run.path, "-q").exit_code == 0
    run.file("exports/network_int8.onnx").unlink()
    part = json.loads(invoke("verify", "--run", run.path, "--trials", 50, "--json").stdout)["onnx_int8"]
    assert (part["verified"], part["passed"]) == (False, False)
    assert "export --format onnx --quantize int8" in part["reason"]


def test_a_missing_export_is_not_verified_and_not_passed(run):
    shutil.rmtree(run.file("exports/snn"))
    done = invoke("verify", "--run", run.path, "--trials", 50, "--json")
    assert done.exit_code == 0
    part = json.loads(done.stdout)["snn"]
    assert (part["verified"], part["passed"]) == (False, False)
    assert "export --format snn" in part["reason"]


def test_where_nothing_could_be_run_it_says_so_and_why(run, monkeypatch):
    from neuromod.verification import runners

    absent = {"verified": False, "passed": False, "reason": "the runtime is not installed; `pip install it`"}
    monkeypatch.setattr(runners, "verify_variant", lambda *_, **__: dict(absent))
    done = invoke("verify", "--run", run.path, "--json")
    assert isinstance(done.exception, VerificationError)
    assert str(done.exception).startswith(
        "nothing was verified (onnx: the runtime is not installed; `pip install it`; snn: "
    )
    assert json.loads(done.stdout)["passed"] is False


def test_without_any_export_it_says_what_to_run(solver, run_of):
    done = invoke("verify", "--run", run_of(solver).path)
    assert isinstance(done.exception, StageError)
    assert "neuromod export" in str(done.exception)


def test_exports_of_an_older_network_are_refused(run, solver):
    replace(solver, bias=np.ones(17)).save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
    done = invoke("verify", "--run", run.path, "--trials", 50)
    assert isinstance(done.exception, StageError)
    assert "stale" in str(done.exception)


def test_limits_are_arguments(run):
    done = invoke("verify", "--run", run.path, "--trials", 50, "--max-error", 0, "--json")
    assert isinstance(done.exception, VerificationError)
    assert json.loads(done.stdout)["onnx"]["passed"] is False


@pytest.fixture
def without_tasks(solver):
    """Weights alone, as from a file of another tool."""
    return replace(solver, info={})


def test_a_network_without_tasks_is_exported_and_verified_on_random_inputs(without_tasks, run_of):
    run = run_of(without_tasks)
    done = invoke("export", "--run", run.path)
    assert done.exit_code == 0, done.output
    assert "no tasks" in done.stderr
    assert not run.file("exports/snn").exists()
    done = invoke("verify", "--run", run.path, "--trials", 50)
    assert done.exit_code == 0, done.output
    assert "random inputs" in done.stdout
    assert "it is calibrated on trials of tasks" in done.stdout
    assert "neuromod export" not in done.stdout
    part = json.loads(run.file("verify.json").read_text())["onnx"]
    assert part["passed"]
    assert (part["inputs"], part["accuracy"], part["decision_agreement"]) == ("random", None, 1)
    assert invoke("report", "--run", run.path, "-q").exit_code == 0


def test_a_fault_is_found_without_tasks_too(without_tasks, run_of):
    run = run_of(without_tasks)
    assert invoke("export", "--run", run.path, "-q").exit_code == 0
    path = run.file("exports/network.onnx")
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == "bias")
    tensor.CopyFrom(numpy_helper.from_array(np.full(17, 0.1, np.float32), "bias"))
    onnx.save(model, path)
    done = invoke("verify", "--run", run.path, "--trials", 50)
    assert isinstance(done.exception, VerificationError)


def test_a_network_that_explodes_passes_without_tasks(without_tasks, run_of):
    rng = np.random.default_rng(0)
    wild = replace(without_tasks, w_rec=rng.normal(size=(17, 17)))
    run = run_of(wild)
    assert invoke("export", "--run", run.path, "-q").exit_code == 0
    done = invoke("verify", "--run", run.path, "--trials", 50, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["onnx"]["state_bounded"] is False


def test_weights_alone_without_inputs_and_readouts_are_verified(without_tasks, run_of):
    bare = replace(without_tasks, w_in=np.zeros((17, 0)), w_out=np.zeros((0, 17)), bias_out=np.zeros(0))
    run = run_of(bare)
    assert invoke("export", "--run", run.path, "-q").exit_code == 0
    done = invoke("verify", "--run", run.path, "--trials", 50)
    assert done.exit_code == 0, done.output
    assert "no readouts" in done.stdout


@pytest.mark.parametrize("kind", ["snn", "nir"])
def test_spiking_formats_without_tasks_are_refused_before_anything_is_written(without_tasks, run_of, kind):
    run = run_of(without_tasks)
    done = invoke("export", "--run", run.path, "--format", "onnx", "--format", kind)
    assert "names none" in str(done.exception)
    assert not run.file("exports").exists()


def test_hints_name_the_run_unless_it_is_the_newest(solver, run_of, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    run = run_of(solver)
    assert run.command("neuromod map") == "neuromod map"
    rundir.create("other", tmp_path / "other")
    assert run.command("neuromod map") == f"neuromod map --run {run.path}"
    assert run.command("neuromod train") == "neuromod train"
    done = invoke("verify", "--run", run.path)
    assert f"run `neuromod export --run {run.path}`" in str(done.exception)
