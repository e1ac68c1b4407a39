"""Integer networks of chips: against loops over single events and numbers, by hand, and from rate networks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from neuromod import Network
from neuromod.chips import calibrate_loihi2, calibrate_xylo
from neuromod.chips.arithmetic import decay_by_share, decay_by_shift, follow, split_signs
from neuromod.chips.loihi import LoihiNetwork
from neuromod.chips.loihi2 import Loihi2Network
from neuromod.chips.rounding import round_rows
from neuromod.chips.xylo import XyloNetwork
from neuromod.errors import UsageError
from neuromod.exporting.chips import calibrate_loihi
from neuromod.spiking import balance
from neuromod.spiking.conversion import convert
from neuromod.spiking.thresholds import activities, largest_drives


def sparse_integers(rng, shape, largest, density=0.4):
    return rng.integers(-largest, largest + 1, shape) * (rng.random(shape) < density)


def some_xylo(rng, n=7, channels=4, n_out=3, shift=1):
    return XyloNetwork(
        weights_in=sparse_integers(rng, (channels, n), 60),
        weights_rec=sparse_integers(rng, (n, n), 30),
        weights_out=sparse_integers(rng, (n, n_out), 20),
        dash_mem=rng.integers(0, 5, n),
        dash_mem_out=rng.integers(0, 5, n_out),
        dash_syn=rng.integers(1, 5, n),
        dash_syn_out=rng.integers(1, 5, n_out),
        threshold=rng.integers(20, 400, n),
        threshold_out=np.full(n_out, 1000),
        bias=rng.integers(-30, 31, n),
        bias_out=np.zeros(n_out),
        counts_per_unit=np.ones(channels),
        signed=np.zeros(channels, bool),
        level=np.ones(n),
        readout_scale=np.ones(n_out),
        readout_offset=np.zeros(n_out),
        weight_shift_in=shift,
        weight_shift_rec=0,
        weight_shift_out=shift,
        dt_s=0.1,
    )


def xylo_by_events(net, counts):
    """One neuron, one event at a time, in Python's own integers."""

    def decay(value, dash):
        taken = value >> dash
        if taken == 0 and value != 0:
            taken = 1 if value > 0 else -1
        return value - taken

    def add(state, event):
        return max(-32768, min(32767, state + event))

    n, n_out = len(net.threshold), len(net.threshold_out)
    i, v, s, out = [0] * n, [0] * n, [0] * n, [0] * n_out
    spikes, currents, readouts = [], [], []
    for row in counts.tolist():
        for source, count in enumerate(row):
            for _ in range(count):
                for k in range(n):
                    i[k] = add(i[k], int(net.weights_in[source, k]) << net.weight_shift_in)
        for source, count in enumerate(s):
            for _ in range(count):
                for k in range(n):
                    i[k] = add(i[k], int(net.weights_rec[source, k]) << net.weight_shift_rec)
        for k in range(n):
            i[k] = decay(i[k], int(net.dash_syn[k]))
            v[k] = add(decay(v[k], int(net.dash_mem[k])), i[k] + int(net.bias[k]))
            s[k] = 0
            while v[k] >= net.threshold[k] and s[k] < 31:
                v[k] -= int(net.threshold[k])
                s[k] += 1
        for source, count in enumerate(s):
            for _ in range(count):
                for k in range(n_out):
                    out[k] = add(out[k], int(net.weights_out[source, k]) << net.weight_shift_out)
        out = [decay(value, int(dash)) for value, dash in zip(out, net.dash_syn_out, strict=True)]
        spikes.append(list(s))
        currents.append(list(i))
        readouts.append(list(out))
    return np.array(spikes), np.array(currents), np.array(readouts)


@pytest.mark.parametrize("seed", range(5))
def test_xylo_is_its_events_one_by_one(seed):
    rng = np.random.default_rng(seed)
    net = some_xylo(rng)
    counts = rng.integers(0, 4, (40, 2, 4))
    response = net.run(counts, bound=True)
    assert response.used < 1
    assert response.spikes.max() > 1
    for trial in range(2):
        spikes, current, readout = xylo_by_events(net, counts[:, trial])
        np.testing.assert_array_equal(response.spikes[:, trial], spikes)
        np.testing.assert_array_equal(response.current[:, trial], current)
        np.testing.assert_array_equal(response.readout[:, trial], readout)


def test_xylo_says_when_events_could_saturate():
    net = some_xylo(np.random.default_rng(0), shift=7)
    assert net.run(np.full((40, 1, 4), 15), bound=True).used > 1


def loihi_by_numbers(net, events):
    """One neuron at a time; Python's own division rounds down, so towards zero is spelt out."""

    def decay(value, by):
        kept = abs(value) * (4096 - by) // 4096
        return kept if value >= 0 else -kept

    n = net.n
    u, v, s, out = [0] * n, [0] * n, [0] * n, []
    for row in events.tolist():
        total = [
            (sum(int(w) for w, e in zip(net.weights_in[k], row, strict=True) if e) << int(net.weight_exp_in[k]))
            + (sum(int(w) for w, e in zip(net.weights_rec[k], s, strict=True) if e) << int(net.weight_exp_rec[k]))
            for k in range(n)
        ]
        for k in range(n):
            u[k] = decay(u[k], net.du + 1) + 64 * total[k]
            v[k] = max(-(2**23) + 1, min(2**23 - 1, decay(v[k], net.dv) + u[k]))
        s = [int(value > 64 * net.vth) for value in v]
        v = [0 if fired else value for fired, value in zip(s, v, strict=True)]
        out.append((list(s), list(u), list(v)))
    return [np.array(part) for part in zip(*out, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_loihi_is_its_neurons_one_by_one(seed):
    rng = np.random.default_rng(seed)
    n, n_in = 8, 3
    net = LoihiNetwork(
        weights_in=2 * sparse_integers(rng, (n, n_in + 1), 127),
        weights_rec=2 * sparse_integers(rng, (n, n), 127),
        core=np.arange(n) // 4,
        input_peak=np.ones(n_in),
        signed=np.array([True, False, False]),
        weights_out=np.ones((2, n)),
        readout_offset=np.zeros(2),
        weight_exp_in=rng.integers(0, 3, n),
        weight_exp_rec=rng.integers(0, 3, n),
        du=int(rng.integers(100, 2000)),
        dv=int(rng.integers(0, 500)),
        vth=300,
        substeps=4,
        dt_s=0.1,
    )
    events = (rng.random((60, 2, n_in + 1)) < 0.4).astype(int)
    response = net.run(events)
    assert response.spikes.any()
    assert (response.u < 0).any()
    for trial in range(2):
        for name, ours in zip(("spikes", "u", "v"), loihi_by_numbers(net, events[:, trial]), strict=True):
            np.testing.assert_array_equal(getattr(response, name)[:, trial], ours)


@pytest.mark.parametrize("seed", range(5))
def test_graded_units_are_their_numbers_one_by_one(seed):
    rng = np.random.default_rng(seed)
    n, n_in = 6, 3
    net = Loihi2Network(
        weights_in=2 * sparse_integers(rng, (n, n_in), 127),
        weights_rec=2 * sparse_integers(rng, (n, n), 60),
        weight_exp_in=-rng.integers(0, 6, n),
        weight_exp_rec=-rng.integers(6, 10, n),
        bias=rng.integers(-3000, 3000, n),
        core=np.zeros(n),
        input_scale=np.ones(n_in),
        level=np.ones(n),
        weights_out=np.ones((1, n)),
        readout_offset=np.zeros(1),
        leak=64,
        dt_s=0.1,
    )
    messages = rng.integers(-500, 500, (30, 1, n_in))
    response = net.run(messages)
    h = [0] * n
    for t, row in enumerate(messages[:, 0].tolist()):
        sums = [
            (sum(int(w) * a for w, a in zip(net.weights_rec[k], h, strict=True)) // 2 ** -int(net.weight_exp_rec[k]))
            + (sum(int(w) * a for w, a in zip(net.weights_in[k], row, strict=True)) // 2 ** -int(net.weight_exp_in[k]))
            for k in range(n)
        ]
        fresh = [max(0, value + int(b)) for value, b in zip(sums, net.bias, strict=True)]
        kept = [max(0, 64 * value // 128) for value in h]
        assert response.fresh[t, 0].tolist() == fresh
        assert response.kept[t, 0].tolist() == kept
        h = [p + r for p, r in zip(kept, fresh, strict=True)]
    assert response.fresh.any()


def test_decays_by_hand():
    # 7 >> 2 = 1, 3 >> 2 = 0 becomes 1, -7 >> 2 = -2, -1 >> 2 = -1, 0 stays.
    values = np.array([7, 3, -7, -1, 0])
    assert decay_by_shift(values, np.full(5, 2)).tolist() == [6, 2, -5, 0, 0]
    assert decay_by_shift(values, np.zeros(5, int)).tolist() == [0, 0, 0, 0, 0]
    assert decay_by_share(np.array([4096, -4097, 1]), 1).tolist() == [4095, -4095, 0]


@given(
    st.lists(st.floats(-6, 6), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.5, 0.875, 1.0]),
)
@settings(max_examples=100)
def test_what_rounding_leaves_over_goes_on(steps, keep):
    wanted = np.zeros(len(steps))
    total = 0.0
    for k, step in enumerate(steps):
        total = keep * total + step
        wanted[k] = total
    # Within the range nothing is ever further away than half a count.
    counts = follow(wanted, keep, -20, 20)
    total = 0.0
    for count, aim in zip(counts, wanted, strict=True):
        total = keep * total + count
        assert abs(total - aim) <= 0.5 + 1e-9


def test_counts_of_a_low_passed_signal_are_found_again():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 16, (50, 3, 2))
    low = np.zeros(counts.shape)
    state = np.zeros(counts.shape[1:])
    for t, count in enumerate(counts):
        state = 0.75 * (state + count)
        low[t] = state
    np.testing.assert_array_equal(follow(low / 0.75, 0.75, 0, 15), counts)


def test_signs_are_split():
    counts = np.array([[[3, -2, -1]]])
    assert split_signs(counts, np.array([True, False, True])).tolist() == [[[3, 0, 0, 0, 1]]]


def test_rounding_that_carries_on_beats_the_nearest_and_keeps_absent_weights():
    rng = np.random.default_rng(1)
    sources = rng.random((400, 30)) @ rng.random((30, 30))
    correlation = sources.T @ sources / len(sources)
    weights = rng.normal(size=(12, 30)) * (rng.random((12, 30)) < 0.6)
    step = np.full(12, 0.2)
    found = round_rows(weights, step, correlation, 127)
    nearest = np.round(weights / 0.2)

    def error(integers):
        rest = weights - 0.2 * integers
        return np.einsum("ij,jk,ik->i", rest, correlation, rest)

    assert error(found).sum() < 0.1 * error(nearest).sum()
    assert not found[weights == 0].any()


def rate_network(rng, n=24, n_in=5, n_out=4, alpha=0.5):
    weights = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.2) * 0.5
    np.fill_diagonal(weights, 0)
    return Network(
        w_rec=sparse.csr_array(weights),
        w_in=rng.normal(size=(n, n_in)) * 0.5,
        w_out=rng.normal(size=(n_out, n)) * 0.3,
        bias=rng.normal(size=n) * 0.2,
        bias_out=rng.normal(size=n_out) * 0.1,
        dt_s=0.1,
        tau_s=0.1 / alpha,
    )


def smooth_inputs(rng, time=40, trials=24, n_in=5):
    return np.repeat(rng.normal(size=(time // 8, trials, n_in)) * (rng.random((time // 8, trials, n_in)) < 0.6), 8, 0)


def relative_error(found, wanted):
    return np.sqrt(np.mean((found - wanted) ** 2)) / np.sqrt(np.mean(wanted**2))


@pytest.mark.parametrize("alpha", [0.5, 0.25, 0.125])
def test_xylo_stands_for_the_rate_network(alpha):
    rng = np.random.default_rng(3)
    network = rate_network(rng, alpha=alpha)
    found = calibrate_xylo(network, smooth_inputs(rng))
    assert found.used < 1
    x = smooth_inputs(rng)
    assert relative_error(found.integers.respond(x), network.run(x)[0]) < 0.1
    assert found.integers.alpha == alpha
    counts = found.integers.encode(x)
    assert counts.min() >= 0
    assert counts.max() <= 15


def test_xylo_refuses_a_leak_that_the_chip_has_not():
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="tau = 4 dt"):
        calibrate_xylo(rate_network(rng, alpha=0.3), smooth_inputs(rng))
    with pytest.raises(UsageError, match="tau = 2 dt"):
        calibrate_xylo(rate_network(rng, alpha=1.0), smooth_inputs(rng))


def test_xylo_numbers_do_not_depend_on_the_order_of_neurons():
    rng = np.random.default_rng(4)
    network, x = rate_network(rng), smooth_inputs(rng)
    order = rng.permutation(network.n)
    one = calibrate_xylo(network, x, percentiles=(100.0,), shifts=(1,)).integers
    other = calibrate_xylo(network.subset(order), x, percentiles=(100.0,), shifts=(1,)).integers
    np.testing.assert_array_equal(one.threshold[order], other.threshold)
    assert relative_error(one.respond(x), other.respond(x)) < 0.05


def test_graded_units_stand_for_the_rate_network():
    rng = np.random.default_rng(5)
    network = rate_network(rng, alpha=0.25)
    found = calibrate_loihi2(network, smooth_inputs(rng))
    assert found.used < 1
    x = smooth_inputs(rng)
    assert relative_error(found.integers.respond(x), network.run(x)[0]) < 0.02
    with pytest.raises(UsageError, match="the nearest that it can be"):
        calibrate_loihi2(rate_network(rng, alpha=0.51), smooth_inputs(rng))


def test_loihis_rows_take_few_exponents_and_fill_their_bits():
    rng = np.random.default_rng(7)
    network, x = rate_network(rng), smooth_inputs(rng)
    # Rows of very different sizes.
    factor = 2.0 ** rng.integers(-4, 2, network.n)
    network = replace(network, w_rec=sparse.diags_array(factor) @ network.w_rec)
    scale = 4 * balance(activities(network, x).reshape(-1, network.n), percentile=99.9)
    spiking = convert(network, scale, substeps=20, mode="continuous", reset="hard", delay=0, floor=-2.0, start=0.0)
    integers = calibrate_loihi(spiking, x).integers
    exact = spiking.w_rec.toarray() * integers.share * integers.vth
    step = 2.0 ** (integers.weight_exp_rec + 1.0)[:, None]
    assert len(np.unique(integers.weight_exp_rec)) <= 3
    assert (np.abs(integers.weights_rec * step / 2 - exact) <= step / 2 * (1 + 1e-6)).all()


def test_loihi_stands_for_the_spiking_network():
    rng = np.random.default_rng(6)
    network, x = rate_network(rng), smooth_inputs(rng)
    scale = 4 * balance(activities(network, x).reshape(-1, network.n), percentile=99.9)
    # Currents stay well within the floor, and with it within their bits.
    scale = np.maximum(scale, largest_drives(network, x) / 0.4)
    settings_ = {"mode": "continuous", "reset": "hard", "delay": 0, "floor": -1.0}
    spiking = convert(network, scale, substeps=20, start=0.0, **settings_)
    found = calibrate_loihi(spiking, x)
    assert found.used < 1
    # The membranes' floor is the end of their bits, which they reach and do not pass.
    assert found.integers.vth == 2**17 - 1
    assert found.integers.run(found.integers.encode(x)).v.min() == -(2**23) + 1
    assert found.readout_error < 0.3
    assert relative_error(found.integers.respond(x), network.run(x)[0]) < 0.4
    with pytest.raises(UsageError, match="a hard reset"):
        calibrate_loihi(convert(network, scale, substeps=4, mode="continuous", delay=0, floor=None), x)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weights_in", np.full((4, 7), 200), "weights_in must fit int8"),
        ("threshold", np.zeros(7), "thresholds must be positive"),
        ("bias", np.full(7, 40000), "bias must fit int16"),
        ("weights_rec", np.zeros((6, 7)), r"weights_rec must have the shape \(7, 7\)"),
        ("weight_shift_in", 9, "weight_shift_in must be 0 to 7"),
    ],
)
def test_xylo_arrays_are_held_to_the_chip(name, value, message):
    from dataclasses import replace

    with pytest.raises(UsageError, match=message):
        replace(some_xylo(np.random.default_rng(0)), **{name: value})


def test_the_load_of_xylo_is_what_its_events_do():
    """Every event of every step is followed to its synapses."""
    from neuromod.chips import xylo_load

    rng = np.random.default_rng(3)
    net = some_xylo(rng)
    counts = rng.integers(0, 4, (6, 2, net.channels))
    response = net.run(counts)
    found = xylo_load(net, counts, response)
    operations = messages = 0
    for t in range(6):
        for trial in range(2):
            for k in range(net.channels):
                events = int(counts[t, trial, k])
                operations += events * np.count_nonzero(net.weights_in[k])
                messages += events * bool(net.weights_in[k].any())
            for k in range(net.n):
                synapses = np.count_nonzero(net.weights_rec[k]) + np.count_nonzero(net.weights_out[k])
                operations += int(response.spikes[t, trial, k]) * synapses
    weights = sum(np.count_nonzero(w) for w in (net.weights_in, net.weights_rec, net.weights_out))
    assert found["busiest"]["synaptic_operations"] == pytest.approx(operations / 12)
    assert found["busiest"]["messages"] == pytest.approx(messages / 12)
    assert (found["busiest"]["neuron_updates"], found["busiest"]["weight_bits"]) == (net.n + 3, 8 * weights)
    assert [part["core"] for part in found["cores"]] == [0]


def test_the_load_of_cores_counts_what_comes_from_others():
    from neuromod.chips.load import count_load

    between = np.array([[0, 3, 0], [0, 0, -1], [2, 0, 1]])
    found = count_load(
        core=np.array([0, 0, 4]),
        updates=np.ones(3),
        sent=np.array([0.5, 2.0, 1.0]),
        into=np.array([[1, 0], [0, 0], [1, 1]]),
        between=between,
        input_sent=np.array([1.0, 3.0]),
        memory_bits=8,
    )
    one, two = found["cores"]
    # Core 0: neuron 0 from neuron 1 and input 0, neuron 1 from neuron 2 on core 4; core 4 the rest.
    assert one == {
        "core": 0, "synaptic_operations": 2.0 + 1.0 + 1.0, "neuron_updates": 2.0, "messages": 1.0 + 1.0,
        "weight_bits": 24,
    }  # fmt: skip
    assert two == {
        "core": 4, "synaptic_operations": 0.5 + 1.0 + 1.0 + 3.0, "neuron_updates": 1.0, "messages": 0.5 + 4.0,
        "weight_bits": 32,
    }  # fmt: skip
    assert found["busiest"] == {"synaptic_operations": 5.5, "neuron_updates": 2.0, "messages": 4.5, "weight_bits": 32}


def test_rows_without_weights_are_left_and_the_others_rounded():
    weights = np.array([[0.0, 0.0], [0.6, 0.0], [0.0, -1.4]])
    # Sources that know nothing of each other are rounded one by one.
    assert round_rows(weights, np.ones(3), np.eye(2), 127).tolist() == [[0, 0], [1, 0], [0, -1]]
