"""`Wiring` in loops of a user's own: the network of `neuromod train`, swaps that change nothing, refusals."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

import neuromod
from neuromod.errors import UsageError
from neuromod.geometry import distances
from neuromod.spiking import torch_threads
from neuromod.training import checkpoints, config, draws, loop, model
from neuromod.training.on_tasks import batches
from neuromod.training.schedules import learning_rate

STEPS = 60


TIGHT = """
schema = "neuromod/target/1"
name = "tight"
title = "Tight"
about = "A target for tests."
routing = "unicast"
[limits]
fan_in = { value = 6, kind = "chosen", source = "test" }
"""


def settings(**more):
    values = {
        "tasks.names": ("go", "dlygo"),
        "network.neurons": 20,
        "training.steps": STEPS,
        "training.batch": 8,
        "wiring.swap_every": 10,
        "wiring.strength": 4.0,
        "training.log_every": 1000,
        "seed": 3,
    }
    return config.load(None, (), {**values, **more})


def own_loop(told, **options):
    """What a user would write around the same forward pass, without any function that charges, swaps or cuts."""
    device = torch.device("cpu")
    start = checkpoints.start(told)
    p, optimizer = start.parameters, start.optimizer
    wiring = neuromod.Wiring(
        p["w_rec"], inputs=p["w_in"], readout=p["w_out"], bias=p["bias"],
        strength=told.wiring.strength, steps=STEPS, swap_every=told.wiring.swap_every, **options,
    )  # fmt: skip
    for step, packed in enumerate(batches.batches(told, 0, device)):
        start.step = step
        h = model.states(
            p, packed, draws.initial_states(told, start), alpha=told.alpha, noise=draws.noise(told, start, packed)
        )
        start.carried = h.detach()[packed.last]
        each = functional.cross_entropy(
            model.logits(p, h), packed.targets, reduction="none", label_smoothing=told.training.label_smoothing
        )
        optimizer.zero_grad(set_to_none=True)
        (each * packed.weights).sum().backward()
        torch.nn.utils.clip_grad_norm_(p.values(), told.training.clip)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(told.training, step / STEPS)
        optimizer.step()
        wiring.step(optimizer)
    return wiring, p


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({}, {}),
        ({"wiring.terminals": True}, {"terminals": True}),
        ({"wiring.regularizer": "sernn"}, {"regularizer": "sernn"}),
        ({"wiring.regularizer": "lm-rnn", "wiring.reach": 1.0}, {"regularizer": "lm-rnn", "reach": 1.0}),
        (
            {"wiring.cost": "hops", "chip.cores": "2x2", "wiring.activity": False, "chip.weight_bits": 32},
            {"cost": "hops", "cores": (2, 2), "activity": False},
        ),
        (
            {"chip.target": "tight.toml", "chip.cores": "2x2", "chip.weight_bits": 32},
            {"target": "tight.toml", "cores": "2x2"},
        ),
    ],
    ids=["distance", "terminals", "sernn", "lm-rnn", "hops", "limits"],
)
def test_an_own_loop_makes_the_network_of_train_bit_for_bit(more, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tight.toml").write_text(TIGHT, encoding="utf-8")
    told = settings(**more)
    trained = loop.train(told)
    # Bits are equal for equal numbers of threads only, and training has its own.
    with torch_threads(told.training.threads):
        wiring, p = own_loop(told, **options)
    found = wiring.network(bias_out=p["bias_out"], dt_s=0.1, tau_s=0.2, info=trained.info)
    assert found.sha256() == trained.sha256()
    # It says something only if the wiring was charged, and neurons moved where they may.
    assert found.n_synapses < 400
    if "regularizer" not in options:
        assert wiring.state.swaps > 0
    if "target" in options:
        both = np.hstack([found.w_rec.toarray(), found.w_in]) != 0
        assert both.sum(axis=1).max() <= 6


class Own(torch.nn.Module):
    """A leaky ReLU network written by hand."""

    def __init__(self, n=16):
        super().__init__()
        self.into, self.rec, self.out = torch.nn.Linear(3, n), torch.nn.Linear(n, n, bias=False), torch.nn.Linear(n, 2)

    def forward(self, x):
        h, ys = x.new_zeros(x.shape[1], self.rec.in_features), []
        for x_t in x:
            h = 0.5 * h + 0.5 * torch.relu(self.into(x_t) + self.rec(h))
            ys.append(self.out(h))
        return torch.stack(ys)


OPTIMIZERS = {
    "adam": lambda ps: torch.optim.Adam(ps, lr=0.01),
    "amsgrad": lambda ps: torch.optim.Adam(ps, lr=0.01, amsgrad=True),
    "adamw": lambda ps: torch.optim.AdamW(ps, lr=0.01),
    "sgd": lambda ps: torch.optim.SGD(ps, lr=0.05),
    "momentum": lambda ps: torch.optim.SGD(ps, lr=0.02, momentum=0.9),
}


def step(net, optimizer, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(6, 8, 3, generator=generator)
    optimizer.zero_grad()
    (net(x)[-1] - x.mean(dim=0)[:, :2]).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_swap_changes_neither_the_function_nor_the_next_step(name):
    torch.manual_seed(0)
    net = Own()
    optimizer = OPTIMIZERS[name](net.parameters())
    wiring = neuromod.Wiring(
        net.rec.weight, inputs=net.into.weight, readout=net.out.weight, strength=0.02, swap_every=4
    )
    for k in range(3):
        step(net, optimizer, k)
        wiring.step(optimizer)
    step(net, optimizer, 3)
    other = copy.deepcopy(net)
    twin = OPTIMIZERS[name](other.parameters())
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for mine, its in zip(net.parameters(), other.parameters(), strict=True):
        its.grad = mine.grad.clone()
    still = neuromod.Wiring(
        other.rec.weight, inputs=other.into.weight, readout=other.out.weight, strength=0.02, swap_every=0
    )
    before = distances(wiring.positions)
    wiring.step(optimizer)
    still.step(twin)
    assert wiring.state.swaps > 0
    x = torch.randn(10, 4, 3)
    assert torch.equal(net(x), other(x))
    length = np.abs(net.rec.weight.detach().numpy())
    assert (length * distances(wiring.positions)).sum() < (length * before).sum()
    step(net, optimizer, 5)
    step(other, twin, 5)
    for mine, its in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)
    for mine, its in zip(optimizer.state.values(), twin.state.values(), strict=True):
        for key, value in mine.items():
            assert (
                torch.equal(torch.as_tensor(value), torch.as_tensor(its[key]))
                if value is not None
                else its[key] is None
            )
    # And the network that comes out is what the module computes, in the order of the grid.
    found = wiring.network(bias=net.into.bias, bias_out=net.out.bias, dt_s=0.1, tau_s=0.2)
    np.testing.assert_allclose(found.run(x.numpy())[0], net(x).detach().numpy(), atol=2e-6)
    assert (np.lexsort((found.positions[:, 0], found.positions[:, 1])) == np.arange(16)).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fixed_points_are_those_of_the_loss_plus_the_cost(name):
    """Of ½ (w - a)² + λ p |w| the minimum is a, shrunk by λ p: whatever the optimizer."""
    target = torch.tensor([[0.0, 2.0], [0.02, -1.0]])
    weight = torch.zeros(2, 2, requires_grad=True)
    optimizer = OPTIMIZERS[name]([weight])
    if name == "adamw":
        optimizer.param_groups[0]["weight_decay"] = 0.0
    wiring = neuromod.Wiring(weight, strength=0.2, regularizer="l1")
    for k in range(4000):
        for group in optimizer.param_groups:
            group["lr"] *= 0.998 if k > 2000 else 1.0
        optimizer.zero_grad()
        (0.5 * (weight - target).square().sum()).backward()
        optimizer.step()
        wiring.step(optimizer)
    shrunk = target.sign() * (target.abs() - 0.2 / 2).clamp(min=0)
    torch.testing.assert_close(weight.detach(), shrunk, atol=2e-3, rtol=0)
    assert wiring.synapses == 2


def test_rnn_of_pytorch_is_the_network():
    torch.manual_seed(1)
    rnn, head = torch.nn.RNN(3, 16, nonlinearity="relu"), torch.nn.Linear(16, 2)
    optimizer = torch.optim.AdamW([*rnn.parameters(), *head.parameters()], lr=0.01)
    wiring = neuromod.Wiring(
        rnn.weight_hh_l0, inputs=rnn.weight_ih_l0, readout=head.weight, cost="hops", cores=(2, 2), strength=0.5
    )
    for k in range(20):
        optimizer.zero_grad()
        h, _ = rnn(torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(k)))
        head(h).square().mean().backward()
        optimizer.step()
        wiring.listen(h > 0)
        wiring.step(optimizer)
    found = wiring.network(bias=rnn.bias_ih_l0 + rnn.bias_hh_l0, bias_out=head.bias, dt_s=0.01)
    x = torch.randn(7, 3, 3)
    np.testing.assert_allclose(found.run(x.numpy())[0], head(rnn(x)[0]).detach().numpy(), atol=2e-6)
    assert found.info["chip"]["cores"] == "2x2"
    assert found.n_synapses < 256
    # Placed as it grew.
    placed = neuromod.place(found, cores=(2, 2), placer="grown")
    np.testing.assert_array_equal(np.bincount(placed.core_of), [4, 4, 4, 4])


def test_the_cost_as_a_term_of_the_loss_is_what_the_definition_says():
    torch.manual_seed(2)
    net = Own(9)
    wiring = neuromod.Wiring(net.rec.weight, inputs=net.into.weight, strength=0.3, proximal=False, layer_spacing=0.1)
    w = net.rec.weight.detach().numpy()
    d = distances(wiring.positions) / 3
    by_hand = 0.3 / 9 * ((np.abs(w) * (d + 0.1)).sum() + 0.1 * net.into.weight.detach().abs().sum().item())
    cost = wiring.cost()
    assert cost.item() == pytest.approx(by_hand, rel=1e-5)
    cost.backward()
    np.testing.assert_allclose(net.rec.weight.grad.numpy(), 0.3 / 9 * np.sign(w) * (d + 0.1), rtol=1e-5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before = net.rec.weight.detach().clone()
    wiring.step(optimizer)
    assert torch.equal(net.rec.weight, before)


def test_a_loop_that_goes_on_from_a_checkpoint_is_the_same_loop():
    def made():
        torch.manual_seed(4)
        net = Own()
        optimizer = OPTIMIZERS["adam"](net.parameters())
        return net, optimizer, neuromod.Wiring(net.rec.weight, strength=1.0, steps=20, swap_every=5, target="dynapse2")

    net, optimizer, wiring = made()
    assert wiring.state_dict()["swaps"] == wiring.state_dict()["step"] == 0
    for k in range(20):
        if k == 13:
            saved = copy.deepcopy((net.state_dict(), optimizer.state_dict(), wiring.state_dict()))
        step(net, optimizer, k)
        wiring.step(optimizer)
    again, other, resumed = made()
    again.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    resumed.load_state_dict(saved[2])
    for k in range(13, 20):
        step(again, other, k)
        resumed.step(other)
    assert resumed.network(dt_s=0.1).sha256() == wiring.network(dt_s=0.1).sha256()


def test_a_frozen_tensor_is_not_charged():
    net = Own()
    net.into.weight.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    wiring = neuromod.Wiring(net.rec.weight, inputs=net.into.weight, strength=50.0, layer_spacing=1.0)
    before = net.into.weight.clone()
    step(net, optimizer, 0)
    wiring.step(optimizer)
    assert torch.equal(net.into.weight, before)
    assert wiring.synapses == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: neuromod.Wiring(torch.nn.LSTM(3, 8).weight_hh_l0), r"\(n, n\), found \(32, 8\); gates"),
        (lambda: neuromod.Wiring(Own().rec.weight, inputs=torch.ones(3, 16)), r"inputs must have .* \(16, n_in\)"),
        (lambda: neuromod.Wiring(Own().rec.weight * 2), "recurrent must be a parameter"),
        (lambda: neuromod.Wiring(torch.eye(3)), "requires_grad is False"),
        (lambda: neuromod.Wiring(np.eye(3)), "must be a PyTorch tensor, found ndarray"),
        (lambda: neuromod.Wiring(Own().rec.weight, strength=-1.0), "wiring.strength = -1 is out of range"),
        (lambda: neuromod.Wiring(Own().rec.weight, cost="length"), "wiring.cost = 'length' is unknown"),
        (lambda: neuromod.Wiring(Own().rec.weight, swapevery=1), "did you mean 'swap_every'"),
        (lambda: neuromod.Wiring(Own().rec.weight, target="dynapse2"), "give steps"),
        (lambda: neuromod.Wiring(Own().rec.weight, ramp_from=0.1), "give steps"),
    ],
)  # fmt: skip
def test_what_cannot_be_charged_is_refused_in_one_sentence(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def test_other_optimizers_are_refused():
    net = Own()
    wiring = neuromod.Wiring(net.rec.weight)
    with pytest.raises(UsageError, match="not for RMSprop"):
        wiring.step(torch.optim.RMSprop(net.parameters()))
    with pytest.raises(UsageError, match="does not hold recurrent"):
        wiring.step(torch.optim.Adam(Own().parameters()))
    with pytest.raises(UsageError, match=r"spikes must have the shape \(…, 16\)"):
        wiring.listen(torch.ones(3, 5))
