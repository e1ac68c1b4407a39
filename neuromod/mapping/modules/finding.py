"""Modules of a network: communities that are far denser than what is between them.

Neurons move one by one to the community in which they gain most, then communities as one, then neurons again. What a
neuron gains is the weight of its synapses with a community less a density times its size: the constant Potts model,
which has no resolution limit, so that small modules stay apart in networks of any size.

References
----------
V. A. Traag, P. Van Dooren, Y. Nesterov, "Narrow scope for resolution-limit-free community detection", Physical Review
E 84:016114 (2011), 10.1103/PhysRevE.84.016114; the moves as in V. D. Blondel, J.-L. Guillaume, R. Lambiotte,
E. Lefebvre, Journal of Statistical Mechanics P10008 (2008), 10.1088/1742-5468/2008/10/P10008.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.kernels import as_indices, compiled
from neuromod.mapping.placers import clusters
from neuromod.mapping.problem import Problem

# Density that a community must have, relative to that of groups of at most so many neurons, which hold more than one
# module or less: between the densities of modules and of what is between them, which are far apart.
_DENSITY, _LARGEST = 0.25, 100
# Times that neurons move again after communities did; sweeps over all of them, and the share that ends these.
_ROUNDS, _SWEEPS, _FEW = 3, 30, 0.001


def find_modules(problem: Problem, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Find the module of each neuron.

    Parameters
    ----------
    problem : Problem
        The neurons, their synapses and rates.
    rng : Generator
        Order in which neurons move.

    Returns
    -------
    (n,) int64
        Number of the module of each neuron, from 0 on; a module may be larger than a core.
    """
    n = problem.n
    source, target = problem.between_neurons()
    # Silent neurons belong to modules too, only less.
    weights = problem.rates[source] + 1e-6
    one_way = sparse.csr_array((weights, (source, target)), shape=(n, n))
    graph = sparse.csr_array(one_way + one_way.T)
    density = _DENSITY * _density(problem, source, target, weights, rng)
    label = np.arange(n)
    for _ in range(_ROUNDS):
        label = _settle(graph, np.ones(n, np.int64), label, density, rng)
        while True:
            count = int(label.max()) + 1
            of_label = sparse.csr_array((np.ones(n), (np.arange(n), label)), shape=(n, count))
            coarse = sparse.csr_array(of_label.T @ graph @ of_label)
            sizes = np.bincount(label, minlength=count)
            merged = _settle(coarse, sizes, np.arange(count), density, rng)
            label = merged[label]
            if int(merged.max()) + 1 == count:
                break
    return label


def _density(
    problem: Problem,
    source: npt.NDArray[np.int64],
    target: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> float:
    """Weight for each pair of neurons of a group, in groups that are merged pair by pair."""
    for group in clusters.rounds(problem, rng, min(problem.capacity, _LARGEST)):
        last = group
    sizes = np.bincount(last)
    pairs = float((sizes * (sizes - 1.0)).sum()) / 2
    return float(weights[last[source] == last[target]].sum()) / max(pairs, 1.0)


def _settle(
    graph: sparse.csr_array,
    sizes: npt.NDArray[np.int64],
    label: npt.NDArray[np.int64],
    density: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    indptr, indices = as_indices(graph.indptr, graph.indices)
    label = label.copy()
    move_nodes(indptr, indices, graph.data, sizes, label, density, rng.permutation(len(sizes)), _SWEEPS, _FEW)
    return np.unique(label, return_inverse=True)[1].astype(np.int64)


@compiled
def move_nodes(  # type: ignore[no-untyped-def]  # pragma: no cover
    indptr, indices, weights, sizes, label, density, order, sweeps, few
):
    """Move each node to the community in which it gains most, in an order, until few move; changes `label`."""
    n = len(sizes)
    held = np.zeros(n, np.int64)
    for v in range(n):
        held[label[v]] += sizes[v]
    # Communities without a node.
    free = np.empty(n + 1, np.int64)
    n_free = 0
    for c in range(n):
        if held[c] == 0:
            free[n_free] = c
            n_free += 1
    to = np.zeros(n)
    touched = np.empty(n, np.int64)
    for _ in range(sweeps):
        moved = 0
        for v in order:
            old = label[v]
            count = 0
            for p in range(indptr[v], indptr[v + 1]):
                u = indices[p]
                if u == v:
                    continue
                c = label[u]
                if to[c] == 0.0:
                    touched[count] = c
                    count += 1
                to[c] += weights[p]
            held[old] -= sizes[v]
            best = old
            most = to[old] - density * sizes[v] * held[old]
            for k in range(count):
                c = touched[k]
                gain = to[c] - density * sizes[v] * held[c]
                if gain > most:
                    best, most = c, gain
                to[c] = 0.0
            if most < 0.0 and n_free > 0:
                # Alone it gains nothing and loses nothing.
                best = free[n_free - 1]
                n_free -= 1
            if best != old:
                moved += 1
                label[v] = best
                if held[old] == 0:
                    free[n_free] = old
                    n_free += 1
            held[best] += sizes[v]
        if moved <= few * n:
            break
