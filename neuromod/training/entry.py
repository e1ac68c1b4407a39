"""Training as a function for notebooks and scripts: no run directory is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from neuromod.errors import UsageError
from neuromod.network import Network

if TYPE_CHECKING:
    from pathlib import Path

    from neuromod.training.loop import Progress
    from neuromod.training.settings import Settings
    from neuromod.trials import Trials


def train(
    settings: Settings | None = None,
    *,
    tasks: str | tuple[str, ...] | None = None,
    data: Trials | Path | str | None = None,
    start: Network | None = None,
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
    data : Trials, Path or str, optional
        Trials of your own, or their file, learned instead of tasks; settings that are not given are those that suit
        them, see `neuromod.training.on_data.defaults`. Where the answers in a file are read is chosen on the validation
        trials unless ``data.readout`` says it; `Trials` are read as they say. The network has them as its ``data``.
    start : Network, optional
        A trained network to go on with, its positions too; ``start.freeze`` in `more` keeps parts of it.
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
    from neuromod.data import read_trials
    from neuromod.training import checkpoints, config
    from neuromod.training import loop as training
    from neuromod.training.on_cores.chip_neurons import for_target, trials_for_target
    from neuromod.training.on_data import defaults
    from neuromod.training.on_data.readout import settle_readout
    from neuromod.trials import Trials

    flags: dict[str, Any] = {
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
    if start is not None:
        flags.setdefault("network.neurons", start.n)
        if settings is None:
            flags.setdefault("network.tau_ms", 1000 * start.tau_s)
        flags |= {"start.run": str(start.info.get("made_by", "a network")), "start.sha256": start.sha256()}
    if data is None:
        chosen = config.load(None, (), flags)
    else:
        flags = {key: value for key, value in flags.items() if settings is None or not key.startswith("tasks.")}
        if not isinstance(data, Trials):
            data = settle_readout(read_trials(data, readout=flags.get("data.readout") or None), flags, start=start)
        chosen = defaults.settings_for(data, flags)
    chosen, _ = for_target(chosen)
    data = trials_for_target(chosen, data)
    state = None
    if start is not None:
        if chosen.network.neurons != start.n:
            raise UsageError(f"neurons = {chosen.network.neurons}: the network to start from has {start.n}")
        state = checkpoints.start(chosen, data=data, network=start)
    return training.train(chosen, data=data, state=state, on_step=on_step)
