"""The commands `neuromod tasks` and `neuromod runs`."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import pytest
from click.testing import CliRunner
from neuromod.cli import group

from neuromod.runs import run as rundir
from neuromod.tasks.ceilings import ceiling
from neuromod.tasks.yang19 import GO_CUE


def invoke(*arguments):
    result = CliRunner().invoke(group, list(arguments), catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_tasks_as_json():
    code, stdout, stderr = invoke("tasks", "--json")
    content = json.loads(stdout)
    assert (code, stderr) == (0, "")
    assert content["semantics"] == "go-cue"
    assert [task["name"] for task in content["tasks"]] == [task.name for task in GO_CUE]
    listed = {task["name"]: task for task in content["tasks"]}
    assert listed["dm1"]["steps"] == [9, 11]
    assert listed["dms"]["family"] == "match"
    assert listed["ctxdm2"]["ceiling"] == ceiling("ctxdm2")
    assert all(task["asks"] for task in content["tasks"])
    assert content["mean_ceiling"] == pytest.approx(sum(ceiling(name) for name in listed) / 20, abs=1e-4)
    assert content["mean_ceiling"] == pytest.approx(0.985, abs=0.002)


def test_tasks_in_the_other_meaning():
    code, stdout, _ = invoke("tasks", "--semantics", "neurogym-2.3", "--json")
    listed = {task["name"]: task for task in json.loads(stdout)["tasks"]}
    assert code == 0
    assert listed["dm1"]["steps"] == [6, 12]
    assert listed["dm1"]["ceiling"] == ceiling("dm1", "neurogym-2.3") < ceiling("dm1", "go-cue")


def test_tasks_as_text_says_the_same():
    _, stdout, _ = invoke("tasks")
    content = json.loads(invoke("tasks", "--json")[1])
    lines = stdout.splitlines()
    for task in content["tasks"]:
        (line,) = [line for line in lines if line.split(" ")[0] == task["name"]]
        assert task["asks"] in line
        assert f"{task['ceiling']:.3f}" in line
    assert max(map(len, lines)) <= 130


def test_tasks_of_mod_cog():
    content = json.loads(invoke("tasks", "--collection", "modcog", "--json")[1])
    assert len(content["tasks"]) == content["collections"]["modcog"] == 82
    assert content["collections"] == {"yang19": 20, "modcog": 82, "modcog93": 93}
    listed = {task["name"]: task for task in content["tasks"]}
    assert listed["modcog.dlygointr"]["steps"] == [15, 26]
    assert listed["modcog.multidmseql"]["ceiling"] == ceiling("multidm")
    code, _, stderr = invoke("tasks", "--collection", "nope")
    assert code == 2
    assert "modcog93" in stderr


def test_unknown_semantics():
    code, stdout, stderr = invoke("tasks", "--semantics", "paper")
    assert code == 2
    assert stdout == ""
    assert "go-cue" in stderr


def test_the_installed_command(capsys, monkeypatch):
    (script,) = entry_points(group="console_scripts", name="neuromod")
    monkeypatch.setattr("sys.argv", ["neuromod", "tasks", "--json"])
    with pytest.raises(SystemExit) as stop:
        script.load()()
    assert stop.value.code == 0
    assert len(json.loads(capsys.readouterr().out)["tasks"]) == 20


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def make_run(label, steps):
    run = rundir.create(label)
    for name, inputs, output in steps:
        run.file(output).write_text(name)
        run.record(name, arguments={}, seconds=1.0, inputs=inputs, outputs=[output], result={})
    return run


def states(*arguments):
    content = json.loads(invoke("runs", "--json", *arguments)[1])
    return {item["run"]: {n: s["state"] for n, s in item["stages"].items()} for item in content["runs"]}


def test_no_runs(runs):
    assert json.loads(invoke("runs", "--json")[1]) == {"folder": str(runs), "latest": None, "runs": []}
    assert "`neuromod train` makes one" in invoke("runs")[1]


def test_runs_tell_fresh_stale_and_missing(runs):
    chain = [("train", [], "network.safetensors"), ("prune", ["network.safetensors"], "pruned.safetensors")]
    good = make_run("a", chain)
    old = make_run("b", chain)
    gone = make_run("c", chain)
    old.file("network.safetensors").write_text("trained again")
    gone.file("pruned.safetensors").unlink()
    found = states()
    assert len(found) == 3
    assert found[str(good.path)]["train"] == found[str(good.path)]["prune"] == "fresh"
    assert found[str(old.path)]["prune"] == "stale"
    assert found[str(gone.path)] | {"train": "fresh", "prune": "missing", "map": "missing"} == found[str(gone.path)]
    content = json.loads(invoke("runs", "--json")[1])
    assert content["latest"] == str(gone.path)
    assert {item["label"] for item in content["runs"]} == {"a", "b", "c"}
    text = invoke("runs")[1]
    assert f"{gone.path}  (newest)" in text
    assert "prune: pruned.safetensors is gone" in text
    assert "network.safetensors has changed since" in text


@pytest.mark.parametrize("damage", ["{", '{"schema": "other"}', '{"schema": "neuromod/run/1", "steps": [1]}'])
def test_a_damaged_run_does_not_hide_the_others(runs, damage):
    good = make_run("a", [("train", [], "network.safetensors")])
    bad = make_run("b", [])
    bad.file("run.json").write_text(damage)
    code, stdout, _ = invoke("runs", "--json")
    content = {item["run"]: item for item in json.loads(stdout)["runs"]}
    assert code == 0
    assert content[str(good.path)]["error"] is None
    assert content[str(good.path)]["stages"]["train"]["state"] == "fresh"
    assert content[str(bad.path)]["error"]
    assert content[str(bad.path)]["stages"] == {}
    assert str(bad.path) in invoke("runs")[1]


def test_a_run_without_stages(runs):
    make_run("a", [])
    assert "no stage has finished" in invoke("runs")[1]
