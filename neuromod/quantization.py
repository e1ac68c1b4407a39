"""Weights with few bits, as a chip holds them: one step size for each row or for a whole matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.hardware.targets import Target
from neuromod.network import Array, Network
from neuromod.spiking.network import Reset, SpikingNetwork

Granularity = Literal["row", "tensor"]


def steps(largest: Array, bits: int, *, reset: Reset | None = None) -> Array:
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


def rounded(network: Network, bits: int) -> Network:
    """Return a rate network with its weights rounded to integers of `bits` bits times a step for each row.

    As in `quantize`, input and recurrent weights of a neuron share the step and biases stay as they are.

    Raises
    ------
    UsageError
        If the number of bits is out of range.
    """
    largest = np.maximum(np.abs(network.w_in).max(axis=1, initial=0), _row_maxima(network.w_rec))
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


def bits_of(target: Target | str) -> int:
    """Bits of a weight on a chip, given by itself, its name or the path of a TOML file.

    Raises
    ------
    UsageError
        If there is no such target, or the number is unknown.
    """
    from neuromod.hardware.target_files import load_target

    chip = load_target(target) if isinstance(target, str) else target
    figure = chip.figure("weight_bits")
    if figure.value is None:
        raise UsageError(f"the number of bits of a weight on {chip.name} is {figure.text}; give a number")
    return int(figure.value)


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
    into = np.maximum(np.abs(w_in).max(axis=1, initial=0), _row_maxima(w_rec))
    out = np.abs(w_out).max(axis=1, initial=0)
    if granularity == "tensor":
        into, out = np.full_like(into, into.max(initial=0)), np.full_like(out, out.max(initial=0))
    return steps(into, bits, reset=reset), steps(out, bits)


def _row_maxima(matrix: Array | sparse.csr_array) -> Array:
    if sparse.issparse(matrix):
        return np.asarray(abs(matrix).max(axis=1).toarray()).ravel()
    return np.asarray(np.abs(matrix).max(axis=1, initial=0))
