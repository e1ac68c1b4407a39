"""Record reference trials of the published Mod-Cog code, against which our generator is tested.

Run it where NeuroGym 2.0.0 is installed, with the published file ``mod_cog_tasks.py`` of github.com/mikailkhona/Mod_Cog
(commit 4110143), which is not part of this repository:

    python make_modcog_trials.py mod_cog_tasks.py modcog.npz

The file imports ``gym``, which no longer exists: gymnasium takes its place. The trials are recorded twice, as the
code is, and with the two corrections that `neuromod.tasks.modcog` describes made to its text as it is read.
`compare.py` beside it compares a recording with what neuromod renders.
"""

from __future__ import annotations

import argparse
import ast
import sys
import types
from pathlib import Path

import gymnasium
import numpy as np
from neurogym.utils.scheduler import RandomSchedule
from neurogym.wrappers.block import ScheduleEnvs
from recording import record

# What the corrected reading replaces in the published text, each once.
CORRECTIONS = (
    # The wrap must come before the 1 that makes a position a class.
    (
        "np.mod(value +int(seq* t * self.omega * self.dt), self.dim_ring)",
        "1 + np.mod(value - 1 + int(seq* t * self.omega * self.dt), self.dim_ring)",
    ),
    # The delay of a match task is drawn for every trial.
    (
        "        if self.integrate:\n    \n            self.timing['delay'] =",
        "        if not self.integrate:\n            self.timing['delay'] = np.random.uniform(200, 1200)\n"
        "        if self.integrate:\n            self.timing['delay'] =",
    ),
)


def load(path, *, corrected):
    """Import the published file, corrected or as it is."""
    sys.modules["gym"] = gymnasium
    text = path.read_text()
    for old, new in CORRECTIONS if corrected else ():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    module = types.ModuleType("mod_cog_tasks")
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def factories(path):
    """Names of the published task factories, in the order of the file."""
    tree = ast.parse(path.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def without_noise(factory):
    """Make an environment without noise; reach tasks never have any."""
    try:
        return factory(sigma=0)
    except TypeError:
        return factory()


def main():
    """Record and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published", type=Path)
    parser.add_argument("out")
    parser.add_argument("--trials", type=int, default=12, help="trials of each task")
    parser.add_argument("--environments", type=int, default=1, help="times that each environment is made anew")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    names = factories(arguments.published)
    content = {"names": np.array(names), "version": np.array("Mod-Cog 4110143"), "seed": np.array(arguments.seed)}
    for label, corrected in (("strict", False), ("corrected", True)):
        module = load(arguments.published, corrected=corrected)
        parts = []
        for again in range(arguments.environments):
            # The published code draws from the global generator too.
            np.random.seed(arguments.seed + again)  # noqa: NPY002
            envs = [without_noise(getattr(module, name)) for name in names]
            schedule = ScheduleEnvs(envs, RandomSchedule(len(envs)), env_input=False)
            part = record(schedule, len(envs), arguments.trials, arguments.seed + 1000 * again)
            parts.append(part)
        longest = max(part["inputs"].shape[1] for part in parts)
        for name in parts[0]:
            padded = [
                np.pad(part[name], [(0, 0), (0, longest - part[name].shape[1])] + [(0, 0)] * (part[name].ndim - 2))
                if name in ("inputs", "targets")
                else part[name]
                for part in parts
            ]
            content[f"{label}_dt100_{name}"] = np.concatenate(padded)
    np.savez_compressed(arguments.out, **content)


if __name__ == "__main__":
    main()
