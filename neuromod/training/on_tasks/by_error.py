"""Trials dealt out by the error of their task: what a network fails at, it sees more often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from neuromod import tasks
from neuromod.training import model
from neuromod.training.checkpoints import ERRORS, State, seed_of
from neuromod.training.on_cores import schedule as chip_steps
from neuromod.training.on_tasks import batches
from neuromod.training.plan import TrainingPlan

# Steps from one measurement to the next, a multiple of those whose trials are drawn together, and its trials of a task.
EVERY, _TRIALS = 32 * batches.CHUNK, 24

# Share of what was measured before that stays in the running error.
_KEPT = 0.5

# Added to every error, so that no error at all is an even share.
_FLOOR = 1e-3


def measure(plan: TrainingPlan, state: State) -> None:
    """Bring the running error of each task up to date where it is time for that; `state` is changed in place.

    It is measured on trials of its own that start at rest, without noise in the network.
    """
    told, steps = plan.settings.tasks, plan.settings.training.steps
    if not told.by_error or state.step % EVERY or not batches.steps_alone(plan.settings) <= state.step < steps:
        return
    names = tasks.resolve(told.names)
    if len(names) == 1:
        return
    seed = seed_of(plan.settings, ERRORS, state.step)
    trials = batches.trials_of(plan.settings, names, _TRIALS * len(names), seed=seed)
    device = state.carried.device
    with torch.no_grad():
        packed = model.pack(trials.inputs, trials.targets, trials.mask, response_weight=1.0, device=device)
        used = chip_steps.used_parameters(plan, state)
        rest = torch.zeros(trials.n_trials, plan.settings.network.neurons, device=device)
        levels = chip_steps.levels(plan, state)
        h = model.states(used, packed, rest, alpha=plan.settings.alpha, levels=levels)
        answers = model.logits(used, h[packed.last]).argmax(dim=1)
        wrong = (answers != packed.targets[packed.last]).double().cpu().numpy()
    found = np.bincount(trials.task[packed.order], weights=wrong, minlength=len(names)) / _TRIALS
    state.errors = found if state.errors is None else _KEPT * state.errors + (1 - _KEPT) * found


def shares(plan: TrainingPlan, state: State) -> npt.NDArray[np.float64] | None:
    """Share of each task in the next trials; None where each gets as many as the others."""
    if state.errors is None:
        return None
    part, weights = plan.settings.tasks.by_error, state.errors + _FLOOR
    found: npt.NDArray[np.float64] = (1 - part) / len(weights) + part * weights / weights.sum()
    return found
