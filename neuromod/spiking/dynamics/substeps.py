"""The neurons of a spiking network through the substeps of one time step, compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from neuromod.arrays import Array
from neuromod.kernels import as_indices, compiled


@dataclass(frozen=True, eq=False)
class Neurons:
    """Constants of the neurons, as `advance` takes them; see `SpikingNetwork`.

    Parameters
    ----------
    indptr, indices, data : (n + 1,) int64, (synapses,) int32 and float32
        Recurrent weights by their source.
    bias : (n,) float32
        Biases.
    substeps : int
        Substeps of a time step.
    keep : float
        Share of the membrane that a substep keeps.
    floor : float
        Lower bound of the membrane, -inf without one.
    hard : bool
        Whether a spike sets the membrane to 0.
    share : float
        Share of the trace that a substep replaces; 0 where spikes arrive at the end of the time step.
    through_synapses : bool
        Whether the drive is added to the current of the synapses, which keeps it, or to the membrane.
    """

    indptr: Array
    indices: Array
    data: Array
    bias: Array
    substeps: int
    keep: float
    floor: float
    hard: bool
    share: float
    through_synapses: bool

    @staticmethod
    def by_source(w_rec: Array | sparse.csr_array) -> tuple[Array, Array, Array]:
        """Return recurrent weights, (n, n) with row = target, as `indptr`, `indices` and `data`."""
        columns = sparse.csc_array(w_rec)
        columns.sort_indices()
        return (*as_indices(columns.indptr, columns.indices), columns.data.astype(np.float32, copy=False))


@dataclass(frozen=True, eq=False)
class Moment:
    """State and results that `advance` changes in place, all (batch, n) float32 but for `travelling`.

    Parameters
    ----------
    membrane, current, travelling
        The state, see `network.State`.
    count : (batch, n)
        Spikes are added to it.
    fresh : (batch, n)
        Low-passed share of the substeps in which a neuron fired, if there is a `share`.
    margin : (batch, n)
        Lowered to the least distance of the membrane from the threshold.
    """

    membrane: Array
    current: Array
    travelling: Array
    count: Array
    fresh: Array
    margin: Array


def advance(neurons: Neurons, moment: Moment, drive: Array) -> None:
    """Run the substeps of one time step.

    Only what fires costs anything at the recurrent synapses. Sums are in the order of a product with a sparse matrix,
    in single precision.

    Parameters
    ----------
    neurons : Neurons
        Their constants.
    moment : Moment
        What is changed.
    drive : (1 or substeps, batch, n) float32
        Input of all substeps, or of each.
    """
    numbers = np.array([neurons.keep, neurons.floor, 1 - neurons.share, neurons.share], np.float32)
    _advance(
        neurons.indptr, neurons.indices, neurons.data, neurons.bias, np.ascontiguousarray(drive, np.float32), numbers,
        neurons.substeps, neurons.hard, neurons.through_synapses, moment.membrane, moment.current, moment.travelling,
        moment.count, moment.fresh, moment.margin,
    )  # fmt: skip


@compiled
def _advance(  # type: ignore[no-untyped-def]  # pragma: no cover
    indptr, indices, data, bias, drive, numbers, substeps, hard, through_synapses, membrane, current, travelling,
    count, fresh, margin,
):  # fmt: skip
    batch, n = membrane.shape
    keep, floor, stays, share = numbers[0], numbers[1], numbers[2], numbers[3]
    zero, one = np.float32(0), np.float32(1)
    delay = len(travelling)
    added = np.zeros(n, np.float32)
    spike = np.zeros(n, np.float32)
    who = np.zeros(n + 1, np.int64)
    several = len(drive) > 1
    for b in range(batch):
        v, c, counted, low, least = membrane[b], current[b], count[b], fresh[b], margin[b]
        for k in range(substeps):
            d = drive[k if several else 0, b]
            if through_synapses:
                for i in range(n):
                    c[i] = c[i] + d[i]
                for i in range(n):
                    v[i] = keep * v[i] + (bias[i] + c[i])
            else:
                for i in range(n):
                    v[i] = keep * v[i] + ((d[i] + bias[i]) + c[i])
            for i in range(n):
                spike[i] = one if v[i] - one > zero else zero
            for i in range(n):
                least[i] = min(least[i], abs(v[i] - one))
            if hard:
                for i in range(n):
                    v[i] = max(v[i] * (one - spike[i]), floor)
            else:
                for i in range(n):
                    v[i] = max(v[i] - spike[i], floor)
            for i in range(n):
                counted[i] = counted[i] + spike[i]
            if share == zero:
                continue
            for i in range(n):
                low[i] = stays * low[i] + share * spike[i]
            if delay:
                # A queue: the oldest spikes leave, the new ones take their place.
                waiting = travelling[k % delay, b]
                for i in range(n):
                    spike[i], waiting[i] = waiting[i], spike[i]
            fired = 0
            for i in range(n):
                who[fired] = i
                fired += spike[i] > zero
            if fired:
                added[:] = zero
                for q in range(fired):
                    j = who[q]
                    for p in range(indptr[j], indptr[j + 1]):
                        added[indices[p]] += data[p]
                for i in range(n):
                    c[i] = stays * c[i] + share * added[i]
            else:
                for i in range(n):
                    c[i] = stays * c[i]
    if delay and substeps % delay:
        turned = travelling.copy()
        for k in range(delay):
            travelling[k] = turned[(k + substeps) % delay]
