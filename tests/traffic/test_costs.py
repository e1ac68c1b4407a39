"""Energy and time by hand, Rent's exponent of known networks, the graph and the picture of the cores."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.hardware.grid import Grid
from neuromod.hardware.resources import chips_used, count_usage
from neuromod.hardware.routing import measure
from neuromod.hardware.targets import Figure, Target
from neuromod.mapping.placement import Placement
from neuromod.metrics.activity import Activity
from neuromod.plotting import cores, overview
from neuromod.traffic import core_graph
from neuromod.traffic.energy_and_time import (
    estimate_energy,
    estimate_time,
    hops_of,
    packets_between_chips,
    synaptic_events,
)
from neuromod.traffic.rent import fit_rent
from neuromod.traffic.report import estimate

# Neurons 0, 1 on core 0, 2 on core 1, 3 on core 3 of a 2x2 grid; 0 -> 1, 2, 3; 2 -> 3; an input to 1 and 2.
NET = Network(
    w_rec=np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0]]),
    w_in=np.array([[0], [1], [1], [0]]), w_out=np.zeros((1, 4)), bias=np.zeros(4), bias_out=np.zeros(1),
    dt_s=0.1, tau_s=0.2,
)  # fmt: skip
CORE_OF = np.array([0, 0, 1, 3])
GRID = Grid(2, 2)
ACTIVITY = Activity(np.array([0.5, 1, 2, 0]), np.array([0.25]), "given", 0)


def target(routing="unicast", **values):
    figures = {name: Figure(float(value), "measured", "test") for name, value in values.items()}
    return Target("toy", "Toy", "A toy.", routing, "core", False, figures)


ENERGY = {
    "energy_synaptic_event": 10, "energy_neuron": 3, "energy_spike": 7, "energy_packet": 100, "energy_hop_x": 1000,
    "energy_hop_y": 10_000,
}  # fmt: skip
LATENCY = {
    "latency_synaptic_event": 10, "latency_neuron": 3, "latency_packet": 100, "latency_hop_x": 1000,
    "latency_hop_y": 10_000, "latency_barrier": 5,
}  # fmt: skip


def test_energy_by_hand():
    traffic = measure(NET, CORE_OF, GRID, ACTIVITY.rates)
    events = synaptic_events(NET, ACTIVITY)
    # Arriving per step: at 1 the neuron 0 and the input, at 2 the same, at 3 the neurons 0 and 2.
    assert events.tolist() == [0, 0.75, 0.75, 2.5]
    found = estimate_energy(NET, ACTIVITY, target(**ENERGY), traffic, events)
    assert found["synaptic_event"]["pj"] == 40
    assert found["neuron"]["pj"] == 4 * 3 + 3.5 * 7
    # Packets: 0 to cores 1 and 3, 2 to core 3.
    assert found["packet"] == {"count": 3.0, "pj": 300.0, "kind": ["measured"], "unknown": []}
    # To core 1 one hop along the row; to core 3 one along the row and one along the column; 2 one along the column.
    assert found["hop"]["pj"] == 1.0 * 1000 + 2.5 * 10_000
    assert found["total_pj"] == 40 + 36.5 + 300 + 26_000
    branching = estimate_energy(NET, ACTIVITY, target("multicast", **ENERGY), traffic, events)
    assert branching["packet"]["count"] == 2.5
    assert branching["hop"]["pj"] == 0.5 * 1000 + 2.5 * 10_000


def test_what_is_unknown_stays_unknown():
    traffic = measure(NET, CORE_OF, GRID, ACTIVITY.rates)
    figures = {name: value for name, value in ENERGY.items() if name != "energy_hop_y"}
    found = estimate_energy(NET, ACTIVITY, target(**figures), traffic, synaptic_events(NET, ACTIVITY))
    assert found["hop"]["pj"] is None
    assert found["hop"]["unknown"] == ["energy_hop_y"]
    assert found["total_pj"] is None
    assert found["static_mw"] is None
    # Where nothing leaves a core, no figure of the network on chip is needed.
    alone = measure(NET, np.zeros(4, int), GRID, ACTIVITY.rates)
    assert estimate_energy(NET, ACTIVITY, target(**figures), alone, synaptic_events(NET, ACTIVITY))["total_pj"] == 76.5


def test_time_by_hand():
    traffic = measure(NET, CORE_OF, GRID, ACTIVITY.rates)
    events = synaptic_events(NET, ACTIVITY)
    found = estimate_time(NET, CORE_OF, GRID, target(**LATENCY), traffic, events)
    # Core 1: one neuron, 0.75 events, 2 packets; core 0: two neurons, 0.75 events, 1 packet.
    assert found["core_ns"] == 3 + 7.5 + 200
    assert found["way_ns"] == 11_000
    assert found["total_ns"] == 210.5 + 11_000 + 5
    without = {name: value for name, value in LATENCY.items() if name != "latency_neuron"}
    found = estimate_time(NET, CORE_OF, GRID, target(**without), traffic, events)
    assert found["core_ns"] is None
    assert found["total_ns"] is None
    assert found["unknown"] == ["latency_neuron"]


def test_hops_between_chips_are_no_hops_within_them():
    # Chips of 1 x 2 cores: from (1, 3) to (0, 0) one chip up and one to the left, and two links inside of chips; from
    # (0, 1) to (0, 0) a link; from (1, 3) to (1, 1) one chip to the left, and a link.
    grid, chip = Grid(2, 4), Grid(1, 2)
    far, near = np.array([7, 1, 7]), np.array([0, 0, 5])
    for one, other in ((far, near), (near, far)):
        down, across, between = hops_of(one, other, grid, chip)
        assert (down.tolist(), across.tolist(), between.tolist()) == ([0, 0, 0], [2, 1, 1], [2, 0, 1])
        assert [part.tolist() for part in hops_of(one, other, grid, None)] == [[1, 0, 0], [3, 1, 2], [0, 0, 0]]


def test_packets_between_chips():
    traffic = measure(NET, CORE_OF, GRID, ACTIVITY.rates)
    assert packets_between_chips(traffic.packets, GRID, target(chip_rows=1, chip_columns=2)) == 2.5
    assert packets_between_chips(traffic.packets, GRID, target(chip_rows=2, chip_columns=2)) == 0
    assert packets_between_chips(traffic.packets, GRID, target()) is None


def torus(side, reach):
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    apart = np.abs(at[:, None] - at[None])
    near = np.minimum(apart, side - apart).max(axis=-1) <= reach
    n = side * side
    return Network(
        w_rec=near.astype(float), w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n),
        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1, positions=at,
    )  # fmt: skip


def test_rents_exponent_of_a_torus_and_of_a_random_network():
    # Neighbours of a plane without an edge: a square block of side b has 4b - 4 terminals within and 4b + 4 without.
    rent = fit_rent(torus(32, 1))
    assert rent.exponent == pytest.approx(0.5, abs=0.02)
    assert rent.terminals[0] == 8 * 16
    rng = np.random.default_rng(0)
    n = 1024
    everywhere = Network(
        w_rec=(rng.random((n, n)) < 8 / n).astype(float), w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)),
        bias=np.zeros(n), bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1, positions=rng.random((n, 2)),
    )  # fmt: skip
    assert fit_rent(everywhere).exponent > 0.65
    # Not every side is a power of two: 14 x 14 neurons fill all of 32 blocks, too.
    small = fit_rent(torus(14, 1))
    assert small.neurons == (49.0, 24.5, 12.25, 6.125)
    assert small.exponent == pytest.approx(fit_rent(torus(16, 1)).exponent, abs=0.05)
    assert fit_rent(torus(3, 1)) is None
    assert fit_rent(torus(32, 0)) is None


def test_the_graph_of_the_cores(tmp_path):
    placement = Placement(GRID, CORE_OF, 2, "toy", "tiles", 0, NET.sha256())
    traffic = measure(NET, CORE_OF, GRID, ACTIVITY.rates)
    core_graph.write_graphml(tmp_path / "cores.graphml", placement, traffic)
    graph = nx.read_graphml(tmp_path / "cores.graphml")
    assert graph.nodes["0,0"] == {"row": 0, "column": 0, "neurons": 2}
    assert graph.nodes["1,0"]["neurons"] == 0
    assert graph.edges["0,0", "1,1"] == {"packets_per_step": 0.5, "hops": 2}
    assert graph.number_of_edges() == 3


@pytest.mark.parametrize("suffix", overview.FORMATS)
def test_the_picture_of_the_cores(tmp_path, suffix):
    placement = Placement(GRID, CORE_OF, 2, "toy", "tiles", 0, NET.sha256())
    for rates in (ACTIVITY.rates, np.zeros(4)):
        path = tmp_path / f"cores{suffix}"
        cores.save(path, placement, measure(NET, CORE_OF, GRID, rates))
        magic = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
        assert path.read_bytes().startswith(magic)
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        cores.save(tmp_path / "cores.jpeg", placement, measure(NET, CORE_OF, GRID, rates))


def test_static_power_is_that_of_the_chips_that_hold_neurons():
    traffic, events = measure(NET, CORE_OF, GRID, ACTIVITY.rates), synaptic_events(NET, ACTIVITY)
    # Cores 0, 1 and 3 of a 2x2 grid: on one chip, two chips of a row each, or three chips of a core each.
    for size, chips in (((2, 2), 1), ((1, 2), 2), ((1, 1), 3)):
        toy = target(static_power=7, chip_rows=size[0], chip_columns=size[1])
        used = chips_used(CORE_OF, GRID, toy)
        found = estimate_energy(NET, ACTIVITY, toy, traffic, events, chips=used)
        assert (found["chips"], found["static_mw"]) == (chips, 7 * chips)
    assert chips_used(CORE_OF, GRID, target(static_power=7)) is None
    unknown = estimate_energy(NET, ACTIVITY, target(static_power=7), traffic, events, chips=None)
    assert (unknown["chips"], unknown["static_mw"]) == (None, None)
    assert chips_used(CORE_OF, GRID, target(chip_rows=np.inf, chip_columns=np.inf)) == 1
    placement = Placement(GRID, CORE_OF, 2, "toy", "tiles", 0, NET.sha256())
    toy = target(static_power=7, chip_rows=1, chip_columns=2)
    assert estimate(NET, placement, ACTIVITY, target=toy).summary["energy_per_step"]["static_mw"] == 14


@pytest.mark.parametrize("local", [False, True])
def test_words_of_the_estimate_are_those_of_the_limits(local):
    toy = replace(target(), local_axons=local)
    placement = Placement(GRID, CORE_OF, 2, "toy", "tiles", 0, NET.sha256())
    usage = count_usage(NET, CORE_OF, GRID, toy).of_core
    found = estimate(NET, placement, ACTIVITY, target=toy).summary["per_core"]
    for word in ("neurons", "synapses", "in_axons", "out_axons"):
        assert [core[word] for core in found] == usage[word].tolist()
    # By hand: onto neuron 1 from 0 and the input, onto 2 the same, onto 3 from 0 and 2.
    assert [core["synapses"] for core in found] == [2, 2, 0, 2]
    assert [core["in_axons"] for core in found] == ([2, 2, 0, 2] if local else [1, 2, 0, 2])
