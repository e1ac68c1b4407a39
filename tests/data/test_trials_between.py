"""Trials between those that there are, and what a spiking conversion makes of them where there are few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import neuromod
from neuromod import Trials
from neuromod.data import with_data
from neuromod.errors import UsageError
from neuromod.metrics import has_few_trials, trials_for
from neuromod.pruning import magnitude
from neuromod.spiking import ConversionSettings, choose
from neuromod.trials import trials_between


def noise(n: int = 40, *, classes: int = 2, seed: int = 0) -> Trials:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 20, 3)) * [1, 10, 0.1] + [0, 100, 3]
    return Trials.from_arrays(x, np.arange(n) % classes, lengths=rng.integers(8, 21, n))


def test_each_lies_on_the_line_through_two_and_ends_with_the_shorter() -> None:
    trials = noise(6)
    made = trials_between(trials, 200, seed=1)
    assert made.n_trials == 200
    lengths, whole = trials.mask.sum(axis=0), made.mask.sum(axis=0)
    pairs = [(a, b) for a in range(6) for b in range(6) if a != b]
    inside = (trials.inputs[trials.mask].min(axis=0), trials.inputs[trials.mask].max(axis=0))
    for k in range(200):
        x, steps = made.inputs[: whole[k], k].astype(np.float64), int(whole[k])
        assert (made.inputs[steps:, k] == 0).all()
        assert (x >= inside[0]).all()
        assert (x <= inside[1]).all()
        # Steps at the edge of the range are cut there, the others lie on one line.
        free = ((x > inside[0]) & (x < inside[1])).all(axis=1)
        errors = []
        for a, b in pairs:
            if min(lengths[a], lengths[b]) != steps:
                continue
            one, two = (trials.inputs[:steps, index].astype(np.float64)[free] for index in (a, b))
            scale = np.array([1, 10, 0.1])
            away, along = ((x[free] - two) / scale).ravel(), ((one - two) / scale).ravel()
            share = away @ along / (along @ along)
            errors.append(np.abs(away - share * along).max())
            if errors[-1] < 1e-3:
                assert -0.3661 <= share <= 1.3661
        assert min(errors) < 1e-3


def test_they_have_the_mean_and_the_spread_of_the_trials() -> None:
    rng = np.random.default_rng(0)
    # Values of a whole trial, so that the spread over trials is what counts; 3 bounds the range.
    level = rng.uniform(-1, 1, 300)
    x = np.broadcast_to(level[:, None, None], (300, 5, 1))
    x = np.concatenate([x, [[[-9.0]] * 5, [[9.0]] * 5]])
    trials = Trials.from_arrays(x, np.arange(302) % 2, split=["train"] * 151 + ["validation"] * 50 + ["test"] * 101)
    middle = trials.take(np.arange(300))
    wide = replace(middle, inputs=middle.inputs)
    made = trials_between(wide, 20_000, seed=2).inputs[0, :, 0]
    assert made.mean() == pytest.approx(level.mean(), abs=0.02)
    # A little less than theirs, since values are kept within the range.
    assert 0.9 * level.std() < made.std() < 1.01 * level.std()


def test_counts_stay_whole_and_what_cannot_be_made_is_refused() -> None:
    rng = np.random.default_rng(0)
    trials = Trials.from_arrays(rng.poisson(2.0, (30, 6, 4)), np.arange(30) % 3)
    made = trials_between(trials, 50, seed=0)
    assert (made.inputs == np.rint(made.inputs)).all()
    assert made.inputs.min() >= 0
    with pytest.raises(UsageError, match="two trials at least"):
        trials_between(trials.take(np.array([0])), 5, seed=0)


def test_a_trial_whose_answer_is_read_where_others_have_none_stays() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((12, 10), bool)
    mask[np.arange(12), np.arange(12) % 10] = True
    trials = Trials.from_arrays(rng.normal(size=(12, 10, 2)), np.arange(12) % 2, mask=mask)
    made = trials_between(trials, 100, seed=0)
    assert made.reads.any(axis=0).all()


def test_a_conversion_of_few_trials_is_as_good_on_those_it_has_not_seen() -> None:
    # A network that knows its 24 trials by heart, in 16 dimensions of noise: near its boundary everywhere else.
    rng = np.random.default_rng(3)
    label = np.arange(224) % 2
    x = rng.normal(size=(224, 15, 16))
    split = ["train"] * 16 + ["validation"] * 8 + ["test"] * 200
    trials = Trials.from_arrays(x, label, split=split, readout="mean")
    network = neuromod.train(data=trials, neurons=25, steps=100, seed=0)
    assert has_few_trials(network)
    seen, test = trials.part("seen"), trials.part("test")
    found = choose(network, ConversionSettings(tune="never"))
    assert found.met
    assert found.chosen.agreement.trials == 500

    def agreement(part: Trials) -> float:
        ours = neuromod.evaluate(network, part, runner=lambda x: found.spiking.run(x).y).decisions
        return float((ours == neuromod.evaluate(network, part).decisions).mean())

    assert agreement(seen) >= 0.95
    assert agreement(test) >= 0.95
    assert trials_for(network, 30, seed=0, split="between").n_trials == 30


def test_of_many_trials_the_validation_judges() -> None:
    trials = noise(700)
    network = with_data(neuromod.train(data=trials, neurons=9, steps=20, seed=0), trials)
    assert not has_few_trials(network)
    found = choose(network, ConversionSettings(substeps=(2,), tune="never"))
    assert found.chosen.agreement.trials == found.trials == 112


def test_pruning_on_few_trials_keeps_decisions_on_those_between(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x, label = rng.normal(size=(224, 15, 16)), np.arange(224) % 2
    split = ["train"] * 16 + ["validation"] * 8 + ["test"] * 200
    trials = Trials.from_arrays(x, label, split=split, readout="mean")
    network = neuromod.train(data=trials, neurons=25, steps=100, seed=0)
    test = trials.part("test")
    before = neuromod.evaluate(network, test).decisions

    def changed(done: magnitude.Pruning) -> int:
        return int((neuromod.evaluate(done.network, test).decisions != before).sum())

    done = neuromod.prune(network)
    assert done.agreement is not None
    assert done.agreement.trials == 500
    assert done.agreement.share >= 0.99
    assert done.synapses_after < done.synapses_before
    assert neuromod.prune(network, threshold=0.0).agreement is not None
    # By the accuracy on the few alone much more goes, and with it decisions on trials that nothing has seen.
    monkeypatch.setattr(magnitude, "has_few_trials", lambda _: False)
    alone = neuromod.prune(network)
    assert alone.agreement is None
    assert alone.synapses_after < done.synapses_after
    assert changed(done) < changed(alone) / 2
