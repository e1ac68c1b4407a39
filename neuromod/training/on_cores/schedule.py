"""What training does now and then besides its gradient steps: swaps, and what a chip asks of weights."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from neuromod.training.on_cores import limits as fitting
from neuromod.training.on_cores import spike_levels
from neuromod.training.on_cores import weight_bits as rounding
from neuromod.training.on_cores.spike_levels import Levels
from neuromod.training.penalties import family as regularizers
from neuromod.training.penalties.members import FAMILY
from neuromod.training.plan import TrainingPlan
from neuromod.training.swaps import positions as swapping
from neuromod.training.swaps.cores import swap_between_cores


class Wired(Protocol):
    """What wiring costs act on: the state of a training run, `neuromod.training.checkpoints.State`, or of a user's."""

    step: int
    parameters: dict[str, torch.Tensor]
    positions: npt.NDArray[np.float32]
    activity: npt.NDArray[np.float32]
    swaps: int


class Trained(Wired, Protocol):
    """The same of a training run, with the neurons' largest activity once it matters, and the unit of its inputs."""

    peaks: npt.NDArray[np.float32]
    counts: float


def is_limited(plan: TrainingPlan) -> bool:
    """Whether weights must be cut to fit the cores that a network is trained for."""
    return plan.cores is not None and fitting.is_limited(plan.cores.target)


def used_parameters(plan: TrainingPlan, state: Trained) -> dict[str, torch.Tensor]:
    """Return the parameters with the bits that the chip has for weights, in the last phase."""
    cores = plan.cores
    if cores is None or cores.weight_bits is None or not _is_last(plan, state.step):
        return state.parameters
    found, settings = levels(plan, state), plan.settings
    if found is None:
        return rounding.round_weights(state.parameters, cores.weight_bits)
    # The low-pass of the chip takes in (1 - alpha) of an event, that of the network alpha of what it stands for.
    gain = settings.alpha / (1 - settings.alpha)
    return rounding.round_weights(state.parameters, cores.weight_bits, (gain / state.counts, gain * found.size))


def levels(plan: TrainingPlan, state: Trained) -> Levels | None:
    """Return the levels that the chip's neurons have instead of a rectifier, in the last phase; None before."""
    cores = plan.cores
    if cores is None or cores.most_spikes is None or not _is_last(plan, state.step):
        return None
    if not state.counts or not state.peaks.any():
        return None
    return spike_levels.of_peaks(state.peaks, cores.most_spikes, state.parameters["bias"].detach())


def follows_peaks(plan: TrainingPlan, step: int) -> bool:
    """Whether the largest activity of the neurons is followed after this step."""
    return plan.cores is not None and plan.cores.most_spikes is not None and _is_last(plan, step)


def _is_last(plan: TrainingPlan, step: int) -> bool:
    return step >= math.ceil(plan.phases.last * plan.settings.training.steps)


def listens_after(plan: TrainingPlan, step: int) -> bool:
    """Whether activity is measured anew after this step."""
    cores = plan.cores
    return cores is not None and cores.links is not None and step % plan.phases.every == 0


def swaps_after(plan: TrainingPlan, step: int) -> bool:
    """Whether neurons may change places after this step."""
    every = plan.settings.wiring.swap_every
    # A swap would break limits that are kept in full.
    fixed = is_limited(plan) and step > plan.phases.last * plan.settings.training.steps
    return FAMILY[plan.settings.wiring.regularizer].swaps and every > 0 and step % every == 0 and not fixed


def swap_neurons(plan: TrainingPlan, state: Wired) -> None:
    """Exchange neurons where that lowers the wiring cost; the function stays as it is."""
    cores = plan.cores
    w_rec = state.parameters["w_rec"].detach().cpu().numpy()
    if cores is None or cores.links is None:
        anchors = regularizers.anchors(plan.settings.wiring, state.parameters, plan.plane)
        done = swapping.swap(w_rec, state.positions, anchors=anchors)
        state.positions = done.positions
        state.swaps += len(done.pairs)
        return
    activity = state.activity if plan.settings.wiring.activity else np.ones_like(state.activity)
    found = swap_between_cores(w_rec, cores.core_of(state.positions), activity, cores.links, cores.capacity)
    state.positions = cores.move(state.positions, found.core_of)
    state.swaps += found.exchanges


def still_alive(plan: TrainingPlan, state: Wired) -> dict[str, torch.Tensor]:
    """Which weights may still be other than zero, once limits are being tightened: what was cut stays cut."""
    if not is_limited(plan) or state.step / plan.settings.training.steps < plan.settings.wiring.ramp_to:
        return {}
    return {name: state.parameters[name].detach() != 0 for name in ("w_rec", "w_in")}


def cuts_after(plan: TrainingPlan, step: int) -> bool:
    """Whether weights beyond the limits of the target are cut after this step."""
    if not is_limited(plan):
        return False
    started = step >= plan.settings.wiring.ramp_to * plan.settings.training.steps
    return step == plan.settings.training.steps or (started and step % plan.phases.every == 0)


def cut_to_limits(plan: TrainingPlan, state: Wired) -> None:
    """Zero the weakest weights until they keep the limits of the target, which tighten until the last phase."""
    cores = plan.cores
    assert cores is not None
    share, start = state.step / plan.settings.training.steps, plan.settings.wiring.ramp_to
    last = plan.phases.last
    tight = 1.0 if share >= last or start >= last else (share - start) / (last - start)
    w_rec, w_in = state.parameters["w_rec"], state.parameters["w_in"]
    recurrent, inputs = fitting.cut(
        w_rec.detach().cpu().numpy(),
        w_in.detach().cpu().numpy(),
        cores.core_of(state.positions),
        cores.grid,
        cores.target,
        share=tight,
    )
    with torch.no_grad():
        w_rec.copy_(torch.from_numpy(recurrent))
        w_in.copy_(torch.from_numpy(inputs))
