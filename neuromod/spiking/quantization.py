"""Weights of a spiking network with few bits: one step size for each row or for a whole matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import sparse

from neuromod.network import Array
from neuromod.quantization import row_maxima, steps
from neuromod.spiking import Reset, SpikingNetwork

Granularity = Literal["row", "tensor"]


def quantize(spiking: SpikingNetwork, bits: int, *, granularity: Granularity = "row") -> SpikingNetwork:
    """Round the weights of a spiking network to integers of `bits` bits times a step size.

    Input and recurrent weights of a neuron share the step, since both meet its one threshold; biases stay as they are,
    as on chips they are wider than weights.

    Parameters
    ----------
    spiking : SpikingNetwork
        The network.
    bits : int
        Bits of a weight, sign included.
    granularity : {'row', 'tensor'}
        A step for each neuron, taken up by its threshold, or one for all.

    Raises
    ------
    UsageError
        If the number of bits is out of range.
    """
    into, out = step_sizes(spiking.w_in, spiking.w_rec, spiking.w_out, bits, granularity, spiking.reset)
    w_rec = spiking.w_rec.copy()
    # Single precision throughout, so that integers times steps give the same weights in any runtime.
    into, out = into.astype(np.float32), out.astype(np.float32)
    of_entry = np.repeat(into, np.diff(w_rec.indptr))
    w_rec.data = np.round(w_rec.data / of_entry) * of_entry
    w_rec.eliminate_zeros()
    return replace(
        spiking,
        w_rec=w_rec,
        w_in=np.round(spiking.w_in / into[:, None]) * into[:, None],
        w_out=np.round(spiking.w_out / out[:, None]) * out[:, None],
        weight_bits=bits,
        step_in=into,
        step_out=out,
    )


def step_sizes(
    w_in: Array, w_rec: Array | sparse.csr_array, w_out: Array, bits: int, granularity: Granularity, reset: Reset
) -> tuple[Array, Array]:
    """Step sizes of the neurons' synapses, (n,), and of the readout's, (n_out,).

    Parameters
    ----------
    w_in, w_rec, w_out : (n, n_in), (n, n) and (n_out, n) float32
        The weights; those of a row of `w_in` and `w_rec` share a step.
    bits : int
        Bits of a weight, its sign included.
    granularity : {'row', 'tensor'}
        One step for each row, or one for all.
    reset : {'soft', 'hard'}
        Rule of the neurons' reset.
    """
    into = np.maximum(np.abs(w_in).max(axis=1, initial=0), row_maxima(w_rec))
    out = np.abs(w_out).max(axis=1, initial=0)
    if granularity == "tensor":
        into, out = np.full_like(into, into.max(initial=0)), np.full_like(out, out.max(initial=0))
    return steps(into, bits, reset=reset), steps(out, bits)
