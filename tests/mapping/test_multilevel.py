"""Groups that move as one: exact changes, capacity, known optima; and which networks have modules."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import Network
from neuromod.hardware import Grid
from neuromod.mapping.cost import placement_cost
from neuromod.mapping.local_search import groups
from neuromod.mapping.placers import Effort, clusters, find_placer, make_problem, multilevel, place
from neuromod.mapping.problem import CoreLimits


def network(w, positions=None):
    n = len(w)
    return Network(
        w_rec=w, w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n), bias_out=np.zeros(1), dt_s=0.1,
        tau_s=0.2, positions=positions,
    )  # fmt: skip


def lattice(side):
    """Neurons of a square lattice that talk to their four neighbours."""
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    return network((np.abs(at[:, None] - at[None]).sum(axis=-1) == 1).astype(float), at)


def random_problem(seed, objective="hops"):
    """Draw a problem, and a placement that need not keep the capacity."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 22))
    grid = Grid(int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    cost = None
    if objective == "energy":
        cost = rng.random((grid.cores, grid.cores))
        np.fill_diagonal(cost, 0)
    rates = rng.random(n) * (rng.random(n) < 0.8)
    capacity = -(-n // grid.cores) + int(rng.integers(0, 4))
    w = (rng.random((n, n)) < rng.random()).astype(float)
    problem = make_problem(network(w), rates, grid, capacity, objective=objective, cost=cost)
    return problem, rng.integers(0, grid.cores, n).astype(np.int32)


def draw_groups(problem, seed, room):
    rng = np.random.default_rng(seed)
    _, group = np.unique(rng.integers(0, rng.integers(1, problem.n + 1), problem.n), return_inverse=True)
    core_of = rng.integers(0, problem.grid.cores, group.max() + 1).astype(np.int32)
    return group, groups.make_groups(problem, group, core_of, room)


def arguments(t):
    return t.rows, t.rates, t.ptr, t.touched, t.own, t.core_of


def same(problem, group, t):
    """Whether the tables say what a fresh count does, in whatever order."""
    fresh = groups.make_groups(problem, group, t.core_of, problem.n)
    ends = groups.HEAD + t.first
    for begin, end in zip(t.first, ends, strict=True):
        used = 2 * fresh.rows[begin + groups.USED]
        assert t.rows[begin : begin + 2].tolist() == fresh.rows[begin : begin + 2].tolist()
        lists = [sorted(map(tuple, each.rows[end : end + used].reshape(-1, 2).tolist())) for each in (t, fresh)]
        assert lists[0] == lists[1]
    assert t.sizes.tolist() == fresh.sizes.tolist()
    assert t.counts.tolist() == fresh.counts.tolist()
    for x, core in enumerate(t.core_of):
        assert t.members[core, t.slot[x]] == x
        assert t.slot[x] < t.counts[core]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["hops", "energy", "packets"]))
def test_changes_of_groups_equal_a_full_recount(seed, objective):
    problem, _ = random_problem(seed, objective=objective)
    group, t = draw_groups(problem, seed, problem.n)
    before = placement_cost(problem, t.core_of[group])
    for x in range(len(t.core_of)):
        for b in set(range(problem.grid.cores)) - {int(t.core_of[x])}:
            moved = t.core_of.copy()
            moved[x] = b
            change = groups.change_of(*arguments(t), problem.cost, x, -1, b)
            assert before + change == pytest.approx(placement_cost(problem, moved[group]), abs=1e-9)
    for x, y in itertools.combinations(range(len(t.core_of)), 2):
        if t.core_of[x] != t.core_of[y]:
            swapped = t.core_of.copy()
            swapped[[x, y]] = swapped[[y, x]]
            change = groups.change_of(*arguments(t), problem.cost, x, y, int(t.core_of[y]))
            assert before + change == pytest.approx(placement_cost(problem, swapped[group]), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3]))
def test_a_search_of_groups_keeps_its_tables_and_the_room(seed, temperature):
    problem, _ = random_problem(seed)
    room = problem.n
    group, t = draw_groups(problem, seed, room)
    room = int(t.sizes.max())
    before = placement_cost(problem, t.core_of[group])
    groups.search_groups(
        t.rows, t.rates, t.ptr, t.touched, t.own, t.weights, t.core_of, t.sizes, t.members, t.slot, t.counts,
        problem.cost, room, room, 1.0, 0.2, np.array([seed], np.uint64), temperature, 1.0, 500,
    )  # fmt: skip
    same(problem, group, t)
    assert t.sizes.max() <= room
    if temperature == 0:
        assert placement_cost(problem, t.core_of[group]) <= before + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_network_is_placed_within_the_capacity(seed):
    problem, core_of = random_problem(seed)
    rng = np.random.default_rng(seed)
    found = multilevel.place(problem, rng, Effort(0.05))
    assert found.shape == (problem.n,)
    assert np.bincount(found, minlength=problem.grid.cores).max() <= problem.capacity
    kept = multilevel.keep_capacity(problem, core_of, rng)
    assert np.bincount(kept, minlength=problem.grid.cores).max() <= problem.capacity


def test_levels_are_nested_and_small_enough_for_a_core(planted):
    net, _ = planted([25] * 12, 0)
    problem = make_problem(net, np.ones(300), Grid(3, 4), 26)
    chosen = multilevel.levels(problem, np.random.default_rng(0))
    assert len(chosen) > 1
    assert np.bincount(chosen[0]).max() <= 26
    for coarse, fine in itertools.pairwise(chosen):
        # Neurons of one fine group are in one coarse group.
        assert len({(int(f), int(c)) for f, c in zip(fine, coarse, strict=True)}) == fine.max() + 1


def test_only_networks_of_modules_have_modules(planted):
    rng = np.random.default_rng(3)
    net, _ = planted([20] * 15, 1)
    local, random = lattice(18), network((rng.random((300, 300)) < 0.03).astype(float))
    for each, expected in ((net, True), (local, False), (random, False)):
        problem = make_problem(each, np.ones(each.n), Grid(4, 4), -(-each.n // 16) + 1)
        cut = find_placer("tiles" if each.positions is not None else "bisection")(problem, rng, Effort())
        assert multilevel.has_modules(problem, cut) is expected


def test_modules_that_fill_their_cores_are_found_whole():
    # One ring of synapses from module to module, the rest inside: the optimum is a ring of neighbouring cores.
    n, size = 600, 50
    module = np.repeat(np.arange(12), size)
    order = np.random.default_rng(2).permutation(n)
    w = (module[:, None] == module[None]).astype(float)
    for i in range(12):
        w[((i + 1) % 12) * size, i * size] = 1
    w = w[np.ix_(order, order)]
    problem = make_problem(network(w), np.ones(n), Grid(3, 4), size)
    found = multilevel.place(problem, np.random.default_rng(0), Effort())
    assert [len(set(found[module[order] == i])) for i in range(12)] == [1] * 12
    best = find_placer("annealing")(problem, np.random.default_rng(0), Effort(0.05))
    assert placement_cost(problem, best) == 12


def test_equal_seeds_give_equal_placements_of_modules(planted, monkeypatch):
    from neuromod.mapping.placers import annealing

    net, _ = planted([22, 35, 28, 31] * 5, 4)
    found = []
    for workers in (1, 2):
        # However many processors there are, and beyond the size at which other starts are left out.
        monkeypatch.setattr(annealing, "_WORKERS", workers)
        monkeypatch.setattr(annealing, "_NEURONS_STARTED", 100)
        found.append(place(net, np.ones(net.n), Grid(4, 5), 30, seed=5, effort=Effort(0.02)).tolist())
    assert found[0] == found[1]
    assert place(net, np.ones(net.n), Grid(4, 5), 30, seed=6, effort=Effort(0.02)).tolist() != found[0]


@pytest.mark.parametrize("objective", ["hops", "packets", "multicast"])
def test_modules_are_placed_better_than_by_groups_alone(planted, objective):
    net, _ = planted([22, 35, 28, 31] * 5, 4)
    problem = make_problem(net, np.ones(net.n), Grid(4, 5), 30, objective=objective)
    found = place(net, np.ones(net.n), Grid(4, 5), 30, objective=objective, effort=Effort(0.05))
    packed = clusters.place(problem, np.random.default_rng(0))
    assert placement_cost(problem, found) < placement_cost(problem, packed)


def test_limits_are_kept_where_modules_are_seen(planted, monkeypatch):
    from neuromod.mapping.local_search import moves
    from neuromod.mapping.local_search.tables import make_tables
    from neuromod.mapping.placers import annealing

    monkeypatch.setattr(annealing, "_NEURONS_STARTED", 100)
    net, _ = planted([22, 35, 28, 31] * 5, 4)
    limits = CoreLimits(synapses=260.0, in_axons=75.0)
    core_of = place(net, np.ones(net.n), Grid(4, 6), 32, limits=limits, effort=Effort(0.02))
    problem = make_problem(net, np.ones(net.n), Grid(4, 6), 32, limits=limits)
    usage = moves.count_usage(problem, make_tables(problem, core_of))
    assert usage[:, moves.SYNAPSES].max() <= 260
    assert usage[:, moves.IN_AXONS].max() <= 75
    assert np.bincount(core_of, minlength=24).max() <= 32


def test_time_is_kept_where_modules_are_seen(planted):
    net, _ = planted([22, 35, 28, 31] * 5, 4)
    place(net, np.ones(net.n), Grid(4, 5), 30, effort=Effort(0.01))
    start = time.monotonic()
    place(net, np.ones(net.n), Grid(4, 5), 30, effort=Effort(seconds=0.5))
    assert time.monotonic() - start < 20
