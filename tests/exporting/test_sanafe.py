"""SANA-FE files: numbers of tiles and cores by hand, and everything that the network and the placement hold."""

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from neuromod import Network, hw_targets
from neuromod.errors import UsageError
from neuromod.exporting.sanafe import expected, tile_and_core, write
from neuromod.hardware.grid import Grid
from neuromod.hardware.routing import measure
from neuromod.hardware.target_files import load_target
from neuromod.mapping.placement import Placement
from neuromod.runs import run as rundir

NET = Network(
    w_rec=np.array([[0, 0, 2], [1, 1, 0], [0, -3, 0]]), w_in=np.zeros((3, 0)), w_out=np.zeros((0, 3)),
    bias=np.zeros(3), bias_out=np.zeros(0), dt_s=0.1, tau_s=0.1,
)  # fmt: skip


def test_tiles_are_numbered_column_by_column():
    # 2 rows, 3 columns: core 1 (row 0, column 1) is tile 2, core 3 (row 1, column 0) is tile 1.
    assert tile_and_core(np.arange(6), Grid(2, 3)).tolist() == [[0, 0], [2, 0], [4, 0], [1, 0], [3, 0], [5, 0]]
    # With 2x2 cores a tile: core (3, 2) lies in the tile of row 1, column 1, there in row 1, column 0.
    assert tile_and_core(np.array([3 * 4 + 2]), Grid(4, 4, 2, 2)).tolist() == [[3, 2]]


def test_the_files_hold_the_network_and_its_placement(tmp_path):
    placement = Placement(Grid(1, 2), np.array([0, 1, 1]), 2, "loihi1", "tiles", 0, NET.sha256())
    files = write(NET, placement, np.array([0.25, 3.0, 0]), load_target("loihi1"), tmp_path / "sanafe")
    assert [file.name for file in files] == ["arch.yaml", "net.yaml", "expected.json", "referee.py"]
    # Neuron 0 sends from core 0 to core 1, neuron 2 from core 1 to core 0: one packet each, of one hop.
    assert json.loads(files[2].read_text()) == {"packets": [1, 0, 1], "hops": [1, 0, 1]}
    net = files[1].read_text()
    assert set(re.findall(r"- rnn\.(\d) -> rnn\.(\d)", net)) == {("2", "0"), ("0", "1"), ("1", "1"), ("1", "2")}
    assert re.findall(r"rnn\.(\d): {core: ([\d.]+)", net) == [("0", "0.0"), ("1", "1.0"), ("2", "1.0")]
    # Rates above one are scaled, and the file says so.
    assert "rates are divided by 3" in net
    assert re.findall(r"bias: ([\d.]+)", net) == ["0.0833333333", "1", "0"]
    arch = files[0].read_text()
    assert "width: 2, height: 1" in arch
    assert "energy_north_hop: 4e-12" in arch
    assert "energy_east_hop: 3e-12" in arch
    assert "latency_sync: 4.65e-07" in arch
    assert "max_neurons_supported: 2" in arch
    assert "unknown and therefore zero here: latency_neuron, latency_packet, latency_synaptic_event" in arch


def test_the_referee_agrees_in_sana_fe_and_tells_what_is_wrong(tmp_path):
    pytest.importorskip("sanafe")
    placement = Placement(Grid(1, 2), np.array([0, 1, 1]), 2, "loihi1", "tiles", 0, NET.sha256())
    folder = tmp_path / "sanafe"
    write(NET, placement, np.array([0.25, 0.5, 0.125]), load_target("loihi1"), folder)

    def run():
        done = subprocess.run(
            [sys.executable, "referee.py", "--steps", "80"], cwd=folder, capture_output=True, text=True
        )
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    code, said = run()
    assert (code, said["passed"], said["steps"]) == (0, True, 80)
    # One packet of one hop for each spike of neurons 0 and 2; more than a rounding apart from the rates is wrong.
    assert said["packets"] == said["packets_sanafe"] == said["hops_sanafe"] == pytest.approx(80 * 0.375, abs=2)
    (folder / "expected.json").write_text(json.dumps({"packets": [1, 0, 1], "hops": [1, 0, 2]}))
    code, said = run()
    assert (code, said["passed"]) == (4, False)


def test_energies_are_in_joules_and_latencies_in_seconds(tmp_path):
    yaml = pytest.importorskip("yaml")
    cost = {
        "energy_neuron": 1.0, "energy_spike": 2.0, "energy_synaptic_event": 3.0, "energy_packet": 4.0,
        "energy_hop_x": 5.0, "energy_hop_y": 6.0, "latency_neuron": 7.0, "latency_synaptic_event": 8.0,
        "latency_packet": 9.0, "latency_hop_x": 10.0, "latency_hop_y": 11.0,
    }  # fmt: skip
    text = (Path(hw_targets.__file__).parent / "loihi1.toml").read_text()
    for name, value in cost.items():
        text = re.sub(
            rf"^{name} = .*$", f'{name} = {{ value = {value}, kind = "derived", source = "t" }}', text, flags=re.M
        )
    (tmp_path / "all.toml").write_text(text)
    placement = Placement(Grid(1, 2), np.array([0, 1, 1]), 4, "all", "tiles", 0, NET.sha256())
    files = write(NET, placement, np.ones(3), load_target(str(tmp_path / "all.toml")), tmp_path / "files")
    arch = yaml.safe_load(files[0].read_text())
    found = {}

    def collect(part):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if isinstance(value, dict | list):
                collect(value)
            elif str(key).startswith(("energy_", "latency_")):
                found[key] = float(value)

    collect(arch)
    told = {
        "energy_update_neuron": 1e-12, "energy_spike_out": 2e-12, "energy_process_spike": 3e-12,
        "energy_message_out": 4e-12, "energy_east_hop": 5e-12, "energy_west_hop": 5e-12, "energy_north_hop": 6e-12,
        "energy_south_hop": 6e-12, "latency_update_neuron": 7e-9, "latency_process_spike": 8e-9,
        "latency_message_out": 9e-9, "latency_east_hop": 10e-9, "latency_west_hop": 10e-9, "latency_north_hop": 11e-9,
        "latency_south_hop": 11e-9,
    }  # fmt: skip
    assert {name: found[name] for name in told} == pytest.approx(told, rel=1e-9)


def test_yaml_readers_understand_them(tmp_path):
    yaml = pytest.importorskip("yaml")
    placement = Placement(Grid(2, 2, 2, 2), np.array([0, 1, 3]), 2, "toy", "tiles", 0, NET.sha256())
    arch, net = (
        yaml.safe_load(file.read_text())
        for file in write(NET, placement, np.ones(3), load_target("generic-mesh"), tmp_path)[:2]
    )
    (tile,) = arch["architecture"]["tile"]
    assert tile["name"] == "tile[0..0]"
    assert tile["core"][0]["name"] == "core[0..3]"
    assert len(net["network"]["groups"][0]["neurons"]) == 3
    assert len(net["network"]["edges"]) == NET.n_synapses


def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch):
    placement = Placement(Grid(1, 2), np.array([0, 1]), 2, "toy", "tiles", 0, NET.sha256())
    with pytest.raises(UsageError, match="3 neurons, the placement 2"):
        write(NET, placement, np.ones(3), load_target("generic-mesh"), tmp_path)
    from neuromod.exporting import sanafe

    monkeypatch.setattr(sanafe, "_MOST_SYNAPSES", 3)
    whole = Placement(Grid(1, 2), np.array([0, 1, 1]), 2, "toy", "tiles", 0, NET.sha256())
    with pytest.raises(UsageError, match="4 synapses are too many"):
        write(NET, whole, np.ones(3), load_target("generic-mesh"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    run = rundir.create("toy")
    NET.save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
    (point,) = entry_points(group="console_scripts", name="neuromod")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["neuromod", *arguments])
        with pytest.raises(SystemExit) as stop:
            point.load()()
        return stop.value.code, *capsys.readouterr()

    code, _, err = call("export", "--format", "sanafe")
    assert code == 5
    assert "run `neuromod map`" in err
    assert call("map", "--cores", "1x2", "-q")[0] == 0
    code, out, err = call("export", "--format", "sanafe", "--json")
    assert code == 0, err
    names = [file["path"].split("exports/")[1] for file in json.loads(out)["files"]]
    assert names == [f"sanafe/{name}" for name in ("arch.yaml", "net.yaml", "expected.json", "referee.py")]
    assert run.state("export-sanafe")[0] == "fresh"


def test_what_the_referee_expects_is_what_the_traffic_counts():
    rng = np.random.default_rng(5)
    w = rng.random((20, 20)) < 0.3
    net = Network(
        w_rec=w.astype(float), w_in=np.zeros((20, 0)), w_out=np.zeros((0, 20)), bias=np.zeros(20),
        bias_out=np.zeros(0), dt_s=0.1, tau_s=0.1,
    )  # fmt: skip
    for grid in (Grid(2, 3), Grid(4, 4, 2, 2)):
        placement = Placement(grid, rng.integers(0, grid.cores, 20), 20, "toy", "tiles", 0, net.sha256())
        claimed = expected(net, placement)
        spikes = rng.integers(0, 9, 20)
        load = measure(net, placement.core_of, grid, spikes)
        assert claimed["packets"] @ spikes == load.packets.sum()
        assert claimed["hops"] @ spikes == load.hops
