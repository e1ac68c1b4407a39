"""Weights rounded to the few bits of a chip while training goes on, with a straight-through gradient."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from neuromod.quantization import steps


def round_weights(parameters: Mapping[str, torch.Tensor], bits: int) -> dict[str, torch.Tensor]:
    """Return the parameters with weights rounded to signed integers of `bits` bits times a step size for each row.

    Input and recurrent weights of a neuron share the step, as in `neuromod.quantization`; biases stay as they are. The
    gradient passes as if nothing had been rounded (Bengio, Léonard and Courville 2013, arXiv:1308.3432).

    Parameters
    ----------
    parameters : mapping of str to tensor
        Named as in `neuromod.network.PARAMETERS`.
    bits : int
        2 to 16.
    """
    w_in, w_rec, w_out = (parameters[name] for name in ("w_in", "w_rec", "w_out"))
    largest = torch.maximum(w_in.detach().abs().amax(dim=1), w_rec.detach().abs().amax(dim=1))
    into, out = _steps(largest, bits), _steps(w_out.detach().abs().amax(dim=1), bits)
    rounded = {"w_in": _round(w_in, into), "w_rec": _round(w_rec, into), "w_out": _round(w_out, out)}
    return {**parameters, **rounded}


def _steps(largest: torch.Tensor, bits: int) -> torch.Tensor:
    return torch.from_numpy(steps(largest.cpu().numpy(), bits)).to(largest)


def _round(weight: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    value = weight.detach()
    rounded = (value / step[:, None]).round_() * step[:, None]
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
