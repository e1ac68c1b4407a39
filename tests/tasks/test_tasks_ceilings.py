"""The ideal observer against formulas for simpler observers, and the table against the observer."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from scipy import stats

from neuromod.errors import UsageError
from neuromod.tasks import COLLECTIONS, find, generate
from neuromod.tasks.ceilings import ceiling, make_table, observe
from neuromod.tasks.design import COHERENCES
from neuromod.tasks.rendering import THETA, bump
from neuromod.tasks.yang19 import GO_CUE, NEUROGYM_2_3

TASKS = {task.name: task for task in GO_CUE}
TABLE = json.loads(files("neuromod.tasks").joinpath("ceilings.json").read_text())


def known_positions(steps):
    """Accuracy of an observer who is told both positions: the difference of the bumps is all that matters."""
    templates = bump(THETA, np.ones(16))
    apart = np.linalg.norm(templates[0] - templates[1:], axis=1)
    return stats.norm.cdf(COHERENCES[:, None] / 2 * apart * np.sqrt(steps) / 0.1).mean()


def told_only_what_is_seen(name, semantics, n=20000):
    """Share of right answers of a plain observer: find the two most likely positions, then compare their bumps."""
    (task,), _, _ = find(name, semantics=semantics)
    trials = generate(name, n, seed=8, semantics=semantics)
    clean = generate(name, n, seed=8, semantics=semantics, noise=False)
    shown = clean.inputs[:, :, 1:33].any(axis=2)
    ring = 0 if task.weights[0] and task.shown[0] else 1
    mean = (trials.inputs[:, :, 1:33] * shown[:, :, None]).sum(axis=0).reshape(n, 2, 16)[:, ring] / shown.sum(axis=0)[
        :, None
    ]
    templates = bump(THETA, np.ones(16))
    seen = mean @ templates
    pairs = np.array([(i, j) for i in range(16) for j in range(16) if i < j])
    power = ((templates[pairs[:, 0]] + templates[pairs[:, 1]]) ** 2).sum(axis=1)
    best = pairs[(0.5 * seen[:, pairs].sum(axis=2) - 0.125 * power).argmax(axis=1)]
    rows = np.arange(n)
    answer = 1 + np.where(seen[rows, best[:, 0]] > seen[rows, best[:, 1]], best[:, 0], best[:, 1])
    return (answer == trials.answers).mean()


@pytest.mark.parametrize(
    ("name", "semantics", "steps"),
    [
        ("dm1", "go-cue", [5]),
        ("dm2", "go-cue", [5]),
        ("ctxdm1", "go-cue", [5]),
        ("ctxdm2", "go-cue", [5]),
        ("dm1", "neurogym-2.3", [2, 4, 6]),
    ],
)
def test_decision_ceilings_lie_between_a_plain_observer_and_one_who_is_told_the_positions(name, semantics, steps):
    # Standard error of a ceiling: confidences spread by 0.1, so 0.0003; of the plain observer 0.0015.
    assert ceiling(name, semantics) < np.mean([known_positions(n) for n in steps]) + 0.001
    assert ceiling(name, semantics) > told_only_what_is_seen(name, semantics) - 0.005


def test_ties_alone_limit_the_delayed_decision_of_both_rings():
    # 6 of 36 pairs of ordered pairs cancel, and half of those are lost.
    assert ceiling("multidlydm") == pytest.approx(1 - 1 / 12, abs=0.002)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in {"multidlydm"} and name[-3:] != "dm1"])
def test_other_tasks(name):
    if TASKS[name].family in {"reach", "match", "delayed decision"}:
        assert ceiling(name) == 1
    else:
        assert 0.9 < ceiling(name) < 0.97


@pytest.mark.parametrize("name", ["dm1", "ctxdm2", "multidm", "multidlydm", "dms", "dnmc"])
def test_the_observer_is_as_right_as_it_believes(name):
    confidence, right = observe(TASKS[name], 4000, seed=3)
    spread = np.sqrt((confidence * (1 - confidence)).sum()) / 4000 + 1e-4
    assert abs(confidence.mean() - right.mean()) < 4 * spread
    assert abs(confidence.mean() - ceiling(name)) < 4 * confidence.std() / np.sqrt(4000) + 1e-4


def test_more_steps_of_the_same_stimulus_tell_no_more():
    # The noise per step grows as the steps get shorter.
    coarse, fine = (observe(TASKS["dm1"], 3000, seed=5, dt_ms=dt)[0].mean() for dt in (100, 20))
    assert coarse == pytest.approx(fine, abs=0.008)


def test_the_table_is_what_the_observer_gives(monkeypatch):
    # The whole table takes a minute; two tasks with fewer trials show that it is made this way.
    monkeypatch.setattr("neuromod.tasks.ceilings.TRIALS", 1000)
    monkeypatch.setattr("neuromod.tasks.ceilings.SEMANTICS", ("go-cue",))
    two = (TASKS["dm2"], TASKS["go"])
    monkeypatch.setattr("neuromod.tasks.ceilings.find", lambda names, semantics: (two, None, 20))
    made = make_table()
    assert made["trials_per_task"] == 1000
    assert set(made) == set(TABLE)
    expected = round(float(observe(TASKS["dm2"], 1000, seed=TABLE["seed"])[0].mean()), 4)
    assert made["ceilings"]["go-cue"] == {"dm2": expected, "go": 1.0}
    assert TABLE["ceilings"]["go-cue"]["dm2"] == pytest.approx(expected, abs=0.01)


def test_the_table_is_complete():
    assert list(TABLE["ceilings"]["go-cue"]) == [task.name for task in GO_CUE]
    assert list(TABLE["ceilings"]["neurogym-2.3"]) == [task.name for task in NEUROGYM_2_3]
    with pytest.raises(UsageError, match="no task or collection 'dm3'"):
        ceiling("dm3")


@pytest.mark.parametrize(
    "name", ["dm1seqr", "multidmseql", "multidlydmintr", "dmsintl", "dnmcseqr", "dmcintseq", "dlyantiintr"]
)
def test_mod_cog_has_the_ceilings_of_what_it_is_made_from(name):
    (task,), _, _ = find(f"modcog93.{name}")
    confidence, right = observe(task, 3000, seed=6)
    assert ceiling(f"modcog93.{name}") == ceiling(task.origin)
    assert abs(confidence.mean() - ceiling(task.origin)) < 4 * confidence.std() / np.sqrt(3000) + 1e-4
    assert abs(right.mean() - ceiling(task.origin)) < 0.025


def test_every_task_has_a_ceiling():
    for tasks in COLLECTIONS.values():
        assert all(0.9 < ceiling(task.name) <= 1 for task in tasks)
    with pytest.raises(UsageError, match="is a collection"):
        ceiling("yang19")
