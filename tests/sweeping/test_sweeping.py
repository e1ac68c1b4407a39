from __future__ import annotations

import csv
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from neuromod.cli.output import Talk
from neuromod.cli.sweep import sweep_stage

from neuromod.errors import UsageError
from neuromod.plotting import pareto
from neuromod.runs import point
from neuromod.runs import run as rundir
from neuromod.sweeping import engines, make_plan, plan_names, read_plan, results, trial

# Stands in for the command: what it does depends on the seed, so that trials crash, hang and are killed at will.
FAKE = """
import json, os, signal, sys, time
from pathlib import Path

sys.path.insert(0, {root!r})
arguments = sys.argv[1:]
run = Path(arguments[arguments.index("--run") + 1])
(run.parent.parent / "calls.txt").open("a").write(arguments[0] + " " + run.name + chr(10))
if arguments[0] == "train":
    resumed = "--resume" in arguments
    seed = int(run.name.split("seed")[1].split("-")[0])
    run.mkdir(parents=True, exist_ok=True)
    if seed == 1:
        sys.exit("Error: the loss is not finite at step 7")
    if seed == 2:
        time.sleep(600)
    if seed == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == 4 and not resumed:
        (run / "checkpoint.pt").write_bytes(b"c")
        (run / "config.toml").write_text("")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
        time.sleep(600)
    if seed == 5:
        for step in range(12):
            with (run / "metrics.jsonl").open("a") as file:
                file.write("x")
            time.sleep(0.2)
    from neuromod.runs import run as rundir
    (run / "network.safetensors").write_bytes(run.name.encode())
    content = {{"schema": rundir.SCHEMA, "label": "", "created": "", "versions": {{}}, "steps": {{}}}}
    (run / "run.json").write_text(json.dumps(content))
    result = {{"accuracy": 0.9, "wiring_length": 100.0, "neurons": 9, "run": str(run)}}
    files = ["network.safetensors"]
    rundir.Run(run).record("train", arguments={{}}, seconds=1, inputs=[], outputs=files, result=result)
    print(json.dumps(result))
else:
    if "broken" in arguments:
        sys.exit("Error: " + arguments[0] + " is broken")
    print(json.dumps({{"accuracy_after": 0.88, "neurons_after": 7, "accuracy_per_task": {{"go": 1, "dm1": 0.5}}}}))
"""


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "fake.py"
    script.write_text(FAKE.format(root=str(Path(__file__).parents[2])))
    return sys.executable, str(script)


def calls(folder: Path) -> list[str]:
    return sorted((folder / "calls.txt").read_text().split("\n")[:-1])


def plan_of(seeds: list[int], then: tuple[str, ...] = ("prune",)):
    return make_plan("t", settings={"training.steps": 10}, grids=[{"seed": seeds}], then=then)


def seed_of(name: str) -> int:
    return int(name.split("seed")[1].split("-")[0])


@pytest.mark.parametrize("engine", ["local", "dask"])
def test_crashed_hanging_and_killed_trials_do_not_stop_the_rest(engine: str, tmp_path: Path, command) -> None:
    if engine == "dask":
        pytest.importorskip("distributed")
    plan, folder = plan_of([0, 1, 2, 3, 5, 6]), tmp_path / "sweep"
    result = sweep_stage(plan, folder, talk=Talk(quiet=True), engine=engine, workers=6, stall_s=2.0, command=command)
    by_seed = {seed_of(name): reason for name, reason in result["failed"].items()}
    assert by_seed.keys() == {1, 2, 3}
    assert by_seed[1] == "exit code 1: Error: the loss is not finite at step 7"
    assert by_seed[2].startswith("wrote nothing for 2 s and was killed")
    assert by_seed[3].startswith("killed by SIGKILL")
    # The one that writes now and then takes longer than the limit for silence and still finishes.
    assert (result["done"], result["crashed"], result["hung"], result["kept"]) == (3, 2, 1, 0)
    table = json.loads((folder / "table.json").read_text())
    rows = {row["seed"]: row for row in table["trials"]}
    assert rows[0]["prune.accuracy_after"] == 0.88
    assert "prune.accuracy_per_task.go" not in rows[0]
    assert (rows[0]["prune.worst_task"], float(rows[0]["prune.worst_task_accuracy"])) == ("dm1", 0.5)
    assert "train.accuracy" not in rows[1]
    with (folder / "table.csv").open() as file:
        read = {int(row["seed"]): row for row in csv.DictReader(file)}
    assert read[0]["train.accuracy"] == "0.9"
    assert read[2]["status"] == "hung"
    assert not (folder / "stop").exists()

    # Again: what is finished is left alone, the others are tried again and nothing else.
    (folder / "trials" / "calls.txt").unlink(missing_ok=True)
    before = {p: p.read_bytes() for p in folder.glob("trials/*/run.json")}
    (folder / "calls.txt").unlink()
    again = sweep_stage(plan_of([0, 1, 5, 6]), folder, talk=Talk(quiet=True), engine=engine, command=command)
    assert (again["kept"], again["crashed"]) == (3, 1)
    assert [line.split()[0] for line in calls(folder)] == ["train"]
    assert {p: p.read_bytes() for p in before} == before


def test_slurm_jobs_by_the_local_executor_of_submitit(tmp_path: Path, command) -> None:
    pytest.importorskip("submitit")
    orders = trial.Orders(tmp_path, ("prune",), 30.0, command)
    plan = plan_of([0, 1])
    found = {
        seed_of(o.name): o.status
        for o in engines.run_on_slurm(plan.trials, orders, workers=2, cluster="local", poll_s=0.1)
    }
    assert found == {0: "done", 1: "crashed"}
    assert results.collect(plan, orders, {})[0]["prune.neurons_after"] == 7


def test_an_interrupted_sweep_ends_its_processes_and_goes_on_from_the_checkpoint(tmp_path: Path, command) -> None:
    orders, plan = trial.Orders(tmp_path, (), 60.0, command), plan_of([4], then=())
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(trial.run_trial(plan.trials[0], orders)))
    thread.start()
    deadline = time.monotonic() + 60
    while not (orders.run(plan.trials[0].name) / "config.toml").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    orders.stop.touch()
    thread.join(60)
    assert [o.status for o in outcomes] == ["stopped"]
    orders.stop.unlink()
    assert trial.run_trial(plan.trials[0], orders).status == "done"
    assert trial.run_trial(plan.trials[0], orders).status == "kept"


def test_ctrl_c_stops_the_sweep_with_its_processes(tmp_path: Path, command) -> None:
    """KeyboardInterrupt in the main thread, as Ctrl-C makes it, leaves no process behind."""
    plan, folder = plan_of([2, 4], then=()), tmp_path / "sweep"
    timer = threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        sweep_stage(plan, folder, talk=Talk(quiet=True), command=command)
    timer.join()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(folder).encode() not in entry.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_a_broken_measure_keeps_the_training(tmp_path: Path, command) -> None:
    orders, plan = trial.Orders(tmp_path, ("prune", "analyze broken"), 60.0, command), plan_of([0])
    first = trial.run_trial(plan.trials[0], orders)
    assert (first.status, first.reason) == ("crashed", "exit code 1: Error: analyze is broken")
    mended = trial.Orders(tmp_path, ("prune", "analyze"), 60.0, command)
    assert trial.run_trial(plan.trials[0], mended).status == "done"
    assert sorted(line.split()[0] for line in calls(tmp_path)) == ["analyze", "analyze", "prune", "train"]


def test_measures_of_another_network_do_not_count(tmp_path: Path, command) -> None:
    orders, plan = trial.Orders(tmp_path, ("prune",), 60.0, command), plan_of([0])
    trial.run_trial(plan.trials[0], orders)
    run = orders.run(plan.trials[0].name)
    assert trial.finished(run, ("prune",))
    (run / "network.safetensors").write_bytes(b"another")
    assert not trial.finished(run, ("prune",))
    assert trial.measures(run) == {}
    assert rundir.Run(run).state("train")[0] == "stale"
    assert trial.run_trial(plan.trials[0], orders).status == "done"


# ---- plans


def test_a_plan_is_the_union_of_products() -> None:
    grids = [
        {"wiring.regularizer": ["bimt", "l1"], "wiring.strength": [0.1, 0.2], "seed": [0, 1]},
        {"wiring.regularizer": ["none"], "seed": [0, 1]},
        {"wiring.regularizer": ["bimt"], "wiring.strength": [0.1], "seed": [1]},
    ]
    plan = make_plan("p", settings={"network.neurons": 64}, grids=grids)
    assert len(plan.trials) == 10
    assert len({item.name for item in plan.trials}) == 10
    assert len({item.group for item in plan.trials}) == 5
    same = make_plan("p", settings={}, grids=[{"network.neurons": [64], "wiring.regularizer": ["bimt"],
                                               "wiring.strength": [0.1], "seed": [1]}])  # fmt: skip
    assert same.trials[0].name in {item.name for item in plan.trials}
    other = make_plan("p", settings={"network.neurons": 65}, grids=grids)
    assert not {item.name for item in plan.trials} & {item.name for item in other.trials}


def test_a_plan_from_toml_and_options(tmp_path: Path) -> None:
    file = tmp_path / "curve.toml"
    file.write_text(
        'then = ["prune"]\n[settings]\ntraining.steps = 50\n[settings.network]\nneurons = 25\n'
        '[grid]\nseed = [0, 1, 2]\n"wiring.strength" = [0.1, 0.3]\n'
    )
    plan = read_plan(file)
    assert (plan.name, plan.then, len(plan.trials)) == ("curve", ("prune",), 6)
    assert plan.trials[0].settings == {"training.steps": 50, "network.neurons": 25, "seed": 0, "wiring.strength": 0.1}
    fewer = read_plan(file, more_settings={"seed": 7}, more_axes={"wiring.strength": [1.0]})
    assert [dict(item.varied) for item in fewer.trials] == [{"wiring.strength": 1.0}]
    assert fewer.trials[0].settings["seed"] == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grid = 3", "needed a table"),
        ("[grid]\nseed = 3", "needed a list"),
        ("[grid]\nseed = []", "needed a list"),
        ('[grid]\n"wiring.strenght" = [1]', "did you mean 'wiring.strength'"),
        ("[settings]\nseed = -1", "out of range"),
        ("[other]\n", "holds 'other'"),
        ("then = 'prune'", "a list of commands"),
        ("name = 'a/b'", "becomes a folder"),
        ("x = = 1", "not valid TOML"),
    ],
)
def test_a_bad_plan_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_plan(file)
    with pytest.raises(UsageError, match="cannot read"):
        read_plan(tmp_path / "none.toml")


def test_every_sweep_that_comes_with_neuromod_is_a_plan() -> None:
    assert {"pareto", "chip", "modcog"} <= set(plan_names())
    for name in plan_names():
        plan = read_plan(name)
        assert plan.name == name
        assert len(plan.trials) > 1


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"cannot read paretto: there is no such file; .* ablation, .*pareto"):
        read_plan("paretto")


# ---- results


def row(method: str, strength: float, error: float, wiring: float, seed: int = 0) -> dict[str, object]:
    return {
        "method": method, "strength": strength, "seed": seed, "group": f"{method}{strength}",
        "prune.accuracy_after": 1 - error, "analyze.wiring_length": wiring, "analyze.active_neurons": 10,
    }  # fmt: skip


def test_methods_are_compared_at_matched_error() -> None:
    rows = [
        row("none", 0.0, 0.03, 1e6), row("none", 0.0, 0.05, 1.2e6, seed=1),
        row("bimt", 0.1, 0.03, 5e4), row("bimt", 0.3, 0.05, 1e4), row("bimt", 0.3, 0.06, 1.2e4, seed=1),
        row("bimt", 1.0, 0.09, 1e3), row("l1", 0.1, 0.058, 1e5), row("l1", 0.3, 0.2, 1e4),
        {"method": "l1", "strength": 9.0, "group": "x", "seed": 0},
    ]  # fmt: skip
    found = results.summarize(rows)
    assert found["matched_error"] == pytest.approx(0.06)
    assert found["methods"]["none"]["best_error"] == pytest.approx(0.04)
    assert found["methods"]["bimt"]["best_error"] == pytest.approx(0.03)
    assert found["methods"]["bimt"]["matched_wiring_length"] == pytest.approx(1.1e4)
    assert found["methods"]["l1"]["matched_wiring_length"] == pytest.approx(1e5)
    assert found["methods"]["l1"]["trials"] == 2
    assert results.summarize([])["matched_error"] is None
    hopeless = results.summarize([row("none", 0, 0.03, 1e6), row("l1", 1, 0.5, 10)])
    assert hopeless["methods"]["l1"]["matched_wiring_length"] is None


def test_a_trial_without_fresh_trials_has_the_error_of_pruning() -> None:
    at = row("bimt", 0.1, 0.03, 5e4)
    assert point({**at, "analyze.accuracy": None}) == point(at)
    assert point({**at, "analyze.accuracy": 0.9})["error"] == pytest.approx(0.1)


def test_the_pareto_figure_is_the_same_each_time(tmp_path: Path) -> None:
    rows = [row("bimt", 0.1, 0.03, 5e4), row("none", 0.0, 0.03, 1e6)]
    pareto.draw(rows, tmp_path / "a.svg")
    pareto.draw(rows, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "digitised" in (tmp_path / "a.svg").read_text()
