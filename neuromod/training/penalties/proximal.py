r"""What wiring costs in training, and the step that makes it short and exactly sparse.

Brain-inspired modular training (Liu, Gan and Tegmark 2023, arXiv:2305.08746; Liu, Khona, Fiete and Tegmark 2023,
arXiv:2310.07711) adds to the task loss

.. math:: \lambda C, \quad C = \frac{1}{n} \left( \sum_{ij} |W_{ij}| (d_{ij} + l_0)
          + l_0 \sum |W_{in}| + l_0 \sum |W_{out}| + l_0 \sum |b| \right)

with d the Manhattan distance in sides of the grid and l0 the length that every connection has besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from neuromod.training.penalties import packets as traffic_cost
from neuromod.training.penalties.group_lasso import shrink_groups
from neuromod.training.penalties.packets import GroupPrices


@dataclass(frozen=True)
class Prices:
    """What weights cost at a step: each one, named as its tensor, and groups of recurrent ones."""

    weights: Mapping[str, torch.Tensor]
    groups: GroupPrices | None


def wiring_cost(
    parameters: Mapping[str, torch.Tensor], prices: Mapping[str, torch.Tensor], groups: GroupPrices | None = None
) -> torch.Tensor:
    """Return C: the sum over all priced tensors of the magnitude of each weight times its price, a scalar tensor.

    With `groups`, the traffic cost of the recurrent weights is part of it.
    """
    terms = [(parameters[name].abs() * price).sum() for name, price in prices.items()]
    if groups is not None:
        terms.append(traffic_cost.cost(parameters["w_rec"], groups))
    return torch.stack(terms).sum() if terms else torch.zeros(())


@torch.no_grad()
def shrink(
    parameters: Mapping[str, torch.Tensor],
    prices: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    strength: float,
    groups: GroupPrices | None = None,
) -> None:
    r"""Proximal step of the wiring cost, in the metric of the optimizer: makes exact zeros.

    Adam moves a weight by its learning rate η over √v; the proximal operator of λ C in the same metric is the
    soft threshold ηλp / √v. Its fixed points are those of the loss plus λ C, which Adam on the subgradient only
    hovers around (proximal form of adaptive methods: Yun, Lozano and Yang 2021, arXiv:2102.04200). In SGD v is 1, and η
    counts the momentum: a steady gradient moves a weight by η (1 - damping) / (1 - momentum).

    Parameters
    ----------
    parameters : mapping of str to tensor
        Changed in place.
    prices : mapping of str to tensor
        From `regularizers.prices`.
    optimizer : torch.optim.Adam, AdamW or SGD
        After its step; its state gives √v. Weights that it has not moved yet are left.
    strength : float
        λ now.
    groups : GroupPrices, optional
        What groups of recurrent weights cost besides; their proximal step follows that of the single weights, which
        together is the proximal step of the sum (sparse group lasso).
    """
    for name, price in prices.items():
        weight = parameters[name]
        metric = _metric(optimizer, weight)
        if metric is not None:
            rate, scale = metric
            threshold = (rate * strength) * price / scale
            weight.copy_(weight.sign() * (weight.abs() - threshold).clamp_(min=0))
    if groups is not None:
        w_rec = parameters["w_rec"]
        metric = _metric(optimizer, w_rec)
        if metric is not None:
            rate, scale = metric
            thresholds = strength * traffic_cost.prices_of_groups(w_rec, groups)
            shrink_groups(w_rec, scale / rate, groups.onto, thresholds)


def _metric(optimizer: torch.optim.Optimizer, weight: torch.Tensor) -> tuple[float, torch.Tensor] | None:
    """Learning rate of a weight and what the optimizer divides its steps by; None if it never moved it."""
    group = next((g for g in optimizer.param_groups if any(other is weight for other in g["params"])), None)
    if group is None:
        return None
    rate = float(group["lr"])
    if isinstance(optimizer, torch.optim.SGD):
        if weight.grad is None or rate == 0:
            return None
        return rate * (1 - group["dampening"]) / (1 - group["momentum"]), torch.ones_like(weight)
    state = optimizer.state.get(weight, {})
    if "exp_avg_sq" not in state or rate == 0:
        return None
    correction = 1 - group["betas"][1] ** float(state["step"])
    squares = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
    return rate, (squares / correction).sqrt_().add_(group["eps"])
