"""What a spiking network does: its spikes, and the operations that they cause."""

from __future__ import annotations

import numpy as np

from neuromod.errors import UsageError
from neuromod.metrics import BATCH, Activity, Operations
from neuromod.network import Array, Network
from neuromod.spiking.dynamics.events import spikes_of
from neuromod.spiking.leaky import LeakyNetwork
from neuromod.spiking.network import SpikingNetwork
from neuromod.trials import Trials


def count_spikes(spiking: SpikingNetwork | Network, trials: Trials | Array) -> Activity:
    """Count the spikes of a spiking network, all substeps of a time step together.

    Steps after the end of a trial do not count. Inputs are counted as in `count_active_steps`.

    Parameters
    ----------
    spiking : SpikingNetwork or Network
        The network; a `Network` is one from `from_snntorch`.
    trials : Trials or (time, trial, n_in) array
        The trials that it runs on; those of an array last to its end.

    Returns
    -------
    Activity
        Rates in spikes per time step of the rate network.

    Raises
    ------
    UsageError
        If the network does not spike, or does not say how.
    """
    running = LeakyNetwork.of(spiking) if isinstance(spiking, Network) else spiking
    inputs, mask = (trials.inputs, trials.mask) if isinstance(trials, Trials) else _whole(trials, running.w_in.shape[1])
    spikes = np.zeros(running.n)
    events = np.zeros(running.w_in.shape[1], np.int64)
    rng = np.random.default_rng(0)
    for start in range(0, inputs.shape[1], BATCH):
        batch = slice(start, start + BATCH)
        x, valid = inputs[:, batch], mask[:, batch]
        spikes += running.run(x, rng=rng).spikes[valid].sum(axis=0, dtype=np.float64)
        events += (x[valid] != 0).sum(axis=0)
    steps = int(mask.sum())
    return Activity(spikes / steps, events / steps, "spikes", steps)


def _whole(inputs: Array, n_in: int) -> tuple[Array, Array]:
    x = np.asarray(inputs, np.float32)
    if x.ndim != 3 or x.shape[2] != n_in or not x.size:
        raise UsageError(f"inputs must have the shape (time, trial, {n_in}), found {x.shape}")
    return x, np.ones(x.shape[:2], bool)


def count_spiking(spiking: SpikingNetwork, x: Array, mask: Array, *, seed: int = 0) -> Operations:
    """Count the operations of a spiking network.

    Inputs that are currents are multiplied once in a time step, since they stay; random input spikes cost an addition
    each. Spikes cost an addition at each synapse behind them.

    Parameters
    ----------
    spiking : SpikingNetwork
        The network.
    x : (time, batch, n_in)
        Inputs.
    mask : (time, batch) bool
        Steps that count.
    seed : int
        Seed of random input.
    """
    n, n_in, n_out = spiking.n, spiking.w_in.shape[1], len(spiking.bias_out)
    steps = int(mask.sum())
    spikes = spiking.run(x, rng=np.random.default_rng(seed)).spikes[mask]
    behind = np.diff(spiking.w_rec.tocsc().indptr) + np.count_nonzero(spiking.w_out, axis=0)
    fed = np.count_nonzero(spiking.w_in, axis=0)
    acs, macs = float((spikes @ behind).sum()), 0.0
    presented = 1
    if spiking.input == "constant":
        macs = float(((x[mask] != 0) @ fed).sum())
    elif spiking.input == "counts":
        presented = spiking.substeps
        carried = np.zeros(x.shape[1:], np.float32)
        for step, valid in zip(np.asarray(x, np.float32), mask, strict=True):
            events, carried = spikes_of(spiking, step, carried)
            acs += float((np.abs(events[:, valid]).sum(axis=(0, 1)) @ fed).sum())
    else:
        presented = spiking.substeps
        acs += float((np.minimum(1, np.abs(x[mask]) / spiking.input_peak) @ fed).sum()) * spiking.substeps
    synapses = int(spiking.w_rec.nnz + np.count_nonzero(spiking.w_in) + np.count_nonzero(spiking.w_out))
    weights = n * (n + n_in + n_out)
    return Operations(
        macs=macs / steps,
        acs=acs / steps,
        dense=float(presented * n * n_in + spiking.substeps * n * (n + n_out)),
        neuron_updates=float(n * spiking.substeps),
        spikes=float(spikes.sum()) / steps,
        activation_sparsity=1 - float(spikes.mean()) / spiking.substeps,
        connection_sparsity=1 - synapses / weights,
        synapses=synapses,
        weight_bytes=-(-synapses * (spiking.weight_bits or 32) // 8),
        dense_bytes=4 * (weights + n + n_out),
        steps=steps,
    )
