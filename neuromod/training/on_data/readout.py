"""Where the answer to a trial is read, where its user leaves that open: what a short training reads best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from neuromod.data import OPEN_READOUTS
from neuromod.metrics import scores
from neuromod.network import Array, Network
from neuromod.training.on_data.defaults import settings_for
from neuromod.trials import Trials, outputs

# Share of the steps of the training for which each readout is tried.
_SHARE = 0.25

# Settings that a short training shares with the whole one; what wiring costs is left out.
_SHARED = ("network.", "training.", "data.", "seed", "device")


@dataclass(frozen=True)
class ReadoutChoice:
    """How the readouts did that were tried.

    Parameters
    ----------
    readout : str
        The one with the least loss.
    losses : mapping of str to float
        Loss on the validation trials after training with each: cross-entropy in nat, or 1 - R² of values.
    steps : int
        Steps of each of these trainings.
    """

    readout: str
    losses: Mapping[str, float]
    steps: int


def is_open(data: Trials, given: Mapping[str, Any]) -> bool:
    """Whether the readout is to be chosen: nobody said it, and a trial has one answer and several steps.

    Parameters
    ----------
    data : Trials
        The data.
    given : mapping of str to value
        Dotted keys, as `config.given` returns them.
    """
    return not given.get("data.readout") and data.readout != "every" and len(data.mask) > 1


def try_readouts(data: Trials, given: Mapping[str, Any]) -> ReadoutChoice:
    """Train a quarter as long with each readout, without a wiring cost, and compare the losses in validation.

    The mean over steps suits what repeats within a trial, the last step what builds up. The test trials have no say.

    Parameters
    ----------
    data : Trials
        The data, of one answer a trial.
    given : mapping of str to value
        What is given of the training's settings, dotted keys.

    Raises
    ------
    UsageError
        If a setting is unknown or out of range, or a loss is no longer finite.
    """
    from neuromod.training import loop

    kept = {key: value for key, value in given.items() if key.startswith(_SHARED)}
    steps = max(1, round(_SHARE * settings_for(data, given).training.steps))
    losses = {}
    for readout in OPEN_READOUTS:
        trials = replace(data, readout=readout)
        brief = {**kept, "training.steps": steps, "wiring.regularizer": "none"}
        settings = settings_for(trials, brief)
        network = loop.train(settings, data=trials)
        losses[readout] = loss_of(network, trials.part("validation"), settings.training.label_smoothing)
    return ReadoutChoice(min(losses, key=lambda readout: losses[readout]), losses, steps)


def loss_of(network: Network, trials: Trials, label_smoothing: float) -> float:
    """Loss of a finished network on trials, as it is trained on: cross-entropy in nat; of values, 1 - R²."""
    return loss_of_outputs(network.run(trials.inputs)[0], trials, label_smoothing)


def loss_of_outputs(y: Array, trials: Trials, label_smoothing: float) -> float:
    """Loss of the readout of every step, (time, trial, n_out), on trials."""
    return scores.loss(trials.answers, outputs(y, trials), label_smoothing=label_smoothing)


def settle_readout(
    data: Trials,
    given: Mapping[str, Any],
    *,
    start: Network | None = None,
    on_choice: Callable[[ReadoutChoice], None] | None = None,
) -> Trials:
    """Return the data with the readout that they are learned with.

    Parameters
    ----------
    data : Trials
        The data.
    given : mapping of str to value
        What is given of the training's settings, dotted keys; ``data.readout`` settles it.
    start : Network, optional
        The network that training goes on with: data of one answer a trial are read as those that it learned.
    on_choice : callable, optional
        Called with the `ReadoutChoice` if there was one to make.
    """
    if not is_open(data, given):
        return data
    known = start.info.get("data", {}).get("readout") if start is not None else None
    if known in OPEN_READOUTS:
        return replace(data, readout=known)
    choice = try_readouts(data, given)
    if on_choice is not None:
        on_choice(choice)
    return with_readout(data, choice)


def with_readout(data: Trials, choice: ReadoutChoice) -> Trials:
    """Return the data with the readout that was chosen, and in their source what it was chosen by."""
    losses = {name: round(loss, 4) for name, loss in choice.losses.items()}
    return replace(data, readout=choice.readout, source={**data.source, "readout_losses": losses})


def choice_words(choice: ReadoutChoice) -> str:
    """Say what was chosen and by what."""
    said = {"last": "at the last step", "mean": "as the mean over steps"}
    other = next(name for name in choice.losses if name != choice.readout)
    return (
        f"the answer is read {said[choice.readout]}: a loss of {choice.losses[choice.readout]:.3f} on the validation "
        f"trials after {choice.steps:,} steps, {said[other]} {choice.losses[other]:.3f}"
    )
