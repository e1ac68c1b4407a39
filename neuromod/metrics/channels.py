"""Input channels of chips that take counts of events: what is sent, what needs a second channel, and their names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuromod.arrays import Array
from neuromod.metrics.accuracy import has_tasks, trials_for
from neuromod.network import Network

# Trials that are looked at, and the share of its largest magnitude below which an input counts as never negative.
_TRIALS, _TOLERANCE = 200, 1e-4


def sent_for(x: Array, alpha: float, mask: Array) -> Array:
    """What a low-pass must be given so that it shows the inputs, (time, trials, n_in); 0 after a trial's end.

    Parameters
    ----------
    x : (time, trials, n_in)
        Inputs.
    alpha : float
        Share of the low-pass that a step replaces, below 1.
    mask : (time, trials) bool
        Steps of the trials.
    """
    before = np.concatenate([np.zeros_like(x[:1]), x[:-1]])
    return np.asarray((x / (1 - alpha) - before) * mask[..., None])


def is_signed(sent: Array) -> Array:
    """Whether what is sent is negative anywhere, (n_in,) bool, so that an input takes a second, unsigned channel."""
    peak = np.abs(sent).max(axis=(0, 1))
    return np.asarray((sent < -_TOLERANCE * np.maximum(peak, 1e-12)).any(axis=(0, 1)))


def with_second_channels(network: Network) -> Network:
    """Return a network with one input for each unsigned channel, as a chip has it that takes counts of events.

    Which inputs are negative is seen on trials of the network's tasks or data; without either none is taken to be.

    Parameters
    ----------
    network : Network
        A rate network.

    Returns
    -------
    Network
        For counting alone: second inputs follow all others, and ``info["channels"]`` names them all.
    """
    if "channels" in network.info or network.info.get("nir"):
        return network
    names = channel_names(network)
    signed = np.zeros(network.n_in, bool)
    if not network.info.get("counts") and has_tasks(network) and network.alpha < 1:
        trials = trials_for(network, _TRIALS, seed=np.random.default_rng([0, 21]), split="seen")
        signed = is_signed(sent_for(trials.inputs.astype(np.float64), network.alpha, trials.mask))
    second = np.flatnonzero(signed)
    return replace(
        network,
        w_in=np.concatenate([network.w_in, -network.w_in[:, second]], axis=1),
        data=None,
        info={**network.info, "channels": [*names, *(f"minus {names[k]}" for k in second.tolist())]},
    )


def channel_names(network: Network) -> list[str]:
    """Names of the inputs: those of the channels of its data, else their numbers."""
    if "channels" in network.info:
        return [str(name) for name in network.info["channels"]]
    told = network.info.get("data")
    coded = told.get("encoding") if isinstance(told, dict) else None
    if network.data is not None:
        return [f"channel {name}" if name.isdecimal() else name for name in network.data.channel_names]
    if isinstance(coded, dict):
        return [str(entry["name"]) for entry in coded["channels"]]
    return [f"input {k}" for k in range(network.n_in)]
