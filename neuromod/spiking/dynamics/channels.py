"""A spiking network whose inputs come through channels of spikes or numbers, one step a substep, as NIR has them."""

from __future__ import annotations

import numpy as np

from neuromod.arrays import Array
from neuromod.spiking.dynamics.events import spikes_of
from neuromod.spiking.network import SpikingNetwork


def weights_of_channels(spiking: SpikingNetwork) -> Array:
    """Weights of the channels that `encode` makes, (n, channels).

    Parameters
    ----------
    spiking : SpikingNetwork
        The network that is exported.

    Returns
    -------
    (n, channels) float32
        Row = target.
    """
    bias, start = spiking.bias[:, None], np.full((spiking.n, 1), spiking.keep * spiking.start, np.float32)
    if spiking.input != "counts":
        return np.concatenate([spiking.w_in, bias, start], axis=1)
    share = np.float32(spiking.share)
    weights = spiking.w_in * spiking.spike_size
    # A spike in every substep takes its time to come through the synapses, and one in the first makes up for it; what
    # sets the membranes is taken back in the second.
    first = (1 - share) * bias + start
    return np.concatenate([weights, -weights, share * bias, first, (share - 1) * start], axis=1)


def encode(x: Array, spiking: SpikingNetwork, form: str = "cuba") -> Array:
    """Turn inputs (time, batch, n_in) into those of the graph, (time x substeps, batch, n_in + 2) float32.

    Each input stays for the substeps of its time step. Two channels follow: a constant 1 that carries the biases, and
    one that is 1 in the first substep only and sets the membranes to where they start. For ``cuba``, what the trace
    will low-pass is emphasised beforehand: e[k] = x[k] - (1 - share) x[k - 1].

    Of a network whose inputs are ``counts``, (time x substeps, batch, 2 n_in + 3) spikes, 0 or 1, for either form:
    those of each input, those of what is negative, one in every substep for the biases, and one in the first and in the
    second substep.

    Parameters
    ----------
    x : (time, batch, n_in)
        Inputs.
    spiking : SpikingNetwork
        The network that was exported.
    form : {'cuba', 'literal'}
        How it was.

    Returns
    -------
    (time x substeps, batch, channels) float32
        What the graph takes.
    """
    if spiking.input == "counts":
        return _spikes(np.asarray(x, np.float32), spiking)
    steady = np.repeat(np.asarray(x, np.float32), spiking.substeps, axis=0)
    extra = np.zeros((*steady.shape[:2], 2), np.float32)
    extra[:, :, 0], extra[:1, :, 1] = 1, 1
    channels = np.concatenate([steady, extra], axis=2)
    if form == "cuba":
        channels[1:] -= np.float32(1 - spiking.share) * channels[:-1].copy()
    return channels


def decode(out: Array, spiking: SpikingNetwork, form: str = "cuba") -> Array:
    """Turn the graph's output (time x substeps, batch, n_out) into the readout y (time, batch, n_out).

    For ``cuba`` it is low-passed with the time constant of the trace; the last substep of each time step is taken and
    the readout's bias is added.

    Parameters
    ----------
    out : (time x substeps, batch, n_out)
        What the graph gave.
    spiking, form
        As for `encode`.

    Returns
    -------
    (time, batch, n_out) float32
        The readout.
    """
    if form == "cuba":
        low = np.zeros(out.shape[1:], np.float64)
        passed = np.empty(out.shape, np.float64)
        for k, value in enumerate(out):
            low = (1 - spiking.share) * low + spiking.share * value
            passed[k] = low
        out = passed
    return np.asarray(out[spiking.substeps - 1 :: spiking.substeps] + spiking.bias_out, np.float32)


def _spikes(x: Array, spiking: SpikingNetwork) -> Array:
    carried = np.zeros(x.shape[1:], np.float32)
    parts = []
    for step in x:
        events, carried = spikes_of(spiking, step, carried)
        parts.append(events)
    events = np.concatenate(parts)
    extra = np.zeros((*events.shape[:2], 3), np.float32)
    extra[:, :, 0], extra[:1, :, 1], extra[1:2, :, 2] = 1, 1, 1
    return np.concatenate([np.maximum(events, 0), np.maximum(-events, 0), extra], axis=2)
