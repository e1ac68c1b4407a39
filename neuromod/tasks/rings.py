"""Tasks on smaller rings, for chips with few input channels, and inputs as counts behind a low-pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuromod.errors import UsageError
from neuromod.tasks.design import RING
from neuromod.trials import Array, Trials

# Rings that divide the one of 16 and have an opposite of every position.
RINGS = (4, 8, 16)

# Largest count of input events in a step that chips take, 4 bits.
MOST_COUNTS = 15


def check_ring(ring: int, names: tuple[str, ...]) -> None:
    """Refuse rings that there are not, and tasks whose answers move along the ring.

    Raises
    ------
    UsageError
        With the reason.
    """
    if ring not in RINGS:
        raise UsageError(f"a ring of {ring} positions is none of {', '.join(map(str, RINGS))}")
    if ring != RING and any("int" in name or "seq" in name for name in names):
        raise UsageError(f"the tasks of Mod-Cog move along a ring of {RING}; they cannot be had on one of {ring}")


def on_ring(trials: Trials, ring: int, rules: Array) -> Trials:
    """Trials whose positions are on every 16 / `ring`-th unit, with the units of that smaller ring alone.

    Parameters
    ----------
    trials : Trials
        With positions that the smaller ring has.
    ring : int
        Positions of the ring.
    rules : (tasks,) int
        Rule unit of each task; the others are left out.

    Returns
    -------
    Trials
        Inputs 1 + 2 `ring` + tasks wide, and 1 + `ring` classes.
    """
    stride = RING // ring
    units = np.arange(0, RING, stride)
    channels = np.concatenate([[0], 1 + units, 1 + RING + units, 1 + 2 * RING + np.asarray(rules)])
    targets = np.where(trials.targets > 0, 1 + (trials.targets - 1) // stride, 0)
    return replace(trials, inputs=trials.inputs[..., channels], targets=targets, n_classes=1 + ring)


def behind_low_pass(trials: Trials, *, counts: float, alpha: float, signed: bool = False) -> Trials:
    r"""Inputs as a chip's synapses show them: rounded to counts of 0 to 15 events a step, and low-passed.

    With the counts :math:`k_t = clip(round(c x_t), 0, 15)`,
    :math:`\bar x_t = (1 - \alpha) \bar x_{t-1} + \alpha k_t / c`.

    Parameters
    ----------
    trials : Trials
        Their inputs.
    counts : float
        Count c for an input of 1.
    alpha : float
        Share of the low-pass that a step replaces.
    signed : bool, default False
        Whether what is negative has channels of its own, after the others; otherwise it becomes 0.
    """
    rounded = np.round(trials.inputs * counts)
    if signed:
        rounded = np.concatenate([rounded, -rounded], axis=2)
    events = np.clip(rounded, 0, MOST_COUNTS) / counts
    low = np.zeros(events.shape, np.float64)
    state = np.zeros(events.shape[1:])
    for t, event in enumerate(events):
        state = (1 - alpha) * state + alpha * event
        low[t] = state
    return replace(trials, inputs=low.astype(np.float32))
