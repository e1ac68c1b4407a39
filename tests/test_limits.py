"""Limits: just inside and just outside each one, by hand."""

import numpy as np
import pytest

from neuromod import Network
from neuromod.errors import DoesNotFitError, UsageError
from neuromod.limits import decide_capacity, find_violations, refuse_impossible
from neuromod.placement import Grid
from neuromod.targets import Figure, Target, load_target
from neuromod.usage import count_usage


def target(*, local_axons=False, destination="core", **figures):
    return Target(
        name="toy",
        title="Toy",
        about="A toy.",
        routing="unicast",
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
    with pytest.raises(DoesNotFitError) as error:
        refuse_impossible(NET, Grid(1, 1), target(synapses=4, fan_in=3, fan_out=2), 1)
    assert str(error.value).splitlines() == [
        "does not fit toy on 1x1 cores.",
        "  all cores  : fan-in of neuron 103 is 4, limit 3",
        "  all cores  : fan-out of neuron 100 is 3, limit 2",
        "  total      : needs at least 4 cores by neurons, 2 by synapses; the grid has 1",
        "  try        : --cores 2x2, or neuromod prune --keep 0.2, or a larger --neurons-per-core",
    ]


def test_too_many_chips():
    one_chip = target(chip_rows=2, chip_columns=2, max_chips=1)
    refuse_impossible(NET, Grid(2, 2), one_chip, 1)
    with pytest.raises(DoesNotFitError, match="a grid of 2x3 takes 2 chips, limit 1"):
        refuse_impossible(NET, Grid(2, 3), one_chip, 1)


def test_what_fits_passes():
    refuse_impossible(NET, GRID, load_target("loihi1"), 1024)
