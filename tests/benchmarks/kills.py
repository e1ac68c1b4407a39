"""Commands killed with SIGKILL at random moments, and what they leave: artefacts whole, the next command goes on.

The same command without a kill says what must come out at the end, byte for byte.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

COMMAND = [sys.executable, "-c", "from neuromod.cli import main; main()"]

TRAIN = ["train", "--tasks", "go,rtgo", "--neurons", "36", "--steps", "{steps}",
         "--set", "training.checkpoint_every=20", "--set", "training.log_every=10",
         "--set", "training.test_trials=20"]  # fmt: skip

SWEEP = """\
name = "kills"
then = ["prune --trials 10"]

[settings.tasks]
names = "go"

[settings.network]
neurons = 16

[settings.training]
steps = 60
checkpoint_every = 10
log_every = 10
test_trials = 10

[[grid]]
"wiring.regularizer" = ["bimt", "l1"]
"""

# Stage -> its command, what goes on with a killed one, and the files whose bytes must be those of a run without kills.
STAGES: dict[str, tuple[list[str], list[str], tuple[str, ...]]] = {
    "train": (TRAIN, ["train", "--resume"], ("network.safetensors",)),
    "prune": (["prune", "--trials", "20"],) * 2 + (("pruned.safetensors",),),  # type: ignore[dict-item]
    "map": (["map", "--cores", "2x2"],) * 2 + (("placement.json", "placement.csv", "cores.graphml"),),  # type: ignore[dict-item]
    "export": (["export", "--format", "onnx", "--format", "snn", "--substeps", "3"],) * 2  # type: ignore[dict-item]
    + (("exports/network.onnx", "exports/network_step.onnx", "exports/snn/weights.safetensors",
        "exports/snn/config.json", "spiking/snn.safetensors"),),
    "sweep": (["sweep", "sweep.toml", "--workers", "2"],) * 2 + (("table.csv",),),  # type: ignore[dict-item]
}  # fmt: skip


@dataclass(frozen=True)
class Kill:
    """One kill: where, when, and what is wrong with what was left, if anything."""

    stage: str
    seed: int
    after_s: float
    killed: bool
    found: str


def neuromod(arguments: list[str], folder: Path, *, kill_after: float | None = None) -> tuple[int, str]:
    """Run the command in `folder`, all its children in one group; kill the group after so many seconds."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NEUROMOD_RUNS": "runs", "PYTHONHASHSEED": "0"}
    process = subprocess.Popen(
        [*COMMAND, *arguments, "-q"], cwd=folder, env=environment, start_new_session=True, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        children = _children(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        for child in children:
            # Trials of a sweep are sessions of their own; a machine that loses its power spares none.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        _, said = process.communicate()
    return process.returncode, said


def _children(pid: int) -> list[int]:
    found = [int(text) for path in Path(f"/proc/{pid}/task").glob("*/children") for text in path.read_text().split()]
    return found + [other for child in found for other in _children(child)]


def prepare(folder: Path, *, steps: int = 400, stages: Sequence[str] = tuple(STAGES)) -> dict[str, float]:
    """Run every stage without a kill in `folder`/clean, keep what each starts from; return their seconds."""
    clean, seconds = folder / "clean", {}
    clean.mkdir(parents=True)
    (clean / "sweep.toml").write_text(SWEEP)
    for stage in stages:
        command = STAGES[stage][0]
        if stage != "train":
            shutil.copytree(clean, folder / f"before-{stage}")
        else:
            (folder / "before-train").mkdir()
        code, said = neuromod(_filled(stage, command, steps), clean)
        assert code == 0, (stage, said)
        # Timed the second time: the first compiles.
        shutil.copytree(folder / f"before-{stage}", folder / "timed")
        begun = time.monotonic()
        neuromod(_filled(stage, command, steps), folder / "timed")
        seconds[stage] = time.monotonic() - begun
        shutil.rmtree(folder / "timed")
    (folder / "plan.json").write_text(json.dumps({"seconds": seconds, "steps": steps}))
    return seconds


def _filled(stage: str, command: list[str], steps: int) -> list[str]:
    """Name the run, so that two folders hold it under the same name."""
    filled = [word.replace("{steps}", str(steps)) for word in command]
    return filled if stage == "sweep" else [*filled, "--run", "runs/x"]


def kill_once(stage: str, seed: int, folder: Path) -> Kill:
    """Kill `stage` once or several times in a row, look at what is there, go on, compare with the clean folder."""
    plan = json.loads((folder / "plan.json").read_text())
    rng = np.random.default_rng([seed, *stage.encode()])
    place = folder / f"killed-{stage}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder / f"before-{stage}", place)
    command, again, files = STAGES[stage]
    # Starting Python takes a while in which there is nothing to lose; most kills come later.
    whole = plan["seconds"][stage]
    after = float(whole * (rng.uniform(0.25, 1.02) if rng.random() < 0.9 else rng.uniform(0, 0.25)))
    code, _ = neuromod(_filled(stage, command, plan["steps"]), place, kill_after=after)
    killed = code == -signal.SIGKILL
    if killed and stage == "train" and rng.random() < 0.5 and (place / "runs" / "x" / "config.toml").exists():
        neuromod(_filled(stage, again, plan["steps"]), place, kill_after=after * float(rng.random()))
    found = broken(place) or _go_on(stage, place, plan["steps"]) or _differing(stage, files, place, folder / "clean")
    return Kill(stage, seed, round(after, 3), killed, found)


def _go_on(stage: str, place: Path, steps: int) -> str:
    """Do what a user does next: the same command, or the one that it names."""
    command, again, _ = STAGES[stage]
    code, said = neuromod(_filled(stage, again, steps), place)
    if code and stage == "train":
        # Killed before there was anything to go on with: it must say so, and a fresh start must work.
        if code not in (2, 5) or ("neuromod train" not in said and "neuromod runs" not in said):
            return f"--resume ended with {code}: {said.strip()[-200:]}"
        shutil.rmtree(place / "runs", ignore_errors=True)
        code, said = neuromod(_filled(stage, command, steps), place)
    return f"going on ended with {code}: {said.strip()[-200:]}" if code else ""


def broken(folder: Path) -> str:
    """Return the first artefact that cannot be read although its name is there."""
    from neuromod import Network
    from neuromod.files import load_tensors
    from neuromod.mapping.placement import Placement
    from neuromod.runs import run as rundir
    from neuromod.training import checkpoints, config

    def table(path: Path) -> Any:
        return json.loads(path.read_text())

    readers = {"run.json": lambda p: rundir.Run(p.parent).manifest(), "network.safetensors": Network.load,
               "pruned.safetensors": Network.load, "placement.json": Placement.load, "traffic.json": table,
               "table.json": table, "measures.json": table,
               "activity.safetensors": lambda p: load_tensors(p, schema="neuromod/activity/1"),
               "config.toml": config.load,
               "checkpoint.pt": lambda p: checkpoints.load(p, config.load(p.parent / "config.toml")),
               "network.onnx": lambda p: __import__("onnx").load(p)}  # fmt: skip
    for path in sorted(folder.rglob("*")):
        if path.name in readers and path.is_file():
            try:
                readers[path.name](path)
            except Exception as error:
                return f"{path.relative_to(folder)} is broken: {error}"
    return ""


def _differing(stage: str, files: tuple[str, ...], place: Path, clean: Path) -> str:
    base = Path("runs/sweep-kills" if stage == "sweep" else "runs/x")
    for name in files:
        if _content(place / base / name) != _content(clean / base / name):
            return f"{name} is not that of a run without a kill"
    leftovers = [p.name for p in (place / base).rglob(".*") if p.is_file()]
    return f"{leftovers[0]} was left behind" if leftovers else ""


def _content(path: Path) -> bytes:
    """Return the bytes; of a table, the columns that do not tell how long something took or whether it was kept."""
    if path.name != "table.csv":
        return path.read_bytes()
    import csv

    with path.open() as file:
        rows = list(csv.DictReader(file))
    return json.dumps(
        [{k: v for k, v in row.items() if "seconds" not in k and k not in ("status", "reason")} for row in rows]
    ).encode()
