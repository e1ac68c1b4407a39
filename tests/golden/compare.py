"""Compare recorded trials with what neuromod renders for the same parameters: ``python compare.py FILE...``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.tasks import find
from neuromod.tasks.design import Design
from neuromod.tasks.rendering import render

Recording = dict[str, Any]


def load(path: Path) -> Recording:
    """Content of a recording, as the make_*.py scripts write it."""
    with np.load(path) as file:
        return dict(file)


def steps_of(recording: Recording) -> list[int]:
    """Time steps in ms for which the recording has trials."""
    return sorted(int(name[2:-5]) for name in recording if re.fullmatch(r"dt\d+_task", name))


def compare(recording: Recording, dt_ms: int, **meaning: Any) -> dict[str, tuple[int, float, int]]:
    """Render the recorded trials without noise and compare.

    Returns
    -------
    dict of str to (int, float, int)
        Per task: number of trials, largest difference of an input (infinite if a trial has another length), number of
        time steps with another target.
    """
    names = [str(name) for name in recording["names"]]
    tasks, rules, n_rules = find(names, **meaning)
    part = {name.split("_", 1)[1]: value for name, value in recording.items() if name.startswith(f"dt{dt_ms}_")}
    recorded_answer = part["targets"][np.arange(len(part["task"])), part["length"] - 1].astype(np.int64)
    design = Design(
        task=part["task"],
        rule=rules[part["task"]],
        durations_ms=part["durations_ms"],
        positions=part["positions"],
        strengths=part["strengths"],
        match=part["match"],
        # Who wins a tie is NeuroGym's draw; it is used for ties alone.
        coin=recorded_answer == 1 + part["positions"][:, 0],
    )
    trials = render(design, tasks, n_rules=n_rules, dt_ms=dt_ms)
    same_length = trials.mask.sum(axis=0) == part["length"]
    time = min(len(trials.mask), part["inputs"].shape[1])
    difference = np.abs(trials.inputs[:time].swapaxes(0, 1) - part["inputs"][:, :time]).max(axis=(1, 2))
    difference[~same_length] = np.inf
    wrong = (part["targets"][:, :time] != trials.targets[:time].T).sum(axis=1)
    found = {}
    for i, name in enumerate(names):
        rows = part["task"] == i
        found[name] = (int(rows.sum()), float(difference[rows].max()), int(wrong[rows].sum()))
    return found


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        recording = load(Path(argument))
        semantics = "go-cue" if str(recording["version"]) < "2.1" else "neurogym-2.3"
        for dt in steps_of(recording):
            print(f"{argument}: NeuroGym {recording['version']}, dt = {dt} ms")
            for name, (n, error, wrong) in compare(recording, dt, semantics=semantics).items():
                print(f"  {name:12} {n:5} trials  largest input difference {error:.2e}  wrong targets {wrong}")
