"""From what happens in each trial to the tensors that a network sees and should answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neuromod.tasks.design import (
    DECISION,
    DELAY,
    FIXATION,
    PERIODS,
    RING,
    STIMULUS_1,
    STIMULUS_2,
    Design,
    Task,
    columns,
)
from neuromod.tasks.noise import standard_normal
from neuromod.trials import Array, Trials

N_CHANNELS = 1 + 2 * RING
N_CLASSES = 1 + RING

THETA = 2 * np.pi * np.arange(RING) / RING

# Mod-Cog's speeds: of the stimulus of reach tasks, in rad per ms of delay, and of all else.
OMEGA = 0.01
MS_PER_POSITION = 100

_AFTER_END = len(PERIODS)

# Channels that can be noisy together: all, both rings, one of them.
_NOISY = (slice(0, 1 + 2 * RING), slice(1, 1 + 2 * RING), slice(1, 1 + RING), slice(1 + RING, 1 + 2 * RING))


def bump(angle: Array, strength: Array) -> Array:
    """Gaussian bumps on the ring, 0.8 s exp(-d²/2) with d the distance along the ring in units of π/8.

    Parameters
    ----------
    angle : (...) float64, rad
        Where they peak, from 0 to 2π.
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


_TEMPLATES = bump(THETA, np.ones(RING))


def render(
    design: Design, tasks: tuple[Task, ...], *, n_rules: int, dt_ms: int, rng: np.random.Generator | None = None
) -> Trials:
    """Make the tensors of trials.

    Parameters
    ----------
    design : Design
        What happens in each trial.
    tasks : tuple of Task
        Tasks that `design.task` counts.
    n_rules : int
        Number of rule units.
    dt_ms : int
        Time step; the noise per step is N(0, 1 / dt_ms), that is 0.1 wide at 100 ms.
    rng : numpy.random.Generator, optional
        Source of the noise; without noise if omitted.

    Returns
    -------
    Trials
        Inputs are 33 + `n_rules` wide.
    """
    of = {name: values[design.task] for name, values in columns(tasks).items()}
    rows = np.arange(len(design))
    ends = (design.durations_ms // dt_ms).cumsum(axis=1)
    time = np.arange(ends[:, -1].max(initial=0))[:, None]
    period = np.zeros((len(time), len(design)), np.int8)
    for end in ends.T:
        period += time >= end

    # What each trial shows in each period, and nothing after its end; every step picks from it.
    shown = np.zeros((len(design), len(PERIODS) + 1, N_CHANNELS + n_rules), np.float32)
    shown[:, FIXATION, 0] = 1
    shown[:, FIXATION + 1 : DECISION, 0] = of["long_cue"][:, None]
    shown[:, :_AFTER_END, 1:N_CHANNELS] = _rings(design, of)
    shown[rows, :_AFTER_END, N_CHANNELS + design.rule] = 1
    inputs = shown.reshape(-1, shown.shape[2]).take(rows * (len(PERIODS) + 1) + period, axis=0)

    if rng is not None:
        noisy = _noisy_channels(design, of)
        cells = np.flatnonzero(((period == STIMULUS_1) | (period == STIMULUS_2)) & (noisy >= 0))
        noisy = noisy[cells % len(design)]
        flat = inputs.reshape(-1, inputs.shape[2])
        for i, channels in enumerate(_NOISY):
            rows = cells[noisy == i]
            noise = standard_normal((len(rows), channels.stop - channels.start), rng)
            noise /= np.float32(np.sqrt(dt_ms))
            flat[rows, channels] += noise

    return Trials(
        inputs=inputs,
        targets=np.where(period == DECISION, _classes(design, of, time - ends[:, DECISION - 1], dt_ms), 0),
        mask=time < ends[:, -1],
        task=design.task,
        names=tuple(task.name for task in tasks),
        n_classes=N_CLASSES,
    )


def _rings(design: Design, of: Mapping[str, Array]) -> Array:
    """Activity of both rings in each period, (n, 5, 32) float32."""
    n, reach = len(design), of["family"] == "reach"
    activity = _TEMPLATES[(design.positions + (RING // 2) * of["anti"][:, None]) % RING]
    # The stimulus of an integrating reach task leads the answer by what the delay turns, to between the positions.
    turned = np.flatnonzero(reach & (of["integrate"] != 0))
    if len(turned):
        turn = of["integrate"] * OMEGA * design.durations_ms[:, DELAY] + of["anti"] * np.pi
        angle = np.mod(THETA[design.positions[turned]] + turn[turned, None], 2 * np.pi)
        activity[turned] = bump(angle, np.ones(angle.shape))
    # Reaction tasks have no stimulus period: the stimulus comes with the decision.
    reaction = reach & (design.durations_ms[:, STIMULUS_1] == 0)
    two = (of["family"] == "delayed decision") | (of["family"] == "match")
    periods = (np.where(reaction, DECISION, STIMULUS_1), np.where(two, STIMULUS_2, STIMULUS_1))
    rings = np.zeros((n, len(PERIODS), 2, RING), np.float32)
    for position, where in enumerate(periods):
        rings[np.arange(n), where] += design.strengths[:, :, position, None] * activity[:, None, position]
    return rings.reshape(n, len(PERIODS), 2 * RING)


def _noisy_channels(design: Design, of: Mapping[str, Array]) -> Array:
    """Which of `_NOISY` are noisy in the stimulus periods, (n,) int8; -1 = none."""
    deciding = (of["family"] == "decision") | (of["family"] == "delayed decision")
    ring = np.where(design.strengths[:, 1].any(axis=1), 3, 2)
    of_rings = np.where(of["family"] == "match", ring, -1)
    return np.where(deciding, np.where(of["noisy_cue"], 0, 1), of_rings).astype(np.int8)


def _classes(design: Design, of: Mapping[str, Array], since: Array, dt_ms: int) -> Array:
    """Class wanted if the decision period has lasted `since`, (time, n) int64, steps."""
    family = of["family"]
    evidence = (of["weights"][:, :, None] * design.strengths).sum(axis=1)
    difference = evidence[:, 0] - evidence[:, 1]
    # Strengths that are equal in decimals differ by rounding only.
    first = np.where(np.abs(difference) < 1e-9, design.coin, difference > 0)
    matching = family == "match"
    second = matching | ((family != "reach") & ~first)
    position = np.where(second, design.positions[:, 1], design.positions[:, 0])

    moved_ms = np.where(family == "reach", 0, of["integrate"]) * design.durations_ms[:, DELAY]
    moved = moved_ms // MS_PER_POSITION
    if of["sequence"].any():
        moved = moved + of["sequence"] * (since * dt_ms // MS_PER_POSITION)
    classes = np.where(of["strict"], (1 + position + moved) % RING, 1 + (position + moved) % RING)
    return np.where(matching & (design.match != of["go_on_match"]), 0, classes)
