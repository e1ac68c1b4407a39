"""Rent's rule: how the number of connections that leave a block grows with the neurons in it.

References
----------
B. S. Landman, R. L. Russo, "On a pin versus block relationship for partitions of logic graphs", IEEE Transactions on
Computers C-20(12):1469 (1971), 10.1109/T-C.1971.223159; for brains D. S. Bassett et al., PLOS Computational Biology
6(4):e1000748 (2010), 10.1371/journal.pcbi.1000748.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuromod.hardware import Grid, count_terminals
from neuromod.mapping import cut_plane, embed, make_problem
from neuromod.network import Network

# Blocks of fewer neurons are left out of the fit, and so are the cuts into fewer blocks, where Rent's rule bends down.
_LEAST_NEURONS, _LEAST_BLOCKS, _MOST_BLOCKS = 4, 4, 1_024


@dataclass(frozen=True)
class Rent:
    """Fit of Rent's rule, terminals = coefficient * neurons ** exponent.

    Parameters
    ----------
    exponent, coefficient : float
        The fit. A plane in which neighbours talk to neighbours has the exponent 0.5.
    neurons, terminals : tuple of float
        Mean of the blocks of each size that went into it.
    """

    exponent: float
    coefficient: float
    neurons: tuple[float, ...]
    terminals: tuple[float, ...]


def fit_rent(network: Network) -> Rent | None:
    """Fit Rent's rule to a network that is cut in halves along its coordinates, again and again.

    A terminal of a block is a source, within or without, whose synapses cross the block's border. A network without
    positions is cut along coordinates out of distances in its graph.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    Rent or None
        The fit; None for a network that is too small or whose blocks are not connected.
    """
    one = make_problem(network, np.ones(network.n), Grid(1, 1), network.n)
    at = one.positions if one.positions is not None else embed(one, np.random.default_rng(0))
    sizes, terminals = [], []
    blocks = _LEAST_BLOCKS
    while blocks <= _MOST_BLOCKS and network.n // blocks >= _LEAST_NEURONS:
        # As square as a power of two allows.
        rows = 1 << (blocks.bit_length() - 1) // 2
        grid = Grid(rows, blocks // rows)
        # Even shares: an empty block would have no terminals, and lower the mean.
        block_of = cut_plane(at, grid, grid)
        mean = float(count_terminals(one.indptr, one.targets, block_of, blocks).mean())
        if mean > 0:
            sizes.append(network.n / blocks)
            terminals.append(mean)
        blocks *= 2
    if len(sizes) < 2:
        return None
    exponent, logarithm = np.polyfit(np.log(sizes), np.log(terminals), 1)
    return Rent(float(exponent), float(np.exp(logarithm)), tuple(sizes), tuple(terminals))
