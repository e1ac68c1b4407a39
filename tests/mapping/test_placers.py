"""Placers: capacity, determinism, known optima, and the annealer's exact bookkeeping."""

import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import Network
from neuromod.errors import DoesNotFitError, UsageError
from neuromod.hardware.grid import Grid
from neuromod.mapping.cost import placement_cost
from neuromod.mapping.placers import PLACERS, Effort, clusters, find_placer, hilbert, make_problem, place
from neuromod.mapping.placers.tiles import least_corner
from neuromod.mapping.problem import renumbered


def network(w, positions=None):
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


def lattice(side):
    """Neurons of a square lattice that talk to their four neighbours."""
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    return network((np.abs(at[:, None] - at[None]).sum(axis=-1) == 1).astype(float), at)


@pytest.mark.parametrize("placer", sorted(set(PLACERS) - {"grown"}))
def test_capacity_and_determinism(placer):
    if placer == "hypergraph":
        pytest.importorskip("mtkahypar")
    rng = np.random.default_rng(1)
    for positions in (None, rng.random((50, 2))):
        net = network((rng.random((50, 50)) < 0.1).astype(float), positions)
        for grid, capacity in ((Grid(2, 3), 9), (Grid(1, 1), 50), (Grid(7, 9), 1), (Grid(1, 4), 100)):
            core_of = place(net, np.ones(50), grid, capacity, placer=placer, seed=3, effort=Effort(0.02))
            assert core_of.shape == (50,)
            assert np.bincount(core_of, minlength=grid.cores).max() <= capacity
            again = place(net, np.ones(50), grid, capacity, placer=placer, seed=3, effort=Effort(0.02))
            assert core_of.tolist() == again.tolist()


def test_too_many_neurons_are_refused():
    with pytest.raises(DoesNotFitError, match="10 neurons do not fit 2 cores of 4"):
        place(network(np.eye(10)), np.ones(10), Grid(1, 2), 4)


def test_unknown_placer_and_bad_rates_are_refused():
    with pytest.raises(UsageError, match="no placer magic; choose one of annealing"):
        find_placer("magic")
    with pytest.raises(UsageError, match="rate"):
        place(network(np.eye(2)), np.array([1, np.nan]), Grid(1, 2), 4)
    with pytest.raises(UsageError, match="cost"):
        place(network(np.eye(2)), np.ones(2), Grid(1, 2), 4, cost=np.ones((2, 2)))


def test_tiles_of_a_lattice_are_squares():
    net = lattice(8)
    core_of = place(net, np.ones(64), Grid(2, 2), 17, placer="tiles").reshape(8, 8)
    assert core_of.tolist() == np.kron([[0, 1], [2, 3]], np.ones((4, 4), int)).tolist()


@pytest.mark.parametrize(
    ("grid", "cores", "corner"), [((4, 4), 15, (4, 4)), ((4, 4), 3, (1, 3)), ((1, 9), 5, (1, 5)), ((3, 3), 4, (2, 2))]
)
def test_least_corner(grid, cores, corner):
    assert least_corner(Grid(*grid), cores) == Grid(*corner)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_annealing_finds_the_optimum_of_tiny_cases(seed):
    rng = np.random.default_rng(seed)
    n, grid, capacity = 6, Grid(1, 3), 2
    problem = make_problem(network((rng.random((n, n)) < 0.4).astype(float)), rng.random(n), grid, capacity)
    best = min(
        placement_cost(problem, np.array(core_of, np.int32))
        for core_of in itertools.product(range(3), repeat=n)
        if np.bincount(core_of, minlength=3).max() <= capacity
    )
    found = find_placer("annealing")(problem, np.random.default_rng(0), Effort(0.1))
    assert placement_cost(problem, found) == pytest.approx(best, abs=1e-12)


def test_planted_blocks_are_found():
    # Blocks without connections between them cost nothing on cores of their size.
    rng = np.random.default_rng(2)
    order = rng.permutation(80)
    w = np.kron(np.eye(8), np.ones((10, 10)))[np.ix_(order, order)]
    core_of = place(network(w), np.ones(80), Grid(2, 4), 10)
    assert placement_cost(make_problem(network(w), np.ones(80), Grid(2, 4), 10), core_of) == 0


@pytest.mark.parametrize(("grid", "size"), [(Grid(2, 2), 10), (Grid(3, 3), 12), (Grid(4, 4), 25)])
def test_planted_blocks_with_links_between_neighbours_are_found(grid, size):
    # Full cores of blocks that are all connected within, and one synapse from each block to each neighbour. While
    # blocks are whole each of these costs a hop at least; a split block costs `size` hops and saves at most 8.
    rng = np.random.default_rng(3)
    n = grid.cores * size
    w = np.kron(np.eye(grid.cores), np.ones((size, size)))
    for a, b in np.argwhere(grid.distances() == 1):
        w[b * size + rng.integers(size), a * size + rng.integers(size)] = 1
    order = rng.permutation(n)
    net = network(w[np.ix_(order, order)])
    core_of = place(net, np.ones(n), grid, size, effort=Effort(0.1))
    assert placement_cost(make_problem(net, np.ones(n), grid, size), core_of) == (grid.distances() == 1).sum()


PROOFS = json.loads((Path(__file__).parents[1] / "golden" / "optima.json").read_text())["proofs"]


@pytest.mark.parametrize("proof", PROOFS, ids=[f"{proof['case']}-{proof['objective']}" for proof in PROOFS])
def test_proven_optima_are_found(proof):
    w = np.zeros((16, 16))
    w[proof["target"], proof["source"]] = 1
    rates, grid, objective = np.array(proof["rates"], float), Grid(*proof["grid"]), proof["objective"]
    core_of = place(network(w), rates, grid, proof["capacity"], objective=objective, effort=Effort(0.1))
    problem = make_problem(network(w), rates, grid, proof["capacity"], objective=objective)
    assert placement_cost(problem, core_of) == proof["optimum"]


def test_groups_are_packed_whole_where_they_fit():
    w = np.kron(np.eye(3), np.ones((4, 4)))
    problem = make_problem(network(w), np.ones(12), Grid(1, 4), 5)
    group = clusters.merge(problem, np.random.default_rng(0))
    assert [len(set(group[i : i + 4])) for i in (0, 4, 8)] == [1, 1, 1]
    assert len(set(group)) == 3
    # Two cores of six: the third group is split, and no core holds more than six.
    tight = make_problem(network(w), np.ones(12), Grid(1, 2), 6)
    assert np.bincount(clusters.pack(group, tight)).tolist() == [6, 6]
    silent = make_problem(network(np.zeros((5, 5))), np.zeros(5), Grid(2, 3), 1)
    assert sorted(clusters.place(silent, np.random.default_rng(0))) != [0] * 5


STRANGE = {
    "cycle": (np.roll(np.eye(9), 1, axis=0), np.ones(9)),
    "self-loops": (np.eye(9), np.ones(9)),
    "isolated": (np.zeros((9, 9)), np.ones(9)),
    "silent": (np.ones((9, 9)), np.zeros(9)),
    "star": (np.eye(9, 1) @ np.ones((1, 9)), np.arange(9.0)),
}


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(1, 5), Grid(5, 1), Grid(4, 4)], ids=str)
@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("placer", [name for name in PLACERS if name not in ("hypergraph", "grown")])
def test_strange_networks_and_grids(placer, kind, grid):
    # Grids of one core, of one row, and of more cores than neurons.
    w, rates = STRANGE[kind]
    capacity = -(-9 // grid.cores) + 1
    core_of = place(network(w), rates, grid, capacity, placer=placer, effort=Effort(0.01))
    assert np.bincount(core_of, minlength=grid.cores).max() <= capacity
    assert core_of.min() >= 0
    if kind in ("self-loops", "isolated", "silent") or grid.cores == 1:
        assert placement_cost(make_problem(network(w), rates, grid, capacity), core_of) == 0


@pytest.mark.parametrize("rates", [np.full(9, np.nan), np.full(9, -1.0), np.ones(8)])
def test_rates_that_are_none_are_refused(rates):
    with pytest.raises(UsageError):
        place(lattice(3), rates, Grid(1, 3), 3)


@pytest.mark.parametrize("capacity", [0, -1])
def test_negative_sizes_are_refused(capacity):
    with pytest.raises((UsageError, DoesNotFitError)):
        place(lattice(3), np.ones(9), Grid(1, 3), capacity)


def test_annealing_is_never_worse_than_tiles():
    net = lattice(12)
    problem = make_problem(net, np.ones(144), Grid(3, 3), 16)
    tiles, annealed = (placement_cost(problem, place(net, np.ones(144), Grid(3, 3), 16, placer=name)) for name in
                       ("tiles", "annealing"))  # fmt: skip
    # Square tiles of a lattice are optimal: each of the 12 shared sides of 4 neurons carries 4 packets each way.
    assert tiles == annealed == 12 * 4 * 2


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_the_hilbert_curve_visits_every_cell_by_steps_to_a_neighbour(bits):
    side = 1 << bits
    y, x = np.divmod(np.arange(side * side), side)
    index = hilbert.curve_index(x, y, bits)
    assert sorted(index.tolist()) == list(range(side * side))
    order = np.argsort(index)
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert steps.tolist() == [1] * (side * side - 1)


def test_hilbert_is_no_worse_than_its_curve():
    rng = np.random.default_rng(4)
    at = rng.random((200, 2))
    w = (np.abs(at[:, None] - at[None]).sum(axis=-1) < 0.12).astype(float)
    problem = make_problem(network(w, at), np.ones(200), Grid(3, 5), 14)
    core_of = place(network(w, at), np.ones(200), Grid(3, 5), 14, placer="hilbert")
    shuffled = place(network(w, at), np.ones(200), Grid(3, 5), 14, placer="shuffled")
    assert placement_cost(problem, core_of) < placement_cost(problem, shuffled) / 2
    # No exchange of neighbouring cores helps any more.
    cost = placement_cost(problem, core_of)
    for a, b in [(0, 1), (3, 4), (0, 5), (6, 7), (9, 14)]:
        exchanged = np.where(core_of == a, b, np.where(core_of == b, a, core_of)).astype(np.int32)
        assert placement_cost(problem, exchanged) >= cost - 1e-9


def test_bisection_recovers_the_plane_from_the_graph():
    net = lattice(16)
    blind = replace(net, positions=None)
    problem = make_problem(blind, np.ones(256), Grid(4, 4), 16)
    seen, unseen, shuffled = (
        placement_cost(problem, place(n, np.ones(256), Grid(4, 4), 16, placer=placer))
        for n, placer in ((net, "bisection"), (blind, "bisection"), (blind, "shuffled"))
    )
    assert seen == 24 * 4 * 2
    assert unseen < 1.2 * seen < shuffled / 4


@pytest.mark.parametrize("seed", range(4))
def test_bisection_cuts_a_square_along_its_sides(seed):
    # The main axes of distances along streets are the diagonals; cut along those it costs 1.22 times as much or more.
    net = lattice(16)
    blind = replace(net, positions=None)
    cut = find_placer("bisection")
    seen, unseen = (
        placement_cost(problem, cut(problem, np.random.default_rng(seed), Effort()))
        for problem in (make_problem(n, np.ones(256), Grid(4, 4), 16) for n in (net, blind))
    )
    assert unseen <= 1.15 * seen


def test_hypergraph_beats_the_cut_of_a_scattered_network():
    pytest.importorskip("mtkahypar")
    rng = np.random.default_rng(1)
    order = rng.permutation(120)
    w = np.kron(np.eye(6), np.ones((20, 20)))[np.ix_(order, order)]
    net = network(w)
    for grid in (Grid(2, 3), Grid(2, 13)):
        capacity = 20 if grid.cores == 6 else 5
        core_of = place(net, np.ones(120), grid, capacity, placer="hypergraph")
        problem = make_problem(net, np.ones(120), grid, capacity)
        assert np.bincount(core_of, minlength=grid.cores).max() <= capacity
        if grid.cores == 6:
            assert placement_cost(problem, core_of) == 0


def test_hypergraph_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mtkahypar", None)
    with pytest.raises(UsageError, match=r"pip install 'bimt-neuromod\[partition\]'"):
        place(lattice(4), np.ones(16), Grid(2, 2), 4, placer="hypergraph")


def test_equal_effort_equal_placement_and_bad_effort_refused():
    net = lattice(10)
    one, two = (place(net, np.ones(100), Grid(2, 2), 27, effort=Effort(0.1)).tolist() for _ in range(2))
    assert one == two
    with pytest.raises(UsageError, match="effort must be above 0"):
        Effort(0)
    with pytest.raises(UsageError, match="time must be above 0"):
        Effort(seconds=-1)


def test_time_is_kept():
    shares = []
    start = time.monotonic()
    place(lattice(30), np.ones(900), Grid(3, 3), 110, effort=Effort(seconds=1.0, on_progress=shares.append))
    assert time.monotonic() - start < 3
    assert shares[-1] == 1
    assert shares == sorted(shares)


def test_renumbering_changes_nothing_but_the_numbers():
    rng = np.random.default_rng(3)
    net = network((rng.random((40, 40)) < 0.2).astype(float), rng.random((40, 2)))
    problem = make_problem(net, rng.random(40), Grid(2, 3), 9)
    core_of = place(net, np.ones(40), Grid(2, 3), 9, placer="shuffled")
    order = rng.permutation(40)
    other = renumbered(problem, order)
    assert placement_cost(other, core_of[order]) == pytest.approx(placement_cost(problem, core_of))
    assert other.synapses.tolist() == problem.synapses[order].tolist()


def test_large_networks_are_placed_core_by_core(monkeypatch):
    from neuromod.mapping.local_search import run
    from neuromod.mapping.placers import annealing

    net = lattice(30)
    cut = make_problem(net, np.ones(900), Grid(3, 3), 105)
    for module, name in ((annealing, "_RENUMBERED"), (annealing, "_ONE_START"), (run, "_REGIONS")):
        monkeypatch.setattr(module, name, 100)
    shaken = net.subset(np.random.default_rng(0).permutation(900))
    core_of = place(shaken, np.ones(900), Grid(3, 3), 105)
    assert np.bincount(core_of, minlength=9).max() <= 105
    # Squares are optimal for a lattice that fills its cores; the slack wins a little more.
    squares = placement_cost(cut, place(net, np.ones(900), Grid(3, 3), 105, placer="tiles"))
    assert placement_cost(make_problem(shaken, np.ones(900), Grid(3, 3), 105), core_of) <= squares
