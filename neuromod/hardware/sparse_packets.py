"""Packets of large grids: only pairs of cores that talk are held, so that memory grows with cores and synapses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.hardware.grid import Grid, borders
from neuromod.kernels import compiled


def pairs_of(packets: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Sender, receiver and packets of each pair of cores that talk, of a table as in `Traffic`."""
    if isinstance(packets, sparse.csr_array):
        source = np.repeat(np.arange(packets.shape[0]), np.diff(packets.indptr))
        return source, packets.indices.astype(np.int64), packets.data
    source, receiver = np.nonzero(packets)
    return source, receiver, packets[source, receiver]


def hops_between_chips(links: npt.NDArray[np.float64], chip: Grid | None, tile: Grid) -> tuple[float, float, float]:
    """Hops along rows, along columns, and from chip to chip, out of the loads of the links.

    Parameters
    ----------
    links : (4, router rows, router columns) float64
        As in `Traffic`.
    chip, tile : Grid
        Cores of one chip, None for a single one, and of one router.
    """
    across, down = float(links[:2].sum()), float(links[2:].sum())
    if chip is None:
        return across, down, 0.0
    _, rows, columns = links.shape
    side, below = borders(columns, chip.columns, tile.columns), borders(rows, chip.rows, tile.rows)
    sideways = float(links[0, :, :-1][:, side].sum() + links[1, :, 1:][:, side].sum())
    updown = float(links[2, :-1][below].sum() + links[3, 1:][below].sum())
    return across - sideways, down - updown, sideways + updown


@compiled
def add_tree(  # type: ignore[no-untyped-def]  # pragma: no cover
    links, top, bottom, row, column, left, right, found, n_found, row_of, column_of, rate
):
    """Add a packet to the links of its tree: a trunk along the row of its source, in each column a branch each way."""
    for c in range(left, right + 1):
        top[c] = row
        bottom[c] = row
    for i in range(n_found):
        c = column_of[found[i]]
        top[c] = min(top[c], row_of[found[i]])
        bottom[c] = max(bottom[c], row_of[found[i]])
    for c in range(column, right):
        links[0, row, c] += rate
    for c in range(left, column):
        links[1, row, c + 1] += rate
    for c in range(left, right + 1):
        for r in range(row, bottom[c]):
            links[2, r, c] += rate
        for r in range(top[c], row):
            links[3, r + 1, c] += rate


@compiled
def count_trees(indptr, targets, core_of, rates, row_of, column_of, links):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add the tree of each neuron to `links`."""
    cores = len(row_of)
    seen = np.full(cores, -1, np.int64)
    found = np.empty(cores, np.int64)
    top = np.empty(links.shape[2], np.int64)
    bottom = np.empty(links.shape[2], np.int64)
    for s in range(len(core_of)):
        home = core_of[s]
        seen[home] = s
        n_found = 0
        left = column_of[home]
        right = left
        for p in range(indptr[s], indptr[s + 1]):
            core = core_of[targets[p]]
            if seen[core] != s:
                seen[core] = s
                found[n_found] = core
                n_found += 1
                left = min(left, column_of[core])
                right = max(right, column_of[core])
        add_tree(
            links, top, bottom, row_of[home], column_of[home], left, right, found, n_found, row_of, column_of, rates[s]
        )


@compiled
def count_pairs(indptr, targets, core_of, rates, order, seen, destinations):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count as `routing.tally`, core by core; return compressed rows: where each begins, receivers, packets."""
    cores = len(seen)
    known = np.full(cores, -1, np.int64)
    begin = np.zeros(cores + 1, np.int64)
    receiver = np.empty(1024, np.int64)
    load = np.empty(1024)
    used = 0
    last = np.int64(-1)
    for i in range(len(order)):
        s = order[i]
        home = core_of[s]
        if home != last:
            begin[last + 1 : home + 1] = used
            last = home
        seen[home] = s
        for p in range(indptr[s], indptr[s + 1]):
            core = core_of[targets[p]]
            if seen[core] == s:
                continue
            seen[core] = s
            destinations[s] += 1
            if known[core] < begin[home]:
                if used == len(receiver):
                    receiver = np.append(receiver, np.empty(used, np.int64))
                    load = np.append(load, np.empty(used))
                known[core] = used
                receiver[used] = core
                load[used] = 0.0
                used += 1
            load[known[core]] += rates[s]
    begin[last + 1 :] = used
    return begin, receiver[:used].copy(), load[:used].copy()


@compiled
def route_pairs(source, receiver, load, rows, columns):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Load of every link: each packet adds at the begin of its way and takes away behind its end."""
    links = np.zeros((4, rows, columns))
    for i in range(len(load)):
        r, c = source[i, 0], source[i, 1]
        to_r, to_c = receiver[i, 0], receiver[i, 1]
        if to_c > c:
            links[0, r, c] += load[i]
            links[0, r, to_c] -= load[i]
        elif to_c < c:
            links[1, r, to_c + 1] += load[i]
            if c + 1 < columns:
                links[1, r, c + 1] -= load[i]
        if to_r > r:
            links[2, r, to_c] += load[i]
            links[2, to_r, to_c] -= load[i]
        elif to_r < r:
            links[3, to_r + 1, to_c] += load[i]
            if r + 1 < rows:
                links[3, r + 1, to_c] -= load[i]
    for k in range(2):
        for r in range(rows):
            for c in range(1, columns):
                links[k, r, c] += links[k, r, c - 1]
    for k in range(2, 4):
        for r in range(1, rows):
            for c in range(columns):
                links[k, r, c] += links[k, r - 1, c]
    # What is added and taken away leaves crumbs.
    return np.where(links < 1e-9 * links.max(), 0.0, links)
