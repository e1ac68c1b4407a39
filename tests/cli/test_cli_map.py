"""`neuromod map`, `estimate` and `targets` as commands, on runs with a small made-up network."""

import csv
import dataclasses
import json
import re
import shlex
import sys
from importlib.metadata import entry_points

import numpy as np
import pytest

from neuromod import Network
from neuromod.hardware import target_files
from neuromod.runs import run as rundir


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that holds an imported network of 60 neurons with rates."""
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    return make_run()


def make_run():
    rng = np.random.default_rng(0)
    at = np.stack(np.meshgrid(np.arange(10), np.arange(6)), axis=-1).reshape(-1, 2)
    near = np.abs(at[:, None] - at[None]).sum(axis=-1)
    w = (near > 0) & (rng.random(near.shape) < np.exp(-near / 1.5))
    net = Network(
        w_rec=w.astype(float), w_in=np.eye(60, 3), w_out=np.eye(2, 60, k=4), bias=np.zeros(60), bias_out=np.zeros(2),
        dt_s=0.1, tau_s=0.2, positions=at, rates=rng.random(60), neuron_ids=np.arange(60) * 2,
    )  # fmt: skip
    run = rundir.create("toy")
    net.save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
    return run


@pytest.fixture
def neuromod(monkeypatch, capsys):
    """Run the installed command: exit code, stdout, stderr."""
    (point,) = entry_points(group="console_scripts", name="neuromod")
    main = point.load()

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["neuromod", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return call


def test_map_then_estimate(run, neuromod):
    code, out, err = neuromod("map", "--cores", "2x3", "--json")
    assert code == 0, err
    result = json.loads(out)
    promised = {"grid", "target", "placer", "neurons_per_core", "cores_used", "intra_core_synapses",
                "inter_core_synapses", "hops", "packets", "multicast_hops", "max_link_load"}  # fmt: skip
    assert promised <= result.keys()
    assert result["grid"] == "2x3"
    assert result["target"] == "generic-mesh"
    assert result["placer"] == "annealing"
    assert result["neurons_per_core"] == 11
    assert "11 (an even share with 5 % slack)" in err
    assert 0 < result["hops"] < result["shuffled_hops"] / 2
    with run.file("placement.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["neuron", "role", "core_row", "core_column"]
    assert [int(row["neuron"]) for row in rows] == list(range(0, 120, 2))
    assert {row["role"] for row in rows} == {"input", "readout", "hidden"}
    assert {row["core_row"] for row in rows} == {"0", "1"}

    code, out, err = neuromod("estimate", "--json")
    assert code == 0, err
    estimate = json.loads(out)
    promised = {"wiring_length", "packets_per_step", "hops_per_step", "max_link_load_per_step", "per_core"}
    assert promised <= estimate.keys()
    assert promised <= estimate["shuffled"].keys()
    assert estimate["hops_per_step"] == result["hops"]
    assert estimate["packets_per_step"] == result["packets"]
    assert estimate["shuffled"]["hops_per_step"] == result["shuffled_hops"]
    assert len(estimate["per_core"]) == 6
    assert estimate["activity"]["kind"] == "given"
    content = json.loads(run.file("traffic.json").read_text())
    assert content["schema"] == "neuromod/traffic/1"
    assert content["hops_per_step"] == estimate["hops_per_step"]


def test_estimate_maps_first_and_says_so(run, neuromod):
    code, out, err = neuromod("estimate")
    assert code == 0
    assert "running `neuromod map`" in err
    assert "hops per step" in out
    assert rundir.open_run().state("map")[0] == "fresh"


def test_same_seed_same_bytes(run, neuromod):
    contents = []
    for _ in range(2):
        assert neuromod("map", "--cores", "2x2", "--seed", "5", "-q")[0] == 0
        contents.append([run.file(f"placement.{kind}").read_bytes() for kind in ("json", "csv")])
    assert contents[0] == contents[1]


def test_a_stale_placement_is_refused(run, neuromod):
    assert neuromod("map", "-q")[0] == 0
    net = Network.load(run.file("network.safetensors"))
    net.subset(np.arange(50)).save(run.file("network.safetensors"))
    code, _, err = neuromod("estimate")
    assert code == 5
    assert "neuromod import" in err


def test_what_is_gone_is_made_again_as_it_was_not_with_defaults(run, neuromod):
    assert neuromod("prune", "--keep", "0.5", "-q")[0] == 0
    assert neuromod("map", "--cores", "1x2", "--effort", "0.01", "--seed", "3", "-q")[0] == 0
    for gone, after, command in (
        ("target.toml", "estimate", "neuromod map --cores 1x2 --effort 0.01 --seed 3"),
        ("placement.json", "export", "neuromod map --cores 1x2 --effort 0.01 --seed 3"),
        ("pruned.safetensors", "map", "neuromod prune --keep 0.5"),
        ("pruned.safetensors", "analyze", "neuromod prune --keep 0.5"),
    ):
        content = run.file(gone).read_bytes()
        run.file(gone).unlink()
        code, _, err = neuromod(after)
        assert code == 5, (gone, after, err)
        assert f"run `{command}" in err
        run.file(gone).write_bytes(content)


def test_too_small_a_grid_says_what_would_fit(run, neuromod):
    code, out, err = neuromod("map", "--cores", "1x2", "--neurons-per-core", "20", "--json")
    assert code == 3
    assert out == ""
    assert "needs at least 3 cores by neurons; the grid has 2" in err
    assert "--cores 1x3" in err
    assert not run.file("placement.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cores", "4by4"], "'4by4' is not a grid of cores"),
        (["--cores", "0x4"], "not a grid"),
        (["--target", "loihi"], "did you mean loihi"),
        (["--placer", "magic"], "no placer magic"),
        (["--neurons-per-core", "0"], "0"),
        (["--target", "loihi1", "--neurons-per-core", "5000"], "above what loihi1 holds, 1,024"),
    ],
)
def test_bad_options(run, neuromod, arguments, message):
    code, out, err = neuromod("map", *arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert not run.file("placement.json").exists()


def test_a_users_target_and_its_limits(run, neuromod, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(
        'schema = "neuromod/target/1"\nname = "tiny"\ntitle = "Tiny"\nabout = "Tiny."\nrouting = "unicast"\n'
        '[limits]\nneurons = { value = 16, kind = "chosen", source = "test" }\n'
        'fan_in = { value = 3, kind = "chosen", source = "test" }\n'
    )
    code, _, err = neuromod("map", "--target", str(path))
    assert code == 3
    assert "fan-in of neuron" in err
    path.write_text(path.read_text().replace("value = 3,", 'value = "none",'))
    code, out, err = neuromod("map", "--target", str(path), "--json")
    assert code == 0, err
    assert json.loads(out)["neurons_per_core"] == 16
    assert str(path) not in run.file("run.json").read_text()


def test_a_run_without_a_network(neuromod, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "none"))
    code, _, err = neuromod("map")
    assert code == 5
    assert "neuromod train" in err


def test_targets(neuromod):
    code, out, _ = neuromod("targets", "--json")
    assert code == 0
    names = [target["name"] for target in json.loads(out)["targets"]]
    assert {"generic-mesh", "loihi1", "truenorth", "dynapse2"} <= set(names)
    code, out, _ = neuromod("targets", "show", "loihi1", "--json")
    assert code == 0
    assert json.loads(out)["figures"]["neurons"]["value"] == 1024
    code, out, _ = neuromod("targets", "show", "truenorth")
    assert code == 0
    assert "unknown" in out
    assert neuromod("targets", "show", "nothing")[0] == 2


def test_import_map_estimate(neuromod, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    rng = np.random.default_rng(1)
    np.savez(
        tmp_path / "net.npz", source=rng.integers(0, 40, 200), target=rng.integers(0, 40, 200),
        weight=rng.normal(size=200), n_neurons=40, rates=rng.random(40),
    )  # fmt: skip
    code, out, err = neuromod("import", str(tmp_path / "net.npz"), "--json")
    assert code == 0, err
    imported = json.loads(out)
    assert imported["neurons"] == 40
    assert imported["rates"] is True
    assert str(tmp_path) not in (rundir.open_run().path / "run.json").read_text()
    code, out, err = neuromod("map", "--cores", "2x2", "--json")
    assert code == 0, err
    code, out, err = neuromod("estimate", "--json")
    assert code == 0, err
    estimate = json.loads(out)
    assert estimate["activity"]["kind"] == "given"
    # Without positions there is no wire to measure; that is said, not guessed.
    assert estimate["wiring_length"] is None
    assert neuromod("estimate")[1].count("unknown") >= 2


def test_import_refuses_what_it_cannot_read(neuromod, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    (tmp_path / "net.npz").write_text("junk")
    code, out, err = neuromod("import", str(tmp_path / "net.npz"))
    assert (code, out) == (2, "")
    assert "no readable NumPy archive" in err
    assert not (tmp_path / "runs").exists()


def test_map_draws_the_cores(run, neuromod, tmp_path):
    code, _, err = neuromod("map", "--cores", "2x2", "--plot", str(tmp_path / "cores.svg"), "-q")
    assert code == 0, err
    assert (tmp_path / "cores.svg").read_text().startswith("<?xml")
    assert run.file("cores.graphml").exists()
    code, _, err = neuromod("map", "--cores", "2x2", "--plot", str(tmp_path / "cores.doc"), "-q")
    assert code == 2


@pytest.mark.parametrize("objective", ["packets", "multicast", "max-link"])
def test_objectives_on_the_command_line(run, neuromod, objective):
    code, out, err = neuromod("map", "--cores", "3x3", "--objective", objective, "--effort", "0.2", "--json")
    assert code == 0, err
    assert json.loads(out)["objective"] == objective
    result = json.loads(out)
    assert 0 < result["bound"] <= result["hops"] + 1e-9
    assert result["gap"] == pytest.approx(result["hops"] / result["bound"] - 1)


def test_a_tiled_target_counts_hops_between_routers(run, neuromod):
    code, out, err = neuromod("map", "--cores", "2x4", "--target", "loihi1", "--neurons-per-core", "8", "--json")
    assert code == 0, err
    assert json.loads(out)["packets"] > json.loads(out)["hops"] > 0
    code, out, err = neuromod("estimate", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["energy_per_step"]["total_pj"] > 0
    assert result["time_per_step"]["total_ns"] is None
    assert np.shape(result["links"]["east"]) == (1, 2)


def test_rates_from_a_file(run, neuromod, tmp_path):
    rates = np.zeros(60)
    rates[:5] = 2.0
    np.save(tmp_path / "rates.npy", rates)
    code, out, err = neuromod("map", "--cores", "2x3", "--activity", str(tmp_path / "rates.npy"), "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["activity"]["kind"] == "file"
    assert result["activity"]["silent_neurons"] == 55
    # What was read stays in use, until something else is asked for.
    code, out, err = neuromod("estimate", "--json")
    assert code == 0, err
    estimate = json.loads(out)
    assert estimate["hops_per_step"] == result["hops"]
    # Input packets: one for each channel and core that listens; readout packets: of the neurons that are read.
    assert estimate["readout_packets_per_step"] == rates[[4, 5]].sum()
    again = json.loads(neuromod("map", "--cores", "2x3", "--activity", "rates", "--json")[1])
    assert again["activity"]["kind"] == "given"


@pytest.mark.parametrize(("source", "message"), [("spikes", "needs a network with tasks"), ("none.npy", "cannot read")])
def test_activity_that_cannot_be_had(run, neuromod, source, message):
    code, out, err = neuromod("map", "--activity", source)
    assert (code, out) == (2, "")
    assert message in err
    assert run.state("map")[0] == "missing"


def test_spikes_are_those_of_the_export_that_is_there(run_of, solver, neuromod):
    run = run_of(solver)
    place = ("map", "--cores", "2x2", "--activity", "spikes", "--run", str(run.path), "--json")

    def mean_rate():
        code, out, err = neuromod(*place)
        assert code == 0, err
        result = json.loads(out)["activity"]
        assert result["kind"] == "spikes"
        return result["mean_rate"]

    def export(substeps):
        options = ("--substeps", str(substeps), "--tune", "never", "--run", str(run.path))
        code, _, err = neuromod("export", "--format", "snn", *options)
        assert code in (0, 4), err

    by_default = mean_rate()
    assert by_default > 0
    # Spikes come in proportion to the substeps; each new export is counted anew, and only then.
    export(40)
    many = mean_rate()
    counted = run.file("activity.safetensors").stat().st_mtime_ns
    assert mean_rate() == many
    assert run.file("activity.safetensors").stat().st_mtime_ns == counted
    export(4)
    # An estimate is that of the placement as it was made, and does not make it stale.
    code, out, err = neuromod("estimate", "--run", str(run.path), "--json")
    assert code == 0, err
    assert json.loads(out)["activity"]["mean_rate"] == many
    assert run.state("map")[0] == "fresh"
    assert mean_rate() == pytest.approx(many / 10, rel=0.3)


@pytest.mark.parametrize("wrong", [["--placer", "anneal"], ["--objective", "hop"]])
def test_a_misspelt_method_is_refused_before_anything_is_written(run, neuromod, wrong):
    code, _, err = neuromod("map", *wrong)
    assert code == 2
    assert "choose one of" in err
    assert not run.file("activity.safetensors").exists()


def test_a_network_on_one_core_is_told_that_nothing_travels(run, neuromod):
    code, out, _ = neuromod("map", "--target", "loihi1")
    assert code == 0
    assert "one core holds every neuron" in out
    code, out, _ = neuromod("map", "--target", "loihi1", "--neurons-per-core", "16")
    assert code == 0
    assert "one core holds every neuron" not in out


def test_all_targets_of_a_near_name_are_named(run, neuromod):
    assert "did you mean loihi2 or loihi1" in neuromod("map", "--target", "loihi")[2]


def test_an_estimate_says_what_is_unknown(run, neuromod):
    assert neuromod("map", "--target", "generic-mesh", "--effort", "0.01")[0] == 0
    out = neuromod("estimate")[1]
    assert "energy is unknown: generic-mesh states no energy_synaptic_event, energy_neuron" in out
    assert "time is unknown: generic-mesh states no latency_neuron" in out
    assert neuromod("map", "--target", "loihi1", "--neurons-per-core", "16", "--effort", "0.01")[0] == 0
    out = neuromod("estimate")[1]
    assert "energy is unknown" not in out
    assert re.search(r"synapses between cores +[\d,]+ +[\d,]+\n", out)


def test_a_stale_placement_is_mended_with_the_options_that_it_had(run, neuromod, tmp_path):
    text = target_files.read_text("generic-mesh").replace('name = "generic-mesh"', 'name = "mine"')
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")

    def advice(*options):
        code, _, err = neuromod("map", *options, "--effort", "0.01")
        assert code == 0, err
        network = Network.load(run.file("network.safetensors"))
        dataclasses.replace(network, bias=network.bias + 1).save(run.file("network.safetensors"))
        run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
        code, _, err = neuromod("estimate")
        assert code == 5
        return re.search(r"run `neuromod (map.*?)(?: --run .*)?`", err).group(1)

    given = "map --cores 2x3 --target loihi1 --neurons-per-core 12 --placer tiles --effort 0.01 --seed 3"
    assert advice(*shlex.split(given)[1:]) == given
    assert advice() == "map --effort 0.01"
    mended = shlex.split(advice("--target", str(tmp_path / "mine.toml")))
    assert mended == ["map", "--target", str(run.file("target.toml")), "--effort", "0.01"]
    assert neuromod(*mended)[0] == 0


def test_chips_are_joined_to_one_grid(run, neuromod):
    code, out, err = neuromod("map", "--chips", "1x2", "--cores", "2x2", "--neurons-per-core", "9", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["grid"], result["chips"]) == ("2x4", "1x2")
    assert result["chip_hop"]["hops"] == 10
    assert 0 < result["packets_to_chips"] <= result["packets_between_chips"] < result["packets"]
    # Later commands know the chips from the run.
    code, out, err = neuromod("estimate", "--json")
    assert code == 0, err
    assert json.loads(out)["packets_off_chip_per_step"] == pytest.approx(result["packets_between_chips"])
    assert target_files.load_target(run.file("target.toml")).chip is not None
    code, out, _ = neuromod("map", "--chips", "2x1", "--target", "loihi1", "--cores", "9x9")
    assert code == 2
    code, out, err = neuromod("map", "--cores", "2x4", "--json")
    assert json.loads(out)["chips"] is None
    assert json.loads(out)["chip_hop"] is None
