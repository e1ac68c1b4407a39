"""From a network to a placement that fits, through the function that notebooks call."""

import numpy as np
import pytest

from neuromod import Network
from neuromod.errors import DoesNotFitError, UsageError
from neuromod.hardware.grid import Grid
from neuromod.hardware.packet_costs import OBJECTIVES, cost_matrix
from neuromod.hardware.resources import count_usage
from neuromod.hardware.routing import measure
from neuromod.hardware.target_files import load_target
from neuromod.hardware.targets import Figure, Target
from neuromod.mapping.placement import roles
from neuromod.mapping.placers import Effort
from neuromod.mapping.search import choose_grid, place
from neuromod.metrics import Activity
from neuromod.traffic import estimate


def local_net(n=160, seed=0):
    rng = np.random.default_rng(seed)
    at = rng.random((n, 2))
    w = (np.abs(at[:, None] - at[None]).sum(axis=-1) < 0.3) & (rng.random((n, n)) < 0.5)
    return Network(
        w_rec=w.astype(float), w_in=(rng.random((n, 4)) < 0.2).astype(float), w_out=np.zeros((1, n)),
        bias=np.zeros(n), bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2, positions=at, rates=rng.random(n),
    )  # fmt: skip


def target(**values):
    figures = {name: Figure(float(value), "chosen", "test") for name, value in values.items()}
    return Target("toy", "Toy", "A toy.", "unicast", "core", False, figures)


def busiest(net, placement):
    active = Activity(net.rates, np.zeros(4), "given", 0)
    return estimate(net, placement, active).summary["busiest_core"]["load"]


def test_each_objective_wins_at_its_own():
    net = local_net()
    chip = target(neurons=12, energy_packet=5, energy_hop_x=1, energy_hop_y=30)
    grid = Grid(4, 4)
    scores = {}
    for objective in OBJECTIVES:
        placement = place(net, cores=(4, 4), target=chip, objective=objective, effort=Effort(0.5))
        traffic = measure(net, placement.core_of, grid, net.rates)
        scores[objective] = {
            "hops": traffic.hops,
            "packets": traffic.packets.sum(),
            "multicast": traffic.multicast_hops,
            "energy": (traffic.packets * cost_matrix(chip.energy_of_packet(), grid)).sum(),
            "max-link": traffic.links.max(),
            "max-core": busiest(net, placement),
        }
    for objective in OBJECTIVES:
        best = min(score[objective] for score in scores.values())
        assert scores[objective][objective] <= 1.03 * best, objective


def test_limits_are_kept_by_the_search():
    net = local_net()
    free = place(net, cores=(4, 4), target=target(neurons=14), effort=Effort(0.2))
    needs = count_usage(net, free.core_of, Grid(4, 4), target()).of_core
    tight = {
        "synapses": int(0.85 * needs["synapses"].max()),
        "in_axons": int(0.9 * needs["in_axons"].max()),
        "out_axons": int(0.85 * needs["out_axons"].max()),
    }
    placement = place(net, cores=(4, 4), target=target(neurons=14, **tight), effort=Effort(0.2))
    kept = count_usage(net, placement.core_of, Grid(4, 4), target()).of_core
    for resource, limit in tight.items():
        assert needs[resource].max() > limit
        assert kept[resource].max() <= limit


def test_what_fits_on_more_cores_is_said_to():
    with pytest.raises(DoesNotFitError) as error:
        place(local_net(), cores=(2, 2), target=target(neurons=40, out_axons=30), effort=Effort(0.1))
    lines = str(error.value).splitlines()
    assert lines[0] == "does not fit toy on 2x2 cores."
    assert "out-axons, limit 30" in lines[1]
    (cores,) = [advice for advice in error.value.advice if advice.kind == "cores"]
    assert f"cores={cores.value!r}" in lines[-1]
    placement = place(local_net(), cores=cores.value, target=target(neurons=40, out_axons=30), effort=Effort(0.1))
    assert placement.neurons_on.sum() == 160


def test_the_grid_of_a_chip():
    assert choose_grid(load_target("generic-mesh")) == Grid(4, 4)
    assert choose_grid(load_target("dynapse2")) == Grid(2, 2, 2, 2)
    assert choose_grid(load_target("loihi1"), (2, 8)) == Grid(2, 8, 2, 2)
    with pytest.raises(UsageError, match=r"a grid of 4096x4096 has 16,777,216 cores, at most 1,048,576"):
        choose_grid(load_target("generic-mesh"), (4096, 4096))


def test_energy_needs_figures():
    with pytest.raises(UsageError, match="energy of packets on generic-mesh is unknown"):
        place(local_net(), objective="energy")
    with pytest.raises(UsageError, match="no objective speed; choose one of hops"):
        place(local_net(), objective="speed")


def test_without_rates_every_neuron_counts_once():
    net = local_net(30)
    blind = Network(
        w_rec=net.w_rec, w_in=net.w_in, w_out=net.w_out, bias=net.bias, bias_out=net.bias_out, dt_s=0.1, tau_s=0.2
    )
    placement = place(blind, cores=(2, 2), effort=Effort(0.05))
    assert placement.neurons_on.max() <= 8
    assert placement.network_sha256 == blind.sha256()


def test_the_role_of_a_neuron():
    # Inputs reach the neurons 1 and 3, the readout hears 2 and 3; a stored zero is no connection.
    w_in, w_out = np.zeros((4, 2)), np.zeros((2, 4))
    w_in[1, 0], w_in[3, 1] = -0.5, 1.0
    w_out[0, 2], w_out[1, 3] = 0.5, -1.0
    net = Network(
        w_rec=np.zeros((4, 4)), w_in=w_in, w_out=w_out, bias=np.zeros(4), bias_out=np.zeros(2), dt_s=0.1, tau_s=0.2
    )
    assert roles(net) == ["hidden", "input", "readout", "input+readout"]
