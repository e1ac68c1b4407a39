"""Modules found, cut and packed: planted ones, exact counts, capacity, and known optima."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import Network
from neuromod.hardware import HOPS, PACKETS, Grid, make_ways
from neuromod.mapping.cost import placement_cost
from neuromod.mapping.modules import finding, packing, start
from neuromod.mapping.placers import Effort, annealing, make_problem, place


def same_parts(one, other):
    return len(np.unique(one * (int(other.max()) + 1) + other)) == len(np.unique(one)) == len(np.unique(other))


@pytest.mark.parametrize("seed", range(3))
def test_planted_modules_are_found(planted, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(15, 40, 20).tolist()
    net, module = planted(sizes, seed)
    problem = make_problem(net, np.ceil(4 * rng.random(net.n)), Grid(4, 4), -(-net.n // 12))
    assert same_parts(finding.find_modules(problem, rng), module)


def test_the_density_is_the_weight_of_a_pair_within_a_group():
    # Two groups of three, each neuron to the two others: six synapses among the three pairs of each.
    w = np.kron(np.eye(2), 1 - np.eye(3))
    net = Network(
        w_rec=w, w_in=np.zeros((6, 1)), w_out=np.zeros((1, 6)), bias=np.zeros(6), bias_out=np.zeros(1), dt_s=1, tau_s=1
    )  # fmt: skip
    problem = make_problem(net, np.ones(6), Grid(1, 2), 3)
    source, target = np.nonzero(w)
    found = finding._density(problem, source, target.astype(np.int32), np.ones(12), np.random.default_rng(0))
    assert found == pytest.approx(2)


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_moving_nodes_never_lowers_what_it_is_to_raise(seed):
    """Weight within communities less density times pairs, counted in full."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 15))
    w = np.triu(rng.random((n, n)) * (rng.random((n, n)) < 0.4), 1)
    w += w.T
    sizes = rng.integers(1, 4, n)
    density = float(rng.random())
    label = rng.integers(0, n, n)

    def quality(of):
        same = np.triu(of[:, None] == of[None], 1)
        return float((w * same).sum() - density * (np.outer(sizes, sizes) * same).sum())

    before, at = quality(label), label.copy()
    source, target = np.nonzero(w)
    indptr = np.searchsorted(source, np.arange(n + 1))
    order = rng.permutation(n)
    finding.move_nodes(indptr, target.astype(np.int32), w[source, target], sizes, label, density, order, 50, 0.0)
    after = quality(label)
    assert after >= before - 1e-9
    # Nothing is left to win by a single move, alone included.
    for v, to in itertools.product(range(n), [*range(n), n]):
        other = label.copy()
        other[v] = to
        assert quality(other) <= after + 1e-9
    assert len(at) == n
    assert label.min() >= 0
    assert label.max() < n


@pytest.mark.parametrize(("part", "size"), [(1, 20), (5, 20), (10, 20), (30, 60)])
def test_cost_of_a_cut_is_that_of_random_synapses(part, size):
    rng = np.random.default_rng(part)
    found = []
    for _ in range(300):
        there = rng.integers(0, size, (size, 10)) < part
        found.append(there[part:].any(axis=1).sum() + (~there[:part]).any(axis=1).sum())
    assert packing.cut_cost(part, size, 10.0) == pytest.approx(np.mean(found), rel=0.03)


def plain_fill(row, sizes, cores, capacity, targets, room, beyond):
    """Fill cores one after the other, in plain words."""
    cost, held, free = 0.0, [], [capacity]
    for module in row:
        rest = sizes[module]
        while rest:
            if free[-1] == 0:
                free.append(capacity)
            if rest > free[-1]:
                cut = packing.cut_cost(free[-1], sizes[module], targets)
                if free[-1] < capacity and room * free[-1] < cut:
                    free.append(capacity)
                    continue
                cost += cut
            part = min(rest, free[-1])
            free[-1] -= part
            rest -= part
            held.append((module, part, len(free) - 1))
            cost += beyond * part * (len(free) > cores)
    return cost, held


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_cores_are_filled_in_the_order_of_the_row(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 20, int(rng.integers(1, 12)))
    capacity, cores = int(rng.integers(1, 20)), int(rng.integers(1, 8))
    row, room = rng.permutation(len(sizes)), float(3 * rng.random())
    pieces = np.zeros((len(sizes) + int(sizes.sum()) + 1, 3), np.int64)
    cost, count = packing.fill_cores(row, sizes, cores, capacity, 5.0, room, 10.0, pieces)
    other_cost, held = plain_fill(row, sizes, cores, capacity, 5.0, room, 10.0)
    assert cost == pytest.approx(other_cost)
    assert pieces[:count].tolist() == [list(item) for item in held]


@pytest.mark.parametrize(("cores", "fits"), [(3, True), (2, False)])
def test_what_the_cores_do_not_hold_is_not_packed(cores, fits):
    sizes, row, pieces = np.full(3, 10), np.arange(3), np.zeros((9, 3), np.int64)
    random = np.array([1], np.uint64)
    count = packing.anneal_row(row, sizes, cores, 10, 5.0, 1.0, 0.01, 50, 2.0, 10.0, random, pieces)
    assert count == (3 if fits else -1)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_packing_keeps_the_capacity_and_loses_nothing(planted, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 25, int(rng.integers(2, 8))).tolist()
    net, module = planted(sizes, seed)
    cores = int(rng.integers(1, 5))
    capacity = -(-net.n // cores) + int(rng.integers(0, 3))
    problem = make_problem(net, np.ones(net.n), Grid(1, cores), capacity, objective="packets")
    piece, core_of = packing.pack_modules(problem, module, rng)
    assert piece.shape == (net.n,)
    assert np.bincount(core_of[piece], minlength=cores).max() <= capacity
    assert len(np.unique(piece)) == len(core_of) == len(np.unique(piece * len(sizes) + module))


def test_as_few_modules_are_cut_as_can_be(planted):
    """Six modules of 20 on four cores of 30: each core holds one whole, and half of one of the two others."""
    net, module = planted([20] * 6, 0)
    problem = make_problem(net, np.ones(120), Grid(2, 2), 30, objective="packets")
    piece, core_of = packing.pack_modules(problem, module, np.random.default_rng(0))
    assert sorted(np.bincount(piece).tolist()) == [10] * 4 + [20] * 4
    assert np.bincount(core_of[piece]).tolist() == [30] * 4
    # Where the cores hold them whole, none is cut.
    problem = make_problem(net, np.ones(120), Grid(2, 3), 21, objective="packets")
    assert len(packing.pack_modules(problem, module, np.random.default_rng(0))[1]) == 6


def test_modules_that_fit_send_no_packets(planted):
    net, _ = planted([20] * 30, 1, anywhere=0.0)
    problem = make_problem(net, np.ones(600), Grid(3, 4), 60, objective="packets")
    core_of, whole = start.place(problem, np.random.default_rng(0), Effort())
    assert whole
    assert placement_cost(problem, core_of) == 0
    again, _ = start.place(problem, np.random.default_rng(0), Effort())
    assert again.tolist() == core_of.tolist()


def test_modules_larger_than_a_core_are_cut_for_few_packets(planted):
    """Against a count by hand of cuts at random: the search knows which neurons lie apart."""
    net, module = planted([30] * 8, 2, anywhere=0.02)
    rates = np.ones(240)
    core_of = place(net, rates, Grid(3, 4), 21, objective="packets", effort=Effort(0.2))
    assert np.bincount(core_of).max() <= 21
    problem = make_problem(net, rates, Grid(3, 4), 21, objective="packets")
    at_random = np.empty(240, np.int32)
    at_random[np.argsort(module, kind="stable")] = np.arange(240) // 20
    assert placement_cost(problem, core_of) < 0.9 * placement_cost(problem, at_random)


@pytest.mark.parametrize("objective", ["hops", "packets"])
def test_a_cost_in_closed_form_is_the_same_cost(planted, objective):
    """As on several chips and large grids: the starts are the same, whatever says what a packet costs."""
    net, _ = planted([20] * 12, 3)
    dense = make_problem(net, np.ones(240), Grid(3, 4), 21, objective=objective)
    price = PACKETS if objective == "packets" else HOPS
    ways = make_problem(net, np.ones(240), Grid(3, 4), 21, objective=objective, cost=make_ways(price, Grid(3, 4)))
    assert annealing._sees_modules(ways, annealing._cut(ways))
    one, two = (
        [start.core_of.tolist() for start in annealing._modules(problem, np.random.default_rng(0), Effort(0.1))]
        for problem in (dense, ways)
    )
    assert one == two
    core_of = annealing.place(ways, np.random.default_rng(0), Effort(0.1))
    assert np.bincount(core_of).max() <= 21
