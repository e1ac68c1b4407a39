import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TINY = ["--tasks", "go,dm1", "--neurons", "16", "--set", "training.batch=8", "--set", "training.checkpoint_every=5"]


def neuromod(*arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the installed command, the way users do."""
    command = [str(Path(sys.executable).parent / "neuromod"), *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "NEUROMOD_RUNS"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_train_then_prune(tmp_path: Path) -> None:
    done = neuromod("train", *TINY, "--steps", "60", "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert set(result["accuracy_per_task"]) == {"go", "dm1"}
    assert result["accuracy"] == pytest.approx(sum(result["accuracy_per_task"].values()) / 2)
    assert result["seconds"] > 0
    run = tmp_path / result["run"]
    assert {"run.json", "config.toml", "metrics.jsonl", "checkpoint.pt", "network.safetensors"} == {
        path.name for path in run.iterdir()
    }
    from neuromod import Network
    from neuromod.metrics import wiring

    network = Network.load(run / "network.safetensors")
    assert result["synapses"] == network.n_synapses
    assert result["wiring_length"] == wiring.measure(network).count
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["step"], last["synapses"]) == (60, network.n_synapses)

    pruned = json.loads(neuromod("prune", "--json", "--trials", "50", cwd=tmp_path).stdout)
    assert pruned["accuracy_before"] - pruned["accuracy_after"] <= 0.01
    assert pruned["synapses_before"] == network.n_synapses
    assert pruned["synapses_after"] == Network.load(run / "pruned.safetensors").n_synapses


def test_killed_and_resumed_is_bit_identical(tmp_path: Path) -> None:
    steps = ["--steps", "400", "--set", "training.log_every=1"]
    whole = json.loads(neuromod("train", *TINY, *steps, "--json", "--run", "whole", cwd=tmp_path).stdout)
    for name, number, code in (("killed", signal.SIGKILL, -9), ("interrupted", signal.SIGINT, 130)):
        run = tmp_path / name
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "neuromod"), "train", *TINY, *steps, "--run", name],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        metrics = run / "metrics.jsonl"
        deadline = time.monotonic() + 120
        while not (run / "checkpoint.pt").exists() or len(metrics.read_bytes().splitlines()) < 30:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == code
        assert not (run / "network.safetensors").exists()
        if number == signal.SIGINT:
            assert f"go on with `neuromod train --resume --run {name}`" in said
        neuromod("train", "--resume", "--run", name, cwd=tmp_path)
        assert (run / "network.safetensors").read_bytes() == (tmp_path / "whole/network.safetensors").read_bytes()
        steps_logged = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
        assert steps_logged == list(range(1, 401))
    again = neuromod("train", "--resume", "--run", "whole", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["accuracy"] == whole["accuracy"]
    assert "already trained" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "--tasks", "goo"], 2, "did you mean 'go'?"),
        (["train", "--set", "training.stepz=1"], 2, "did you mean 'training.steps'?"),
        (["train", "--neurons", "1"], 2, "network.neurons = 1 is out of range"),
        (["train", "--neurons", "many"], 2, "not a valid integer"),
        (["train", "--config", "none.toml"], 2, "cannot read none.toml"),
        (["train", "--resume"], 5, "there is no run in runs yet"),
        (["train", "--resume", "--seed", "2"], 2, "takes no others"),
        (["prune"], 5, "run `neuromod train` first"),
        (["prune", "--run", "nowhere"], 5, "nowhere is not a run"),
        (["map", "--cores", "4by4"], 2, "write rows x columns, as 4x4"),
        (["trian"], 2, "did you mean 'train'?"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    done = neuromod(*arguments, cwd=tmp_path, code=code)
    assert message in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_trained_network_cannot_be_pruned(tmp_path: Path) -> None:
    neuromod("train", *TINY, "--steps", "5", cwd=tmp_path)
    run = next((tmp_path / "runs").glob("2*"))
    network = run / "network.safetensors"
    network.write_bytes(network.read_bytes()[:-5])
    done = neuromod("prune", cwd=tmp_path, code=5)
    assert (
        "network.safetensors has changed since `neuromod train` ran; run `neuromod train --tasks go,dm1" in done.stderr
    )
    network.unlink()
    assert "network.safetensors is gone" in neuromod("prune", cwd=tmp_path, code=5).stderr
    assert not (run / "pruned.safetensors").exists()
