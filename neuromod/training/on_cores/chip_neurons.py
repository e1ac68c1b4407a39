"""What a chip's neurons ask of training: its leak, and inputs as counts behind the low-pass of its synapses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from neuromod import tasks
from neuromod.data import as_counts, encoding_of
from neuromod.errors import DoesNotFitError, UsageError
from neuromod.hardware import Target, load_target
from neuromod.training.settings import Settings
from neuromod.trials import Trials

# Count of input events for an input of 1 of the tasks, room for noise up to 1.25; and for a standard deviation of data.
COUNTS = 12.0
DATA_COUNTS = 5.0

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
    target = _taking_counts(settings)
    if target is None:
        return settings, ()
    events = target.limit("input_events")
    dt, tau = settings.dt_ms, settings.network.tau_ms
    shift = min(range(1, _LARGEST_SHIFT + 1), key=lambda d: abs(math.log(tau / dt / 2**d)))
    section, usual, unit = ("data", DATA_COUNTS, "a standard deviation") if settings.data.file else (
        "tasks", COUNTS, "an input of 1"
    )  # fmt: skip
    counts = settings.counts or usual
    if counts > events:
        raise UsageError(
            f"{section}.counts = {counts:g} is more than the {events:g} events that {target.name} takes a step"
        )
    said = []
    if not math.isclose(tau, dt * 2**shift):
        said.append(
            f"{target.title} decays by 2**-d: tau is {dt * 2**shift:g} ms (alpha = 2**-{shift}), not {tau:g} ms"
        )
    if not settings.counts:
        said.append(
            f"inputs are counts of 0 to {events:g} events a step, {counts:g} for {unit}, behind the low-pass of "
            f"{target.title}"
        )
    adapted = replace(settings, network=replace(settings.network, tau_ms=float(dt * 2**shift)))
    if settings.data.file:
        return replace(adapted, data=replace(settings.data, counts=counts)), tuple(said)
    return replace(adapted, tasks=replace(settings.tasks, counts=counts)), tuple(said)


def trials_for_target(settings: Settings, data: Trials | None) -> Trials | None:
    """Return the data as the target of the settings takes them; tasks have None.

    Parameters
    ----------
    settings : Settings
        From `for_target`.
    data : Trials, optional
        As they were read, or from here.

    Raises
    ------
    DoesNotFitError
        If the target has fewer channels than their inputs take, or than they have classes or values.
    """
    coded = data is not None and "encoding" in data.source
    if data is not None and settings.data.counts and not coded:
        data = as_counts(data, encoding_of(data, counts=settings.data.counts, alpha=settings.alpha))
    if (target := _taking_counts(settings)) is not None:
        _check_channels(settings, data, target)
    return data


def _taking_counts(settings: Settings) -> Target | None:
    """Return the target, if its input channels take counts."""
    if not settings.chip.target:
        return None
    target = load_target(settings.chip.target)
    return target if target.takes_counts else None


def _check_channels(settings: Settings, data: Trials | None, target: Target) -> None:
    told = settings.tasks
    if data is None:
        probe = tasks.generate(told.names, 1, seed=0, dt_ms=told.dt_ms, semantics=told.semantics, ring=told.ring)
        own = "task takes" if len(probe.names) == 1 else "tasks take"
        inputs = f"the {own} {probe.inputs.shape[2]} input channels"
        change = "train fewer tasks, or on a smaller ring with `tasks.ring=4`"
    else:
        probe = data
        second = [name for name in data.channel_names if name.startswith("minus ")]
        own = f", {len(second)} of them second ones for what is negative" if second else ""
        inputs = f"{data.source.get('name', data.names[0])} takes {data.inputs.shape[2]} input channels{own}"
        change = "leave channels or classes out of the file, or put some together"
    facts = _beyond(inputs, probe.inputs.shape[2], target.limit("in_axons"), target, "input", probe.channel_names)
    what = "values" if probe.values else "classes"
    outputs = f"there are {probe.n_classes} {what}"
    facts += _beyond(outputs, probe.n_classes, target.limit("output_channels"), target, "output", probe.class_names)
    if facts:
        raise DoesNotFitError("; ".join(facts), words=change)


def _beyond(words: str, needed: int, limit: float, target: Target, kind: str, names: Sequence[str]) -> list[str]:
    if needed <= limit:
        return []
    first = repr(names[int(limit)]) if names else str(int(limit))
    has = f"{target.name} has {limit:,.0f}"
    return [f"{words}, and {has}{' outputs' if kind == 'output' else ''}: {kind} {first} is the first beyond"]
