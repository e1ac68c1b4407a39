"""The tables of the local search: every change that the kernels compute equals a full recount."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import Network
from neuromod.hardware.grid import Grid
from neuromod.hardware.resources import count_usage
from neuromod.hardware.targets import Figure, PacketPrice, Target
from neuromod.mapping.cost import busiest_link, link_table, placement_cost
from neuromod.mapping.limits import limits_of_search
from neuromod.mapping.local_search import moves, tables
from neuromod.mapping.local_search.link_prices import reprice, way_costs
from neuromod.mapping.local_search.run import Search
from neuromod.mapping.placers import Effort, find_placer, make_problem
from neuromod.mapping.problem import CoreLimits
from neuromod.mapping.search import place


def random_problem(seed, *, objective="hops", slack=4):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 22))
    tile = int(rng.integers(1, 3))
    grid = Grid(int(rng.integers(1, 5)), int(rng.integers(1, 5)), tile, 1)
    w = (rng.random((n, n)) < rng.random()).astype(float)
    net = Network(
        w_rec=w, w_in=(rng.random((n, 3)) < 0.3).astype(float), w_out=np.zeros((1, n)), bias=np.zeros(n),
        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2,
    )  # fmt: skip
    cost = None
    tree = None
    if objective == "branching-energy":
        objective, tree = "energy", PacketPrice(*rng.random(3))
    elif objective == "energy":
        cost = rng.random((grid.cores, grid.cores))
        np.fill_diagonal(cost, 0)
    limits = CoreLimits(
        synapses=float(rng.integers(1, 60)), in_axons=float(rng.integers(1, 15)), out_axons=float(rng.integers(1, 15)),
        destinations=float(rng.integers(1, 4)), local_axons=bool(rng.integers(2)),
        chip_of=rng.integers(0, 2, grid.cores).astype(np.int32) if rng.integers(2) else None,
    )  # fmt: skip
    rates = rng.random(n) * (rng.random(n) < 0.8)
    capacity = -(-n // grid.cores) + int(rng.integers(0, slack))
    problem = make_problem(net, rates, grid, capacity, objective=objective, cost=cost, tree=tree, limits=limits)
    return problem, rng.integers(0, grid.cores, n).astype(np.int32)


def kernel_arguments(problem, t):
    return t.rows, t.rates, t.in_ptr, t.sources, *tables.cost_tables(problem)


def same(one, other):
    """Whether two tables say the same, in whatever order their rows list the cores."""
    for first, length in zip(one.first, np.diff(np.append(one.first, len(one.rows))), strict=True):
        end = first + tables.HEAD
        heads = [t.rows[first:end].tolist() for t in (one, other)]
        assert heads[0] == heads[1]
        used = 2 * one.rows[first + tables.USED]
        assert used <= length - tables.HEAD
        lists = [sorted(map(tuple, t.rows[end : end + used].reshape(-1, 2).tolist())) for t in (one, other)]
        assert lists[0] == lists[1]
    return True


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["hops", "energy", "packets", "multicast", "branching-energy"]))
def test_changes_equal_a_full_recount(seed, objective):
    problem, core_of = random_problem(seed, objective=objective)
    t = tables.make_tables(problem, core_of)
    before = placement_cost(problem, core_of)
    arguments = kernel_arguments(problem, t)
    for v in range(problem.n):
        for b in set(range(problem.grid.cores)) - {int(core_of[v])}:
            moved = core_of.copy()
            moved[v] = b
            change = tables.move_change(*arguments, int(t.first[v]), b)
            assert before + change == pytest.approx(placement_cost(problem, moved), abs=1e-9)
    for v, w in itertools.combinations(range(problem.n), 2):
        if core_of[v] != core_of[w]:
            swapped = core_of.copy()
            swapped[[v, w]] = swapped[[w, v]]
            change = tables.swap_change(*arguments, int(t.first[v]), int(t.first[w]))
            assert before + change == pytest.approx(placement_cost(problem, swapped), abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_moves_leave_the_tables_as_a_fresh_count_does(seed):
    problem, core_of = random_problem(seed)
    t = tables.make_tables(problem, core_of)
    usage = moves.count_usage(problem, t)
    limits, chips, local = moves.make_limits(problem), moves.chips(problem), problem.limits.local_axons
    beyond = moves.excess(t.rows, t.first, usage, limits, local, chips)
    border = np.zeros(problem.n, np.int32)
    place = np.zeros(problem.n, np.int32)
    at_border = np.flatnonzero(t.rows[t.first[: problem.n] + tables.AWAY])
    border[: len(at_border)] = t.first[at_border]
    place[at_border] = np.arange(len(at_border))
    n_border = len(at_border)
    rng = np.random.default_rng(seed)
    for _ in range(12):
        v, b = int(rng.integers(problem.n)), int(rng.integers(problem.grid.cores))
        a = int(core_of[v])
        if a == b:
            continue
        beyond += moves.move_and_count(
            t.rows, t.in_ptr, t.sources, problem.synapses, usage, limits, local, chips, int(t.first[v]), b
        )
        n_border = moves.update_border(
            t.rows, t.out_ptr, t.targets, t.in_ptr, t.sources, border, place, n_border, int(t.first[v]), a
        )
        core_of[v] = b
        fresh = tables.make_tables(problem, core_of)
        assert same(t, fresh)
        assert usage.tolist() == moves.count_usage(problem, fresh).tolist()
        assert beyond == moves.excess(fresh.rows, fresh.first, usage, limits, local, chips)
        away = fresh.first[: problem.n][fresh.rows[fresh.first[: problem.n] + tables.AWAY] > 0]
        assert sorted(border[:n_border].tolist()) == sorted(away.tolist())


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["hops", "multicast", "max-link", "branching-energy"]), st.booleans())
def test_a_search_keeps_its_tables_and_the_capacity(seed, objective, limited):
    problem, _ = random_problem(seed, objective=objective)
    if not limited:
        problem = replace(problem, limits=CoreLimits())
    start = find_placer("shuffled")(problem, np.random.default_rng(seed), Effort())
    search = Search(problem, start, seed)
    beyond = int(search.counters[1])
    core_of = search.run(2_000, 1e-3)
    assert np.bincount(core_of, minlength=problem.grid.cores).max() <= problem.capacity
    fresh = tables.make_tables(problem, search.tables.core_of(problem.n))
    assert same(search.tables, fresh)
    assert search.sizes.tolist() == np.bincount(search.tables.core_of(problem.n), minlength=problem.grid.cores).tolist()
    if limited:
        assert search.usage.tolist() == moves.count_usage(problem, fresh).tolist()
        after = moves.excess(
            fresh.rows, fresh.first, search.usage, search.limits, problem.limits.local_axons, search.chips
        )
        assert int(search.counters[1]) == after
        if beyond == 0:
            assert after == 0


def test_usage_by_hand():
    # 0 -> 1, 0 -> 2, 2 -> 0 and channel 0 -> 2, on cores 0, 0, 1.
    net = Network(
        w_rec=np.array([[0, 0, 1], [1, 0, 0], [1, 0, 0]]), w_in=np.array([[0], [0], [1.0]]), w_out=np.zeros((1, 3)),
        bias=np.zeros(3), bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1,
    )  # fmt: skip
    for local, expected in ((False, [[2, 1, 1], [2, 2, 1]]), (True, [[2, 2, 2], [2, 2, 1]])):
        limits = CoreLimits(in_axons=9, local_axons=local)
        problem = make_problem(net, np.ones(3), Grid(1, 2), 2, limits=limits)
        t = tables.make_tables(problem, np.array([0, 0, 1], np.int32))
        assert moves.count_usage(problem, t).tolist() == expected
        reach = [int(moves.reach(t.rows, int(u), local, moves.chips(problem))) for u in t.first]
        assert reach == ([2, 0, 1, 0] if local else [1, 0, 1, 0])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_search_counts_what_the_check_after_it_counts(seed):
    rng = np.random.default_rng(seed)
    n, grid = int(rng.integers(1, 20)), Grid(int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    w = ((rng.random((n, n)) < 0.15) | np.diag(rng.random(n) < 0.5)).astype(float)
    net = Network(
        w_rec=w, w_in=(rng.random((n, 3)) < 0.3).astype(float), w_out=np.zeros((1, n)), bias=np.zeros(n),
        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2,
    )  # fmt: skip
    figures = {name: Figure(2.0, "chosen", "test") for name in ("chip_rows", "chip_columns")}
    figures |= {name: Figure(9.0, "chosen", "test") for name in ("in_axons", "out_axons", "destinations")}
    destination = rng.choice(["core", "chip"])
    chip = Target("test", "test", "test", "unicast", destination, bool(rng.integers(2)), figures)
    limits = limits_of_search(chip, grid)
    core_of = rng.integers(0, grid.cores, n).astype(np.int32)
    problem = make_problem(net, np.ones(n), grid, n, limits=limits)
    t = tables.make_tables(problem, core_of)
    checked = count_usage(net, core_of, grid, chip)
    found = moves.count_usage(problem, t)
    assert found[:, moves.IN_AXONS].tolist() == checked.of_core["in_axons"].tolist()
    assert found[:, moves.OUT_AXONS].tolist() == checked.of_core["out_axons"].tolist()
    reach = [int(moves.reach(t.rows, int(u), limits.local_axons, moves.chips(problem))) for u in t.first[:n]]
    assert reach == checked.of_neuron["destinations"].tolist()


def test_axons_of_self_connections_do_not_hide_a_placement_that_fits():
    # 0 -> 1 -> 2, each with a self-connection: all on one core take three in-axons, in two parts two and two.
    net = Network(
        w_rec=np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1.0]]), w_in=np.zeros((3, 0)), w_out=np.zeros((0, 3)),
        bias=np.zeros(3), bias_out=np.zeros(0), dt_s=0.1, tau_s=0.1,
    )  # fmt: skip
    figures = {"in_axons": Figure(2.0, "chosen", "test")}
    chip = Target("test", "test", "test", "unicast", "core", True, figures)
    found = place(net, cores=(1, 2), target=chip, neurons_per_core=3)
    assert count_usage(net, found.core_of, found.grid, chip).of_core["in_axons"].tolist() == [2, 2]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_way_costs_add_up_the_prices_along_the_way(seed):
    problem, core_of = random_problem(seed, objective="max-link")
    grid = problem.grid
    assert way_costs(np.ones((4, grid.router_rows, grid.router_columns)), grid).tolist() == grid.distances().tolist()
    # With prices p, the cost of all packets is the sum of price times load over the links.
    prices = np.random.default_rng(seed).random((4, grid.router_rows, grid.router_columns))
    total = placement_cost(replace(problem, cost=way_costs(prices, grid), objective="hops"), core_of)
    assert total == pytest.approx((prices * link_table(problem, core_of)).sum(), abs=1e-9)
    load, cost = reprice(problem, core_of, problem.cost)
    assert load == pytest.approx(busiest_link(problem, core_of))
    assert (cost >= 0).all()
