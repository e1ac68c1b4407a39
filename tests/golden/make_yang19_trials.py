"""Record reference trials of NeuroGym's yang19 tasks, against which our generator is tested.

Run it where NeuroGym 2.0.0 is installed for ``yang19_2.0.npz``, and where 2.3.1 is for ``yang19_2.3.npz``:

    python make_yang19_trials.py yang19_2.0.npz
    python make_yang19_trials.py many.npz --trials 250 --statistics 5000

`compare.py` beside it compares a recording with what neuromod renders.
"""

from __future__ import annotations

import argparse
from importlib import metadata

import neurogym as ngym
import numpy as np
from neurogym.utils.scheduler import RandomSchedule
from neurogym.wrappers.block import ScheduleEnvs
from recording import record, statistics

try:
    from neurogym.envs.registration import get_collection
except ImportError:
    from neurogym.envs import get_collection


def schedule(names, dt, *, noise):
    """All tasks with their rule input, with or without noise; reach tasks never have any."""
    envs = []
    for name in names:
        try:
            envs.append(ngym.make(name, dt=dt, **({} if noise else {"sigma": 0})))
        except TypeError:
            envs.append(ngym.make(name, dt=dt))
    return ScheduleEnvs(envs, RandomSchedule(len(envs)), env_input=True)


def main():
    """Record and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--trials", type=int, default=12, help="trials of each task at dt = 100 ms")
    parser.add_argument("--trials-other", type=int, default=2, help="trials of each task at dt = 20 and 30 ms")
    parser.add_argument("--statistics", type=int, default=1000, help="trials of each task for the histograms")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    names = get_collection("yang19")
    content = {
        "names": np.array([name.removeprefix("yang19.").removesuffix("-v0") for name in names]),
        "version": np.array(metadata.version("neurogym")),
        "seed": np.array(arguments.seed),
    }
    for dt, n_trials in ((100, arguments.trials), (20, arguments.trials_other), (30, arguments.trials_other)):
        recorded = record(schedule(names, dt, noise=False), len(names), n_trials, arguments.seed)
        content.update({f"dt{dt}_{name}": value for name, value in recorded.items()})
    content.update(
        statistics(
            schedule(names, 100, noise=True),
            schedule(names, 100, noise=False),
            len(names),
            arguments.statistics,
            arguments.seed + 1000,
        )
    )
    np.savez_compressed(arguments.out, **content)


if __name__ == "__main__":
    main()
