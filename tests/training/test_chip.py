"""Training for cores: the cost of packets, its proximal step, swaps between cores, limits and bits."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import optimize, sparse

from neuromod.errors import DoesNotFitError, UsageError
from neuromod.geometry import grid_positions
from neuromod.hardware import packet_costs
from neuromod.hardware.grid import Grid
from neuromod.hardware.layout import grown_on
from neuromod.hardware.routing import measure
from neuromod.hardware.target_files import load_target
from neuromod.hardware.targets import Figure, Target
from neuromod.mapping import limits
from neuromod.mapping.problem import Effort
from neuromod.mapping.search import place
from neuromod.network import Network
from neuromod.training import config
from neuromod.training import loop as loop
from neuromod.training.on_cores import limits as fitting
from neuromod.training.on_cores import plan as chip
from neuromod.training.on_cores import rate_average as listening
from neuromod.training.on_cores import weight_bits as rounding
from neuromod.training.penalties import family as regularizers
from neuromod.training.penalties import group_lasso as shrinkage
from neuromod.training.penalties import packets as traffic_cost
from neuromod.training.penalties import proximal as bimt
from neuromod.training.penalties.packets import GroupPrices
from neuromod.training.settings import Settings
from neuromod.training.swaps.cores import swap_between_cores

TINY = [
    "tasks.names=go,dm1",
    "network.neurons=24",
    "training.steps=60",
    "training.batch=8",
    "training.log_every=10",
    "training.checkpoint_every=7",
    "wiring.swap_every=5",
    "wiring.ramp_from=0.0",
    "wiring.ramp_to=0.2",
    "chip.cores=2x3",
]


def tiny(*more: str) -> Settings:
    return config.load(None, [*TINY, "wiring.cost=hops", *more])


def cores(cost: str, *more: str) -> chip.Chip:
    found = chip.of_settings(tiny(f"wiring.cost={cost}", *more))
    assert found is not None
    return found


def groups_of(found: chip.Chip, core_of: np.ndarray, activity: np.ndarray) -> GroupPrices:
    links = found.links
    assert links is not None
    return traffic_cost.make_prices(links, core_of, torch.tensor(activity))


def binary(n: int, core_of: np.ndarray, k: int, rng: np.random.Generator, share: float) -> np.ndarray:
    """Weights of 0 and 1, no more than one from each source onto each core, none onto itself."""
    w = np.zeros((n, n))
    for i in range(n):
        for c in range(k):
            onto = np.flatnonzero((core_of == c) & (np.arange(n) != i))
            if len(onto) and rng.random() < share:
                w[rng.choice(onto), i] = 1
    return w


def make_network(w_rec: np.ndarray) -> Network:
    n = len(w_rec)
    return Network(
        w_rec=sparse.csr_array(w_rec), w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n),
        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2,
    )  # fmt: skip


# --- the cost -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", ["hops", "packets", "multicast"])
@pytest.mark.parametrize("seed", range(3))
def test_the_cost_of_binary_groups_is_the_traffic(cost: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = cores(cost)
    k, n = found.grid.cores, 24
    core_of = rng.permutation(np.arange(n) % k)
    activity = rng.uniform(0.1, 2, n)
    w = binary(n, core_of, k, rng, 0.4)
    if cost == "multicast":
        # The norm of what lies behind a link is 1 only if that is one destination.
        w *= np.cumsum(w, axis=0) == 1
    traffic = measure(make_network(w), core_of, found.grid, activity)
    wanted = {
        "hops": traffic.hops,
        "packets": float(traffic.packets.sum()),
        "multicast": traffic.multicast_hops,
    }[cost]
    remote = ~np.eye(k, dtype=bool)
    side, mean_hops = max(found.grid.rows, found.grid.columns), found.grid.distances()[remote].mean()
    unit = {"hops": 1.0, "packets": mean_hops, "multicast": 1.0}[cost] / side
    value = traffic_cost.cost(torch.tensor(w), groups_of(found, core_of, activity))
    assert float(value) * n == pytest.approx(wanted * unit, rel=1e-12)


@pytest.mark.parametrize("cost", ["hops", "energy"])
def test_branching_packets_pay_each_link_once(cost: str) -> None:
    # Core 0 of a row of three sends to both others: two links, not three hops.
    base = load_target("generic-mesh")
    figures = {**base.figures}
    for name, value in (("energy_packet", 5.0), ("energy_hop_x", 2.0), ("energy_hop_y", 7.0)):
        figures[name] = Figure(value, "chosen", "by hand")
    target = dataclasses.replace(base, routing="multicast", figures=figures)
    links = packet_costs.make_links("energy" if cost == "energy" else "multicast", Grid(1, 3), target)
    w = np.zeros((3, 3))
    w[1, 0], w[2, 0] = 3.0, 4.0
    prices = traffic_cost.make_prices(links, np.arange(3), torch.ones(3, dtype=torch.float64))
    # ‖(3, 4)‖ behind the first link, 4 behind the second; the packet itself is charged with all that is remote.
    by_hand = 5.0 + 4.0 if cost == "hops" else 5 * 5.0 + 2 * (5.0 + 4.0)
    # All costs have the mean of hops, 4/3 here, over the side of 3; energies of a packet: 7 for a hop, 9 for two.
    unit = 1 / 3 if cost == "hops" else (4 / 3) / (23 / 3) / 3
    assert float(traffic_cost.cost(torch.tensor(w), prices)) * 3 == pytest.approx(by_hand * unit, rel=1e-12)


@pytest.mark.parametrize("cost", ["hops", "multicast"])
def test_gradients(cost: str) -> None:
    rng = np.random.default_rng(0)
    found = cores(cost, "network.neurons=12")
    core_of = rng.permutation(np.arange(12) % 6)
    prices = groups_of(found, core_of, rng.uniform(0.5, 2, 12))
    w = torch.tensor(rng.normal(size=(12, 12)) * (rng.random((12, 12)) < 0.5)).requires_grad_()
    # Half of the weights are zero, where single entries of living groups are smooth.
    assert torch.autograd.gradcheck(lambda x: traffic_cost.cost(x, prices), (w,))
    empty = torch.zeros(12, 12, dtype=torch.float64, requires_grad=True)
    traffic_cost.cost(empty, prices).backward()
    assert float(empty.grad.abs().max()) == 0.0


@given(st.integers(0, 10_000), st.sampled_from(["hops", "packets", "multicast"]))
@hypothesis_settings(max_examples=20)
def test_prices_of_groups_have_the_value_and_the_gradient_of_the_cost(seed: int, cost: str) -> None:
    rng = np.random.default_rng(seed)
    found = cores(cost)
    core_of = rng.permutation(np.arange(24) % 6)
    prices = groups_of(found, core_of, rng.uniform(0.5, 2, 24))
    w = torch.tensor(rng.normal(size=(24, 24)) * (rng.random((24, 24)) < 0.3)).requires_grad_()
    onto = torch.tensor(np.eye(6)[core_of].T)
    power = onto @ w.square()
    norms = torch.where(power > 0, power, 1.0).sqrt() * (power > 0)
    reweighted = (norms * traffic_cost.prices_of_groups(w.detach(), prices)).sum()
    value = traffic_cost.cost(w, prices)
    assert reweighted.item() == pytest.approx(value.item(), rel=1e-10)
    (a,), (b,) = torch.autograd.grad(reweighted, w), torch.autograd.grad(value, w)
    assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)


def test_one_core_costs_nothing() -> None:
    found = cores("hops", "chip.cores=1x1")
    w = torch.randn(24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    prices = groups_of(found, np.zeros(24, int), np.ones(24))
    assert float(traffic_cost.cost(w, prices)) == 0.0
    before = w.clone()
    shrinkage.shrink_groups(w, torch.ones_like(w), prices.onto, 10 * traffic_cost.prices_of_groups(w, prices))
    assert torch.equal(w, before)


# --- the proximal step --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_proximal_step_is_the_minimum(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(1)
    n, k = 12, 3
    core_of = rng.permutation(np.arange(n) % k)
    onto = torch.tensor(np.eye(k)[core_of].T, dtype=dtype)
    start = rng.normal(size=(n, n))
    scale, tau = 10 ** rng.uniform(-1.5, 1.5, (n, n)), rng.uniform(0, 12, (k, n))
    tau[0, :4] = 0
    w = torch.tensor(start, dtype=dtype)
    shrinkage.shrink_groups(w, torch.tensor(scale, dtype=dtype), onto, torch.tensor(tau, dtype=dtype))
    zeros = 0
    for c in range(k):
        rows = core_of == c
        for i in range(n):
            u, s, t = start[rows, i], scale[rows, i], tau[c, i]

            def value(x, u=u, s=s, t=t):
                return 0.5 * (s * (x - u) ** 2).sum() + t * np.linalg.norm(x)

            got = w[rows, i].double().numpy()
            zeros += not got.any()
            options = {"maxiter": 4000, "fatol": 1e-13, "xatol": 1e-10}
            tries = [optimize.minimize(value, x, method="Nelder-Mead", options=options).fun for x in (u, u / 10)]
            best = min(*tries, value(np.zeros_like(u)))
            assert value(got) <= best + 1e-5 * (1 + abs(best))
    assert 3 < zeros < k * n - 3


def test_both_ways_of_the_proximal_step_agree() -> None:
    generator = torch.Generator().manual_seed(3)
    core_of = torch.arange(40) % 5
    onto = torch.nn.functional.one_hot(core_of, 5).t().double()
    w = torch.randn(40, 40, generator=generator, dtype=torch.float64)
    scale = 10 ** (3 * torch.rand(40, 40, generator=generator, dtype=torch.float64) - 1)
    tau = 20 * torch.rand(5, 40, generator=generator, dtype=torch.float64)
    tau[2] = 0
    a, b = w.clone(), w.clone()
    shrinkage.shrink_groups(a, scale, onto, tau)
    shrinkage.shrink_anywhere(b, scale, onto, core_of, tau)
    assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)
    assert torch.equal(a == 0, b == 0)
    assert torch.equal(a[core_of == 2], w[core_of == 2])


def test_single_weights_and_groups_together_reach_the_minimum_of_the_sum() -> None:
    """Adam and the proximal step settle where the subgradient of the whole objective holds zero."""
    torch.manual_seed(0)
    found = cores("hops")
    core_of = np.arange(24) // 4
    groups = groups_of(found, core_of, np.ones(24))
    target = torch.randn(24, 24, dtype=torch.float64)
    w = target.clone().requires_grad_()
    optimizer = torch.optim.Adam([w], lr=2e-2)
    price, strength = {"w_rec": torch.tensor(0.01, dtype=torch.float64)}, 20.0
    for step in range(1500):
        for part in optimizer.param_groups:
            part["lr"] = 2e-2 * (1 - step / 1500) + 1e-5
        optimizer.zero_grad()
        (0.5 * (w - target).square().sum()).backward()
        optimizer.step()
        bimt.shrink({"w_rec": w}, price, optimizer, strength, groups)
    # The minimum in closed form: soft threshold, then the group's norm (Simon et al. 2013, sparse group lasso).
    soft = target.sign() * (target.abs() - strength * 0.01).clamp(min=0)
    onto = torch.tensor(np.eye(6)[core_of].T)
    norms = (onto @ soft.square()).sqrt()
    factor = (1 - strength * traffic_cost.prices_of_groups(soft, groups) / norms.clamp(min=1e-12)).clamp(min=0)
    exact = soft * factor[core_of]
    assert float((w.detach() - exact).abs().max()) < 5e-3
    assert ((w == 0) == (exact == 0)).float().mean() > 0.97


# --- swaps --------------------------------------------------------------------------------------------------------


def behind(links: packet_costs.Links) -> np.ndarray:
    """Which cores lie behind which link, (cores, links, cores), by walking every way router by router."""
    grid = links.grid
    k, at = grid.cores, grid.routers()
    if not links.branching:
        return np.broadcast_to(np.eye(k, dtype=bool), (k, k, k))
    found = np.zeros((k, grid.router_rows * grid.router_columns + 1, k), bool)
    for s, c in np.argwhere(~np.eye(k, dtype=bool)):
        (row, column), (to_row, to_column) = at[s], at[c]
        found[s, -1, c] = True
        while (row, column) != (to_row, to_column):
            if column != to_column:
                column += np.sign(to_column - column)
            else:
                row += np.sign(to_row - row)
            found[s, row * grid.router_columns + column, c] = True
    return found


def full_cost(w: np.ndarray, core_of: np.ndarray, activity: np.ndarray, links: packet_costs.Links) -> float:
    onto = (w.T**2) @ np.eye(len(links.price))[core_of]
    carried = np.einsum("ilc,ic->il", behind(links)[core_of].astype(float), onto)
    return float((activity[:, None] * links.price[core_of] * np.sqrt(carried)).sum())


@given(
    st.integers(0, 10_000),
    st.integers(2, 30),
    st.sampled_from([Grid(1, 2), Grid(2, 2), Grid(2, 3), Grid(1, 5), Grid(4, 4, 2, 2)]),
    st.sampled_from(["hops", "packets", "multicast"]),
    st.integers(0, 2),
    st.sampled_from([0.05, 0.3, 1.0]),
)
@hypothesis_settings(max_examples=60)
def test_swaps_never_raise_the_exact_cost(seed: int, n: int, grid: Grid, cost: str, slack: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    links = packet_costs.make_links(cost, grid, load_target("generic-mesh"))
    capacity = -(-n // grid.cores) + slack
    core_of = rng.permutation(np.repeat(np.arange(grid.cores), capacity))[:n]
    w = rng.normal(size=(n, n)) * (rng.random((n, n)) < density)
    activity = rng.uniform(0, 2, n)
    before = full_cost(w, core_of, activity, links)
    done = swap_between_cores(w, core_of, activity, links, capacity)
    after = full_cost(w, done.core_of, activity, links)
    assert after - before == pytest.approx(done.change, abs=1e-6 * (1 + before))
    assert done.change <= 0
    assert np.bincount(done.core_of, minlength=grid.cores).max() <= capacity
    assert (done.exchanges == 0) == (done.core_of.tolist() == core_of.tolist()) or done.exchanges > 1


def test_a_neuron_moves_to_a_free_place_where_no_exchange_helps() -> None:
    # Two neurons that talk, each alone on its core: exchanged they are as far apart, together they cost nothing.
    links = packet_costs.make_links("hops", Grid(1, 3), load_target("generic-mesh"))
    w, apart = np.array([[0.0, 0.5], [0.25, 0.0]]), np.array([0, 2])
    done = swap_between_cores(w, apart, np.ones(2), links, 2)
    assert done.core_of[0] == done.core_of[1]
    assert done.change == pytest.approx(-full_cost(w, apart, np.ones(2), links))
    # A core that is full is not free: they end next to each other.
    assert np.ptp(swap_between_cores(w, apart, np.ones(2), links, 1).core_of) == 1


def test_a_place_that_was_left_is_free_again() -> None:
    # One neuron a core. Neuron 0 goes next to 1, and 2 into the place that 0 had, for which 3 cannot be asked.
    links = packet_costs.make_links("hops", Grid(1, 4), load_target("generic-mesh"))
    w = np.zeros((3, 3))
    w[0, 1] = w[1, 0] = 1.0
    w[0, 2] = w[2, 0] = 0.5
    done = swap_between_cores(w, np.array([1, 3, 0]), np.ones(3), links, 1)
    assert done.core_of.tolist() == [2, 3, 1]
    assert done.exchanges == 2


def test_swaps_find_the_planted_cores() -> None:
    rng = np.random.default_rng(0)
    planted = np.arange(32) // 4
    w = rng.normal(size=(32, 32)) * (planted[:, None] == planted[None])
    links = packet_costs.make_links("hops", Grid(2, 4), load_target("generic-mesh"))
    core_of = rng.permutation(planted)
    for _ in range(10):
        core_of = swap_between_cores(w, core_of, np.ones(32), links, 5).core_of
    assert full_cost(w, core_of, np.ones(32), links) < 0.2 * full_cost(w, rng.permutation(planted), np.ones(32), links)


# --- places and settings ------------------------------------------------------------------------------------------


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 12), st.floats(0.01, 1))
def test_places_tell_their_cores(rows: int, columns: int, capacity: int, share: float) -> None:
    side = int(np.ceil(np.sqrt(capacity)))
    found = chip.Chip(
        Grid(rows, columns), capacity, (-(-capacity // side), side), load_target("generic-mesh"), None, None
    )
    places = found.places()
    assert len(np.unique(places, axis=0)) == rows * columns * capacity
    assert found.core_of(places).tolist() == np.repeat(np.arange(rows * columns), capacity).tolist()
    n = max(1, int(share * rows * columns * capacity))
    counts = np.bincount(found.core_of(found.positions(n)), minlength=rows * columns)
    assert counts.sum() == n
    assert counts.max() - counts.min() <= 1


def test_moving_keeps_the_places_of_those_that_stay() -> None:
    found = cores("hops", "chip.neurons_per_core=5")
    positions = found.positions(24)
    core_of = found.core_of(positions)
    new = core_of.copy()
    new[0], new[7] = core_of[7], core_of[0]
    new[3] = 5
    moved = found.move(positions, new)
    assert found.core_of(moved).tolist() == new.tolist()
    assert len(np.unique(moved, axis=0)) == 24
    still = new == core_of
    assert (moved[still] == positions[still]).all()


def test_the_grid_of_one_neuron_a_place_is_that_of_bimt() -> None:
    found = chip.of_settings(config.load(None, ["chip.cores=4x4", "chip.neurons_per_core=16"]))
    assert found is not None
    assert {tuple(p) for p in found.positions(256)} == {tuple(p) for p in grid_positions(256)}
    assert found.links is None


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["wiring.cost=hops", "wiring.regularizer=l1"], "cannot be used with l1"),
        (["wiring.cost=miles"], "needed distance, hops"),
        (["chip.cores=4by4"], "write rows x columns"),
        (["chip.target=loihi9"], "there is no target loihi9"),
        (["wiring.cost=energy"], "energy"),
        (["chip.weight_bits=1"], "needed 2 to 16"),
        (["chip.target=loihi1", "chip.neurons_per_core=5000"], "above what loihi1 holds"),
    ],
)
def test_bad_settings_are_refused(assignments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        chip.of_settings(config.load(None, assignments))


def test_too_many_neurons_are_refused() -> None:
    with pytest.raises(DoesNotFitError, match="24 neurons do not fit 2x3 cores of 3"):
        cores("hops", "chip.neurons_per_core=3")


def test_more_cores_than_can_be_joined_are_refused_with_their_number() -> None:
    with pytest.raises(DoesNotFitError, match=r"than can be joined: there can be \d+ cores"):
        chip.of_settings(config.load(None, ["chip.cores=200x200", "chip.target=dynapse2"]))


@pytest.mark.parametrize(
    ("assignments", "advised"),
    [
        (["chip.cores=2x2", "chip.neurons_per_core=3"], {"cores": (3, 2), "neurons_per_core": 4}),
        (["chip.cores=40x40", "chip.target=xylo-imu"], {"cores": (1, 1)}),
        (["chip.cores=1x1", "chip.target=xylo-imu", "network.neurons=5000"], {"nothing": None}),
        (["chip.cores=1x1", "chip.target=dynapse2", "network.neurons=400"], {"cores": (1, 2)}),
    ],
)
def test_refused_cores_name_some_that_are_not(assignments: list[str], advised: dict[str, Any]) -> None:
    assignments = ["network.neurons=16", *assignments]
    with pytest.raises(DoesNotFitError) as error:
        chip.of_settings(config.load(None, assignments))
    assert {item.kind for item in error.value.advice} == set(advised)
    for item in error.value.advice:
        if item.kind == "nothing":
            continue
        assert item.value == advised[item.kind]
        value = "x".join(map(str, item.value)) if isinstance(item.value, tuple) else item.value
        assert chip.of_settings(config.load(None, [*assignments, f"chip.{item.kind}={value}"])) is not None


# --- limits and bits ----------------------------------------------------------------------------------------------


CUTTABLE = ["fan_in", "fan_out", "destinations", "synapses", "in_axons", "out_axons", "synapse_memory_bits"]


@given(st.integers(0, 10_000), st.data())
@hypothesis_settings(max_examples=60)
def test_cut_networks_keep_random_limits(seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid(2, 2)
    base = load_target("generic-mesh")
    figures = dict(base.figures)
    for name in data.draw(st.sets(st.sampled_from(CUTTABLE), min_size=1)):
        figures[name] = Figure(float(data.draw(st.integers(1, 40))), "chosen", "drawn")
    figures["weight_bits"] = Figure(4.0, "chosen", "drawn")
    target: Target = dataclasses.replace(
        base,
        figures=figures,
        local_axons=data.draw(st.booleans()),
        destination=data.draw(st.sampled_from(["core", "chip"])),
    )
    n = 16
    core_of = rng.permutation(np.arange(n) % 4)
    w_rec = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6)
    w_in = rng.normal(size=(n, 3))
    recurrent, inputs = fitting.cut(w_rec, w_in, core_of, grid, target)
    kept = dataclasses.replace(make_network(recurrent), w_in=inputs)
    assert limits.find_violations(kept, core_of, grid, target, n) == []
    # Nothing is added, and what is kept is as it was.
    assert ((recurrent == w_rec) | (recurrent == 0)).all()
    assert ((inputs == w_in) | (inputs == 0)).all()
    again = fitting.cut(recurrent, inputs, core_of, grid, target)
    assert (again[0] == recurrent).all()
    assert (again[1] == inputs).all()
    loose = fitting.cut(w_rec, w_in, core_of, grid, target, share=0.0)
    assert (loose[0] == w_rec).all()
    assert (loose[1] == w_in).all()


def test_the_largest_weights_are_kept() -> None:
    figures = {"fan_in": Figure(2.0, "chosen", "by hand")}
    target = dataclasses.replace(load_target("generic-mesh"), figures=figures)
    w_rec = np.array([[0.5, -3.0, 0.1], [0, 0, 0], [1.0, 2.0, 3.0]])
    w_in = np.array([[1.0], [0.2], [-9.0]])
    recurrent, inputs = fitting.cut(w_rec, w_in, np.zeros(3, int), Grid(1, 1), target)
    assert recurrent.tolist() == [[0, -3.0, 0], [0, 0, 0], [0, 0, 3.0]]
    assert inputs.tolist() == [[1.0], [0.2], [-9.0]]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounded_weights_are_whole_steps_and_gradients_pass(bits: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {"w_rec": (6, 6), "w_in": (6, 3), "w_out": (2, 6), "bias": (6,), "bias_out": (2,)}
    p = {k: torch.randn(s, generator=generator).requires_grad_() for k, s in shapes.items()}
    rounded = rounding.round_weights(p, bits)
    step = torch.maximum(p["w_rec"].abs().amax(1), p["w_in"].abs().amax(1)).detach() / (2 ** (bits - 1) - 1)
    for name in ("w_rec", "w_in"):
        whole = rounded[name].detach() / step[:, None]
        assert torch.allclose(whole, whole.round(), atol=1e-4)
        assert float((rounded[name] - p[name]).detach().abs().max()) <= float(step.max()) / 2 + 1e-6
    assert rounded["bias"] is p["bias"]
    (rounded["w_rec"] * 3).sum().backward()
    assert torch.equal(p["w_rec"].grad, torch.full((6, 6), 3.0))


# --- the whole training -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", ["hops", "multicast", "packets"])
def test_a_trained_network_brings_its_placement_and_map_only_improves_it(cost: str) -> None:
    network = loop.train(tiny(f"wiring.cost={cost}", "wiring.strength=1", "chip.neurons_per_core=4"))
    found = grown_on(network)
    assert found is not None
    grid, core_of = found
    assert (str(grid), np.bincount(core_of).tolist()) == ("2x3", [4] * 6)
    hops = {}
    for placer in ("grown", "annealing"):
        placed = place(network, cores=(2, 3), neurons_per_core=4, placer=placer, effort=Effort(0.02))
        hops[placer] = measure(network, placed.core_of, grid, np.ones(network.n)).hops
        if placer == "grown":
            assert placed.core_of.tolist() == core_of.tolist()
    assert hops["annealing"] <= hops["grown"]
    other = Grid(3, 2)
    with pytest.raises(UsageError, match="trained for 3x2 cores"):
        place(network, cores=(other.rows, other.columns), neurons_per_core=4, placer="grown")


def test_the_hop_cost_lowers_hops() -> None:
    def hops(*more: str) -> float:
        network = loop.train(tiny("wiring.strength=3", "training.steps=150", *more))
        found = grown_on(network)
        assert found is not None
        return measure(network, found[1], found[0], np.ones(network.n)).hops

    assert hops() < 0.5 * hops("wiring.strength=0")


def test_nobody_moves_before_wiring_costs_anything() -> None:
    kept: list[tuple[int, int]] = []
    settings = tiny("wiring.ramp_from=0.9", "wiring.ramp_to=1.0", "training.steps=20")
    loop.train(settings, on_checkpoint=lambda state: kept.append((state.step, state.swaps)))
    assert [swaps for step, swaps in kept if step < 18] == [0, 0]
    assert kept[-1][1] > 0


@pytest.mark.parametrize("charged", [True, False])
def test_swaps_know_the_activity_where_it_is_charged(charged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from neuromod.training import checkpoints
    from neuromod.training.on_cores import schedule
    from neuromod.training.plan import make_plan

    settings = tiny(f"wiring.activity={str(charged).lower()}")
    plan = make_plan(settings)
    state = checkpoints.start(settings, plan=plan)
    state.activity = np.linspace(0, 2, 24).astype(np.float32)
    seen = []

    def swap(w_rec: np.ndarray, core_of: np.ndarray, activity: np.ndarray, *rest: Any) -> Any:
        seen.append(activity)
        return swap_between_cores(w_rec, core_of, activity, *rest)

    monkeypatch.setattr(schedule, "swap_between_cores", swap)
    schedule.swap_neurons(plan, state)
    assert seen[0].tolist() == (state.activity.tolist() if charged else [1] * 24)


def test_without_the_proximal_step_nothing_is_zero() -> None:
    exact = loop.train(tiny("wiring.strength=3"))
    rough = loop.train(tiny("wiring.strength=3", "wiring.proximal=false"))
    assert exact.n_synapses < 0.5 * rough.n_synapses
    # Its gradient shortens wiring all the same.
    free = loop.train(tiny("wiring.strength=0"))
    assert abs(rough.w_rec).sum() < 0.9 * abs(free.w_rec).sum()


def test_a_limited_target_is_kept_to_the_end() -> None:
    text = """
schema = "neuromod/target/1"
name = "tight"
title = "Tight"
about = "A target for tests."
routing = "unicast"
[limits]
fan_in = { value = 6, kind = "chosen", source = "test" }
in_axons = { value = 12, kind = "chosen", source = "test" }
destinations = { value = 1, kind = "chosen", source = "test" }
[synapses]
weight_bits = { value = 4, kind = "chosen", source = "test" }
"""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tight.toml"
        path.write_text(text, encoding="utf-8")
        given = tiny(f"chip.target={path}", "wiring.strength=0.1")
        network = loop.train(given)
        found = chip.of_settings(given)
    assert found is not None
    assert found.weight_bits == 4
    grid, core_of = grown_on(network)  # type: ignore[misc]
    assert limits.find_violations(network, core_of, grid, found.target, found.capacity) == []
    for row in np.hstack([network.w_rec.toarray(), network.w_in]):
        assert len(np.unique(np.abs(row[row != 0]))) <= 7


def test_resumed_training_is_bit_identical(tmp_path) -> None:
    from neuromod.errors import InterruptedRunError
    from neuromod.training import checkpoints

    given = tiny("wiring.strength=1", "chip.target=dynapse2", "chip.neurons_per_core=4")
    whole = loop.train(given)
    path, count = tmp_path / "checkpoint.pt", iter(range(1000))
    with pytest.raises(InterruptedRunError):
        loop.train(
            given, on_checkpoint=lambda s: checkpoints.save(path, given, s), should_stop=lambda: next(count) == 33
        )
    resumed = loop.train(given, state=checkpoints.load(path, given))
    assert resumed.sha256() == whole.sha256()


def test_the_activity_is_that_of_the_spiking_network() -> None:
    """A neuron with twice the share of the time above zero is heard as twice as active."""
    h = torch.zeros(40, 3)
    h[::2, 0] = 1.0
    h[::4, 1] = 5.0
    found = listening.update(np.ones(3, np.float32), h, torch.zeros(40, 3), torch.empty(0, dtype=torch.int64), 1.0)
    newest = (found * 3 / found.sum() - 0) / found[1]
    assert found.mean() == pytest.approx(1.0, rel=1e-6)
    before = np.array([0.7 + 0.3 * 2, 0.7 + 0.3 * 1, 0.7 + 0.3 * 0.05])
    assert (found / before).std() < 1e-6
    assert newest[0] > 1


def test_a_batch_without_a_spike_says_that_all_are_equal() -> None:
    found = listening.average(np.array([0.5, 1.5], np.float32), np.zeros(2))
    np.testing.assert_allclose(found, [0.7 * 0.5 + 0.3, 0.7 * 1.5 + 0.3], rtol=1e-6)


def test_regularizers_without_a_chip_have_no_groups() -> None:
    given = config.load(None, [])
    at = grid_positions(9)
    assert regularizers.groups(given.wiring, None, at, np.ones(9, np.float32), torch.zeros(9, 9)) is None


# --- the commands -------------------------------------------------------------------------------------------------


def run_command(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the installed command."""
    (point,) = entry_points(group="console_scripts", name="neuromod")
    main, out, err = point.load(), io.StringIO(), io.StringIO()
    sys.argv = ["neuromod", *arguments]
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as done:
        main()
    return int(done.value.code or 0), out.getvalue(), err.getvalue()


def result_of(*arguments: str) -> dict[str, Any]:
    code, out, err = run_command(*arguments, "--json")
    assert code == 0, err
    result: dict[str, Any] = json.loads(out)
    return result


def test_train_for_cores_then_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [])
    sets = [f"--set={item}" for item in TINY if not item.startswith("chip")]
    trained = result_of(
        "train", "--wiring-cost", "hops", "--cores", "2x3", "--neurons-per-core", "5", "--strength", "1",
        "--target", "dynapse2", *sets,
    )  # fmt: skip
    wanted = {"grid": "2x3", "neurons_per_core": 5, "target": "dynapse2", "weight_bits": 4, "fits": True}
    assert {key: trained["chip"][key] for key in wanted} == wanted
    grown = result_of("map", "--placer", "grown")
    # The cores, the capacity and the target that it was trained for are what `map` takes by itself.
    assert (grown["grid"], grown["neurons_per_core"], grown["target"]) == ("2x3", 5, "dynapse2")
    better = result_of("map", "--effort", "0.05")
    assert better["hops"] <= grown["hops"]
    elsewhere = result_of("map", "--cores", "3x2", "--target", "generic-mesh", "--effort", "0.05")
    assert (elsewhere["grid"], elsewhere["target"]) == ("3x2", "generic-mesh")


def test_refusals_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [])
    for arguments, code, words in (
        (["--wiring-cost", "hops", "--regularizer", "l1"], 2, "cannot be used with l1"),
        (["--wiring-cost", "miles"], 2, "is not one of"),
        (["--wiring-cost", "hops", "--cores", "4by4"], 2, "write rows x columns"),
        (["--wiring-cost", "hops", "--cores", "2x2", "--neurons-per-core", "16"], 3, "256 neurons do not fit 2x2"),
        (["--cores", "2x2", "--neurons-per-core", "16"], 3, "`neuromod train --cores 4x4 --neurons-per-core 16`"),
        (["--wiring-cost", "energy", "--cores", "2x2"], 2, "energy of packets on generic-mesh is unknown"),
    ):
        found, _, err = run_command("train", *arguments)
        assert found == code, (arguments, err)
        assert words in err
        assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
