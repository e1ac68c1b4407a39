"""Fine-tuning of a spiking network, in seconds: spikes forward, the rectified line backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import sparse

from neuromod.metrics import TRIALS_BETWEEN, agree, has_few_trials, trials_for
from neuromod.network import PARAMETERS, Array, Network
from neuromod.spiking.dynamics.events import drive_of
from neuromod.spiking.dynamics.substeps import Moment, advance
from neuromod.spiking.network import SpikingNetwork
from neuromod.spiking.quantization import Granularity, quantize, step_sizes
from neuromod.spiking.threads import torch_threads
from neuromod.trials import Trials, decisions

# Weight in the loss of steps that ask for a response and of last steps.
_RESPONSE_WEIGHT = 5.0

# Trials that decide which of the networks on the way is returned.
_JUDGES = 1500


def tune(
    network: Network,
    spiking: SpikingNetwork,
    *,
    steps: int = 200,
    batch: int = 64,
    learning_rate: float = 2e-3,
    weight_bits: int | None = None,
    granularity: Granularity = "row",
    seed: int = 0,
    on_step: Callable[[int, float], None] | None = None,
) -> SpikingNetwork:
    r"""Train a spiking network to decide as the rate network does, with its substeps, reset and bits in the loop.

    The forward pass is that of `SpikingNetwork`. The backward pass takes the share m of the substeps in which a neuron
    fires for the rectified line :math:`\min(1, \max(0, I))` of its drive I, for a hard reset flattened by the half of a
    step that it loses on average, :math:`I / (1 + I / 2)`, and rounding for the identity (straight-through; Bengio et
    al. 2013). The loss is the Kullback-Leibler divergence of the readouts' softmax from the rate network's, or the
    squared error where values are wanted. Connections that are absent stay absent. Before, halfway and at the end, the
    decisions are compared with the rate network's on trials kept for that; the network with the most equal ones is
    returned. Of data with few trials, all this is done on trials between them, see `trials.trials_between`.

    Parameters
    ----------
    network : Network
        The rate network, with its tasks in `info`.
    spiking : SpikingNetwork
        Where to start, from `conversion.convert`.
    steps, batch : int
        Steps, and trials in each.
    learning_rate : float
        Of Adam; it falls along a cosine.
    weight_bits : int, optional
        Quantise the weights in the forward pass, and in the result.
    granularity : {'row', 'tensor'}
        See `quantization.quantize`.
    seed : int
        Seed of the trials.
    on_step : callable, optional
        Called with the number of steps done and the loss.

    References
    ----------
    Y. Bengio, N. Léonard, A. Courville, arXiv:1308.3432 (2013).
    """
    tensors = {
        name: torch.tensor(getattr(spiking, name).toarray() if name == "w_rec" else getattr(spiking, name))
        for name in PARAMETERS
    }
    masks = {name: (tensor != 0).float() for name, tensor in tensors.items()}
    # A neuron or a class without a bias may get one.
    masks["bias"], masks["bias_out"] = torch.ones_like(tensors["bias"]), torch.ones_like(tensors["bias_out"])
    free = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
    optimizer = torch.optim.Adam(free.values(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: 0.05 + 0.475 * (1 + math.cos(math.pi * i / steps))
    )
    few = has_few_trials(network)
    taught, judging, number = ("between", "between", TRIALS_BETWEEN) if few else ("train", "validation", _JUDGES)
    judges = trials_for(network, number, seed=np.random.default_rng([seed, 8]), split=judging)

    def finished() -> SpikingNetwork:
        arrays: dict[str, Any] = {name: (free[name] * masks[name]).detach().numpy() for name in PARAMETERS}
        arrays["w_rec"] = sparse.csr_array(arrays["w_rec"])
        tuned = replace(spiking, **arrays)
        return tuned if weight_bits is None else quantize(tuned, weight_bits, granularity=granularity)

    best = finished()
    decided = decisions(network.run(judges.inputs)[0], judges)
    most = _equal_decisions(decided, best, judges)
    # Of values, errors count in units of what is wanted.
    spread = torch.from_numpy(np.maximum(judges.answers.var(axis=0), 1e-12).astype(np.float32)) if judges.values else 1
    # The tensors are small: a second thread gains nothing on an idle machine and loses much on a busy one.
    with torch_threads(1):
        for step in range(steps):
            trials = trials_for(network, batch, seed=np.random.default_rng([seed, 7, step]), split=taught)
            # The longest first: those that have ended need no more work.
            trials = trials.take(np.argsort(-trials.last_step, kind="stable"))
            last = trials.last_step
            x, mask = trials.inputs[: last.max() + 1], trials.mask[: last.max() + 1]
            wanted = torch.from_numpy(network.run(x, dtype=np.float32)[0])
            if network.data is None:
                weight = np.where(trials.targets[: last.max() + 1] > 0, _RESPONSE_WEIGHT, 1.0) * mask
                weight[last, np.arange(batch)] = _RESPONSE_WEIGHT
            else:
                weight = np.where(trials.reads[: last.max() + 1], _RESPONSE_WEIGHT, 1.0) * mask
            masked = {name: tensor * masks[name] for name, tensor in free.items()}
            if weight_bits is not None:
                masked = _rounded(masked, weight_bits, granularity, spiking)
            y = _forward(masked, x, spiking, (last >= np.arange(len(x))[:, None]).sum(axis=1))
            if trials.values:
                divergence = ((wanted - y) ** 2 / spread).mean(-1)
            else:
                wanted = wanted.log_softmax(-1)
                divergence = (wanted.exp() * (wanted - y.log_softmax(-1))).sum(-1)
            loss = (divergence * torch.from_numpy((weight / weight.sum()).astype(np.float32))).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(free.values(), 1.0)
            optimizer.step()
            schedule.step()
            if on_step:
                on_step(step + 1, float(loss.detach()))
            if (step + 1) * 2 // steps > step * 2 // steps:
                equal = _equal_decisions(decided, now := finished(), judges)
                # On a tie the later one, which has a lower loss.
                best, most = (now, equal) if equal >= most else (best, most)
    return best


def _equal_decisions(wanted: Array, spiking: SpikingNetwork, trials: Trials) -> float:
    ours = decisions(spiking.run(trials.inputs, rng=np.random.default_rng(0)).y, trials)
    return agree(wanted, ours, trials.trial_of_answer).share


def _forward(p: dict[str, torch.Tensor], x: Array, spiking: SpikingNetwork, running: Array) -> torch.Tensor:
    """Readout (time, batch, n_out) with the spikes' values and the line's gradients.

    Of the trials, the first `running` (time,) have not ended in a step.
    """
    alpha = spiking.alpha
    read: torch.Tensor = _Firing.apply(  # type: ignore[no-untyped-call]
        p["w_in"], p["w_rec"], p["bias"], x, spiking, running
    )
    # A low-pass of all steps at once.
    ago = torch.arange(len(x))[:, None] - torch.arange(len(x))
    low_pass = torch.where(ago >= 0, alpha * (1 - alpha) ** ago.clamp(min=0), 0.0).float()
    return torch.einsum("ts,sbo->tbo", low_pass, read @ p["w_out"].t()) + p["bias_out"]


class _Firing(torch.autograd.Function):
    """What the readout gets of every time step, (time, batch, n): all steps at once, in NumPy."""

    @staticmethod
    def forward(context: Any, *given: Any) -> torch.Tensor:
        w_in, w_rec, bias, x, spiking, running = given
        arrays: dict[str, Any] = {"w_in": w_in.numpy(), "w_rec": w_rec.numpy(), "bias": bias.numpy()}
        now = replace(spiking, **arrays, input="counts" if spiking.input == "counts" else "constant")
        alpha, continuous = np.float32(now.alpha), now.mode == "continuous"
        (time, batch), back = x.shape[:2], arrays["w_rec"].T
        neurons, state = now.neurons(), now.rest(batch)
        carried, current = state.carried, state.current
        moment = Moment(state.membrane, current, state.travelling, *np.zeros((3, batch, now.n), np.float32))
        slope = (x.reshape(-1, x.shape[2]) @ arrays["w_in"].T + arrays["bias"]).reshape(time, batch, -1)
        fired, read = np.zeros_like(slope), np.zeros_like(slope)
        for t, many in enumerate(running.tolist()):
            if many < len(current):
                moment = Moment(*(np.ascontiguousarray(part[..., :many, :]) for part in vars(moment).values()))
                carried, current = carried[:many], current[:many]
            total = slope[t, :many] + current
            slope[t, :many] = (total >= 0) & (total <= 1)
            slope[t, many:] = 0
            if now.reset == "hard":
                slope[t, :many] /= (1 + total / 2) ** 2
            moment.count[:], moment.fresh[:] = 0, 0
            drive, carried = drive_of(now, x[t, :many], carried, None)
            advance(neurons, moment, drive)
            np.divide(moment.count, now.substeps, out=fired[t, :many])
            if continuous:
                # The current of the synapses holds that of inputs, too, where these are spikes.
                inputs = (carried * now.spike_size) @ arrays["w_in"].T if now.input == "counts" else 0
                current = moment.current - inputs
                np.divide(moment.fresh, alpha, out=read[t, :many])
            else:
                moment.current[:] = current = (1 - alpha) * current + alpha * (fired[t, :many] @ back)
        context.of = alpha, x, arrays["w_rec"], slope, fired, running
        return torch.from_numpy(read if continuous else fired)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        alpha, x, w_rec, slope, fired, running = context.of
        of_read = gradient.numpy()
        of_total, of_current = np.zeros_like(slope), np.zeros_like(slope)
        later = np.zeros_like(slope[0])
        for t, many in reversed(list(enumerate(running.tolist()))):
            on = slice(many)
            of_current[t] = later
            of_total[t, on] = (of_read[t, on] + alpha * (later[on] @ w_rec)) * slope[t, on]
            later[on] = (1 - alpha) * later[on] + of_total[t, on]
        flat = of_total.reshape(-1, of_total.shape[2])
        into = flat.T @ x.reshape(-1, x.shape[2])
        between = alpha * (of_current.reshape(flat.shape).T @ fired.reshape(flat.shape))
        return *(torch.from_numpy(part) for part in (into, between, flat.sum(axis=0))), None, None, None


def _rounded(
    p: dict[str, torch.Tensor], bits: int, granularity: Granularity, spiking: SpikingNetwork
) -> dict[str, torch.Tensor]:
    """Weights as `quantize` rounds them, with the gradients of the weights themselves."""
    arrays = {name: tensor.detach().numpy() for name, tensor in p.items()}
    into, out = step_sizes(arrays["w_in"], arrays["w_rec"], arrays["w_out"], bits, granularity, spiking.reset)
    rounded = dict(p)
    for name, size in (("w_in", into), ("w_rec", into), ("w_out", out)):
        step = torch.from_numpy(size.astype(np.float32))[:, None]
        rounded[name] = p[name] + ((p[name] / step).round() * step - p[name]).detach()
    return rounded
