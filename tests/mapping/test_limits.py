"""Limits: just inside and just outside each one, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.hardware.grid import Grid
from neuromod.hardware.resources import bits_of_synapse, count_usage
from neuromod.hardware.router_tables import count_entries
from neuromod.hardware.target_files import load_target, target_names
from neuromod.hardware.targets import Figure, Target
from neuromod.mapping.explanation import describe
from neuromod.mapping.limits import (
    cores_needed,
    decide_capacity,
    find_impossible,
    find_violations,
    is_allowed,
    larger_grid,
)


def target(*, local_axons=False, destination="core", routing="unicast", **figures):
    return Target(
        name="toy",
        title="Toy",
        about="A toy.",
        routing=routing,
        destination=destination,
        local_axons=local_axons,
        figures={name: Figure(float(value), "chosen", "test") for name, value in figures.items()},
    )


def network(n, synapses, inputs=()):
    w, w_in = np.zeros((n, n)), np.zeros((n, 2))
    for source, aim in synapses:
        w[aim, source] = 1
    for channel, aim in inputs:
        w_in[aim, channel] = 1
    return Network(
        w_rec=w, w_in=w_in, w_out=np.zeros((1, n)), bias=np.zeros(n), bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2,
        neuron_ids=np.arange(n) + 100,
    )  # fmt: skip


# Two cores of two neurons. Neuron 0 talks to both neurons of the other core and to 1, neuron 3 to 0 and itself.
NET = network(4, [(0, 1), (0, 2), (0, 3), (3, 0), (3, 3)], inputs=[(0, 2), (0, 3), (1, 3)])
CORE_OF = np.array([0, 0, 1, 1])
GRID = Grid(1, 2)

# Resource -> what this placement needs at its fullest, and where.
NEEDS = {
    "neurons": (2, (0, 0)),
    "synapses": (6, (0, 1)),  # 0 -> 2, 0 -> 3, 3 -> 3 and three inputs
    "in_axons": (3, (0, 1)),  # neuron 0 and both channels
    "out_axons": (1, (0, 0)),
    "fan_in": (4, (0, 1)),  # neuron 3: from 0, 3 and both channels
    "fan_out": (3, (0, 0)),
    "destinations": (1, (0, 0)),
}


@pytest.mark.parametrize("resource", NEEDS)
def test_just_inside_and_just_outside(resource):
    needed, core = NEEDS[resource]
    assert find_violations(NET, CORE_OF, GRID, target(**{resource: needed}), 2) == []
    if needed == 1:
        return
    found = find_violations(NET, CORE_OF, GRID, target(**{resource: needed - 1}), 2)
    assert (found[0].resource, found[0].core, found[0].needed, found[0].limit) == (resource, core, needed, needed - 1)
    assert f"limit {needed - 1}" in found[0].text


def test_synapse_memory_takes_the_bits_of_weight_and_index():
    inside = target(synapse_memory_bits=6 * 13, weight_bits=8, index_bits=5)
    assert find_violations(NET, CORE_OF, GRID, inside, 2) == []
    outside = target(synapse_memory_bits=6 * 13 - 1, weight_bits=8, index_bits=5)
    (found,) = find_violations(NET, CORE_OF, GRID, outside, 2)
    assert found.text == "78 bit of synapse memory, limit 77"
    # No synapse lies on two cores: 77 bit hold five of the eight, 15 bit hold one.
    assert cores_needed(NET, outside, 2)["synapse memory"] == 2
    assert cores_needed(NET, target(synapse_memory_bits=15, weight_bits=8), 2)["synapse memory"] == 8


def test_local_spikes_take_axons_where_the_target_says_so():
    usage = count_usage(NET, CORE_OF, GRID, target(local_axons=True))
    # Core 0 hears 0 (from 1) and 3; core 1 hears 0, 3 and both channels.
    assert usage.of_core["in_axons"].tolist() == [2, 4]
    assert usage.of_core["out_axons"].tolist() == [2, 2]
    assert usage.of_neuron["destinations"].tolist() == [2, 0, 0, 2]


def test_destinations_may_be_chips():
    chips = target(destination="chip", chip_rows=1, chip_columns=2, local_axons=True)
    usage = count_usage(NET, np.array([0, 1, 2, 3]), Grid(1, 4), chips)
    # 0 sends to cores 1, 2 and 3, that is to its own chip and the other; 3 to core 0 and to itself.
    assert usage.of_neuron["destinations"].tolist() == [2, 0, 0, 2]


def test_the_worst_neuron_is_named_by_its_own_number():
    (found,) = find_violations(NET, CORE_OF, GRID, target(fan_in=1), 2)
    assert found.text == "fan-in of neuron 103 is 4, limit 1 (and 1 more)"
    assert found.neuron == 103
    assert found.others == 1


def test_capacity_comes_from_the_option_the_target_or_an_even_share():
    free, chip = target(), target(neurons=64)
    assert decide_capacity(free, Grid(4, 4), 400) == (27, "an even share with 5 % slack")
    assert decide_capacity(free, Grid(4, 4), 400, 30)[0] == 30
    assert decide_capacity(chip, Grid(4, 4), 400) == (64, "the limit of toy")
    assert decide_capacity(chip, Grid(4, 4), 400, 20)[0] == 20
    with pytest.raises(UsageError, match="65 is above what toy holds, 64"):
        decide_capacity(chip, Grid(4, 4), 400, 65)
    with pytest.raises(UsageError, match="at least 1"):
        decide_capacity(chip, Grid(4, 4), 400, 0)


def test_the_message_lists_everything():
    chip = target(synapses=4, fan_in=3, fan_out=2)
    found = find_impossible(NET, Grid(1, 1), chip, 1)
    assert describe(found, NET, Grid(1, 1), chip, 1).splitlines() == [
        "does not fit toy on 1x1 cores.",
        "  all cores  : fan-in of neuron 103 is 4, limit 3",
        "  all cores  : fan-out of neuron 100 is 3, limit 2",
        "  total      : needs at least 4 cores by neurons, 2 by synapses; the grid has 1",
    ]


def test_too_many_chips():
    one_chip = target(chip_rows=2, chip_columns=2, max_chips=1)
    assert find_impossible(NET, Grid(2, 2), one_chip, 1) == []
    (found,) = find_impossible(NET, Grid(2, 3), one_chip, 1)
    assert (found.resource, found.text) == ("cores", "a grid of 2x3 takes 2 chips, limit 1")


def test_larger_grids_are_those_that_the_chips_can_make():
    two_chips = target(chip_rows=2, chip_columns=3, max_chips=2)
    assert larger_grid(Grid(2, 2), 5, two_chips) == Grid(3, 2)
    assert larger_grid(Grid(2, 2), 5, target(chip_rows=2, chip_columns=3, max_chips=1)) == Grid(2, 3)
    assert larger_grid(Grid(2, 2), 12, two_chips) in (Grid(2, 6), Grid(4, 3))
    assert larger_grid(Grid(2, 2), 13, two_chips) is None
    assert larger_grid(Grid(1, 1), 2**20 + 1, target()) is None
    assert is_allowed(Grid(4, 3), two_chips)
    assert not is_allowed(Grid(3, 4), two_chips)


def test_what_fits_passes():
    assert find_impossible(NET, GRID, load_target("loihi1"), 1024) == []


def test_router_entries_by_hand():
    # On 3x4 routers core 5 sends to 7 and 9 (the trunk east to column 3, a branch down): entries at its own router, at
    # the end of the trunk and below; router 6 is passed straight. Core 0 sends to 10: east, turn at 2, straight, end.
    reached = np.zeros((12, 12), bool)
    reached[5, [7, 9]] = True
    reached[0, [0, 10]] = True
    assert count_entries(reached, Grid(3, 4)).tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [0, 1, 1, 0]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_router_entries_equal_a_walk_of_the_trees(seed):
    rng = np.random.default_rng(seed)
    grid = Grid(int(rng.integers(1, 5)), int(rng.integers(1, 5)), int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    reached = rng.random((grid.cores, grid.cores)) < 0.3
    expected = np.zeros((grid.router_rows, grid.router_columns), int)
    for source in range(grid.cores):
        start = tuple(grid.routers()[source])
        into, out, ends = {}, {}, set()
        for core in np.flatnonzero(reached[source]):
            if core == source:
                continue
            at, end = start, tuple(grid.routers()[core])
            ends.add(end)
            while at != end:
                axis = 1 if at[1] != end[1] else 0
                step = int(np.sign(end[axis] - at[axis]))
                after = (at[0], at[1] + step) if axis else (at[0] + step, at[1])
                out.setdefault(at, set()).add((axis, step))
                into[after] = (axis, step)
                at = after
        for router in set(out) | ends:
            straight = router != start and router not in ends and out[router] == {into[router]}
            expected[router] += not straight
    assert count_entries(reached, grid).tolist() == expected.tolist()


def test_too_many_router_entries():
    # Both cores send, so both routers hold an entry for each of the two trees.
    assert find_violations(NET, CORE_OF, GRID, target(routing="multicast", router_entries=2), 2) == []
    (first, second) = find_violations(NET, CORE_OF, GRID, target(routing="multicast", router_entries=1), 2)
    assert first.text == "its router has 2 entries, limit 1"
    assert second.core == (0, 1)
    assert find_violations(NET, CORE_OF, GRID, target(routing="unicast", router_entries=1), 2) == []


LIMITED = [
    (name, resource)
    for name in target_names()
    for resource in ("neurons", "synapses", "synapse_memory_bits", "in_axons", "out_axons", "fan_in", "fan_out",
                     "destinations", "router_entries")
    if math.isfinite(load_target(name).limit(resource))
    and (resource != "synapse_memory_bits" or bits_of_synapse(load_target(name)))
]  # fmt: skip


@pytest.mark.parametrize(("name", "resource"), LIMITED)
def test_every_limit_of_every_shipped_target_just_inside_and_just_outside(name, resource):
    chip = load_target(name)
    limit = int(chip.limit(resource))
    for needed, inside in ((limit, True), (limit + 1, False)):
        network, core_of, grid = needing(chip, resource, needed)
        found = find_violations(network, core_of, grid, chip, 10**9)
        assert (resource in {item.resource for item in found}) is not inside, (needed, [i.text for i in found])


def needing(chip, resource, needed):
    """Return a network and a placement that take exactly `needed` of a resource at their fullest."""
    tile = chip.tile

    def sparse_net(n, source, aim, w_in=None):
        w = sparse.csr_array((np.ones(len(source), np.float32), (aim, source)), shape=(n, n))
        return Network(
            w_rec=w, w_in=np.zeros((n, 0)) if w_in is None else w_in, w_out=np.zeros((0, n)), bias=np.zeros(n),
            bias_out=np.zeros(0), dt_s=0.1, tau_s=0.2,
        )  # fmt: skip

    one = Grid(1, 1, tile.rows, tile.columns)
    if resource == "neurons":
        return sparse_net(needed, [], []), np.zeros(needed, int), one
    if resource in ("synapses", "synapse_memory_bits"):
        bits = bits_of_synapse(chip)
        count = needed if resource == "synapses" else -(-needed // bits)
        if resource == "synapse_memory_bits" and needed == chip.limit(resource):
            count = needed // bits
        side = int(np.ceil(np.sqrt(count)))
        aim, source = np.divmod(np.arange(count), side)
        return sparse_net(side, source, aim), np.zeros(side, int), one
    if resource == "in_axons":
        # Inputs are sources too: as many channels as axons, onto one neuron each.
        return sparse_net(needed, [], [], np.eye(needed)), np.zeros(needed, int), one
    if resource == "out_axons":
        # Neurons of one core with a target on the other one.
        at = np.arange(needed)
        return sparse_net(needed + 1, at, np.full(needed, needed)), np.append(np.zeros(needed, int), 1), Grid(1, 2)
    if resource in ("fan_in", "fan_out"):
        hub, others = np.zeros(needed, int), np.arange(1, needed + 1)
        pair = (others, hub) if resource == "fan_in" else (hub, others)
        return sparse_net(needed + 1, *pair), np.zeros(needed + 1, int), one
    if resource == "destinations":
        chips_apart = chip.destination == "chip"
        step = chip.chip.columns if chips_apart else 1
        others = np.arange(1, needed + 1)
        grid = Grid(1, (needed + 1) * step, tile.rows, tile.columns)
        first = 0 if not chip.local_axons else 1
        core_of = (np.arange(needed + 1) - first).clip(0) * step
        return sparse_net(needed + 1, np.zeros(needed, int), others), core_of, grid
    assert resource == "router_entries"
    # Every core of a full row of chips sends to the first core of the second chip, whose router ends all trees.
    cores = needed
    grid = Grid(tile.rows, tile.columns * (2 + -(-cores // (tile.rows * tile.columns))), tile.rows, tile.columns)
    routers = grid.routers()[:, 1]
    goal = int(np.flatnonzero(routers == 1)[0])
    senders = np.flatnonzero(routers != 1)[:cores]
    return sparse_net(cores + 1, np.arange(cores), np.full(cores, cores)), np.append(senders, goal), grid
