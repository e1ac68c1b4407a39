"""Systems of many chips and large grids: ways in closed form, packets of talking pairs, placement by levels."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuromod
from neuromod import Network
from neuromod.errors import DoesNotFitError, UsageError
from neuromod.hardware import (
    Grid,
    PacketPrice,
    cost_matrix,
    load_target,
    make_ways,
    measure,
    packets_to_chips,
    routing,
    target_files,
)
from neuromod.hardware.router_tables import count_entries
from neuromod.hardware.targets import Figure, Target
from neuromod.mapping import Effort, levels
from neuromod.mapping.bounds import bound_hops
from neuromod.mapping.cost import placement_cost
from neuromod.mapping.local_search import run as local_run
from neuromod.mapping.local_search import tables
from neuromod.mapping.placers import find_placer, make_problem
from neuromod.mapping.problem import check_pairs
from neuromod.mapping.search import join_chips
from neuromod.metrics import Activity
from neuromod.traffic import packets_between_chips


def net_of(w, **more):
    n = len(w)
    return Network(
        w_rec=np.asarray(w, float), w_in=np.zeros((n, 0)), w_out=np.zeros((1, n)), bias=np.zeros(n),
        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2, **more,
    )  # fmt: skip


def target(routing_="unicast", **values):
    figures = {name: Figure(float(value), "chosen", "test") for name, value in values.items()}
    return Target("toy", "Toy", "A toy.", routing_, "core", False, figures)


def random_grid(rng):
    tile = rng.integers(1, 3, 2).tolist()
    chip = Grid(*(rng.integers(1, 3, 2) * tile).tolist())
    return Grid(*rng.integers(1, 7, 2).tolist(), *tile), chip


def walk(price, grid, chip, a, b):
    """What a packet pays, link by link: along the row, then along the column."""
    (row, column), (to_row, to_column) = (divmod(core, grid.columns) for core in (a, b))
    row, to_row = row // grid.tile_rows, to_row // grid.tile_rows
    column, to_column = column // grid.tile_columns, to_column // grid.tile_columns
    paid = price.sent * (a != b)
    for one, other, tile, size, plain in (
        (column, to_column, grid.tile_columns, chip.columns, price.along_row),
        (row, to_row, grid.tile_rows, chip.rows, price.along_column),
    ):
        for step in range(min(one, other), max(one, other)):
            paid += price.across if step * tile // size != (step + 1) * tile // size else plain
    return paid


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ways_are_what_a_packet_pays_link_by_link(seed):
    rng = np.random.default_rng(seed)
    grid, chip = random_grid(rng)
    price = PacketPrice(*rng.random(3).tolist(), across=float(rng.random() * 9))
    pairs = np.array(list(itertools.product(range(grid.cores), repeat=2)))
    paid = [walk(price, grid, chip, a, b) for a, b in pairs.tolist()]
    np.testing.assert_allclose(make_ways(price, grid, chip).between(*pairs.T), paid, atol=1e-9)
    np.testing.assert_allclose(cost_matrix(price, grid, chip).ravel(), paid, atol=1e-9)
    plain = replace(price, across=None)
    np.testing.assert_allclose(make_ways(plain, grid).between(*pairs.T), cost_matrix(plain, grid).ravel(), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_changes_in_closed_form_equal_a_full_recount(seed, branching):
    rng = np.random.default_rng(seed)
    grid, chip = random_grid(rng)
    n = int(rng.integers(2, 14))
    price = PacketPrice(*rng.random(3).tolist(), across=float(rng.random() * 9))
    ways = make_ways(price, grid, chip)
    problem = make_problem(
        net_of(rng.random((n, n)) < rng.random()), rng.random(n), grid, n, objective="energy", cost=ways,
        tree=price if branching else None,
    )  # fmt: skip
    core_of = rng.integers(0, grid.cores, n).astype(np.int32)
    before = placement_cost(problem, core_of)
    if not branching:
        full = replace(problem, cost=cost_matrix(price, grid, chip))
        assert before == pytest.approx(placement_cost(full, core_of))
    t = tables.make_tables(problem, core_of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "MOST_EXCHANGED", 0)
        cost, routers = tables.cost_tables(problem)
    arguments = (t.rows, t.rates, t.in_ptr, t.sources, cost, routers)
    for v, w in itertools.permutations(range(n), 2):
        a, b = int(core_of[v]), int(core_of[w])
        if a != b:
            moved, swapped = core_of.copy(), core_of.copy()
            moved[v] = b
            swapped[[v, w]] = [b, a]
            change = tables.move_change(*arguments, int(t.first[v]), b)
            assert before + change == pytest.approx(placement_cost(problem, moved), abs=1e-9)
            change = tables.swap_change(*arguments, int(t.first[v]), int(t.first[w]))
            assert before + change == pytest.approx(placement_cost(problem, swapped), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_pairs_that_talk_say_the_same_as_a_table_of_all(seed):
    rng = np.random.default_rng(seed)
    grid, chip = random_grid(rng)
    n = int(rng.integers(1, 30))
    net = net_of(rng.random((n, n)) < 0.3)
    core_of, rates = rng.integers(0, grid.cores, n).astype(np.int32), rng.random(n)
    dense = measure(net, core_of, grid, rates)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing, "DENSE", 0)
        found = measure(net, core_of, grid, rates)
    np.testing.assert_allclose(found.packets.toarray(), dense.packets, atol=1e-12)
    assert found.hops == pytest.approx(dense.hops)
    for one, other in ((found.links, dense.links), (found.multicast_links, dense.multicast_links)):
        np.testing.assert_allclose(one, other, atol=1e-9)
    assert found.destinations.tolist() == dense.destinations.tolist()
    chips = target(chip_rows=chip.rows, chip_columns=chip.columns)
    between = packets_between_chips(dense.packets, grid, chips)
    assert packets_between_chips(found.packets, grid, chips) == pytest.approx(between)
    at = (np.stack(np.divmod(core_of, grid.columns), 1) // (chip.rows, chip.columns)) @ (grid.columns, 1)
    reached = [{at[i] for i in np.flatnonzero(net.w_rec.toarray()[:, s])} - {at[s]} for s in range(n)]
    one_each = sum(rate * len(chips_reached) for rate, chips_reached in zip(rates, reached, strict=True))
    assert packets_to_chips(net, core_of, rates, grid, chips) == pytest.approx(one_each)
    pattern = dense.packets > 0
    from scipy import sparse

    assert (count_entries(pattern, grid) == count_entries(sparse.csr_array(pattern), grid)).all()


def test_the_bound_of_a_large_grid_holds_and_is_that_of_a_small_one_inside():
    rng = np.random.default_rng(0)
    destinations, rates = rng.integers(0, 9, 50), rng.random(50)
    small = bound_hops(np.zeros((1600, 1600)), destinations, rates, Grid(40, 40))
    large = bound_hops(None, destinations, rates, Grid(300, 300))
    assert large.arrangement is None
    assert large.route == pytest.approx(small.route)


@pytest.mark.parametrize("side", [256, 1024])
def test_large_grids_are_mapped_onto(side):
    rng = np.random.default_rng(1)
    at = np.stack(np.divmod(np.arange(300), 20), axis=1).astype(float)
    w = (np.abs(at[:, None] - at[None]).sum(axis=-1) <= 2) & (rng.random((300, 300)) < 0.6)
    net = net_of(w & ~np.eye(300, dtype=bool), positions=at)
    found = neuromod.place(net, cores=(side, side), effort=Effort(0.05))
    assert found.neurons_per_core == 1
    assert found.neurons_on.max() == 1
    told = neuromod.estimate(net, found).summary
    assert told["hops_per_step"] >= told["packets_per_step"] > 0
    assert told["hops_per_step"] < 0.6 * neuromod.estimate(net, found).shuffled_summary["hops_per_step"]
    assert len(told["per_core"]) == 300
    assert told["links"] is None
    # Methods that need a table of all pairs get the corner that the neurons take.
    assert neuromod.place(net, cores=(side, side), placer="hilbert").neurons_on.max() == 1


def test_tables_of_all_pairs_end_where_they_would_not_fit():
    check_pairs(16_384)
    with pytest.raises(UsageError, match="table of all pairs of 16,385 cores, at most 16,384; choose the placer"):
        check_pairs(16_385)


def test_regions_in_machine_code_find_what_the_loop_finds(monkeypatch):
    rng = np.random.default_rng(2)
    net = net_of((rng.random((120, 120)) < 0.05) & ~np.eye(120, dtype=bool))
    problem = make_problem(net, rng.random(120), Grid(4, 5), 7)
    start = find_placer("shuffled")(problem, rng, Effort())
    monkeypatch.setattr(local_run, "_REGIONS", 0)
    one = local_run.Search(problem, start, 3).run(20_000, 1e-3)
    monkeypatch.setattr(local_run, "_MANY_CORES", 0)
    other = local_run.Search(problem, start, 3).run(20_000, 1e-3)
    assert one.tolist() == other.tolist()


def test_a_corner_of_a_large_grid_is_searched_as_such(monkeypatch):
    monkeypatch.setattr(levels, "_CROPPED", 10)
    rng = np.random.default_rng(3)
    net = net_of(rng.random((40, 40)) < 0.1)
    price = PacketPrice(0.0, 1.0, 1.0)
    whole = make_problem(net, np.ones(40), Grid(9, 10), 10, cost=make_ways(price, Grid(9, 10)))
    seen = []

    def method(problem, rng, effort):
        seen.append(problem.grid)
        return find_placer("annealing")(problem, rng, Effort(0.02))

    found = levels.crop(whole, method, np.random.default_rng(0), Effort(), whole=Grid(2, 2))
    assert [grid.rows % 2 + grid.columns % 2 for grid in seen] == [0]
    assert seen[0].cores < 30
    small = replace(whole, grid=seen[0], cost=make_ways(price, seen[0]))
    row, column = np.divmod(found, 10)
    inside = (row * seen[0].columns + column).astype(np.int32)
    assert placement_cost(whole, found) == pytest.approx(placement_cost(small, inside))
    assert np.bincount(found).max() <= 10


CHIPS = {"chip_rows": 2, "chip_columns": 2}


def test_modules_of_a_chip_stay_on_it():
    # Four groups of twelve, all connected within, none between: one a chip, on cores of three neurons.
    net = net_of(np.kron(np.eye(4), np.ones((12, 12))) - np.eye(48))
    for seed in (0, 1):
        found = neuromod.place(
            net, cores=(4, 4), target=target(neurons=3, **CHIPS), seed=seed, effort=Effort(0.1), activity=None
        )
        told = neuromod.estimate(net, found).summary
        assert told["packets_off_chip_per_step"] == 0
        assert found.neurons_on.tolist() == [3] * 16
        again = neuromod.place(net, cores=(4, 4), target=target(neurons=3, **CHIPS), seed=seed, effort=Effort(0.1))
        assert again.core_of.tolist() == found.core_of.tolist()


def test_the_dearer_a_hop_between_chips_the_fewer_there_are():
    rng = np.random.default_rng(5)
    at = rng.random((160, 2))
    w = (np.abs(at[:, None] - at[None]).sum(axis=-1) < 0.3) & (rng.random((160, 160)) < 0.5)
    net = net_of(w & ~np.eye(160, dtype=bool), positions=at)
    between = []
    for price in (1, 30):
        chip = target(neurons=11, hops_of_chip_hop=price, **CHIPS)
        found = neuromod.place(net, cores=(4, 4), target=chip, effort=Effort(0.3))
        between.append(neuromod.estimate(net, found).summary["packets_off_chip_per_step"])
    assert between[1] < between[0]


ENERGIES = {"energy_packet": 1, "energy_hop_x": 2, "energy_hop_y": 3, "energy_neuron": 0, "energy_synaptic_event": 0}
LATENCIES = {"latency_hop_x": 2, "latency_hop_y": 3, "latency_barrier": 0}


def test_hops_between_chips_are_charged_apart():
    # One packet from (0, 0) to (3, 3) on 2x2 chips of 2x2 cores: two hops along each way within, one border each.
    net = net_of([[0, 0], [1, 0]])
    activity = Activity(np.array([1.0, 0.0]), np.zeros(0), "given", 0)
    placement = neuromod.Placement(Grid(4, 4), np.array([0, 15]), 1, "toy", "tiles", 0, net.sha256())
    stated = target(**ENERGIES, **LATENCIES, energy_hop_chip=100, latency_hop_chip=50, **CHIPS)
    told = neuromod.estimate(net, placement, activity, target=stated).summary
    assert told["energy_per_step"]["packet"]["pj"] == 1
    assert told["energy_per_step"]["hop"]["pj"] == 2 * 2 + 2 * 3 + 2 * 100
    assert told["time_per_step"]["way_ns"] == 2 * 2 + 2 * 3 + 2 * 50
    silent = target(**ENERGIES, **LATENCIES, **CHIPS)
    told = neuromod.estimate(net, placement, activity, target=silent).summary
    assert told["energy_per_step"]["hop"] == {
        "count": 6,
        "pj": None,
        "kind": ["chosen"],
        "unknown": ["energy_hop_chip"],
    }
    assert told["time_per_step"]["unknown"][-1] == "latency_hop_chip"
    with pytest.raises(UsageError, match="energy_hop_chip"):
        neuromod.place(net, cores=(4, 4), target=silent, objective="energy")
    dear = neuromod.place(net, cores=(4, 4), target=target(neurons=1, **ENERGIES, energy_hop_chip=100, **CHIPS),
                          objective="energy", activity=activity)  # fmt: skip
    assert neuromod.estimate(net, dear, activity).summary["energy_per_step"]["hop"]["pj"] == 2


def test_where_a_chip_has_one_router_every_hop_is_one_between_chips():
    one_router = target(tile_rows=2, tile_columns=2, **ENERGIES, **CHIPS)
    net = net_of([[0, 0], [1, 0]])
    activity = Activity(np.array([1.0, 0.0]), np.zeros(0), "given", 0)
    placement = neuromod.Placement(Grid(4, 4, 2, 2), np.array([0, 15]), 1, "toy", "tiles", 0, net.sha256())
    told = neuromod.estimate(net, placement, activity, target=one_router).summary
    assert told["energy_per_step"]["hop"]["pj"] == 2 + 3


def test_chips_are_joined():
    loihi = load_target("loihi1")
    chip, cores = join_chips(loihi, None, (2, 3))
    assert chip is loihi
    assert cores == (16, 48)
    part, cores = join_chips(loihi, (4, 4), (2, 1))
    assert (part.chip, cores) == (Grid(4, 4), (8, 4))
    mesh, _ = join_chips(load_target("generic-mesh"), (8, 16), (2, 2))
    assert mesh.chip == Grid(8, 16)
    with pytest.raises(UsageError, match="a chip of loihi1 has 8x16 cores, and 9x16 of each were asked for"):
        join_chips(loihi, (9, 16), (2, 1))
    with pytest.raises(UsageError, match="does not state the cores of a chip"):
        join_chips(load_target("generic-mesh"), None, (2, 1))
    with pytest.raises(DoesNotFitError, match="takes 3 columns of chips, limit 2"):
        neuromod.place(net_of(np.eye(2)), chips=(1, 3), target=target(mesh_columns=2, mesh_rows=2, **CHIPS))


@pytest.mark.parametrize("name", target_files.target_names())
def test_a_target_that_is_written_is_the_one_that_is_read(name):
    one = load_target(name)
    assert target_files.parse_target(target_files.as_toml(one), where="test") == one
