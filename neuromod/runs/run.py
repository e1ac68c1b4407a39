"""The run directory: where artefacts live, what made them, and whether they are still fresh."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from neuromod.errors import StageError, UsageError
from neuromod.files import read_json, sha256, write_json, write_text
from neuromod.network import Network
from neuromod.runs import commands
from neuromod.runs.commands import COMMANDS
from neuromod.runs.manifest import find_fault
from neuromod.version import __version__

SCHEMA = "neuromod/run/1"

# All steps: those, and the one that `map` and `estimate` take on their way.
STEPS = (*COMMANDS, "activity")

State = Literal["fresh", "missing", "stale"]


@dataclass(frozen=True)
class Run:
    """A run directory. What it holds is in its files alone; `run.json` is the manifest.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    def file(self, name: str) -> Path:
        """Path of the artefact `name`, as ``exports/network.onnx``."""
        return self.path / name

    def network(self, name: str) -> Network:
        """Return the network of the file `name`, with the run's data, if it has any.

        Raises
        ------
        UsageError
            If it cannot be read, or the data are not there or have changed.
        """
        from neuromod.data import attached

        return attached(Network.load(self.file(name)), self.path)

    def manifest(self) -> dict[str, Any]:
        """Content of `run.json`.

        Raises
        ------
        UsageError
            If it is missing or damaged.
        """
        content = read_json(self.file("run.json"), schema=SCHEMA)
        fault = find_fault(content)
        if fault:
            raise UsageError(f"cannot read {self.file('run.json')}: {fault[:200]}; make the run again")
        return content

    def step(self, name: str) -> dict[str, Any] | None:
        """Record of the step `name`: arguments, seconds, inputs, outputs, result; None if it never ran."""
        record: dict[str, Any] | None = self.manifest()["steps"].get(name)
        return record

    def result(self, name: str) -> dict[str, Any]:
        """Return what the step `name` reported as ``--json``; refuse a missing or stale one."""
        self.require(name)
        record = self.step(name)
        assert record is not None
        result: dict[str, Any] = record["result"]
        return result

    def record(
        self,
        name: str,
        *,
        arguments: Mapping[str, Any],
        seconds: float,
        inputs: Iterable[str],
        outputs: Iterable[str],
        result: Mapping[str, Any],
        given: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down that a step ran.

        Parameters
        ----------
        name : str
            Step, a key of `COMMANDS`.
        arguments : mapping
            Its resolved arguments, JSON only.
        seconds : float
            How long it took.
        inputs, outputs : iterable of str
            Artefacts, relative to the run, whose SHA-256 is kept.
        result : mapping
            What the step reports.
        given : mapping, optional
            The options that it was given, from `commands.as_record`; those that it left out if omitted.
        """
        content = self.manifest()
        content["steps"][name] = {
            "arguments": dict(arguments),
            "given": dict(given or {}),
            "seconds": round(seconds, 3),
            "inputs": {item: sha256(self.file(item)) for item in inputs},
            "outputs": {item: sha256(self.file(item)) for item in outputs},
            "result": dict(result),
        }
        write_json(self.file("run.json"), content)

    def state(self, name: str) -> tuple[State, str]:
        """Whether the step `name` is fresh, missing or stale, and why, in words."""
        return self._state(name, self.manifest()["steps"], {}, ())

    def _state(
        self, name: str, steps: dict[str, Any], digests: dict[str, str], asked_by: tuple[str, ...]
    ) -> tuple[State, str]:
        record = steps.get(name)
        if record is None:
            return "missing", f"`{COMMANDS.get(name, name)}` has not run"
        for kind in ("outputs", "inputs"):
            for item, known in record[kind].items():
                path = self.file(item)
                if not path.exists():
                    return ("missing" if kind == "outputs" else "stale"), f"{item} is gone"
                if item not in digests:
                    digests[item] = sha256(path)
                if digests[item] != known:
                    return "stale", f"{item} has changed since `{COMMANDS.get(name, name)}` ran"
        for item in record["inputs"]:
            for maker, other in steps.items():
                # A manifest that was tampered with may name steps as each other's makers.
                if maker not in (name, *asked_by) and item in other["outputs"]:
                    state, why = self._state(maker, steps, digests, (*asked_by, name))
                    if state != "fresh":
                        return "stale", why
        return "fresh", ""

    def require(self, name: str) -> None:
        """Refuse to go on unless the step `name` is fresh.

        Raises
        ------
        StageError
            With the command that mends it.
        """
        state, why = self.state(name)
        if state != "fresh":
            raise StageError(f"{name} of {self.path} is {state}: {why}; run `{self.command(*self.mend(name))}`")

    def mend(self, name: str) -> tuple[str, ...]:
        """Return the commands that make the earliest broken step that `name` needs, as it was given before."""
        return self._mend_inputs(name) or self.again(name) or (name,)

    def given(self, name: str) -> dict[str, Any]:
        """Return the options that the step `name` was given; empty if it has not run."""
        return dict(commands.given_to(name, self.step(name)))

    def again(self, name: str, **changes: Any) -> tuple[str, ...]:
        """Return the commands that make the step `name` as it was given, but for `changes`; none if it has none."""
        return commands.as_given(name, {**self.given(name), **changes}, target_file=self.file("target.toml"))

    def command(self, *texts: str) -> str:
        """Return commands as they are to be typed for this run: with ``--run`` unless the run is the newest."""
        newest = newest_path()
        is_newest = newest is not None and newest.resolve() == self.path.resolve()
        made = []
        for text in texts:
            # Training and importing make a run of their own.
            own = text.startswith((COMMANDS["train"], "neuromod import"))
            made.append(text if own or is_newest else f"{text} --run {shlex.quote(str(self.path))}")
        return " && ".join(made)

    def _mend_inputs(self, name: str, asked_by: tuple[str, ...] = ()) -> tuple[str, ...]:
        steps = self.manifest()["steps"]
        for item in (steps.get(name) or {"inputs": {}})["inputs"]:
            for maker, other in steps.items():
                fits = maker not in (name, *asked_by) and item in other["outputs"]
                if fits and self.state(maker)[0] != "fresh":
                    command = self._mend_inputs(maker, (*asked_by, name)) or self.again(maker)
                    if command:
                        return command
        return ()

    def network_file(self) -> str:
        """Name of the network that later stages work on: the pruned one, or an imported one as it is.

        Raises
        ------
        StageError
            If the pruned network is stale, or a trained network has not been pruned yet.
        """
        if self.step("prune") is None and self.state("import")[0] == "fresh":
            return "network.safetensors"
        self.require("prune")
        return "pruned.safetensors"


def runs_folder() -> Path:
    """Folder that holds the runs: ``NEUROMOD_RUNS``, or ``runs`` in the working folder."""
    return Path(os.environ.get("NEUROMOD_RUNS") or "runs")


def create(label: str, path: Path | None = None) -> Run:
    """Make a new run directory and name it the newest.

    Parameters
    ----------
    label : str
        What the run is about, as ``yang19``; part of the folder's name.
    path : Path, optional
        The folder; a dated name in `runs_folder()` if omitted.

    Raises
    ------
    UsageError
        If the folder exists and is not empty, or cannot be written.
    """
    folder = runs_folder()
    path = _new_folder(folder, label) if path is None else path
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} exists and is not empty; choose another folder with --run")
    write_json(
        path / "run.json",
        {
            "schema": SCHEMA,
            "label": label,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": versions(),
            "steps": {},
        },
    )
    # A run elsewhere is named by its absolute path.
    inside = path.parent.resolve() == folder.resolve()
    write_text(folder / "latest", (path.name if inside else str(path.resolve())) + "\n")
    return Run(path)


def _new_folder(folder: Path, label: str) -> Path:
    """Make a dated folder; parallel processes may draw the same name: mkdir decides."""
    while True:
        path = folder / f"{date.today().isoformat()}-{label}-{secrets.token_hex(2)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            return path
        except FileExistsError:
            if not folder.is_dir():
                raise UsageError(f"{folder} is not a folder; choose another with NEUROMOD_RUNS") from None
        except OSError as error:
            raise UsageError(
                f"cannot write {path}: {error.strerror or error}; choose a folder with NEUROMOD_RUNS"
            ) from error


def newest_path() -> Path | None:
    """Folder of the newest run, as `runs_folder()` names it; None if it names none."""
    pointer = runs_folder() / "latest"
    if not pointer.is_file():
        return None
    return runs_folder() / pointer.read_text(encoding="utf-8", errors="replace").strip()


def open_run(path: Path | None = None) -> Run:
    """Open the run at `path`, or the newest.

    Raises
    ------
    StageError
        If there is none.
    """
    path = newest_path() if path is None else path
    if path is None:
        raise StageError(f"there is no run in {runs_folder()} yet; run `neuromod train` first, or give --run PATH")
    if not (path / "run.json").is_file():
        raise StageError(f"{path} is not a run (it has no run.json); give --run PATH, `neuromod runs` lists them")
    run = Run(path)
    run.manifest()
    return run


def list_runs() -> list[Run]:
    """Return all runs in `runs_folder()`, oldest first by name."""
    folder = runs_folder()
    return [Run(path) for path in sorted(folder.iterdir()) if (path / "run.json").is_file()] if folder.is_dir() else []


def versions() -> dict[str, str]:
    """Versions of neuromod, Python, the system and the packages that influence results."""
    found = {"neuromod": __version__, "python": platform.python_version(), "platform": sys.platform}
    for package in ("numpy", "scipy", "torch", "onnx", "onnxruntime", "snntorch", "numba"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
