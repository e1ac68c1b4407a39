"""Our trials against recorded trials of NeuroGym 2.0.0 and 2.3.1 (tests/golden/make_yang19_trials.py)."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from neuromod.tasks import find, generate
from neuromod.tasks.design import PERIODS, draw
from neuromod.tasks.generation import spread
from neuromod.tasks.yang19 import GO_CUE, NEUROGYM_2_3

GOLDEN = Path(__file__).parents[1] / "golden"
golden = runpy.run_path(str(GOLDEN / "compare.py"))
RECORDINGS = {
    "go-cue": golden["load"](GOLDEN / "yang19_2.0.npz"),
    "neurogym-2.3": golden["load"](GOLDEN / "yang19_2.3.npz"),
}
TASKS = {"go-cue": GO_CUE, "neurogym-2.3": NEUROGYM_2_3}
NAMES = [task.name for task in GO_CUE]

both = pytest.mark.parametrize("semantics", list(RECORDINGS))


@both
def test_rule_units_follow_neurogym_order(semantics):
    assert RECORDINGS[semantics]["names"].tolist() == NAMES


@both
@pytest.mark.parametrize("dt_ms", [20, 30, 100])
def test_recorded_trials_are_rendered_exactly(semantics, dt_ms):
    found = golden["compare"](RECORDINGS[semantics], f"dt{dt_ms}", collection="yang19", semantics=semantics)
    assert list(found) == NAMES
    for name, (n, error, wrong) in found.items():
        assert n >= 2
        assert error <= 1e-6, name
        assert wrong == 0, name


def test_the_comparison_tells_the_two_meanings_apart():
    found = golden["compare"](RECORDINGS["go-cue"], "dt100", collection="yang19", semantics="neurogym-2.3")
    assert {name for name, (_, error, _) in found.items() if error > 0.5} == set(NAMES[6:])


@both
def test_noise_has_recorded_mean_and_variance_per_channel_and_period(semantics):
    recording = RECORDINGS[semantics]
    clean = generate("yang19", 20 * 400, seed=5, noise=False, semantics=semantics)
    noisy = generate("yang19", 20 * 400, seed=5, noise=True, semantics=semantics)
    residual = (noisy.inputs - clean.inputs).astype(np.float64)
    assert (residual[:, :, 33:] == 0).all()
    period = _period(clean, semantics)
    for task in range(20):
        for p in range(len(PERIODS)):
            ours = residual[:, :, :33][(period == p) & (clean.task == task)]
            variance = recording["noise_variance"][task, p].astype(float)
            steps = int(recording["noise_steps"][task, p])
            assert (len(ours) > 0) == (steps > 0)
            if len(ours) == 0:
                continue
            where = (NAMES[task], PERIODS[p])
            silent = variance == 0
            assert (ours[:, silent] == 0).all(), where
            if silent.all():
                continue
            ours, variance = ours[:, ~silent], variance[~silent]
            assert (ours.std(axis=0) > 0).all(), where
            # A match task shows one ring per trial, so its channels mix noisy and silent steps: kurtosis up to 6.
            spread = np.sqrt(5 * (1 / len(ours) + 1 / steps))
            np.testing.assert_allclose(ours.var(axis=0) / variance, 1, atol=5 * spread, err_msg=str(where))
            deviation = np.sqrt(variance * (1 / len(ours) + 1 / steps))
            assert (np.abs(ours.mean(axis=0) - recording["noise_mean"][task, p][~silent]) < 5 * deviation).all(), where


@both
@pytest.mark.parametrize("quantity", ["length", "answer", "contrast"])
def test_distributions_are_those_recorded(semantics, quantity):
    n = 2000
    task = np.repeat(np.arange(20), n)
    tasks = TASKS[semantics]
    design = draw(tasks, task, task, np.random.default_rng(11))
    if quantity == "length":
        ours = (design.durations_ms // 100).sum(axis=1)
    elif quantity == "contrast":
        ours = 100 + np.round(50 * (design.strengths[:, :, 0] - design.strengths[:, :, 1]).sum(axis=1)).astype(int)
    else:
        trials = generate(NAMES, 20 * n, seed=12, noise=False, semantics=semantics)
        task, ours = trials.task, trials.answers
    theirs = RECORDINGS[semantics][f"histogram_{quantity}"]
    p_values = []
    for k, name in enumerate(NAMES):
        counts = np.array([np.bincount(ours[task == k], minlength=theirs.shape[1]), theirs[k]])
        counts = counts[:, counts.sum(axis=0) > 0]
        if counts.shape[1] == 1:
            continue
        assert (counts > 0).all(), name
        p_values.append(stats.chi2_contingency(counts).pvalue)
    # Length and contrast vary in the decision families only.
    assert len(p_values) >= 10
    assert min(p_values) > 0.01 / len(p_values)
    # If ours were drawn from something else, small values would abound.
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def _period(trials, semantics):
    """Period of every step, (time, trial), read off the design that the same seed draws."""
    rng = np.random.default_rng(5)
    tasks, rules, _ = find("yang19", semantics=semantics)
    task = spread(20, trials.n_trials, rng)
    design = draw(tasks, task, rules[task], rng)
    assert (task == trials.task).all()
    ends = (design.durations_ms // 100).cumsum(axis=1)
    time = np.arange(len(trials.mask))[:, None]
    return (time[:, :, None] >= ends[None]).sum(axis=2)
