from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.spiking import conversion, spikes_of, thresholds
from neuromod.spiking.network import SpikingNetwork


def one_neuron(drive: float, *, substeps: int, alpha: float = 1.0, **kwargs) -> SpikingNetwork:
    network = Network(
        w_rec=np.zeros((1, 1)),
        w_in=np.ones((1, 1)),
        w_out=np.ones((1, 1)),
        bias=np.zeros(1),
        bias_out=np.zeros(1),
        dt_s=0.1,
        tau_s=0.1 / alpha,
    )
    return replace(conversion.convert(network, np.ones(1), substeps=substeps), **kwargs)


@given(drive=st.floats(-2, 2), substeps=st.integers(1, 40))
def test_soft_reset_fires_at_the_rate_of_a_rectified_clipped_line(drive, substeps):
    # In T time steps the membrane takes in T K drive and gives off one for each spike, so the rate is the drive
    # itself to within the one spike that the membrane can hold.
    steps = 20
    spikes = one_neuron(drive, substeps=substeps).run(np.full((steps, 1, 1), drive)).spikes
    rate = min(1, max(0, np.float32(drive)))
    assert abs(spikes.sum() - rate * substeps * steps) <= 1.001


def test_hard_reset_loses_the_overshoot():
    # 0.4 needs three substeps to pass 1 from 0 (1.2, and 0.2 are lost): one spike in three instead of two in five.
    x = np.full((30, 1, 1), 0.4)
    hard = one_neuron(0.4, substeps=1, reset="hard", start=0.0).run(x).spikes
    soft = one_neuron(0.4, substeps=1, start=0.0).run(x).spikes
    assert hard.sum() == 10
    assert abs(soft.sum() - 12) <= 1


def test_floor_forgets_inhibition():
    x = np.concatenate([np.full((5, 1, 1), -3.0), np.full((2, 1, 1), 0.6)])
    assert one_neuron(0, substeps=1).run(x).spikes.sum() == 1
    assert one_neuron(0, substeps=1, floor=None).run(x).spikes.sum() == 0


def test_trace_of_a_spike_decays_with_the_leak():
    # One spike at t = 0, then nothing: the readout is alpha (1 - alpha)^t.
    x = np.zeros((4, 1, 1))
    x[0] = 1.0
    response = one_neuron(0, substeps=1, alpha=0.25).run(x)
    assert response.spikes[:, 0, 0].tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(response.y[:, 0, 0], 0.25 * 0.75 ** np.arange(4), rtol=1e-6)


def test_continuous_trace_decays_by_alpha_in_a_time_step():
    spiking = replace(one_neuron(0, substeps=4, alpha=0.25), mode="continuous", delay=2)
    x = np.zeros((6, 1, 1))
    x[0] = 0.2  # one spike, from 0.5 in the third substep
    response = spiking.run(x)
    y = response.y
    assert response.spikes.sum() == 1
    np.testing.assert_allclose(y[2:, 0, 0] / y[1:-1, 0, 0], 0.75, rtol=1e-5)


def test_spikes_reach_other_neurons_after_the_delay():
    # Neuron 0 fires in every substep from the first on; neuron 1 hears it `delay` + 1 substeps later.
    network = Network(
        w_rec=np.array([[0, 0], [1000.0, 0]]),
        w_in=np.array([[5.0], [0]]),
        w_out=np.eye(2),
        bias=np.zeros(2),
        bias_out=np.zeros(2),
        dt_s=0.1,
        tau_s=0.2,
    )
    base = conversion.convert(network, np.ones(2), substeps=6, mode="continuous")
    assert base.delay == 3
    for delay in (0, 1, 5):
        spikes = replace(base, delay=delay).run(np.ones((1, 1, 1))).spikes
        assert spikes[0, 0].tolist() == [6, 6 - 1 - delay]


@settings(max_examples=10)
@given(seed=st.integers(0, 100), mode=st.sampled_from(["hold", "continuous"]), alpha=st.sampled_from([0.2, 0.5]))
def test_many_substeps_converge_to_the_rate_network(seed, mode, alpha):
    rng = np.random.default_rng(seed)
    n = 12
    network = Network(
        w_rec=rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.3) * 0.4,
        w_in=rng.normal(size=(n, 3)),
        w_out=rng.normal(size=(2, n)),
        bias=rng.normal(size=n) * 0.2,
        bias_out=rng.normal(size=2),
        dt_s=0.1,
        tau_s=0.1 / alpha,
    )
    x = np.repeat(rng.normal(size=(5, 8, 3)), 6, axis=0)
    scale = thresholds.balance(thresholds.activities(network, x).reshape(-1, n), percentile=100)
    states = network.states(x)
    errors = []
    for substeps in (4, 64):
        spiking = conversion.convert(network, scale, substeps=substeps, mode=mode)
        response = spiking.run(x)
        estimate = response.traces * spiking.scale
        # The readout is that of the estimated state.
        np.testing.assert_allclose(response.y, estimate @ network.w_out.T + network.bias_out, atol=1e-3)
        errors.append(np.sqrt(((estimate - states) ** 2).mean() / (states**2).mean()))
    # hold is exact in the limit; continuous follows a continuous equation, close to it but not equal.
    assert errors[1] < (0.05 if mode == "hold" else 0.15)
    assert errors[1] < errors[0]


def limit_error(mode, alpha, substeps=128):
    """Error of the state with very many substeps, relative to the state's; inputs last for three time constants."""
    rng = np.random.default_rng(0)
    n = 12
    network = Network(
        w_rec=rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.3) * 0.4, w_in=rng.normal(size=(n, 3)),
        w_out=rng.normal(size=(2, n)), bias=rng.normal(size=n) * 0.2, bias_out=np.zeros(2), dt_s=0.1, tau_s=0.1 / alpha,
    )  # fmt: skip
    x = np.repeat(rng.normal(size=(5, 8, 3)), round(3 / alpha), axis=0)
    scale = thresholds.balance(thresholds.activities(network, x).reshape(-1, n), percentile=100)
    states = network.states(x)
    found = conversion.convert(network, scale, substeps=substeps, mode=mode).run(x).traces * scale
    return np.sqrt(((found - states) ** 2).mean() / (states**2).mean())


def test_hold_is_exact_for_any_alpha_and_continuous_for_small_ones():
    assert all(limit_error("hold", alpha) < 0.02 for alpha in (0.2, 0.5, 0.8, 1.0))
    # The last 128 substeps do not help any more; what is left grows with alpha.
    left = [limit_error("continuous", alpha) for alpha in (0.1, 0.2, 0.5, 0.8)]
    assert left == sorted(left)
    assert left[0] < 0.003
    assert left[2] > 4 * limit_error("hold", 0.5)
    assert limit_error("continuous", 0.8, 256) > 0.9 * left[3]


def test_sparse_and_dense_products_agree():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(30, 30)) * (rng.random((30, 30)) < 0.05)
    network = Network(
        w_rec=w,
        w_in=rng.normal(size=(30, 4)),
        w_out=np.eye(30),
        bias=np.zeros(30),
        bias_out=np.zeros(30),
        dt_s=0.1,
        tau_s=0.2,
    )
    x = rng.random((10, 5, 4))
    assert network.n_synapses < 90
    for mode in ("hold", "continuous"):
        spiking = conversion.convert(network, np.full(30, 3.0), substeps=5, mode=mode)
        # Weights of almost nothing make the matrix dense without changing what it does.
        dense = replace(spiking, w_rec=type(spiking.w_rec)(spiking.w_rec.toarray() + 1e-30))
        np.testing.assert_allclose(spiking.run(x).y, dense.run(x).y, atol=1e-5)


def test_impossible_settings_are_refused():
    with pytest.raises(UsageError, match="alpha = 1"):
        one_neuron(0, substeps=2, mode="continuous")
    with pytest.raises(UsageError, match="substep"):
        one_neuron(0, substeps=0)
    with pytest.raises(UsageError, match="delay"):
        one_neuron(0, substeps=4, alpha=0.5, mode="continuous", delay=5)
    with pytest.raises(UsageError, match="delay"):
        one_neuron(0, substeps=4, delay=1)


@pytest.mark.parametrize("mode", ["hold", "continuous"])
@pytest.mark.parametrize("input", ["constant", "counts"])
def test_going_on_from_a_state_leaves_no_seam(solver, mode, input):
    spiking = conversion.convert(solver, np.full(17, 2.0), substeps=4, mode=mode, input=input)
    x = np.random.default_rng(0).random((9, 3, 53))
    whole, first = spiking.run(x), spiking.run(x[:4])
    second = spiking.run(x[4:], first.last)
    np.testing.assert_array_equal(np.concatenate([first.y, second.y]), whole.y)
    np.testing.assert_array_equal(np.concatenate([first.spikes, second.spikes]), whole.spikes)
    np.testing.assert_array_equal(second.last.travelling, whole.last.travelling)


def test_margin_is_the_least_distance_from_the_threshold():
    # Membranes before firing: 0.8, 1.1; after the spike 0.1, then 0.4.
    response = one_neuron(0, substeps=3).run(np.full((1, 1, 1), 0.3))
    assert response.spikes.item() == 1
    assert response.margin.item() == pytest.approx(0.1, abs=1e-6)


def test_random_input_has_the_inputs_mean_and_sign():
    spiking = replace(one_neuron(0, substeps=1), input="poisson", input_peak=np.array([2.0]), floor=None)
    x = np.full((1, 20000, 1), -0.5)
    membrane = spiking.run(x, rng=np.random.default_rng(0)).last.membrane - 0.5
    assert set(np.unique(membrane)) == {-2.0, 0.0}
    assert abs(membrane.mean() + 0.5) < 0.03  # four standard errors
    with pytest.raises(UsageError, match="rng"):
        spiking.run(x)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=8), st.integers(1, 20))
def test_spikes_of_inputs_carry_their_error_on(values, substeps):
    # Whatever the inputs are, no more than half a spike is ever owed.
    spiking = one_neuron(0, substeps=substeps, input="counts")
    carried, given_, owed = np.zeros((1, 1), np.float32), 0.0, 0.0
    for value in values:
        events, carried = spikes_of(spiking, np.full((1, 1), value, np.float32), carried)
        assert set(np.unique(events)) <= {-1, 0, 1}
        given_, owed = given_ + events.sum(), owed + substeps * value
        assert abs(owed - given_) <= 0.5 + 1e-4


def test_spikes_of_inputs_are_the_inputs_behind_the_synapses():
    # At most half a spike off, once there was time to get there; a spike adds its size to the current.
    spiking = one_neuron(0, substeps=10, alpha=0.5, mode="continuous", input="counts", input_peak=np.array([1.5]))
    spiking = replace(spiking, start=-1e4, floor=None)
    x = np.repeat([0.9, -0.4, 0.0, 0.25], 6)[:, None, None]
    keep, size, current, got = 1 - spiking.share, spiking.spike_size.item(), 0.0, []
    carried = np.zeros((1, 1), np.float32)
    for value in x:
        events, carried = spikes_of(spiking, value.astype(np.float32), carried)
        for event in events.ravel():
            current = keep * current + size * event
        got.append(current)
    assert np.abs(np.array(got) - x.ravel()).reshape(4, 6)[:, 3:].max() <= size / 2 + 1e-6
    # The network's own current is that, after one more substep of decay.
    assert spiking.run(x).last.current.item() == pytest.approx(keep * current, abs=1e-5)


@pytest.mark.parametrize("mode", ["hold", "continuous"])
def test_spikes_of_inputs_make_the_network_that_currents_do(solver, mode):
    # Behind the synapses inputs take their time to change, so here they do not.
    x = np.repeat(np.random.default_rng(0).uniform(0, 1, size=(1, 40, 53)), 20, axis=0)
    common = {"substeps": 200, "mode": mode, "input_peak": np.full(53, 1.5)}
    steady = conversion.convert(solver, np.full(17, 2.0), **common).run(x)
    spiked = conversion.convert(solver, np.full(17, 2.0), **common, input="counts").run(x)
    assert np.abs(spiked.traces - steady.traces)[15:].max() / np.abs(steady.traces[15:]).max() < 0.05


def test_saved_networks_come_back(solver, tmp_path):
    from neuromod.spiking.quantization import quantize

    spiking = quantize(conversion.convert(solver, np.linspace(1, 2, 17), substeps=4, mode="continuous"), 6)
    spiking.save(tmp_path / "a.safetensors")
    back = SpikingNetwork.load(tmp_path / "a.safetensors")
    assert back.numbers() == spiking.numbers()
    for name in ("w_in", "bias", "w_out", "bias_out", "scale", "input_peak", "step_in", "step_out"):
        np.testing.assert_array_equal(getattr(back, name), getattr(spiking, name))
    np.testing.assert_array_equal(back.w_rec.toarray(), spiking.w_rec.toarray())
    back.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:100])
    with pytest.raises(UsageError, match="truncated or corrupt"):
        SpikingNetwork.load(tmp_path / "a.safetensors")
    solver.save(tmp_path / "c.safetensors")
    with pytest.raises(UsageError, match="schema"):
        SpikingNetwork.load(tmp_path / "c.safetensors")
