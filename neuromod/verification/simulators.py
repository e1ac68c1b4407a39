"""Vendors' simulators, each in a process of its own with a time limit: what happens there is a sentence here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from neuromod.arrays import Array
from neuromod.errors import UsageError
from neuromod.exporting import chips
from neuromod.files import save_tensors

# Seconds that all trials of one simulator may take.
TIME_LIMIT = 600.0


class SimulatorError(Exception):
    """A simulator that did not give a result, in one sentence."""


def version_of(package: str, python: str | None = None) -> str | None:
    """Version of a package in a Python, this one if omitted; None where it is not installed.

    Raises
    ------
    UsageError
        If that Python cannot be run.
    """
    program = f"import importlib.metadata as m\ntry: print(m.version({package!r}))\nexcept m.PackageNotFoundError: pass"
    try:
        done = subprocess.run(
            [python or sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            env=_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"cannot run the Python {python}: {error}") from error
    if done.returncode:
        raise UsageError(f"{python} does not run Python: {_last_line(done.stderr)}")
    return done.stdout.strip() or None


def run_example(
    folder: Path,
    trials: Mapping[str, Array],
    *,
    arguments: Sequence[str] = (),
    python: str | None = None,
    time_limit: float = TIME_LIMIT,
) -> dict[str, Array]:
    """Run ``example.py`` of a folder on other trials than its own.

    Parameters
    ----------
    folder : Path
        The folder of a chip's network.
    trials : mapping of str to ndarray
        What the example takes, as in ``trials.safetensors``.
    arguments : sequence of str
        Further arguments of the example.
    python : str, optional
        The Python that has the simulator; this one if omitted.
    time_limit : float
        Seconds after which it is stopped.

    Returns
    -------
    dict of str to ndarray
        What the simulator gave.

    Raises
    ------
    SimulatorError
        If it fails, crashes or takes too long.
    """
    with tempfile.TemporaryDirectory() as place:
        given, result = Path(place) / "trials.safetensors", Path(place) / "results.npz"
        save_tensors(given, trials, {"schema": "neuromod/chip-trials/1"})
        script = (folder / chips.folder.EXAMPLE).resolve()
        command = [python or sys.executable, str(script), "--trials", str(given), "--results", str(result), *arguments]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=time_limit,
                cwd=place,
                env=_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SimulatorError(f"the simulator did not finish in {time_limit:g} seconds") from None
        except OSError as error:
            raise SimulatorError(f"the simulator could not be started: {error}") from error
        if done.returncode < 0:
            raise SimulatorError(f"the simulator crashed ({signal.Signals(-done.returncode).name})")
        if done.returncode or not result.is_file():
            raise SimulatorError(f"the simulator failed: {_last_line(done.stderr)}")
        with np.load(result, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def equal_trials(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> Array:
    """Whether each trial is equal to the last bit in all of `wanted`, (trials,) bool; arrays (time, trials, …).

    Raises
    ------
    SimulatorError
        If the simulator gave no array of the same shape.
    """
    equal = None
    for name, ours in wanted.items():
        theirs = found.get(name)
        if theirs is None or theirs.shape != ours.shape:
            raise SimulatorError(f"the simulator gave no {name} of the shape {ours.shape}")
        same = (theirs.astype(np.int64) == ours.astype(np.int64)).all(axis=(0, 2))
        equal = same if equal is None else equal & same
    assert equal is not None
    return np.asarray(equal)


def _environment() -> dict[str, str]:
    """Return the environment without what would lead another Python to the packages of this one."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"}


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1][:300]
