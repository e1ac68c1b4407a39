"""The proximal step of a group norm in the metric of Adam, which makes whole groups of weights exactly zero."""

from __future__ import annotations

import numpy as np
import torch

from neuromod.kernels import compiled

# Steps of Newton's method for the norm of a group. Started from zero they approach it from below.
_NEWTON = 6


@torch.no_grad()
def shrink_groups(weight: torch.Tensor, scale: torch.Tensor, onto: torch.Tensor, thresholds: torch.Tensor) -> None:
    r"""Proximal step of Σ τ ‖w_g‖ in a diagonal metric: minimise ½ Σ s (w - u)² + Σ τ ‖w_g‖ over w, in place of u.

    A group is zero if ‖s u‖ ≤ τ. Otherwise w = s u ρ / (s ρ + τ) with its norm ρ, the root of
    Σ (s u)² / (s ρ + τ)² = 1, found by Newton's method on the inverse square root of the left side, which is nearly a
    straight line (as for the trust region, Moré and Sorensen 1983, doi:10.1137/0904038).

    Parameters
    ----------
    weight : (n, n) tensor
        u, row = target; changed in place.
    scale : (n, n) tensor
        s, above zero: √v of Adam over its learning rate.
    onto : (cores, n) tensor
        1 where a neuron lies on a core.
    thresholds : (cores, n) tensor
        τ of each group, not below zero.
    """
    core_of = onto.argmax(dim=0)
    if weight.device.type == "cpu":
        order = torch.argsort(core_of, stable=True).numpy()
        first = np.concatenate([[0], np.cumsum(np.bincount(core_of.numpy(), minlength=len(onto)))])
        arrays = [tensor.detach().numpy() for tensor in (weight, scale, thresholds)]
        one = arrays[0].dtype.type(1)
        _shrink(*arrays, order, first, one, one - one, _NEWTON)
    else:
        shrink_anywhere(weight, scale, onto, core_of, thresholds)


def shrink_anywhere(
    weight: torch.Tensor, scale: torch.Tensor, onto: torch.Tensor, core_of: torch.Tensor, thresholds: torch.Tensor
) -> None:
    """Do the same as `_shrink` in PyTorch, for any device.

    Parameters
    ----------
    weight, scale : (n, n) float32
        The weights, changed in place, and the metric of each.
    onto, core_of : tensor of int
        Which core each weight leads to, and the core of each neuron.
    thresholds : tensor of float32
        By how much the norm of each group shrinks.
    """
    pulled = scale * weight
    alive = (onto @ pulled.square()).sqrt() > thresholds
    paid = thresholds > 0
    rho = torch.zeros_like(thresholds)
    # Where nothing is charged nothing is solved for; a threshold of 1 there keeps the arithmetic finite.
    tau = torch.where(paid, thresholds, 1.0)
    tau_of = tau[core_of]
    for _ in range(_NEWTON):
        inverse = 1 / torch.addcmul(tau_of, scale, rho[core_of])
        ratio = (pulled * inverse).square_()
        g = onto @ ratio
        slope = onto @ ratio.mul_(scale).mul_(inverse)
        # d/dρ g^(-1/2) = g^(-3/2) Σ (s u)² s / (s ρ + τ)³.
        rho += torch.where(alive & paid, (1 - g.rsqrt()) * g * g.sqrt() / slope, 0.0)
    rho_of = rho[core_of]
    shrunk = pulled * rho_of / torch.addcmul(tau_of, scale, rho_of)
    weight.copy_(torch.where(paid[core_of], torch.where(alive[core_of], shrunk, 0.0), weight))


@compiled
def _shrink(weight, scale, thresholds, order, first, one, zero, newton):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Go through the groups core by core; all sources of a core at once, so that the loops run in vectors."""
    cores, n = thresholds.shape
    rho, tau = np.empty(n, weight.dtype), np.empty(n, weight.dtype)
    g, slope = np.empty(n, weight.dtype), np.empty(n, weight.dtype)
    pulled = np.empty((np.diff(first).max(), n), weight.dtype)
    for core in range(cores):
        rows = order[first[core] : first[core + 1]]
        g[:] = 0
        for k in range(len(rows)):
            u, s, p = weight[rows[k]], scale[rows[k]], pulled[k]
            for i in range(n):
                p[i] = s[i] * u[i]
                g[i] += p[i] * p[i]
        for i in range(n):
            paid = thresholds[core, i] > 0
            tau[i] = thresholds[core, i] if paid else one
            rho[i] = zero if np.sqrt(g[i]) > thresholds[core, i] and paid else -one
        for _ in range(newton):
            g[:] = 0
            slope[:] = 0
            for k in range(len(rows)):
                s, p = scale[rows[k]], pulled[k]
                for i in range(n):
                    # Groups that are not solved for have ρ < 0; their arithmetic is done in vain.
                    inverse = one / (s[i] * max(rho[i], zero) + tau[i])
                    ratio = p[i] * inverse
                    g[i] += ratio * ratio
                    slope[i] += ratio * ratio * s[i] * inverse
            for i in range(n):
                if rho[i] >= 0:
                    # d/dρ g^(-1/2) = g^(-3/2) Σ (s u)² s / (s ρ + τ)³.
                    rho[i] += (one - one / np.sqrt(g[i])) * g[i] * np.sqrt(g[i]) / slope[i]
        for k in range(len(rows)):
            u, s, p = weight[rows[k]], scale[rows[k]], pulled[k]
            for i in range(n):
                if rho[i] >= 0:
                    u[i] = p[i] * rho[i] / (s[i] * rho[i] + tau[i])
                elif thresholds[core, i] > 0:
                    u[i] = 0
