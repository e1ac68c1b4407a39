"""Brain-inspired modular training: the loop, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from neuromod import (
    bimt,
    checkpoints,
    chip,
    chip_steps,
    continuing,
    draws,
    listening,
    model,
    regularizers,
    swapping,
    tasks,
)
from neuromod.checkpoints import State, device_of
from neuromod.data import batches as data_batches
from neuromod.data import facts, learning
from neuromod.data.batches import Material, PackedData
from neuromod.errors import InterruptedRunError, UsageError
from neuromod.network import Network
from neuromod.settings import Settings, TrainingSettings
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
        Share of training trials whose last step is right, since the last log; of data, of right answers, or R².
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
    on_step: Callable[[Progress], None] | None = None,
    on_checkpoint: Callable[[State], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Network:
    """Train a network.

    Parameters
    ----------
    settings : Settings
        What to train, see `neuromod.config`.
    data : Trials, optional
        The user's own trials, learned instead of tasks; see `neuromod.data`.
    state : State, optional
        Where to go on; from the start if omitted. It is changed in place.
    on_step : callable, optional
        Called with a `Progress` every ``training.log_every`` steps and after the last.
    on_checkpoint : callable, optional
        Called with the `State` every ``training.checkpoint_every`` steps, after the last, and before stopping.
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
    state = state or checkpoints.start(settings, data=data)
    material = None if data is None else data_batches.prepare(settings, data)
    steps, then = settings.training.steps, time.monotonic()
    losses: list[float] = []
    hits: list[float] = []
    prices: bimt.Prices | None = None
    torch.set_num_threads(settings.training.threads)
    device = device_of(settings)
    if material is None:
        stream = draws.batches(settings, state.step, device)
    else:
        stream = data_batches.batches(settings, material, state.step, device)
    for packed in stream:
        if prices is None or _prices_change(settings, state.step):
            prices = _prices(settings, state)
        loss, hit = _step(settings, state, packed, prices)
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
        stop = not last and should_stop is not None and should_stop()
        if on_checkpoint and (stop or last or state.step % settings.training.checkpoint_every == 0):
            on_checkpoint(state)
        if stop:
            raise InterruptedRunError(f"interrupted after step {state.step} of {steps}; the checkpoint is saved")
        if last:
            break
    network = network_of(settings, learning.best_of(state), material)
    if material is None or not material.data.values or _readout_is_given(settings):
        return network
    return learning.with_solved_readout(network, material)


def _readout_is_given(settings: Settings) -> bool:
    """Whether readout weights are frozen, or rounded to the bits of a chip."""
    cores = chip.of_settings(settings)
    return "readout" in settings.start.freeze or (cores is not None and cores.weight_bits is not None)


def network_of(settings: Settings, state: State, material: Material | None = None) -> Network:
    """Return the `Network` that a state holds; one that learned data takes and returns raw values."""
    cores = chip.of_settings(settings)
    known = {
        "tasks": list(tasks.resolve(settings.tasks.names)),
        "semantics": settings.tasks.semantics,
        "dt_ms": settings.tasks.dt_ms,
    }
    network = model.to_network(
        chip_steps.used_parameters(settings, state),
        state.positions,
        dt_s=settings.dt_ms / 1000,
        tau_s=settings.network.tau_ms / 1000,
        info={
            "made_by": "neuromod train",
            **(known if material is None else facts.info_of(material.data, settings.dt_ms)),
            "seed": settings.seed,
            **({"chip": cores.as_info(settings.wiring.cost)} if cores is not None else {}),
            **({"start": {"run": settings.start.run, "network": settings.start.sha256}} if settings.start.run else {}),
        },
    )
    return network if material is None else learning.finished(network, material)


def _step(settings: Settings, state: State, packed: model.Packed, prices: bimt.Prices) -> tuple[float, float]:
    """One step: loss, gradient, Adam, the proximal step of the wiring cost, and now and then swaps."""
    parameters, training = state.parameters, settings.training
    share = state.step / training.steps
    strength = bimt.strength_at(settings.wiring, share)

    noise = draws.noise(settings, state, packed)
    used = chip_steps.used_parameters(settings, state)
    h0 = draws.initial_states(settings, state)
    h = model.states(used, packed, h0, alpha=settings.alpha, noise=noise)
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
        group["lr"] = _learning_rate(training, share)
    kept = chip_steps.still_alive(settings, state)
    state.optimizer.step()
    if strength > 0 and settings.wiring.proximal:
        bimt.shrink(parameters, prices.weights, state.optimizer, strength, prices.groups)
    with torch.no_grad():
        for name, mask in kept.items():
            parameters[name].mul_(mask)

    state.step += 1
    if chip_steps.listens_after(settings, state.step):
        state.activity = listening.update(state.activity, h.detach(), h0, packed.previous, settings.alpha)
    if strength > 0 and chip_steps.swaps_after(settings, state.step):
        chip_steps.swap_neurons(settings, state)
    if chip_steps.cuts_after(settings, state.step):
        chip_steps.cut_to_limits(settings, state)
    return float(loss.detach()), float(score)


def _bias_step(settings: Settings) -> int:
    return math.ceil(settings.wiring.bias_from * settings.training.steps)


def _prices_change(settings: Settings, step: int) -> bool:
    """Whether the prices at step `step` differ from those of the step before."""
    if regularizers.FAMILY[settings.wiring.regularizer].depends_on_weights:
        return bimt.strength_at(settings.wiring, step / settings.training.steps) > 0
    return (
        chip_steps.swaps_after(settings, step)
        or chip_steps.listens_after(settings, step)
        or step == _bias_step(settings)
    )


def _prices(settings: Settings, state: State) -> bimt.Prices:
    with_biases = state.step >= _bias_step(settings)
    weights = regularizers.prices(settings.wiring, state.positions, state.parameters, with_biases=with_biases)
    cores = chip.of_settings(settings)
    groups = regularizers.groups(
        settings.wiring, cores, state.positions, state.activity, state.parameters["w_rec"].detach()
    )
    # What is frozen pays nothing.
    kept = continuing.frozen(settings)
    priced = {name: price for name, price in weights.items() if name not in kept}
    return bimt.Prices(priced, None if "w_rec" in kept else groups)


def _mask_gradient(settings: Settings, state: State) -> None:
    """Zero the gradient of weights that may not exist: Adam never moves them from the zero that they start at."""
    allowed = regularizers.mask(settings.wiring, state.positions)
    gradient = state.parameters["w_rec"].grad
    if allowed is not None and gradient is not None:
        gradient.mul_(torch.from_numpy(allowed).to(gradient.device))


def _learning_rate(training: TrainingSettings, share: float) -> float:
    """Linear rise, plateau, cosine fall to a hundredth."""
    rise = min(1.0, (share + 1 / training.steps) / training.warmup) if training.warmup else 1.0
    fall = max(0.0, (share - (1 - training.decay)) / training.decay) if training.decay else 0.0
    return training.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))


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
        wiring_length=float(swapping.distances(state.positions)[live].sum()),
        wiring_cost=cost,
        synapses=int(live.sum()),
        strength=bimt.strength_at(settings.wiring, share),
        learning_rate=_learning_rate(settings.training, share),
        swaps=state.swaps,
        seconds=state.seconds,
        seconds_left=state.seconds / state.step * (settings.training.steps - state.step),
        validation_score=validation,
    )
