"""Where in the plane things happen: weights against distance, functional clusters in space, the Mantel test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.geometry import distances

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

# Cells are this close, in pitches, where neurons count as neighbours: above, below, left and right.
_NEIGHBOUR = 1.0 + 1e-6


@dataclass(frozen=True)
class Permutation:
    """A statistic beside its values when labels are dealt out anew among the same cells.

    Parameters
    ----------
    value : float
        The statistic.
    null_mean, null_std : float
        Of the permutations.
    z : float or None
        How many standard deviations the value lies from the mean; None where the permutations do not vary.
    p : float
        Share of permutations with a value as low, one-sided, the observed one among them.
    permutations : int
        How many.
    """

    value: float
    null_mean: float
    null_std: float
    z: float | None
    p: float
    permutations: int


@dataclass(frozen=True)
class WeightAtDistance:
    """Weights between neurons at one Manhattan distance.

    Parameters
    ----------
    distance : int
        In pitches, rounded.
    pairs, synapses : int
        Ordered pairs of neurons, and how many of them have a weight.
    mean : float
        Mean absolute weight over all pairs.
    median_of_synapses : float or None
        Median absolute weight over the synapses; None without any.
    """

    distance: int
    pairs: int
    synapses: int
    mean: float
    median_of_synapses: float | None


def weight_by_distance(w_rec: Matrix, positions: npt.NDArray[np.floating]) -> tuple[WeightAtDistance, ...]:
    """Weights for every distance that occurs; distance 0 are the self-connections.

    Parameters
    ----------
    w_rec : (n, n) float64
        Weights.
    positions : (n, 2) float
        In pitches.
    """
    size, at = np.abs(w_rec).ravel(), np.rint(distances(positions)).astype(np.int64).ravel()
    found = []
    for distance in np.unique(at).tolist():
        here = size[at == distance]
        there = here[here > 0]
        median = float(np.median(there)) if len(there) else None
        found.append(WeightAtDistance(distance, len(here), len(there), float(here.mean()), median))
    return tuple(found)


def far_to_near(table: tuple[WeightAtDistance, ...], far: int = 4) -> float | None:
    """Mean absolute weight of pairs at least `far` pitches apart over that of neighbours; None without either."""
    beyond = [row for row in table if row.distance >= far]
    near = next((row.mean for row in table if row.distance == 1), 0.0)
    pairs = sum(row.pairs for row in beyond)
    return sum(row.mean * row.pairs for row in beyond) / pairs / near if pairs and near > 0 else None


def within_cluster_distance(
    labels: Labels, positions: npt.NDArray[np.floating], *, permutations: int = 1000, seed: int = 0
) -> Permutation | None:
    """Mean Manhattan distance of two neurons of the same cluster; None where no cluster has two."""
    between = distances(positions)
    a, b = np.triu_indices(len(labels), 1)
    apart = between[a, b]

    def statistic(dealt: Labels) -> Matrix:
        same = dealt[:, a] == dealt[:, b]
        result: Matrix = (same @ apart) / same.sum(axis=1)
        return result

    if not (labels[a] == labels[b]).any():
        return None
    return _permute(statistic, labels, permutations, seed)


def within_cluster_squares(
    labels: Labels, positions: npt.NDArray[np.floating], *, permutations: int = 1000, seed: int = 0
) -> Permutation:
    """Sum of squared Euclidean distances of neurons from the centre of their cluster."""
    at = np.asarray(positions, np.float64)
    sizes = np.bincount(labels)

    def statistic(dealt: Labels) -> Matrix:
        result = np.full(len(dealt), (at**2).sum())
        for c in np.flatnonzero(sizes):
            result -= (((dealt == c) @ at) ** 2).sum(axis=1) / sizes[c]
        return result

    return _permute(statistic, labels, permutations, seed)


def isolated_ratio(
    labels: Labels, positions: npt.NDArray[np.floating], *, permutations: int = 1000, seed: int = 0
) -> Permutation:
    """Share of neurons none of whose four neighbours in the grid is of the same cluster."""
    n = len(labels)
    a, b = np.nonzero(np.triu(distances(positions) <= _NEIGHBOUR, 1))
    edges = np.arange(len(a))
    touches = sparse.csr_array(
        (np.ones(2 * len(a)), (np.concatenate([edges, edges]), np.concatenate([a, b]))), shape=(len(a), n)
    )

    def statistic(dealt: Labels) -> Matrix:
        company = (touches.T @ (dealt[:, a] == dealt[:, b]).T.astype(np.float64)).T
        result: Matrix = (company == 0).mean(axis=1)
        return result

    return _permute(statistic, labels, permutations, seed)


def isolated_by_index(labels: Labels, *, permutations: int = 1000, seed: int = 0) -> Permutation:
    """Share of neurons neither of whose neighbours in the order of the grid, row by row, is of the same cluster.

    It is our reading of what "Growing Brains" prints, whose values fit it; the paper gives no definition.

    Parameters
    ----------
    labels : (m,) int64
        Clusters of the active neurons, in the order of the grid.
    permutations, seed : int
        Number of shufflings, and their seed.
    """

    def statistic(dealt: Labels) -> Matrix:
        alone = np.ones(dealt.shape, bool)
        same = dealt[:, 1:] == dealt[:, :-1]
        alone[:, 1:] &= ~same
        alone[:, :-1] &= ~same
        result: Matrix = alone.mean(axis=1)
        return result

    return _permute(statistic, labels, permutations, seed)


def index_variance(labels: Labels, *, permutations: int = 1000, seed: int = 0) -> Permutation:
    """Sum over the clusters of the variance of the ranks of their neurons in the order of the grid.

    It is our reading of what "Growing Brains" prints, as `isolated_by_index`, whose arguments it takes.
    """
    rank = np.arange(len(labels), dtype=np.float64)
    sizes = np.bincount(labels)

    def statistic(dealt: Labels) -> Matrix:
        result = np.zeros(len(dealt))
        for c in np.flatnonzero(sizes):
            here = dealt == c
            result += here @ rank**2 / sizes[c] - (here @ rank / sizes[c]) ** 2
        return result

    return _permute(statistic, labels, permutations, seed)


def mantel(similarity: Matrix, distance: Matrix, *, permutations: int = 1000, seed: int = 0) -> Permutation | None:
    """Correlation of similarity with distance over all pairs, rows and columns permuted together.

    Mantel 1967, Cancer Research 27:209. Negative where near neurons do similar things.

    Parameters
    ----------
    similarity, distance : (n, n) float64
        Symmetric; their diagonals do not count.
    permutations, seed : int
        Number of shufflings, and their seed.

    Returns
    -------
    Permutation or None
        None where either does not vary.
    """
    n = len(similarity)
    a, b = np.triu_indices(n, 1)
    x, y = similarity[a, b], distance[a, b]
    if n < 4 or x.std() < 1e-12 or y.std() < 1e-12:
        return None
    x = (x - x.mean()) / x.std()
    shape = (y.mean(), y.std())

    def statistic(dealt: Labels) -> Matrix:
        null = np.array([x @ (distance[order[a], order[b]] - shape[0]) for order in dealt])
        result: Matrix = null / (len(x) * shape[1])
        return result

    return _permute(statistic, np.arange(n), permutations, seed)


def _permute(statistic: Callable[[Labels], Matrix], labels: Labels, permutations: int, seed: int) -> Permutation:
    """Evaluate on the labels and on permutations of them, some hundred at a time."""
    rng = np.random.default_rng(seed)
    observed = float(statistic(labels[None])[0])
    null = np.concatenate(
        [
            statistic(rng.permuted(np.tile(labels, (min(100, permutations - done), 1)), axis=1))
            for done in range(0, permutations, 100)
        ]
    )
    mean, std = float(null.mean()), float(null.std())
    # What differs by rounding only is equal.
    near = 1e-9 * max(1.0, abs(observed))
    return Permutation(
        value=observed,
        null_mean=mean,
        null_std=std,
        z=(observed - mean) / std if std > near else None,
        p=(1 + int((null <= observed + near).sum())) / (permutations + 1),
        permutations=permutations,
    )
