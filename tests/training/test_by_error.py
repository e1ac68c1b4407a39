"""Trials dealt out by the error of their task."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuromod import tasks
from neuromod.errors import InterruptedRunError, UsageError
from neuromod.training import checkpoints, config
from neuromod.training.loop import train
from neuromod.training.on_tasks import batches, by_error
from neuromod.training.plan import make_plan

NAMES = ("go", "dm1", "dms")


def _settings(**more):
    flags = {"tasks.names": NAMES, "tasks.by_error": 0.5, "network.neurons": 9, "training.batch": 4, **more}
    return config.load(None, (), flags)


@given(
    st.lists(st.floats(0, 10), min_size=3, max_size=3).filter(lambda shares: sum(shares) > 0.1),
    st.integers(1, 300),
    st.integers(0, 2**32),
)
def test_each_task_gets_its_share_to_the_trial(shares, n, seed):
    trials = tasks.generate(NAMES, n, seed=seed, shares=shares)
    wanted = n * np.array(shares) / sum(shares)
    counts = np.bincount(trials.task, minlength=3)
    assert counts.sum() == n
    assert (np.abs(counts - wanted) < 1 + 1e-6).all()
    assert not counts[np.array(shares) == 0].any()


def test_shares_are_kept_on_the_average_where_trials_are_few():
    drawn = [tasks.generate(NAMES, 2, seed=seed, shares=[0.6, 0.3, 0.1]).task for seed in range(500)]
    found = np.bincount(np.concatenate(drawn), minlength=3) / 1000
    np.testing.assert_allclose(found, [0.6, 0.3, 0.1], atol=0.05)


@pytest.mark.parametrize("shares", [[1, 2], [1, -1, 1], [0, 0, 0], [1, np.nan, 1]])
def test_shares_that_cannot_be_are_refused(shares):
    with pytest.raises(UsageError, match="3 numbers, one for each task"):
        tasks.generate(NAMES, 5, seed=0, shares=shares)


def _state(settings, **more):
    state = checkpoints.start(settings)
    for name, value in more.items():
        setattr(state, name, value)
    return make_plan(settings), state


def test_half_of_the_trials_follow_the_error_and_half_are_even():
    plan, state = _state(_settings(), errors=np.array([0.399, 0.099, 0.499]))
    np.testing.assert_allclose(by_error.shares(plan, state), 1 / 6 + np.array([0.2, 0.05, 0.25]))
    state.errors = np.zeros(3)
    np.testing.assert_allclose(by_error.shares(plan, state), 1 / 3)
    state.errors = None
    assert by_error.shares(plan, state) is None


def test_a_network_that_always_fixates_is_right_where_a_test_does_not_match():
    plan, state = _state(_settings(), step=by_error.EVERY)
    with torch.no_grad():
        for tensor in state.parameters.values():
            tensor.zero_()
        state.parameters["bias_out"][0] = 1.0
    by_error.measure(plan, state)
    # Half of the tests do not match; of 24 trials, hardly ever fewer than 3 or more than 21.
    assert state.errors[:2].tolist() == [1.0, 1.0]
    assert 3 / 24 <= state.errors[2] <= 21 / 24
    first, state.step = state.errors, 2 * by_error.EVERY
    by_error.measure(plan, state)
    assert state.errors[:2].tolist() == [1.0, 1.0]
    assert first[2] / 2 <= state.errors[2] <= (first[2] + 1) / 2


@pytest.mark.parametrize(
    ("more", "step"),
    [
        ({"tasks.by_error": 0.0}, by_error.EVERY),
        ({}, by_error.EVERY - 1),
        ({"tasks.names": ("go",)}, by_error.EVERY),
        ({"training.steps": by_error.EVERY}, by_error.EVERY),
        ({"tasks.names": ("modcog.go", "modcog.goseqr"), "tasks.first": 0.5}, by_error.EVERY),
    ],
)
def test_it_is_measured_only_when_trials_of_all_tasks_follow(more, step):
    plan, state = _state(_settings(**more), step=step)
    by_error.measure(plan, state)
    assert state.errors is None


def test_what_is_failed_at_is_seen_more_often():
    settings = _settings(**{"training.steps": 64, "training.batch": 30})
    shares = np.array([0.1, 0.1, 0.8])
    rules = np.concatenate(
        [
            packed.inputs[packed.last][:, 33:].argmax(dim=1).numpy()
            for packed in batches.batches(settings, 0, torch.device("cpu"), lambda: shares)
        ]
    )
    place = [tasks.resolve("yang19").index(name) for name in NAMES]
    found = np.array([(rules == rule).mean() for rule in place])
    np.testing.assert_allclose(found, shares, atol=0.01)


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path):
    settings = _settings(**{"training.steps": 2 * by_error.EVERY + 40, "training.checkpoint_every": 10_000})
    whole = train(settings)
    stop, state = iter(range(10**6)), checkpoints.start(settings)
    at = by_error.EVERY + 7
    with pytest.raises(InterruptedRunError):
        train(
            settings,
            state=state,
            on_checkpoint=lambda state: checkpoints.save(tmp_path / "c.pt", settings, state),
            should_stop=lambda: next(stop) == at - 1,
        )
    again = checkpoints.load(tmp_path / "c.pt", settings)
    assert again.step == at
    np.testing.assert_array_equal(again.errors, state.errors)
    rest = train(settings, state=again)
    np.testing.assert_array_equal(whole.w_rec.toarray(), rest.w_rec.toarray())
    np.testing.assert_array_equal(whole.w_out, rest.w_out)
    even = train(_settings(**{"training.steps": 2 * by_error.EVERY + 40, "tasks.by_error": 0.0}))
    assert (even.w_out != whole.w_out).any()
