"""What is lost when a group of neurons falls silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.metrics import accuracy as evaluation
from neuromod.network import Network


@dataclass(frozen=True)
class Lesion:
    """Accuracy without one cluster of neurons.

    Parameters
    ----------
    cluster, neurons : int
        Its number and size.
    accuracy : float
        Mean over tasks.
    accuracy_per_task : dict of str to float
        Of each task.
    control : float
        Mean accuracy without as many neurons drawn at random from all clusters.
    control_per_task : dict of str to float
        Of each task.
    """

    cluster: int
    neurons: int
    accuracy: float
    accuracy_per_task: dict[str, float]
    control: float
    control_per_task: dict[str, float]


@dataclass(frozen=True)
class Lesions:
    """Accuracy of the whole network, and without each of its clusters."""

    accuracy: float
    accuracy_per_task: dict[str, float]
    trials_per_task: int
    clusters: tuple[Lesion, ...]


def silence(network: Network, neurons: npt.NDArray[np.integer]) -> Network:
    """Return the network without these neurons: what they would have sent is missing."""
    return network.subset(np.setdiff1d(np.arange(network.n), neurons))


def lesion(
    network: Network,
    neurons: npt.NDArray[np.integer],
    labels: npt.NDArray[np.int64],
    *,
    trials_per_task: int = 100,
    seed: int = 0,
) -> Lesions:
    """Silence each cluster in turn.

    Parameters
    ----------
    network : Network
        With tasks.
    neurons : (m,) int
        The neurons that were clustered.
    labels : (m,) int64
        Their clusters.
    trials_per_task : int
        Trials behind each accuracy; all networks see the same.
    seed : int
        Seed of the trials and of the random groups.

    Returns
    -------
    Lesions
        A cluster that holds all neurons of the network is left out, since nothing would be left to measure.
    """
    trials = evaluation.trials_for(network, trials_per_task * len(evaluation.skills_of(network)), seed=seed)
    rng = np.random.default_rng(seed)

    def score(other: Network) -> evaluation.Evaluation:
        return evaluation.evaluate(other, trials, runner=lambda x: other.run(x, dtype=np.float32)[0])

    whole = score(network)
    found = []
    for cluster in range(int(labels.max()) + 1):
        group = neurons[labels == cluster]
        if len(group) == network.n:
            continue
        without = score(silence(network, group))
        control = score(silence(network, rng.choice(neurons, size=len(group), replace=False)))
        found.append(
            Lesion(
                cluster,
                len(group),
                without.accuracy,
                without.accuracy_per_task,
                control.accuracy,
                control.accuracy_per_task,
            )
        )
    return Lesions(whole.accuracy, whole.accuracy_per_task, trials_per_task, tuple(found))
