from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from neuromod.errors import UsageError, VerificationError
from neuromod.spiking import conversion
from neuromod.spiking.network import SpikingNetwork
from neuromod.spiking.quantization import quantize
from neuromod.verification.nir import verify_nir

nir = pytest.importorskip("nir")
exporting = pytest.importorskip("neuromod.exporting.nir")


def spiking_of(network, **kwargs) -> SpikingNetwork:
    options = {"substeps": 5, "mode": "continuous", "delay": 0, "floor": None}
    return conversion.convert(network, np.linspace(1.5, 2, 17), **{**options, **kwargs})


@pytest.mark.parametrize("form", ["cuba", "literal"])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("keep", [None, 1.0])
@pytest.mark.parametrize("input", ["constant", "counts"])
def test_equations_of_the_graph_are_the_network(nir_simulation, solver, tmp_path, form, reset, keep, input):
    spiking = spiking_of(solver, reset=reset, keep=keep, input=input)
    path = exporting.write(spiking, tmp_path / "a.nir", network=solver, form=form)
    x = np.random.default_rng(0).random((8, 20, 53)).astype(np.float32)
    reference = spiking.run(x)
    graph = nir.read(path)
    out = nir_simulation(graph, exporting.encode(x, spiking, form), graph.metadata["dt_s"])
    y = exporting.decode(out, spiking, form)
    apart = reference.margin.min(axis=(0, 2)) > 1e-5
    assert apart.sum() >= 5
    np.testing.assert_allclose(y[:, apart], reference.y[:, apart], atol=1e-3)


@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("input", ["constant", "counts"])
def test_simulators_run_it_as_the_reference(solver, tmp_path, reset, input):
    pytest.importorskip("norse")
    spiking = spiking_of(solver, reset=reset, input=input)
    path = exporting.write(spiking, tmp_path / "a.nir", network=solver)
    result = verify_nir(path, solver, spiking=spiking, n_trials=200, min_agreement=0, max_accuracy_gap=1)
    assert result["passed"], result["reasons"]
    assert result["runtimes"]["norse"]["decisions_equal"] == 1
    jelly = result["runtimes"]["spikingjelly"]
    assert jelly["verified"] == (reset == "hard") or "not installed" in jelly["reason"]


def test_decisions_that_are_not_the_networks_fail_by_default(solver, tmp_path):
    pytest.importorskip("norse")
    spiking = spiking_of(solver, substeps=1)
    path = exporting.write(spiking, tmp_path / "a.nir", network=solver)
    given = {"spiking": spiking, "n_trials": 100, "max_accuracy_gap": 1}
    found = verify_nir(path, solver, **given)
    assert verify_nir(path, solver, **given, min_agreement=0)["passed"]
    assert not found["passed"]
    assert found["decision_agreement"] < 0.95


def test_inputs_as_spikes_are_spikes_and_are_said(solver, tmp_path):
    spiking = spiking_of(solver, input="counts")
    graph = nir.read(exporting.write(spiking, tmp_path / "a.nir", network=solver))
    events = exporting.encode(np.random.default_rng(0).normal(size=(6, 3, 53)), spiking)
    assert events.shape == (30, 3, 2 * 53 + 3)
    assert set(np.unique(events)) == {0, 1}
    assert graph.nodes["w_in"].weight.shape == (17, 2 * 53 + 3)
    assert "always 1" in graph.metadata["bias"]
    np.testing.assert_array_equal(graph.metadata["input_size"], spiking.spike_size)


def test_without_simulators_it_is_not_verified(solver, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "norse.torch", None)
    monkeypatch.setitem(sys.modules, "spikingjelly.activation_based.nir_exchange", None)
    spiking = spiking_of(solver, reset="hard")
    path = exporting.write(spiking, tmp_path / "a.nir", network=solver)
    result = verify_nir(path, solver, spiking=spiking, n_trials=50)
    assert (result["verified"], result["passed"]) == (False, False)
    assert "not installed" in result["reason"]


def test_without_nir_it_is_not_verified(solver, tmp_path, monkeypatch):
    import sys

    spiking = spiking_of(solver, reset="hard")
    path = exporting.write(spiking, tmp_path / "a.nir", network=solver)
    monkeypatch.setitem(sys.modules, "nir", None)
    result = verify_nir(path, solver, spiking=spiking, n_trials=50)
    assert (result["verified"], result["passed"]) == (False, False)
    assert "nir package is not installed" in result["reason"]


def test_older_nir_packages_can_read_it(solver, tmp_path):
    import h5py

    path = exporting.write(spiking_of(solver), tmp_path / "a.nir", network=solver)
    with h5py.File(path) as file:
        names = []
        file.visit(names.append)
    assert names
    assert not [name for name in names if name.endswith("v_reset")]  # unknown to 1.0.4
    assert not nir.read(path).nodes["lif"].v_reset.any()


def test_metadata_says_what_nir_cannot(solver, tmp_path):
    spiking = spiking_of(solver, reset="hard")
    metadata = nir.read(exporting.write(spiking, tmp_path / "a.nir", network=solver)).metadata
    assert metadata["reset"] == "hard"
    assert metadata["membrane_floor"] == "none"
    assert (metadata["dt_s"], metadata["substeps"], metadata["step_s"]) == (0.1 / 5, 5, 0.1)
    assert metadata["readout_tau_s"] == pytest.approx(0.02 / spiking.share)
    about = json.loads(metadata["about"])
    assert about["provenance"]["network_sha256"] == solver.sha256()
    assert about["network"]["neuron_ids"][0] == 100


def test_what_nir_cannot_say_is_refused(solver, tmp_path):
    for change in ({"delay": 2}, {"floor": 0.0}, {"mode": "hold"}, {"input": "poisson"}):
        with pytest.raises(UsageError, match="NIR cannot say"):
            exporting.write(replace(spiking_of(solver), **change), tmp_path / "a.nir", network=solver)
    assert not list(tmp_path.iterdir())


def test_equal_networks_give_equal_bytes(solver, tmp_path):
    paths = [exporting.write(spiking_of(solver), tmp_path / name, network=solver) for name in ("a.nir", "b.nir")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_quantised_networks_travel_exactly(solver, tmp_path):
    spiking = quantize(spiking_of(solver), 4)
    graph = nir.read(exporting.write(spiking, tmp_path / "a.nir", network=solver, form="literal"))
    np.testing.assert_array_equal(graph.nodes["w_rec"].weight, spiking.w_rec.toarray())
    np.testing.assert_array_equal(graph.nodes["w_in"].weight[:, :53], spiking.w_in)


@pytest.mark.parametrize("what", ["weight", "edge", "metadata", "tau"])
def test_faults_in_a_file_are_named(solver, tmp_path, what):
    spiking = spiking_of(solver)
    graph = exporting.build(spiking, network=solver)
    if what == "weight":
        graph.nodes["w_rec"].weight[3, 3] *= 1.1
    elif what == "edge":
        graph = nir.NIRGraph(graph.nodes, [e for e in graph.edges if e != ("lif", "w_rec")], metadata=graph.metadata)
    elif what == "metadata":
        graph.metadata["substeps"] = 6
    else:
        graph.nodes["lif"].tau_syn *= 1.1
    nir.write(tmp_path / "a.nir", graph)
    result = verify_nir(tmp_path / "a.nir", solver, spiking=spiking, n_trials=50, min_agreement=0, max_accuracy_gap=1)
    assert not result["passed"]
    assert result["reasons"]


def test_a_file_that_is_none_is_one_sentence(solver, tmp_path):
    (tmp_path / "a.nir").write_bytes(b"nothing")
    with pytest.raises(VerificationError, match="cannot be read"):
        verify_nir(tmp_path / "a.nir", solver, spiking=spiking_of(solver), n_trials=50)


def test_simulators_that_fire_at_the_threshold_agree_where_round_weights_hit_it(solver, tmp_path):
    pytest.importorskip("norse")
    pytest.importorskip("spikingjelly")
    # Thresholds of 2 make halves of the inputs' ones: membranes come to lie exactly on the threshold, again and again.
    spiking = conversion.convert(
        solver, np.full(17, 2.0), substeps=5, mode="continuous", delay=0, floor=None, reset="hard"
    )
    assert (spiking.run(np.ones((5, 1, 53))).margin == 0).any()
    path = exporting.write(spiking, tmp_path / "a.nir", network=solver)
    result = verify_nir(path, solver, spiking=spiking, n_trials=200, min_agreement=0, max_accuracy_gap=1)
    assert result["runtimes"]["spikingjelly"]["decisions_equal"] == 1
    assert result["passed"]
