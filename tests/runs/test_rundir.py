import json
from pathlib import Path

import pytest

from neuromod.errors import StageError, UsageError
from neuromod.runs import run as rundir


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> rundir.Run:
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    return rundir.create("test")


def make(run: rundir.Run, step: str, inputs: list[str], outputs: list[str], text: str = "1") -> None:
    for name in outputs:
        run.file(name).write_text(text + name)
    run.record(step, arguments={}, seconds=1, inputs=inputs, outputs=outputs, result={"of": step})


def test_newest_run_is_found_and_named_by_the_date(run: rundir.Run, tmp_path: Path) -> None:
    assert rundir.open_run() == run
    newer = rundir.create("other")
    assert rundir.open_run() == newer
    assert rundir.open_run(run.path) == run
    assert len(rundir.list_runs()) == 2
    assert (tmp_path / "runs" / "latest").read_text() == newer.path.name + "\n"
    elsewhere = rundir.create("x", tmp_path / "elsewhere")
    assert rundir.open_run().path.resolve() == elsewhere.path.resolve()


def test_no_run_and_no_such_run_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: rundir.Run) -> None:
    with pytest.raises(StageError, match="is not a run"):
        rundir.open_run(tmp_path)
    with pytest.raises(UsageError, match="not empty"):
        rundir.create("x", run.path)
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "none"))
    with pytest.raises(StageError, match="run `neuromod train` first"):
        rundir.open_run()


def test_a_damaged_name_of_the_newest_run_is_one_sentence(run: rundir.Run) -> None:
    (rundir.runs_folder() / "latest").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StageError, match="is not a run"):
        rundir.open_run()


def test_a_change_upstream_makes_everything_after_it_stale(run: rundir.Run) -> None:
    make(run, "train", [], ["network.safetensors"])
    make(run, "prune", ["network.safetensors"], ["pruned.safetensors"])
    make(run, "map", ["pruned.safetensors"], ["placement.json"])
    assert run.state("map") == ("fresh", "")
    assert run.result("map") == {"of": "map"}
    assert run.state("verify")[0] == "missing"

    make(run, "train", [], ["network.safetensors"], text="2")
    for step in ("prune", "map"):
        with pytest.raises(StageError, match=f"{step} of .* is stale: .*run `neuromod prune`"):
            run.require(step)
    make(run, "prune", ["network.safetensors"], ["pruned.safetensors"], text="2")
    with pytest.raises(StageError, match="run `neuromod map`"):
        run.require("map")


def test_a_step_without_a_command_of_its_own_is_mended_by_the_one_that_needs_it(run: rundir.Run) -> None:
    make(run, "train", [], ["network.safetensors"])
    make(run, "prune", ["network.safetensors"], ["pruned.safetensors"])
    make(run, "activity", ["pruned.safetensors"], ["activity.safetensors"])
    make(run, "map", ["pruned.safetensors", "activity.safetensors"], ["placement.json"])
    make(run, "prune", ["network.safetensors"], ["pruned.safetensors"], text="2")
    with pytest.raises(StageError, match="run `neuromod map`"):
        run.require("map")


def test_an_edited_or_deleted_artefact_is_noticed(run: rundir.Run) -> None:
    make(run, "train", [], ["network.safetensors"])
    run.file("network.safetensors").write_text("edited")
    assert run.state("train")[0] == "stale"
    run.file("network.safetensors").unlink()
    assert run.state("train")[0] == "missing"


def test_the_network_of_later_stages(run: rundir.Run) -> None:
    make(run, "import", [], ["network.safetensors"])
    assert run.network_file() == "network.safetensors"
    make(run, "prune", ["network.safetensors"], ["pruned.safetensors"])
    assert run.network_file() == "pruned.safetensors"
    make(run, "import", [], ["network.safetensors"], text="2")
    with pytest.raises(StageError, match="stale"):
        run.network_file()


def test_a_broken_manifest_is_one_sentence(run: rundir.Run) -> None:
    for text in ("", "{", "[]", '{"schema": "neuromod/run/1"}'):
        run.file("run.json").write_text(text)
        with pytest.raises(UsageError, match="cannot read"):
            rundir.open_run(run.path)


def test_nothing_in_a_run_is_absolute(run: rundir.Run, tmp_path: Path) -> None:
    make(run, "train", [], ["network.safetensors"])
    moved = tmp_path / "moved"
    run.path.rename(moved)
    assert rundir.open_run(moved).state("train") == ("fresh", "")
    assert str(tmp_path) not in (moved / "run.json").read_text()


def test_steps_that_claim_to_make_each_other_are_judged_by_their_files(run: rundir.Run) -> None:
    make(run, "export-snn", [], ["a"])
    make(run, "map", ["a"], ["b"])
    manifest = json.loads(run.file("run.json").read_text())
    manifest["steps"]["export-snn"]["inputs"] = dict(manifest["steps"]["map"]["outputs"])
    run.file("run.json").write_text(json.dumps(manifest))
    assert run.state("map") == ("fresh", "")
    assert run.state("export-snn") == ("fresh", "")
    run.file("b").write_text("edited")
    assert run.state("map")[0] == "stale"
    assert run.state("export-snn")[0] == "stale"
    with pytest.raises(StageError, match=r"map of .* is stale"):
        run.require("map")
