"""What happens in each trial as numbers (`Design`), and the tensors that follow from it (`render`).

Drawing and rendering are separate, so that trials recorded elsewhere can be rendered and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from neuromod.tasks.trials import Array, Trials

RING = 16
N_CHANNELS = 1 + 2 * RING
N_CLASSES = 1 + RING

# Every family is a sequence of these, some of them of no length.
PERIODS = ("fixation", "stimulus 1", "delay", "stimulus 2", "decision")
FIXATION, STIMULUS_1, DELAY, STIMULUS_2, DECISION = range(len(PERIODS))
_AFTER_END = len(PERIODS)

THETA = 2 * np.pi * np.arange(RING) / RING


@dataclass(frozen=True, eq=False)
class Design:
    """Parameters of `n` trials; everything about them but the noise.

    Parameters
    ----------
    task : (n,) int64
        Index of the trial's task in the tasks asked for.
    rule : (n,) int64
        Index of the rule unit that is on.
    steps : (n, 5) int64
        Length of each of `PERIODS` in time steps.
    cue : (n, 5) bool
        Periods in which the fixation cue is on.
    bump_period, bump_ring : (n, 4) int64
        Period and ring (0 or 1) in which up to four bumps are shown.
    bump_angle : (n, 4) float64, rad
        Where on the ring they peak.
    bump_strength : (n, 4) float64
        Their strengths; 0 = no bump.
    noisy : (n, 3) bool
        Whether the fixation channel and each ring are noisy during the stimulus periods.
    response : (n,) int64
        Ring position to answer with in the decision period; -1 = keep fixating.
    """

    task: Array
    rule: Array
    steps: Array
    cue: Array
    bump_period: Array
    bump_ring: Array
    bump_angle: Array
    bump_strength: Array
    noisy: Array
    response: Array

    def __len__(self) -> int:
        return len(self.task)

    def take(self, rows: Array) -> Design:
        """Design of the trials `rows`, (m,) int, in that order."""
        return replace(self, **{item.name: getattr(self, item.name)[rows] for item in fields(self)})


def concatenate(parts: Sequence[Design]) -> Design:
    """Join designs, one after the other."""
    return Design(
        **{item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Design)}
    )


def bump(angle: Array, strength: Array) -> Array:
    """Gaussian bumps on the ring, 0.8 s exp(-d²/2) with d the circular distance in ring steps (π/8 rad).

    Parameters
    ----------
    angle : (...) float64, rad
        Where they peak.
    strength : (...) float64
        Factor s.

    Returns
    -------
    (..., 16) float64
        Activity of the ring's units.
    """
    apart = np.abs(np.asarray(angle)[..., None] - THETA)
    distance = np.minimum(apart, 2 * np.pi - apart) / (np.pi / 8)
    activity: Array = 0.8 * np.exp(-(distance**2) / 2) * np.asarray(strength)[..., None]
    return activity


def render(
    design: Design,
    names: tuple[str, ...],
    *,
    n_rules: int,
    dt_ms: float,
    rng: np.random.Generator | None = None,
) -> Trials:
    """Make the tensors of trials.

    Parameters
    ----------
    design : Design
        What happens in each trial.
    names : tuple of str
        Tasks that `design.task` counts.
    n_rules : int
        Number of rule units.
    dt_ms : float
        Time step; the noise per step is N(0, 1 / dt_ms), i.e. 0.1 wide at 100 ms.
    rng : numpy.random.Generator, optional
        Source of the noise; without noise if omitted.

    Returns
    -------
    Trials
        Inputs are 33 + `n_rules` wide.
    """
    n = len(design)
    rows = np.arange(n)
    ends = design.steps.cumsum(axis=1)
    lengths = ends[:, -1]
    time = np.arange(lengths.max(initial=0))[:, None]
    period = np.zeros((len(time), n), np.int64)
    for end in ends.T:
        period += time >= end

    # What each trial shows in each period, and nothing after its end; the steps then pick from it.
    shown = np.zeros((n, len(PERIODS) + 1, N_CHANNELS + n_rules), np.float32)
    shown[:, :_AFTER_END, 0] = design.cue
    rings = np.zeros((n, len(PERIODS), 2, RING), np.float32)
    activity = bump(design.bump_angle, design.bump_strength)
    for slot in range(activity.shape[1]):
        rings[rows, design.bump_period[:, slot], design.bump_ring[:, slot]] += activity[:, slot]
    shown[:, :_AFTER_END, 1:N_CHANNELS] = rings.reshape(n, len(PERIODS), 2 * RING)
    shown[rows, :_AFTER_END, N_CHANNELS + design.rule] = 1
    inputs = shown.reshape(-1, shown.shape[2]).take(rows * (len(PERIODS) + 1) + period, axis=0)

    if rng is not None:
        noisy = design.noisy.any(axis=1)
        step, trial = np.nonzero(((period == STIMULUS_1) | (period == STIMULUS_2)) & noisy)
        on = np.repeat(design.noisy.astype(np.float32), (1, RING, RING), axis=1) / np.float32(np.sqrt(dt_ms))
        noise = rng.standard_normal((len(step), N_CHANNELS), dtype=np.float32)
        noise *= on[trial]
        inputs[step, trial, :N_CHANNELS] += noise

    targets = np.where(period == DECISION, 1 + design.response, 0)
    return Trials(inputs=inputs, targets=targets, mask=time < lengths, task=design.task, names=names)
