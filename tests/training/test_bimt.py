import numpy as np
import pytest
import torch

from neuromod.geometry import grid_positions, grid_side
from neuromod.training.penalties import proximal as bimt
from neuromod.training.schedules import strength_at
from neuromod.training.settings import WiringSettings


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
    assert [strength_at(wiring, share) for share in (0, 0.25, 0.5, 0.75, 1)] == [0, 0, 1, 2, 2]
    step = WiringSettings(strength=2.0, ramp_from=0.5, ramp_to=0.5)
    assert [strength_at(step, share) for share in (0.4, 0.5)] == [0, 2]


@pytest.mark.parametrize("n", [1, 2, 9, 10, 256])
def test_positions_are_distinct_cells_of_the_smallest_square(n: int) -> None:
    positions = grid_positions(n)
    assert len({tuple(row) for row in positions}) == n
    assert positions.max() < grid_side(n) == int(np.ceil(np.sqrt(n)))
