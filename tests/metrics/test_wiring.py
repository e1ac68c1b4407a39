"""Wiring length by hand and under transformations that must not change it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.metrics.wiring import measure


def network(w, positions):
    n = len(w)
    return Network(
        w_rec=w,
        w_in=np.zeros((n, 1)),
        w_out=np.zeros((1, n)),
        bias=np.zeros(n),
        bias_out=np.zeros(1),
        dt_s=0.1,
        tau_s=0.2,
        positions=positions,
    )


def test_three_neurons_by_hand():
    w = np.array([[5.0, 0, 0.1], [-2.0, 0, 0], [0, 0, 0]])
    wires = measure(network(w, [[0, 0], [3, 1], [0, 2]]), rates=np.array([0.5, 7.0, 0.25]))
    # 0 -> 0 has no length, 2 -> 0 has 2, 0 -> 1 has 3 + 1.
    assert wires.synapses == 3
    assert wires.count == 6
    assert wires.weighted == pytest.approx(2 * 0.1 + 4 * 2)
    assert wires.rate_weighted == pytest.approx(2 * 0.25 + 4 * 0.5)
    assert wires.mean == 2


def test_threshold_leaves_out_weak_synapses():
    w = np.array([[0, 0.1], [-2.0, 0]])
    assert measure(network(w, [[0, 0], [1, 0]]), threshold=0.5).synapses == 1


def test_no_positions_is_refused():
    with pytest.raises(UsageError, match="no positions"):
        measure(network(np.eye(2), None))


def test_no_synapses():
    wires = measure(network(np.zeros((2, 2)), [[0, 0], [1, 0]]))
    assert wires.count == 0
    assert wires.mean is None


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_relabelling_shifting_and_mirroring_change_nothing(n, seed):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.4)
    at = rng.integers(0, 5, (n, 2))
    order = rng.permutation(n)
    before = measure(network(w, at))
    after = measure(network(w[np.ix_(order, order)], [7, 3] - at[order]))
    dense = sum(np.abs(at[i] - at[j]).sum() for i in range(n) for j in range(n) if w[i, j])
    assert before.count == after.count == dense
    assert before.weighted == pytest.approx(after.weighted)
