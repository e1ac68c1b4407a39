"""`Trials`, a batch of trials as arrays, and the decision that a readout takes in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Trials:
    """A batch of trials, padded with zeros to the longest.

    Parameters
    ----------
    inputs : (time, trial, n_in) float32
        Fixation cue, two rings of 16 units, one rule unit per task of the collection.
    targets : (time, trial) int64
        Class wanted at each step: 0 = fixate, 1 + k = ring position k.
    mask : (time, trial) bool
        True up to the end of each trial.
    task : (trial,) int64
        Index into `names`.
    names : tuple of str
        The tasks that were asked for.
    n_classes : int
        Number of classes, 17 but for foreign tasks.
    readout : {"last", "every"}
        Where the answer is read: at the last step, or at every step of `read`.
    read : (time, trial) bool, optional
        The steps at which there is an answer to be read, for the readout ``every``.
    """

    inputs: Array
    targets: Array
    mask: Array
    task: Array
    names: tuple[str, ...]
    n_classes: int = 17
    readout: str = "last"
    read: Array | None = None

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.task)

    @property
    def last_step(self) -> Array:
        """Index of each trial's last step, (trial,) int64."""
        last: Array = self.mask.sum(axis=0) - 1
        return last

    @property
    def reads(self) -> Array:
        """Steps at which an answer is read, (time, trial) bool: one a trial for the readout ``last``."""
        if self.readout == "every" and self.read is not None:
            return self.read
        alone = np.zeros_like(self.mask)
        alone[self.last_step, np.arange(self.n_trials)] = True
        return alone

    @property
    def answers(self) -> Array:
        """Class wanted wherever one is read, trial by trial, (answer,) int64."""
        answers: Array = self.targets.T[self.reads.T]
        return answers

    @property
    def trial_of_answer(self) -> Array:
        """Trial that each of `answers` belongs to, (answer,) int64."""
        return np.repeat(np.arange(self.n_trials), self.reads.sum(axis=0))


def decisions(y: Array, trials: Trials) -> Array:
    """Class that a readout decides for: the largest output at each trial's last step, or at every step that is read.

    Parameters
    ----------
    y : (time, trial, n_out) float
        Readout of every step.
    trials : Trials
        The trials that were run.

    Returns
    -------
    (answer,) int64
        Decided classes, to be compared with `trials.answers`: one a trial for the readout ``last``.

    Raises
    ------
    UsageError
        If `y` does not have the trials' length and number.
    """
    y = np.asarray(y)
    if y.ndim != 3 or y.shape[:2] != trials.mask.shape:
        raise UsageError(f"the readout must have the shape {trials.mask.shape} + (n_out,), found {y.shape}")
    decided: Array = y.swapaxes(0, 1)[trials.reads.T].argmax(axis=1).astype(np.int64)
    return decided
