from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TINY = ["--set=tasks.names=[\"go\"]", "--set=network.neurons=9", "--set=training.steps=6", "--set=training.batch=4",
        "--set=training.test_trials=5"]  # fmt: skip


def neuromod(*arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "neuromod"), *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "NEUROMOD_RUNS"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_sweep_of_real_trainings(tmp_path: Path) -> None:
    grid = ["--regularizers", "bimt,none", "--seeds", "0", *TINY]
    done = neuromod("sweep", *grid, "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert (result["trials"], result["done"], result["failed"]) == (2, 2, {})
    folder = tmp_path / "runs" / "sweep-sweep"
    assert Path(result["folder"]) == folder
    for row in json.loads((folder / "table.json").read_text())["trials"]:
        run = json.loads((folder / "trials" / row["trial"] / "run.json").read_text())
        assert row["train.accuracy"] == run["steps"]["train"]["result"]["accuracy"]
        assert row["prune.synapses_after"] == run["steps"]["prune"]["result"]["synapses_after"]
        assert row["analyze.neurons"] == row["prune.neurons_after"]
        assert str(tmp_path) not in json.dumps(row)
    assert "<svg" in (folder / "pareto.svg").read_text()
    assert not (tmp_path / "runs" / "latest").exists()
    again = json.loads(neuromod("sweep", *grid, "--json", cwd=tmp_path).stdout)
    assert (again["kept"], again["done"]) == (2, 0)


def test_a_crashed_trial_is_named_and_the_table_is_there(tmp_path: Path) -> None:
    tasks = '--set=tasks.names=[["go"], ["nosuchtask"]]'
    options = ["--regularizers", "none", "--seeds", "0,1", "--out", "out", "--json"]
    done = neuromod("sweep", *TINY, tasks, *options, cwd=tmp_path, code=5)
    result = json.loads(done.stdout)
    assert (result["trials"], result["done"], result["crashed"]) == (4, 2, 2)
    assert all("nosuchtask" in reason for reason in result["failed"].values())
    assert "2 of 4 trials did not finish" in done.stderr
    assert len((tmp_path / "out" / "table.csv").read_text().splitlines()) == 5


def test_dry_run_lists_and_does_nothing(tmp_path: Path) -> None:
    done = neuromod("sweep", "--strengths", "0.1,0.3", "--seeds", "0-2,5", "--dry-run", "--json", cwd=tmp_path)
    assert len(json.loads(done.stdout)["trials"]) == 8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--strengths", "much"], 2, "needed values separated by commas"),
        (["--regularizers", "l2"], 2, "unknown"),
        (["nothing.toml"], 2, "cannot read nothing.toml"),
        (["--set", "x"], 2, "needed section.key=value"),
        (["--engine", "ray"], 2, "is not one of"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    assert message in neuromod("sweep", *arguments, cwd=tmp_path, code=code).stderr
    assert list(tmp_path.iterdir()) == []
