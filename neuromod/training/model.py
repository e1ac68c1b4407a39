"""The trainable leaky ReLU RNN in PyTorch, and its way to and from `Network`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from neuromod.geometry import grid_order
from neuromod.network import PARAMETERS, Network
from neuromod.training.on_cores.spike_levels import Levels

# Gain of random recurrent weights: between those at which activity dies out and explodes.
_GAIN = 1.1


@dataclass(frozen=True)
class Packed:
    """Trials without their padding: rows ordered by time, and within a time step by trial.

    Trials are sorted by falling length, so that the trials still running at any step are the first ones and no
    arithmetic is spent on those that have ended.

    Parameters
    ----------
    inputs : (rows, n_in) float32 tensor
        One row for each step of each trial.
    targets : (rows,) int64 tensor
        Class wanted at that step.
    weights : (rows,) float32 tensor
        Weight of that step in the loss; they sum to one.
    sizes : sequence of int
        Number of trials still running at each time step, not increasing.
    previous : (rows - sizes[0],) int64 tensor
        For each row after the first time step, the row of the same trial one step earlier.
    last : (trials,) int64 tensor
        Row of each trial's last step.
    asked : (answers,) int64 tensor
        Rows at which an answer is read.
    order : (trials,) int64 array
        Which of the trials that were packed each of these is.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    sizes: Sequence[int]
    previous: torch.Tensor
    last: torch.Tensor
    asked: torch.Tensor
    order: npt.NDArray[np.int64]


def pack(
    inputs: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int64],
    mask: npt.NDArray[np.bool_],
    *,
    response_weight: float,
    device: torch.device,
    reads: npt.NDArray[np.bool_] | None = None,
) -> Packed:
    """Sort trials by length and drop the steps after their ends.

    Parameters
    ----------
    inputs : (time, trial, n_in) float32
        Inputs.
    targets : (time, trial) int64
        Classes; 0 is to keep fixating.
    mask : (time, trial) bool
        False after a trial's end.
    response_weight : float
        Weight in the loss of the steps that ask for a response and of those that are read; the others weigh one.
    device : torch.device
        Where the tensors go.
    reads : (time, trial) bool, optional
        Steps at which an answer is read; every trial's last if omitted.

    Returns
    -------
    Packed
        The same trials.
    """
    lengths = mask.sum(axis=0)
    order = np.argsort(-lengths, kind="stable")
    mask = mask[: lengths.max(), order]
    sizes = mask.sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    previous = np.concatenate([np.arange(sizes[t]) + starts[t - 1] for t in range(1, len(sizes))] or [[]])
    lengths = lengths[order]
    last = starts[lengths - 1] + np.arange(len(order))
    wanted = targets[: len(mask), order][mask]
    weights = np.where(wanted > 0, response_weight, 1.0)
    asked = last if reads is None else np.flatnonzero(reads[: len(mask), order][mask])
    weights[asked] = response_weight
    return Packed(
        inputs=torch.from_numpy(inputs[: len(mask), order][mask]).to(device),
        targets=torch.from_numpy(wanted).to(device),
        weights=torch.from_numpy((weights / weights.sum()).astype(np.float32)).to(device),
        sizes=sizes.tolist(),
        previous=torch.from_numpy(previous.astype(np.int64)).to(device),
        last=torch.from_numpy(last.astype(np.int64)).to(device),
        asked=torch.from_numpy(asked.astype(np.int64)).to(device),
        order=order,
    )


class _LeakyScan(torch.autograd.Function):
    """All states of the leaky ReLU recurrence over packed trials, with its own backward pass.

    One product gives the whole gradient of `w_rec`, where autograd would add up one for every time step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        drive: torch.Tensor,  # (rows, n)
        w_rec: torch.Tensor,  # (n, n)
        h0: torch.Tensor,  # (trials, n), constant
        alpha: float,
        sizes: Sequence[int],
        previous: torch.Tensor,  # (rows - sizes[0],)
        levels: Levels | None,
    ) -> torch.Tensor:
        rates = torch.empty_like(drive)
        states = torch.empty_like(drive)
        transposed = w_rec.t()
        h = h0
        # Views of every time step, made at once: slicing one by one costs as much as the arithmetic of small networks.
        steps = (torch.split(x, list(sizes)) for x in (drive, rates, states))
        for size, drive_t, rates_t, states_t in zip(sizes, *steps, strict=True):
            h = h[:size]
            torch.addmm(drive_t, h, transposed, out=rates_t).relu_()
            # What is rounded is kept unrounded for the gradient.
            shown = rates_t if levels is None else levels.rounded(rates_t)
            h = torch.lerp(h, shown, alpha, out=states_t)
        ctx.save_for_backward(w_rec, h0, rates, states, previous)
        ctx.alpha, ctx.sizes = alpha, sizes
        return states

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (grad_states,) = grads
        w_rec, h0, rates, states, previous = ctx.saved_tensors
        alpha = ctx.alpha
        grad_drive = torch.empty_like(rates)
        grad_states = grad_states.clone(memory_format=torch.contiguous_format)
        steps = zip(*(torch.split(x, ctx.sizes) for x in (grad_states, grad_drive, rates)), strict=True)
        carry: torch.Tensor | None = None
        for g, grad_t, rates_t in reversed(list(steps)):
            if carry is not None:
                g[: len(carry)].add_(carry)
            # The gradient where the rate is above 0, in one pass.
            torch.ops.aten.threshold_backward.grad_input(g, rates_t, 0, grad_input=grad_t)
            carry = torch.addmm(g, grad_t, w_rec, beta=1 - alpha, alpha=alpha)
        grad_drive.mul_(alpha)
        grad_w = grad_drive.t() @ torch.cat([h0, states[previous]])
        return grad_drive, grad_w, None, None, None, None, None


def states(
    parameters: Mapping[str, torch.Tensor],
    packed: Packed,
    h0: torch.Tensor,
    *,
    alpha: float,
    noise: torch.Tensor | None = None,
    levels: Levels | None = None,
) -> torch.Tensor:
    """State h of every row of packed trials.

    Parameters
    ----------
    parameters : mapping of str to tensor
        The tensors named in `PARAMETERS`, shapes as in `Network`.
    packed : Packed
        The trials.
    h0 : (trials, n) tensor
        States before the first step; constants.
    alpha : float
        dt / tau.
    noise : (rows, n) tensor, optional
        Added to the drive inside the rectification.
    levels : Levels, optional
        What the rectifiers are rounded to, with a straight-through gradient; nothing if omitted.

    Returns
    -------
    (rows, n) tensor
        The states; differentiable in the parameters.
    """
    drive = torch.addmm(parameters["bias"], packed.inputs, parameters["w_in"].t())
    if noise is not None:
        drive = drive + noise
    result: torch.Tensor = _LeakyScan.apply(  # type: ignore[no-untyped-call]
        drive, parameters["w_rec"], h0, alpha, packed.sizes, packed.previous, levels
    )
    return result


def drives(parameters: Mapping[str, torch.Tensor], packed: Packed, h: torch.Tensor, h0: torch.Tensor) -> torch.Tensor:
    """What comes into the rectifiers, without noise, (rows, n), where the states `h` follow from the states `h0`."""
    before = torch.cat([h0[: len(h) - len(packed.previous)], h[packed.previous]])
    drive = torch.addmm(parameters["bias"], packed.inputs, parameters["w_in"].t())
    return torch.addmm(drive, before, parameters["w_rec"].t())


def logits(parameters: Mapping[str, torch.Tensor], h: torch.Tensor) -> torch.Tensor:
    """Readout of states, (rows, n_out)."""
    return torch.addmm(parameters["bias_out"], h, parameters["w_out"].t())


def initial(
    n: int, n_in: int, n_out: int, *, generator: torch.Generator, start: str = "self"
) -> dict[str, torch.Tensor]:
    """Draw the parameters before training.

    Self-connections of 0.5 and uniform input and readout weights within one over the square root of the fan-in, as in
    the training code of the task collection that the paper builds on.

    Parameters
    ----------
    n, n_in, n_out : int
        Numbers of neurons, inputs and readouts.
    generator : torch.Generator
        Source of randomness.
    start : {"self", "random"}
        With ``random``, recurrent weights are normal with the standard deviation 1.1 / √n instead.

    Returns
    -------
    dict of str to float32 tensor
        Named as in `PARAMETERS`, with gradients.
    """

    def uniform(rows: int, columns: int) -> torch.Tensor:
        bound = columns**-0.5
        return torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)

    tensors = {
        "w_rec": 0.5 * torch.eye(n),
        "w_in": uniform(n, n_in),
        "w_out": uniform(n_out, n),
        "bias": torch.zeros(n),
        "bias_out": torch.zeros(n_out),
    }
    if start == "random":
        tensors["w_rec"] = torch.randn(n, n, generator=generator) * (_GAIN / n**0.5)
    return {name: tensors[name].requires_grad_() for name in PARAMETERS}


def to_network(
    parameters: Mapping[str, torch.Tensor],
    positions: npt.NDArray[np.float32],
    *,
    dt_s: float,
    tau_s: float,
    info: Mapping[str, Any],
) -> Network:
    """Return the `Network` of trained parameters, its neurons numbered in the order of the grid.

    Parameters
    ----------
    parameters : mapping of str to float32 tensor
        Named as in `PARAMETERS`.
    positions : (n, 2) float32
        Column and row of each neuron.
    dt_s, tau_s : float
        Time step and time constant in seconds.
    info : mapping
        Where the network comes from.
    """
    order = grid_order(positions)
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in parameters.items()}
    return Network(
        w_rec=sparse.csr_array(arrays["w_rec"][np.ix_(order, order)]),
        w_in=arrays["w_in"][order],
        w_out=arrays["w_out"][:, order],
        bias=arrays["bias"][order],
        bias_out=arrays["bias_out"],
        positions=positions[order],
        dt_s=dt_s,
        tau_s=tau_s,
        info=info,
    )


def from_network(network: Network) -> dict[str, torch.Tensor]:
    """Return the parameters of a `Network` as float32 tensors with gradients, its neurons in its own order."""
    arrays = {
        "w_rec": network.w_rec.toarray(),
        "w_in": network.w_in,
        "w_out": network.w_out,
        "bias": network.bias,
        "bias_out": network.bias_out,
    }
    return {name: torch.from_numpy(np.array(arrays[name])).requires_grad_() for name in PARAMETERS}
