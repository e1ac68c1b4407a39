"""Pruning: how much of a network can go before its accuracy does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.metrics import TRIALS_BETWEEN, Agreement, agree, has_few_trials
from neuromod.metrics import accuracy as evaluation
from neuromod.network import Network
from neuromod.notebook import html_table
from neuromod.quantization import rounded
from neuromod.removal import cut, threshold_for
from neuromod.trials import Trials


@dataclass(frozen=True)
class Pruning:
    """A pruned network and what was done to it.

    Parameters
    ----------
    network : Network
        The network after pruning.
    threshold : float
        Weights of at most this magnitude were removed.
    accuracy_before, accuracy_after : float or None
        Mean accuracy over tasks, on trials that the threshold was not chosen on; None without tasks.
    accuracy_per_task : dict of str to float
        After pruning.
    synapses_before, synapses_after : int
        Recurrent synapses.
    neurons_before, neurons_after : int
        Neurons.
    sparsity : float
        Share of the n x n recurrent weights of the network before that are zero now.
    trials : int
        Trials behind each of the accuracies.
    weight_bits : int or None
        Bits to which the weights were rounded for `accuracy_after`; None if they were not.
    accuracy_unrounded : float or None
        Accuracy after pruning with the weights as they are.
    agreement : Agreement or None
        Of data with few trials: decisions equal to those before, on trials between these; else None.
    """

    network: Network
    threshold: float
    accuracy_before: float | None
    accuracy_after: float | None
    accuracy_per_task: dict[str, float]
    synapses_before: int
    synapses_after: int
    neurons_before: int
    neurons_after: int
    sparsity: float
    trials: int
    weight_bits: int | None = None
    accuracy_unrounded: float | None = None
    agreement: Agreement | None = None

    def _repr_html_(self) -> str:
        rows = [
            ("threshold", self.threshold),
            ("synapses", f"{self.synapses_before:,} → {self.synapses_after:,}"),
            ("neurons", f"{self.neurons_before:,} → {self.neurons_after:,}"),
            ("accuracy before", self.accuracy_before),
            ("accuracy after", self.accuracy_after),
        ]
        return html_table("Pruning", rows)


def prune(
    network: Network,
    *,
    threshold: float | None = None,
    keep: float | None = None,
    max_accuracy_drop: float = 0.01,
    trials_per_task: int = 200,
    seed: int = 0,
    weight_bits: int | None = None,
    on_try: Callable[[float, float], None] | None = None,
) -> Pruning:
    """Prune a network.

    Without `threshold` and `keep`, the largest threshold is chosen whose accuracy on one set of trials falls by at
    most half of `max_accuracy_drop`, and is then lowered until a second set of trials confirms the whole
    `max_accuracy_drop`. Of data, the first set are the training trials and the second those of the validation; where
    values are learned, R² stands for the accuracy. Where the validation has fewer than 100 trials, a loss of one
    percent does not show on them: at least 1 - `max_accuracy_drop` of the decisions on 500 trials between those of
    training and validation (see `trials.trials_between`) must then be those before pruning, too.

    Parameters
    ----------
    network : Network
        The network.
    threshold : float, optional
        Remove all weights, recurrent, input and readout, of at most this magnitude.
    keep : float, optional
        Keep this share (0 … 1) of the n x n recurrent weights, and the input and readout weights above the same
        magnitude.
    max_accuracy_drop : float
        Largest loss of mean accuracy.
    trials_per_task : int
        Trials of each task in each of the two sets.
    seed : int
        Seed of the trials.
    weight_bits : int, optional
        Bits of a weight on the chip: accuracies after pruning are those with rounded weights, and weights that become
        zero go, too. The weights that stay keep their values.
    on_try : callable, optional
        Called with each threshold tried and its accuracy on the first set.

    Returns
    -------
    Pruning
        The pruned network and a report.

    Raises
    ------
    UsageError
        If both `threshold` and `keep` are given, one is out of range, or a network without tasks is to be pruned by
        accuracy, or nothing would be left.

    Examples
    --------
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=[[0.5, 0.001], [0.2, 0]], w_in=np.eye(2), w_out=np.ones((1, 2)), bias=np.zeros(2),
    ...                        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> neuromod.prune(net, threshold=0.01).network.n_synapses
    2
    """
    if threshold is not None and keep is not None:
        raise UsageError("give threshold or keep, not both")
    if threshold is not None and not 0 <= threshold < np.inf:
        raise UsageError(f"threshold = {threshold:g} is out of range: needed 0 or more")
    if keep is not None and not 0 < keep <= 1:
        raise UsageError(f"keep = {keep:g} is out of range: needed more than 0 and at most 1")
    known = evaluation.skills_of(network)
    if not known and threshold is None and keep is None:
        raise UsageError("this network has no tasks to measure accuracy on, nor data; give threshold or keep")

    check: Any = None
    alike: _Alike | None = None
    before: evaluation.Evaluation | None = None
    if known:
        tune, check = (
            evaluation.trials_for(
                network, trials_per_task * len(known), seed=np.random.SeedSequence(seed, spawn_key=(k,)), split=split
            )
            for k, split in enumerate(("train", "validation"))
        )
        before = evaluate_rounded(network, check)
        alike = _Alike.of(network, seed) if has_few_trials(network) else None
    if keep is not None:
        threshold = threshold_for(network, round(keep * network.n**2))
    if threshold is not None:
        pruned = cut(network, threshold, weight_bits=weight_bits)
        after = evaluate_rounded(pruned, check, weight_bits) if known else None
    else:
        assert before is not None
        candidates = _candidates(network)
        allowed = evaluate_rounded(network, tune).accuracy - max_accuracy_drop / 2

        def fits(index: int) -> bool:
            try:
                pruned = cut(network, candidates[index], weight_bits=weight_bits)
                accuracy = evaluate_rounded(pruned, tune, weight_bits).accuracy
            except UsageError:
                return False
            if on_try:
                on_try(candidates[index], accuracy)
            if accuracy < allowed:
                return False
            return alike is None or alike.agreement(pruned, weight_bits).share >= 1 - max_accuracy_drop - 1e-9

        index = largest_that_fits(len(candidates), fits)
        while True:
            threshold = candidates[index]
            pruned = cut(network, threshold, weight_bits=weight_bits)
            after = evaluate_rounded(pruned, check, weight_bits)
            if index == 0 or before.accuracy - after.accuracy <= max_accuracy_drop:
                break
            index -= 1
    return Pruning(
        network=pruned,
        threshold=float(threshold),
        accuracy_before=before.accuracy if before else None,
        accuracy_after=after.accuracy if after else None,
        accuracy_per_task=after.accuracy_per_task if after else {},
        synapses_before=network.n_synapses,
        synapses_after=pruned.n_synapses,
        neurons_before=network.n,
        neurons_after=pruned.n,
        sparsity=1 - pruned.n_synapses / network.n**2,
        trials=check.inputs.shape[1] if known else 0,
        weight_bits=weight_bits,
        accuracy_unrounded=evaluate_rounded(pruned, check).accuracy if known else None,
        agreement=alike.agreement(pruned, weight_bits) if alike else None,
    )


@dataclass(frozen=True, eq=False)
class _Alike:
    """Trials between those of data with few, and what the network decides in them before it is pruned."""

    trials: Trials
    before: evaluation.Evaluation

    @classmethod
    def of(cls, network: Network, seed: int) -> _Alike:
        trials = evaluation.trials_for(
            network, TRIALS_BETWEEN, seed=np.random.SeedSequence(seed, spawn_key=(2,)), split="between"
        )
        return cls(trials, evaluate_rounded(network, trials))

    def agreement(self, pruned: Network, weight_bits: int | None) -> Agreement:
        found = evaluate_rounded(pruned, self.trials, weight_bits)
        return agree(self.before.decisions, found.decisions, self.before.trial_of_answer)


def evaluate_rounded(network: Network, trials: Any, weight_bits: int | None = None) -> evaluation.Evaluation:
    """Measure how many trials a network solves in float32, its weights rounded to so many bits if they are given."""
    network = network if weight_bits is None else rounded(network, weight_bits)
    return evaluation.evaluate(network, trials, runner=lambda x: network.run(x, dtype=np.float32)[0])


def _candidates(network: Network) -> list[float]:
    """Return rising thresholds: 0, then steps of a tenth of a decade up to the largest recurrent weight."""
    magnitudes = np.abs(network.w_rec.data)
    if not len(magnitudes):
        return [0.0]
    low, high = np.log10(max(magnitudes.min(), 1e-6)), np.log10(magnitudes.max())
    return [0.0, *np.logspace(low, high, max(2, round(10 * (high - low))), endpoint=False).tolist()]


def largest_that_fits(count: int, fits: Callable[[int], bool]) -> int:
    """Largest of the numbers 0 … `count` - 1 that fits, by bisection; 0 is taken to fit and is not tried."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low
