from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.metrics import trials_for
from neuromod.spiking.search import bench
from neuromod.spiking.selection import SUBSTEPS, ConversionSettings, choose


@pytest.mark.parametrize("mode", ["hold", "continuous"])
def test_choose_takes_the_smallest_number_that_is_good_enough(solver, mode):
    chosen = choose(solver, ConversionSettings(mode=mode, n_trials=200, tune="never"))
    assert chosen.met
    assert chosen.chosen == chosen.sweep[-1]
    assert chosen.spiking.substeps == chosen.chosen.substeps
    assert chosen.chosen.agreement.low >= 0.95
    for candidate in chosen.sweep[:-1]:
        drop = candidate.accuracy_rate - candidate.accuracy
        assert drop > 0.01 or candidate.agreement.low < 0.95
    assert [c.substeps for c in chosen.sweep] == list(SUBSTEPS[: len(chosen.sweep)])


def test_a_given_number_of_substeps_is_taken_as_it_is(solver):
    chosen = choose(solver, ConversionSettings(substeps=(1,), min_agreement=1.0, n_trials=200, tune="never"))
    assert chosen.spiking.substeps == 1
    assert len(chosen.sweep) == 1
    assert not chosen.met  # one interval's lower end never reaches 1


def test_more_substeps_make_the_state_more_exact(solver):
    sweep = choose(solver, ConversionSettings(substeps=(1, 5, 25), min_agreement=1.0, n_trials=100, tune="never")).sweep
    errors = [candidate.state_error for candidate in sweep]
    assert errors[0] > errors[1] > errors[2]


def test_silent_neurons_are_named(solver):
    w_in = solver.w_in.copy()
    w_in[5] = -1  # this neuron is only ever inhibited
    chosen = choose(replace(solver, w_in=w_in), ConversionSettings(substeps=(5,), n_trials=100, tune="never"))
    assert chosen.silent == (105,)


def test_saturated_neurons_are_named(solver):
    bias = solver.bias.copy()
    bias[3] = 1.0  # always active at one level, which is its percentile
    chosen = choose(replace(solver, bias=bias), ConversionSettings(substeps=(5,), n_trials=100, tune="never"))
    assert 103 in chosen.saturated


def test_network_without_tasks_is_refused():
    network = Network(
        w_rec=np.eye(2), w_in=np.eye(2), w_out=np.eye(2), bias=np.zeros(2), bias_out=np.zeros(2), dt_s=0.1, tau_s=0.2
    )
    with pytest.raises(UsageError, match="tasks"):
        choose(network)


def test_tuning_is_a_last_resort(solver):
    easy = choose(solver, ConversionSettings(substeps=(10,), tune="needed", tune_steps=2, n_trials=100))
    assert [c.tuned for c in easy.sweep] == [False]
    hopeless = choose(
        solver, ConversionSettings(substeps=(1,), tune="needed", tune_steps=2, min_agreement=1.0, n_trials=50)
    )
    assert [c.tuned for c in hopeless.sweep] == [False, True]
    always = choose(solver, ConversionSettings(substeps=(2,), tune="always", tune_steps=2, n_trials=50))
    assert [c.tuned for c in always.sweep] == [True]


def test_without_a_floor_the_membrane_leaks(solver):
    spiking = choose(
        solver, ConversionSettings(substeps=(5,), mode="continuous", delay=0, floor=None, n_trials=50, tune="never")
    ).spiking
    assert (spiking.floor, spiking.keep, spiking.delay) == (None, 0.9, 0)


@pytest.mark.parametrize(
    ("input", "mode", "headroom"),
    [("counts", "continuous", 1.5), ("counts", "hold", 1), ("constant", "continuous", 1), ("poisson", "hold", 1)],
)
def test_counts_that_pass_the_synapses_have_headroom(solver, input, mode, headroom):
    trials = trials_for(solver, 20, seed=0)
    reference = bench.Reference.of(solver, trials)
    settings = ConversionSettings(input=input, mode=mode)
    judges = bench.Judges(reference, reference)
    scales = {(99.0, 1.0): np.ones(solver.n)}
    made = bench.Bench(solver, settings, scales, (reference, reference), (judges, judges))
    largest = np.abs(trials.inputs).max(axis=(0, 1))
    spiking = bench._converted(made, 4, (99.0, 1.0))
    np.testing.assert_allclose(spiking.input_peak, headroom * np.where(largest > 0, largest, 1), rtol=1e-6)
