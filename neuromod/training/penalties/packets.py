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
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neuromod.hardware import Links


@dataclass(frozen=True, eq=False)
class Trees:
    """The trees of the packets of every neuron, by its own router and those of the cores.

    Links are numbered as in `neuromod.hardware.packet_costs.Links`. What lies behind them is never written down: sums
    over it are running sums away from the source, along the columns and then along its row.

    Parameters
    ----------
    rows, columns : int
        Routers down and across.
    router_of : (cores,) int64 tensor
        Router of each core, row by row.
    below, above : (n, rows, 1) float tensor
        1 where a row lies below, or above, that of the neuron's router.
    right, left : (n, columns) float tensor
        1 where a column lies right, or left, of that of the neuron's router.
    remote : (n, cores) float tensor
        1 where a core is another than the neuron's.
    """

    rows: int
    columns: int
    router_of: torch.Tensor
    below: torch.Tensor
    above: torch.Tensor
    right: torch.Tensor
    left: torch.Tensor
    remote: torch.Tensor

    def carried(self, onto: torch.Tensor) -> torch.Tensor:
        """Sum of what lies behind every link, (n, links), of what lies on every core, (n, cores)."""
        on = onto.new_zeros(len(onto), self.rows * self.columns).index_add(1, self.router_of, onto)
        on = on.reshape(-1, self.rows, self.columns)
        branches = _from_the_end(on * self.below, 1) * self.below + (on * self.above).cumsum(1) * self.above
        of_column = on.sum(1)
        trunk = _from_the_end(of_column * self.right, 1) * self.right + (of_column * self.left).cumsum(1) * self.left
        level = 1 - self.below - self.above
        into = (branches + level * trunk[:, None]).flatten(1)
        return torch.cat([into, (onto * self.remote).sum(1, keepdim=True)], 1)

    def along(self, links: torch.Tensor) -> torch.Tensor:
        """Sum over the links that lead to every core, (n, cores), of what every link has, (n, links)."""
        into = links[:, :-1].reshape(-1, self.rows, self.columns)
        branches = (into * self.below).cumsum(1) * self.below + _from_the_end(into * self.above, 1) * self.above
        own = (into * (1 - self.below - self.above)).sum(1)
        trunk = (own * self.right).cumsum(1) * self.right + _from_the_end(own * self.left, 1) * self.left
        reached = (branches + trunk[:, None]).flatten(1)[:, self.router_of]
        total: torch.Tensor = reached + links[:, -1:] * self.remote
        return total


def _from_the_end(values: torch.Tensor, axis: int) -> torch.Tensor:
    return values.flip(axis).cumsum(axis).flip(axis)


@dataclass(frozen=True, eq=False)
class GroupPrices:
    """What groups of recurrent weights cost.

    Parameters
    ----------
    onto : (cores, n) float tensor
        1 where a neuron lies on a core.
    weight : (n, links) float tensor
        Price of each link for the packets of each neuron, its activity included, over n.
    trees : Trees or None
        Where packets branch; None if there is one link for each destination core.
    """

    onto: torch.Tensor
    weight: torch.Tensor
    trees: Trees | None


def make_prices(links: Links, core_of: npt.NDArray[np.integer], activity: torch.Tensor) -> GroupPrices:
    """State the prices of a network's groups.

    Parameters
    ----------
    links : Links
        Of the cores.
    core_of : (n,) int
        Core of each neuron.
    activity : (n,) tensor
        Activity of each neuron, 1 on the average; prices have its type and device.
    """

    def tensor(values: npt.NDArray[Any]) -> torch.Tensor:
        return torch.as_tensor(values, dtype=activity.dtype, device=activity.device)

    core = torch.as_tensor(np.array(core_of), dtype=torch.int64, device=activity.device)
    onto = torch.nn.functional.one_hot(core, len(links.price)).t().to(activity.dtype)
    weight = tensor(links.price)[core] * (activity / len(core))[:, None]
    if not links.branching:
        return GroupPrices(onto, weight, None)
    grid, at = links.grid, links.grid.routers()
    row, column = at[core_of, :1], at[core_of, 1:]
    rows, columns = np.arange(grid.router_rows), np.arange(grid.router_columns)
    trees = Trees(
        rows=grid.router_rows,
        columns=grid.router_columns,
        router_of=torch.as_tensor(at[:, 0] * grid.router_columns + at[:, 1], device=activity.device),
        below=tensor(rows > row)[:, :, None],
        above=tensor(rows < row)[:, :, None],
        right=tensor(columns > column),
        left=tensor(columns < column),
        remote=1 - onto.t(),
    )
    return GroupPrices(onto, weight, trees)


def cost(w_rec: torch.Tensor, prices: GroupPrices) -> torch.Tensor:
    """Return C, a scalar tensor, differentiable; the gradient of an empty group is zero."""
    power = (prices.onto @ w_rec.square()).t()
    if prices.trees is not None:
        power = prices.trees.carried(power)
    some = power > 0
    norms = torch.where(some, power, torch.ones_like(power)).sqrt() * some
    return (norms * prices.weight).sum()


def prices_of_groups(w_rec: torch.Tensor, prices: GroupPrices) -> torch.Tensor:
    """Price of the norm of each group, (cores, n): the weights of a source, column, onto the neurons of a core, row."""
    if prices.trees is None:
        return prices.weight.t()
    power = (prices.onto @ w_rec.square()).t()
    carried = prices.trees.carried(power)
    some = carried > 0
    shared = torch.where(some, prices.weight / torch.where(some, carried, 1.0).sqrt(), 0.0)
    # A link that carries nothing would be opened, and paid in full, by any group behind it.
    opened = torch.where(some, 0.0, prices.weight)
    return (power.sqrt() * prices.trees.along(shared) + prices.trees.along(opened)).t()
