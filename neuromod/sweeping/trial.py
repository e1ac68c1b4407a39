"""One trial: processes of `neuromod` that fill a run directory, watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neuromod.errors import NeuromodError
from neuromod.files import read_json, sha256, write_json
from neuromod.runs import run as rundir
from neuromod.sweeping.plan import Trial

Status = Literal["done", "kept", "crashed", "hung", "stopped"]

SCHEMA = "neuromod/measures/1"
MEASURES = "measures.json"
COMMAND = (sys.executable, "-c", "from neuromod.cli import main; main()")

# Seconds between looks at a process, and from a polite request to the end of patience.
_LOOK, _GRACE = 0.1, 20.0


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Parameters
    ----------
    name : str
        The trial.
    status : {"done", "kept", "crashed", "hung", "stopped"}
        ``kept`` was finished before; ``hung`` made no sign of life for too long; ``stopped`` was asked to.
    reason : str
        What went wrong, in words; empty for the first two.
    seconds : float
        Spent now.
    """

    name: str
    status: Status
    reason: str
    seconds: float


@dataclass(frozen=True)
class Orders:
    """What holds for every trial of a sweep.

    Parameters
    ----------
    folder : Path
        Folder of the sweep; reachable under this path from every worker.
    then : tuple of str
        Commands after training.
    stall_s : float
        A process that writes nothing for so many seconds is taken to hang.
    command : tuple of str
        How to start `neuromod`.
    """

    folder: Path
    then: tuple[str, ...]
    stall_s: float = 1800.0
    command: tuple[str, ...] = COMMAND

    @property
    def stop(self) -> Path:
        """File whose presence asks all trials to stop."""
        return self.folder / "stop"

    def run(self, name: str) -> Path:
        """Run directory of a trial."""
        return self.folder / "trials" / name

    def log(self, name: str) -> Path:
        """File that takes what the processes of a trial say."""
        return self.folder / "logs" / f"{name}.log"


def run_trial(trial: Trial, orders: Orders) -> Outcome:
    """Train, then measure, as far as that has not been done; never raises for what goes wrong inside.

    A training that was interrupted goes on from its checkpoint. A folder without checkpoint is begun anew.
    """
    begun = time.monotonic()
    path = orders.run(trial.name)
    did = False
    try:
        orders.log(trial.name).parent.mkdir(parents=True, exist_ok=True)
        if not _trained(path):
            did = True
            _train(trial, path, orders)
        results = measures(path)
        for line in orders.then:
            if line not in results:
                did = True
                out = _call(trial.name, [*shlex.split(line), "--json", "--run", str(path)], orders)
                results[line] = json.loads(out)
                write_json(path / MEASURES, {"schema": SCHEMA, "network": _digest(path), "results": results})
    except _Ended as end:
        return Outcome(trial.name, end.status, str(end), time.monotonic() - begun)
    except (NeuromodError, ValueError, OSError) as error:
        return Outcome(trial.name, "crashed", str(error), time.monotonic() - begun)
    return Outcome(trial.name, "done" if did else "kept", "", time.monotonic() - begun)


def measures(path: Path) -> dict[str, Any]:
    """Return what the commands after training reported, by command line; nothing of another network's."""
    if not (path / MEASURES).exists():
        return {}
    content = read_json(path / MEASURES, schema=SCHEMA)
    results = content.get("results")
    return dict(results) if isinstance(results, dict) and content.get("network") == _digest(path) else {}


def finished(path: Path, then: Sequence[str]) -> bool:
    """Whether a trial needs nothing more."""
    with contextlib.suppress(NeuromodError, OSError):
        return _trained(path) and set(then) <= set(measures(path))
    return False


class _Ended(Exception):  # noqa: N818
    """A process did not end well."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status


def _digest(path: Path) -> str:
    return sha256(path / "network.safetensors")


def _trained(path: Path) -> bool:
    with contextlib.suppress(NeuromodError, KeyError, TypeError):
        return (path / "run.json").is_file() and rundir.Run(path).state("train")[0] == "fresh"
    return False


def _train(trial: Trial, path: Path, orders: Orders) -> None:
    if (path / "checkpoint.pt").is_file() and (path / "config.toml").is_file():
        _call(trial.name, ["train", "--resume", "--json", "--run", str(path)], orders)
        return
    if path.exists():
        shutil.rmtree(path)
    settings = [f"--set={key}={_toml(value)}" for key, value in trial.settings.items()]
    _call(trial.name, ["train", "--json", "--run", str(path), *settings], orders)


def _toml(value: Any) -> str:
    # JSON's strings, numbers, truth values and arrays are TOML's.
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _call(name: str, arguments: list[str], orders: Orders) -> str:
    """Run one process to its end and return its stdout; end it where it hangs or where the sweep is to stop."""
    log = orders.log(name)
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "NEUROMOD_RUNS": str(orders.folder / "trials")}
    out = log.with_suffix(".out")
    with log.open("ab") as said, out.open("wb") as stdout:
        said.write(f"$ neuromod {shlex.join(arguments)}\n".encode())
        said.flush()
        # In a session of its own, so that Ctrl-C reaches it through us alone and its children end with it.
        process = subprocess.Popen(
            [*orders.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=said,
            env=environment,
            start_new_session=True,
        )
        try:
            _watch(process, name, orders)
        finally:
            _end(process)
    if process.returncode:
        raise _Ended("crashed", f"{_exit(process.returncode)}: {_last_line(log)}")
    text = out.read_text(encoding="utf-8")
    out.unlink()
    return text


def _watch(process: subprocess.Popen[bytes], name: str, orders: Orders) -> None:
    alive, mark = time.monotonic(), (-1, -1)
    while process.poll() is None:
        time.sleep(_LOOK)
        now = _sign_of_life(name, orders)
        if now != mark:
            alive, mark = time.monotonic(), now
        if orders.stop.exists():
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            raise _Ended("stopped", "the sweep was interrupted; the next one goes on from the checkpoint")
        if time.monotonic() - alive > orders.stall_s:
            raise _Ended("hung", f"wrote nothing for {orders.stall_s:g} s and was killed; see logs/{name}.log")


def _sign_of_life(name: str, orders: Orders) -> tuple[int, int]:
    """Sizes of what a trial writes to as it goes."""
    sizes = []
    for path in (orders.log(name), orders.run(name) / "metrics.jsonl"):
        with contextlib.suppress(OSError):
            sizes.append(path.stat().st_size)
    return len(sizes), sum(sizes)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process and its children."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _exit(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines and not lines[-1].startswith("$ ") else f"it said nothing; see logs/{log.name}"
