import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod.network import Network
from neuromod.training import model


def trials(seed: int, n_in: int = 3, n_trials: int = 5, longest: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n_trials)
    mask = np.arange(longest)[:, None] < lengths
    inputs = rng.standard_normal((longest, n_trials, n_in)).astype(np.float32)
    return inputs, rng.integers(0, 4, (longest, n_trials)), mask


def packed(seed: int, dtype: torch.dtype = torch.float32) -> model.Packed:
    from dataclasses import replace

    inputs, targets, mask = trials(seed)
    result = model.pack(inputs, targets, mask, response_weight=5.0, device=torch.device("cpu"))
    return replace(result, inputs=result.inputs.to(dtype), weights=result.weights.to(dtype))


def parameters(n: int, n_in: int, n_out: int, seed: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"w_rec": (n, n), "w_in": (n, n_in), "w_out": (n_out, n), "bias": (n,), "bias_out": (n_out,)}
    return {
        name: torch.randn(shape, generator=generator, dtype=dtype).mul_(0.5).requires_grad_()
        for name, shape in shapes.items()
    }


def eager_states(p: dict[str, torch.Tensor], x: torch.Tensor, h: torch.Tensor, alpha: float) -> torch.Tensor:
    """The recurrence as one would write it: the oracle for values and, through autograd, gradients."""
    out = []
    for step in x:
        h = (1 - alpha) * h + alpha * torch.relu(h @ p["w_rec"].T + step @ p["w_in"].T + p["bias"])
        out.append(h)
    return torch.stack(out)


@settings(deadline=None)
@given(seed=st.integers(0, 1000), alpha=st.floats(0.05, 1.0))
def test_states_and_gradients_equal_the_eager_loop(seed: int, alpha: float) -> None:
    n, dtype = 6, torch.float64
    p = parameters(n, 3, 4, seed, dtype)
    batch = packed(seed, dtype)
    inputs, _, mask = trials(seed)
    order = np.argsort(-mask.sum(axis=0), kind="stable")
    h0 = torch.rand(len(order), n, dtype=dtype)

    h = model.states(p, batch, h0, alpha=alpha)
    x = torch.from_numpy(inputs[: int(mask.sum(axis=0).max()), order]).to(dtype)
    expected = eager_states(p, x, h0, alpha)[torch.from_numpy(mask[: len(x), order])]
    torch.testing.assert_close(h, expected)

    pull = torch.randn(h.shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    names = ("w_rec", "w_in", "bias")
    ours = torch.autograd.grad((h * pull).sum(), [p[name] for name in names])
    theirs = torch.autograd.grad((expected * pull).sum(), [p[name] for name in names])
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_gradcheck() -> None:
    p = parameters(4, 3, 4, 0, torch.float64)
    batch = packed(2, torch.float64)
    h0 = torch.rand(batch.sizes[0], 4, dtype=torch.float64)

    def run(w_rec: torch.Tensor, w_in: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return model.states({**p, "w_rec": w_rec, "w_in": w_in, "bias": bias}, batch, h0, alpha=0.3)

    assert torch.autograd.gradcheck(run, (p["w_rec"], p["w_in"], p["bias"]))


def test_packing_keeps_every_step_once_and_weighs_responses() -> None:
    inputs, targets, mask = trials(4)
    batch = model.pack(inputs, targets, mask, response_weight=7.0, device=torch.device("cpu"))
    assert len(batch.inputs) == mask.sum() == sum(batch.sizes)
    assert list(batch.sizes) == sorted(batch.sizes, reverse=True)
    assert float(batch.weights.sum()) == pytest.approx(1)
    rows = {tuple(row) for row in batch.inputs.numpy()}
    assert rows == {tuple(row) for row in inputs[mask]}
    heavy = (targets > 0) & mask
    last = mask.sum(axis=0) - 1
    heavy[last, np.arange(mask.shape[1])] = True
    ratio = batch.weights.numpy() / batch.weights.numpy().min()
    assert sorted(np.round(ratio).tolist()) == sorted(np.where(heavy, 7.0, 1.0)[mask].tolist())


def test_network_round_trip_is_the_same_function() -> None:
    p = parameters(9, 3, 4, 5)
    positions = np.array([[i % 3, i // 3] for i in np.random.default_rng(0).permutation(9)], np.float32)
    network = model.to_network(p, positions, dt_s=0.1, tau_s=0.2, info={})
    # Numbered by the grid, row by row.
    np.testing.assert_array_equal(network.positions, [[i % 3, i // 3] for i in range(9)])
    x = np.random.default_rng(1).standard_normal((6, 2, 3)).astype(np.float32)
    y, _ = network.run(x)
    with torch.no_grad():
        h = eager_states(p, torch.from_numpy(x), torch.zeros(2, 9), 0.5)
        expected = h @ p["w_out"].T + p["bias_out"]
    np.testing.assert_allclose(y, expected.numpy(), atol=1e-4)
    again = model.from_network(network)
    assert isinstance(model.to_network(again, network.positions, dt_s=0.1, tau_s=0.2, info={}), Network)
    np.testing.assert_array_equal(again["w_in"].detach().numpy(), network.w_in)
