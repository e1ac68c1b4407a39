"""Pruning for a chip: a packet is saved only when the last synapse that it serves is gone, so groups go as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.hardware import Grid
from neuromod.mapping import Placement
from neuromod.metrics import TRIALS, TRIALS_SEED, accuracy, count_active_steps
from neuromod.network import Network
from neuromod.notebook import html_table
from neuromod.pruning.magnitude import evaluate_rounded, largest_that_fits
from neuromod.removal import cut

# Steps of the bisection: shares of the packet-hops that are tried.
_SHARES = 40

# Trials whose states are held at a time.
_BATCH = 64


@dataclass(frozen=True)
class PacketPruning:
    """A network without the packets that matter least, and what it cost.

    Parameters
    ----------
    network : Network
        The network after pruning.
    accuracy_before, accuracy_after : float
        Mean accuracy over tasks of the reference and of the network after pruning, on trials that the choice was not
        made on.
    accuracy_per_task : dict of str to float
        After pruning.
    hops_before, hops_after : float
        Packet-hops per time step on the given placement.
    groups_before, groups_after : int
        Pairs of a neuron and another core that holds targets of it.
    synapses_before, synapses_after : int
        Recurrent synapses.
    neurons_before, neurons_after : int
        Neurons.
    trials : int
        Trials behind each of the accuracies.
    accuracy_unrounded : float
        Accuracy after pruning with the weights as they are.
    """

    network: Network
    accuracy_before: float
    accuracy_after: float
    accuracy_per_task: dict[str, float]
    hops_before: float
    hops_after: float
    groups_before: int
    groups_after: int
    synapses_before: int
    synapses_after: int
    neurons_before: int
    neurons_after: int
    trials: int
    accuracy_unrounded: float

    def _repr_html_(self) -> str:
        rows = [
            ("packet-hops per step", f"{self.hops_before:,.1f} → {self.hops_after:,.1f}"),
            ("synapses", f"{self.synapses_before:,} → {self.synapses_after:,}"),
            ("neurons", f"{self.neurons_before:,} → {self.neurons_after:,}"),
            ("accuracy before", self.accuracy_before),
            ("accuracy after", self.accuracy_after),
        ]
        return html_table("Packets pruned", rows)


@dataclass(frozen=True)
class Groups:
    """The synapses that one packet serves, for every neuron and every other core with targets of it.

    Parameters
    ----------
    of_synapse : (synapses,) int64
        Group of each recurrent synapse, in the order of ``w_rec.tocoo()``; -1 where source and target share a core.
    hops : (groups,) float
        Packet-hops per time step that a group costs.
    damage : (groups,) float
        What a group tells its core: the root mean square of the neuron's state times the norm of the group's weights.
    """

    of_synapse: npt.NDArray[np.int64]
    hops: npt.NDArray[np.float64]
    damage: npt.NDArray[np.float64]


def groups_of(
    network: Network,
    core_of: npt.NDArray[np.integer],
    grid: Grid,
    *,
    rates: npt.NDArray[np.floating],
    sizes: npt.NDArray[np.float64],
) -> Groups:
    """Group the synapses of a placed network by the packet that serves them.

    Parameters
    ----------
    network : Network
        The network.
    core_of : (n,) int
        Core of each neuron.
    grid : Grid
        The cores.
    rates : (n,) float, spikes per time step
        Activity of the neurons.
    sizes : (n,) float
        Root mean square of each neuron's state.

    Returns
    -------
    Groups
        Numbered in the order of source neuron, then core.
    """
    synapses = network.w_rec.tocoo()
    source, aim = synapses.col, core_of[synapses.row]
    key = source.astype(np.int64) * grid.cores + aim
    remote = core_of[source] != aim
    keys, group = np.unique(key[remote], return_inverse=True)
    of_synapse = np.full(len(key), -1, np.int64)
    of_synapse[remote] = group
    squares = np.bincount(group, weights=synapses.data[remote].astype(np.float64) ** 2, minlength=len(keys))
    neuron, core = np.divmod(keys, grid.cores)
    return Groups(
        of_synapse=of_synapse,
        hops=rates[neuron] * grid.distances()[core_of[neuron], core],
        damage=sizes[neuron] * np.sqrt(squares),
    )


def prune_packets(
    network: Network,
    placement: Placement,
    *,
    reference: Network | None = None,
    max_accuracy_drop: float = 0.01,
    trials_per_task: int = 200,
    seed: int = 0,
    weight_bits: int | None = None,
    on_try: Callable[[float, float], None] | None = None,
) -> PacketPruning:
    """Take away the packets that tell their cores least for the hops that they cost.

    Groups of synapses, one for each neuron and other core, are ordered by `Groups.damage` over `Groups.hops`; those
    with the least go as long as the accuracy allows, and with them neurons that no longer matter. The choice is made on
    one set of trials and lowered until a second one confirms it. Place the network again afterwards.

    Parameters
    ----------
    network : Network
        A placed network with tasks.
    placement : Placement
        Where its neurons lie.
    reference : Network, optional
        Whose accuracy counts, as the network before any pruning; `network` itself if omitted.
    max_accuracy_drop : float
        Largest loss of mean accuracy against the reference.
    trials_per_task : int
        Trials of each task in each of the two sets.
    seed : int
        Seed of the trials.
    weight_bits : int, optional
        Bits of a weight on the chip: accuracies after pruning are those with rounded weights.
    on_try : callable, optional
        Called with each share of the hops tried and its accuracy.

    Returns
    -------
    PacketPruning
        The network and a report.

    Raises
    ------
    UsageError
        If the network has no tasks, or the placement is another's.

    Examples
    --------
    >>> import neuromod
    >>> net = neuromod.train(tasks="go,dlygo", neurons=16, steps=60)
    >>> placement = neuromod.place(net, cores=(2, 2))
    >>> done = neuromod.prune_packets(net, placement, max_accuracy_drop=0.05, trials_per_task=50)
    >>> done.hops_after <= done.hops_before
    True
    """
    known = accuracy.skills_of(network)
    if not known:
        raise UsageError("this network has no tasks to measure accuracy on, so its packets cannot be judged")
    if placement.network_sha256 != network.sha256():
        raise UsageError("the placement is that of another network; place this one first")
    reference = reference or network
    tune, check = (
        accuracy.trials_for(
            network, trials_per_task * len(known), seed=np.random.SeedSequence(seed, spawn_key=(2, k)), split=split
        )
        for k, split in enumerate(("train", "validation"))
    )
    groups = _measured(network, placement)
    order = np.argsort(groups.damage / np.maximum(groups.hops, np.finfo(float).tiny), kind="stable")
    saved = np.cumsum(groups.hops[order])
    total = float(saved[-1]) if len(saved) else 0.0

    def without(share: int) -> Network:
        gone = order[: int(np.searchsorted(saved, share / _SHARES * total, side="right"))] if share else order[:0]
        return _without(network, groups, gone)

    def fits(share: int) -> bool:
        try:
            found = evaluate_rounded(without(share), tune, weight_bits).accuracy
        except UsageError:
            return False
        if on_try:
            on_try(share / _SHARES, found)
        return found >= allowed

    allowed = evaluate_rounded(reference, tune).accuracy - max_accuracy_drop
    share = largest_that_fits(_SHARES + 1, fits) if total > 0 else 0
    before = evaluate_rounded(reference, check).accuracy
    while True:
        pruned = without(share)
        after = evaluate_rounded(pruned, check, weight_bits)
        if share == 0 or before - after.accuracy <= max_accuracy_drop:
            break
        share -= 1
    kept = placement.core_of[np.isin(network.neuron_ids, pruned.neuron_ids)]
    left = _measured(pruned, replace(placement, core_of=kept, network_sha256=pruned.sha256()))
    return PacketPruning(
        network=pruned,
        accuracy_before=before,
        accuracy_after=after.accuracy,
        accuracy_per_task=after.accuracy_per_task,
        hops_before=total,
        hops_after=float(left.hops.sum()),
        groups_before=len(groups.hops),
        groups_after=len(left.hops),
        synapses_before=network.n_synapses,
        synapses_after=pruned.n_synapses,
        neurons_before=network.n,
        neurons_after=pruned.n,
        trials=check.inputs.shape[1],
        accuracy_unrounded=after.accuracy if weight_bits is None else evaluate_rounded(pruned, check).accuracy,
    )


def _measured(network: Network, placement: Placement) -> Groups:
    """Groups with the activity and the states on task trials."""
    trials = accuracy.trials_for(network, TRIALS, seed=TRIALS_SEED, split="train")
    squares: npt.NDArray[np.float64] = np.zeros(network.n)
    for start in range(0, trials.n_trials, _BATCH):
        batch = slice(start, start + _BATCH)
        states = network.states(trials.inputs[:, batch])[trials.mask[:, batch]]
        squares += (states.astype(np.float64) ** 2).sum(axis=0)
    return groups_of(
        network,
        placement.core_of,
        placement.grid,
        rates=count_active_steps(network, trials).rates,
        sizes=np.sqrt(squares / trials.mask.sum()),
    )


def _without(network: Network, groups: Groups, gone: npt.NDArray[np.intp]) -> Network:
    """Return the network without some groups, and without the neurons that no longer matter then."""
    if not len(gone):
        return network
    synapses = network.w_rec.tocoo()
    dead = np.zeros(len(groups.hops) + 1, bool)
    dead[gone] = True
    # The last stands for -1, the synapses within cores.
    keep = ~dead[groups.of_synapse]
    w_rec = sparse.csr_array((synapses.data[keep], (synapses.row[keep], synapses.col[keep])), shape=network.w_rec.shape)
    return cut(replace(network, w_rec=w_rec), 0.0)
