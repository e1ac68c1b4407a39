"""What else is random in a training step: where its trials start, and noise; each from the seed and the step alone."""

from __future__ import annotations

import math

import torch

from neuromod.training import model
from neuromod.training.checkpoints import CARRY, NOISE, State, seed_of
from neuromod.training.settings import Settings

# A carried state beyond this has exploded; the trial starts at rest instead.
_LARGEST_STATE = 1e4


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
