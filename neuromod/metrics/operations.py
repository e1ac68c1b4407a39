"""What an export costs a chip: synaptic operations, spikes, updates and memory, counted on trials."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neuromod.network import Array, Network


@dataclass(frozen=True)
class Operations:
    """Counts for one network, all but the memory for one time step of one trial, on average.

    Parameters
    ----------
    macs, acs : float
        Synaptic operations that something non-zero causes at a non-zero weight: multiplications with a number that is
        added up, and additions that a spike causes.
    dense : float
        Synaptic operations without regard to zeros.
    neuron_updates : float
        Updates of a neuron's state.
    spikes : float or None
        Spikes of all neurons; None for a rate network.
    activation_sparsity : float
        Share of the states (rate network) or substeps (spikes) in which neurons were silent.
    connection_sparsity : float
        Share of weights that are zero, input, recurrent and readout.
    synapses : int
        Weights that are not.
    weight_bytes : int
        Their values alone, packed into their bits.
    dense_bytes : int
        All weights and biases in single precision, zeros included.
    steps : int
        Time steps counted; 0 if there were no trials, and then what is counted on them is zero and means nothing.
    """

    macs: float
    acs: float
    dense: float
    neuron_updates: float
    spikes: float | None
    activation_sparsity: float
    connection_sparsity: float
    synapses: int
    weight_bytes: int
    dense_bytes: int
    steps: int

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON holds them; what was not counted is null."""
        content = asdict(self)
        if not self.steps:
            for name in ("macs", "acs", "spikes", "activation_sparsity"):
                content[name] = None
        return content


def count_rate(network: Network, x: Array | None = None, mask: Array | None = None) -> Operations:
    """Count the operations of a rate network.

    Parameters
    ----------
    network : Network
        The network.
    x : (time, batch, n_in), optional
        Inputs; without them only what does not depend on them is counted.
    mask : (time, batch) bool, optional
        Steps that count; all if omitted.

    Returns
    -------
    Operations
        The counts; without spikes.
    """
    w_rec = network.w_rec
    outgoing = np.diff(w_rec.tocsc().indptr)
    readout = np.count_nonzero(network.w_out, axis=0)
    macs, silent, steps = 0.0, 0.0, 0
    if x is not None:
        states = network.states(x, dtype=np.float32)
        before = np.concatenate([np.zeros_like(states[:1]), states[:-1]])
        mask = np.ones(x.shape[:2], bool) if mask is None else mask
        steps = int(mask.sum())
        macs = float(((before[mask] != 0) @ outgoing).sum() + ((states[mask] != 0) @ readout).sum())
        macs += float(((x[mask] != 0) @ np.count_nonzero(network.w_in, axis=0)).sum())
        silent = float((states[mask] == 0).mean())
    dense = network.n * (network.n + network.n_in + network.n_out)
    synapses = network.n_synapses + np.count_nonzero(network.w_in) + np.count_nonzero(network.w_out)
    return Operations(
        macs=macs / steps if steps else 0.0,
        acs=0.0,
        dense=float(dense),
        neuron_updates=float(network.n),
        spikes=None,
        activation_sparsity=silent,
        connection_sparsity=1 - synapses / dense,
        synapses=int(synapses),
        weight_bytes=4 * int(synapses),
        dense_bytes=4 * (dense + network.n + network.n_out),
        steps=steps,
    )
