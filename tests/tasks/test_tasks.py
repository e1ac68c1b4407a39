"""Properties of generated trials that do not need a reference."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neuromod.errors import UsageError
from neuromod.tasks import SEMANTICS, find, generate, resolve
from neuromod.tasks.design import draw
from neuromod.tasks.noise import standard_normal
from neuromod.tasks.rendering import bump, render
from neuromod.tasks.yang19 import GO_CUE
from neuromod.trials import Trials, decisions

NAMES = [task.name for task in GO_CUE]

subsets = st.lists(st.sampled_from(NAMES), min_size=1, max_size=20, unique=True)
meanings = st.sampled_from(SEMANTICS)


def test_shapes_and_types():
    trials = generate("yang19", 45, seed=0)
    assert trials.inputs.shape == (32, 45, 53)
    assert trials.inputs.dtype == np.float32
    assert trials.targets.shape == trials.mask.shape == (32, 45)
    assert trials.targets.dtype == trials.task.dtype == np.int64
    assert trials.mask.dtype == bool
    assert trials.names == tuple(NAMES)
    assert (trials.n_trials, trials.n_classes) == (45, 17)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("go", 15),
        ("rtgo", 10),
        ("dlygo", 20),
        ("anti", 15),
        ("rtanti", 10),
        ("dlyanti", 20),
        ("dms", 32),
        ("dnms", 32),
        ("dmc", 32),
        ("dnmc", 32),
    ],
)
def test_tasks_of_fixed_length(name, steps):
    assert set(generate(name, 20, seed=1).mask.sum(axis=0)) == {steps}


@pytest.mark.parametrize("name", NAMES[6:16])
def test_decision_tasks_have_three_lengths(name):
    first = 24 if "dly" in name else 9
    assert set(generate(name, 100, seed=1).mask.sum(axis=0)) == {first, first + 1, first + 2}


def test_go_by_hand():
    trials = generate("go", 1, seed=3)
    cue, rings, rule = trials.inputs[:, 0, 0], trials.inputs[:, 0, 1:33], trials.inputs[:, 0, 33:]
    k = int(trials.answers[0]) - 1
    assert cue.tolist() == [1] * 10 + [0] * 5
    assert trials.targets[:, 0].tolist() == [0] * 10 + [k + 1] * 5
    np.testing.assert_array_equal(rule, np.tile(np.eye(20)[0], (15, 1)))
    assert (rings[:5] == 0).all()
    assert (rings[10:] == 0).all()
    shown = rings[5].reshape(2, 16)
    ring = int(shown.any(axis=1).argmax())
    distance = np.minimum((np.arange(16) - k) % 16, (k - np.arange(16)) % 16)
    np.testing.assert_allclose(shown[ring], 0.8 * np.exp(-(distance**2) / 2), atol=1e-6)
    assert (shown[1 - ring] == 0).all()


def test_anti_answers_opposite_to_the_bump():
    trials = generate("anti", 200, seed=4)
    stimulus = trials.inputs[5, :, 1:33].reshape(200, 2, 16).max(axis=1).argmax(axis=1)
    assert ((trials.answers - 1 - stimulus) % 16 == 8).all()


def test_reaction_tasks_show_the_stimulus_with_the_decision():
    trials = generate("rtgo", 50, seed=4)
    rings = trials.inputs[:, :, 1:33].any(axis=2)
    np.testing.assert_array_equal(rings, np.arange(10)[:, None] * np.ones(50) >= 5)
    np.testing.assert_array_equal(trials.targets > 0, rings)


@pytest.mark.parametrize("name", NAMES[6:16])
def test_decisions_are_for_the_stronger_stimulus(name):
    trials = generate(name, 300, seed=6, noise=False)
    task = GO_CUE[NAMES.index(name)]
    # Strongest over the time steps: delayed tasks show one stimulus after the other.
    seen = trials.inputs[:, :, 1:33].max(axis=0).reshape(300, 2, 16)
    strength = (seen * np.array(task.weights)[:, None]).sum(axis=1)
    answered = strength[np.arange(300), trials.answers - 1]
    assert (answered >= strength.max(axis=1) - 1e-5).mean() > 0.9
    assert (seen[:, 0].any(axis=1) == bool(task.shown[0])).all()
    assert (seen[:, 1].any(axis=1) == bool(task.shown[1])).all()


def test_ties_are_decided_either_way():
    task = np.zeros(4000, np.int64)
    tasks = (GO_CUE[NAMES.index("multidm")],)
    design = draw(tasks, task, task, np.random.default_rng(7))
    answers = render(design, tasks, n_rules=1, dt_ms=100).answers - 1
    difference = design.strengths[:, :, 0].sum(axis=1) - design.strengths[:, :, 1].sum(axis=1)
    tied = np.abs(difference) < 1e-6
    # The coherences of the rings are opposite in one of eight trials.
    assert stats.binomtest(int(tied.sum()), 4000, 1 / 8).pvalue > 0.001
    first_wins = answers == design.positions[:, 0]
    assert stats.binomtest(int(first_wins[tied].sum()), int(tied.sum()), 0.5).pvalue > 0.001
    np.testing.assert_array_equal(first_wins[~tied], difference[~tied] > 0)


@pytest.mark.parametrize(("name", "go_on_match"), [("dms", True), ("dnms", False)])
def test_match_by_hand(name, go_on_match):
    trials = generate(name, 400, seed=8, noise=False)
    sample = trials.inputs[3, :, 1:33].reshape(400, 2, 16).max(axis=1).argmax(axis=1)
    test = trials.inputs[18, :, 1:33].reshape(400, 2, 16).max(axis=1).argmax(axis=1)
    match = sample == test
    np.testing.assert_array_equal((test[~match] - sample[~match]) % 16, 8)
    np.testing.assert_array_equal(trials.answers, np.where(match == go_on_match, 1 + test, 0))
    assert 0.4 < match.mean() < 0.6


@pytest.mark.parametrize(("name", "go_on_match"), [("dmc", True), ("dnmc", False)])
def test_category_by_hand(name, go_on_match):
    trials = generate(name, 400, seed=9, noise=False)
    sample = trials.inputs[3, :, 1:33].reshape(400, 2, 16).max(axis=1).argmax(axis=1)
    test = trials.inputs[18, :, 1:33].reshape(400, 2, 16).max(axis=1).argmax(axis=1)
    match = (sample > 8) == (test >= 8)
    np.testing.assert_array_equal(trials.answers, np.where(match == go_on_match, 1 + test, 0))


def test_without_go_cue_the_fixation_ends_before_the_stimulus():
    for name in NAMES[6:]:
        now = generate(name, 1, seed=1, semantics="neurogym-2.3", noise=False)
        then = generate(name, 1, seed=1, semantics="go-cue", noise=False)
        assert then.inputs[:, 0, 0].sum() > now.inputs[:, 0, 0].sum()
        silent_until = now.inputs[:, 0, 1:33].any(axis=1).argmax()
        assert now.inputs[:, 0, 0].tolist() == [1] * silent_until + [0] * (len(now.inputs) - silent_until)


def test_dm1_alone_has_stimuli_of_three_lengths_in_present_neurogym():
    for name, lengths in (("dm1", {2, 4, 6}), ("dm2", {5})):
        trials = generate(name, 60, seed=2, semantics="neurogym-2.3", noise=False)
        assert set(trials.inputs[:, :, 1:33].any(axis=2).sum(axis=0)) == lengths


def test_bump_is_periodic_and_linear_in_strength():
    angle = np.linspace(0, 2 * np.pi, 33)
    one = np.ones(33)
    np.testing.assert_allclose(bump(angle[:1], one[:1]), bump(angle[-1:], one[-1:]), atol=1e-12)
    np.testing.assert_allclose(bump(angle, 3 * one), 3 * bump(angle, one))
    np.testing.assert_allclose(bump(np.array([0.0]), one[:1])[0, [0, 1, 15]], 0.8 * np.exp([0, -0.5, -0.5]))


@settings(max_examples=40, deadline=None)
@given(names=subsets, n=st.integers(1, 60), seed=st.integers(0, 2**31), dt=st.integers(1, 200), semantics=meanings)
def test_any_request_gives_consistent_trials(names, n, seed, dt, semantics):
    trials = generate(names, n, seed=seed, dt_ms=dt, semantics=semantics)
    lengths = trials.mask.sum(axis=0)
    assert trials.mask.shape == (lengths.max(), n)
    # A trial is one stretch from the first step on, and nothing happens after its end.
    np.testing.assert_array_equal(trials.mask, np.arange(lengths.max())[:, None] < lengths)
    assert (trials.inputs[~trials.mask] == 0).all()
    assert (trials.targets[~trials.mask] == 0).all()
    # The rule of the task, by its place in the whole collection, is on throughout.
    place = np.array([NAMES.index(name) for name in names])
    np.testing.assert_array_equal(trials.inputs[:, :, 33:], np.eye(20)[place[trials.task]] * trials.mask[:, :, None])
    # As many of each task as possible.
    counts = np.bincount(trials.task, minlength=len(names))
    assert counts.max() - counts.min() <= 1
    tasks, _, _ = find(names, semantics=semantics)
    for i, task in enumerate(tasks):
        shortest, longest = task.steps(dt)
        assert all(shortest <= length <= longest for length in lengths[trials.task == i])
    # The answer is a class, the same throughout the decision.
    assert trials.targets.min() >= 0
    assert trials.targets.max() <= 16
    assert ((trials.targets == 0) | (trials.targets == trials.answers)).all()
    assert np.isfinite(trials.inputs).all()


@settings(max_examples=20, deadline=None)
@given(names=subsets, n=st.integers(1, 40), seed=st.integers(0, 2**31), semantics=meanings)
def test_equal_seeds_give_equal_trials_and_noise_changes_nothing_else(names, n, seed, semantics):
    first = generate(names, n, seed=seed, semantics=semantics)
    again = generate(names, n, seed=np.random.default_rng(seed), semantics=semantics)
    clean = generate(names, n, seed=np.random.SeedSequence(seed), semantics=semantics, noise=False)
    for name in ("inputs", "targets", "mask", "task"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        if name != "inputs":
            np.testing.assert_array_equal(getattr(first, name), getattr(clean, name))
    assert np.abs(first.inputs - clean.inputs).max() < 1


def test_a_generator_goes_on_where_its_state_says():
    rng = np.random.default_rng(0)
    generate("yang19", 20, seed=rng)
    state = rng.bit_generator.state
    second = generate("yang19", 20, seed=rng)
    resumed = np.random.default_rng(99)
    resumed.bit_generator.state = state
    np.testing.assert_array_equal(generate("yang19", 20, seed=resumed).inputs, second.inputs)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (400, 500)])
def test_normal_numbers(shape):
    drawn = standard_normal(shape, np.random.default_rng(3))
    assert drawn.shape == shape
    assert drawn.dtype == np.float32
    assert np.isfinite(drawn).all()
    if drawn.size > 1000:
        assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
        assert stats.kurtosistest(drawn, axis=None).pvalue > 0.01
        # The method makes numbers in pairs, which share a radius and must still not depend on each other.
        first, second = drawn.ravel().reshape(2, -1).astype(float)
        for power in (1, 2):
            assert stats.pearsonr(first**power, second**power).pvalue > 0.01
        assert abs(drawn).max() < 5.8


@pytest.mark.parametrize("dt_ms", [20, 50, 100])
def test_noise_width(dt_ms):
    arguments = {"seed": 1, "dt_ms": dt_ms}
    residual = generate("dm1", 500, **arguments).inputs - generate("dm1", 500, **arguments, noise=False).inputs
    noisy = residual[residual != 0]
    assert noisy.std() == pytest.approx(1 / np.sqrt(dt_ms), rel=0.01)
    assert (generate("go", 9, **arguments).inputs == generate("go", 9, **arguments, noise=False).inputs).all()


def test_decision_is_the_largest_output_at_the_last_step():
    trials = generate(["go", "dms"], 6, seed=2)
    y = np.zeros((32, 6, 17))
    y[trials.targets == 0] = np.eye(17)[3]
    for i in range(6):
        y[trials.last_step[i], i] = np.eye(17)[trials.answers[i]]
    np.testing.assert_array_equal(decisions(y, trials), trials.answers)
    np.testing.assert_array_equal(decisions(np.roll(y, 1, axis=2), trials), (trials.answers + 1) % 17)
    with pytest.raises(UsageError, match=r"\(32, 6\).*found \(31, 6, 17\)"):
        decisions(y[:31], trials)


def test_names():
    assert resolve("yang19") == resolve(["yang19", "go"]) == tuple(NAMES)
    assert resolve("dm1, go") == ("dm1", "go")
    assert resolve(["go", "go"]) == ("go",)
    assert generate(["dm1", "go"], 4, seed=0).names == ("dm1", "go")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("ctxdm3", "no task or collection 'ctxdm3'; did you mean 'ctxdm2'"),
        ("Go", "did you mean 'go'"),
        ("yang20", "did you mean 'yang19'"),
        ("zzzzzz", r"`neuromod\.tasks\.COLLECTIONS` lists them"),
        ([], "no task was asked for"),
    ],
)
def test_unknown_names(names, message):
    with pytest.raises(UsageError, match=message):
        generate(names, 1, seed=0)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"dt_ms": 0}, "dt_ms must be a whole number of milliseconds from 1 to 200, found 0"),
        ({"dt_ms": 201}, "found 201"),
        ({"dt_ms": -20}, "found -20"),
        ({"dt_ms": 12.5}, "found 12.5"),
        ({"dt_ms": float("nan")}, "found nan"),
        ({"dt_ms": "100"}, "found 100"),
        ({"semantics": "paper"}, "semantics must be one of go-cue, neurogym-2.3, found 'paper'"),
        ({"n_trials": 0}, "number of trials must be a whole number above 0, found 0"),
        ({"n_trials": 2.5}, "found 2.5"),
        ({"seed": -1}, "seed must be a whole number from 0, found -1"),
        ({"seed": None}, "found None"),
        ({"seed": "one"}, "found 'one'"),
    ],
)
def test_arguments_out_of_range(argument, message):
    with pytest.raises(UsageError, match=message):
        generate(**{"names": "go", "n_trials": 1, "seed": 0, **argument})


def test_a_time_step_that_went_through_seconds():
    np.testing.assert_array_equal(
        generate("go", 3, seed=0, dt_ms=np.float32(0.1) * 1000).inputs, generate("go", 3, seed=0).inputs
    )


def test_trials_are_frozen():
    trials = generate("go", 1, seed=0)
    assert isinstance(trials, Trials)
    with pytest.raises(dataclasses.FrozenInstanceError):
        trials.names = ()
