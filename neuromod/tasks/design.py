"""What a task is (`Task`), what happens in each trial of a batch (`Design`), and how the latter is drawn.

Drawing is separate from rendering, so that trials recorded elsewhere can be rendered and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Literal

import numpy as np

from neuromod.trials import Array

RING = 16

# Every trial is a sequence of these; some have no length.
PERIODS = ("fixation", "stimulus 1", "delay", "stimulus 2", "decision")
FIXATION, STIMULUS_1, DELAY, STIMULUS_2, DECISION = range(len(PERIODS))

Family = Literal["reach", "decision", "delayed decision", "match"]

COHERENCES = np.array([0.08, 0.16, 0.32, 0.64])
# Ordered pairs of different strengths.
STRENGTH_PAIRS = np.array([(a, b) for a in (0.3, 0.6, 1.0) for b in (0.3, 0.6, 1.0) if a != b])


@dataclass(frozen=True)
class Task:
    """One task, completely: two tasks that differ in anything differ here.

    Parameters
    ----------
    name : str
        Its name.
    asks : str
        What the subject must do, in one line.
    family : {"reach", "decision", "delayed decision", "match"}
        Answer where a stimulus is; where the stronger of two is, shown together or one after the other; where the
        second of two is, if it matches the first.
    timing_ms : tuple of 5 ranges
        Lengths in milliseconds from which that of each of `PERIODS` is drawn. As time steps are whole milliseconds,
        a range of whole milliseconds stands for a continuous interval.
    long_cue : bool
        The fixation cue is on until the decision, else only in the fixation period.
    noisy_cue : bool
        Decisions: the fixation channel is noisy in the stimulus periods, as the rings are.
    anti : bool
        Reach: the stimulus is opposite to the answer.
    shown, weights : (int, int)
        Decisions: rings that show stimuli, and rings that count.
    category : bool
        Match: halves of the ring are compared, not positions.
    go_on_match : bool
        Match: answer on a match, else on a non-match.
    integrate : {-1, 0, 1}
        Mod-Cog: the answer is displaced in proportion to the delay, to the left or right.
    sequence : {-1, 0, 1}
        Mod-Cog: the answer moves on the ring during the decision, to the left or right.
    strict : bool
        Mod-Cog: with what its published code does otherwise than meant, see `neuromod.tasks.modcog`.
    origin : str
        Mod-Cog: name of the yang19 task that it is made from; its stimuli are as noisy and as hard to tell apart.
    """

    name: str
    asks: str
    family: Family
    timing_ms: tuple[range, range, range, range, range]
    long_cue: bool = True
    noisy_cue: bool = True
    anti: bool = False
    shown: tuple[int, int] = (1, 1)
    weights: tuple[int, int] = (1, 1)
    category: bool = False
    go_on_match: bool = True
    integrate: int = 0
    sequence: int = 0
    strict: bool = False
    origin: str = ""

    def steps(self, dt_ms: int) -> tuple[int, int]:
        """Length of the shortest and the longest trial in time steps of `dt_ms`."""
        shortest = sum(lengths[0] // dt_ms for lengths in self.timing_ms)
        return shortest, sum(lengths[-1] // dt_ms for lengths in self.timing_ms)


@dataclass(frozen=True, eq=False)
class Design:
    """Parameters of n trials: everything about them but the noise.

    Parameters
    ----------
    task : (n,) int64
        Index of each trial's task in the tasks asked for.
    rule : (n,) int64
        Index of the rule unit that is on.
    durations_ms : (n, 5) int64
        Length of each of `PERIODS` in ms, before it is floored to whole time steps.
    positions : (n, 2) int64
        Ring positions, 0 to 15: of the answer, twice (reach), of both stimuli (decisions), of sample and test (match).
    strengths : (n, 2, 2) float64
        Strength with which each ring (second axis) shows a stimulus at each of `positions` (third axis); 0 = none.
    match : (n,) bool
        Match: whether the test matches the sample.
    coin : (n,) bool
        Decisions: whether the first wins if both are equally strong.
    """

    task: Array
    rule: Array
    durations_ms: Array
    positions: Array
    strengths: Array
    match: Array
    coin: Array

    def __len__(self) -> int:
        return len(self.task)


@cache
def columns(tasks: tuple[Task, ...]) -> Mapping[str, Array]:
    """Fields of the tasks as arrays with one row per task; `timing_ms` as (k, 5, 3): start, step, count."""
    found = {item.name: [getattr(task, item.name) for task in tasks] for item in fields(Task)}
    found["timing_ms"] = [[(r.start, r.step, len(r)) for r in task.timing_ms] for task in tasks]
    return {name: np.array(values) for name, values in found.items()}


def draw(tasks: tuple[Task, ...], task: Array, rule: Array, rng: np.random.Generator, *, ring: int = RING) -> Design:
    """Draw what happens in each trial.

    NeuroGym alternates the ring of reach and match trials strictly; here it is drawn for each trial.

    Parameters
    ----------
    tasks : tuple of Task
        Tasks that `task` counts.
    task, rule : (n,) int64
        Task and rule unit of each trial.
    rng : numpy.random.Generator
        Source of randomness.
    ring : int, default 16
        Positions that there are: every 16 / `ring`-th.
    """
    n, half, stride = len(task), RING // 2, RING // ring
    # Every trial draws every number, needed or not: cheaper than sorting trials by family, and easier to follow.
    of = {name: values[task] for name, values in columns(tasks).items()}
    decision, delayed, matching = (of["family"] == name for name in ("decision", "delayed decision", "match"))

    shown = rng.integers(2, size=n)
    when = rng.random((n, len(PERIODS)))
    # Published Mod-Cog draws the delay of a match task once, for each ring, and keeps it.
    held = of["strict"] & matching & (of["integrate"] == 0)
    if held.any():
        when[held, DELAY] = rng.random((len(tasks), 2))[task, shown][held]
    start, step, count = np.moveaxis(of["timing_ms"], 2, 0)
    durations_ms = start + step * (when * count).astype(np.int64)

    first = stride * rng.integers(ring, size=n)
    match = rng.integers(2, size=n).astype(bool)
    other = (first + stride * rng.integers(1, ring, size=n)) % RING
    # Position 8 counts to the lower half as a sample and to the upper as a test, in every version of NeuroGym.
    in_category = stride * rng.integers(half // stride, size=n) + half * ((first > half) ^ ~match)
    test = np.where(of["category"], in_category, (first + half * ~match) % RING)
    second = np.where(matching, test, np.where(decision | delayed, other, first))

    alone = np.stack([np.ones(n), matching], axis=1)[:, None, :] * (shown[:, None] == [0, 1])[:, :, None]
    coherence = rng.choice(COHERENCES, (n, 2)) * rng.choice([-0.5, 0.5], (n, 2))
    together = np.stack([0.5 + coherence, 0.5 - coherence], axis=2) * of["shown"][:, :, None]
    apart = STRENGTH_PAIRS[rng.integers(len(STRENGTH_PAIRS), size=(n, 2))] * of["shown"][:, :, None]
    return Design(
        task=task,
        rule=rule,
        durations_ms=durations_ms,
        positions=np.stack([first, second], axis=1),
        strengths=np.select([decision[:, None, None], delayed[:, None, None]], [together, apart], alone),
        match=match,
        coin=rng.integers(2, size=n).astype(bool),
    )
