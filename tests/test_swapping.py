import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromod import swapping


def instance(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.3)
    side = int(np.ceil(np.sqrt(n)))
    cells = rng.permutation(side * side)[:n]
    return w, np.stack([cells % side, cells // side], axis=1).astype(np.float32)


def wiring(w: np.ndarray, positions: np.ndarray) -> float:
    """Σ |w_ij| d_ij, written as the double sum that it is."""
    return sum(
        abs(w[i, j]) * float(np.abs(positions[i] - positions[j]).sum()) for i in range(len(w)) for j in range(len(w))
    )


@given(n=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_change_of_every_pair_equals_full_recomputation(n: int, seed: int) -> None:
    w, positions = instance(n, seed)
    coupling = np.abs(w) + np.abs(w).T
    np.fill_diagonal(coupling, 0)
    table = swapping.changes(coupling, swapping.distances(positions))
    before = wiring(w, positions)
    for a in range(n):
        for b in range(n):
            exchanged = positions.copy()
            exchanged[[a, b]] = exchanged[[b, a]]
            assert table[a, b] == pytest.approx(wiring(w, exchanged) - before, abs=1e-9)


@given(n=st.integers(2, 20), seed=st.integers(0, 2**32 - 1))
def test_swaps_never_lengthen_and_stop_where_no_pair_helps(n: int, seed: int) -> None:
    w, positions = instance(n, seed)
    done = swapping.swap(w, positions)
    after = wiring(w, done.positions)
    assert after <= wiring(w, positions) + 1e-9
    assert after == pytest.approx(wiring(w, positions) + done.change)
    assert sorted(map(tuple, done.positions)) == sorted(map(tuple, positions))
    coupling = np.abs(w) + np.abs(w).T
    np.fill_diagonal(coupling, 0)
    assert swapping.changes(coupling, swapping.distances(done.positions)).min() >= -1e-6


def test_the_pairs_reported_are_the_pairs_swapped() -> None:
    w, positions = instance(16, 3)
    done = swapping.swap(w, positions, most=2)
    assert len(done.pairs) == 2
    by_hand = positions.copy()
    for a, b in done.pairs:
        by_hand[[a, b]] = by_hand[[b, a]]
    np.testing.assert_array_equal(by_hand, done.positions)


def test_two_coupled_neurons_at_the_ends_of_a_line_meet() -> None:
    w = np.zeros((4, 4))
    w[3, 0] = 2.0
    positions = np.array([[0, 0], [1, 0], [2, 0], [3, 0]], np.float32)
    done = swapping.swap(w, positions)
    assert done.change == pytest.approx(-4.0)
    assert np.abs(done.positions[0] - done.positions[3]).sum() == 1


def test_without_wires_nothing_moves() -> None:
    _, positions = instance(9, 0)
    done = swapping.swap(np.zeros((9, 9)), positions)
    assert done.pairs == ()
    np.testing.assert_array_equal(done.positions, positions)
