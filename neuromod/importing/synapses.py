"""Edges as other tools list them, joined into one synapse for each pair of neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.errors import UsageError

Array = npt.NDArray[Any]

# How the weights of an edge that is given more than once may be joined, and how that is told.
DUPLICATES = {
    "sum": "their weights were added",
    "first": "the first weight of each was taken",
    "max": "the largest weight of each was taken",
    "refuse": "refused",
}


@dataclass(frozen=True)
class Synapse:
    """One connection, as a user can look it up in the file.

    Parameters
    ----------
    source, target : int
        Numbers of the neurons, as in `Network.neuron_ids`.
    weight : float
        Its weight in the network.
    source_name, target_name : str, optional
        What the file calls the neurons, if not by these numbers.
    """

    source: int
    target: int
    weight: float
    source_name: str | None = None
    target_name: str | None = None

    def __str__(self) -> str:
        ends = [
            f"neuron {number}" + (f" ({name})" if name is not None else "")
            for number, name in ((self.source, self.source_name), (self.target, self.target_name))
        ]
        return f"{ends[0]} → {ends[1]}, weight {self.weight:.6g}".replace("weight -", "weight −")


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges in the order of their file.

    Parameters
    ----------
    source, target : (m,) int
        Neurons, counted from 0.
    weight : (m,) float64
        Their weights.
    undirected : (m,) bool, optional
        Which go both ways; none if omitted.
    sign : {1, -1}
        Sign of the weight of an undirected edge on its way back.
    """

    source: Array
    target: Array
    weight: Array
    undirected: Array | None = None
    sign: int = 1


@dataclass(frozen=True, eq=False)
class Joined:
    """One synapse for each pair of neurons.

    Parameters
    ----------
    w_rec : (n, n) sparse array, float64
        Recurrent weights, row = target, column = source; zeros among them. In float32 where the file's are, and none is
        given more than once.
    repeated : int
        Edges that were given more than once.
    first : tuple of int, int and float, optional
        Source, target and weight of the first edge of the file that is a synapse.
    notes : tuple of str
        What was done, in sentences.
    """

    w_rec: sparse.coo_array | sparse.csr_array
    repeated: int
    first: tuple[int, int, float] | None
    notes: tuple[str, ...]


def join(edges: Edges, n: int, duplicates: str | None = None, names: Sequence[Any] | None = None) -> Joined:
    """Join edges into synapses.

    Parameters
    ----------
    edges : Edges
        The edges.
    n : int
        Number of neurons.
    duplicates : {'sum', 'first', 'max', 'refuse'}, optional
        What becomes of edges that are given more than once. Added if omitted, and undirected edges that are all listed
        both ways with equal weights are then taken once.
    names : sequence, optional
        What messages call the neurons; their numbers from 0 if omitted.

    Raises
    ------
    UsageError
        If the lengths differ, a number is not that of a neuron, weights are no real numbers, edges are given more than
        once although that is to be refused, or undirected edges that are listed both ways disagree.
    """
    _check(edges, n)
    if duplicates is not None and duplicates not in DUPLICATES:
        raise UsageError(f"`duplicates` must be one of {', '.join(DUPLICATES)}, found {duplicates}")
    if edges.undirected is None or not edges.undirected.any():
        directed, counted = _by_row(edges, n, duplicates, names)
        notes = _tell(counted, duplicates, int((directed.data == 0).sum()))
        return Joined(directed, int(counted[0]), _first_listed(edges, directed), tuple(notes))
    source, target = edges.source.astype(np.int64), edges.target.astype(np.int64)
    # Wide enough for synapses that are given more than once, whose weights add up.
    weight, order = edges.weight.astype(np.float64), np.arange(len(source))
    notes = []
    mirrored = 0
    both = edges.undirected
    low, high, places = np.minimum(source, target)[both], np.maximum(source, target)[both], order[both]
    turned = low != source[both]
    one = np.where(turned, edges.sign * weight[both], weight[both])
    if duplicates is None and _all_listed_both_ways(low, high, one, turned, names):
        mirrored = int(turned.sum())
        low, high, one, places = low[~turned], high[~turned], one[~turned], places[~turned]
        notes.append(
            "its undirected edges are all listed both ways, with equal weights: each pair was taken once; "
            '`duplicates="sum"` adds them'
        )
    low, high, one, places, counted = _reduced(low, high, one, places, n, duplicates, names)
    other = low != high
    ways = [(low, high, one, places), (high[other], low[other], edges.sign * one[other], places[other])]
    parts = [(source[~both], target[~both], weight[~both], order[~both]), *ways]
    source, target, weight, order = (np.concatenate(column) for column in zip(*parts, strict=True))
    source, target, weight, order, some = _reduced(source, target, weight, order, n, duplicates, names)
    counted = counted + some
    notes += _tell(counted, duplicates, int((weight == 0).sum()))
    index = np.int32 if n < 2**31 else np.int64
    w_rec = sparse.coo_array((weight, (target.astype(index), source.astype(index))), shape=(n, n))
    first = _first(edges, source, target, weight, order)
    return Joined(w_rec, int(counted[0]) + mirrored, first, tuple(notes))


def _tell(counted: Array, duplicates: str | None, empty: int) -> list[str]:
    """Say what became of edges that were given more than once, and of the `empty` weights that are zero."""
    repeated, extra, zeros = (int(number) for number in counted)
    notes = []
    if repeated:
        summed = duplicates in (None, "sum")
        none = f"{zeros:,} of the sums {'is' if zeros == 1 else 'are'} zero, no synapse" if zeros else "no sum is zero"
        sums = f"; {none}" if summed else ""
        notes.append(
            f"{_edges(repeated)} given more than once ({extra:,} {'line' if extra == 1 else 'lines'} too many): "
            f"{DUPLICATES[duplicates or 'sum']}{sums}" + ("; `duplicates` says otherwise" if duplicates is None else "")
        )
    empty -= zeros if repeated and duplicates in (None, "sum") else 0
    if empty > 0:
        notes.append(f"{empty:,} of the weights {'is' if empty == 1 else 'are'} zero: no synapse")
    return notes


def _by_row(
    edges: Edges, n: int, duplicates: str | None, names: Sequence[Any] | None
) -> tuple[sparse.csr_array, Array]:
    """Sort edges by target and source, and join equal ones; also how many were repeated, too many, joined to zero.

    Two counting sorts, by columns and then by rows, keep equal edges in the order of the file and take no more memory
    than twice the matrix, so that the edges of large files need not be held beside it.
    """
    index = np.int32 if n < 2**31 else np.int64
    weight = edges.weight if edges.weight.dtype == np.float32 else edges.weight.astype(np.float64)
    ends: Any = edges.target.astype(index, copy=False), edges.source.astype(index, copy=False)
    listed = sparse.coo_array((weight, ends), shape=(n, n))
    # Else SciPy would add up equal edges by itself.
    listed.has_canonical_format = True
    by_row = listed.tocsc().tocsr()
    by_row = sparse.csr_array((by_row.data, by_row.indices, by_row.indptr), shape=(n, n))
    by_row.has_sorted_indices = True
    if by_row.has_canonical_format:
        return by_row, np.zeros(3, int)
    size = by_row.nnz
    begins = np.ones(size, np.bool_)
    begins[1:] = by_row.indices[1:] != by_row.indices[:-1]
    begins[by_row.indptr[:-1][by_row.indptr[:-1] < size]] = True
    begin = np.flatnonzero(begins)
    again = np.diff(begin, append=size) > 1
    indices, indptr = by_row.indices[begin], np.searchsorted(begin, by_row.indptr).astype(by_row.indptr.dtype)
    if duplicates == "refuse":
        repeated = sparse.csr_array((again.astype(np.float32), indices, indptr), shape=(n, n))
        found = _first_listed(edges, repeated)
        assert found is not None
        ends_of_first = [names[end] if names else end for end in found[:2]]
        raise UsageError(_refusal(int(again.sum()), *ends_of_first))
    # Wide enough for weights that add up.
    wide = by_row.data.astype(np.float64)
    if duplicates == "first":
        joined = wide[begin]
    else:
        joined = (np.maximum if duplicates == "max" else np.add).reduceat(wide, begin)
    counted = np.array([again.sum(), size - len(begin), (again & (joined == 0)).sum()])
    return sparse.csr_array((joined, indices, indptr), shape=(n, n)), counted


def _first_listed(edges: Edges, w_rec: sparse.csr_array) -> tuple[int, int, float] | None:
    """Return the first edge of the file whose weight in `w_rec` is not zero."""
    if not w_rec.data.any():
        return None
    begin, size = 0, 64
    while begin < len(edges.source):
        part = slice(begin, begin + size)
        source, target = (np.asarray(side[part], np.int64) for side in (edges.source, edges.target))
        held = w_rec[target, source]
        weight = held.toarray() if sparse.issparse(held) else np.asarray(held)  # type: ignore[attr-defined]
        if weight.any():
            at = int(np.flatnonzero(weight)[0])
            return int(source[at]), int(target[at]), float(weight[at])
        begin, size = begin + size, min(2 * size, 2**20)
    return None


def _first(edges: Edges, source: Array, target: Array, weight: Array, order: Array) -> tuple[int, int, float] | None:
    """Return the first edge of the file that is a synapse, an undirected one in the order that the file has."""
    here = np.flatnonzero(weight)
    if not len(here):
        return None
    place = order[here].min()
    here = here[order[here] == place]
    as_listed = here[source[here] == edges.source[place]]
    at = as_listed[0] if len(as_listed) else here[0]
    return int(source[at]), int(target[at]), float(weight[at])


def _check(edges: Edges, n: int) -> None:
    source, target, weight = edges.source, edges.target, edges.weight
    if not (source.ndim == target.ndim == weight.ndim == 1 and len(source) == len(target) == len(weight)):
        raise UsageError(
            f"source, target and weight must be equally long, found {source.shape}, {target.shape} and {weight.shape}"
        )
    for name, numbers in (("source", source), ("target", target)):
        if len(numbers) and not np.issubdtype(numbers.dtype, np.integer):
            raise UsageError(f"{name} must hold whole numbers, found {numbers.dtype}")
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= n):
            wrong = numbers.min() if numbers.min() < 0 else numbers.max()
            raise UsageError(f"{name} holds the neuron {wrong}, but they are numbered from 0 to {n - 1}")
    if not (np.issubdtype(weight.dtype, np.number) or weight.dtype == bool) or np.iscomplexobj(weight):
        raise UsageError(f"weight must hold real numbers, found {weight.dtype}")


def _all_listed_both_ways(low: Array, high: Array, weight: Array, turned: Array, names: Sequence[Any] | None) -> bool:
    """Whether every pair is listed exactly once in each direction.

    Raises
    ------
    UsageError
        If so, but a pair with two weights.
    """
    other = low != high
    order = np.lexsort((turned[other], high[other], low[other]))
    a, b, w, back = (column[other][order] for column in (low, high, weight, turned))
    if not len(a) or len(a) % 2 or back[::2].any() or not back[1::2].all():
        return False
    if (a[::2] != a[1::2]).any() or (b[::2] != b[1::2]).any():
        return False
    if ((a[2::2] == a[:-2:2]) & (b[2::2] == b[:-2:2])).any():
        return False
    differ = np.flatnonzero(w[::2] != w[1::2])
    if len(differ):
        k = 2 * differ[0]
        one, two = (names[end] if names else end for end in (a[k], b[k]))
        raise UsageError(
            f"its undirected edges are all listed both ways, but the one between {one} and {two} with the weights "
            f"{w[k]:g} and {w[k + 1]:g}; `duplicates` as sum, first or max says which counts"
        )
    return True


def _reduced(
    source: Array,
    target: Array,
    weight: Array,
    order: Array,
    n: int,
    duplicates: str | None,
    names: Sequence[Any] | None,
) -> tuple[Array, Array, Array, Array, Array]:
    """Join equal edges, each at the place of its first; also how many were repeated, too many, and joined to zero."""
    by_place = np.argsort(order, kind="stable")
    source, target, weight, order = (column[by_place] for column in (source, target, weight, order))
    _, first, group, counts = np.unique(target * n + source, return_index=True, return_inverse=True, return_counts=True)
    again = counts > 1
    if not again.any():
        return source, target, weight, order, np.zeros(3, int)
    if duplicates == "refuse":
        at = first[again].min()
        raise UsageError(
            _refusal(int(again.sum()), *(names[end] if names else end for end in (source[at], target[at])))
        )
    if duplicates == "first":
        joined = weight[first]
    elif duplicates == "max":
        joined = np.full(len(first), -np.inf)
        np.maximum.at(joined, group, weight)
    else:
        joined = np.bincount(group, weights=weight, minlength=len(first))
    counted = np.array([again.sum(), len(source) - len(first), (again & (joined == 0)).sum()])
    kept = np.argsort(first)
    at = first[kept]
    return source[at], target[at], joined[kept], order[at], counted


def _edges(count: int) -> str:
    return f"{count:,} {'edge is' if count == 1 else 'edges are'}"


def _refusal(repeated: int, source: Any, target: Any) -> str:
    return (
        f"{_edges(repeated)} given more than once, the first from {source} to {target}, and "
        '`duplicates="refuse"` forbids that'
    )
