"""Groups of neurons that work for the same tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster import hierarchy, vq
from scipy.spatial.distance import pdist, squareform

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

METHODS = ("ward", "k-means")
MOST_CLUSTERS = 19
_RESTARTS = 20


@dataclass(frozen=True, eq=False)
class Clusters:
    """A partition of neurons by what they do.

    Parameters
    ----------
    labels : (n,) int64
        Cluster of each neuron, 0 … k-1, numbered by the task that the cluster prefers.
    k : int
        Number of clusters.
    method : str
        ``ward`` or ``k-means``.
    silhouette : float
        Mean silhouette of this partition, the highest of all that were tried.
    scores : dict of str to dict of int to float
        Silhouette for each method and k.
    """

    labels: Labels
    k: int
    method: str
    silhouette: float
    scores: dict[str, dict[int, float]]


def cluster(rows: Matrix, *, most: int = MOST_CLUSTERS, seed: int = 0) -> Clusters | None:
    """Cluster rows; method and number of clusters are those of the highest mean silhouette.

    Parameters
    ----------
    rows : (n, features) float64
        One row for each neuron, as from `variance.normalized`.
    most : int
        Largest number of clusters tried; the smallest is 2.
    seed : int
        Seed of k-means.

    Returns
    -------
    Clusters or None
        None for less than three rows or where all rows are equal.
    """
    n = len(rows)
    if n < 3 or np.ptp(rows, axis=0).max(initial=0) == 0:
        return None
    between = squareform(pdist(rows))
    tree = hierarchy.linkage(rows, method="ward")
    scores: dict[str, dict[int, float]] = {method: {} for method in METHODS}
    best: tuple[float, str, Labels] | None = None
    for k in range(2, min(most, n - 1) + 1):
        for method in METHODS:
            labels = _ward(tree, k) if method == "ward" else _k_means(rows, k, seed)
            if labels.max() < 1:
                continue
            score = float(silhouettes(between, labels).mean())
            scores[method][k] = score
            if best is None or score > best[0]:
                best = score, method, labels
    if best is None:
        return None
    score, method, labels = best
    labels = _by_preference(rows, labels)
    return Clusters(labels, int(labels.max()) + 1, method, score, scores)


def silhouettes(between: Matrix, labels: Labels) -> Matrix:
    """Silhouette of each item (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7); 0 for the only one of its cluster.

    Parameters
    ----------
    between : (n, n) float64
        Distances.
    labels : (n,) int64
        Clusters 0 … k-1, at least two, none empty.
    """
    member = np.eye(labels.max() + 1)[labels]
    sizes = member.sum(axis=0)
    sums = between @ member
    own = labels[:, None] == np.arange(len(sizes))
    inside = sums[own] / np.maximum(sizes[labels] - 1, 1)
    nearest = np.where(own, np.inf, sums / sizes).min(axis=1)
    larger = np.maximum(inside, nearest)
    result: Matrix = np.divide(nearest - inside, larger, out=np.zeros(len(labels)), where=larger > 0)
    result[sizes[labels] == 1] = 0
    return result


def _ward(tree: Matrix, k: int) -> Labels:
    return _dense(hierarchy.fcluster(tree, k, criterion="maxclust"))


def _k_means(rows: Matrix, k: int, seed: int) -> Labels:
    """Return the best of some runs of k-means from k-means++ starts."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
    best, least = np.zeros(len(rows), np.int64), np.inf
    for _ in range(_RESTARTS):
        centres, labels = vq.kmeans2(rows, k, iter=30, minit="++", missing="warn", seed=rng)
        cost = float(((rows - centres[labels]) ** 2).sum())
        if cost < least:
            best, least = _dense(labels), cost
    return best


def _dense(labels: npt.NDArray[np.integer]) -> Labels:
    result: Labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return result


def _by_preference(rows: Matrix, labels: Labels) -> Labels:
    """Renumber clusters by the feature in which their mean is largest."""
    means = np.stack([rows[labels == c].mean(axis=0) for c in range(labels.max() + 1)])
    order = np.lexsort((-means.max(axis=1), means.argmax(axis=1)))
    result: Labels = np.argsort(order)[labels].astype(np.int64)
    return result
