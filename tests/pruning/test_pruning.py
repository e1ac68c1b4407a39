import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromod.errors import UsageError
from neuromod.metrics import accuracy
from neuromod.network import Network
from neuromod.pruning import magnitude
from neuromod.removal import cut


def chain(**changes: object) -> Network:
    """in -> 0 -> 1 -> out, 2 reached but unread, 3 read but unreached with a positive bias, 4 an island."""
    w_rec = np.zeros((5, 5))
    w_rec[1, 0], w_rec[2, 0], w_rec[1, 3] = 1.0, 1.0, 0.5
    arguments: dict[str, object] = {
        "w_rec": w_rec,
        "w_in": np.array([[1.0], [0], [0], [0], [0]]),
        "w_out": np.array([[0, 1.0, 0, 0.25, 0]]),
        "bias": np.array([0, 0, 0, 2.0, 1.0]),
        "bias_out": np.zeros(1),
        "dt_s": 0.1,
        "tau_s": 0.2,
    }
    return Network(**{**arguments, **changes})  # type: ignore[arg-type]


def test_neurons_off_every_path_go_and_tonic_ones_become_bias() -> None:
    pruned = cut(chain(), 0.0)
    assert pruned.neuron_ids.tolist() == [0, 1]
    # Neuron 3 settles at its bias, 2: it gave 0.5 x 2 to neuron 1 and 0.25 x 2 to the readout.
    np.testing.assert_allclose(pruned.bias, [0, 1.0], atol=1e-4)
    np.testing.assert_allclose(pruned.bias_out, [0.5], atol=1e-4)
    x = np.random.default_rng(0).random((200, 2, 1))
    np.testing.assert_allclose(pruned.run(x)[0][100:], chain().run(x)[0][100:], atol=1e-3)


def test_a_tonic_neuron_that_never_settles_is_kept() -> None:
    w_rec = np.array(chain().w_rec.toarray())
    w_rec[3, 3] = 2.0
    assert cut(chain(w_rec=w_rec), 0.0).neuron_ids.tolist() == [0, 1, 3]


def test_threshold_cuts_weights_of_at_most_that_size() -> None:
    net = chain(bias=np.zeros(5))
    pruned = cut(net, 0.9)
    assert pruned.n_synapses == 1
    with pytest.raises(UsageError, match="leaves no path from input to readout"):
        cut(net, 1.0)


@given(seed=st.integers(0, 1000), threshold=st.floats(0, 1.5))
def test_without_tonic_neurons_the_function_is_that_of_the_thinned_network(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 12))
    sparse = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.3)
    net = Network(
        w_rec=sparse,
        w_in=rng.standard_normal((n, 2)) * (rng.random((n, 2)) < 0.5),
        w_out=rng.standard_normal((3, n)) * (rng.random((3, n)) < 0.5),
        bias=-rng.random(n),
        bias_out=rng.standard_normal(3),
        dt_s=0.1,
        tau_s=0.3,
    )

    def thin(w: np.ndarray) -> np.ndarray:
        return np.where(np.abs(w) > np.float32(threshold), w, 0)

    try:
        pruned = cut(net, threshold)
    except UsageError:
        return
    x = rng.random((12, 2, 2))
    thinned = Network(
        w_rec=thin(net.w_rec.toarray()),
        w_in=thin(net.w_in),
        w_out=thin(net.w_out),
        bias=net.bias,
        bias_out=net.bias_out,
        dt_s=0.1,
        tau_s=0.3,
    )
    np.testing.assert_allclose(pruned.run(x)[0], thinned.run(x)[0], atol=1e-9)


@pytest.fixture(scope="module")
def trained() -> Network:
    from neuromod.training import config, loop

    return loop.train(
        config.load(None, ["tasks.names=go,anti", "network.neurons=36", "training.steps=300", "wiring.strength=0.05"])
    )


def test_accuracy_stays_within_the_drop_and_no_larger_candidate_would_do(trained: Network) -> None:
    tried: list[tuple[float, float]] = []
    done = magnitude.prune(
        trained, max_accuracy_drop=0.05, trials_per_task=100, on_try=lambda t, a: tried.append((t, a))
    )
    assert done.accuracy_before is not None
    assert done.accuracy_after is not None
    assert done.accuracy_before - done.accuracy_after <= 0.05
    assert done.synapses_after < done.synapses_before
    assert done.neurons_after <= done.neurons_before == 36
    assert done.sparsity == 1 - done.network.n_synapses / 36**2
    assert any(threshold > done.threshold for threshold, _ in tried)
    # The report is of the network that is returned, on trials that can be drawn again.
    trials = accuracy.trials_for(trained, 200, seed=np.random.SeedSequence(0, spawn_key=(1,)))
    assert accuracy.evaluate(done.network, trials).accuracy == pytest.approx(done.accuracy_after)


def test_keep_keeps_that_share(trained: Network) -> None:
    done = magnitude.prune(trained, keep=0.4, trials_per_task=10)
    above = np.abs(trained.w_rec.data) > done.threshold
    assert above.sum() == round(0.4 * 36**2)
    assert 0 < done.network.n_synapses <= above.sum()
    assert magnitude.prune(trained, keep=1.0, trials_per_task=10).threshold == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0.1, "keep": 0.1}, "not both"),
        ({"threshold": -1.0}, "out of range"),
        ({"keep": 0.0}, "out of range"),
        ({}, "no tasks to measure accuracy on"),
    ],
)
def test_bad_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        magnitude.prune(chain(), **arguments)  # type: ignore[arg-type]


def test_a_network_without_readout_cannot_be_pruned_and_says_why():
    net = Network(
        w_rec=np.eye(3), w_in=np.ones((3, 1)), w_out=np.zeros((0, 3)), bias=np.zeros(3), bias_out=np.zeros(0),
        dt_s=0.1, tau_s=0.1,
    )  # fmt: skip
    with pytest.raises(UsageError, match="the network has no readout, so which neurons matter"):
        magnitude.prune(net, threshold=0.1)
