"""Training as a function for notebooks and scripts: no run directory is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from neuromod.network import Network

if TYPE_CHECKING:
    from neuromod.training.loop import Progress
    from neuromod.training.settings import Settings


def train(
    settings: Settings | None = None,
    *,
    tasks: str | tuple[str, ...] | None = None,
    neurons: int | None = None,
    steps: int | None = None,
    regularizer: str | None = None,
    strength: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    more: Mapping[str, Any] | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Network:
    """Train a network, as `neuromod train` does.

    Parameters
    ----------
    settings : Settings, optional
        Where to start from; the defaults if omitted. What follows wins over them.
    tasks, neurons, steps, regularizer, strength, seed, device
        The settings that the command has an option for; see `neuromod.training.settings`.
    more : mapping of str to value, optional
        Any other setting, as ``{"training.batch": 32}``.
    on_step : callable, optional
        Called with a `training.Progress` every ``training.log_every`` steps and after the last.

    Returns
    -------
    Network
        The trained network; equal settings give equal networks on the same machine.

    Raises
    ------
    UsageError
        If a setting is unknown or out of range, or the loss is no longer finite.

    References
    ----------
    Liu, Khona, Fiete and Tegmark (2023), arXiv:2310.07711.

    Examples
    --------
    >>> import neuromod
    >>> net = neuromod.train(tasks="go", neurons=16, steps=10)
    >>> net.n, net.n_in, net.n_out
    (16, 53, 17)
    """
    from neuromod.training import config
    from neuromod.training import loop as training

    flags = {
        **(config.flatten(config.to_dict(settings)) if settings else {}),
        **(more or {}),
        **{
            key: value
            for key, value in {
                "tasks.names": tasks,
                "network.neurons": neurons,
                "training.steps": steps,
                "wiring.regularizer": regularizer,
                "wiring.strength": strength,
                "seed": seed,
                "device": device,
            }.items()
            if value is not None
        },
    }
    return training.train(config.load(None, (), flags), on_step=on_step)
