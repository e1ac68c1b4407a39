"""What travels with a network through a file of ours and back: kept, or said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import neuromod
from neuromod import importing
from neuromod.spiking.conversion import convert


@pytest.fixture
def known():
    """A network with everything that a file may lose: positions, rates, numbers of its own."""
    return neuromod.Network(
        w_rec=np.eye(4, k=1), w_in=np.eye(4)[:, :2], w_out=np.ones((1, 4)), bias=np.linspace(0, 0.3, 4),
        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2, positions=[[0, 1], [0.1, 2], [5, 3], [7, 7]],
        rates=[0.1, 0.2, 0.3, 0.4], neuron_ids=[7, 3, 11, 12], info={"made_by": "hand"},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["network.onnx", "network_step.onnx"])
def test_onnx_keeps_all_of_a_network(known, name, tmp_path):
    neuromod.export(known, tmp_path)
    assert importing.read(tmp_path / name).network.sha256() == known.sha256()


def test_onnx_says_that_a_placement_stays_behind(known, tmp_path):
    placement = neuromod.place(known, cores=(1, 2), neurons_per_core=2)
    neuromod.export(known, tmp_path, placement=placement)
    found = importing.read(tmp_path / "network.onnx")
    assert any("placement on 1x2 cores of generic-mesh" in note for note in found.notes)
    neuromod.export(known, tmp_path)
    assert not any("placement" in note for note in importing.read(tmp_path / "network.onnx").notes)


def test_files_of_another_rate_fail_verification(known, tmp_path):
    exported = neuromod.export(known, tmp_path)
    assert neuromod.verify(known, exported, n_trials=20).passed
    proof = neuromod.verify(replace(known, rates=known.rates / 2), exported, n_trials=20)
    assert any("rates" in why for why in proof.reasons)


def _nir_file(known, path, form):
    nir = pytest.importorskip("neuromod.exporting.nir")
    pytest.importorskip("nir")
    spiking = convert(known, np.ones(4), substeps=5, mode="continuous", delay=0, floor=None)
    placement = neuromod.place(known, cores=(1, 2), neurons_per_core=2)
    return nir.write(spiking, path, network=known, placement=placement, form=form)


@pytest.mark.parametrize("form", ["cuba", "literal"])
def test_nir_keeps_positions_and_numbers_and_says_the_rest(known, form, tmp_path):
    found = importing.read(_nir_file(known, tmp_path / "a.nir", form))
    assert np.array_equal(found.network.positions, known.positions)
    assert np.array_equal(found.network.neuron_ids, known.neuron_ids)
    assert found.network.rates is None
    said = "; ".join(found.notes)
    for what in ("rates", "placement on 1x2 cores", "two more input channels"):
        assert what in said


def test_an_imported_nir_network_keeps_all_of_itself(known, tmp_path):
    first = importing.read(_nir_file(known, tmp_path / "a.nir", "cuba")).network
    first = replace(first, rates=np.linspace(0, 0.5, 4))
    neuromod.export(first, tmp_path / "out", format="nir")
    second = importing.read(tmp_path / "out" / "network.nir").network
    for name in ("positions", "neuron_ids", "rates", "w_in", "w_out", "bias"):
        assert np.array_equal(getattr(second, name), getattr(first, name)), name
    assert (second.w_rec != first.w_rec).nnz == 0


def test_notes_of_another_network_are_left_and_said(known, tmp_path):
    import nir

    path = _nir_file(known, tmp_path / "a.nir", "cuba")
    graph = nir.read(path)
    graph.metadata["about"] = graph.metadata["about"].replace('"n": 4', '"n": 5')
    nir.write(path, graph)
    found = importing.read(path)
    assert found.network.positions is None
    assert any("another network" in note for note in found.notes)
