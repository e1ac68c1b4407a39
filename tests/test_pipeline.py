"""The commands of the design card, exactly as written, one after the other in an empty folder."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from neuromod import Network, tasks
from neuromod.metrics import accuracy
from neuromod.runs import run as rundir

TRAIN = ["--tasks", "go,anti,dlygo", "--neurons", "49", "--steps", "500", "--set", "wiring.strength=0.05"]


def neuromod(*arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "NEUROMOD_RUNS"}
    command = [str(Path(sys.executable).parent / "neuromod"), *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pipeline")
    neuromod("train", *TRAIN, cwd=path)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> rundir.Run:
    """The run after `neuromod map --cores 4x4` and `neuromod export --format onnx`."""
    mapped = neuromod("map", "--cores", "4x4", "--json", cwd=folder)
    assert "running `neuromod prune` with its defaults first" in mapped.stderr
    assert json.loads(mapped.stdout)["grid"] == "4x4"
    exported = json.loads(neuromod("export", "--format", "onnx", "--json", cwd=folder).stdout)
    for file in exported["files"]:
        assert (folder / file["path"]).stat().st_size == file["bytes"]
    return rundir.Run(folder / json.loads(mapped.stdout)["run"])


def test_the_exported_file_computes_what_the_network_computes(run: rundir.Run) -> None:
    network = Network.load(run.file("pruned.safetensors"))
    path = str(run.file("exports/network.onnx"))
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path)
    assert [i.name for i in session.get_inputs()] == ["x", "h0"]
    assert [o.name for o in session.get_outputs()] == ["y", "h_last"]
    trials = tasks.generate(["go", "anti", "dlygo"], 60, seed=77)
    h0 = np.zeros((60, network.n), np.float32)
    y, h_last = session.run(None, {"x": trials.inputs, "h0": h0})
    reference, last = network.run(trials.inputs)
    np.testing.assert_allclose(y, reference, atol=1e-5)
    np.testing.assert_allclose(h_last, last, atol=1e-5)
    score = accuracy.evaluate(network, trials, runner=lambda x: y)
    assert score.accuracy > 0.9


def test_the_placement_names_neurons_as_trained(run: rundir.Run) -> None:
    network = Network.load(run.file("pruned.safetensors"))
    with run.file("placement.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["neuron", "role", "core_row", "core_column"]
    assert [int(row["neuron"]) for row in rows] == network.neuron_ids.tolist()
    assert {int(row["core_row"]) for row in rows} <= set(range(4))


def test_estimate_verify_and_report(run: rundir.Run, folder: Path) -> None:
    estimate = json.loads(neuromod("estimate", "--json", cwd=folder).stdout)
    keys = {"wiring_length", "packets_per_step", "hops_per_step", "max_link_load_per_step", "per_core"}
    assert keys <= set(estimate)
    assert keys <= set(estimate["shuffled"])
    assert estimate["hops_per_step"] < estimate["shuffled"]["hops_per_step"]
    neuromod("export", "--format", "snn", cwd=folder)
    verify = json.loads(neuromod("verify", "--json", cwd=folder).stdout)
    assert verify["passed"]
    assert verify["onnx"]["max_abs_error"] <= 1e-5
    assert verify["onnx"]["steps"] >= 200
    assert verify["onnx"]["decision_agreement"] == 1.0
    assert verify["snn"]["decision_agreement"] >= 0.95
    report = json.loads(neuromod("report", "--json", cwd=folder).stdout)
    assert (folder / report["report"]).stat().st_size == report["bytes"]


def test_a_placement_of_another_network_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    runs = tmp_path / "runs"
    shutil.copytree(folder / "runs", runs)
    neuromod("prune", "--keep", "0.2", cwd=tmp_path)
    for command in (["estimate"], ["export", "--format", "onnx"]):
        done = neuromod(*command, cwd=tmp_path, code=5)
        assert "run `neuromod map --cores 4x4`" in done.stderr
    neuromod("map", cwd=tmp_path)
    neuromod("estimate", cwd=tmp_path)


def test_what_does_not_fit_says_why_and_leaves_the_old_placement(run: rundir.Run, folder: Path) -> None:
    before = run.file("placement.json").read_bytes()
    done = neuromod("map", "--cores", "1x1", "--neurons-per-core", "3", cwd=folder, code=3)
    assert "does not fit" in done.stderr
    assert "try" in done.stderr
    assert run.file("placement.json").read_bytes() == before
