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
    optimizer: torch.optim.Adam,
    strength: float,
    groups: GroupPrices | None = None,
) -> None:
    r"""Proximal step of the wiring cost, in the metric of Adam: makes exact zeros.

    Adam moves a weight by its learning rate η over √v; the proximal operator of λ C in the same metric is the
    soft threshold ηλp / √v. Its fixed points are those of the loss plus λ C, which Adam on the subgradient only
    hovers around (proximal form of adaptive methods: Yun, Lozano and Yang 2021, arXiv:2102.04200).

    Parameters
    ----------
    parameters : mapping of str to tensor
        Changed in place.
    prices : mapping of str to tensor
        From `regularizers.prices`.
    optimizer : torch.optim.Adam
        After its step; its state gives √v.
    strength : float
        λ now.
    groups : GroupPrices, optional
        What groups of recurrent weights cost besides; their proximal step follows that of the single weights, which
        together is the proximal step of the sum (sparse group lasso).
    """
    group = optimizer.param_groups[0]
    beta, eps, rate = group["betas"][1], group["eps"], group["lr"]

    def root(weight: torch.Tensor) -> torch.Tensor:
        state = optimizer.state[weight]
        correction = 1 - beta ** float(state["step"])
        found: torch.Tensor = (state["exp_avg_sq"] / correction).sqrt_().add_(eps)
        return found

    for name, price in prices.items():
        weight = parameters[name]
        scale = root(weight)
        threshold = (rate * strength) * price / scale
        weight.copy_(weight.sign() * (weight.abs() - threshold).clamp_(min=0))
    if groups is not None:
        w_rec = parameters["w_rec"]
        thresholds = strength * traffic_cost.prices_of_groups(w_rec, groups)
        shrink_groups(w_rec, root(w_rec) / rate, groups.onto, thresholds)
