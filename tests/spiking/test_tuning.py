from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from neuromod.metrics.accuracy import evaluate, trials_for
from neuromod.metrics.agreements import agreement
from neuromod.spiking import conversion, fine_tuning


@pytest.mark.parametrize("mode", ["hold", "continuous"])
@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_forward_pass_is_the_reference(solver, mode, reset):
    spiking = replace(conversion.convert(solver, np.linspace(1, 2, 17), substeps=5, mode=mode, reset=reset))
    x = np.random.default_rng(0).random((10, 4, 53)).astype(np.float32)
    parameters = {
        name: torch.tensor(getattr(spiking, name).toarray() if name == "w_rec" else getattr(spiking, name))
        for name in ("w_rec", "w_in", "w_out", "bias", "bias_out")
    }
    y = fine_tuning._forward(parameters, x, spiking, np.full(len(x), x.shape[1]))
    np.testing.assert_allclose(y.numpy(), spiking.run(x).y, atol=1e-3)


def decides_alike(network, spiking) -> float:
    trials = trials_for(network, 300, seed=77)
    found = evaluate(network, trials, runner=lambda x: spiking.run(x).y)
    return agreement(evaluate(network, trials).decisions, found.decisions).share


def test_tuning_mends_what_a_hard_reset_breaks(solver):
    spiking = conversion.convert(solver, np.ones(17), substeps=3, reset="hard", mode="continuous")
    assert decides_alike(solver, spiking) < 0.5
    assert decides_alike(solver, fine_tuning.tune(solver, spiking, steps=60, learning_rate=1e-2)) > 0.9


def test_tuning_that_goes_wrong_returns_the_start(solver):
    spiking = conversion.convert(solver, np.full(17, 1.5), substeps=5)
    assert decides_alike(solver, spiking) > 0.98
    tuned = fine_tuning.tune(solver, spiking, steps=8, learning_rate=100.0)
    np.testing.assert_array_equal(tuned.w_in, spiking.w_in)


def test_tuning_keeps_to_the_connections_and_the_bits(solver):
    spiking = conversion.convert(solver, np.full(17, 2.0), substeps=3)
    tuned = fine_tuning.tune(solver, spiking, steps=3, weight_bits=4)
    assert (tuned.weight_bits, tuned.substeps) == (4, 3)
    for name in ("w_in", "w_out"):
        assert (getattr(tuned, name)[getattr(spiking, name) == 0] == 0).all()
    assert (tuned.w_rec.toarray()[spiking.w_rec.toarray() == 0] == 0).all()
    integers = tuned.w_in / tuned.step_in[:, None]
    np.testing.assert_allclose(integers, np.round(integers), atol=1e-3)


def test_equal_seeds_give_equal_networks(solver):
    spiking = conversion.convert(solver, np.full(17, 2.0), substeps=2)
    a, b, c = (fine_tuning.tune(solver, spiking, steps=5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.w_in, b.w_in)
    assert not np.array_equal(a.w_in, c.w_in)
