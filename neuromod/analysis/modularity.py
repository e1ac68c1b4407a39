"""Modules of the wiring: Q of a partition, the Louvain partition, small-worldness, each beside random networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csgraph

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Modularity:
    """Q of one partition of one network.

    Parameters
    ----------
    q : float
        Directed, weighted Q.
    communities : int
        Number of parts.
    null_mean, null_std : float
        Q of random networks of the same density and weights, their partition found in the same way.
    z : float or None
        How many standard deviations Q lies from that; None where it does not vary.
    nulls : int
        Number of random networks.
    """

    q: float
    communities: int
    null_mean: float
    null_std: float
    z: float | None
    nulls: int


@dataclass(frozen=True)
class SmallWorld:
    """Clustering coefficient C, characteristic path length L, and sigma = (C / C_null) / (L / L_null).

    All are of the largest component of the undirected, unweighted graph; Humphries and Gurney 2008,
    doi:10.1371/journal.pone.0002051.
    """

    clustering: float
    path_length: float
    clustering_null: float
    path_length_null: float
    sigma: float | None
    neurons: int


def graph(w_rec: Matrix, density: float) -> Matrix:
    """Absolute weights without self-connections, of all but the strongest `density` of the n (n-1) pairs set to zero.

    Q depends on density, and 10 % is what Achterberg et al. 2023, doi:10.1038/s42256-023-00748-9, take.
    """
    size = np.abs(w_rec.astype(np.float64))
    np.fill_diagonal(size, 0)
    most = round(density * len(size) * (len(size) - 1))
    strong = np.sort(size[size > 0])[::-1]
    if len(strong) > most:
        size[size < strong[max(most - 1, 0)]] = 0
    return size


def q(adjacency: Matrix, labels: Labels) -> float:
    r"""Q = (1/m) Σ_ij (A_ij - k_i k_j / m) δ(c_i, c_j), k_i what leaves i and k_j what enters j; 0 without edges.

    Leicht and Newman 2008, doi:10.1103/PhysRevLett.100.118703.
    """
    m = adjacency.sum()
    if m == 0:
        return 0.0
    member = np.eye(labels.max() + 1)[labels]
    inside = np.einsum("ic,ij,jc->", member, adjacency, member, optimize=True)
    expected = (adjacency.sum(axis=1) @ member) @ (adjacency.sum(axis=0) @ member) / m
    return float((inside - expected) / m)


def louvain(adjacency: Matrix, seed: int) -> Labels:
    """Partition by the method of Louvain (Blondel et al. 2008, doi:10.1088/1742-5468/2008/10/P10008)."""
    import networkx as nx

    parts = nx.community.louvain_communities(nx.from_numpy_array(adjacency, create_using=nx.DiGraph), seed=seed)
    labels = np.zeros(len(adjacency), np.int64)
    for number, part in enumerate(parts):
        labels[list(part)] = number
    return labels


def shuffled(adjacency: Matrix, rng: np.random.Generator) -> Matrix:
    """Return the same weights between other, random pairs of neurons."""
    n = len(adjacency)
    weights = adjacency[adjacency > 0]
    cells = rng.choice(n * (n - 1), size=len(weights), replace=False)
    rows, columns = np.divmod(cells, n - 1)
    result = np.zeros_like(adjacency)
    result[rows, columns + (columns >= rows)] = rng.permutation(weights)
    return result


def modularity(adjacency: Matrix, labels: Labels | None = None, *, nulls: int = 20, seed: int = 0) -> Modularity | None:
    """Q of a partition, or of the Louvain partition, beside random networks of the same density.

    Parameters
    ----------
    adjacency : (n, n) float64
        From `graph`.
    labels : (n,) int64, optional
        The partition; Louvain's, for the network and for each random one, if omitted.
    nulls : int
        Number of random networks.
    seed : int
        Seed of the random networks and of Louvain's method.

    Returns
    -------
    Modularity or None
        None for a network without edges.
    """
    if not adjacency.any():
        return None
    rng = np.random.default_rng(seed)
    given = labels
    labels = louvain(adjacency, seed) if given is None else given
    null = []
    for k in range(nulls):
        other = shuffled(adjacency, rng)
        null.append(q(other, louvain(other, seed + k) if given is None else given))
    mean, std, value = float(np.mean(null)), float(np.std(null)), q(adjacency, labels)
    z = (value - mean) / std if std > 1e-9 else None
    return Modularity(value, len(np.unique(labels)), mean, std, z, nulls)


def small_world(adjacency: Matrix, *, nulls: int = 20, seed: int = 0) -> SmallWorld | None:
    """Small-worldness beside random graphs with as many edges; None for a graph without triples to close."""
    there = (adjacency > 0) | (adjacency.T > 0)
    c, length, neurons = _clustering(there), *_paths(there)
    if neurons < 3:
        return None
    rng, n = np.random.default_rng(seed), len(there)
    upper = np.triu_indices(n, 1)
    count = int(there[upper].sum())
    null = []
    for _ in range(nulls):
        other = np.zeros((n, n), bool)
        chosen = rng.choice(len(upper[0]), size=count, replace=False)
        other[upper[0][chosen], upper[1][chosen]] = True
        other |= other.T
        null.append((_clustering(other), _paths(other)[0]))
    c_null, l_null = np.mean(null, axis=0).tolist()
    sigma = (c / c_null) / (length / l_null) if c_null > 0 and length > 0 and l_null > 0 else None
    return SmallWorld(c, length, c_null, l_null, sigma, neurons)


def _clustering(there: npt.NDArray[np.bool_]) -> float:
    """Mean local clustering coefficient of the largest component."""
    part = _largest(there)
    a = there[np.ix_(part, part)].astype(np.float64)
    degree = a.sum(axis=1)
    triangles = np.einsum("ij,ij->i", a @ a, a)
    pairs = degree * (degree - 1)
    return float(np.divide(triangles, pairs, out=np.zeros(len(a)), where=pairs > 0).mean())


def _paths(there: npt.NDArray[np.bool_]) -> tuple[float, int]:
    """Mean shortest path length of the largest component, and its size."""
    part = _largest(there)
    n = len(part)
    if n < 2:
        return 0.0, n
    steps = csgraph.shortest_path(there[np.ix_(part, part)], unweighted=True)
    return float(steps.sum() / (n * (n - 1))), n


def _largest(there: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    labels = csgraph.connected_components(there, directed=False)[1]
    return np.flatnonzero(labels == np.bincount(labels).argmax())
