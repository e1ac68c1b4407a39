"""Thresholds of a spiking network from the activity of the rate network."""

from __future__ import annotations

import numpy as np

from neuromod.network import Array, Network


def activities(network: Network, x: Array) -> Array:
    """Activity max(0, …) of every neuron before the leak, (time, batch, n), for inputs x (time, batch, n_in)."""
    states = network.states(x, dtype=np.float32)
    before = np.concatenate([np.zeros_like(states[:1]), states[:-1]])
    activity: Array = np.maximum(0, (states - (1 - network.alpha) * before) / network.alpha)
    return activity


def largest_drives(network: Network, x: Array) -> Array:
    """Largest magnitude of every neuron's sum of inputs, not rectified, (n,), for inputs (time, batch, n_in)."""
    states = network.states(x, dtype=np.float32)
    largest = np.zeros(network.n)
    for before, now in zip([np.zeros_like(states[0]), *states[:-1]], np.asarray(x, np.float32), strict=True):
        drive = now @ network.w_in.T + (network.w_rec @ before.T).T + network.bias
        largest = np.maximum(largest, np.abs(drive).max(axis=0))
    return largest


def balance(samples: Array, *, percentile: float = 99.5, floor: float = 0.05) -> Array:
    """Activity at which each neuron is to fire in every substep: threshold balancing by percentiles.

    Parameters
    ----------
    samples : (samples, n)
        Activity of the rate network.
    percentile : float
        Of each neuron's activity.
    floor : float
        Least value, as a share of the most active neuron's. It keeps the weights in a range that few bits can hold.

    Returns
    -------
    (n,) float32
        All positive.

    References
    ----------
    B. Rueckauer et al., Frontiers in Neuroscience 11:682 (2017), doi:10.3389/fnins.2017.00682.
    """
    scale = np.percentile(samples, percentile, axis=0)
    largest = float(scale.max(initial=0.0))
    if largest <= 0:
        return np.ones(samples.shape[1], np.float32)
    return np.asarray(np.maximum(scale, floor * largest), np.float32)
