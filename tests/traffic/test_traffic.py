"""Traffic: two- and four-core cases by hand, invariances, and agreement with a slow count spike by spike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.hardware import load_target
from neuromod.hardware.grid import Grid
from neuromod.hardware.routing import DIRECTIONS, link_loads, measure, route
from neuromod.hardware.sparse_packets import route_pairs
from neuromod.mapping.cost import placement_cost
from neuromod.mapping.placement import Placement
from neuromod.mapping.problem import make_problem
from neuromod.metrics.activity import Activity
from neuromod.traffic.report import estimate, synapses_across


def network(n, synapses, *, positions=None, w_in=None):
    """Network with the synapses (source, target)."""
    w = np.zeros((n, n))
    for source, target in synapses:
        w[target, source] = 1
    return Network(
        w_rec=w,
        w_in=np.zeros((n, 2)) if w_in is None else w_in,
        w_out=np.eye(1, n),
        bias=np.zeros(n),
        bias_out=np.zeros(1),
        dt_s=0.1,
        tau_s=0.2,
        positions=positions,
    )


def random_case(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 15))
    grid = Grid(int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    w = rng.random((n, n)) < rng.random()
    net = network(n, zip(*np.nonzero(w), strict=True))
    return net, rng.integers(0, grid.cores, n), grid, rng.random(n) * (rng.random(n) < 0.8)


def xy_way(start, end):
    """Links of one packet, step by step: (direction, row, column)."""
    (row, column), links = start, []
    while column != end[1]:
        step = 1 if end[1] > column else -1
        links.append((0 if step > 0 else 1, row, column))
        column += step
    while row != end[0]:
        step = 1 if end[0] > row else -1
        links.append((2 if step > 0 else 3, row, column))
        row += step
    return links


def count_slowly(net, core_of, grid, rates):
    packets = hops = 0.0
    links, tree_links = np.zeros((2, 4, grid.rows, grid.columns))
    w = net.w_rec.toarray()
    for s in range(net.n):
        start = divmod(int(core_of[s]), grid.columns)
        cores = {int(core_of[t]) for t in range(net.n) if w[t, s]} - {int(core_of[s])}
        tree = set()
        for core in cores:
            way = xy_way(start, divmod(core, grid.columns))
            packets += rates[s]
            hops += rates[s] * len(way)
            for link in way:
                links[link] += rates[s]
            tree |= set(way)
        for link in tree:
            tree_links[link] += rates[s]
    return packets, hops, links, tree_links


def test_two_cores_by_hand():
    # Neurons 0, 1 on the left core, 2, 3 on the right one. 0 -> 2 and 0 -> 3 are one packet; 3 -> 0 is another;
    # 1 -> 0 stays; 2 -> 2 stays.
    net = network(4, [(0, 2), (0, 3), (1, 0), (3, 0), (2, 2)])
    traffic = measure(net, np.array([0, 0, 1, 1]), Grid(1, 2), np.array([0.5, 0.9, 0.7, 0.25]))
    assert traffic.packets.tolist() == [[0, 0.5], [0.25, 0]]
    assert traffic.hops == traffic.multicast_hops == 0.75
    assert traffic.links[DIRECTIONS.index("east")].tolist() == [[0.5, 0]]
    assert traffic.links[DIRECTIONS.index("west")].tolist() == [[0, 0.25]]
    assert traffic.destinations.tolist() == [1, 0, 0, 1]


def test_a_branching_packet_by_hand():
    # From the corner (0, 0) to (1, 1) and (0, 2): 2 + 2 hops apart, but both go east first.
    net = network(3, [(0, 1), (0, 2)])
    traffic = measure(net, np.array([0, 4, 2]), Grid(2, 3), np.array([2.0, 1, 1]))
    assert traffic.packets.sum() == 4
    assert traffic.hops == 8
    assert traffic.multicast_hops == 6
    assert traffic.links[0, 0].tolist() == [4, 2, 0]
    assert traffic.multicast_links[0, 0].tolist() == [2, 2, 0]
    assert traffic.links[2, 0].tolist() == [0, 2, 0]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_agrees_with_a_slow_count(seed):
    net, core_of, grid, rates = random_case(seed)
    traffic = measure(net, core_of, grid, rates)
    packets, hops, links, tree_links = count_slowly(net, core_of, grid, rates)
    assert traffic.packets.sum() == pytest.approx(packets)
    assert traffic.hops == pytest.approx(hops)
    np.testing.assert_allclose(traffic.links, links, atol=1e-12)
    np.testing.assert_allclose(traffic.multicast_links, tree_links, atol=1e-12)
    # Conservation: every hop crosses one link.
    assert link_loads(traffic.links, grid).sum() == pytest.approx(traffic.hops)
    assert traffic.multicast_hops <= traffic.hops + 1e-9
    assert traffic.multicast_hops >= packets - 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_relabelling_and_mirroring_change_nothing(seed):
    net, core_of, grid, rates = random_case(seed)
    before = measure(net, core_of, grid, rates)
    order = np.random.default_rng(seed).permutation(net.n)
    after = measure(net.subset(order), core_of[order], grid, rates[order])
    np.testing.assert_allclose(after.packets, before.packets)
    np.testing.assert_allclose(after.links, before.links, atol=1e-12)
    row, column = np.divmod(core_of, grid.columns)
    mirrored = measure(net, (grid.rows - 1 - row) * grid.columns + column, grid, rates)
    assert mirrored.hops == pytest.approx(before.hops)
    assert mirrored.multicast_hops == pytest.approx(before.multicast_hops)
    np.testing.assert_allclose(mirrored.links[[0, 1, 3, 2], ::-1], before.links, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_cost_of_a_placement_is_its_hops(seed):
    net, core_of, grid, rates = random_case(seed)
    traffic = measure(net, core_of, grid, rates)
    problem = make_problem(net, rates, grid, net.n)
    assert placement_cost(problem, core_of) == pytest.approx(traffic.hops)
    packets = make_problem(net, rates, grid, net.n, cost=1 - np.eye(grid.cores))
    assert placement_cost(packets, core_of) == pytest.approx(traffic.packets.sum())


def test_packets_are_the_km1_of_the_hypergraph():
    # km1: sum over hyperedges (a source with its targets) of rate times (blocks touched - 1).
    net, core_of, grid, rates = random_case(11)
    w = net.w_rec.toarray() != 0
    km1 = sum(rates[s] * (len({core_of[s], *core_of[w[:, s]]}) - 1) for s in range(net.n))
    assert measure(net, core_of, grid, rates).packets.sum() == pytest.approx(km1)


def test_route_of_a_full_matrix_keeps_every_hop():
    grid = Grid(3, 4)
    packets = np.random.default_rng(0).random((12, 12))
    np.fill_diagonal(packets, 0)
    assert route(packets, grid).sum() == pytest.approx((packets * grid.distances()).sum())


@given(st.integers(0, 10**6))
def test_pairs_that_talk_load_the_links_as_each_packet_does(seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 6, 2).tolist()
    source, receiver = (np.stack([rng.integers(0, rows, 9), rng.integers(0, columns, 9)], axis=1) for _ in range(2))
    load = rng.random(9)
    wanted = np.zeros((4, rows, columns))
    for start, end, amount in zip(source.tolist(), receiver.tolist(), load, strict=True):
        for direction, row, column in xy_way(start, end):
            wanted[direction, row, column] += amount
    found = route_pairs(source, receiver, load, rows, columns)
    assert found == pytest.approx(wanted)


def test_a_target_that_is_given_counts_instead_of_the_placements():
    net = network(2, [(0, 1)])
    placement = Placement(Grid(1, 2), np.array([0, 1]), 1, "loihi1", "tiles", 0, net.sha256())
    activity = Activity(np.ones(2), np.zeros(2), "given", 0)
    own = estimate(net, placement, activity).summary
    other = estimate(net, placement, activity, target=load_target("generic-mesh")).summary
    assert own["energy_per_step"] != other["energy_per_step"]
    assert (
        own["energy_per_step"]
        == estimate(net, placement, activity, target=load_target("loihi1")).summary["energy_per_step"]
    )


def test_estimate_beside_shuffled():
    rng = np.random.default_rng(5)
    at = np.stack(np.meshgrid(np.arange(12), np.arange(12)), axis=-1).reshape(-1, 2)
    near = np.abs(at[:, None] - at[None]).sum(axis=-1) <= 2
    w_in = np.zeros((144, 2))
    w_in[:3, 0] = 1
    net = network(144, zip(*np.nonzero(near), strict=True), positions=at, w_in=w_in)
    core_of = (at[:, 1] // 4) * 3 + at[:, 0] // 4
    placement = Placement(Grid(3, 3), core_of, 16, "generic-mesh", "tiles", 0, net.sha256())
    rates = rng.random(144)
    report = estimate(net, placement, Activity(rates, np.array([0.5, 1]), "given", 0))
    own, shuffled = report.summary, report.shuffled_summary
    assert own.keys() == shuffled.keys()
    assert own["hops_per_step"] < shuffled["hops_per_step"] / 3
    assert own["wiring_length"] < shuffled["wiring_length"] / 3
    assert (
        [core["neurons"] for core in own["per_core"]] == [core["neurons"] for core in shuffled["per_core"]] == [16] * 9
    )
    assert sum(core["packets_sent_per_step"] for core in own["per_core"]) == pytest.approx(own["packets_per_step"])
    assert sum(core["synapses"] for core in own["per_core"]) == net.n_synapses + 3
    # Three neurons of one core listen to channel 0, none to channel 1; the readout reads neuron 0 alone.
    assert own["input_packets_per_step"] == 0.5
    assert own["readout_packets_per_step"] == pytest.approx(rates[0])
    # On a plain lattice the mean length within a radius of 2 is known: 4 neighbours at 1, 8 at 2, one at 0.
    inside = net.subset(np.flatnonzero((at > 1).all(axis=1) & (at < 10).all(axis=1)))
    assert 0 < own["mean_synapse_length"] < 20 / 13
    assert inside.n == 64


def test_the_wrong_number_of_neurons_is_refused():
    net = network(3, [(0, 1)])
    with pytest.raises(UsageError, match="3 neurons, the placement 2"):
        measure(net, np.array([0, 0]), Grid(1, 1), np.ones(3))


def test_no_synapses_no_traffic():
    net = network(3, [])
    traffic = measure(net, np.array([0, 1, 2]), Grid(1, 3), np.ones(3))
    assert traffic.hops == 0
    assert not traffic.links.any()
    assert sparse.issparse(net.w_rec)


def test_cores_that_share_one_router_have_no_links(solver_network):
    import neuromod

    placement = neuromod.place(solver_network, cores=(2, 2), target="loihi1", neurons_per_core=5)
    summary = neuromod.estimate(solver_network, placement).summary
    assert summary["hops_per_step"] == 0
    assert summary["link_load_variance"] == 0


def test_synapses_are_counted_within_cores_and_between():
    # Cores 0 0 1: 0 -> 1 and the self-connection stay at home, 1 -> 2, 2 -> 0 and 2 -> 1 leave.
    net = network(3, [(0, 1), (0, 0), (1, 2), (2, 0), (2, 1)])
    assert synapses_across(net, np.array([0, 0, 1])) == (2, 3)
    assert synapses_across(net, np.array([5, 5, 5])) == (5, 0)
