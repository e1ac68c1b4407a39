"""Weights rounded to the few bits of a chip while training goes on, with a straight-through gradient."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from neuromod.quantization import steps


def round_weights(
    parameters: Mapping[str, torch.Tensor], bits: int, value_of: tuple[float, torch.Tensor] | None = None
) -> dict[str, torch.Tensor]:
    """Return the parameters with weights rounded to signed integers of `bits` bits times a step size for each row.

    Input and recurrent weights of a neuron share the step, as in `neuromod.quantization`; biases stay as they are. The
    gradient passes as if nothing had been rounded (Bengio, Léonard and Courville 2013, arXiv:1308.3432).

    Parameters
    ----------
    parameters : mapping of str to tensor
        Named as in `neuromod.network.PARAMETERS`.
    bits : int
        2 to 16.
    value_of : (float, (n,) tensor), optional
        What an event of an input and a spike of each neuron stand for, where a chip's integers are weights of events:
        then the products are rounded, and all readouts share one step. 1 if omitted.
    """
    w_in, w_rec, w_out = (parameters[name] for name in ("w_in", "w_rec", "w_out"))
    inputs, spikes = value_of or (1.0, torch.ones_like(parameters["bias"]))
    largest = torch.maximum(_largest(w_in * inputs), _largest(w_rec * spikes))
    largest_out = _largest(w_out * spikes)
    if value_of is not None:
        largest_out = largest_out.amax().expand_as(largest_out)
    into, out = _steps(largest, bits)[:, None], _steps(largest_out, bits)[:, None]
    rounded = {
        "w_in": _round(w_in, into / inputs),
        "w_rec": _round(w_rec, into / spikes),
        "w_out": _round(w_out, out / spikes),
    }
    return {**parameters, **rounded}


def _largest(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().abs().amax(dim=1)


def _steps(largest: torch.Tensor, bits: int) -> torch.Tensor:
    return torch.from_numpy(steps(largest.cpu().numpy(), bits)).to(largest)


def _round(weight: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    value = weight.detach()
    rounded = (value / step).round_() * step
    # The rounded values exactly, where `weight + (rounded - value)` would round twice.
    result: torch.Tensor = _StraightThrough.apply(weight, rounded)  # type: ignore[no-untyped-call]
    return result


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, weight: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
        return rounded.view_as(rounded)

    @staticmethod
    def backward(ctx: object, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0], None
