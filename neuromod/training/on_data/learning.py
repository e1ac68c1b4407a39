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
from neuromod.trials import outputs

# Ridges of a readout that is solved, in units of the states' mean square, and rows of states it is solved on at most.
_RIDGES = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
_MOST_ROWS = 200_000

# What `network_of` of the training is.
Finish = Callable[[Settings, State, Material], Network]


def finished(network: Network, material: Material) -> Network:
    """Return the network that takes raw values, with its data."""
    arrays = {name: getattr(network, name) for name in ("w_in", "bias", "w_out", "bias_out")}
    return replace(network, **folded(arrays, material.scaling), data=material.data)  # type: ignore[arg-type]


def with_solved_readout(network: Network, material: Material) -> Network:
    """Return the network with the readout of least squared error on the training trials, where values are learned.

    The states of a recurrent network are so alike that gradient steps take very long to find the best weighted sum of
    them, which a ridge regression has at once. Absent readout weights stay absent. The ridge is the one with the best
    validation score; the readout stays as it is if none has a better one.

    Parameters
    ----------
    network : Network
        A network that learned values.
    material : Material
        The data.
    """
    train, validation = (material.data.part(name) for name in ("train", "validation"))
    if train.n_trials * len(train.inputs) > _MOST_ROWS:
        train = train.take(np.arange(max(2, _MOST_ROWS // len(train.inputs))))
    states = outputs(network.states(train.inputs), train)
    center, wanted = states.mean(axis=0), train.answers.astype(np.float64)
    products, mean = (states - center).T @ (states - center), wanted.mean(axis=0)
    found = (states - center).T @ (wanted - mean)
    size = float(np.trace(products)) / len(products)

    def solved(ridge: float) -> Network:
        w_out = np.zeros((network.n_out, network.n))
        for k in range(network.n_out):
            kept = np.flatnonzero(network.w_out[k])
            if len(kept):
                system = products[np.ix_(kept, kept)] + ridge * size * np.eye(len(kept))
                w_out[k, kept] = np.linalg.solve(system, found[kept, k])
        return replace(network, w_out=w_out, bias_out=mean - w_out @ center)

    def score(candidate: Network) -> float:
        return evaluate(candidate, validation, runner=lambda x: candidate.run(x, dtype=np.float32)[0]).accuracy

    tried = [network, *(solved(ridge) for ridge in _RIDGES if size > 0)]
    return max(tried, key=score)


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
