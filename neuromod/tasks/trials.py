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
    """

    inputs: Array
    targets: Array
    mask: Array
    task: Array
    names: tuple[str, ...]
    n_classes: int = 17

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
    def answers(self) -> Array:
        """Class wanted at each trial's last step, (trial,) int64."""
        answers: Array = self.targets[self.last_step, np.arange(self.n_trials)]
        return answers


def decisions(y: Array, trials: Trials) -> Array:
    """Class that a readout decides for in each trial: the largest output at the trial's last step.

    Parameters
    ----------
    y : (time, trial, n_out) float
        Readout of every step.
    trials : Trials
        The trials that were run.

    Returns
    -------
    (trial,) int64
        Decided classes; a trial is solved where they equal `trials.answers`.

    Raises
    ------
    UsageError
        If `y` does not have the trials' length and number.
    """
    y = np.asarray(y)
    if y.ndim != 3 or y.shape[:2] != trials.mask.shape:
        raise UsageError(f"the readout must have the shape {trials.mask.shape} + (n_out,), found {y.shape}")
    decided: Array = y[trials.last_step, np.arange(trials.n_trials)].argmax(axis=1).astype(np.int64)
    return decided
