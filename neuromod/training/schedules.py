"""What changes over a training: λ, the learning rate."""

from __future__ import annotations

import math

from neuromod.training.on_cores import schedule as chip_steps
from neuromod.training.penalties.members import FAMILY
from neuromod.training.plan import TrainingPlan
from neuromod.training.settings import Settings, TrainingSettings, WiringSettings


def strength_at(settings: WiringSettings, share: float) -> float:
    """λ when `share` (0 … 1) of the training is over: 0, then a linear ramp, then `settings.strength`."""
    if settings.ramp_to <= settings.ramp_from:
        return settings.strength * (share >= settings.ramp_to)
    ramp = (share - settings.ramp_from) / (settings.ramp_to - settings.ramp_from)
    return settings.strength * min(max(ramp, 0.0), 1.0)


def bias_step(settings: Settings) -> int:
    """Return the step from which on biases cost something."""
    return math.ceil(settings.wiring.bias_from * settings.training.steps)


def prices_change(plan: TrainingPlan, step: int) -> bool:
    """Whether the prices at step `step` differ from those of the step before."""
    settings = plan.settings
    if FAMILY[settings.wiring.regularizer].depends_on_weights:
        return strength_at(settings.wiring, step / settings.training.steps) > 0
    return chip_steps.swaps_after(plan, step) or chip_steps.listens_after(plan, step) or step == bias_step(settings)


def learning_rate(training: TrainingSettings, share: float) -> float:
    """Linear rise, plateau, cosine fall to a hundredth."""
    rise = min(1.0, (share + 1 / training.steps) / training.warmup) if training.warmup else 1.0
    fall = max(0.0, (share - (1 - training.decay)) / training.decay) if training.decay else 0.0
    return training.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))
