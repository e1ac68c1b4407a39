"""`Trials`, a batch of trials as arrays, and the answer that a readout gives in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.trials import checks as trial_arrays
from neuromod.trials.checks import READOUTS, SPLITS

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Trials:
    """A batch of trials, padded with zeros to the longest.

    Parameters
    ----------
    inputs : (time, trial, n_in) float32
        Inputs; of tasks: fixation cue, two rings of 16 units, one rule unit per task of the collection.
    targets : (time, trial) int64 or (time, trial, n_out) float32
        Class wanted at each step (of tasks: 0 = fixate, 1 + k = ring position k), or the values wanted.
    mask : (time, trial) bool
        True up to the end of each trial.
    task : (trial,) int64
        Index into `names`.
    names : tuple of str
        The tasks that were asked for, or the name of the data.
    n_classes : int
        Number of readouts: of classes, 17 but for foreign tasks and data, or of values.
    readout : {"last", "mean", "every"}
        Where the answer is read: at the last step, as the mean readout over steps, or at every step.
    read : (time, trial) bool, optional
        The steps that `readout` is about; all of `mask` if omitted.
    split : (trial,) int8, optional
        Index into ``("train", "validation", "test")``, for data.
    class_names, channel_names : tuple of str
        Names of the classes and of the inputs, for data.
    dt_ms : float, optional
        Time step in ms, where the data say it.
    source : mapping
        Of data: ``name``, ``sha256`` and how the file was read, JSON only.
    """

    inputs: Array
    targets: Array
    mask: Array
    task: Array
    names: tuple[str, ...]
    n_classes: int = 17
    readout: str = "last"
    read: Array | None = None
    split: Array | None = None
    class_names: tuple[str, ...] = ()
    channel_names: tuple[str, ...] = ()
    dt_ms: float | None = None
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.readout not in READOUTS:
            raise UsageError(f"readout must be one of {', '.join(READOUTS)}, found {self.readout!r}")

    @classmethod
    def from_arrays(
        cls,
        inputs: Any,
        targets: Any,
        *,
        lengths: Any = None,
        mask: Any = None,
        split: Any = None,
        class_names: Sequence[str] | None = None,
        channel_names: Sequence[str] | None = None,
        dt_ms: float | None = None,
        readout: str | None = None,
        name: str = "data",
        source: Mapping[str, Any] | None = None,
        split_seed: int = 0,
        constant_channels: bool = False,
    ) -> Trials:
        """Make trials of a user's own data.

        Parameters
        ----------
        inputs : (trial, time, channel) array
            Float, or int counts.
        targets : array
            Int (trial,): a class; int (trial, time): a class at every step; float (trial, n_out) or
            (trial, time, n_out): values.
        lengths : (trial,) int, optional
            Steps of each trial, where they differ.
        mask : (trial, time) bool, optional
            Steps at which the answer counts; all of a trial if omitted.
        split : (trial,) of str, optional
            ``train``, ``validation`` or ``test``. What is missing is held out, a fifth of the trials of each class.
        class_names, channel_names : sequence of str, optional
            Names of the classes 0, 1, … and of the channels.
        dt_ms : float, optional
            Time step in ms.
        readout : {"last", "mean", "every"}, optional
            Where the answer is read. If omitted: at every step where targets differ from step to step, else as the mean
            over steps.
        name : str
            Name of the data.
        source : mapping, optional
            Where they come from; the SHA-256 of the arrays if omitted.
        split_seed : int
            Seed of what is held out.
        constant_channels : bool
            Whether a channel may be the same in all training trials, as a unit that never spikes is.

        Returns
        -------
        Trials
            With ``split``.

        Raises
        ------
        UsageError
            If an array has another shape or type, holds NaN, or nothing can be learned from it.

        Examples
        --------
        >>> import numpy as np
        >>> import neuromod
        >>> rng = np.random.default_rng(0)
        >>> label = np.arange(20) % 2
        >>> trials = neuromod.Trials.from_arrays(rng.normal(size=(20, 15, 3)) + label[:, None, None], label)
        >>> trials.counts()
        {'train': 12, 'validation': 4, 'test': 4}
        """
        x, ends = trial_arrays.checked_inputs(inputs, lengths)
        n, steps, n_in = x.shape
        valid = np.arange(steps) < ends[:, None]
        wanted, classes = trial_arrays.checked_targets(targets, valid, class_names)
        read = trial_arrays.checked_mask(mask, valid)
        per_step = np.ndim(targets) == (2 if classes else 3) and np.shape(targets)[1] == steps
        if readout is None:
            readout = "every" if per_step else "mean"
        if dt_ms is not None and not (np.ndim(dt_ms) == 0 and 0 < float(dt_ms) < 1e6):
            raise UsageError(f"dt_ms must be a number of milliseconds above 0, found {dt_ms}")
        channels = trial_arrays.checked_names("channel_names", channel_names, n_in)
        label = wanted[np.arange(n), ends - 1] if classes else np.zeros(n, np.int64)
        known = None if split is None else trial_arrays.checked_split(split, n)
        parts = trial_arrays.complete_split(known, label, seed=split_seed)
        train = parts == 0
        trial_arrays.check_training(
            x[train], valid[train], wanted[train], read[train], channels, constant_channels=constant_channels
        )
        return cls(
            inputs=np.ascontiguousarray(x.swapaxes(0, 1)),
            targets=np.ascontiguousarray(wanted.swapaxes(0, 1)),
            mask=np.ascontiguousarray(valid.T),
            task=np.zeros(n, np.int64),
            names=(name,),
            n_classes=len(classes) if classes else wanted.shape[2],
            readout=readout,
            read=np.ascontiguousarray(read.T),
            split=parts,
            class_names=classes,
            channel_names=channels,
            dt_ms=None if dt_ms is None else float(dt_ms),
            source={
                "name": name,
                "sha256": trial_arrays.digest(x, wanted, valid, read),
                "counts": bool(np.asarray(inputs).dtype.kind in "iub"),
                "split_given": [] if known is None else [s for k, s in enumerate(SPLITS) if (known == k).any()],
                **(source or {}),
            },
        )

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.task)

    @property
    def values(self) -> bool:
        """Whether values are wanted, not classes."""
        return self.targets.ndim == 3

    @property
    def last_step(self) -> Array:
        """Index of each trial's last step, (trial,) int64."""
        last: Array = self.mask.sum(axis=0) - 1
        return last

    @property
    def reads(self) -> Array:
        """Steps at which the answer is read, (time, trial) bool: one a trial for the readout ``last``."""
        read = self.mask if self.read is None else self.read
        if self.readout != "last":
            return read
        alone = np.zeros_like(read)
        alone[len(read) - 1 - read[::-1].argmax(axis=0), np.arange(self.n_trials)] = True
        return alone

    @property
    def answers(self) -> Array:
        """What is wanted: class (answer,) int64 or values (answer, n_out), of each trial, or of each step read."""
        reads = self.reads
        if self.readout == "every":
            wanted: Array = self.targets.swapaxes(0, 1)[reads.T]
            return wanted
        last = len(reads) - 1 - reads[::-1].argmax(axis=0)
        if self.values and self.readout == "mean":
            weight = reads / reads.sum(axis=0)
            return np.asarray((self.targets * weight[..., None]).sum(axis=0))
        answers: Array = self.targets[last, np.arange(self.n_trials)]
        return answers

    @property
    def trial_of_answer(self) -> Array:
        """Trial that each of `answers` belongs to, (answer,) int64."""
        trial = np.arange(self.n_trials)
        return np.repeat(trial, self.reads.sum(axis=0)) if self.readout == "every" else trial

    def take(self, index: Array) -> Trials:
        """Return the trials `index`, (k,) int, in that order, padded to the longest of them."""
        index = np.asarray(index)
        steps = int(self.mask[:, index].sum(axis=0).max(initial=1))
        return replace(
            self,
            inputs=self.inputs[:steps, index],
            targets=self.targets[:steps, index],
            mask=self.mask[:steps, index],
            task=self.task[index],
            read=None if self.read is None else self.read[:steps, index],
            split=None if self.split is None else self.split[index],
        )

    def part(self, split: str) -> Trials:
        """Return the trials of one split, ``train``, ``validation`` or ``test``; ``seen`` are all but the last."""
        if split not in (*SPLITS, "seen") or self.split is None:
            raise UsageError(f"there is no split {split!r}; needed {', '.join(SPLITS)}, of data")
        if split == "seen":
            return self.take(np.flatnonzero(self.split != SPLITS.index("test")))
        return self.take(np.flatnonzero(self.split == SPLITS.index(split)))

    def counts(self) -> dict[str, int]:
        """Number of trials of each split."""
        parts = np.zeros(0) if self.split is None else self.split
        return {name: int((parts == k).sum()) for k, name in enumerate(SPLITS)}


def decisions(y: Array, trials: Trials) -> Array:
    """Read the answers from a readout: the class of the largest output, or the values.

    Parameters
    ----------
    y : (time, trial, n_out) float
        Readout of every step.
    trials : Trials
        The trials that were run; they say where the answer is read.

    Returns
    -------
    (answer,) int64 or (answer, n_out) float
        What is to be compared with `trials.answers`: one answer a trial, or one a step for the readout ``every``.

    Raises
    ------
    UsageError
        If `y` does not have the trials' length and number.
    """
    y = np.asarray(y)
    if y.ndim != 3 or y.shape[:2] != trials.mask.shape:
        raise UsageError(f"the readout must have the shape {trials.mask.shape} + (n_out,), found {y.shape}")
    found = outputs(y, trials)
    if trials.values:
        return found
    decided: Array = found.argmax(axis=1).astype(np.int64)
    return decided


def outputs(y: Array, trials: Trials) -> Array:
    """Return the outputs from which `decisions` are read, (answer, n_out) float: at a step, or their mean over steps.

    Parameters
    ----------
    y : (time, trial, n_out) float
        Readout of every step.
    trials : Trials
        The trials that were run.
    """
    reads = trials.reads
    if trials.readout == "every":
        return np.asarray(y.swapaxes(0, 1)[reads.T])
    if trials.readout == "last":
        return np.asarray(y[len(reads) - 1 - reads[::-1].argmax(axis=0), np.arange(trials.n_trials)])
    weight = (reads / reads.sum(axis=0)).astype(y.dtype)
    # What is not read may be anything, infinite among it.
    return np.asarray(np.einsum("tb,tbk->bk", weight, np.where(reads[..., None], y, 0)))
