"""Compare recorded trials with what neuromod renders for the same parameters: ``python compare.py FILE...``."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
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


def parts_of(recording: Recording) -> list[str]:
    """Names of the sets of trials in a recording, as ``dt100`` or ``strict_dt100``."""
    return sorted(name.removesuffix("_task") for name in recording if re.search(r"dt\d+_task$", name))


def compare(recording: Recording, part: str, *, collection: str, **meaning: Any) -> dict[str, tuple[int, float, int]]:
    """Render the recorded trials without noise and compare.

    Parameters
    ----------
    recording, part
        The recording and the name of the set of trials.
    collection
        Collection that its tasks are of here.
    **meaning
        What else `neuromod.tasks.find` takes.

    Returns
    -------
    dict of str to (int, float, int)
        Per task: number of trials, largest difference of an input (infinite if a trial has another length), number of
        time steps with another target.
    """
    names = [str(name) for name in recording["names"]]
    tasks, rules, n_rules = find([f"{collection}.{name}" for name in names], **meaning)
    its = {name.removeprefix(f"{part}_"): value for name, value in recording.items() if name.startswith(f"{part}_")}
    design = Design(
        task=its["task"],
        rule=rules[its["task"]],
        durations_ms=its["durations_ms"],
        positions=its["positions"],
        strengths=its["strengths"],
        match=its["match"],
        coin=np.zeros(len(its["task"]), bool),
    )
    dt_ms = int(part.rpartition("dt")[2])
    trials = render(design, tasks, n_rules=n_rules, dt_ms=dt_ms)
    other = render(replace(design, coin=~design.coin), tasks, n_rules=n_rules, dt_ms=dt_ms)
    same_length = trials.mask.sum(axis=0) == its["length"]
    time, width = min(len(trials.mask), its["inputs"].shape[1]), its["inputs"].shape[2]
    difference = np.abs(trials.inputs[:time, :, :width].swapaxes(0, 1) - its["inputs"][:, :time]).max(axis=(1, 2))
    difference[~same_length] = np.inf
    # NeuroGym decides ties by chance and does not say how: either way will do, and nothing else depends on it.
    wrong = np.minimum(*((its["targets"][:, :time] != side.targets[:time].T).sum(axis=1) for side in (trials, other)))
    found = {}
    for i, name in enumerate(names):
        rows = its["task"] == i
        found[name] = (int(rows.sum()), float(difference[rows].max()), int(wrong[rows].sum()))
    return found


def meaning_of(recording: Recording, part: str) -> dict[str, Any]:
    """What a set of recorded trials is to be compared with."""
    version = str(recording["version"])
    if version.startswith("Mod-Cog"):
        return {"collection": "modcog93", "strict": part.startswith("strict")}
    return {"collection": "yang19", "semantics": "go-cue" if version < "2.1" else "neurogym-2.3"}


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        recording = load(Path(argument))
        for part in parts_of(recording):
            meaning = meaning_of(recording, part)
            print(f"{argument}: {recording['version']}, {part}, as {meaning}")
            for name, (n, error, wrong) in compare(recording, part, **meaning).items():
                print(f"  {name:17} {n:5} trials  largest input difference {error:.2e}  wrong targets {wrong}")
