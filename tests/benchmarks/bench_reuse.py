"""Modules used again: networks that know 12 of the 20 tasks learn the other 8.

Run it with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_reuse.py [--seeds 0-4]``; what has been measured is kept,
so it goes on where it stopped, and several seeds may be measured at a time. ``--kept FOLDER`` keeps what has been
trained, and ``--train WAY`` does no more than that, for a machine of many cores. Networks of 256 neurons learn the 12
tasks of a split without a penalty, with L1 and with BIMT, at λ of about equal error on all 20 (docs/tables/pareto.csv).
Then each learns the other 8: *frozen*, only input and readout rows learn; *all*, everything does, at the same λ; and,
as a control, *scratch*, the same training from a new network. In each split the 8 ask for nothing that
some of the 12 do not ask for, too: a memory, the opposite, a comparison, a context, a match, a category.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from scipy import stats
from tables import Table, machine, markdown

import neuromod
from neuromod import metrics
from neuromod.network import Network
from neuromod.tasks import generate, resolve

TABLE = Table("reuse", "OMP_NUM_THREADS=1 python tests/benchmarks/bench_reuse.py", ("numpy", "torch"))
METHODS: dict[str, dict[str, Any]] = {
    "none": {"wiring.regularizer": "none"},
    "l1": {"wiring.regularizer": "l1", "wiring.strength": 0.01},
    "bimt": {"wiring.regularizer": "bimt", "wiring.strength": 0.2},
}
SPLITS = {
    "ring 2 and opposites": "dlyanti,rtanti,dm2,ctxdm2,dlydm2,ctxdlydm2,dnms,dmc",
    "contexts and delays": "dlygo,anti,ctxdm1,multidm,dlydm1,ctxdlydm2,dms,dnmc",
}
NEURONS, FIRST, SECOND, TRIALS = 256, 12000, 4000, 200
GOAL = 0.9


@dataclass(frozen=True)
class Lengths:
    """Steps of both trainings."""

    first: int = FIRST
    second: int = SECOND
    neurons: int = NEURONS


@dataclass(frozen=True)
class Case:
    """One row."""

    split: str
    method: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.split}, {self.method}, seed {self.seed}"


MATCH = ("dms", "dnms", "dmc", "dnmc")


def family(task: str) -> str:
    """Reach, decision or match."""
    return "match" if task in MATCH else "decision" if "dm" in task else "reach"


def parts(split: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the 12 and of the 8 tasks."""
    new = resolve(SPLITS[split])
    return tuple(task for task in resolve("yang19") if task not in new), new


def error(network: Network, names: tuple[str, ...]) -> float:
    """Mean error on tasks, known to the network or not."""
    return 1 - metrics.evaluate(network, generate(names, TRIALS * len(names), seed=2**62)).accuracy


def wiring(network: Network) -> dict[str, float]:
    """Synapses and hops of the network after pruning on the tasks that it says it knows."""
    pruned = neuromod.prune(network, seed=0).network
    placement = neuromod.place(pruned, cores=(4, 4), neurons_per_core=16 * network.n // 256 or 1, seed=0)
    hops = neuromod.estimate(pruned, placement).summary["hops_per_step"]
    return {"synapses": pruned.n_synapses, "hops": round(float(hops), 2)}


@dataclass(frozen=True)
class Learned:
    """A trained network, and how that went."""

    network: Network
    reached: int | None
    cpu_seconds: float
    machine: str


def learn(names: tuple[str, ...], steps: int, seed: int, neurons: int, start: Network | None, more: Any) -> Learned:
    """Train, and tell the first logged step at which 0.9 of the trials since the last were answered rightly."""
    reached: list[int] = []

    def look(progress: Any) -> None:
        if progress.accuracy >= GOAL:
            reached.append(progress.step)

    begun = time.process_time()
    network = neuromod.train(
        tasks=names, neurons=neurons, steps=steps, seed=seed, start=start,
        more={"training.log_every": 50, **more}, on_step=look,
    )  # fmt: skip
    return Learned(network, reached[0] if reached else None, round(time.process_time() - begun, 1), machine())


WITHOUT_RAMP = {"wiring.ramp_from": 0.0, "wiring.ramp_to": 0.0}
# What each way of learning the 8 tells `train`, and whether it starts from what knows the 12.
WAYS: dict[str, tuple[dict[str, Any], bool]] = {
    "frozen": ({"start.freeze": ("recurrent",), "wiring.swap_every": 0, **WITHOUT_RAMP}, True),
    "all": (WITHOUT_RAMP, True),
    "scratch": ({}, False),
}


def learned(case: Case, way: str, lengths: Lengths, kept: Path | None) -> Learned:
    """Train the 12 (``before``) or the 8 in one of the ways, or read what was kept of it."""
    stem = f"{case.key}, {way}".replace(", ", "-").replace(" ", "_")
    file = None if kept is None else kept / f"{stem}.safetensors"
    if file is not None and file.with_suffix(".json").exists():
        said = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        return Learned(network=Network.load(file), **said)
    old, new = parts(case.split)
    if way == "before":
        found = learn(old, lengths.first, case.seed, lengths.neurons, None, METHODS[case.method])
    else:
        more, goes_on = WAYS[way]
        start = learned(case, "before", lengths, kept).network if goes_on else None
        found = learn(new, lengths.second, case.seed, lengths.neurons, start, {**METHODS[case.method], **more})
    if file is not None:
        found.network.save(file)
        said = {name: value for name, value in vars(found).items() if name != "network"}
        file.with_suffix(".json").write_text(json.dumps(said), encoding="utf-8")
    return found


def lesions(before: Network, after: Network, old: tuple[str, ...], new: tuple[str, ...]) -> dict[str, float]:
    """Silence, for each new task, the cluster that it needs most: accuracy that old tasks, of its family or not, lose.

    Clusters are those of the network that learned the new tasks; the old ones are asked of the network that knew them,
    whose neurons are the same where recurrence was frozen.
    """
    found = neuromod.analyze(after, trials_per_task=50, permutations=100, nulls=2)
    if found.clusters is None:
        return {"clusters": 0, "kin_lose": 0.0, "others_lose": 0.0}
    labels, neurons = found.clusters.labels, found.active

    def score(network: Network, names: tuple[str, ...], group: Any) -> dict[str, float]:
        kept = network.subset(np.setdiff1d(np.arange(network.n), group)) if len(group) else network
        return metrics.evaluate(kept, generate(names, 100 * len(names), seed=2**61)).accuracy_per_task

    whole = {**score(before, old, []), **score(after, new, [])}
    lost: list[dict[str, float]] = []
    for cluster in range(int(labels.max()) + 1):
        group = neurons[labels == cluster]
        without = {**score(before, old, group), **score(after, new, group)}
        lost.append({task: whole[task] - without[task] for task in whole})
    kin, others = [], []
    for task in new:
        worst = max(lost, key=lambda drop: drop[task])
        kin += [worst[other] for other in old if family(other) == family(task)]
        others += [worst[other] for other in old if family(other) != family(task)]
    return {"clusters": len(lost), "kin_lose": round(mean(kin), 4), "others_lose": round(mean(others), 4)}


def measure(case: Case, lengths: Lengths, kept: Path | None) -> dict[str, Any]:
    """Learn 12, then 8, in three ways."""
    old, new = parts(case.split)
    first = learned(case, "before", lengths, kept)
    before = first.network
    row: dict[str, Any] = {"first_error": round(error(before, old), 4), **wiring(before)}
    done = [first]
    for way in WAYS:
        done.append(learned(case, way, lengths, kept))
        after = done[-1].network
        row[way] = {
            "error": round(error(after, new), 4),
            "steps_to_goal": done[-1].reached,
            "old_error": round(error(after, old), 4),
        }
        if way == "all":
            row[way] |= wiring(after)
        if way == "frozen":
            row[way] |= lesions(before, after, old, new)
    trained_on = sorted({each.machine for each in done})
    return {**row, "cpu_seconds": round(sum(each.cpu_seconds for each in done)), "trained_on": trained_on}


def interval(values: list[float], digits: int = 4) -> str:
    """Mean and its 95 % interval by Student's t."""
    if len(values) < 2:
        return f"{values[0]:,.{digits}f}" if values else "–"
    return f"{mean(values):,.{digits}f} ± {bounds(values)[1] - mean(values):,.{digits}f}"


def steps_to_goal(way: dict[str, Any]) -> int:
    """Steps to 0.9 accuracy, or all that there were."""
    return way["steps_to_goal"] or SECOND


def differences(
    rows: Mapping[str, Any], split: str, other: str, value: Callable[[Mapping[str, Any]], float]
) -> list[float]:
    """What BIMT has more than another penalty, seed by seed."""
    seeds = [key.rpartition(" ")[2] for key in rows if key.startswith(f"{split}, bimt, ")]
    pairs = [(f"{split}, bimt, seed {seed}", f"{split}, {other}, seed {seed}") for seed in seeds]
    return [value(rows[one]) - value(rows[two]) for one, two in pairs if two in rows]


def bounds(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of the mean by Student's t."""
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def write() -> None:
    """Write the tables: each method along what it was asked, and the differences of BIMT, seed by seed."""
    rows = TABLE.read()["rows"]
    learned, kept, modules, paired = [], [], [], []
    for split in SPLITS:
        of: dict[str, dict[str, Any]] = {method: {} for method in METHODS}
        for key, row in rows.items():
            at, method, seed = key.split(", ")
            if at == split:
                of[method][seed] = row
        for method, group in of.items():
            if not group:
                continue
            each = list(group.values())
            steps = {way: [float(steps_to_goal(row[way])) for row in each] for way in ("frozen", "all", "scratch")}
            learned.append(
                [split, method, len(each), interval([row["first_error"] for row in each])]
                + [
                    text
                    for way in ("frozen", "all", "scratch")
                    for text in (interval(steps[way], 0), interval([row[way]["error"] for row in each]))
                ]
            )
            kept.append(
                [split, method, interval([row["all"]["old_error"] for row in each])]
                + [interval([row["frozen"]["old_error"] for row in each])]
                + [interval([row["all"][key] - row[key] for row in each], 1) for key in ("synapses", "hops")]
                + [interval([row[key] for row in each], 1) for key in ("synapses", "hops")]
            )
            modules.append(
                [split, method, interval([row["frozen"]["clusters"] for row in each], 1)]
                + [interval([row["frozen"][key] for row in each]) for key in ("kin_lose", "others_lose")]
            )
    for split, other in ((split, other) for split in SPLITS for other in ("none", "l1")):
        told = [
            differences(rows, split, other, value)
            for value in (
                lambda row: row["frozen"]["error"],
                lambda row: row["all"]["error"],
                lambda row: row["frozen"]["old_error"],
                lambda row: row["all"]["old_error"],
                lambda row: float(steps_to_goal(row["frozen"])),
                lambda row: float(steps_to_goal(row["all"])),
            )
        ]
        if len(told[0]) > 1:
            paired.append([split, other, len(told[0])])
            paired[-1] += [interval(each, 4 if number < 4 else 0) for number, each in enumerate(told)]
    header = ["split", "penalty", "seeds", "error on the 12"]
    header += [f"{way}: {what}" for way in ("frozen", "all", "scratch") for what in ("steps to 0.9", "error on the 8")]
    less = ["split", "BIMT less", "seeds", "error, frozen", "error, all"]
    less += ["old error, frozen", "old error, all", "steps, frozen", "steps, all"]
    forgotten = ["split", "penalty", "error on the 12 after: all", "frozen", "synapses more", "hops more"]
    forgotten += ["synapses before", "hops before"]
    lesioned = ["split", "penalty", "clusters", "lost by old tasks of the family", "lost by the others"]
    elsewhere = [row["trained_on"] for row in rows.values() if "trained_on" in row]
    machines = sorted({name for names in elsewhere for name in names})
    TABLE.write(
        "**The 8 new tasks**", markdown(header, learned), "**BIMT against the others, seed by seed**",
        markdown(less, paired), "**What it costs**", markdown(forgotten, kept),
        "**Without the cluster that a new task needs most**", markdown(lesioned, modules),
        f"Of {len(rows)} rows, the networks of {len(elsewhere)} were trained on {' and '.join(machines)}.",
    )  # fmt: skip


def main() -> None:
    """Measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="0-4", help="as 0-4 or 3")
    parser.add_argument("--only", default="", help="a part of a row's name")
    parser.add_argument("--kept", type=Path, help="folder for what has been trained")
    parser.add_argument("--train", choices=["before", *WAYS], help="train this and keep it, no more")
    parser.add_argument("--try-out", action="store_true", help="tiny trainings, printed and not kept")
    options = parser.parse_args()
    if options.kept is not None:
        options.kept.mkdir(parents=True, exist_ok=True)
    first, _, last = options.seeds.partition("-")
    cases = [
        Case(split, method, seed)
        for seed in range(int(first), int(last or first) + 1)
        for split in SPLITS
        for method in METHODS
    ]
    for case in cases:
        if options.only not in case.key:
            continue
        if options.try_out:
            print(case.key, measure(case, Lengths(first=60, second=40, neurons=64), options.kept))
        elif options.train:
            learned(case, options.train, Lengths(), options.kept)
        else:
            TABLE.row(case.key, lambda case=case: measure(case, Lengths(), options.kept))  # type: ignore[misc]
    if not (options.try_out or options.train):
        write()


if __name__ == "__main__":
    main()
