"""The trials of each training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from neuromod import tasks
from neuromod.training import model
from neuromod.training.checkpoints import TRIALS, seed_of
from neuromod.training.settings import Settings
from neuromod.trials import Trials

# Batches drawn together: one call of the generator costs less than many.
CHUNK = 16


def _even() -> None:
    return None


def batches(
    settings: Settings,
    first: int,
    device: torch.device,
    shares: Callable[[], npt.NDArray[np.float64] | None] = _even,
) -> Iterator[model.Packed]:
    """Yield the trials of step `first` and of all that follow.

    Those of a step depend on the seed, its number, and the shares of the tasks when it is asked for.

    Parameters
    ----------
    settings : Settings
        What is trained.
    first : int
        Step to begin with.
    device : torch.device
        Where the tensors go.
    shares : callable, optional
        Called whenever trials of all tasks are drawn, for `CHUNK` steps together, from a step on that is a multiple of
        it: the share of each task, None for as many of each as of the others.

    Yields
    ------
    Packed
        The trials of one step.
    """
    batch = settings.training.batch
    alone = steps_alone(settings)
    for chunk in range(first // CHUNK, -(-settings.training.steps // CHUNK)):
        of_base = chunk * CHUNK < alone
        names = tasks.base_tasks(settings.tasks.names) if of_base else settings.tasks.names
        seed = seed_of(settings, TRIALS, chunk)
        trials = trials_of(settings, names, batch * CHUNK, seed=seed, shares=None if of_base else shares())
        for step in range(max(first, chunk * CHUNK), min((chunk + 1) * CHUNK, settings.training.steps)):
            at = (step % CHUNK) * batch
            own = slice(at, at + batch)
            yield model.pack(
                trials.inputs[:, own],
                trials.targets[:, own],
                trials.mask[:, own],
                response_weight=settings.training.response_weight,
                device=device,
                reads=None if trials.read is None else trials.read[:, own],
            )


def steps_alone(settings: Settings) -> int:
    """Steps in which the tasks that others are made from are learned alone."""
    return round(settings.tasks.first * settings.training.steps)


def trials_of(
    settings: Settings,
    names: Sequence[str],
    n_trials: int,
    *,
    seed: int,
    shares: npt.NDArray[np.float64] | None = None,
) -> Trials:
    """Trials of tasks as these settings have them."""
    told = settings.tasks
    trials = tasks.generate(
        names, n_trials, seed=seed, dt_ms=told.dt_ms, semantics=told.semantics, ring=told.ring, shares=shares
    )
    return tasks.behind_low_pass(trials, counts=told.counts, alpha=settings.alpha) if told.counts else trials
