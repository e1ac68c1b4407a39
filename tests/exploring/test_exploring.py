"""Explorations: rows are what `map` and `estimate` find by hand, nothing is computed twice, nothing is lost."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import cli, evaluate
from neuromod.exploring import COLUMNS, Axes, Orders, Search, find_front, make_exploration, parts, run_part, table
from neuromod.hardware import target_files
from neuromod.metrics import trials_for
from neuromod.plotting import explored as plot
from neuromod.reporting import columns_of, front_of
from neuromod.runs import run as rundir

SEARCH = ["--placer", "tiles", "--seed", "3"]
LISTS = [
    "--cores", "2x2,3x3", "--target", "generic-mesh,loihi1,truenorth", "--neurons-per-core", "9,30,1000",
    "--weight-bits", "4,8",
]  # fmt: skip

# Column -> where `map` and `estimate` print the same.
BY_HAND = {
    "cores_used": ("map", "cores_used"),
    "packets": ("map", "packets"),
    "hops": ("map", "hops"),
    "multicast_hops": ("map", "multicast_hops"),
    "max_link_load": ("map", "max_link_load"),
    "packets_off_chip": ("estimate", "packets_off_chip_per_step"),
}


@pytest.fixture(scope="module")
def network(local_network):
    """A hundred neurons on a plane with tasks: pruned, as it were, so that some inputs and readouts have no synapse."""
    rng = np.random.default_rng(5)
    keep = (rng.random((100, 53)) < 0.1, rng.random((17, 100)) < 0.2)
    return local_network(
        w_in=rng.normal(size=(100, 53)) * keep[0], w_out=rng.normal(size=(17, 100)) * keep[1],
        info={"tasks": ["go", "rtgo"], "semantics": "go-cue", "dt_ms": 100},
    )  # fmt: skip


@pytest.fixture(scope="module")
def prepared(network, tmp_path_factory):
    """A run with that network, mapped, with its activity counted."""
    run = rundir.create("test", tmp_path_factory.mktemp("explore") / "run")
    network.save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
    assert call("map", "--placer", "shuffled", "--run", str(run.path))["hops"] > 0
    return run


@pytest.fixture
def run(prepared, tmp_path):
    shutil.copytree(prepared.path, tmp_path / "run")
    return rundir.Run(tmp_path / "run")


def call(*arguments):
    done = CliRunner().invoke(cli.group, [*arguments, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def refused(*arguments):
    """Exit code and words of a command that the installed program refuses."""
    done = subprocess.run(
        [sys.executable, "-c", "from neuromod.cli import main; main()", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_every_row_is_what_map_and_estimate_find_by_hand(run, prepared, network, tmp_path):
    before = {name: run.file(name).read_bytes() for name in ("placement.json", "placement.csv", "target.toml")}
    result = call("explore", *LISTS, *SEARCH, "--run", str(run.path), "--plot", str(tmp_path / "front.svg"))
    assert len(result["points"]) == 36
    assert {name: run.file(name).read_bytes() for name in before} == before
    assert run.state("map")[0] == run.state("explore")[0] == "fresh"
    by_hand = rundir.Run(tmp_path / "by-hand")
    shutil.copytree(prepared.path, by_hand.path)
    fitting = set()
    for row in result["points"][::2]:
        where = ["--cores", row["cores"], "--target", row["target"], "--neurons-per-core", str(row["neurons_per_core"])]
        done = CliRunner().invoke(cli.group, ["map", *where, *SEARCH, "--json", "--run", str(by_hand.path)])
        assert (done.exit_code == 0) == row["fits"], (row, done.output)
        if not row["fits"]:
            facts = " ".join(str(done.exception).split()).replace(" : ", ": ")
            assert row["why"]
            assert all(part in facts for part in row["why"].split("; and")[0].split("; ")), (row["why"], facts)
            assert row["hops"] is None
            continue
        fitting.add((row["target"], row["cores"]))
        found = {"map": json.loads(done.stdout), "estimate": call("estimate", "--run", str(by_hand.path))}
        for key, (step, name) in BY_HAND.items():
            assert row[key] == found[step][name], (row, key)
        traffic = found["estimate"]
        assert row["shuffled_hops"] == traffic["shuffled"]["hops_per_step"]
        assert row["energy_pj"] == traffic["energy_per_step"]["total_pj"]
        assert row["static_mw"] == traffic["energy_per_step"]["static_mw"]
        assert row["time_ns"] == traffic["time_per_step"]["total_ns"]
        assert row["capacity"] == found["map"]["neurons_per_core"]
        cores = traffic["per_core"]
        assert row["max_core_packets"] == max(
            c["packets_sent_per_step"] + c["packets_received_per_step"] for c in cores
        )
        assert row["max_core_neurons"] == max(core["neurons"] for core in cores)
        # Synapses are counted in the matrices, and the bits of each are those of the target's file.
        synapses = network.w_rec.nnz + np.count_nonzero(network.w_in)
        figures = target_files.load_target(row["target"])
        bits = (figures.value("weight_bits") or 4) + (figures.value("index_bits") or 0)
        assert row["memory_bits"] == synapses * bits
        assert row["max_core_memory_bits"] == max(core["synapses"] for core in cores) * bits
    assert {("generic-mesh", "3x3"), ("loihi1", "3x3"), ("generic-mesh", "2x2")} <= fitting
    assert (tmp_path / "front.svg").read_text().startswith("<?xml")
    # The files hold the same rows.
    held = json.loads(run.file("explore/table.json").read_text())
    assert held["points"] == result["points"]
    rows = list(csv.DictReader(run.file("explore/table.csv").open()))
    assert [row["hops"] for row in rows] == ["" if p["hops"] is None else str(p["hops"]) for p in result["points"]]


@pytest.mark.parametrize("bits", [3, 8, None])
def test_the_accuracy_is_that_of_rounded_weights(run, network, bits):
    given = [] if bits is None else ["--weight-bits", str(bits)]
    (row,) = call("explore", "--cores", "2x2", *given, *SEARCH, "--run", str(run.path))["points"]

    def nearest(rows):
        if bits is None:
            return rows
        step = np.abs(rows).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
        return np.where(step > 0, np.rint(rows / np.where(step > 0, step, 1)) * step, 0)

    into = nearest(np.hstack([network.w_rec.toarray(), network.w_in]).astype(np.float64))
    w_rec, w_in, w_out = into[:, :100], into[:, 100:], nearest(network.w_out.astype(np.float64))
    seed = np.random.SeedSequence(3, spawn_key=(1,))
    trials = trials_for(network, 400, seed=seed)

    def answers(x):
        h, out = np.zeros((x.shape[1], 100)), []
        for now in x:
            h = (1 - network.alpha) * h + network.alpha * np.maximum(0, h @ w_rec.T + now @ w_in.T + network.bias)
            out.append(h @ w_out.T + network.bias_out)
        return np.stack(out)

    # In single precision, a decision or two of the 400 may tie.
    assert row["accuracy"] == pytest.approx(evaluate(network, trials, runner=answers).accuracy, abs=0.005)
    lost = sum(
        np.count_nonzero(old) - np.count_nonzero(new)
        for old, new in ((network.w_rec.toarray(), w_rec), (network.w_in, w_in), (network.w_out, w_out))
    )
    assert row["synapses_lost"] == lost
    if bits == 3:
        assert lost > 0


def test_what_was_computed_is_kept_and_what_changed_is_not(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.toml"
    mine.write_text(target_files.read_text("loihi1").replace('name = "loihi1"', 'name = "mine"'))
    command = ["explore", "--cores", "2x2,3x3", "--target", "mine.toml,loihi1", *SEARCH, "--run", str(run.path)]
    first = call(*command)
    assert first["parts"] == {"computed": 5, "kept": 0}
    again = call(*command)
    assert again["parts"] == {"computed": 0, "kept": 5}
    assert again["points"] == first["points"]
    # More of the same: only what is new.
    assert call(*command, "--weight-bits", "4,6")["parts"] == {"computed": 2, "kept": 4}
    mine.write_text(mine.read_text().replace("value = 23.6", "value = 47.2"))
    changed = call(*command)
    assert changed["parts"] == {"computed": 2, "kept": 3}
    assert changed["points"][0]["energy_pj"] > first["points"][0]["energy_pj"]
    assert changed["points"][2:] == first["points"][2:]
    assert call(*command, "--effort", "0.5")["parts"]["kept"] == 1
    # A part that was damaged is computed again.
    for path in run.file("explore/parts").glob("place-*"):
        path.write_text(path.read_text()[:40])
    assert call(*command)["points"] == changed["points"]
    assert "mine.toml" in run.given("explore")["target"]
    assert str(tmp_path) not in json.dumps(run.step("explore"))


def test_a_killed_exploration_goes_on_without_loss(run, prepared, tmp_path):
    lists = ["--cores", "2x2,2x3,3x3,3x4", "--neurons-per-core", "30,50", "--effort", "0.3", "--workers", "1"]
    command = [sys.executable, "-c", "from neuromod.cli import main; main()", "explore", *lists, "--run"]
    kept = run.file("explore/parts")
    process = subprocess.Popen([*command, str(run.path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(list(kept.glob("[!.]*.json"))) < 3:
            assert time.monotonic() < deadline
            assert process.poll() is None, "it was done before it could be killed"
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    held = {path: path.read_bytes() for path in kept.glob("[!.]*.json")}
    assert 3 <= len(held) < 9
    assert not run.file("explore/table.json").exists()
    result = call("explore", *lists, "--run", str(run.path))
    assert result["parts"] == {"computed": 9 - len(held), "kept": len(held)}
    assert {path: path.read_bytes() for path in held} == held
    assert not list(run.path.glob("**/.*-*"))
    # As one that was never killed.
    shutil.copytree(prepared.path, tmp_path / "whole")
    assert call("explore", *lists, "--run", str(tmp_path / "whole"))["points"] == result["points"]


@pytest.mark.parametrize("engine", ["dask", "slurm"])
def test_other_engines_find_the_same(run, prepared, tmp_path, engine, monkeypatch):
    pytest.importorskip({"dask": "distributed", "slurm": "submitit"}[engine])
    if engine == "slurm":
        from neuromod.sweeping import ENGINES, engines

        def local(*args, **kwargs):
            return engines.run_on_slurm(*args, cluster="local", poll_s=0.1, **kwargs)

        monkeypatch.setitem(ENGINES, "slurm", local)
    lists = ["--cores", "2x2,3x3", "--neurons-per-core", "30", *SEARCH]
    shutil.copytree(prepared.path, tmp_path / "here")
    here = call("explore", *lists, "--run", str(tmp_path / "here"))
    there = call("explore", *lists, "--engine", engine, "--run", str(run.path))
    assert there["points"] == here["points"]


def test_a_network_in_a_file(tmp_path, local_network, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    w = local_network(6).w_rec.toarray()
    np.savez(tmp_path / "net.npz", w_rec=w)
    command = ["explore", str(tmp_path / "net.npz"), "--cores", "2x2,2x3", *SEARCH]
    result = call(*command)
    assert [row["accuracy"] for row in result["points"]] == [None, None]
    folder = tmp_path / "runs" / "explore-net"
    assert Path(result["folder"]) == folder
    assert {path.name for path in folder.iterdir()} >= {"table.csv", "table.json", "parts"}
    # The same as of a run of it.
    made = call("import", str(tmp_path / "net.npz"), "--run", str(tmp_path / "run"))
    assert call("explore", "--cores", "2x2,2x3", *SEARCH, "--run", made["run"])["points"] == result["points"]
    assert call(*command)["parts"]["kept"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cores", "2x2,3"], "--cores: '3' is not a grid of cores; write rows x columns, as 4x4"),
        (["--cores", "2x2,,3x3"], "--cores: '2x2,,3x3' holds an empty value"),
        (["--neurons-per-core", "0"], "--neurons-per-core: '0' cannot be used: needed whole numbers from 1"),
        (["--weight-bits", "8,17"], "--weight-bits: '17' cannot be used: needed whole numbers from 2 to 16"),
        (["--target", "loihi1,nowhere.toml"], "cannot read the target nowhere.toml"),
        (["--pareto", "hops,hips"], "--pareto: there is no column 'hips'; choose of cores_used,"),
        (["--pareto", "hops"], "--pareto: a front needs two columns at least"),
        (["--placer", "magic"], "there is no placer magic"),
        (["--objective", "magic"], "magic"),
        (["--effort", "0"], "the effort must be above 0"),
        (["--neurons-per-core", ",".join(map(str, range(1, 200))), "--cores", ",".join(f"{k}x1" for k in range(1, 99))],
         "19,502 points, at most 10,000"),
        (["--out", "here"], "--out goes with FILE"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(run, arguments, message):
    done = CliRunner().invoke(cli.group, ["explore", *arguments, "--run", str(run.path)])
    from neuromod.errors import UsageError
    from neuromod.runs.words import in_commands

    assert isinstance(done.exception, UsageError), done.output
    assert message in in_commands(str(done.exception))
    assert not run.file("explore").exists()


def test_bad_input_ends_with_2(run, tmp_path):
    code, said = refused("explore", "--cores", "2x2,x", "--run", str(run.path))
    assert (code, said.count("\n")) == (2, 1)
    assert "Traceback" not in said
    code, said = refused("explore", str(tmp_path / "none.npz"))
    assert code == 2
    assert "there is no such file" in said


def test_what_went_wrong_is_told_and_the_rest_is_kept(run, monkeypatch):
    real = parts.place

    def broken(network, **kwargs):
        if kwargs["cores"] == (2, 3):
            raise OSError("the disk went away")
        return real(network, **kwargs)

    monkeypatch.setattr(parts, "place", broken)
    command = ["explore", "--cores", "2x2,2x3", *SEARCH, "--run", str(run.path)]
    done = CliRunner().invoke(cli.group, [*command, "--json"])
    assert done.exit_code != 0
    assert "1 of 2 points are not computed: the disk went away" in str(done.exception)
    result = json.loads(done.stdout.splitlines()[0])
    assert [row["status"] for row in result["points"]] == ["done", "crashed"]
    assert run.step("explore") is None
    monkeypatch.setattr(parts, "place", real)
    assert call(*command)["parts"] == {"computed": 1, "kept": 2}


def test_a_part_that_is_asked_to_stop_leaves_nothing(prepared, tmp_path):
    orders = Orders(tmp_path, prepared.path, "network.safetensors")
    orders.stop.touch()
    exploration = make_exploration(("a", "b"), Search(), Axes(cores="2x2", target="generic-mesh"))
    outcomes = {part.name: run_part(part, orders) for part in exploration.parts}
    assert {outcome.status for outcome in outcomes.values()} == {"stopped"}
    (row,) = table.collect(exploration, orders, outcomes, ("hops", "cores_used"))
    assert (row["status"], row["fits"], row["front"]) == ("stopped", False, False)
    assert not (tmp_path / "parts").exists()


def test_points_that_differ_in_bits_share_their_placement():
    axes = Axes("2x2,4x4,8x8", "generic-mesh,loihi1", "16,32", "4,8")
    exploration = make_exploration(("a", "b"), Search(), axes)
    assert len(exploration.points) == 24
    assert len(exploration.parts) == 12 + 2
    # A value that is given twice is one point.
    assert len(make_exploration(("a", "b"), Search(), Axes("2x2, 2X2,4x4")).points) == 2


FIGURES = st.one_of(st.integers(0, 4), st.none())


@settings(max_examples=200)
@given(st.lists(st.tuples(st.booleans(), FIGURES, FIGURES, FIGURES), max_size=8))
def test_the_front_is_what_nothing_beats(content):
    goals = ("hops", "cores_used", "accuracy")
    rows = [{"fits": fits, **dict(zip(goals, values, strict=True))} for fits, *values in content]
    fitting = [row for row in rows if row["fits"]]
    used = [goal for goal in goals if all(row[goal] is not None for row in fitting)]

    def better(a, b, goal):
        return a[goal] > b[goal] if COLUMNS[goal].better == "high" else a[goal] < b[goal]

    def beats(a, b):
        return any(better(a, b, goal) for goal in used) and not any(better(b, a, goal) for goal in used)

    wanted = [bool(used) and row["fits"] and not any(beats(other, row) for other in fitting) for row in rows]
    assert find_front(rows, goals) == wanted


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8), st.booleans())
def test_the_drawn_front_is_that_of_two_columns(points, high):
    columns = columns_of(
        {"columns": [{"key": "a", "better": "low"}, {"key": "b", "better": "high" if high else "low"}]}
    )
    rows = [{"a": a, "b": b} for a, b in points]
    sign = -1 if high else 1
    wanted = {
        (a, b) for a, b in points
        if not any(c <= a and sign * d <= sign * b and (c, d) != (a, b) for c, d in points)
    }  # fmt: skip
    front = front_of(rows, columns["a"], columns["b"])
    assert [(row["a"], row["b"]) for row in front] == sorted(wanted)


def test_the_report_shows_it_and_says_when_it_is_stale(run, network):
    def page():
        call("report", "--run", str(run.path))
        return run.file("report.html").read_text()

    assert "explored" not in page()
    call("explore", "--cores", "2x2,3x3", "--neurons-per-core", "20,50", "--weight-bits", "6", *SEARCH,
         "--run", str(run.path))  # fmt: skip
    said = page()
    assert '<section id="explored">' in said
    assert "generic-mesh 2x2, 50 a core, 6 bits" in said
    assert "needs at least 5 cores by neurons" in said
    assert said.count('class="front"') == 2
    network.subset(np.arange(90)).save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
    said = page()
    assert "The exploration is out of date" in said
    assert "neuromod explore --cores 2x2,3x3 --neurons-per-core 20,50 --weight-bits 6 --placer tiles --seed 3" in said


def test_equal_explorations_give_equal_figures(run, tmp_path):
    result = call("explore", "--cores", "2x2,3x3", *SEARCH, "--run", str(run.path))
    for name in ("a.svg", "b.svg"):
        plot.save(result, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    from neuromod.errors import UsageError

    with pytest.raises(UsageError, match="nothing to draw"):
        plot.save({**result, "points": [{**row, "fits": False} for row in result["points"]]}, tmp_path / "c.svg")
