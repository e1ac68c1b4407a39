"""Weights with few bits, as a chip holds them: one step size for each row or for a whole matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.network import Array, Network


def steps(largest: Array, bits: int, *, reset: Literal["soft", "hard"] | None = None) -> Array:
    """Size of one step of signed integers with `bits` bits, symmetric about 0.

    Parameters
    ----------
    largest : (rows,)
        Largest magnitude that each row must hold.
    bits : int
        2 to 16.
    reset : {'soft', 'hard'}, optional
        The threshold of the neurons, 1, is to lie between two whole numbers of steps, so that sums of steps never tie
        with it and runtimes that fire at the threshold agree with those that fire above it. Half a step away does so
        for a membrane that is reset to 0; a soft reset takes the threshold off again and again, so the distance is a
        share of a step that sums to a whole number late (the golden ratio's).

    Returns
    -------
    (rows,) float64
        At least `largest` / (2^(bits - 1) - 1); 1 for rows of zeros.

    Raises
    ------
    UsageError
        If the number of bits is out of range.
    """
    if not 2 <= bits <= 16:
        raise UsageError(f"weights can have 2 to 16 bits, found {bits}")
    size = np.asarray(largest, np.float64) / (2 ** (bits - 1) - 1)
    size = np.where(size > 0, size, 1.0)
    if reset is None:
        return size
    offset = 0.5 if reset == "hard" else (3 - 5**0.5) / 2
    whole = np.floor(1 / size - offset)
    # Weights above the threshold itself leave nothing to choose.
    return np.where(whole >= 0, 1 / (np.maximum(whole, 0) + offset), size)


def rounded(network: Network, bits: int) -> Network:
    """Return a rate network with its weights rounded to integers of `bits` bits times a step for each row.

    As in `quantize`, input and recurrent weights of a neuron share the step and biases stay as they are.

    Raises
    ------
    UsageError
        If the number of bits is out of range.
    """
    largest = np.maximum(np.abs(network.w_in).max(axis=1, initial=0), row_maxima(network.w_rec))
    into, out = steps(largest, bits), steps(np.abs(network.w_out).max(axis=1, initial=0), bits)
    w_rec = network.w_rec.copy()
    of_entry = np.repeat(into, np.diff(w_rec.indptr))
    w_rec.data = np.round(w_rec.data / of_entry) * of_entry
    return replace(
        network,
        w_rec=w_rec,
        w_in=np.round(network.w_in / into[:, None]) * into[:, None],
        w_out=np.round(network.w_out / out[:, None]) * out[:, None],
    )


def without_lost(network: Network, bits: int) -> Network:
    """Return a rate network without the weights that `rounded` makes zero: on the chip they are no synapses."""
    kept = rounded(network, bits)
    return replace(
        network,
        w_rec=network.w_rec * kept.w_rec.astype(bool),
        w_in=network.w_in * (kept.w_in != 0),
        w_out=network.w_out * (kept.w_out != 0),
    )


def row_maxima(matrix: Array | sparse.csr_array) -> Array:
    """Largest magnitude of each row of a matrix, dense or sparse, (rows,)."""
    if sparse.issparse(matrix):
        return np.asarray(abs(matrix).max(axis=1).toarray()).ravel()
    return np.asarray(np.abs(matrix).max(axis=1, initial=0))
