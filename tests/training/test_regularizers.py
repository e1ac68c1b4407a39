from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import linalg, optimize

from neuromod.errors import UsageError
from neuromod.geometry import Plane, grid_positions
from neuromod.training import checkpoints, config
from neuromod.training import loop as training
from neuromod.training.config import check
from neuromod.training.penalties import family as regularizers
from neuromod.training.penalties import proximal as bimt
from neuromod.training.penalties.members import FAMILY
from neuromod.training.settings import Settings, WiringSettings
from neuromod.training.swaps import positions as swapping

L0 = 0.2


def tensors(n: int = 9, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"w_rec": (n, n), "w_in": (n, 4), "w_out": (3, n), "bias": (n,), "bias_out": (3,)}
    return {k: torch.randn(s, generator=generator, dtype=torch.float64) for k, s in shapes.items()}


def settings(name: str) -> WiringSettings:
    return WiringSettings(regularizer=name, layer_spacing=L0)


def by_hand(name: str, p: dict[str, torch.Tensor], positions: np.ndarray, *, with_biases: bool) -> float:
    """C as the formulas of the papers have it, one term after the other in float64."""
    w, positions = p["w_rec"].numpy(), positions.astype(np.float64)
    n, side = len(w), int(np.ceil(np.sqrt(len(w))))
    if name in ("none", "lm-rnn"):
        return 0.0
    if name == "sernn":
        strength = np.abs(w).sum(axis=1)
        c = linalg.expm(np.diag(strength**-0.5) @ np.abs(w) @ np.diag(strength**-0.5))
        total = 0.0
        for i in range(n):
            for j in range(n):
                if i != j:
                    total += abs(w[i, j]) * np.sqrt(((positions[i] - positions[j]) ** 2).sum()) / side * c[i, j]
        return total / n
    even = name in ("l1", "l1-swap")
    base, total = (1.0 if even else L0), 0.0
    for i in range(n):
        for j in range(n):
            d = 0.0 if even else np.abs(positions[i] - positions[j]).sum() / side
            total += abs(w[i, j]) * (d + base)
    for other in ("w_in", "w_out", *(("bias",) if with_biases else ())):
        total += base * np.abs(p[other].numpy()).sum()
    return total / n


def test_the_settings_take_the_whole_family_and_no_other() -> None:
    for name in FAMILY:
        check(Settings(wiring=WiringSettings(regularizer=name)))
    with pytest.raises(UsageError, match=f"needed {', '.join(FAMILY)}$"):
        check(Settings(wiring=WiringSettings(regularizer="l3")))


@pytest.mark.parametrize("with_biases", [False, True])
@pytest.mark.parametrize("name", FAMILY)
def test_cost_equals_the_formula(name: str, with_biases: bool) -> None:
    p, positions = tensors(), grid_positions(9)[np.random.default_rng(1).permutation(9)]
    prices = regularizers.prices(
        settings(name), positions, p, plane=Plane.square(len(positions)), with_biases=with_biases
    )
    expected = by_hand(name, p, positions, with_biases=with_biases)
    assert float(bimt.wiring_cost(p, prices)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in FAMILY if name not in ("none", "lm-rnn")])
def test_gradient_of_the_cost(name: str) -> None:
    p, positions = tensors(5), grid_positions(5)
    prices = regularizers.prices(settings(name), positions, p, plane=Plane.square(len(positions)), with_biases=True)
    assert not any(price.requires_grad for price in prices.values())
    leaves = [p[key].clone().requires_grad_() for key in prices]

    def cost(*values: torch.Tensor) -> torch.Tensor:
        return bimt.wiring_cost(dict(zip(prices, values, strict=True)), prices)

    assert torch.autograd.gradcheck(cost, leaves)


def test_gradient_of_communicability() -> None:
    w = tensors(5)["w_rec"].requires_grad_()
    assert torch.autograd.gradcheck(regularizers.communicability, (w,))


def test_communicability_of_a_chain_by_hand() -> None:
    """Row sums are 2 and 2 (and 1 for the empty row): the scaled matrix is nilpotent, so the series ends."""
    w = torch.tensor([[0.0, -2.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    c = regularizers.communicability(w)
    expected = np.array([[0, 1, 1 / np.sqrt(2)], [0, 0, np.sqrt(2)], [0, 0, 0]])
    expected[0, 2] = 0.5 * 1.0 * np.sqrt(2)
    np.testing.assert_allclose(c.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in FAMILY if name not in ("none", "lm-rnn")])
def test_proximal_step_minimises_each_cost(name: str) -> None:
    """Each weight must minimise λ p |w| + √v / (2η) (w - w₀)², found here by a bounded scalar search."""
    p = {key: tensor.requires_grad_() for key, tensor in tensors(6, seed=2).items()}
    optimizer = torch.optim.Adam(p.values(), lr=0.05)
    sum((tensor * (1 + tensor.detach() ** 2)).sum() for tensor in p.values()).backward()
    root_v = {key: tensor.grad.abs() for key, tensor in p.items()}  # after one step √v̂ is |gradient|
    optimizer.step()
    # Communicability is small where self-connections are strong, hence a larger λ.
    positions, strength = grid_positions(6), 400.0 if name == "sernn" else 8.0
    prices = regularizers.prices(settings(name), positions, p, plane=Plane.square(len(positions)), with_biases=True)
    before = {key: tensor.detach().clone() for key, tensor in p.items()}
    bimt.shrink(p, prices, optimizer, strength)
    zeros = 0
    for key, price in prices.items():
        flat = zip(
            before[key].flatten().tolist(),
            price.expand_as(before[key]).flatten().tolist(),
            root_v[key].flatten().tolist(),
            p[key].detach().flatten().tolist(),
            strict=True,
        )
        for w0, cost, v, found in flat:
            best = optimize.minimize_scalar(
                lambda w, w0=w0, cost=cost, v=v: strength * cost * abs(w) + v / 0.1 * (w - w0) ** 2,
                bounds=(-abs(w0) - 1, abs(w0) + 1),
                method="bounded",
                options={"xatol": 1e-9},
            ).x
            assert found == pytest.approx(best, abs=1e-5)
            zeros += found == 0
    assert zeros > 0
    assert torch.equal(p["bias_out"].detach(), before["bias_out"])


def test_terminals_have_places_and_their_wires_lengths() -> None:
    p, positions = tensors(), grid_positions(9)
    given = dataclasses.replace(settings("bimt"), terminals=True)
    prices = regularizers.prices(given, positions, p, plane=Plane.square(len(positions)), with_biases=False)
    places = {"w_in": [(-1, y) for y in np.linspace(0, 2, 4)], "w_out": [(3, y) for y in (0, 1, 2)]}
    total = by_hand("bimt", p, positions, with_biases=False)
    for name, at in places.items():
        weights = p[name].numpy() if name == "w_in" else p[name].numpy().T
        for i, (x, y) in enumerate(positions.astype(float)):
            for j, (px, py) in enumerate(at):
                total += abs(weights[i, j]) * (abs(x - px) + abs(y - py)) / 3 / 9
    assert float(bimt.wiring_cost(p, prices)) == pytest.approx(total, rel=1e-12)
    assert (
        regularizers.prices(settings("bimt"), positions, p, plane=Plane.square(len(positions)), with_biases=False)[
            "w_in"
        ].ndim
        == 0
    )


def test_a_swap_with_terminals_lowers_the_cost_by_what_it_says() -> None:
    p, positions = tensors(16, seed=4), grid_positions(16)
    given = dataclasses.replace(settings("bimt"), terminals=True)
    assert regularizers.anchors(settings("bimt"), p, Plane.square(len(positions))) is None
    done = swapping.swap(
        p["w_rec"].numpy(), positions, anchors=regularizers.anchors(given, p, Plane.square(len(positions)))
    )
    before, after = (
        float(bimt.wiring_cost(p, regularizers.prices(given, at, p, plane=Plane.square(len(at)), with_biases=False)))
        for at in (positions, done.positions)
    )
    assert done.change < 0
    assert (after - before) * 16 * 4 == pytest.approx(done.change)
    # Without them, the swaps are others: inputs and readouts pull.
    assert not np.array_equal(swapping.swap(p["w_rec"].numpy(), positions).positions, done.positions)


def test_training_with_terminals() -> None:
    given = small("bimt", strength=0.05)
    assert training.train(dataclasses.replace(given, wiring=dataclasses.replace(given.wiring, terminals=True))).n == 16


def test_mask_is_the_neighbourhood() -> None:
    positions = grid_positions(9)
    allowed = regularizers.mask(dataclasses.replace(settings("lm-rnn"), reach=1.0), positions)
    assert allowed is not None
    assert allowed.sum(axis=1).tolist() == [3, 4, 3, 4, 5, 4, 3, 4, 3]
    assert regularizers.mask(settings("bimt"), positions) is None


def small(name: str, **wiring: float) -> Settings:
    return config.load(
        None,
        ["training.batch=4", "training.warmup=0", "wiring.ramp_from=0", "wiring.ramp_to=0", "wiring.swap_every=5",
         *(f"wiring.{key}={value}" for key, value in wiring.items())],
        {"tasks.names": "go,anti", "network.neurons": 16, "training.steps": 12, "wiring.regularizer": name},
    )  # fmt: skip


@pytest.mark.parametrize("name", FAMILY)
def test_training_with_each(name: str) -> None:
    settings = small(name, reach=1.0, strength=30.0 if name == "sernn" else 0.05)
    state = checkpoints.start(settings)
    network = training.train(settings, state=state)
    w, kind = network.w_rec.toarray(), FAMILY[name]
    assert (state.swaps > 0) == kind.swaps
    allowed = regularizers.mask(settings.wiring, network.positions)
    if allowed is not None:
        assert (w[~allowed] == 0).all()
        assert np.count_nonzero(w) > 16
    elif kind.price == "free":
        assert np.count_nonzero(w) == w.size
    else:
        assert 0 < np.count_nonzero(w) < w.size


def test_communicability_makes_resuming_bit_identical(tmp_path) -> None:
    settings = small("sernn", strength=30.0)
    whole = training.train(settings)

    def stop_and_save(state: checkpoints.State) -> None:
        if state.step == 7:
            checkpoints.save(tmp_path / "c.pt", settings, state)

    seven = dataclasses.replace(settings, training=dataclasses.replace(settings.training, checkpoint_every=7))
    training.train(seven, on_checkpoint=stop_and_save)
    resumed = training.train(settings, state=checkpoints.load(tmp_path / "c.pt", settings))
    assert resumed.sha256() == whole.sha256()
