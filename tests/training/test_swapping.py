import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod.training.swaps import positions as swapping


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


def anchors_of(n: int, seed: int) -> swapping.Anchors:
    rng = np.random.default_rng(seed)
    return swapping.Anchors(rng.random((n, 5)) * (rng.random((n, 5)) < 0.5), rng.random((5, 2)) * 6 - 1)


def full_cost(w: np.ndarray, positions: np.ndarray, anchors: swapping.Anchors | None) -> float:
    total = wiring(w, positions)
    if anchors is not None:
        for i, j in np.ndindex(anchors.coupling.shape):
            total += anchors.coupling[i, j] * float(np.abs(positions[i] - anchors.positions[j]).sum())
    return total


def table(w: np.ndarray, positions: np.ndarray, anchors: swapping.Anchors | None) -> np.ndarray:
    """Change of the cost for every pair, by exchanging the two and adding everything up anew."""
    n, before = len(w), full_cost(w, positions, anchors)
    found = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            exchanged = positions.copy()
            exchanged[[a, b]] = exchanged[[b, a]]
            found[a, b] = full_cost(w, exchanged, anchors) - before
    return found


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 9), seed=st.integers(0, 2**32 - 1), anchored=st.booleans())
def test_every_swap_is_the_best_of_all_pairs(n: int, seed: int, anchored: bool) -> None:
    w, positions = instance(n, seed)
    anchors = anchors_of(n, seed) if anchored else None
    done = swapping.swap(w, positions, anchors=anchors)
    now, total = positions.copy(), 0.0
    for a, b in done.pairs:
        best = table(w, now, anchors)
        assert best[a, b] == pytest.approx(best.min(), abs=1e-9)
        assert best[a, b] < 0
        total += best[a, b]
        now[[a, b]] = now[[b, a]]
    np.testing.assert_array_equal(now, done.positions)
    assert done.change == pytest.approx(total, abs=1e-9)
    # And it stops where no pair helps.
    assert table(w, now, anchors).min() >= -1e-6


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 40), seed=st.integers(0, 2**32 - 1), anchored=st.booleans())
def test_swaps_never_lengthen_and_their_change_is_kept_exactly(n: int, seed: int, anchored: bool) -> None:
    w, positions = instance(n, seed)
    anchors = anchors_of(n, seed) if anchored else None
    done = swapping.swap(w, positions, anchors=anchors)
    before, after = (full_cost(w, at, anchors) for at in (positions, done.positions))
    assert after <= before + 1e-9
    assert after == pytest.approx(before + done.change, abs=1e-8)
    assert sorted(map(tuple, done.positions)) == sorted(map(tuple, positions))


def test_an_input_pulls_its_neuron_near() -> None:
    positions = np.array([[0, 0], [1, 0], [2, 0], [3, 0]], np.float32)
    coupling = np.array([[0.0], [0.0], [0.0], [1.0]])
    done = swapping.swap(np.zeros((4, 4)), positions, anchors=swapping.Anchors(coupling, np.array([[-1.0, 2.0]])))
    assert done.positions[3].tolist() == [0, 0]
    assert done.change == -3.0


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
