from __future__ import annotations

import numpy as np

from neuromod.spiking import conversion, thresholds


def test_activities_undo_the_leak(solver):
    x = np.random.default_rng(0).normal(size=(9, 4, 53)).astype(np.float32)
    activity = thresholds.activities(solver, x)
    h = np.zeros((4, 17))
    for t in range(9):
        wanted = np.maximum(0, h @ solver.w_rec.toarray().T + x[t] @ solver.w_in.T + solver.bias)
        np.testing.assert_allclose(activity[t], wanted, atol=1e-5)
        h = 0.5 * h + 0.5 * wanted


def test_balance_takes_percentiles_above_a_floor():
    samples = np.stack([np.linspace(0, 100, 101), np.linspace(0, 10, 101), np.zeros(101)], axis=1)
    np.testing.assert_allclose(thresholds.balance(samples, percentile=90, floor=0.2), [90, 18, 18])
    assert thresholds.balance(np.zeros((5, 2))).tolist() == [1, 1]


def test_conversion_scales_with_the_thresholds(solver):
    scale = np.linspace(1, 4, 17).astype(np.float32)
    spiking = conversion.convert(solver, scale, substeps=3)
    np.testing.assert_allclose(
        spiking.w_rec.toarray(), solver.w_rec.toarray() * scale[None] / scale[:, None], rtol=1e-6
    )
    np.testing.assert_allclose(spiking.w_in * scale[:, None], solver.w_in, rtol=1e-6)
    np.testing.assert_allclose(spiking.w_out / scale, solver.w_out, rtol=1e-6)
