"""Measures of function and anatomy of a trained network: what grew where, beside what chance would make."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.analysis import clusters, importance, lesions, modularity, space, variance
from neuromod.analysis.clusters import Clusters
from neuromod.analysis.importance import Gap
from neuromod.analysis.lesions import Lesions
from neuromod.errors import UsageError
from neuromod.geometry import distances
from neuromod.metrics import skills_of, wiring
from neuromod.network import Network

SCHEMA = "neuromod/analysis/1"
FILE = "analysis.json"


@dataclass(frozen=True, eq=False)
class Analysis:
    """All measures of a network; what cannot be measured is None.

    Parameters
    ----------
    neurons, synapses : int
        Size of the network.
    tasks : tuple of str
        Its tasks, or the classes of its data; none if it does not name any.
    task_variance : (n, tasks) float64, or None
        See `variance.task_variance`; None without tasks.
    active : (m,) int64
        Neurons whose variance over tasks is above `variance.ACTIVE`; all of them without tasks.
    clusters : Clusters or None
        Functional clusters of the active neurons.
    importance : (k,) float64
        Importance of the neurons before pruning, falling.
    gap : Gap or None
        Its steepest fall.
    weight_by_distance : tuple of WeightAtDistance, or None
        Weights among active neurons; None without positions.
    far_to_near : float or None
        Mean weight at 4 pitches and more against that at 1.
    wiring : WiringLength or None
        Lengths of the synapses; None without positions.
    mean_weighted_length : float or None
        ``Σ |w| d / Σ |w|``, in pitches.
    isolated_ratio, within_cluster_distance, within_cluster_squares : Permutation or None
        Functional clusters in the plane beside shuffled labels.
    isolated_by_index, index_variance : Permutation or None
        The same clusters in the order of the grid, as the paper prints it.
    mantel : Permutation or None
        Correlation of functional similarity with distance.
    functional_modularity, louvain_modularity : Modularity or None
        Q of the functional and of the Louvain partition of the wiring among active neurons.
    small_world : SmallWorld or None
        Small-worldness of the same.
    lesions : Lesions or None
        Accuracy without each cluster.
    density : float
        Share of the pairs of neurons that the graph of the last three keeps at most.
    seed : int
        Seed of everything random.
    """

    neurons: int
    synapses: int
    tasks: tuple[str, ...]
    task_variance: npt.NDArray[np.float64] | None
    active: npt.NDArray[np.int64]
    clusters: Clusters | None
    importance: npt.NDArray[np.float64]
    gap: Gap | None
    weight_by_distance: tuple[space.WeightAtDistance, ...] | None
    far_to_near: float | None
    wiring: wiring.WiringLength | None
    mean_weighted_length: float | None
    isolated_ratio: space.Permutation | None
    within_cluster_distance: space.Permutation | None
    within_cluster_squares: space.Permutation | None
    isolated_by_index: space.Permutation | None
    index_variance: space.Permutation | None
    mantel: space.Permutation | None
    functional_modularity: modularity.Modularity | None
    louvain_modularity: modularity.Modularity | None
    small_world: modularity.SmallWorld | None
    lesions: Lesions | None
    density: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON holds it, arrays as lists."""
        content: dict[str, Any] = _plain(dataclasses.asdict(self))
        return {"schema": SCHEMA, **content}


def analyze(
    network: Network,
    *,
    before: Network | None = None,
    trials_per_task: int = 100,
    permutations: int = 1000,
    nulls: int = 50,
    density: float = 0.1,
    seed: int = 0,
    on_step: Callable[[str], None] | None = None,
) -> Analysis:
    """Measure a network.

    Parameters
    ----------
    network : Network
        The network, pruned or not.
    before : Network, optional
        The same before pruning, for the importance curve; `network` if omitted.
    trials_per_task : int
        Trials of each task for the variance and for the lesions.
    permutations : int
        Shufflings of labels, for z and p.
    nulls : int
        Random networks that Q and small-worldness are compared with.
    density : float
        Share (0 … 1) of the pairs of neurons, the strongest, on which Q and small-worldness are measured.
    seed : int
        Seed of the trials, shufflings and random networks.
    on_step : callable, optional
        Called with the name of each measure before it is made.

    Returns
    -------
    Analysis
        The measures.

    Raises
    ------
    UsageError
        If an argument is out of range, or no neuron is active in any task.

    Examples
    --------
    >>> import neuromod
    >>> net = neuromod.train(tasks="go,anti", neurons=16, steps=10)
    >>> found = neuromod.analyze(net, trials_per_task=10, permutations=100, nulls=2)
    >>> found.neurons
    16
    """
    for name, value, least in (
        ("permutations", permutations, 100),
        ("nulls", nulls, 2),
        ("trials_per_task", trials_per_task, 2),
    ):
        if value < least:
            raise UsageError(f"`{name}={value}` is out of range: needed at least {least}")
    if not 0 < density <= 1:
        raise UsageError(f"`density={density:g}` is out of range: needed more than 0 and at most 1")
    tell = on_step or (lambda name: None)
    tasks = skills_of(network)
    variances, found, damage = None, None, None
    active = np.arange(network.n)
    if tasks:
        tell("task variance")
        variances = variance.task_variance(network, trials_per_task=trials_per_task, seed=seed)
        active = np.flatnonzero(variance.active(variances))
        if not len(active):
            raise UsageError("no neuron's activity differs between trials of any task, so there is nothing to analyze")
        tell("clusters")
        found = clusters.cluster(variance.normalized(variances[active]), seed=seed)
    if found is not None:
        tell("lesions")
        damage = lesions.lesion(network, active, found.labels, trials_per_task=trials_per_task, seed=seed)
    tell("modularity")
    alive = network.subset(active)
    w = alive.w_rec.toarray().astype(np.float64)
    edges = modularity.graph(w, density)
    sorted_importance = np.sort(importance.importance(before or network))[::-1]
    result: dict[str, Any] = {
        "gap": importance.gap(sorted_importance),
        "functional_modularity": modularity.modularity(edges, found.labels, nulls=nulls, seed=seed) if found else None,
        "louvain_modularity": modularity.modularity(edges, nulls=nulls, seed=seed),
        "small_world": modularity.small_world(edges, nulls=nulls, seed=seed),
    }
    tell("space")
    result.update(_in_space(network, alive, w, found, variances, active, permutations, seed))
    return Analysis(
        neurons=network.n,
        synapses=network.n_synapses,
        tasks=tasks,
        task_variance=variances,
        active=active,
        clusters=found,
        importance=sorted_importance,
        lesions=damage,
        density=density,
        seed=seed,
        **result,
    )


def functional_clusters(network: Network, *, trials_per_task: int = 100, seed: int = 0) -> npt.NDArray[np.int64] | None:
    """Return the functional cluster of each neuron, (n,), as `analyze` finds them; -1 for those that are not active.

    None for a network without tasks, and where there are no clusters.
    """
    if not skills_of(network):
        return None
    variances = variance.task_variance(network, trials_per_task=trials_per_task, seed=seed)
    active = np.flatnonzero(variance.active(variances))
    found = clusters.cluster(variance.normalized(variances[active]), seed=seed)
    if found is None:
        return None
    labels = np.full(network.n, -1, np.int64)
    labels[active] = found.labels
    return labels


def _in_space(
    network: Network,
    alive: Network,
    w: npt.NDArray[np.float64],
    found: Clusters | None,
    variances: npt.NDArray[np.float64] | None,
    active: npt.NDArray[np.int64],
    permutations: int,
    seed: int,
) -> dict[str, Any]:
    """Measure all that needs positions, None for each without them."""
    at = alive.positions
    names = ("weight_by_distance", "far_to_near", "wiring", "mean_weighted_length", "isolated_ratio",
             "within_cluster_distance", "within_cluster_squares", "isolated_by_index", "index_variance",
             "mantel")  # fmt: skip
    result: dict[str, Any] = dict.fromkeys(names)
    if at is None:
        return result
    table = space.weight_by_distance(w, at)
    length = wiring.measure(network)
    weight = float(np.abs(network.w_rec.data.astype(np.float64)).sum())
    result.update(
        weight_by_distance=table,
        far_to_near=space.far_to_near(table),
        wiring=length,
        mean_weighted_length=length.weighted / weight if weight else None,
    )
    if found is not None:
        for name in ("isolated_ratio", "within_cluster_distance", "within_cluster_squares"):
            result[name] = getattr(space, name)(found.labels, at, permutations=permutations, seed=seed)
        row_by_row = np.lexsort(np.asarray(at).T)
        for name in ("isolated_by_index", "index_variance"):
            result[name] = getattr(space, name)(found.labels[row_by_row], permutations=permutations, seed=seed)
    if variances is not None and len(active) > 3:
        rows = variance.normalized(variances[active])
        rows = rows - rows.mean(axis=1, keepdims=True)
        size = np.linalg.norm(rows, axis=1)
        # With one task, or one that varies alike in all, a correlation of profiles means nothing.
        if (size > 1e-12).all():
            rows = rows / size[:, None]
            result["mantel"] = space.mantel(rows @ rows.T, distances(at), permutations=permutations, seed=seed)
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
