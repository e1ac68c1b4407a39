"""Bounds: never above the optimum found by trying everything, tight where the answer is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod.hardware.grid import Grid
from neuromod.mapping.bounds import _assign, bound_hops, dual_ascent, gilmore_lawler, route_bound


def optimum(packets, distances):
    return min(
        (packets * distances[np.ix_(at, at)]).sum() for at in map(list, itertools.permutations(range(len(packets))))
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (1, 2), (2, 2), (1, 5), (2, 3)]))
def test_no_bound_is_above_the_optimum(seed, shape):
    rng = np.random.default_rng(seed)
    grid = Grid(*shape)
    packets = rng.random((grid.cores, grid.cores)) * (rng.random((grid.cores, grid.cores)) < 0.6)
    np.fill_diagonal(packets, 0)
    distances = grid.distances().astype(float)
    best = optimum(packets, distances)
    lawler, raised = gilmore_lawler(packets, distances), dual_ascent(packets, distances)
    assert lawler <= best + 1e-9
    assert raised <= best + 1e-9
    assert raised >= lawler - 1e-6 * best


def test_uniform_packets_are_bounded_exactly():
    # With equal packets between all parts every arrangement costs the same.
    grid = Grid(2, 3)
    packets = 1.0 - np.eye(6)
    total = grid.distances().sum()
    assert gilmore_lawler(packets, grid.distances().astype(float)) == pytest.approx(total)
    assert dual_ascent(packets, grid.distances().astype(float)) == pytest.approx(total)


def test_a_chain_of_parts_is_bounded_exactly():
    # Part i sends to part i + 1 alone: along a snake every packet takes one hop.
    packets = np.eye(9, k=1)
    assert gilmore_lawler(packets, Grid(3, 3).distances().astype(float)) == pytest.approx(8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_what_an_assignment_leaves_is_never_negative(k, seed):
    costs = np.random.default_rng(seed).random((k, k))
    least, left = _assign(costs)
    assert left.min() >= 0
    # Every assignment costs the least plus what is left along it, so nothing was taken that was not there.
    for at in itertools.islice(itertools.permutations(range(k)), 200):
        rows = np.arange(k)
        assert costs[rows, at].sum() == pytest.approx(least + left[rows, at].sum())


def test_the_route_bound_by_hand():
    # On a 3x3 grid the best core reaches 4 others by one hop each and the corners by two.
    distances = Grid(3, 3).distances().astype(float)
    assert route_bound(np.array([0, 1, 4, 5, 8]), np.array([9.0, 1, 2, 1, 1]), distances) == 1 + 2 * 4 + 6 + 12
    assert route_bound(np.array([2]), np.array([1.0]), Grid(1, 3).distances().astype(float)) == 2


def test_all_bounds_together():
    grid = Grid(2, 2)
    packets = np.array([[0, 3.0, 0, 0], [0, 0, 2.0, 0], [0, 0, 0, 1.0], [0, 0, 0, 0]])
    found = bound_hops(packets, np.array([1, 1, 1, 0]), np.array([3.0, 2, 1, 7]), grid)
    assert found.route == 6
    assert found.best == pytest.approx(6)
    assert bound_hops(np.zeros((1, 1)), np.array([0, 0]), np.ones(2), Grid(1, 1)).best == 0


def test_many_cores_have_the_route_bound_only():
    grid = Grid(40, 40)
    found = bound_hops(np.zeros((1600, 1600)), np.array([3]), np.array([2.0]), grid)
    assert found.arrangement is None
    assert found.best == 6
