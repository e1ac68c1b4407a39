"""The 20 cognitive tasks of Yang et al. 2019 as NeuroGym's collection `yang19` defines them.

References
----------
Yang, Joglekar, Song, Newsome, Wang, "Task representations in neural networks trained to perform many cognitive
tasks", Nature Neuroscience 22, 2019, doi:10.1038/s41593-018-0310-2. NeuroGym: Molano-Mazón et al. 2022,
doi:10.31234/osf.io/aqc9n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from neuromod.tasks.design import (
    DECISION,
    DELAY,
    FIXATION,
    PERIODS,
    RING,
    STIMULUS_1,
    STIMULUS_2,
    THETA,
    Design,
    concatenate,
)
from neuromod.tasks.trials import Array

Family = Literal["reach", "decision", "delayed decision", "match"]
Semantics = Literal["go-cue", "neurogym-2.3"]

# Longest dt at which no period vanishes: the decision of the decision families lasts 200 ms.
MAX_DT_MS = 200

COHERENCES = np.array([0.08, 0.16, 0.32, 0.64])
STRENGTHS = np.array([0.3, 0.6, 1.0])
# Ordered pairs of different strengths.
_PAIRS = np.array([(a, b) for a in STRENGTHS for b in STRENGTHS if a != b])


@dataclass(frozen=True)
class Task:
    """One task: its family and what distinguishes it there.

    Parameters
    ----------
    name : str
        As in NeuroGym, without ``yang19.`` and ``-v0``.
    family : str
        Which generator makes it.
    asks : str
        What the subject must do, in one line.
    anti, reaction : bool
        Reach: answer opposite to the stimulus; answer as soon as it appears.
    delay_ms : int
        Reach: time between stimulus and decision.
    shown : (bool, bool)
        Decisions: rings on which stimuli are shown.
    weights : (int, int)
        Decisions: rings that count.
    category : bool
        Match: compare halves of the ring instead of positions.
    go_on_match : bool
        Match: answer on a match, or on a non-match.
    """

    name: str
    family: Family
    asks: str
    anti: bool = False
    reaction: bool = False
    delay_ms: int = 0
    shown: tuple[bool, bool] = (True, True)
    weights: tuple[int, int] = (1, 1)
    category: bool = False
    go_on_match: bool = True


_STRONGER = "answer with the position of the stronger of two stimuli"
_STRONGER_LATER = "compare two stimuli one second apart, answer with the position of the stronger"

TASKS = (
    Task("go", "reach", "answer with the position of the stimulus"),
    Task("rtgo", "reach", "answer with the position of the stimulus as soon as it appears", reaction=True),
    Task("dlygo", "reach", "remember the stimulus through a delay, answer with its position", delay_ms=500),
    Task("anti", "reach", "answer opposite to the stimulus", anti=True),
    Task("rtanti", "reach", "answer opposite to the stimulus as soon as it appears", anti=True, reaction=True),
    Task("dlyanti", "reach", "remember the stimulus through a delay, answer opposite to it", anti=True, delay_ms=500),
    Task("dm1", "decision", f"{_STRONGER} on ring 1", shown=(True, False)),
    Task("dm2", "decision", f"{_STRONGER} on ring 2", shown=(False, True)),
    Task("ctxdm1", "decision", f"{_STRONGER} on ring 1, ignoring ring 2", weights=(1, 0)),
    Task("ctxdm2", "decision", f"{_STRONGER} on ring 2, ignoring ring 1", weights=(0, 1)),
    Task("multidm", "decision", f"{_STRONGER}, both rings taken together"),
    Task("dlydm1", "delayed decision", f"{_STRONGER_LATER} on ring 1", shown=(True, False)),
    Task("dlydm2", "delayed decision", f"{_STRONGER_LATER} on ring 2", shown=(False, True)),
    Task("ctxdlydm1", "delayed decision", f"{_STRONGER_LATER} on ring 1, ignoring ring 2", weights=(1, 0)),
    Task("ctxdlydm2", "delayed decision", f"{_STRONGER_LATER} on ring 2, ignoring ring 1", weights=(0, 1)),
    Task("multidlydm", "delayed decision", f"{_STRONGER_LATER}, both rings taken together"),
    Task("dms", "match", "answer with the second position if it equals the first, else keep fixating"),
    Task("dnms", "match", "answer with the second position unless it equals the first", go_on_match=False),
    Task("dmc", "match", "answer with the second position if it is in the first's half of the ring", category=True),
    Task(
        "dnmc",
        "match",
        "answer with the second position unless it is in the first's half of the ring",
        category=True,
        go_on_match=False,
    ),
)


def draw(
    tasks: Sequence[Task], task: Array, rule: Array, *, dt_ms: int, semantics: Semantics, rng: np.random.Generator
) -> Design:
    """Draw the parameters of trials.

    Unlike NeuroGym, which alternates strictly, the ring of a reach or match trial is drawn for each trial.

    Parameters
    ----------
    tasks : sequence of Task
        Tasks that `task` counts.
    task, rule : (n,) int64
        Task and rule unit of each trial.
    dt_ms : int
        Time step; periods are floored to multiples of it.
    semantics : {"go-cue", "neurogym-2.3"}
        Whether the fixation cue stays on until the decision, as in NeuroGym up to 2.0.0, or, in the decision and match
        families, goes off after the fixation period, as from 2.1.0.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Design
        Of `n` trials, in the order of `task`.
    """
    families = np.array([item.family for item in tasks])[task]
    parts, origin = [], []
    for family, draw_family in _FAMILIES.items():
        rows = np.nonzero(families == family)[0]
        if len(rows):
            chosen = [tasks[i] for i in task[rows]]
            parts.append(draw_family(chosen, task[rows], rule[rows], dt_ms, semantics, rng))
            origin.append(rows)
    return concatenate(parts).take(np.argsort(np.concatenate(origin), kind="stable"))


def _draw_reach(
    chosen: Sequence[Task], task: Array, rule: Array, dt_ms: int, semantics: Semantics, rng: np.random.Generator
) -> Design:
    n = len(chosen)
    reaction = np.array([item.reaction for item in chosen])
    anti = np.array([item.anti for item in chosen])
    delay_ms = np.array([item.delay_ms for item in chosen])
    target = rng.integers(RING, size=n)
    steps = np.zeros((n, len(PERIODS)), np.int64)
    steps[:, FIXATION] = steps[:, DECISION] = 500 // dt_ms
    steps[:, STIMULUS_1] = np.where(reaction, 0, 500 // dt_ms)
    steps[:, DELAY] = np.where(reaction, 0, delay_ms // dt_ms)
    design = _blank(task, rule, steps)
    design.bump_period[:, 0] = np.where(reaction, DECISION, STIMULUS_1)
    design.bump_ring[:, 0] = rng.integers(2, size=n)
    design.bump_angle[:, 0] = THETA[(target + anti * (RING // 2)) % RING]
    design.bump_strength[:, 0] = 1
    design.response[:] = target
    return design


def _draw_decision(
    chosen: Sequence[Task], task: Array, rule: Array, dt_ms: int, semantics: Semantics, rng: np.random.Generator
) -> Design:
    n = len(chosen)
    stimulus_ms = np.full(n, 500)
    if semantics == "neurogym-2.3":
        # From 2.1.0 on dm1, and dm1 alone, has stimuli of three lengths.
        stimulus_ms = np.where([item.name == "dm1" for item in chosen], rng.choice([200, 400, 600], n), stimulus_ms)
    coherence = rng.choice(COHERENCES, (n, 2)) * rng.choice([-1, 1], (n, 2))
    strengths = np.stack([0.5 + coherence / 2, 0.5 - coherence / 2], axis=2)
    steps = np.zeros((n, len(PERIODS)), np.int64)
    steps[:, STIMULUS_1] = stimulus_ms // dt_ms
    return _decision(chosen, task, rule, steps, strengths, (STIMULUS_1, STIMULUS_1), dt_ms, semantics, rng)


def _draw_delayed_decision(
    chosen: Sequence[Task], task: Array, rule: Array, dt_ms: int, semantics: Semantics, rng: np.random.Generator
) -> Design:
    n = len(chosen)
    strengths = _PAIRS[rng.integers(len(_PAIRS), size=(n, 2))]
    steps = np.zeros((n, len(PERIODS)), np.int64)
    steps[:, STIMULUS_1] = steps[:, STIMULUS_2] = 500 // dt_ms
    steps[:, DELAY] = 1000 // dt_ms
    return _decision(chosen, task, rule, steps, strengths, (STIMULUS_1, STIMULUS_2), dt_ms, semantics, rng)


def _decision(
    chosen: Sequence[Task],
    task: Array,
    rule: Array,
    steps: Array,
    strengths: Array,
    periods: tuple[int, int],
    dt_ms: int,
    semantics: Semantics,
    rng: np.random.Generator,
) -> Design:
    """Decide between two positions; `strengths` is (trial, ring, position)."""
    n = len(chosen)
    first = rng.integers(RING, size=n)
    second = (first + rng.integers(1, RING, size=n)) % RING
    steps[:, FIXATION] = rng.uniform(200, 500, n) // dt_ms
    steps[:, DECISION] = 200 // dt_ms
    design = _blank(task, rule, steps)
    design.bump_period[:] = [periods[0], periods[1], periods[0], periods[1]]
    design.bump_ring[:] = [0, 0, 1, 1]
    design.bump_angle[:] = THETA[np.stack([first, second, first, second], axis=1)]
    shown = np.array([item.shown for item in chosen])[:, :, None]
    design.bump_strength[:] = (strengths * shown).reshape(n, 4)
    weights = np.array([item.weights for item in chosen])[:, :, None]
    evidence = (strengths * shown * weights).sum(axis=1)
    # Ties are decided by chance, as NeuroGym's jitter of 1e-6 does.
    first_wins = evidence[:, 0] + rng.uniform(-1e-6, 1e-6, n) > evidence[:, 1]
    design.response[:] = np.where(first_wins, first, second)
    design.noisy[:] = [semantics == "go-cue", True, True]
    if semantics == "neurogym-2.3":
        design.cue[:, FIXATION + 1 :] = False
    return design


def _draw_match(
    chosen: Sequence[Task], task: Array, rule: Array, dt_ms: int, semantics: Semantics, rng: np.random.Generator
) -> Design:
    n = len(chosen)
    half = RING // 2
    category = np.array([item.category for item in chosen])
    match = rng.integers(2, size=n).astype(bool)
    sample = rng.integers(RING, size=n)
    # Position 8 counts as the first half as a sample and as the second as a test, in every version of NeuroGym.
    test_half = (sample > half) ^ ~match
    test = np.where(category, rng.integers(half, size=n) + half * test_half, (sample + half * ~match) % RING)
    steps = np.broadcast_to(np.array([300, 500, 1000, 500, 900]) // dt_ms, (n, len(PERIODS))).astype(np.int64)
    design = _blank(task, rule, steps)
    ring = rng.integers(2, size=n)
    design.bump_period[:, :2] = [STIMULUS_1, STIMULUS_2]
    design.bump_ring[:, :2] = ring[:, None]
    design.bump_angle[:, :2] = THETA[np.stack([sample, test], axis=1)]
    design.bump_strength[:, :2] = 1
    design.response[:] = np.where(match == [item.go_on_match for item in chosen], test, -1)
    design.noisy[:, 1:] = ring[:, None] == [0, 1]
    if semantics == "neurogym-2.3":
        design.cue[:, FIXATION + 1 :] = False
    return design


def _blank(task: Array, rule: Array, steps: Array) -> Design:
    """Trials of given length without stimulus, noise and response, the cue on until the decision."""
    n = len(task)
    cue = np.ones((n, len(PERIODS)), bool)
    cue[:, DECISION] = False
    return Design(
        task=task,
        rule=rule,
        steps=steps,
        cue=cue,
        bump_period=np.full((n, 4), STIMULUS_1),
        bump_ring=np.zeros((n, 4), np.int64),
        bump_angle=np.zeros((n, 4)),
        bump_strength=np.zeros((n, 4)),
        noisy=np.zeros((n, 3), bool),
        response=np.full(n, -1),
    )


_FAMILIES = {
    "reach": _draw_reach,
    "decision": _draw_decision,
    "delayed decision": _draw_delayed_decision,
    "match": _draw_match,
}
