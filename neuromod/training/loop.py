"""Brain-inspired modular training: the loop, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from neuromod import tasks
from neuromod.data import facts
from neuromod.errors import InterruptedRunError, UsageError
from neuromod.geometry import distances
from neuromod.network import Network
from neuromod.spiking import torch_threads
from neuromod.training import checkpoints, continuing, draws, frames, model
from neuromod.training.checkpoints import State, device_of
from neuromod.training.on_cores import rate_average as listening
from neuromod.training.on_cores import schedule as chip_steps
from neuromod.training.on_cores import spike_levels
from neuromod.training.on_data import batches as data_batches
from neuromod.training.on_data import learning
from neuromod.training.on_data.batches import Material, PackedData
from neuromod.training.on_tasks import batches as task_batches
from neuromod.training.on_tasks import by_error
from neuromod.training.penalties import after_step
from neuromod.training.penalties import family as regularizers
from neuromod.training.penalties import proximal as bimt
from neuromod.training.plan import TrainingPlan, make_plan
from neuromod.training.schedules import learning_rate, prices_change, strength_at
from neuromod.training.settings import Settings
from neuromod.trials import Trials


@dataclass(frozen=True)
class Progress:
    """What a callback hears of one logged step; `metrics.jsonl` has the same keys.

    Parameters
    ----------
    step, steps : int
        Steps done and to do.
    loss : float
        Task loss, mean since the last log.
    accuracy : float
        Share of the answers in training trials that are right, or R², since the last log.
    wiring_length : float
        Σ of the Manhattan distances of all non-zero recurrent weights, in pitch units.
    wiring_cost : float
        The priced wiring C, without λ.
    synapses : int
        Non-zero recurrent weights.
    strength, learning_rate : float
        λ and η now.
    swaps : int
        Swaps so far.
    seconds, seconds_left : float
        Time spent, in all processes together, and an estimate of what is left.
    validation_score : float or None
        Accuracy or R² on the validation trials of data; None of tasks.
    """

    step: int
    steps: int
    loss: float
    accuracy: float
    wiring_length: float
    wiring_cost: float
    synapses: int
    strength: float
    learning_rate: float
    swaps: int
    seconds: float
    seconds_left: float
    validation_score: float | None = None


def train(
    settings: Settings,
    *,
    data: Trials | None = None,
    state: State | None = None,
    plan: TrainingPlan | None = None,
    on_step: Callable[[Progress], None] | None = None,
    on_checkpoint: Callable[[State], None] | None = None,
    on_frame: Callable[[frames.Frame], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Network:
    """Train a network.

    Parameters
    ----------
    settings : Settings
        What to train, see `neuromod.training.config`.
    data : Trials, optional
        The user's own trials, learned instead of tasks; see `neuromod.data`.
    state : State, optional
        Where to go on; from the start if omitted. It is changed in place.
    plan : TrainingPlan, optional
        What `neuromod.training.plan.make_plan` makes of the settings; made here if omitted.
    on_step : callable, optional
        Called with a `Progress` every ``training.log_every`` steps and after the last.
    on_checkpoint : callable, optional
        Called with the `State` every ``training.checkpoint_every`` steps, after the last, and before stopping.
    on_frame : callable, optional
        Called with a `frames.Frame` before the first step and after those of `frames.steps_of`, before `on_checkpoint`.
    should_stop : callable, optional
        Asked after every step; when it says True, training stops after a checkpoint.

    Returns
    -------
    Network
        The trained network, its neurons numbered in the order of the grid.

    Raises
    ------
    UsageError
        If the loss is no longer finite.
    InterruptedRunError
        If `should_stop` said so.
    """
    plan = plan or make_plan(settings, neurons_per_core=state.neurons_per_core if state else None)
    state = state or checkpoints.start(settings, data=data, plan=plan)
    material = None if data is None else data_batches.prepare(settings, data)
    with torch_threads(settings.training.threads):
        _loop(plan, state, material, on_step, on_checkpoint, on_frame, should_stop)
    network = network_of(settings, learning.best_of(state), material, plan=plan)
    if material is None or not material.data.values or _readout_is_given(plan):
        return network
    return learning.with_solved_readout(network, material)


def _readout_is_given(plan: TrainingPlan) -> bool:
    """Whether readout weights are frozen, or rounded to the bits of a chip."""
    rounded = plan.cores is not None and plan.cores.weight_bits is not None
    return "readout" in plan.settings.start.freeze or rounded


def _loop(
    plan: TrainingPlan,
    state: State,
    material: Material | None,
    on_step: Callable[[Progress], None] | None,
    on_checkpoint: Callable[[State], None] | None,
    on_frame: Callable[[frames.Frame], None] | None,
    should_stop: Callable[[], bool] | None,
) -> None:
    settings = plan.settings
    steps, then = settings.training.steps, time.monotonic()
    losses: list[float] = []
    hits: list[float] = []
    prices: bimt.Prices | None = None
    device = device_of(settings)
    if material is None:
        stream = task_batches.batches(settings, state.step, device, lambda: by_error.shares(plan, state))
    else:
        stream = data_batches.batches(settings, material, state.step, device)
    pictured = frames.steps_of(steps)
    if on_frame and state.step == 0:
        on_frame(_frame(plan, state, math.nan))
    for packed in stream:
        if prices is None or prices_change(plan, state.step):
            prices = after_step.find_prices(plan, state)
        loss, hit = _step(plan, state, packed, prices)
        if material is None:
            by_error.measure(plan, state)
        now = time.monotonic()
        state.seconds += now - then
        then = now
        if not math.isfinite(loss):
            raise UsageError(
                f"the loss is not finite at step {state.step}; lower training.learning_rate "
                f"(now {settings.training.learning_rate:g}) or training.clip (now {settings.training.clip:g})"
            )
        losses.append(loss)
        hits.append(hit)
        last = state.step == steps
        logs = last or state.step % settings.training.log_every == 0
        found = learning.look(settings, state, material, network_of) if logs and material is not None else None
        last = last or learning.ends_early(settings, state)
        if on_step and (last or logs):
            on_step(_progress(settings, state, float(np.mean(losses)), float(np.mean(hits)), prices, found))
            losses, hits = [], []
        if on_frame and (last or state.step in pictured):
            on_frame(_frame(plan, state, hit))
        stop = not last and should_stop is not None and should_stop()
        if on_checkpoint and (stop or last or state.step % settings.training.checkpoint_every == 0):
            on_checkpoint(state)
        if stop:
            raise InterruptedRunError(f"interrupted after step {state.step} of {steps}; the checkpoint is saved")
        if last:
            break


def network_of(
    settings: Settings, state: State, material: Material | None = None, *, plan: TrainingPlan | None = None
) -> Network:
    """Return the `Network` that a state holds; one that learned data takes and returns raw values.

    It was trained by a plan, which is made of the settings if omitted.
    """
    plan = plan or make_plan(settings, neurons_per_core=state.neurons_per_core)
    cores = plan.cores
    known = {
        "tasks": list(tasks.resolve(settings.tasks.names)),
        "semantics": settings.tasks.semantics,
        "dt_ms": settings.tasks.dt_ms,
    }
    network = model.to_network(
        chip_steps.used_parameters(plan, state),
        state.positions,
        dt_s=settings.dt_ms / 1000,
        tau_s=settings.network.tau_ms / 1000,
        info={
            "made_by": "neuromod train",
            **(known if material is None else facts.info_of(material.data, settings.dt_ms)),
            "seed": settings.seed,
            **({"ring": settings.tasks.ring} if settings.tasks.ring != 16 else {}),
            **({"counts": counts} if (counts := state.counts) else {}),
            **({"chip": cores.as_info(settings.wiring.cost)} if cores is not None else {}),
            **({"start": {"run": settings.start.run, "network": settings.start.sha256}} if settings.start.run else {}),
        },
    )
    return network if material is None else learning.finished(network, material)


def _step(plan: TrainingPlan, state: State, packed: model.Packed, prices: bimt.Prices) -> tuple[float, float]:
    """One step: loss, gradient, Adam, the proximal step of the wiring cost, and now and then swaps."""
    settings = plan.settings
    parameters, training = state.parameters, settings.training
    share = state.step / training.steps
    strength = strength_at(settings.wiring, share)

    noise = draws.noise(settings, state, packed)
    used = chip_steps.used_parameters(plan, state)
    h0 = draws.initial_states(settings, state)
    h = model.states(used, packed, h0, alpha=settings.alpha, noise=noise, levels=chip_steps.levels(plan, state))
    state.carried = h.detach()[packed.last]
    y = model.logits(used, h)
    smoothing = training.label_smoothing
    if isinstance(packed, PackedData):
        loss, score = data_batches.loss_and_score(y, packed, label_smoothing=smoothing)
    else:
        losses = functional.cross_entropy(y, packed.targets, reduction="none", label_smoothing=smoothing)
        loss = (losses * packed.weights).sum()
        score = (y.detach()[packed.last].argmax(dim=1) == packed.targets[packed.last]).float().mean()

    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    _mask_gradient(settings, state)
    for name in continuing.frozen(settings):
        parameters[name].grad = None
    torch.nn.utils.clip_grad_norm_(parameters.values(), training.clip)
    if strength > 0 and not settings.wiring.proximal:
        (strength * bimt.wiring_cost(parameters, prices.weights, prices.groups)).backward()  # type: ignore[no-untyped-call]
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(training, share)
    kept = chip_steps.still_alive(plan, state)
    state.optimizer.step()
    after_step.charge(plan, state, state.optimizer, prices, strength=strength, kept=kept)
    if chip_steps.listens_after(plan, state.step):
        state.activity = listening.update(state.activity, h.detach(), h0, packed.previous, settings.alpha)
    if chip_steps.follows_peaks(plan, state.step):
        with torch.no_grad():
            state.peaks = spike_levels.follow(state.peaks, model.drives(used, packed, h, h0))
    after_step.rearrange(plan, state, strength=strength)
    return float(loss.detach()), float(score)


def _mask_gradient(settings: Settings, state: State) -> None:
    """Zero the gradient of weights that may not exist: Adam never moves them from the zero that they start at."""
    allowed = regularizers.mask(settings.wiring, state.positions)
    gradient = state.parameters["w_rec"].grad
    if allowed is not None and gradient is not None:
        gradient.mul_(torch.from_numpy(allowed).to(gradient.device))


def _frame(plan: TrainingPlan, state: State, accuracy: float) -> frames.Frame:
    w_rec = chip_steps.used_parameters(plan, state)["w_rec"].detach().cpu().numpy()
    share = max(state.step - 1, 0) / plan.settings.training.steps
    strength = strength_at(plan.settings.wiring, share)
    return frames.take(state.step, w_rec, state.positions, strength=strength, accuracy=accuracy)


def _progress(
    settings: Settings, state: State, loss: float, accuracy: float, prices: bimt.Prices, validation: float | None
) -> Progress:
    share = (state.step - 1) / settings.training.steps
    live = state.parameters["w_rec"].detach().cpu().numpy() != 0
    with torch.no_grad():
        cost = float(bimt.wiring_cost(state.parameters, prices.weights, prices.groups))
    return Progress(
        step=state.step,
        steps=settings.training.steps,
        loss=loss,
        accuracy=accuracy,
        wiring_length=float(distances(state.positions)[live].sum()),
        wiring_cost=cost,
        synapses=int(live.sum()),
        strength=strength_at(settings.wiring, share),
        learning_rate=learning_rate(settings.training, share),
        swaps=state.swaps,
        seconds=state.seconds,
        seconds_left=state.seconds / state.step * (settings.training.steps - state.step),
        validation_score=validation,
    )
