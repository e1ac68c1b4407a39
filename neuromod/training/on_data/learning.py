"""What training asks of data besides batches: the validation score, when to end early, and the finished network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from neuromod.metrics import evaluate
from neuromod.network import Network
from neuromod.training.checkpoints import Best, State
from neuromod.training.on_data.batches import Material
from neuromod.training.on_data.scaling import folded
from neuromod.training.settings import Settings

# What `network_of` of the training is.
Finish = Callable[[Settings, State, Material], Network]


def finished(network: Network, material: Material) -> Network:
    """Return the network that takes raw values, with its data."""
    arrays = {name: getattr(network, name) for name in ("w_in", "bias", "w_out", "bias_out")}
    return replace(network, **folded(arrays, material.scaling), data=material.data)  # type: ignore[arg-type]


def look(settings: Settings, state: State, material: Material, finish: Finish) -> float:
    """Return the score on the validation trials; in the last phase, remember the best, of equals the later.

    Parameters
    ----------
    settings : Settings
        What is trained.
    state : State
        Its `best` may change.
    material : Material
        The data.
    finish : callable
        Makes the network of a state.
    """
    network = finish(settings, state, material)
    trials = material.data.part("validation")
    with np.errstate(over="ignore", invalid="ignore"):
        score = evaluate(network, trials, runner=lambda x: network.run(x, dtype=np.float32)[0]).accuracy
    if (
        settings.data.patience
        and state.step >= _last_phase(settings)
        and (state.best is None or score >= state.best.score)
    ):
        # A score that is equal does not count as an improvement, but its network is sparser.
        step = state.best.step if state.best is not None and score == state.best.score else state.step
        parameters = {name: tensor.detach().clone() for name, tensor in state.parameters.items()}
        state.best = Best(score, step, parameters, state.positions.copy())
    return score


def ends_early(settings: Settings, state: State) -> bool:
    """Whether the validation score has not improved for ``data.patience`` steps of the last phase."""
    patience = settings.data.patience
    return bool(patience and state.best is not None and state.step - state.best.step >= patience)


def best_of(state: State) -> State:
    """Return the state with the best validation score where training looked for it, else `state` itself."""
    if state.best is None:
        return state
    return replace(state, parameters=state.best.parameters, positions=state.best.positions)


def _last_phase(settings: Settings) -> int:
    share = max(settings.wiring.ramp_to, settings.wiring.bias_from)
    return math.ceil(share * settings.training.steps)
