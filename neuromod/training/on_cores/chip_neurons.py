"""What a chip's neurons ask of training: its leak, and inputs as counts behind the low-pass of its synapses."""

from __future__ import annotations

import math
from dataclasses import replace

from neuromod.errors import UsageError
from neuromod.hardware import load_target
from neuromod.training.settings import Settings

# Count of input events for an input of 1: room for noise up to 1.25.
COUNTS = 12.0

_LARGEST_SHIFT = 7


def for_target(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Settings as the target of the settings has it, and what was changed, in sentences.

    A target whose input channels take counts (`input_events` above 1) has neurons that decay by a shift: tau becomes
    the nearest power of two times the time step, and inputs are counts behind the low-pass. Others change nothing.

    Raises
    ------
    UsageError
        If there is no such target, or inputs of this network cannot be counts.
    """
    if not settings.chip.target:
        return settings, ()
    target = load_target(settings.chip.target)
    events = target.value("input_events")
    if events is None or not 1 < events < math.inf:
        return settings, ()
    dt, tau = settings.dt_ms, settings.network.tau_ms
    shift = min(range(1, _LARGEST_SHIFT + 1), key=lambda d: abs(math.log(tau / dt / 2**d)))
    # Data are inputs as they are: what is sent follows them behind the low-pass.
    counts = 0.0 if settings.data.file else settings.tasks.counts or COUNTS
    if counts > events:
        raise UsageError(
            f"tasks.counts = {counts:g} is more than the {events:g} events that {target.name} takes a step"
        )
    said = []
    if not math.isclose(tau, dt * 2**shift):
        said.append(
            f"{target.title} decays by 2**-d: tau is {dt * 2**shift:g} ms (alpha = 2**-{shift}), not {tau:g} ms"
        )
    if counts and not settings.tasks.counts:
        said.append(
            f"inputs are counts of 0 to {events:g} events a step, {counts:g} for an input of 1, behind the low-pass of "
            f"{target.title}"
        )
    adapted = replace(
        settings,
        tasks=replace(settings.tasks, counts=counts),
        network=replace(settings.network, tau_ms=float(dt * 2**shift)),
    )
    return adapted, tuple(said)
