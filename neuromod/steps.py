"""The commands' steps as functions on `Network`, for notebooks and scripts: no run directory is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from neuromod.hardware.target_files import load_target, target_names
from neuromod.hardware.targets import Target
from neuromod.mapping.placement import Placement
from neuromod.metrics.activity import Activity, find_activity
from neuromod.network import Network
from neuromod.traffic.report import TrafficReport
from neuromod.traffic.report import estimate as estimate_traffic

if TYPE_CHECKING:
    from neuromod.mapping.problem import Effort
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


def place(
    network: Network,
    *,
    cores: tuple[int, int] | None = None,
    target: Target | str = "generic-mesh",
    activity: Activity | None = None,
    neurons_per_core: int | None = None,
    placer: str = "annealing",
    objective: str = "hops",
    seed: int = 0,
    effort: Effort | None = None,
) -> Placement:
    """Place the neurons of a network on the cores of a target, as `neuromod map` does.

    Parameters
    ----------
    network : Network
        The network, with positions or without.
    cores : (rows, columns), optional
        Grid of cores; 4x4, or the chip's if that is smaller, if omitted.
    target : Target or str
        The target, its name, or the path of its file.
    activity : Activity, optional
        How often each neuron sends; `activity.find_activity` if omitted.
    neurons_per_core, placer, objective, seed, effort
        As for `mapping.place`.

    Returns
    -------
    Placement
        Core of every neuron, ``core_of (n,) int32``; it keeps every limit that the target states.

    Raises
    ------
    UsageError
        If an argument cannot be used.
    DoesNotFitError
        If the network does not fit; the message lists every violation and what to try.

    Examples
    --------
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=np.eye(4, k=1), w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...                        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> neuromod.place(net, cores=(1, 2), neurons_per_core=2).core_of.tolist()
    [0, 0, 1, 1]
    """
    from neuromod.mapping import search as mapping

    return mapping.place(
        network,
        rates=None if activity is None else activity.rates,
        cores=cores,
        target=target,
        neurons_per_core=neurons_per_core,
        placer=placer,
        objective=objective,
        seed=seed,
        effort=effort,
    )


def estimate(
    network: Network,
    placement: Placement,
    *,
    activity: Activity | None = None,
    target: Target | None = None,
    seed: int = 0,
) -> TrafficReport:
    """Estimate what a placement costs, beside the shuffled one, as `neuromod estimate` does.

    Parameters
    ----------
    network : Network
        The network.
    placement : Placement
        Its neurons' cores.
    activity : Activity, optional
        How often each neuron sends; `activity.find_activity` if omitted.
    target : Target, optional
        For energy, time and chips; if omitted the one that the placement was made for, or of its name.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    TrafficReport
        Means per time step: ``summary["hops_per_step"]`` in packet-hops, ``summary["packets_per_step"]``, …

    Raises
    ------
    UsageError
        If the placement is of another network.

    Examples
    --------
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=np.eye(4, k=1), w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...                        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> placement = neuromod.place(net, cores=(1, 2), neurons_per_core=2)
    >>> neuromod.estimate(net, placement).summary["hops_per_step"]
    1.0
    """
    if target is None:
        target = placement.hardware
    if target is None and placement.target in target_names():
        target = load_target(placement.target)
    return estimate_traffic(network, placement, activity or find_activity(network), target=target, seed=seed)
