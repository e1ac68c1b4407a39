"""What a training step takes of data: the trials of its batch, drawn from the seed and the step alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from neuromod.training import model
from neuromod.training.on_data.scaling import Scaling, fit, standardised
from neuromod.training.settings import Settings
from neuromod.trials import Array, Trials


@dataclass(frozen=True, eq=False)
class Material:
    """Data made ready for a training.

    Parameters
    ----------
    data : Trials
        All of them, as they are.
    train : Trials
        The training trials, standardised.
    scaling : Scaling
        How.
    class_weights : (n_classes,) float64
        Weight of each class in the loss; ones unless ``data.balance`` asks for others.
    """

    data: Trials
    train: Trials
    scaling: Scaling
    class_weights: Array


@dataclass(frozen=True)
class PackedData(model.Packed):
    """Packed trials with where their answers are read.

    Parameters
    ----------
    inputs, targets, weights, sizes, previous, last, asked, order
        As in `model.Packed`; targets and weights have no meaning.
    reads : (k,) int64 tensor
        Rows at which the answer is read.
    answer : (k,) int64 tensor
        Which answer each of these rows belongs to: several to one where the mean readout counts.
    shares : (k,) float32 tensor
        Share of the row in its answer.
    wanted : (answers,) int64 or (answers, n_out) float32 tensor
        Classes or values.
    importance : (answers,) float32 tensor
        Weight of each answer in the loss; they sum to one.
    """

    reads: torch.Tensor
    answer: torch.Tensor
    shares: torch.Tensor
    wanted: torch.Tensor
    importance: torch.Tensor


def prepare(settings: Settings, data: Trials) -> Material:
    """Standardise the training trials and weigh their classes."""
    raw = data.part("train")
    scaling = fit(raw)
    weights = np.ones(data.n_classes)
    if settings.data.balance and not data.values:
        counts = np.bincount(raw.answers, minlength=data.n_classes)
        weights = len(raw.answers) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return Material(data, standardised(raw, scaling), scaling, weights)


def batches(settings: Settings, material: Material, first: int, device: torch.device) -> Iterator[model.Packed]:
    """Yield the trials of step `first` and of all that follow.

    The trials are shuffled anew each time that all were seen; those of a step depend on the seed and its number only.
    """
    from neuromod.training.checkpoints import TRIALS, seed_of

    n, size = material.train.n_trials, batch_size(settings, material.data)
    orders: dict[int, Array] = {}

    def trial_at(place: int) -> int:
        round_, rest = divmod(place, n)
        if round_ not in orders:
            orders.pop(round_ - 2, None)
            orders[round_] = np.random.default_rng(seed_of(settings, TRIALS, round_)).permutation(n)
        return int(orders[round_][rest])

    for step in range(first, settings.training.steps):
        index = np.array([trial_at(step * size + k) for k in range(size)])
        trials = material.train.take(index)
        if settings.data.input_noise > 0:
            trials = _noisy(trials, settings.data.input_noise, seed_of(settings, TRIALS, step + 2**40))
        yield pack(trials, material.class_weights, device=device)


def batch_size(settings: Settings, data: Trials) -> int:
    """Trials in a step: ``training.batch``, or all training trials if they are fewer."""
    return min(settings.training.batch, data.counts()["train"])


def _noisy(trials: Trials, sigma: float, seed: int) -> Trials:
    noise = np.random.default_rng(seed).normal(0, sigma, trials.inputs.shape)
    return replace(trials, inputs=(trials.inputs + noise * trials.mask[..., None]).astype(np.float32))


def pack(trials: Trials, class_weights: Array, *, device: torch.device) -> PackedData:
    """Sort trials by length, drop the steps after their ends, and note where their answers are read."""
    zeros = np.zeros(trials.mask.shape, np.int64)
    base = model.pack(trials.inputs, zeros, trials.mask, response_weight=1.0, device=device)
    ordered = trials.take(base.order)
    rows = np.full(ordered.mask.shape, -1)
    rows[ordered.mask] = np.arange(int(ordered.mask.sum()))
    reads = ordered.reads
    # Trial by trial, as `Trials.answers` is.
    trial, step = np.nonzero(reads.T)
    at = rows[step, trial]
    counts = reads.sum(axis=0)
    answer = np.arange(len(at)) if trials.readout == "every" else trial
    share = np.ones(len(at)) if trials.readout == "every" else 1 / counts[trial]
    wanted = ordered.answers
    weights = np.ones(len(wanted)) if trials.values else class_weights[wanted]
    if trials.readout == "every":
        # Every trial counts the same, however long it is.
        weights = weights / counts[trial]

    def tensor(array: Array, kind: torch.dtype) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=kind, device=device)

    return PackedData(
        **vars(base),
        reads=tensor(at, torch.int64),
        answer=tensor(answer, torch.int64),
        shares=tensor(share, torch.float32),
        wanted=tensor(wanted, torch.float32 if trials.values else torch.int64),
        importance=tensor(weights / weights.sum(), torch.float32),
    )


def answers_of(y: torch.Tensor, packed: PackedData) -> torch.Tensor:
    """Outputs from which the answers are read, (answers, n_out): single rows, or their mean."""
    rows = y[packed.reads] * packed.shares[:, None]
    found: torch.Tensor = y.new_zeros(len(packed.wanted), y.shape[1]).index_add(0, packed.answer, rows)
    return found


def loss_and_score(y: torch.Tensor, packed: PackedData, *, label_smoothing: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of the readouts of all rows, and the share of right answers, or R² of values, in this batch.

    Parameters
    ----------
    y : (rows, n_out) tensor
        Readout of every row.
    packed : PackedData
        The trials.
    label_smoothing : float
        Share of each class that is spread over all classes.

    Returns
    -------
    loss, score : scalar tensors
        Cross-entropy in nat, or the squared error in units of the variance, mean over outputs.
    """
    found = answers_of(y, packed)
    if packed.wanted.is_floating_point():
        loss = (((found - packed.wanted) ** 2).mean(dim=1) * packed.importance).sum()
        return loss, 1 - loss.detach()
    losses = functional.cross_entropy(found, packed.wanted, reduction="none", label_smoothing=label_smoothing)
    return (losses * packed.importance).sum(), (found.detach().argmax(dim=1) == packed.wanted).float().mean()
