"""Accuracy on trials, against answers that are known."""

from __future__ import annotations

import numpy as np
import pytest

import neuromod
from neuromod import Network, evaluate
from neuromod.errors import UsageError
from neuromod.metrics.accuracy import trials_for
from neuromod.tasks import generate


def network(n_in=53, **info):
    rng = np.random.default_rng(0)
    return Network(
        w_rec=rng.normal(0, 0.1, (12, 12)),
        w_in=rng.normal(0, 1, (12, n_in)),
        w_out=rng.normal(0, 1, (17, 12)),
        bias=np.zeros(12),
        bias_out=np.zeros(17),
        dt_s=0.1,
        tau_s=0.2,
        info=info,
    )


def oracle(trials, right):
    """Readout that is right at the last step of the trials `right`, (trial,) bool, and wrong elsewhere."""
    y = np.zeros((*trials.mask.shape, 17))
    decided = np.where(right, trials.answers, (trials.answers + 1) % 17)
    y[trials.last_step, np.arange(trials.n_trials), decided] = 1
    return lambda inputs: y


def test_accuracy_is_the_mean_over_tasks():
    trials = generate(["go", "dm1", "dms"], 31, seed=0)
    right = trials.task == 1
    right[np.nonzero(trials.task == 0)[0][:4]] = True
    counts = np.bincount(trials.task)
    found = evaluate(network(), trials, runner=oracle(trials, right))
    assert found.accuracy_per_task == {"go": 4 / counts[0], "dm1": 1.0, "dms": 0.0}
    assert found.accuracy == pytest.approx((4 / counts[0] + 1) / 3)
    assert found.n_trials == 31
    np.testing.assert_array_equal(found.decisions == trials.answers, right)


def test_the_network_itself_is_run_by_default():
    trials = generate("yang19", 40, seed=1)
    net = network()
    found = evaluate(net, trials)
    again = evaluate(net, trials, runner=lambda x: net.run(x)[0])
    np.testing.assert_array_equal(found.decisions, again.decisions)
    assert set(found.accuracy_per_task) == set(trials.names)


def test_a_readout_that_fixates_solves_what_asks_for_nothing():
    trials = generate(["dms", "go"], 200, seed=2)
    y = np.zeros((*trials.mask.shape, 17))
    y[:, :, 0] = 1
    found = evaluate(network(), trials, runner=lambda inputs: y)
    assert found.accuracy_per_task["go"] == 0
    assert found.accuracy_per_task["dms"] == np.mean(trials.answers[trials.task == 0] == 0)


def test_tasks_without_trials_do_not_count():
    trials = generate("yang19", 3, seed=3)
    found = evaluate(network(), trials, runner=oracle(trials, np.array([True, True, False])))
    assert len(found.accuracy_per_task) == 3
    assert found.accuracy == pytest.approx(2 / 3)


def test_trials_for_follow_the_network():
    net = network(tasks=["dm1", "go"], semantics="neurogym-2.3", dt_ms=50)
    trials = trials_for(net, 10, seed=4)
    wanted = generate(["dm1", "go"], 10, seed=4, semantics="neurogym-2.3", dt_ms=50)
    np.testing.assert_array_equal(trials.inputs, wanted.inputs)
    assert trials.names == ("dm1", "go")


def test_a_network_without_tasks_is_refused():
    with pytest.raises(UsageError, match=r"does not say on which tasks it was trained \(no semantics, dt_ms"):
        trials_for(network(tasks=["go"]), 10, seed=0)


def test_a_network_with_other_inputs_is_refused():
    with pytest.raises(UsageError, match="53 inputs, but the network takes 20"):
        trials_for(network(n_in=20, tasks=["go"], semantics="go-cue", dt_ms=100), 10, seed=0)
    with pytest.raises(UsageError, match="53"):
        evaluate(network(n_in=20), generate("go", 2, seed=0))


def test_public_names():
    for name in ("Evaluation", "Trials", "evaluate", "generate"):
        assert name in neuromod.__all__
        assert callable(getattr(neuromod, name))
