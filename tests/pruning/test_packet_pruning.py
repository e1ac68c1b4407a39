"""Pruning by packets, on hand-made networks and through the command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from neuromod import Network, Placement, cli, prune_packets
from neuromod.errors import StageError, UsageError
from neuromod.hardware.grid import Grid
from neuromod.hardware.routing import measure
from neuromod.pruning.packets import groups_of

GRID = Grid(2, 2)


def network(w_rec: np.ndarray) -> Network:
    n = len(w_rec)
    return Network(
        w_rec=w_rec, w_in=np.eye(n, 1), w_out=np.eye(1, n, k=n - 1), bias=np.zeros(n), bias_out=np.zeros(1),
        dt_s=0.1, tau_s=0.2,
    )  # fmt: skip


def test_a_group_is_what_one_packet_serves() -> None:
    w = np.zeros((5, 5))
    # Neuron 0 on core 0 has two targets on core 1, one on core 3 and one at home.
    w[1, 0], w[2, 0], w[3, 0], w[4, 0] = 3.0, -4.0, 2.0, 1.0
    w[0, 3] = 0.5
    core_of = np.array([0, 1, 1, 3, 0])
    found = groups_of(
        network(w), core_of, GRID, rates=np.array([0.5, 1, 1, 0.25, 1]), sizes=np.array([2.0, 1, 1, 3.0, 1])
    )
    assert found.hops.tolist() == [0.5 * 1, 0.5 * 2, 0.25 * 2]
    np.testing.assert_allclose(found.damage, [2 * 5, 2 * 2, 3 * 0.5])
    at = {(int(r), int(c)): int(g) for r, c, g in zip(*network(w).w_rec.tocoo().coords, found.of_synapse, strict=True)}
    assert at == {(1, 0): 0, (2, 0): 0, (3, 0): 1, (4, 0): -1, (0, 3): 2}


@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), density=st.floats(0, 0.6))
def test_groups_cost_what_the_traffic_model_counts(seed: int, n: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    net = network(rng.normal(size=(n, n)) * (rng.random((n, n)) < density))
    core_of, rates = rng.integers(0, GRID.cores, n), rng.random(n)
    found = groups_of(net, core_of, GRID, rates=rates, sizes=np.ones(n))
    assert found.hops.sum() == pytest.approx(measure(net, core_of.astype(np.int32), GRID, rates).hops)
    weights = net.w_rec.tocoo()
    remote = core_of[weights.col] != core_of[weights.row]
    assert ((found.of_synapse >= 0) == remote).all()
    assert (found.damage**2).sum() == pytest.approx((weights.data[remote] ** 2).sum())


@pytest.fixture
def idle(solver: Network) -> Network:
    """The solver with far connections that do next to nothing."""
    rng = np.random.default_rng(0)
    far = 1e-6 * (rng.random((17, 17)) < 0.3)
    return replace(solver, w_rec=sparse.csr_array(solver.w_rec.toarray() + far))


def placed(net: Network) -> Placement:
    core_of = (np.arange(net.n) % GRID.cores).astype(np.int32)
    return Placement(
        grid=GRID, core_of=core_of, neurons_per_core=5, target="generic-mesh", placer="shuffled", seed=0,
        network_sha256=net.sha256(),
    )  # fmt: skip


def test_packets_that_tell_nothing_go_and_the_others_stay(idle: Network, solver: Network) -> None:
    done = prune_packets(idle, placed(idle), max_accuracy_drop=0.02, trials_per_task=50)
    assert done.groups_before > 30
    # Self-connections are all that the solver needs.
    assert done.groups_after == 0
    assert done.hops_after == 0 < done.hops_before
    left, core_of = done.network.w_rec.tocoo(), placed(idle).core_of[np.isin(idle.neuron_ids, done.network.neuron_ids)]
    assert (core_of[left.row] == core_of[left.col]).all()
    assert done.accuracy_after >= done.accuracy_before - 0.02
    assert set(done.accuracy_per_task) == {"go", "rtgo", "dlygo"}
    again = prune_packets(idle, placed(idle), max_accuracy_drop=0.02, trials_per_task=50)
    assert again.network.sha256() == done.network.sha256()


def test_what_matters_stays(solver: Network) -> None:
    # Each memory is held by two neurons on different cores, each by the other, so that every packet is needed.
    other, none = solver.w_rec.toarray(), np.zeros((17, 17))
    twice = Network(
        w_rec=np.block([[none, other], [other, none]]),
        w_in=np.vstack([solver.w_in] * 2), w_out=np.hstack([solver.w_out] * 2) / 2, bias=np.zeros(34),
        bias_out=np.zeros(17), dt_s=0.1, tau_s=0.2, info=dict(solver.info),
    )  # fmt: skip
    core_of = np.repeat([0, 3], 17).astype(np.int32)
    placement = replace(placed(twice), core_of=core_of, neurons_per_core=17, network_sha256=twice.sha256())
    tight = prune_packets(twice, placement, max_accuracy_drop=0.0, trials_per_task=100)
    loose = prune_packets(twice, placement, max_accuracy_drop=0.9, trials_per_task=100)
    assert 0 < tight.hops_after <= tight.hops_before
    assert loose.hops_after < tight.hops_after
    assert tight.accuracy_after >= tight.accuracy_before


def test_refusals(solver: Network) -> None:
    with pytest.raises(UsageError, match="another network"):
        prune_packets(solver, replace(placed(solver), network_sha256="0" * 64))
    bare = replace(solver, info={})
    with pytest.raises(UsageError, match="no tasks"):
        prune_packets(bare, placed(bare))


def test_the_command(full_run, idle: Network, tmp_path) -> None:
    run = full_run(tmp_path / "run", idle, verify=False)

    def call(*arguments: str):
        return CliRunner().invoke(cli.group, [*arguments, "--run", str(run.path), "--json"])

    assert call("prune", "--threshold", "0").exit_code == 0
    assert call("map", "--cores", "2x2", "--placer", "shuffled").exit_code == 0
    earlier = run.result("prune")
    done = call("prune", "--packets", "--trials", "50", "--max-accuracy-drop", "0.02")
    assert done.exit_code == 0, (done.output, done.exception)
    result = json.loads(done.stdout)
    assert set(earlier) < set(result)
    assert result["packets"]["hops_after"] < result["packets"]["hops_before"]
    assert result["synapses_after"] == Network.load(run.file("pruned.safetensors")).n_synapses
    assert run.state("prune")[0] == "fresh"
    assert run.state("map")[0] == "stale"
    again = call("prune", "--packets")
    assert isinstance(again.exception, StageError)
    assert "neuromod map" in str(again.exception)
    assert json.loads(call("map", "--cores", "2x2").stdout)["hops"] <= result["packets"]["hops_after"] + 1e-9
    refused = call("prune", "--packets", "--keep", "0.5")
    assert refused.exit_code == 2
    assert "leave --keep out" in refused.output
