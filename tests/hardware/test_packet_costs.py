"""One model of a packet's cost, for training, placement and estimate: against walks of the ways, and brute force."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
import torch

from neuromod import Network
from neuromod.hardware.grid import Grid
from neuromod.hardware.packet_costs import cost_matrix, make_links, packet_cost
from neuromod.hardware.routing import measure
from neuromod.hardware.target_files import load_target
from neuromod.hardware.targets import Figure, PacketPrice, Target
from neuromod.mapping.cost import placement_cost
from neuromod.mapping.problem import make_problem
from neuromod.mapping.search import place
from neuromod.metrics.activity import Activity
from neuromod.traffic.energy_and_time import estimate_energy, estimate_time, synaptic_events
from neuromod.training.penalties import packets

PRICES = {"energy_packet": 100.0, "energy_hop_x": 3.0, "energy_hop_y": 17.0}


def target(routing: str, **values: float) -> Target:
    figures = {name: Figure(float(value), "chosen", "test") for name, value in values.items()}
    return Target("toy", "Toy", "A toy.", routing, "core", False, figures)  # type: ignore[arg-type]


def network(w_rec: np.ndarray) -> Network:
    n = len(w_rec)
    return Network(
        w_rec=w_rec, w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n), bias_out=np.zeros(1),
        dt_s=0.1, tau_s=0.2,
    )  # fmt: skip


def walked_energy(w_rec: np.ndarray, rates: np.ndarray, core_of: np.ndarray, grid: Grid, price: PacketPrice) -> float:
    """Energy of branching packets: every link that a spike uses once, found by walking to every destination."""
    at = grid.routers()
    total = 0.0
    for s in range(len(w_rec)):
        cores = {int(core_of[t]) for t in np.flatnonzero(w_rec[:, s])} - {int(core_of[s])}
        links = set()
        for core in cores:
            (row, column), (to_row, to_column) = at[core_of[s]].tolist(), at[core].tolist()
            while (row, column) != (to_row, to_column):
                before = (row, column)
                if column != to_column:
                    column += 1 if to_column > column else -1
                else:
                    row += 1 if to_row > row else -1
                links.add((before, (row, column)))
        hops = sum(price.along_row if a[0] == b[0] else price.along_column for a, b in links)
        total += rates[s] * (price.sent * bool(cores) + hops)
    return total


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, Grid, np.ndarray]:
    rng = np.random.default_rng(seed)
    grid = [Grid(3, 3), Grid(2, 4), Grid(4, 4, 2, 2), Grid(1, 5)][seed % 4]
    w = (rng.random((14, 14)) < 0.3).astype(float)
    return w, rng.random(14), grid, rng.integers(0, grid.cores, 14).astype(np.int32)


@pytest.mark.parametrize("seed", range(8))
def test_placement_and_estimate_charge_a_branching_packet_alike(seed: int) -> None:
    w, rates, grid, core_of = random_case(seed)
    net, toy = network(w), target("multicast", **PRICES)
    one = packet_cost("energy", toy)
    assert one.branching
    problem = make_problem(net, rates, grid, 14, objective="energy", cost=cost_matrix(one.price, grid), tree=one.price)
    wanted = walked_energy(w, rates, core_of, grid, one.price)
    assert placement_cost(problem, core_of) == pytest.approx(wanted)
    activity = Activity(rates, np.zeros(1), "given", 0)
    found = estimate_energy(net, activity, toy, measure(net, core_of, grid, rates), np.zeros(14))
    assert found["packet"]["pj"] + found["hop"]["pj"] == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(3))
def test_placing_for_energy_finds_the_optimum_of_branching_packets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, grid = 6, Grid(2, 3)
    w, rates = (rng.random((n, n)) < 0.5).astype(float), rng.random(n)
    net = Network(
        w_rec=w, w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n), bias_out=np.zeros(1),
        dt_s=0.1, tau_s=0.2, rates=rates,
    )  # fmt: skip
    toy = target("multicast", **PRICES)
    found = place(net, cores=(2, 3), target=toy, neurons_per_core=1, objective="energy")
    price = toy.energy_of_packet()
    best = min(walked_energy(w, rates, np.array(cores), grid, price) for cores in itertools.permutations(range(6)))
    assert walked_energy(w, rates, found.core_of, grid, price) == pytest.approx(best)


def test_time_counts_one_packet_for_a_spike_that_branches() -> None:
    w = np.zeros((4, 4))
    w[1:, 0] = 1
    net, grid, core_of = network(w), Grid(1, 4), np.arange(4)
    activity = Activity(np.array([1.0, 0, 0, 0]), np.zeros(1), "given", 0)
    names = ("synaptic_event", "neuron", "hop_x", "hop_y", "barrier")
    latencies = {**{f"latency_{name}": 0.0 for name in names}, "latency_packet": 100.0}
    traffic = measure(net, core_of, grid, activity.rates)
    for routing, wanted in (("unicast", 300), ("multicast", 100)):
        events = synaptic_events(net, activity)
        assert estimate_time(net, core_of, grid, target(routing, **latencies), traffic, events)["core_ns"] == wanted


def dense_behind(grid: Grid) -> np.ndarray:
    """What lies behind the links, as 0.1.0 wrote it down: (cores, routers + 1, cores)."""
    k, at = grid.cores, grid.routers()
    routers = np.stack(np.divmod(np.arange(grid.router_rows * grid.router_columns), grid.router_columns), axis=1)
    row, column = at[:, 0], at[:, 1]

    def passes(start, stop, over):
        return (over != start) & ((over - start) * (stop - over) >= 0) & ((over - start) * (stop - start) > 0)

    head_row, head_column = routers[None, :, :1], routers[None, :, 1:]
    from_row, from_column = row[:, None, None], column[:, None, None]
    along_row = (head_row == from_row) & passes(from_column, column[None, None], head_column)
    along_column = (head_column == column[None, None]) & passes(from_row, row[None, None], head_row)
    return np.concatenate([along_row | along_column, ~np.eye(k, dtype=bool)[:, None]], axis=1)


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(1, 5), Grid(4, 3), Grid(4, 4, 2, 2), Grid(5, 3, 2, 1)], ids=str)
def test_running_sums_are_the_sums_behind_the_links(grid: Grid) -> None:
    rng = np.random.default_rng(0)
    n, toy = 30, target("multicast", **PRICES)
    links = make_links("energy", grid, toy)
    core_of = rng.integers(0, grid.cores, n)
    prices = packets.make_prices(links, core_of, torch.tensor(rng.random(n)))
    w = torch.tensor(rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.2))
    behind = torch.tensor(dense_behind(grid)[core_of], dtype=torch.float64)
    power = (prices.onto @ w.square()).t()
    carried = torch.einsum("ilc,ic->il", behind, power)
    assert torch.equal(prices.trees.carried(power) == 0, carried == 0)
    assert torch.allclose(prices.trees.carried(power), carried, rtol=1e-13, atol=0)
    assert float(packets.cost(w, prices)) == pytest.approx(float((carried.sqrt() * prices.weight).sum()))
    # The old formula: prices share every link among the cores behind it in proportion to their norms.
    some = carried[:, :, None] > 0
    share = torch.where(some, power[:, None, :] / torch.where(some, carried[:, :, None], 1.0), 1.0).sqrt()
    old = torch.einsum("il,ilc->ci", prices.weight, behind * share)
    assert torch.allclose(packets.prices_of_groups(w, prices), old, rtol=1e-12, atol=0)


@pytest.mark.parametrize("cost", ["hops", "multicast"])
def test_links_of_many_cores_take_the_square_of_their_number(cost: str) -> None:
    grid = Grid(32, 32)
    tracemalloc.start()
    try:
        links = make_links(cost, grid, load_target("generic-mesh"))
        prices = packets.make_prices(links, np.arange(1024), torch.ones(1024))
        packets.prices_of_groups(torch.eye(1024), prices)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A table of (cores, links, cores) would take a gigabyte in bits of a byte each.
    assert most < 20 * grid.cores**2 * 8
    assert links.price.nbytes <= 8 * grid.cores * (grid.cores + 1)
