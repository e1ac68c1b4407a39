import numpy as np
import pytest
import torch

from neuromod import bimt
from neuromod.config import WiringSettings


def tensors(n: int = 9, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"w_rec": (n, n), "w_in": (n, 4), "w_out": (3, n), "bias": (n,), "bias_out": (3,)}
    return {k: torch.randn(s, generator=generator, dtype=torch.float64) for k, s in shapes.items()}


@pytest.mark.parametrize("with_biases", [False, True])
def test_wiring_cost_is_the_published_sum(with_biases: bool) -> None:
    p, positions, l0 = tensors(), bimt.grid_positions(9), 0.2
    prices = bimt.lengths(WiringSettings(layer_spacing=l0), positions, with_biases=with_biases)
    w = p["w_rec"].numpy()
    total = 0.0
    for i in range(9):
        for j in range(9):
            total += abs(w[i, j]) * (np.abs(positions[i] - positions[j]).sum() / 3 + l0)
    total += l0 * sum(float(p[name].abs().sum()) for name in ("w_in", "w_out"))
    if with_biases:
        total += l0 * float(p["bias"].abs().sum())
    assert float(bimt.wiring_cost(p, prices)) == pytest.approx(total / 9, rel=1e-6)


def test_l1_prices_every_connection_alike_and_none_nothing() -> None:
    p, positions = tensors(), bimt.grid_positions(9)
    l1 = bimt.lengths(WiringSettings(regularizer="l1"), positions, with_biases=False)
    expected = sum(float(p[name].abs().sum()) for name in ("w_rec", "w_in", "w_out")) / 9
    assert float(bimt.wiring_cost(p, l1)) == pytest.approx(expected, rel=1e-6)
    none = bimt.lengths(WiringSettings(regularizer="none"), positions, with_biases=True)
    assert float(bimt.wiring_cost(p, none)) == 0


def test_shrink_minimises_its_objective() -> None:
    """The step must be the minimiser of λ p |w| + (√v / 2η) (w - w₀)², found here by brute force."""
    w0 = torch.tensor([0.5, -0.5, 0.01, 0.0, -2.0], dtype=torch.float64)
    weight = w0.clone().requires_grad_()
    optimizer = torch.optim.Adam([weight], lr=0.1)
    (weight * torch.tensor([1.0, 2.0, 3.0, 0.5, 4.0], dtype=torch.float64)).sum().backward()
    optimizer.step()
    start = weight.detach().clone()
    price, strength = torch.tensor([1.0, 2.0, 1.0, 1.0, 0.1], dtype=torch.float64), 0.7
    bimt.shrink({"w_rec": weight}, {"w_rec": price}, optimizer, strength)
    v = torch.tensor([1.0, 2.0, 3.0, 0.5, 4.0], dtype=torch.float64)  # √v̂ after one step is |gradient|
    grid = torch.linspace(-3, 3, 60001, dtype=torch.float64)
    objective = strength * price[:, None] * grid.abs() + v[:, None] / 0.2 * (grid - start[:, None]) ** 2
    best = grid[objective.argmin(dim=1)]
    np.testing.assert_allclose(weight.detach().numpy(), best.numpy(), atol=1e-4)
    assert (weight.detach() == 0).any()


def test_strength_ramps_between_its_shares() -> None:
    wiring = WiringSettings(strength=2.0, ramp_from=0.25, ramp_to=0.75)
    assert [bimt.strength_at(wiring, share) for share in (0, 0.25, 0.5, 0.75, 1)] == [0, 0, 1, 2, 2]
    step = WiringSettings(strength=2.0, ramp_from=0.5, ramp_to=0.5)
    assert [bimt.strength_at(step, share) for share in (0.4, 0.5)] == [0, 2]


@pytest.mark.parametrize("n", [1, 2, 9, 10, 256])
def test_positions_are_distinct_cells_of_the_smallest_square(n: int) -> None:
    positions = bimt.grid_positions(n)
    assert len({tuple(row) for row in positions}) == n
    assert positions.max() < bimt.grid_side(n) == int(np.ceil(np.sqrt(n)))
