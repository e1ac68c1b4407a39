"""Exports and verification of the library, which are those of the command."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import replace

import numpy as np
import pytest

import neuromod
from neuromod import files
from neuromod.errors import UsageError
from neuromod.hardware import target_files
from neuromod.mapping import search
from neuromod.metrics.activity import find_activity
from neuromod.spiking.selection import choose


def small(n=4, **more):
    base = {
        "w_rec": np.eye(n, k=1), "w_in": np.ones((n, 1)), "w_out": np.ones((1, n)), "bias": np.zeros(n),
        "bias_out": np.zeros(1), "dt_s": 0.1, "tau_s": 0.1,
    }  # fmt: skip
    return neuromod.Network(**{**base, **more})


def test_a_file_of_the_user_is_left_where_it_is(tmp_path, solver):
    # In a run, spiking networks are kept beside the exports under these names.
    kept = tmp_path / "snn.safetensors"
    kept.write_text("mine")
    neuromod.export(solver, tmp_path, format="onnx")
    neuromod.export(solver, tmp_path, format="snn")
    assert kept.read_text() == "mine"


def test_the_library_and_the_command_have_one_set_of_defaults():
    from neuromod.cli import export, spiking

    from neuromod.spiking import ConversionSettings
    from neuromod.stages.export import settings_of

    ours = ConversionSettings()
    assert ours.tune == "needed"
    params = {param.name: param for param in export.command.params}
    assert {name: params[name].default for name in spiking.OPTIONS if params[name].show_default} == {
        option: getattr(ours, name) for option, name in spiking.OPTIONS.items() if getattr(ours, name) not in (None, ())
    }
    assert settings_of({}, None) == ours
    assert set(spiking.OPTIONS) <= set(params)


@pytest.mark.parametrize("keyword", ["settings", "wishes"])
def test_settings_of_the_conversion_by_their_new_and_their_old_name(solver, tmp_path, keyword):
    from neuromod.spiking.selection import ConversionSettings

    given = {keyword: ConversionSettings(substeps=(5,), n_trials=40, tune="never")}
    assert neuromod.export(solver, tmp_path, format="snn", **given).conversion.chosen.substeps == 5
    with pytest.raises(UsageError, match="not both"):
        neuromod.export(solver, tmp_path, format="snn", settings=given[keyword], wishes=given[keyword])


def test_a_conversion_that_fails_the_limits_is_tuned_as_the_command_does(solver):
    from neuromod.spiking.selection import ConversionSettings

    settings = ConversionSettings(substeps=(1,), min_agreement=1.0, n_trials=40, tune_steps=2)
    assert [c.tuned for c in choose(solver, settings).sweep] == [False, True]


def test_both_functions_that_place_take_the_activity(solver):
    busy = replace(solver, w_rec=np.ones((17, 17)) * 0.01)
    options = {"cores": (2, 2), "neurons_per_core": 5, "seed": 3}
    wanted = search.place(busy, activity=find_activity(busy), **options).core_of
    assert np.array_equal(search.place(busy, **options).core_of, wanted)
    assert np.array_equal(neuromod.place(busy, **options).core_of, wanted)
    shared = set(inspect.signature(search.place).parameters) & set(inspect.signature(neuromod.place).parameters)
    for name in shared:
        one, other = (inspect.signature(f).parameters[name].default for f in (search.place, neuromod.place))
        assert one == other, name


@pytest.fixture
def own_target():
    text = target_files.read_text("loihi1").replace('name = "loihi1"', 'name = "mine"')
    return target_files.parse_target(text, where="mine")


def test_a_placement_on_ones_own_target_is_exported_and_estimated(own_target, tmp_path):
    network = small()
    placement = neuromod.place(network, cores=(1, 2), target=own_target, neurons_per_core=2, placer="tiles")
    exported = neuromod.export(network, tmp_path, format="sanafe", placement=placement)
    theirs = neuromod.place(network, cores=(1, 2), target="loihi1", neurons_per_core=2, placer="tiles")
    same = neuromod.export(network, tmp_path / "b", format="sanafe", placement=theirs)
    mine, built_in = (e.target.joinpath("arch.yaml").read_text().split("\n", 1) for e in (exported, same))
    assert mine[1] == built_in[1]
    assert "mine" in mine[0]
    mine, built_in = (neuromod.estimate(network, where).summary for where in (placement, theirs))
    said = [found["busiest_core"]["weights"].pop("origin") for found in (mine, built_in)]
    assert said[0].replace("mine", "loihi1") == said[1]
    assert mine == built_in


def test_a_changed_target_of_a_known_name_is_the_one_that_counts(tmp_path):
    text = target_files.read_text("loihi1").replace("energy_hop_x = { value = ", "energy_hop_x = { value = 9")
    target = target_files.parse_target(text, where="x")
    assert target.value("energy_hop_x") != target_files.load_target("loihi1").value("energy_hop_x")
    network = small()
    placement = neuromod.place(network, cores=(1, 2), target=target, neurons_per_core=2, placer="tiles")
    arch = neuromod.export(network, tmp_path, format="sanafe", placement=placement).target / "arch.yaml"
    assert f"energy_east_hop: {target.value('energy_hop_x') * 1e-12:g}" in arch.read_text()


def test_a_target_that_nobody_knows_is_asked_for(own_target, tmp_path):
    network = small()
    placement = neuromod.place(network, cores=(1, 2), target=own_target, neurons_per_core=2, placer="tiles")
    lost = replace(placement, hardware=None)
    with pytest.raises(UsageError, match="target="):
        neuromod.export(network, tmp_path / "out", format="sanafe", placement=lost)
    assert not (tmp_path / "out").exists()
    neuromod.export(network, tmp_path, format="sanafe", placement=lost, target=own_target)


@pytest.mark.parametrize("info", [{"tasks": ["go"]}, {"tasks": [], "semantics": "go-cue", "dt_ms": 100}])
def test_names_of_tasks_alone_are_no_tasks(info):
    network = small(info=info)
    assert neuromod.place(network, cores=(1, 2), neurons_per_core=2).core_of.tolist() == [0, 0, 1, 1]
    pruned = neuromod.prune(network, threshold=0.1)
    assert (pruned.accuracy_before, pruned.trials) == (None, 0)
    with pytest.raises(UsageError, match="no tasks"):
        neuromod.prune(network)
    with pytest.raises(UsageError, match="no tasks"):
        neuromod.prune_packets(network, neuromod.place(network, cores=(1, 2), neurons_per_core=2))
    assert neuromod.analyze(network, permutations=100, nulls=2).tasks == ()


def test_what_cannot_be_verified_is_not_verified(tmp_path):
    network = small()
    exported = neuromod.export(network, tmp_path, quantize="int8")
    proof = neuromod.verify(network, exported, n_trials=20)
    assert (proof.verified, proof.passed) == (True, True)
    assert proof.figures["int8"]["verified"] is False
    assert any("8-bit files are judged by their accuracy" in why for why in proof.reasons)
    placement = neuromod.place(network, cores=(1, 2), neurons_per_core=2)
    proof = neuromod.verify(network, neuromod.export(network, tmp_path, format="sanafe", placement=placement))
    assert (proof.verified, proof.passed) == (False, False)
    assert "referee.py" in proof.reasons[0]


def test_a_limit_of_another_format_is_refused_by_name(tmp_path):
    network = small()
    exported = neuromod.export(network, tmp_path)
    with pytest.raises(UsageError, match=r"min_agreement is no limit of the format onnx.*max_error"):
        neuromod.verify(network, exported, n_trials=20, min_agreement=0.9)


def test_an_option_of_another_format_is_refused_by_name(solver, tmp_path):
    with pytest.raises(UsageError, match="quantize is no option of the format snn"):
        neuromod.export(solver, tmp_path, format="snn", quantize="int8")
    with pytest.raises(UsageError, match="int4"):
        neuromod.export(solver, tmp_path, quantize="int4")


def test_a_file_beyond_what_protobuf_allows_is_refused_before_it_is_written(monkeypatch, tmp_path):
    from neuromod.exporting import onnx

    neuromod.export(small(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    least = max(len(data) for data in before.values())
    monkeypatch.setattr(onnx, "MAX_BYTES", least)
    with pytest.raises(UsageError, match=r"network_int8.*bytes, ONNX allows"):
        neuromod.export(small(bias=np.ones(4)), tmp_path, quantize="int8")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_spiking_neurons_without_input_are_not_folded_as_rates():
    from neuromod.removal import cut

    w = np.zeros((3, 3))
    w[2, 0], w[2, 1] = 1, 0.5
    spikes = small(3, w_rec=w, w_in=[[1.0], [0], [0]], w_out=[[0, 0, 1.0]], bias=[0, 1.0, 0],
                   info={"nir": {"groups": []}})  # fmt: skip
    found = cut(spikes, 0.0)
    assert (found.n, found.bias.tolist()) == (3, [0, 1, 0])
    folded = cut(replace(spikes, info={}), 0.0)
    assert (folded.n, folded.bias.tolist()) == (2, [0, 0.5])


@pytest.mark.parametrize("exchange", [True, False])
def test_an_interrupted_replacement_leaves_the_old_folder(exchange, monkeypatch, tmp_path):
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    folder = tmp_path / "snn"
    with files.replacing_folder(folder) as new:
        (new / "a").write_text("old")
    rename = files.os.rename

    def broken(source, target):
        if str(target) == str(folder):
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", broken)
    if exchange:
        with files.replacing_folder(folder) as new:
            (new / "a").write_text("new")
        assert (folder / "a").read_text() == "new"
    else:
        with pytest.raises(KeyboardInterrupt), files.replacing_folder(folder) as new:
            (new / "a").write_text("new")
        monkeypatch.setattr(files.os, "rename", rename)
        files.recover(tmp_path)
        assert (folder / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["snn"]


def test_old_settings_name_is_still_there():
    from neuromod.spiking import selection

    assert selection.Wishes is selection.ConversionSettings
    assert dataclasses.is_dataclass(selection.ConversionSettings)
