"""The installed commands on NIR files: in, mapped, out again, verified."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from neuromod.cli import group

from neuromod.errors import UsageError

nir = pytest.importorskip("nir")


def invoke(*arguments):
    return CliRunner().invoke(group, [str(a) for a in arguments])


@pytest.fixture
def file(tmp_path):
    rng = np.random.default_rng(0)

    def affine(rows, columns):
        return nir.Affine(weight=rng.normal(size=(rows, columns)).astype(np.float32), bias=np.zeros(rows, np.float32))

    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "a": affine(6, 3),
        "l": nir.LIF(tau=np.full(6, 0.01), r=np.ones(6), v_leak=np.zeros(6), v_threshold=np.ones(6)),
        "r": affine(6, 6),
        "o": affine(2, 6),
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = [("input", "a"), ("a", "l"), ("l", "r"), ("r", "l"), ("l", "o"), ("o", "output")]
    nir.write(tmp_path / "net.nir", nir.NIRGraph(nodes, edges))
    return tmp_path / "net.nir"


def test_an_imported_network_is_mapped_exported_and_verified(file, tmp_path):
    run = tmp_path / "run"
    done = invoke("import", file, "--run", run, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["format"], result["neurons"], result["synapses"]) == ("NIR", 6, 36)
    assert any("time step" in note for note in result["notes"])
    assert invoke("map", "--cores", "1x2", "--run", run, "-q").exit_code == 0
    done = invoke("export", "--format", "nir", "--run", run, "--json")
    assert done.exit_code == 0, done.output
    done = invoke("verify", "--run", run, "--json")
    assert done.exit_code == 0, done.output
    verified = json.loads(done.stdout)
    assert verified["nir"]["passed"]
    assert not verified["onnx"]["verified"]
    about = json.loads(nir.read(run / "exports/network.nir").metadata["about"])
    assert len(about["placement"]["core_of"]) == 6
    again = invoke("import", run / "exports/network.nir", "--run", tmp_path / "again", "--json")
    assert json.loads(again.stdout)["synapses"] == 36
    graph = nir.read(run / "exports/network.nir")
    graph.nodes["neurons_0000"].tau[2] *= 1.1
    nir.write(run / "exports/network.nir", graph)
    assert not json.loads(invoke("verify", "--run", run, "--json").stdout)["nir"]["passed"]


@pytest.mark.parametrize("kind", ["onnx", "snn"])
def test_what_it_cannot_be_exported_as_is_said(file, tmp_path, kind):
    run = tmp_path / "run"
    assert invoke("import", file, "--run", run).exit_code == 0
    done = invoke("export", "--format", kind, "--run", run)
    assert isinstance(done.exception, UsageError)
    assert not (run / "exports").exists() or not list((run / "exports").iterdir())
