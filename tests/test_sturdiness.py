"""What goes wrong around a run: kills, full disks, read-only folders, two commands at once, clocks, Ctrl-C."""

import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from neuromod import Network, cli
from neuromod.errors import UsageError
from neuromod.runs import locks
from neuromod.runs import run as rundir

COMMAND = [sys.executable, "-c", "from neuromod.cli import main; main()"]

HOLDER = """
import sys, time
from pathlib import Path
from neuromod.runs import locks
with locks.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def neuromod(folder, *arguments, limit=None, **kwargs):
    """Run the command in a process of its own; `limit` is the largest file in bytes, as on a disk that is full."""

    def full_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return subprocess.run(
        [*COMMAND, *arguments, "-q"], cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NEUROMOD_RUNS": "runs"},
        preexec_fn=full_disk if limit else None, **kwargs,
    )  # fmt: skip


@pytest.fixture(scope="module")
def master(tmp_path_factory, solver_network):
    """A folder with a run in which everything has run; tests work on copies."""
    folder = tmp_path_factory.mktemp("sturdy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROMOD_RUNS", str(folder / "runs"))
        run = rundir.create("go", folder / "runs" / "x")
    solver_network.save(run.file("network.safetensors"))
    names = solver_network.info["tasks"]
    result = {"accuracy": 1.0, "accuracy_per_task": dict.fromkeys(names, 1.0)}
    run.record("train", arguments={"seed": 0}, seconds=1, inputs=[], outputs=["network.safetensors"], result=result)
    for arguments in (["prune", "--keep", "0.5"], ["map"], ["estimate"], ["export", "--format", "onnx"]):
        done = CliRunner().invoke(cli.group, [*arguments, "--run", str(run.path), "-q"])
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def folder(master, tmp_path):
    shutil.copytree(master, tmp_path / "work")
    return tmp_path / "work"


def snapshot(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def one_sentence(done, code):
    """The command ended as a user's error does: its exit code, one line, no trace of Python."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    assert "Internal error" not in done.stderr
    assert done.stderr.strip().startswith("Error: "), done.stderr


# --- two at once ---


@pytest.mark.parametrize("command", [["prune"], ["map"], ["estimate"], ["export"], ["verify"], ["report"], ["analyze"],
                                     ["train", "--resume"]], ids=" ".join)  # fmt: skip
def test_a_second_command_is_told_who_is_first(command, folder):
    path = folder / "runs" / "x"
    (path / "config.toml").write_text("seed = 0\n")
    manifest = rundir.Run(path).manifest()
    manifest["steps"].pop("train") if "train" in command else None
    rundir.write_json(path / "run.json", manifest)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline().strip() == "held"
            before = snapshot(folder)
            done = CliRunner().invoke(cli.group, [*command, "--run", str(path)])
            assert isinstance(done.exception, UsageError)
            assert re.search("another neuromod command is at work in .*wait", str(done.exception))
            assert snapshot(folder) == before
        finally:
            holder.kill()
    # The lock ends with its holder, however that ends.
    with locks.hold(path):
        pass


def test_a_second_sweep_in_a_folder_is_refused(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            holder.stdout.readline()
            done = CliRunner().invoke(cli.group, ["sweep", "--seeds", "0", "--out", str(tmp_path)])
            assert isinstance(done.exception, UsageError)
            assert list(tmp_path.iterdir()) == []
        finally:
            holder.kill()


def test_listing_needs_no_lock(folder):
    with locks.hold(folder / "runs" / "x"):
        assert neuromod(folder, "runs", "--json").returncode == 0


def test_leftovers_of_a_killed_process_are_cleared_and_nothing_else(folder):
    run = folder / "runs" / "x"
    for name in (".placement-a1b2c3d4.json", ".model-zzzz_123.onnx"):
        (run / name).write_text("half")
    (run / "exports" / ".snn-abcd1234").mkdir()
    for name in (".hidden", "notes-a1b2c3d4.txt", ".git-keep"):
        (run / name).write_text("mine")
    with locks.hold(run):
        pass
    names = {path.name for path in run.rglob("*")}
    assert not names & {".placement-a1b2c3d4.json", ".model-zzzz_123.onnx", ".snn-abcd1234"}
    assert {".hidden", "notes-a1b2c3d4.txt", ".git-keep", "placement.json"} <= names


def test_two_runs_of_one_second_are_two_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path))
    tokens = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(rundir, "secrets", SimpleNamespace(token_hex=lambda _: next(tokens)))
    assert rundir.create("go").path.name[-4:] == "aaaa"
    assert rundir.create("go").path.name[-4:] == "bbbb"


# --- no room, no rights ---


@pytest.mark.parametrize(
    ("command", "limit"),
    [(["prune", "--keep", "0.5"], 500), (["map"], 300), (["estimate"], 500), (["export", "--format", "onnx"], 2000),
     (["report"], 20_000), (["analyze", "--permutations", "100", "--nulls", "2", "--trials", "5"], 400),
     (["train", "--tasks", "go", "--neurons", "16", "--steps", "3"], 1000)],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)  # fmt: skip
def test_a_full_disk_is_one_sentence_and_loses_nothing(command, limit, folder):
    before = snapshot(folder)
    done = neuromod(folder, *command, limit=limit)
    one_sentence(done, 2)
    assert "free some space" in done.stderr
    after = snapshot(folder)
    for name, content in before.items():
        assert name == "runs/latest" or after[name] == content, name
    assert not [name for name in after if Path(name).name.startswith(".")]


def test_a_full_disk_that_a_library_meets_is_one_sentence(monkeypatch, capsys):
    # PyTorch 2.6 writes files of its own into the temporary folder, and says no name when it cannot.
    from neuromod import cli

    def full(**kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli.group, "main", full)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said == (
        "Error: a temporary file: No space left on device; free some space there, or name another folder with TMPDIR\n"
    )


@pytest.mark.parametrize("command", [["map"], ["estimate"], ["export", "--format", "onnx"], ["report"]], ids=" ".join)
def test_a_read_only_folder_is_one_sentence(command, folder, monkeypatch):
    from neuromod import files

    real = os.open

    def refuse(path, flags, *args, **kwargs):
        if flags & os.O_CREAT and Path(path).is_relative_to(folder) and not str(path).endswith("lock"):
            raise OSError(30, "Read-only file system", str(path))
        return real(path, flags, *args, **kwargs)

    before = snapshot(folder)
    monkeypatch.setattr(files.os, "open", refuse)
    done = CliRunner().invoke(cli.group, [*command, "--run", str(folder / "runs" / "x")])
    assert isinstance(done.exception, UsageError), done.exception
    assert "Read-only file system" in str(done.exception)
    assert snapshot(folder) == before


# --- interrupted ---


@pytest.mark.parametrize(
    "command",
    [["prune", "--trials", "2000"], ["verify", "--trials", "200000"], ["analyze"],
     ["export", "--format", "snn"]],
    ids=lambda command: command[0],
)  # fmt: skip
def test_ctrl_c_in_a_stage_leaves_what_was_there(command, folder, local_network):
    # Large enough to be at work when Ctrl-C comes.
    run = rundir.Run(folder / "runs" / "x")
    for step, file in (("train", "network.safetensors"), ("prune", "pruned.safetensors")):
        local_network(16).save(run.file(file))
        run.record(step, arguments={}, seconds=1, inputs=[], outputs=[file], result={})
    for needed in (["map", "--placer", "tiles"], ["export", "--format", "onnx"]):
        assert CliRunner().invoke(cli.group, [*needed, "--run", str(run.path), "-q"]).exit_code == 0
    before = snapshot(folder)
    process = subprocess.Popen(
        [*COMMAND, *command, "--run", "runs/x"], cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("it was faster than Ctrl-C")
    assert process.returncode == 130, said
    assert "Interrupted" in said
    assert "Traceback" not in said
    after = snapshot(folder)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    # A stage that was run on the way may be there, whole and recorded.
    assert changed <= {"runs/x/run.json", "runs/x/activity.safetensors"}, changed
    assert rundir.open_run(folder / "runs" / "x").manifest()


# --- clocks, seeds, bytes ---


def test_a_clock_that_goes_back_changes_nothing(tmp_path):
    code = (
        "import time, datetime\n"
        "real, start = time.time, time.time()\n"
        "time.time = lambda: start - 40 * (real() - start) - 1e6\n"
        "from neuromod.cli import main\n"
        "main()\n"
    )
    arguments = ["train", "--tasks", "go", "--neurons", "9", "--steps", "4", "--run", "run", "--json", "-q",
                 "--set", "training.test_trials=4"]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    import json

    assert json.loads(done.stdout)["seconds"] >= 0
    assert rundir.open_run(tmp_path / "run").state("train")[0] == "fresh"


def test_equal_seeds_give_equal_bytes_through_every_stage(tmp_path):
    files = {}
    for name in ("a", "b"):
        place = tmp_path / name
        place.mkdir()
        for command in (
            ["train", "--tasks", "go", "--neurons", "16", "--steps", "6", "--set", "training.test_trials=4"],
            ["prune", "--keep", "0.3"], ["map", "--cores", "2x2"], ["estimate"],
            ["export", "--format", "onnx", "--format", "snn", "--substeps", "2", "--tune", "never"],
        ):  # fmt: skip
            done = neuromod(place, *command, "--run", "runs/x")
            assert done.returncode == 0, done.stderr
        skipped = {"run.json", "checkpoint.pt", "metrics.jsonl"}
        files[name] = {k: v for k, v in snapshot(place).items() if Path(k).name not in skipped}
    assert files["a"].keys() == files["b"].keys()
    assert [name for name in files["a"] if files["a"][name] != files["b"][name]] == []
    assert len(files["a"]) >= 14


def test_a_loss_that_is_not_finite_says_what_to_do(tmp_path, monkeypatch):
    from neuromod.training import loop

    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path))
    step = loop._step
    monkeypatch.setattr(loop, "_step", lambda *args: (float("nan"), step(*args)[1]))
    done = CliRunner().invoke(cli.group, ["train", "--tasks", "go", "--neurons", "9", "--steps", "5"])
    assert isinstance(done.exception, UsageError)
    assert re.search(r"not finite at step 1; lower training\.learning_rate", str(done.exception))
    assert not list(tmp_path.glob("*/network.safetensors"))


# --- samples of the campaigns ---


@pytest.fixture(scope="module")
def campaigns():
    sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
    yield
    sys.path.pop(0)


def test_a_sample_of_the_fuzzing(campaigns, tmp_path, monkeypatch):
    import fuzz
    import fuzz_readers

    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "run"))
    found = {}
    for reader in fuzz_readers.READERS:
        master = fuzz.make_master(reader, tmp_path / "masters" / reader.name.replace(" ", "-"))
        for seed in range(100_000, 100_004):
            said, _ = fuzz.trial(reader, master, tmp_path / "run" / "x", seed, fuzz.Watch(tmp_path / "run"))
            if said not in ("read", "refused"):
                found[reader.name, seed] = said
    assert found == {}


def test_the_fuzzing_tells_a_reader_that_fails(campaigns, tmp_path):
    import fuzz

    def careless(path):
        # Beside the folder of the run, under a name that begins as its own.
        (path.parent.parent / "run-away").write_text("x")

    watch = fuzz.Watch(tmp_path / "run")
    (tmp_path / "run").mkdir()
    reader = fuzz.Reader("careless", "a", lambda path: None, careless, fuzz.mutate_bytes)
    assert "side effect: open" in fuzz.attempt(reader, tmp_path / "run" / "a", watch)
    reader = fuzz.Reader("careless", "a", lambda path: None, lambda path: {}["x"], fuzz.mutate_bytes)
    assert "KeyError" in fuzz.attempt(reader, tmp_path / "run" / "a", watch)


def test_a_sample_of_the_kills(campaigns, tmp_path):
    import kills

    kills.prepare(tmp_path / "kills", steps=40, stages=("train", "prune"))
    found = [kills.kill_once(stage, seed, tmp_path / "kills") for stage in ("train", "prune") for seed in (100, 101)]
    assert [item for item in found if item.found] == []


def test_the_kills_tell_a_broken_artefact(campaigns, tmp_path, solver_network):
    import kills

    solver_network.save(tmp_path / "network.safetensors")
    assert kills.broken(tmp_path) == ""
    (tmp_path / "network.safetensors").write_bytes((tmp_path / "network.safetensors").read_bytes()[:-9])
    assert "network.safetensors is broken" in kills.broken(tmp_path)
    assert Network
