"""The accuracy that no subject can exceed: that of an ideal observer of the noisy stimuli.

The observer knows the task, when each period begins and how everything is drawn, but neither positions nor strengths.
It weighs all of them by Bayes' rule and answers with the most probable position. It cannot know who wins a tie, which
chance decides, or a small difference that the noise hides. ``python -m neuromod.tasks.ceilings`` writes the table.

A task of Mod-Cog has the ceiling of the yang19 task that it is made from: its stimuli are the same, and what it does to
the answer follows from what can be seen without noise.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.files import write_json
from neuromod.tasks.catalogue import SEMANTICS, find
from neuromod.tasks.design import COHERENCES, RING, STIMULUS_1, STIMULUS_2, STRENGTH_PAIRS, Design, Task, draw
from neuromod.tasks.rendering import THETA, bump, render
from neuromod.trials import Array, Trials

SCHEMA = "neuromod/ceilings/1"
SEED = 0
TRIALS = 200_000
DT_MS = 100
_CHUNK = 1000


def ceiling(name: str, semantics: str = "go-cue") -> float:
    """Accuracy of the ideal observer, from the table.

    Parameters
    ----------
    name : str
        A task.
    semantics : {"go-cue", "neurogym-2.3"}
        What the tasks of yang19 mean.

    Returns
    -------
    float
        The accuracy, a share.

    Raises
    ------
    UsageError
        If there is no such task.

    Examples
    --------
    >>> from neuromod.tasks.ceilings import ceiling
    >>> ceiling("go"), ceiling("multidm") < 0.93
    (1.0, True)
    """
    (task, *others), _, _ = find([name], semantics=semantics)
    if others:
        raise UsageError(f"{name} is a collection; its tasks have a ceiling each")
    return float(_table()["ceilings"][semantics][task.origin or task.name])


@cache
def _table() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(files("neuromod.tasks").joinpath("ceilings.json").read_text(encoding="utf-8"))
    return content


def observe(task: Task, n_trials: int, *, seed: int, dt_ms: int = DT_MS) -> tuple[Array, Array]:
    """Let the ideal observer do trials of one task.

    Parameters
    ----------
    task : Task
        The task.
    n_trials : int
        Number of trials.
    seed : int
        Seed of the trials.
    dt_ms : int, default 100
        Time step in ms.

    Returns
    -------
    confidence : (n_trials,) float64
        Probability of its answer given what it saw; the mean is the ceiling, with less variance than the share of right
        answers, which has the same expectation.
    right : (n_trials,) bool
        Whether the answer was right.
    """
    # What Mod-Cog does to the answer is known to the observer, and undone.
    task = replace(task, integrate=0, sequence=0, strict=False)
    rng = np.random.default_rng(seed)
    confidence, right = [], []
    for start in range(0, n_trials, _CHUNK):
        zeros = np.zeros(min(_CHUNK, n_trials - start), np.int64)
        design = draw((task,), zeros, zeros, rng)
        trials = render(design, (task,), n_rules=1, dt_ms=dt_ms, rng=rng)
        belief = _belief(task, design, trials, dt_ms)
        confidence.append(belief.max(axis=1))
        right.append(belief.argmax(axis=1) == trials.answers)
    return np.concatenate(confidence), np.concatenate(right)


def _belief(task: Task, design: Design, trials: Trials, dt_ms: int) -> Array:
    """Probability of each class given what was seen, (n, 17)."""
    if task.family == "reach":
        # Without noise the stimulus tells all.
        return np.eye(RING + 1)[trials.answers]
    pairs, classes, options, first_wins = _hypotheses(task)
    ends = (design.durations_ms // dt_ms).cumsum(axis=1)
    time = np.arange(len(trials.inputs))[:, None]
    # Sum over each stimulus period, projected on the bump at each position: (n, ring, position).
    templates = bump(THETA, np.ones(RING))
    seen, steps = [], []
    for period in (STIMULUS_1, STIMULUS_2 if task.family != "decision" else STIMULUS_1):
        during = (time >= ends[:, period - 1]) & (time < ends[:, period])
        total = np.einsum("tn,tnc->nc", during.astype(float), trials.inputs[:, :, 1 : 1 + 2 * RING].astype(float))
        seen.append(total.reshape(-1, 2, RING) @ templates)
        steps.append(during.sum(axis=0)[:, None, None])
    if task.family == "match":
        # One ring shows sample and test, and the other is silent: their sum tells the same.
        seen = [np.stack([part.sum(axis=1), 0 * part[:, 0]], axis=1) for part in seen]

    power = templates[0] @ templates[0]
    overlap = (templates @ templates)[pairs[:, 0], pairs[:, 1]][:, None] * (task.family == "decision")
    peaks, likelihoods = [], []
    for ring, (a, b) in enumerate(option.T for option in options):
        # The noise per step has the variance 1 / dt.
        signal = seen[0][:, ring, pairs[:, :1]] * a + seen[1][:, ring, pairs[:, 1:]] * b
        expected = steps[0] * (power * a**2 / 2 + overlap * a * b) + steps[1] * power * b**2 / 2
        log_likelihood = dt_ms * (signal - expected)
        peaks.append(log_likelihood.max(axis=2))
        likelihoods.append(np.exp(log_likelihood - peaks[-1][:, :, None]))
    peak = peaks[0] + peaks[1]
    weight = np.exp(peak - peak.max(axis=1, keepdims=True))
    won = weight * np.einsum("npa,npb,ab->np", *likelihoods, first_wins, optimize=True)
    lost = weight * likelihoods[0].sum(axis=2) * likelihoods[1].sum(axis=2) - won
    belief: Array = won @ np.eye(RING + 1)[classes[:, 0]] + lost @ np.eye(RING + 1)[classes[:, 1]]
    belief /= belief.sum(axis=1, keepdims=True)
    return belief


def _hypotheses(task: Task) -> tuple[Array, Array, list[Array], Array]:
    """All that a trial may be, equally probable.

    Returns
    -------
    pairs : (p, 2) int64
        Positions of the two stimuli.
    classes : (p, 2) int64
        Right answer if the first wins, if the second does.
    options : list of 2 arrays (c, 2) float64
        Strengths of the two stimuli on each ring.
    first_wins : (c, c) float64
        Probability that the first wins, for each option of the rings.
    """
    both = np.array(list(product(range(RING), repeat=2)))
    if task.family == "match":
        upper = both[:, 0] > RING // 2
        same = (both[:, 1] >= RING // 2) == upper if task.category else both[:, 0] == both[:, 1]
        pairs = both if task.category else both[same | ((both[:, 1] - both[:, 0]) % RING == RING // 2)]
        match = same[[RING * i + j for i, j in pairs]]
        answer = np.where(match == task.go_on_match, 1 + pairs[:, 1], 0)
        return pairs, np.stack([answer, answer], axis=1), [np.ones((1, 2)), np.zeros((1, 2))], np.ones((1, 1))
    pairs = both[both[:, 0] != both[:, 1]]
    coherence = np.concatenate([COHERENCES, -COHERENCES]) / 2
    together = np.stack([0.5 + coherence, 0.5 - coherence], axis=1)
    strengths = together if task.family == "decision" else STRENGTH_PAIRS
    options = [strengths if shown else np.zeros((1, 2)) for shown in task.shown]
    difference = [w * (option[:, 0] - option[:, 1]) for w, option in zip(task.weights, options, strict=True)]
    total = np.round(difference[0][:, None] + difference[1], 9)
    return pairs, 1 + pairs, options, (1 + np.sign(total)) / 2


def make_table() -> dict[str, Any]:
    """Compute the ceilings of yang19 with the seed and the number of trials that the table names."""
    ceilings: dict[str, dict[str, float]] = {}
    for semantics in SEMANTICS:
        tasks, _, _ = find("yang19", semantics=semantics)
        ceilings[semantics] = {task.name: round(float(observe(task, TRIALS, seed=SEED)[0].mean()), 4) for task in tasks}
    return {
        "schema": SCHEMA,
        "command": "python -m neuromod.tasks.ceilings",
        "seed": SEED,
        "trials_per_task": TRIALS,
        "dt_ms": DT_MS,
        "ceilings": ceilings,
    }


if __name__ == "__main__":
    write_json(Path(__file__).with_name("ceilings.json"), make_table())
