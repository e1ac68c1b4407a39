r"""What traffic costs in training: a norm for every group of weights that one packet serves.

A neuron i sends one packet to a core if any of its weights :math:`W_{c i}` onto the neurons of that core c is not zero.
The cost charges the norm of that group in place of the packet,

.. math:: C = \frac{1}{n} \sum_i a_i \sum_{c} h(\mathrm{core}(i), c) \, \lVert W_{c i} \rVert_2 ,

with the activity a of the source, 1 on the average, and what a packet between the two cores costs, h, in sides of the
grid, 0 within a core. It is a group lasso (Yuan and Lin 2006, doi:10.1111/j.1467-9868.2005.00532.x), whose proximal
step makes whole groups zero; where every group is one weight of 1 it counts packet-hops. Where packets branch, every
link of the tree that XY routing makes has the norm of all weights behind it,

.. math:: C = \frac{1}{n} \sum_i a_i \sum_{l} h_l \, \lVert W_{l i} \rVert_2 ,

a tree-structured group lasso (Jenatton, Mairal, Obozinski and Bach 2011, arXiv:1009.2139). Each step pays it as a group
lasso whose prices share every link among the cores behind it in proportion to their norms, which has the same value and
the same gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class GroupPrices:
    """What groups of recurrent weights cost.

    Parameters
    ----------
    onto : (cores, n) float tensor
        1 where a neuron lies on a core.
    weight : (n, links) float tensor
        Price of each link for the packets of each neuron, its activity included, over n.
    behind : (n, links, cores) float tensor or None
        1 where a destination core lies behind a link for the packets of a neuron; None if there is one link for each
        destination core.
    """

    onto: torch.Tensor
    weight: torch.Tensor
    behind: torch.Tensor | None


def make_prices(
    price: torch.Tensor, behind: torch.Tensor | None, core_of: torch.Tensor, activity: torch.Tensor
) -> GroupPrices:
    """State the prices of a network's groups.

    Parameters
    ----------
    price : (cores, links) tensor
        Of each link for the packets of each core, in sides of the grid.
    behind : (cores, links, cores) tensor or None
        As in `neuromod.chip.Links`; None if packets do not branch.
    core_of : (n,) int64 tensor
        Core of each neuron.
    activity : (n,) tensor
        Activity of each neuron, 1 on the average.
    """
    onto = torch.nn.functional.one_hot(core_of, len(price)).t().to(price.dtype)
    weight = price[core_of] * (activity / len(core_of))[:, None]
    return GroupPrices(onto, weight, None if behind is None else behind[core_of].to(price.dtype))


def cost(w_rec: torch.Tensor, prices: GroupPrices) -> torch.Tensor:
    """Return C, a scalar tensor, differentiable; the gradient of an empty group is zero."""
    power = (prices.onto @ w_rec.square()).t()
    if prices.behind is not None:
        power = torch.einsum("ilc,ic->il", prices.behind, power)
    some = power > 0
    norms = torch.where(some, power, torch.ones_like(power)).sqrt() * some
    return (norms * prices.weight).sum()


def prices_of_groups(w_rec: torch.Tensor, prices: GroupPrices) -> torch.Tensor:
    """Price of the norm of each group, (cores, n): the weights of a source, column, onto the neurons of a core, row."""
    if prices.behind is None:
        return prices.weight.t()
    power = (prices.onto @ w_rec.square()).t()
    carried = torch.einsum("ilc,ic->il", prices.behind, power)
    # A link that carries nothing would be opened, and paid in full, by any group behind it.
    some = carried[:, :, None] > 0
    share = torch.where(some, power[:, None, :] / torch.where(some, carried[:, :, None], 1.0), 1.0).sqrt()
    return torch.einsum("il,ilc->ci", prices.weight, prices.behind * share)
