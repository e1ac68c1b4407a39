"""Entries of multicast routers: how many each needs for the trees of a placement."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.hardware.grid import Grid
from neuromod.kernels import as_indices, compiled


def count_entries(reached: npt.NDArray[np.bool_] | sparse.csr_array, grid: Grid) -> npt.NDArray[np.int64]:
    """Entries that every router needs, (router rows, router columns), before any compression.

    All neurons of a core share one key, so that a core that sends has one tree. A router needs no entry for a packet
    that goes straight through: that is the default. It needs one where a packet sets out, turns, branches or ends.

    Parameters
    ----------
    reached : (cores, cores) bool, dense or sparse
        Whether any neuron of the first core has a target on the second.
    grid : Grid
        The cores and their routers.
    """
    at = grid.routers()
    router = at[:, 0] * grid.router_columns + at[:, 1]
    entries = np.zeros((grid.router_rows, grid.router_columns), np.int64)
    _count(*as_indices(*_compressed(reached)), router, entries)
    return entries


def _compressed(reached: npt.NDArray[np.bool_] | sparse.csr_array) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    rows = sparse.csr_array(reached)
    return rows.indptr, rows.indices


@compiled
def _count(begin, receivers, router, entries):  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, columns = entries.shape
    top = np.empty(columns, np.int64)
    bottom = np.empty(columns, np.int64)
    ends = np.zeros((rows, columns), np.bool_)
    for source in range(len(router)):
        row = router[source] // columns
        column = router[source] % columns
        left = column
        right = column
        sends = False
        top[:] = row
        bottom[:] = row
        for p in range(begin[source], begin[source + 1]):
            core = receivers[p]
            if core != source:
                sends = True
                r = router[core] // columns
                c = router[core] % columns
                ends[r, c] = True
                left = min(left, c)
                right = max(right, c)
                top[c] = min(top[c], r)
                bottom[c] = max(bottom[c], r)
        if not sends:
            continue
        for c in range(left, right + 1):
            on_trunk_end = not left < c < right
            branches = top[c] < row or bottom[c] > row
            if c == column or on_trunk_end or branches or ends[row, c]:
                entries[row, c] += 1
            for r in range(top[c], bottom[c] + 1):
                if r != row and (ends[r, c] or r == top[c] or r == bottom[c]):
                    entries[r, c] += 1
        for p in range(begin[source], begin[source + 1]):
            ends[router[receivers[p]] // columns, router[receivers[p]] % columns] = False
