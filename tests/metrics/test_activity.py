"""Activity: counted by hand on a network of two neurons, and round trips."""

import numpy as np
import pytest

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.metrics.activity import Activity, count_active_steps, given, read_rates
from neuromod.spiking.conversion import convert
from neuromod.spiking.counting import count_spikes
from neuromod.tasks import Trials


def network(**more):
    # Neuron 0 follows the input; neuron 1 is driven by neuron 0 and leaks on.
    return Network(
        w_rec=np.array([[0, 0], [1.0, 0]]),
        w_in=np.array([[1.0, 0], [0, 0]]),
        w_out=np.ones((1, 2)),
        bias=np.array([0, -0.3]),
        bias_out=np.zeros(1),
        dt_s=0.1,
        tau_s=0.2,
        **more,
    )


def trials(x, mask):
    x = np.asarray(x, np.float32)[:, None, None]
    return Trials(
        inputs=np.concatenate([x, 0 * x], axis=2),
        targets=np.zeros((len(x), 1), np.int64),
        mask=np.asarray(mask, bool)[:, None],
        task=np.zeros(1, np.int64),
        names=("t",),
    )


def test_active_steps_by_hand():
    # Inputs 1, 0, 0, -1, 1: neuron 0 is driven at steps 0 and 4; its state is 0.5, 0.25, 0.125, 0.0625, ...
    # Neuron 1 sees h0 - 0.3 of the step before: driven at step 1 alone (0.5 - 0.3), then only leaks.
    found = count_active_steps(network(), trials([1, 0, 0, -1, 1], [1] * 5))
    assert found.rates.tolist() == [2 / 5, 1 / 5]
    assert found.input_rates.tolist() == [3 / 5, 0]
    assert found.steps == 5
    # The last step lies after the end of the trial.
    found = count_active_steps(network(), trials([1, 0, 0, -1, 1], [1, 1, 1, 1, 0]))
    assert found.rates.tolist() == [1 / 4, 1 / 4]


def test_many_trials_are_counted_like_each_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 150, 2)).astype(np.float32)
    mask = np.arange(7)[:, None] < rng.integers(1, 8, 150)
    every = Trials(x, np.zeros((7, 150), np.int64), mask, np.zeros(150, np.int64), ("t",))
    alone = [
        count_active_steps(
            network(), Trials(x[:, [i]], np.zeros((7, 1), np.int64), mask[:, [i]], np.zeros(1, int), ("t",))
        )
        for i in range(150)
    ]
    steps = np.array([part.steps for part in alone])
    expected = sum(part.rates * part.steps for part in alone) / steps.sum()
    np.testing.assert_allclose(count_active_steps(network(), every).rates, expected)


def test_a_networks_own_rates():
    assert given(network(rates=[0.5, 2])).rates.tolist() == [0.5, 2]
    assert given(network()).rates.tolist() == [1, 1]
    assert given(network()).kind == "every-step"


def test_round_trip(tmp_path):
    before = Activity(np.array([0.5, 0]), np.array([1.0]), "given", 3)
    before.save(tmp_path / "activity.safetensors")
    after = Activity.load(tmp_path / "activity.safetensors")
    assert after.rates.tolist() == before.rates.tolist()
    assert (after.kind, after.steps) == ("given", 3)


@pytest.mark.parametrize("rates", [[-1.0], [np.nan], [np.inf], [[1.0]]])
def test_impossible_rates_are_refused(rates):
    with pytest.raises(UsageError, match="rates"):
        Activity(np.array(rates), np.ones(1), "given", 0)


def test_spikes_are_those_of_the_spiking_network():
    net = network()
    spiking = convert(net, np.ones(2, np.float32), substeps=4)
    several = trials([1, 0, 0, 1, 1], [1, 1, 1, 1, 0])
    found = count_spikes(spiking, several)
    response = spiking.run(several.inputs).spikes[:4, 0]
    assert found.kind == "spikes"
    assert found.steps == 4
    assert found.rates.tolist() == (response.sum(axis=0) / 4).tolist()
    assert found.rates[0] > 0
    assert found.input_rates.tolist() == [2 / 4, 0]


@pytest.mark.parametrize("name", ["rates.npy", "rates.npz", "rates.txt", "rates.csv"])
def test_rates_of_a_user(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".npy"):
        np.save(path, np.array([0.5, 2]))
    elif name.endswith(".npz"):
        np.savez(path, rates=np.array([0.5, 2]), input_rates=np.array([0.25, 0]))
    else:
        path.write_text("0.5\n2\n")
    found = read_rates(path, network())
    assert found.rates.tolist() == [0.5, 2]
    assert found.input_rates.tolist() == ([0.25, 0] if name.endswith(".npz") else [1, 1])
    assert found.kind == "file"


@pytest.mark.parametrize(
    ("text", "message"),
    [("1\n2\n3\n", "must be 2 numbers"), ("a\nb\n", "cannot read"), ("1\n-1\n", "not below 0"), ("1\nnan\n", "finite")],
)
def test_rates_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "rates.txt"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_rates(path, network())
    with pytest.raises(UsageError, match="cannot read"):
        read_rates(tmp_path / "none.npz", network())


@pytest.mark.parametrize("shape", ["(2000000000000,), }", "(2, }"])
def test_rates_with_a_broken_header(tmp_path, shape):
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape
    path = tmp_path / "rates.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + text.ljust(117).encode() + b"\n" + bytes(16))
    with pytest.raises(UsageError, match="cannot read the rates"):
        read_rates(path, network())
