"""Packets on their way: from which core to which, over which links, counted in full for one placement.

A packet goes along its row to the column of its destination and then along that column (XY routing). Cores of one
tile share a router, so that packets between them cross no link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.hardware.grid import Grid
from neuromod.hardware.sparse_packets import count_pairs, count_trees, pairs_of, route_pairs
from neuromod.kernels import as_indices, compiled
from neuromod.network import Network

# Cores up to which the packets between them are a table of all pairs; beyond, of the pairs that talk.
DENSE = 4_096

# First index of a table of link loads: where the link leads.
DIRECTIONS = ("east", "west", "south", "north")


@dataclass(frozen=True, eq=False)
class Traffic:
    """Traffic of one placement per time step.

    Parameters
    ----------
    packets : (cores, cores) float64
        Packets from core to core; the diagonal is zero. A sparse `csr_array` on more than 4,096 cores.
    hops : float
        Hops of all packets.
    links : (4, router rows, router columns) float64
        Packets over the link that leaves a router in each of `DIRECTIONS`.
    multicast_hops : float
        Links that packets cross if they branch on their way.
    multicast_links : (4, router rows, router columns) float64
        As `links`, with branching packets.
    destinations : (n,) int64
        Number of other cores to which each neuron sends.
    multicast_sent : (cores,) float64
        Packets that each core sends if they branch on their way: one for each spike that leaves it.
    """

    packets: Any
    hops: float
    links: npt.NDArray[np.float64]
    multicast_hops: float
    multicast_links: npt.NDArray[np.float64]
    destinations: npt.NDArray[np.int64]
    multicast_sent: npt.NDArray[np.float64]

    def pairs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Cores that talk: the sender, the receiver and the packets of each pair, row by row."""
        return pairs_of(self.packets)


def measure(network: Network, core_of: npt.NDArray[np.integer], grid: Grid, rates: npt.NDArray[np.floating]) -> Traffic:
    """Count the packets, hops and link loads of a placement.

    Parameters
    ----------
    network : Network
        The network; only its recurrent synapses matter.
    core_of : (n,) int
        Core of each neuron.
    grid : Grid
        The cores.
    rates : (n,) float, spikes per time step
        Activity of the neurons.

    Returns
    -------
    Traffic
        Means per time step.

    Raises
    ------
    UsageError
        If the placement or the rates are not for this network.
    """
    if len(core_of) != network.n or len(rates) != network.n:
        raise UsageError(
            f"the network has {network.n} neurons, the placement {len(core_of)} and the rates {len(rates)}"
        )
    by_source = network.w_rec.tocsc()
    given = by_source.indptr, by_source.indices, core_of, np.asarray(rates, np.float64), grid
    packets, destinations = tally(*given)
    multicast_links = tally_trees(*given)
    return Traffic(
        packets=packets,
        hops=_hops(packets, grid),
        links=route(packets, grid),
        multicast_hops=float(multicast_links.sum()),
        multicast_links=multicast_links,
        destinations=destinations,
        multicast_sent=np.bincount(core_of, weights=rates * (destinations > 0), minlength=grid.cores).astype(
            np.float64
        ),
    )


def _hops(packets: Any, grid: Grid) -> float:
    if isinstance(packets, np.ndarray):
        return float((packets * grid.distances()).sum())
    source, receiver, load = pairs_of(packets)
    return float(load @ grid.hops(source, receiver))


def tally(
    indptr: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    core_of: npt.NDArray[np.integer],
    rates: npt.NDArray[np.float64],
    grid: Grid,
) -> tuple[Any, npt.NDArray[np.int64]]:
    """Packets between cores as in `Traffic`, and the destinations of the neurons."""
    destinations = np.zeros(len(core_of), np.int64)
    # Copies, since kernels are compiled anew for arrays that are read-only.
    core_of, rates = core_of.astype(np.int32), rates.copy()
    sources = as_indices(indptr, targets)
    seen = np.full(grid.cores, -1)
    if grid.cores > DENSE:
        order = np.argsort(core_of, kind="stable")
        begin, receiver, load = count_pairs(*sources, core_of, rates, order, seen, destinations)
        return sparse.csr_array((load, receiver, begin), shape=(grid.cores, grid.cores)), destinations
    packets = np.zeros((grid.cores, grid.cores))
    _count(*sources, core_of, rates, seen, packets, destinations)
    return packets, destinations


def tally_trees(
    indptr: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    core_of: npt.NDArray[np.integer],
    rates: npt.NDArray[np.float64],
    grid: Grid,
) -> npt.NDArray[np.float64]:
    """Load of every link, as in `Traffic`, if one packet goes to all cores of a neuron and is copied on the way."""
    links = np.zeros((4, grid.router_rows, grid.router_columns))
    row_of, column_of = grid.routers().T.copy()
    count_trees(*as_indices(indptr, targets), core_of.astype(np.int32), rates.copy(), row_of, column_of, links)
    return links


def route(packets: Any, grid: Grid) -> npt.NDArray[np.float64]:
    """Load of every link if the packets between the cores go along the row first, then along the column.

    Parameters
    ----------
    packets : (cores, cores) float64
        Packets from core to core.
    grid : Grid
        The cores.

    Returns
    -------
    (4, router rows, router columns) float64
        Packets over the link that leaves a router in each of `DIRECTIONS`.
    """
    rows, columns = grid.router_rows, grid.router_columns
    at = grid.routers()
    if isinstance(packets, sparse.csr_array):
        source, receiver, load = pairs_of(packets)
        found: npt.NDArray[np.float64] = route_pairs(at[source], at[receiver], load, rows, columns)
        return found
    router = at[:, 0] * columns + at[:, 1]
    joined = np.zeros((rows * columns, rows * columns))
    np.add.at(joined, (router[:, None], router[None]), packets)
    every = joined.reshape(rows, columns, rows, columns)
    along_row = every.sum(axis=2)  # (row of the source, its column, column of the destination)
    along_column = every.sum(axis=1)  # (row of the source, row of the destination, column of the destination)
    links = np.zeros((4, rows, columns))
    for c in range(columns - 1):
        links[0, :, c] = along_row[:, : c + 1, c + 1 :].sum(axis=(1, 2))
        links[1, :, c + 1] = along_row[:, c + 1 :, : c + 1].sum(axis=(1, 2))
    for r in range(rows - 1):
        links[2, r] = along_column[: r + 1, r + 1 :].sum(axis=(0, 1))
        links[3, r + 1] = along_column[r + 1 :, : r + 1].sum(axis=(0, 1))
    return links


# Compiled for the first of all commands: arrays are made outside, where that takes no time.
@compiled
def _count(indptr, targets, core_of, rates, seen, packets, destinations):  # type: ignore[no-untyped-def]  # pragma: no cover
    for s in range(len(core_of)):
        home = core_of[s]
        seen[home] = s
        for p in range(indptr[s], indptr[s + 1]):
            core = core_of[targets[p]]
            if seen[core] != s:
                seen[core] = s
                destinations[s] += 1
                packets[home, core] += rates[s]


def link_loads(links: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """Loads of the links that exist, (links,): those that lead out of the grid of routers are left out."""
    return np.concatenate(
        [links[0, :, :-1].ravel(), links[1, :, 1:].ravel(), links[2, :-1].ravel(), links[3, 1:].ravel()]
    )
