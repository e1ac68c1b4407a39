"""From a rate network to graded spikes of Loihi 2, by calibration on trials."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neuromod.arrays import Array
from neuromod.chips.loihi2 import LARGEST, LEAK_BITS, MOST_INPUT, MOST_SHIFT, Loihi2Network
from neuromod.chips.rounding import round_rows
from neuromod.errors import UsageError
from neuromod.network import Network

# Bits that the activity of each neuron takes on the trials, of the 24 of a message.
_BITS = 14

# Even integers of a weight; rounding that carries errors on needs a little of 8 bits.
_AIM = 248

# Trials that candidates are compared on.
_COMPARED = 128


@dataclass(frozen=True, eq=False)
class Loihi2Calibration:
    """Integers and how they were found.

    Parameters
    ----------
    integers : Loihi2Network
        The network.
    used : float
        Largest share of the 24 bits of a message that an activity took on the trials.
    readout_error : float
        Root mean square error of the readout, relative to its size.
    """

    integers: Loihi2Network
    used: float
    readout_error: float


def calibrate_loihi2(
    network: Network,
    x: Array,
    mask: Array | None = None,
    *,
    core: Array | None = None,
) -> Loihi2Calibration:
    """Turn a rate network into integers.

    The activity of each neuron takes 14 bits on the trials, and its row of weights fills 8 bits, with an exponent of
    its own. Weights are rounded by `rounding.round_rows`; what rounding moves on average goes into the biases.

    Parameters
    ----------
    network : Network
        The rate network; 1 - alpha must be a multiple of 1/64.
    x : (time, trials, n_in)
        Inputs to calibrate on.
    mask : (time, trials) bool, optional
        Steps that count; all if omitted.
    core : (n,) int, optional
        Core of each neuron; 0 if omitted.

    Raises
    ------
    UsageError
        If the leak is none that the chip can say, or activities leave 24 bits.
    """
    leak = (1 - network.alpha) * 2**LEAK_BITS
    if abs(leak - 2 * round(leak / 2)) > 1e-3:
        near = 1 - 2 * round(leak / 2) / 2**LEAK_BITS
        raise UsageError(
            f"a leak is a weight of 8 bits on Loihi 2, and alpha = dt / tau of the network is {network.alpha:g}; the "
            f"nearest that it can be is {near:g}, so train it with tau = {1 / near:.4g} dt"
        )
    x = np.asarray(x, np.float64)
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    alpha = network.alpha
    states = network.states(x)
    before = np.concatenate([np.zeros_like(states[:1]), states[:-1]])
    sources = np.concatenate([x, before], axis=2)[mask]
    correlation = sources.T @ sources / len(sources)
    w_rec, w_in = alpha * network.w_rec.toarray().astype(np.float64), alpha * network.w_in.astype(np.float64)
    bias = alpha * network.bias.astype(np.float64)
    peak = np.maximum(states.max(axis=(0, 1), initial=0), 1e-3 * (states.max(initial=0) or 1.0))
    loudest = np.abs(x).max(axis=(0, 1))
    # Half of the range is used on the trials.
    scale_in = MOST_INPUT / 2 / np.where(loudest > 0, loudest, 1)
    unit = peak / 2.0**_BITS
    for _ in range(20):
        # Coarser where weights of the exponent 0 would not fit.
        largest = np.maximum(
            (np.abs(w_rec) * unit).max(axis=1, initial=0), (np.abs(w_in) / scale_in).max(axis=1, initial=0)
        )
        unit = np.maximum(unit, largest / _AIM)
    shift_in, shift_rec = _shifts(w_in / scale_in / unit[:, None]), _shifts(w_rec * unit / unit[:, None])
    value = np.concatenate([1 / scale_in, unit])
    correlation = correlation / np.outer(value, value)
    n_in = network.n_in
    rounded = [
        2 * round_rows(weights * value[part], 2 * unit / 2.0**shift, correlation[part, part], LARGEST // 2)
        for weights, part, shift in ((w_in, slice(n_in), shift_in), (w_rec, slice(n_in, None), shift_rec))
    ]
    integers = Loihi2Network(
        weights_in=rounded[0],
        weights_rec=rounded[1],
        bias=np.round(bias / unit),
        core=np.zeros(network.n, np.int32) if core is None else core,
        input_scale=scale_in,
        level=unit,
        weights_out=network.w_out,
        readout_offset=network.bias_out,
        weight_exp_in=-shift_in,
        weight_exp_rec=-shift_rec,
        leak=2 * round(leak / 2),
        dt_s=network.dt_s,
    )
    few = slice(None, _COMPARED)
    messages, mask = integers.encode(x[:, few]), mask[:, few]
    fresh = (states - (1 - alpha) * before)[:, few] / unit
    moved = integers.run(messages).fresh - fresh
    active = (fresh > 0) & mask[..., None]
    mean = (moved * active).sum(axis=(0, 1)) / np.maximum(active.sum(axis=(0, 1)), 1)
    integers = replace(integers, bias=integers.bias - np.round(mean).astype(np.int64))
    response = integers.run(messages)
    y = states[:, few] @ network.w_out.T.astype(np.float64) + network.bias_out
    size = float(np.sqrt(np.mean(y[mask] ** 2))) or 1.0
    error = float(np.sqrt(np.mean((response.y - y)[mask] ** 2))) / size
    if response.used >= 1:
        raise UsageError("activities leave the 24 bits of Loihi 2's messages on these trials")
    return Loihi2Calibration(integers, response.used, error)


def _shifts(weights: Array) -> Array:
    """Bits by which each row can be shifted to the left so that its largest weight still fits."""
    largest = np.abs(weights).max(axis=1, initial=0)
    return np.clip(np.floor(np.log2(_AIM / np.where(largest > 0, largest, 1))), 0, MOST_SHIFT).astype(np.int64)
