from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from neuromod.cli import group

from neuromod.hardware.grid import Grid
from neuromod.mapping.placement import Placement


def invoke(*arguments):
    return CliRunner().invoke(group, [str(a) for a in arguments])


def test_onnx_export_states_files_bytes_opset(solver, run_of):
    run = run_of(solver)
    done = invoke("export", "--format", "onnx", "--run", run.path, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    expected = {str(run.path / "exports" / name) for name in ("network.onnx", "network_step.onnx")}
    assert {file["path"] for file in result["files"]} == expected
    for file in result["files"]:
        assert Path(file["path"]).stat().st_size == file["bytes"]
    assert (result["onnx"]["opset"], result["onnx"]["ir_version"]) == (21, 10)
    assert result["placement"] is False
    assert "no placement" in done.stderr
    assert run.state("export-onnx")[0] == "fresh"


def test_snn_export_reports_the_sweep(solver, run_of):
    run = run_of(solver)
    done = invoke("export", "--format", "snn", "--run", run.path, "--json")
    assert done.exit_code == 0, done.output
    part = json.loads(done.stdout)["snn"]
    assert part["substeps"] == part["sweep"][-1]["substeps"] == part["chosen"]["substeps"]
    assert part["within_tolerance"]
    for candidate in part["sweep"]:
        assert {"accuracy", "agreement", "state_error", "spikes_per_neuron_per_step"} <= set(candidate)
    assert "substeps" in done.stderr
    assert json.loads((run.path / "exports/snn/config.json").read_text())["substeps"] == part["substeps"]


def test_substeps_and_mode_can_be_fixed(solver, run_of):
    run = run_of(solver)
    options = ("--substeps", 4, "--mode", "continuous", "--max-accuracy-drop", 0)
    done = invoke("export", "--format", "snn", *options, "--run", run.path, "--json")
    part = json.loads(done.stdout)["snn"]
    assert (part["substeps"], part["mode"], len(part["sweep"])) == (4, "continuous", 1)


def test_onnx_and_snn_by_default(solver, run_of):
    run = run_of(solver)
    result = json.loads(invoke("export", "--run", run.path, "--json").stdout)
    assert result["formats"] == ["onnx", "snn"]
    assert len(result["files"]) == 6


def test_placement_travels_and_a_stale_one_is_refused(solver, run_of):
    run = run_of(solver)
    placement = Placement(Grid(1, 2), np.arange(17) % 2, 9, "mesh", "tiles", 0, solver.sha256())
    placement.save(run.file("placement.json"), neuron_ids=solver.neuron_ids, roles=["hidden"] * 17)
    run.record("map", arguments={}, seconds=0, inputs=["network.safetensors"], outputs=["placement.json"], result={})
    assert invoke("export", "--format", "onnx", "--run", run.path).exit_code == 0
    props = {p.key: p.value for p in onnx.load(run.file("exports/network.onnx")).metadata_props}
    assert json.loads(props["neuromod.placement"])["core_of"] == placement.core_of.tolist()

    replace(solver, bias=np.ones(17)).save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
    before = run.file("exports/network.onnx").read_bytes()
    from neuromod.errors import StageError

    done = invoke("export", "--format", "onnx", "--run", run.path)
    assert isinstance(done.exception, StageError)
    assert "neuromod map" in str(done.exception)
    assert run.file("exports/network.onnx").read_bytes() == before


def test_unknown_format_is_a_usage_error(solver, run_of):
    done = invoke("export", "--format", "onxx", "--run", run_of(solver).path)
    assert done.exit_code == 2
    assert "onxx" in done.stderr


@pytest.mark.parametrize("options", [("--substeps", "0"), ("--max-accuracy-drop", "2"), ("--mode", "later")])
def test_values_out_of_range_are_usage_errors(solver, run_of, options):
    assert invoke("export", *options, "--run", run_of(solver).path).exit_code == 2


def test_int8_files_come_on_request_and_go_again(solver, run_of):
    run = run_of(solver)
    result = json.loads(invoke("export", "--format", "onnx", "--quantize", "int8", "--run", run.path, "--json").stdout)
    names = {path.split("/")[-1] for path in (file["path"] for file in result["files"])}
    assert {"network_int8.onnx", "network_int8_weights.onnx"} < names
    assert invoke("export", "--format", "onnx", "--run", run.path).exit_code == 0
    assert not list((run.path / "exports").glob("*int8*"))


@pytest.mark.parametrize("tune", ["never", "needed"])
def test_nir_export_writes_soft_and_hard(tune, solver, run_of):
    pytest.importorskip("nir")
    run = run_of(solver)
    options = ("--substeps", 4, "--tune", tune, "--tune-steps", 2)
    done = invoke("export", "--format", "nir", *options, "--run", run.path, "--json")
    assert done.exit_code == 0, done.output
    part = json.loads(done.stdout)["nir"]
    assert (part["soft"]["reset"], part["hard"]["reset"]) == ("soft", "hard")
    # A hard reset is fine-tuned wherever that is not forbidden.
    assert part["hard"]["tuned"] == (tune != "never")
    assert {path.name for path in (run.path / "exports").iterdir()} == {"network.nir", "network_hard.nir"}
    assert run.state("export-nir")[0] == "fresh"


def test_weight_bits_of_the_target_and_of_the_user(solver, run_of):
    run = run_of(solver)
    options = ("export", "--format", "snn", "--substeps", 8, "--run", run.path, "--json")
    done = invoke(*options, "--weight-bits", 6, "--weight-steps", "tensor")
    part = json.loads(done.stdout)["snn"]
    assert part["weight_bits"] == 6
    before, after = part["chosen"]["accuracy_unrounded"], part["chosen"]["accuracy"]
    assert f"Accuracy {before:.3f} before the weights were rounded to 6 bits, {after:.3f} after." in done.stderr
    assert "needs a placement" in str(invoke(*options, "--weight-bits", "target").exception)
    assert "number of bits" in str(invoke(*options, "--weight-bits", "six").exception)
    assert "2 to 16" in str(invoke(*options, "--weight-bits", 1).exception)
    for target, outcome in (("loihi1", 9), ("generic-mesh", None)):
        placement = Placement(Grid(1, 2), np.arange(17) % 2, 9, target, "tiles", 0, solver.sha256())
        placement.save(run.file("placement.json"), neuron_ids=solver.neuron_ids, roles=["hidden"] * 17)
        run.record(
            "map", arguments={}, seconds=0, inputs=["network.safetensors"], outputs=["placement.json"], result={}
        )
        done = invoke(*options, "--weight-bits", "target")
        if outcome:
            assert json.loads(done.stdout)["snn"]["weight_bits"] == outcome
        else:
            assert "give one with --weight-bits" in str(done.exception)


def test_hard_reset_and_random_input_can_be_had(solver, run_of):
    run = run_of(solver)
    options = ("--substeps", 6, "--tune", "never", "--reset", "hard", "--input", "poisson")
    part = json.loads(invoke("export", "--format", "snn", *options, "--run", run.path, "--json").stdout)["snn"]
    assert (part["reset"], part["input"], part["tuned"]) == ("hard", "poisson", False)


def test_inputs_as_spikes_can_be_had_and_are_verified(solver, run_of):
    run = run_of(solver)
    options = ("--substeps", 10, "--tune", "never", "--mode", "continuous", "--input", "counts")
    part = json.loads(invoke("export", "--format", "snn", *options, "--run", run.path, "--json").stdout)["snn"]
    assert part["input"] == "counts"
    # Spikes cost additions alone.
    assert (part["operations_per_step"]["macs"], part["operations_per_step"]["acs"] > 0) == (0, True)
    limits = ("--min-agreement", 0, "--max-accuracy-gap", 1)
    verified = json.loads(invoke("verify", "--trials", 50, *limits, "--run", run.path, "--json").stdout)["snn"]
    assert (verified["input"], verified["passed"]) == ("counts", True)


def test_all_leaves_out_other_chips_and_says_so(solver, run_of):
    run = run_of(solver)
    short = ("--substeps", 3, "--tune", "never", "--run", run.path)
    done = invoke("export", "--format", "all", *short)
    assert "xylo and loihi and loihi2 are left out" in done.output
    result = json.loads(invoke("export", "--format", "all", "--format", "loihi2", *short, "--json").stdout)
    assert {"onnx", "snn", "loihi2"} <= set(result["formats"])
    assert not {"xylo", "loihi"} & set(result["formats"])
