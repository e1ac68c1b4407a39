"""Trials per second against NeuroGym, and of large batches against small ones, in one run on one core.

Run it where neuromod is installed: ``python bench_tasks.py [--json]``; NeuroGym (2.0.0 or 2.3.1) is compared where it
is installed, too. Both make the 20 tasks with noise and rule input at dt = 100 ms; NeuroGym's best case is counted,
`new_trial` of the environments that its data set is built on, and its data set beside it. The rounds alternate, and
medians are compared. Bars: 30 times NeuroGym; 50,000 trials in one call at no less than half the rate of 2,048.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from importlib import metadata, util
from statistics import median
from typing import Any

import numpy as np

from neuromod.tasks import generate

BAR, LARGE_BAR = 30, 0.5
SMALL, LARGE = "neuromod, 2048 a batch", "neuromod, 50000 a batch"


def rate(make: Callable[[], int]) -> float:
    """Trials per second of a function that returns how many it has made."""
    start, made = time.perf_counter(), 0
    while time.perf_counter() - start < 0.5:
        made += make()
    return made / (time.perf_counter() - start)


def neurogym_makers() -> dict[str, Callable[[], int]]:
    """Two ways to make trials with NeuroGym."""
    import neurogym
    from neurogym.utils.scheduler import RandomSchedule
    from neurogym.wrappers.block import ScheduleEnvs

    found = util.find_spec("neurogym.envs.registration")
    assert found is not None
    from neurogym.envs.registration import get_collection

    def environment() -> ScheduleEnvs:
        envs = [neurogym.make(name, dt=100) for name in get_collection("yang19")]
        return ScheduleEnvs(envs, RandomSchedule(len(envs)), env_input=True)

    schedule = environment()
    schedule.seed(0)
    dataset = neurogym.Dataset(environment(), batch_size=20, seq_len=100)
    mean_length = generate("yang19", 2000, seed=0).mask.sum(axis=0).mean()

    def one_by_one() -> int:
        for _ in range(200):
            schedule.new_trial()
        return 200

    def data_set() -> int:
        inputs, _ = dataset()
        return round(inputs.shape[0] * inputs.shape[1] / mean_length)

    return {"neurogym new_trial": one_by_one, "neurogym Dataset": data_set}


def neuromod_maker(batch: int) -> Callable[[], int]:
    """Make batches as training does."""
    rng = np.random.default_rng(0)

    def make() -> int:
        return generate("yang19", batch, seed=rng).n_trials

    return make


def main() -> None:
    """Measure, print, and fail below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    peers = neurogym_makers() if util.find_spec("neurogym") else {}
    makers = peers | {f"neuromod, {n} a batch": neuromod_maker(n) for n in (128, 512, 2048, 50_000)}
    for make in makers.values():
        make()
    rounds = [{name: rate(make) for name, make in makers.items()} for _ in range(arguments.rounds)]
    rates = {name: median(each[name] for each in rounds) for name in makers}
    large = median(each[LARGE] / each[SMALL] for each in rounds)
    content: dict[str, Any] = {
        "trials_per_second": {name: round(value) for name, value in rates.items()},
        "large_to_small": round(large, 2),
        "large_bar": LARGE_BAR,
        "passed": large >= LARGE_BAR,
    }
    ratios: dict[str, float] = {}
    if peers:
        ratios = {
            name: median(each[name] / each["neurogym new_trial"] for each in rounds)
            for name in rates
            if name not in peers
        }
        content |= {
            "neurogym": metadata.version("neurogym"),
            "ratio_to_new_trial": {name: round(value, 1) for name, value in ratios.items()},
            "bar": BAR,
            "passed": content["passed"] and max(ratios.values()) >= BAR,
        }
    if arguments.json:
        print(json.dumps(content))
    else:
        for name, value in rates.items():
            ratio = f"  {ratios[name]:5.1f} times new_trial" if name in ratios else ""
            print(f"  {name:23} {value:10,.0f} trials/s{ratio}")
        print(f"  50,000 in one call have {large:.2f} of the rate of 2,048 (bar {LARGE_BAR})")
    raise SystemExit(0 if content["passed"] else 1)


if __name__ == "__main__":
    main()
