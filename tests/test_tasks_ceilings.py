"""The ideal observer against formulas for simpler observers, and the table against the observer."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from scipy import stats

from neuromod.errors import UsageError
from neuromod.tasks import COLLECTIONS
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


@pytest.mark.parametrize("name", ["dm1", "dm2", "ctxdm1", "ctxdm2"])
def test_decision_ceiling_is_just_below_that_with_known_positions(name):
    # 0.9649 with five steps of stimulus.
    assert 0 < known_positions(5) - ceiling(name) < 0.004


def test_dm1_of_three_lengths():
    known = np.mean([known_positions(steps) for steps in (2, 4, 6)])
    assert 0 < known - ceiling("dm1", "neurogym-2.3") < 0.006


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


def test_the_observer_beats_a_simple_rule():
    # Answer where the rings' summed activity is highest.
    from neuromod.tasks import generate

    trials = generate("multidm", 4000, seed=4)
    start = trials.last_step - 6
    seen = sum(trials.inputs[start + t, np.arange(4000), 1:33] for t in range(5)).reshape(-1, 2, 16).sum(axis=1)
    simple = (1 + seen.argmax(axis=1) == trials.answers).mean()
    assert 0.7 < simple < ceiling("multidm") + 0.01


def test_more_steps_of_the_same_stimulus_tell_no_more():
    # The noise per step grows as the steps get shorter.
    coarse, fine = (observe(TASKS["dm1"], 3000, seed=5, dt_ms=dt)[0].mean() for dt in (100, 20))
    assert coarse == pytest.approx(fine, abs=0.008)


def test_the_table_is_what_the_observer_gives(monkeypatch):
    # The whole table takes a minute; two tasks with fewer trials show that it is made this way.
    monkeypatch.setattr("neuromod.tasks.ceilings.TRIALS", 1000)
    monkeypatch.setitem(COLLECTIONS, "yang19", {"go-cue": (TASKS["dm2"], TASKS["go"]), "neurogym-2.3": ()})
    made = make_table()
    assert made["trials_per_task"] == 1000
    assert set(made) == set(TABLE)
    expected = round(float(observe(TASKS["dm2"], 1000, seed=TABLE["seed"])[0].mean()), 4)
    assert made["ceilings"]["go-cue"] == {"dm2": expected, "go": 1.0}
    assert TABLE["ceilings"]["go-cue"]["dm2"] == pytest.approx(expected, abs=0.01)


def test_the_table_is_complete():
    assert list(TABLE["ceilings"]["go-cue"]) == [task.name for task in GO_CUE]
    assert list(TABLE["ceilings"]["neurogym-2.3"]) == [task.name for task in NEUROGYM_2_3]
    with pytest.raises(UsageError, match="no ceiling of 'dm3'"):
        ceiling("dm3")
