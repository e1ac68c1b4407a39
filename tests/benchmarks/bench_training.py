"""A training step against an eager loop with autograd, and its share of time in matrix products.

Run it with ``python tests/benchmarks/bench_training.py [--json]`` on one core; it ends with 1 below the bar.

The peer is what one writes first: padded trials, a Python loop over time steps, autograd, the loss of the masked steps,
Adam, λ Σ|w|d added to the loss. Both see the same trials and compute the same loss and gradient, which is checked. The
share of time in matrix products is the time of the same products alone. Where those of the peer, over padded trials,
are more than half of its step, it is bound by them and the bar does not hold.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median

import torch
from torch.nn import functional

from neuromod import tasks
from neuromod.geometry import Plane
from neuromod.training import checkpoints, config, model
from neuromod.training.penalties import family, proximal

BAR = 1.5


def eager_loss(parameters, trials, settings):
    """Return the task loss of padded trials, one time step after the other."""
    x, mask = torch.from_numpy(trials.inputs), torch.from_numpy(trials.mask)
    targets = torch.from_numpy(trials.targets)
    h = torch.zeros(x.shape[1], settings.network.neurons)
    states = []
    for t in range(len(x)):
        drive = x[t] @ parameters["w_in"].t() + h @ parameters["w_rec"].t() + parameters["bias"]
        h = (1 - settings.alpha) * h + settings.alpha * torch.relu(drive)
        states.append(h)
    y = torch.stack(states) @ parameters["w_out"].t() + parameters["bias_out"]
    losses = functional.cross_entropy(
        y.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=settings.training.label_smoothing
    ).view(mask.shape)
    lengths = mask.sum(dim=0)
    weights = torch.where(targets > 0, settings.training.response_weight, 1.0)
    weights[lengths - 1, torch.arange(len(lengths))] = settings.training.response_weight
    weights = weights * mask
    return (losses * weights).sum() / weights.sum()


def packed_loss(parameters, packed, settings):
    """Return the same by the functions that training calls."""
    h0 = torch.zeros(len(packed.last), settings.network.neurons)
    h = model.states(parameters, packed, h0, alpha=settings.alpha)
    y = model.logits(parameters, h)
    smoothing = settings.training.label_smoothing
    losses = functional.cross_entropy(y, packed.targets, reduction="none", label_smoothing=smoothing)
    return (losses * packed.weights).sum()


def products(n, sizes, n_in, n_out):
    """Do the matrix products of a packed step and nothing else."""
    rows, w, readout = sum(sizes), torch.randn(n, n), torch.randn(n, n_out)
    states, inputs, out = torch.randn(rows, n), torch.randn(rows, n_in), torch.randn(rows, n_out)
    w_in = torch.randn(n_in, n)

    def run():
        for size in sizes:
            torch.mm(states[:size], w)
            torch.mm(states[:size], w)
        torch.mm(inputs, w_in), torch.mm(inputs.t(), states), torch.mm(states, readout)
        torch.mm(out.t(), states), torch.mm(out, readout.t()), torch.mm(states.t(), states)

    return run


def measure(neurons, batch, rounds):
    """Time both at one size, in turn."""
    settings = config.load(None, ["network.noise=0"], {"network.neurons": neurons, "training.batch": batch})
    trials = tasks.generate("yang19", batch, seed=0)
    state = checkpoints.start(settings)
    parameters = state.parameters
    weight = settings.training.response_weight

    def pack():
        device = torch.device("cpu")
        return model.pack(trials.inputs, trials.targets, trials.mask, response_weight=weight, device=device)

    def gradients(loss):
        return [g.clone() for g in torch.autograd.grad(loss, list(parameters.values()))]

    ours, theirs = packed_loss(parameters, pack(), settings), eager_loss(parameters, trials, settings)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for a, b in zip(gradients(ours), gradients(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)

    clip, strength = settings.training.clip, settings.wiring.strength
    plane = Plane.square(neurons)
    prices = family.prices(settings.wiring, state.positions, parameters, plane=plane, with_biases=True)

    def step_ours():
        state.optimizer.zero_grad(set_to_none=True)
        packed_loss(parameters, pack(), settings).backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), clip)
        state.optimizer.step()
        proximal.shrink(parameters, prices, state.optimizer, strength)

    other = {name: tensor.detach().clone().requires_grad_() for name, tensor in parameters.items()}
    adam = torch.optim.Adam(other.values(), lr=settings.training.learning_rate)

    def step_eager():
        adam.zero_grad()
        (eager_loss(other, trials, settings) + strength * proximal.wiring_cost(other, prices)).backward()
        torch.nn.utils.clip_grad_norm_(other.values(), clip)
        adam.step()

    sizes = trials.mask.sum(axis=1)
    alone = products(neurons, sizes.tolist(), trials.inputs.shape[2], len(parameters["bias_out"]))
    padded = products(neurons, [batch] * len(sizes), trials.inputs.shape[2], len(parameters["bias_out"]))
    times = {"ours": [], "eager": [], "products": [], "padded products": []}
    for _ in range(rounds):
        for name, function in (("ours", step_ours), ("eager", step_eager), ("products", alone),
                               ("padded products", padded)):  # fmt: skip
            begun = time.process_time()
            function()
            times[name].append(time.process_time() - begun)
    ms = {name: 1e3 * median(values[2:]) for name, values in times.items()}
    return {
        "neurons": neurons,
        "batch": batch,
        "ours_ms": round(ms["ours"], 2),
        "eager_ms": round(ms["eager"], 2),
        "ratio": round(ms["eager"] / ms["ours"], 2),
        "share_in_products": round(ms["products"] / ms["ours"], 2),
        "eager_bound_by_products": bool(ms["padded products"] > 0.5 * ms["eager"]),
    }


def main():
    """Measure, print, and fail below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sizes = ((64, 64), (100, 20), (144, 64), (256, 64), (400, 64))
    rows = [measure(neurons, batch, arguments.rounds) for neurons, batch in sizes]
    held = [row for row in rows if not row["eager_bound_by_products"]]
    content = {"sizes": rows, "bar": BAR, "passed": bool(held) and all(row["ratio"] >= BAR for row in held)}
    if arguments.json:
        print(json.dumps(content))
    else:
        for row in rows:
            bound = ", bound by products" if row["eager_bound_by_products"] else ""
            times = f"{row['ours_ms']:7.1f} ms against {row['eager_ms']:7.1f} ms, {row['ratio']:.2f} times"
            share = f"{100 * row['share_in_products']:.0f} % in products"
            print(f"{row['neurons']:4} neurons, {row['batch']:3} trials: {times}; {share}{bound}")
    raise SystemExit(0 if content["passed"] else 1)


if __name__ == "__main__":
    main()
