"""What the cores of a chip have to do: the busiest one sets the pace."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuromod.arrays import Array


def count_load(
    *,
    core: Array,
    updates: Array,
    sent: Array,
    into: Array,
    between: Array,
    input_sent: Array,
    memory_bits: int,
) -> dict[str, Any]:
    """Count synaptic operations, updates, messages and memory of every core, in one time step.

    Parameters
    ----------
    core : (n,) int
        Core of each neuron.
    updates : (n,) float
        Updates of each neuron in a time step.
    sent, input_sent : (n,) and (channels,) float
        Spikes of each neuron and of each input channel in a time step, on trials. One of a size, as a count of Xylo,
        counts as so many; a graded one counts once.
    into, between : (n, channels) and (n, n)
        Weights, row = target; what is not 0 is a synapse.
    memory_bits : int
        Bits of a weight.

    Returns
    -------
    dict
        ``busiest``: the most that a core has of each; ``cores``: of all cores that hold neurons, by number.
        ``synaptic_operations``, ``neuron_updates``, ``messages`` (from inputs or other cores that arrive on it) and
        ``weight_bits``.

    References
    ----------
    The floorline model takes the maxima over the cores of these, arXiv:2511.21549.
    """
    cores = np.unique(core)
    there_in, there = into != 0, between != 0
    operations = there_in @ input_sent + there @ sent
    synapses = there_in.sum(axis=1) + there.sum(axis=1)
    parts = []
    for number in cores.tolist():
        own = core == number
        remote = there[own].any(axis=0) & ~own
        parts.append(
            {
                "core": number,
                "synaptic_operations": float(operations[own].sum()),
                "neuron_updates": float(updates[own].sum()),
                "messages": float(sent[remote].sum() + input_sent[there_in[own].any(axis=0)].sum()),
                "weight_bits": int(synapses[own].sum()) * memory_bits,
            }
        )
    return {"busiest": {name: max(part[name] for part in parts) for name in parts[0] if name != "core"}, "cores": parts}


def xylo_load(integers: Any, counts: Array, response: Any) -> dict[str, Any]:
    """Count the load of Xylo's one core on trials that were run, output neurons included, see `count_load`."""
    n, channels = integers.n, integers.channels
    n_out = integers.weights_out.shape[1]
    return count_load(
        core=np.zeros(n + n_out, int),
        updates=np.ones(n + n_out),
        # Nothing listens to the outputs.
        sent=np.append(response.spikes.mean(axis=(0, 1)), np.zeros(n_out)),
        into=np.vstack([integers.weights_in.T, np.zeros((n_out, channels))]),
        between=np.hstack([np.vstack([integers.weights_rec.T, integers.weights_out.T]), np.zeros((n + n_out, n_out))]),
        input_sent=counts.mean(axis=(0, 1)),
        memory_bits=8,
    )


def loihi_load(integers: Any, events: Array, response: Any) -> dict[str, Any]:
    """Count the load of each of Loihi's cores on trials that were run, see `count_load`."""
    k = integers.substeps
    return count_load(
        core=integers.core,
        updates=np.full(integers.n, k),
        sent=response.spikes.mean(axis=(0, 1)) * k,
        into=integers.weights_in,
        between=integers.weights_rec,
        input_sent=events.mean(axis=(0, 1)) * k,
        memory_bits=8,
    )


def loihi2_load(integers: Any, messages: Array, response: Any) -> dict[str, Any]:
    """Count the load of each of Loihi 2's cores on trials that were run, see `count_load`.

    A neuron has two units, each of which sends a graded spike in every step in which it is not silent.
    """
    two = np.concatenate([response.kept > 0, response.fresh > 0], axis=2).mean(axis=(0, 1))
    n = integers.n
    kept = np.eye(n, dtype=bool)
    return count_load(
        core=np.tile(integers.core, 2),
        updates=np.ones(2 * n),
        sent=two,
        into=np.vstack([np.zeros_like(integers.weights_in), integers.weights_in]),
        between=np.vstack([np.hstack([kept, kept]), np.hstack([integers.weights_rec, integers.weights_rec])]),
        input_sent=(messages != 0).mean(axis=(0, 1)),
        memory_bits=8,
    )
