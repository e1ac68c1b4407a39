"""What is random in a training step: its trials, where they start, and noise; each from the seed and the step alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from neuromod import tasks
from neuromod.training import model
from neuromod.training.checkpoints import CARRY, NOISE, TRIALS, State, seed_of
from neuromod.training.settings import Settings

# Batches drawn together: one call of the generator costs less than many.
_CHUNK = 16

# A carried state beyond this has exploded; the trial starts at rest instead.
_LARGEST_STATE = 1e4


def batches(settings: Settings, first: int, device: torch.device) -> Iterator[model.Packed]:
    """Yield the trials of step `first` and of all that follow; those of a step depend on the seed and its number only.

    Parameters
    ----------
    settings : Settings
        What is trained.
    first : int
        Step to begin with.
    device : torch.device
        Where the tensors go.

    Yields
    ------
    Packed
        The trials of one step.
    """
    batch = settings.training.batch
    alone = round(settings.tasks.first * settings.training.steps)
    for chunk in range(first // _CHUNK, -(-settings.training.steps // _CHUNK)):
        names = settings.tasks.names
        trials = tasks.generate(
            tasks.base_tasks(names) if chunk * _CHUNK < alone else names,
            batch * _CHUNK,
            seed=seed_of(settings, TRIALS, chunk),
            dt_ms=settings.tasks.dt_ms,
            semantics=settings.tasks.semantics,
            ring=settings.tasks.ring,
        )
        if settings.tasks.counts:
            trials = tasks.behind_low_pass(trials, counts=settings.tasks.counts, alpha=settings.alpha)
        for step in range(max(first, chunk * _CHUNK), min((chunk + 1) * _CHUNK, settings.training.steps)):
            at = (step % _CHUNK) * batch
            own = slice(at, at + batch)
            yield model.pack(
                trials.inputs[:, own],
                trials.targets[:, own],
                trials.mask[:, own],
                response_weight=settings.training.response_weight,
                device=device,
                reads=None if trials.read is None else trials.read[:, own],
            )


def initial_states(settings: Settings, state: State) -> torch.Tensor:
    """Rest for some trials; for a share of ``training.carry`` of them, where a trial of the last step ended.

    Without that, nothing asks the network to forget a trial after its end, and its state explodes in a stream.

    Returns
    -------
    (trials, n) float32 tensor
        States before the first step.
    """
    generator = torch.Generator().manual_seed(seed_of(settings, CARRY, state.step))
    trials = len(state.carried)
    order = torch.randperm(trials, generator=generator)
    carries = torch.rand(trials, generator=generator) < settings.training.carry
    h0 = state.carried[order.to(state.carried.device)]
    tame = h0.abs().amax(dim=1) < _LARGEST_STATE
    return h0 * (carries.to(h0.device) & tame)[:, None]


def noise(settings: Settings, state: State, packed: model.Packed) -> torch.Tensor | None:
    """Gaussian noise of standard deviation sqrt(2 / alpha) ``network.noise``, (rows, n) float32; None if that is 0."""
    sigma = math.sqrt(2 / settings.alpha) * settings.network.noise
    if sigma == 0:
        return None
    device = packed.inputs.device
    generator = torch.Generator(device).manual_seed(seed_of(settings, NOISE, state.step))
    shape = (len(packed.inputs), settings.network.neurons)
    return torch.randn(shape, generator=generator, device=device).mul_(sigma)
