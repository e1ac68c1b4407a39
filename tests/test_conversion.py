from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuromod import Network, conversion
from neuromod.agreement import agreement, wilson
from neuromod.errors import UsageError


def test_activities_undo_the_leak(solver):
    x = np.random.default_rng(0).normal(size=(9, 4, 53)).astype(np.float32)
    activity = conversion.activities(solver, x)
    h = np.zeros((4, 17))
    for t in range(9):
        wanted = np.maximum(0, h @ solver.w_rec.toarray().T + x[t] @ solver.w_in.T + solver.bias)
        np.testing.assert_allclose(activity[t], wanted, atol=1e-5)
        h = 0.5 * h + 0.5 * wanted


def test_balance_takes_percentiles_above_a_floor():
    samples = np.stack([np.linspace(0, 100, 101), np.linspace(0, 10, 101), np.zeros(101)], axis=1)
    np.testing.assert_allclose(conversion.balance(samples, percentile=90, floor=0.2), [90, 18, 18])
    assert conversion.balance(np.zeros((5, 2))).tolist() == [1, 1]


def test_conversion_scales_with_the_thresholds(solver):
    scale = np.linspace(1, 4, 17).astype(np.float32)
    spiking = conversion.convert(solver, scale, substeps=3)
    np.testing.assert_allclose(
        spiking.w_rec.toarray(), solver.w_rec.toarray() * scale[None] / scale[:, None], rtol=1e-6
    )
    np.testing.assert_allclose(spiking.w_in * scale[:, None], solver.w_in, rtol=1e-6)
    np.testing.assert_allclose(spiking.w_out / scale, solver.w_out, rtol=1e-6)


@pytest.mark.parametrize("mode", ["hold", "continuous"])
def test_choose_takes_the_smallest_number_that_is_good_enough(solver, mode):
    chosen = conversion.choose(solver, mode=mode, n_trials=200)
    assert chosen.met
    assert chosen.chosen == chosen.sweep[-1]
    assert chosen.spiking.substeps == chosen.chosen.substeps
    assert chosen.chosen.agreement.low >= 0.95
    for candidate in chosen.sweep[:-1]:
        drop = candidate.accuracy_rate - candidate.accuracy
        assert drop > 0.01 or candidate.agreement.low < 0.95
    assert [c.substeps for c in chosen.sweep] == list(conversion.SUBSTEPS[: len(chosen.sweep)])


def test_a_given_number_of_substeps_is_taken_as_it_is(solver):
    chosen = conversion.choose(solver, substeps=[1], min_agreement=1.0, n_trials=200)
    assert chosen.spiking.substeps == 1
    assert len(chosen.sweep) == 1
    assert not chosen.met  # one interval's lower end never reaches 1


def test_more_substeps_make_the_state_more_exact(solver):
    sweep = conversion.choose(solver, substeps=[1, 5, 25], min_agreement=1.0, n_trials=100).sweep
    errors = [candidate.state_error for candidate in sweep]
    assert errors[0] > errors[1] > errors[2]


def test_silent_neurons_are_named(solver):
    w_in = solver.w_in.copy()
    w_in[5] = -1  # this neuron is only ever inhibited
    chosen = conversion.choose(replace(solver, w_in=w_in), substeps=[5], n_trials=100)
    assert chosen.silent == (105,)


def test_saturated_neurons_are_named(solver):
    bias = solver.bias.copy()
    bias[3] = 1.0  # always active at one level, which is its percentile
    chosen = conversion.choose(replace(solver, bias=bias), substeps=[5], n_trials=100)
    assert 103 in chosen.saturated


def test_network_without_tasks_is_refused():
    network = Network(
        w_rec=np.eye(2), w_in=np.eye(2), w_out=np.eye(2), bias=np.zeros(2), bias_out=np.zeros(2), dt_s=0.1, tau_s=0.2
    )
    with pytest.raises(UsageError, match="tasks"):
        conversion.choose(network)


def test_wilson_interval_of_published_values():
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for hits, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        np.testing.assert_allclose(wilson(hits, trials), (low, high), atol=5e-5)
    np.testing.assert_allclose(wilson(1, 29), (0.0061, 0.1718), atol=5e-5)


def test_agreement_counts_equal_decisions():
    found = agreement(np.array([0, 1, 2, 3]), np.array([0, 1, 5, 3]))
    assert (found.share, found.trials) == (0.75, 4)
    assert found.low < 0.75 < found.high
