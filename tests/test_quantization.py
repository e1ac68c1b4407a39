from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.hardware import bits_of
from neuromod.hardware.target_files import load_target
from neuromod.quantization import rounded, steps, without_lost
from neuromod.spiking import conversion
from neuromod.spiking.quantization import quantize
from neuromod.spiking.selection import ConversionSettings, choose


def random_spiking(seed: int, **kwargs):
    rng = np.random.default_rng(seed)
    n = 20
    network = Network(
        w_rec=rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.3),
        w_in=rng.normal(size=(n, 4)) * 0.5,
        w_out=rng.normal(size=(3, n)),
        bias=rng.normal(size=n),
        bias_out=rng.normal(size=3),
        dt_s=0.1,
        tau_s=0.2,
    )
    return conversion.convert(network, rng.random(n) + 2, substeps=4, **kwargs)


@given(seed=st.integers(0, 50), bits=st.integers(2, 12), granularity=st.sampled_from(["row", "tensor"]))
def test_weights_are_integers_of_that_many_bits_near_what_they_were(seed, bits, granularity):
    before = random_spiking(seed)
    after = quantize(before, bits, granularity=granularity)
    for name, step in (("w_in", after.step_in), ("w_rec", after.step_in), ("w_out", after.step_out)):
        was, now = (getattr(s, name) for s in (before, after))
        was, now = (m.toarray() if name == "w_rec" else m for m in (was, now))
        integers = now / step[:, None]
        np.testing.assert_allclose(integers, np.round(integers), atol=1e-3)
        assert np.abs(np.round(integers)).max() <= 2 ** (bits - 1) - 1
        assert (np.abs(now - was) <= 0.5001 * step[:, None]).all()
        assert (now[was == 0] == 0).all()
    if granularity == "tensor":
        assert len(np.unique(after.step_in)) == len(np.unique(after.step_out)) == 1


def test_steps_by_hand():
    # 1.27 / 127 = 0.01 for 8 bits.
    np.testing.assert_allclose(steps(np.array([1.27, 0.0]), 8), [0.01, 1.0])


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_sums_of_steps_never_tie_with_the_threshold(reset):
    for largest in np.linspace(0.05, 3, 50):
        size = float(steps(np.array([largest]), 6, reset=reset)[0])
        assert size >= largest / 31
        sums = np.arange(0, int(20 / size)) * size
        # After up to twenty spikes in a row without a reset to 0, which a soft reset takes off one by one.
        fired = np.arange(1, 21 if reset == "soft" else 2)
        assert np.abs(sums[:, None] - fired[None]).min() > 0.01 * size


@pytest.mark.parametrize("bits", [1, 17])
def test_impossible_numbers_of_bits_are_refused(bits):
    with pytest.raises(UsageError, match="2 to 16 bits"):
        quantize(random_spiking(0), bits)


def test_many_bits_change_nothing_that_matters(solver):
    plain, fine, coarse = (
        choose(solver, ConversionSettings(substeps=(10,), n_trials=200, weight_bits=bits, tune="never")).chosen
        for bits in (None, 8, 2)
    )
    assert abs(fine.accuracy - plain.accuracy) <= 0.01
    assert fine.agreement.share > 0.95
    assert coarse.state_error > fine.state_error


def random_network(seed, n=15):
    rng = np.random.default_rng(seed)
    return Network(
        w_rec=rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.4), w_in=rng.normal(size=(n, 4)),
        w_out=rng.normal(size=(3, n)), bias=rng.normal(size=n), bias_out=rng.normal(size=3), dt_s=0.1, tau_s=0.2,
    )  # fmt: skip


@given(seed=st.integers(0, 50), bits=st.integers(2, 16))
def test_a_rate_network_is_rounded_row_by_row_to_that_many_bits(seed, bits):
    network = random_network(seed)
    found, most = rounded(network, bits), 2 ** (bits - 1) - 1
    both = [np.hstack([net.w_in, net.w_rec.toarray()]) for net in (network, found)]
    for before, after in (both, (network.w_out, found.w_out)):
        step = np.abs(before).max(axis=1, keepdims=True) / most
        whole = after / step
        np.testing.assert_allclose(whole, np.round(whole), atol=1e-2)
        assert np.abs(whole).max() <= most + 1e-2
        assert (np.abs(after - before) <= 0.501 * step).all()
    np.testing.assert_array_equal(found.bias, network.bias)


def test_weights_that_become_zero_are_no_synapses():
    network = random_network(0)
    thin = without_lost(network, 3)
    assert thin.n_synapses < network.n_synapses
    assert thin.n_synapses == np.count_nonzero(rounded(network, 3).w_rec.toarray())
    np.testing.assert_array_equal(rounded(thin, 3).w_rec.toarray(), rounded(network, 3).w_rec.toarray())
    kept = thin.w_rec.toarray() != 0
    np.testing.assert_array_equal(thin.w_rec.toarray()[kept], network.w_rec.toarray()[kept])


def test_bits_of_targets(tmp_path):
    assert bits_of("loihi1") == load_target("loihi1").value("weight_bits")
    with pytest.raises(UsageError, match="weight on loihi2 is unknown"):
        bits_of("loihi2")
