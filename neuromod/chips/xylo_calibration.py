"""From a rate network to Xylo's integers, by calibration on trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.chips.rounding import round_rows
from neuromod.chips.xylo import MOST_COUNTS, MOST_SPIKES, XyloNetwork
from neuromod.errors import UsageError
from neuromod.metrics import is_signed, sent_for
from neuromod.network import Network

# Tried: the percentile of its activity at which a neuron has all its spikes, and bits by which weights are shifted.
PERCENTILES = (99.9, 100.0)
SHIFTS = (0, 1, 2)

# Share of the 16 bits that drives may take on the trials that they are scaled on.
_ROOM = 0.7

# Integers of a weight. 8 bits hold 127; rounding that carries errors on needs a little of it.
_LARGEST = 127
_AIM = 124

# No neuron's levels are finer than this share of the most active one's.
_LEAST_LEVEL = 0.01

# Trials that candidates are compared on.
_COMPARED = 128


@dataclass(frozen=True, eq=False)
class XyloCalibration:
    """Integers and how they were found.

    Parameters
    ----------
    integers : XyloNetwork
        The network.
    percentile : float
        What was chosen of `PERCENTILES`.
    shift : int
        What was chosen of `SHIFTS`.
    used : float
        Largest share of the 16 bits that currents took on the trials, in whatever order events come; below 1 nothing
        saturated.
    readout_error : float
        Root mean square error of the readout, relative to the readout's size.
    full : tuple of int
        Indices of neurons with all 31 spikes in more than 1 % of the steps.
    """

    integers: XyloNetwork
    percentile: float
    shift: int
    used: float
    readout_error: float
    full: tuple[int, ...]


def bits_of_alpha(alpha: float) -> int:
    """Bits d of the shift that alpha = 2 ** -d is.

    Raises
    ------
    UsageError
        If alpha is no such number.
    """
    bits = round(-math.log2(alpha))
    if bits < 1 or bits > 15 or not math.isclose(alpha, 2.0**-bits, rel_tol=1e-6):
        nearest = min(range(1, 8), key=lambda d: abs(math.log(alpha * 2**d)))
        raise UsageError(
            f"Xylo's currents decay by 1/2, 1/4, 1/8, …, but alpha = dt / tau of the network is {alpha:g}; "
            f"train it with tau = {2**nearest} dt"
        )
    return bits


def calibrate_xylo(
    network: Network,
    x: Array,
    mask: Array | None = None,
    *,
    percentiles: Sequence[float] = PERCENTILES,
    shifts: Sequence[int] = SHIFTS,
) -> XyloCalibration:
    """Find the integers whose readout is nearest to the rate network's.

    One spike of a neuron stands for 1/31 of its activity at a percentile of the trials. Rows of weights fill 8 bits,
    each with a step of its own, unless its drive would then come near 16 bits. Weights are rounded by
    `rounding.round_rows`; what rounding still moves on average goes into the biases. All percentiles are tried with all
    shifts of the weights.

    Parameters
    ----------
    network : Network
        The rate network; its alpha must be 1/2, 1/4, ….
    x : (time, trials, n_in)
        Inputs to calibrate on.
    mask : (time, trials) bool, optional
        Steps that count; all if omitted.
    percentiles : sequence of float
        What to try, in per cent.
    shifts : sequence of int
        What to try, in bits.

    Raises
    ------
    UsageError
        If alpha is no power of 1/2, or no scale keeps the currents within 16 bits.
    """
    bits_of_alpha(network.alpha)
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    problem = _prepare(network, np.asarray(x, np.float64), mask)
    best: XyloCalibration | None = None
    for percentile in percentiles:
        levels = _levels(problem, percentile)
        for shift in shifts:
            found = _candidate(problem, levels, percentile, shift)
            if found is not None and (best is None or found.readout_error < best.readout_error):
                best = found
    if best is None:
        raise UsageError("no scale of the weights keeps Xylo's currents within 16 bits on these trials")
    return best


@dataclass(frozen=True, eq=False)
class _Problem:
    """What all candidates share: the network in double precision and what it does on the trials."""

    network: Network
    x: Array
    mask: Array
    w_rec: Array
    activity: Array
    drive: Array
    y: Array
    correlation: Array
    counts_per_unit: Array
    signed: Array


def _prepare(network: Network, x: Array, mask: Array) -> _Problem:
    alpha, w_rec = network.alpha, network.w_rec.toarray().astype(np.float64)
    states = network.states(x)
    before = np.concatenate([np.zeros_like(states[:1]), states[:-1]])
    drive = before @ w_rec.T + x @ network.w_in.T.astype(np.float64)
    sources = np.concatenate([x, before], axis=2)[mask]
    # What the synapses' low-pass must be given so that it shows x.
    given = sent_for(x, alpha, mask)
    # Counts that were low-passed already, as the network was trained on them, are found again exactly.
    declared = network.info.get("counts")
    peak = np.abs(given).max(axis=(0, 1))
    counts = np.where(peak > 0, MOST_COUNTS / np.where(peak > 0, peak, 1), 1.0)
    return _Problem(
        network=network,
        x=x,
        mask=mask,
        w_rec=w_rec,
        activity=np.maximum(0, drive + network.bias.astype(np.float64)),
        drive=drive,
        y=states @ network.w_out.T.astype(np.float64) + network.bias_out,
        correlation=sources.T @ sources / len(sources),
        counts_per_unit=counts if declared is None else np.full(counts.shape, float(declared) * (1 - alpha) / alpha),
        signed=is_signed(given),
    )


def _levels(problem: _Problem, percentile: float) -> Array:
    """Activity for which one spike of each neuron stands."""
    peak = np.percentile(problem.activity[problem.mask], percentile, axis=0)
    largest = float(peak.max(initial=0)) or 1.0
    return np.asarray(np.maximum(peak, _LEAST_LEVEL * largest) / MOST_SPIKES)


def _candidate(problem: _Problem, levels: Array, percentile: float, shift: int) -> XyloCalibration | None:
    """Integers for one choice, or None if currents saturate."""
    few = slice(None, _COMPARED)
    x, mask = problem.x[:, few], problem.mask[:, few]
    room = 1.0
    for _ in range(3):
        integers, unit = _integers(problem, levels, shift, room)
        counts = integers.encode(x)
        response = integers.run(counts, bound=True)
        if response.used < 1:
            break
        room *= 1.5
    else:
        return None
    wanted = problem.drive[:, few] / unit
    integers = _corrected(integers, problem, response.current - wanted, response.spikes, mask, few)
    response = integers.run(counts, bound=True)
    if response.used >= 1:
        return None
    error = (integers.decode(response.readout) - problem.y[:, few])[mask]
    size = float(np.sqrt(np.mean(problem.y[:, few][mask] ** 2))) or 1.0
    full = np.flatnonzero((response.spikes[mask] == MOST_SPIKES).mean(axis=0) > 0.01)
    return XyloCalibration(
        integers=integers,
        percentile=percentile,
        shift=shift,
        used=response.used,
        readout_error=float(np.sqrt(np.mean(error**2))) / size,
        full=tuple(full.tolist()),
    )


def _integers(problem: _Problem, levels: Array, shift: int, room: float) -> tuple[XyloNetwork, Array]:
    """Integers, and the activity for which the integer 1 of each neuron's current stands."""
    network, alpha = problem.network, problem.network.alpha
    # The synapses take in (1 - alpha) of what comes where the network takes alpha of the activity.
    gain = alpha / (1 - alpha)
    into = np.concatenate([network.w_in / problem.counts_per_unit, problem.w_rec * levels * gain], axis=1)
    bias = network.bias.astype(np.float64)
    step = np.abs(into).max(axis=1, initial=0) / _AIM
    # Events are added one by one, and none of their sums may leave 16 bits.
    above, below = (
        _largest_drive(problem, np.maximum, levels, gain, into),
        _largest_drive(problem, np.minimum, levels, gain, into),
    )
    reach = np.maximum(np.maximum(above, below), MOST_SPIKES * levels + np.abs(bias))
    step = np.maximum(step, room * 2.0**shift * reach / (_ROOM * 2**15))
    unit = np.where(step > 0, step, 1.0) / 2.0**shift
    threshold = np.maximum(np.round(levels / unit), 1)
    exact = threshold * unit
    signed = np.concatenate([network.w_in, problem.w_rec], axis=1)
    value = np.concatenate([1 / problem.counts_per_unit, exact * gain])
    # In the units of the sources' activity that `correlation` knows, a column's integer stands for `value`.
    correlation = problem.correlation / np.outer(value, value)
    rounded = round_rows(signed * value, np.where(step > 0, step, 1.0), correlation, _LARGEST)
    n_in = network.n_in
    rounded_in, rounded_rec = rounded[:, :n_in], rounded[:, n_in:]
    out = network.w_out.astype(np.float64) * exact * gain
    reach_out = float(np.abs(out).sum(axis=1).max(initial=0)) * MOST_SPIKES / gain
    step_out = max(float(np.abs(out).max(initial=0)) / _AIM, 2.0**shift * reach_out / 2**15 / 4) or 1.0
    spikes_of = problem.correlation[n_in:, n_in:] / np.outer(value[n_in:], value[n_in:])
    rounded_out = round_rows(out, np.full(network.n_out, step_out), spikes_of, _LARGEST)
    dash = bits_of_alpha(alpha)
    sizes: dict[str, Any] = {
        "dash_mem": np.zeros(network.n),
        "dash_mem_out": np.zeros(network.n_out),
        "dash_syn": np.full(network.n, dash),
        "dash_syn_out": np.full(network.n_out, dash),
    }
    integers = XyloNetwork(
        weights_in=np.concatenate([rounded_in, -rounded_in[:, problem.signed]], axis=1).T,
        weights_rec=rounded_rec.T,
        weights_out=rounded_out.T,
        **sizes,
        threshold=threshold,
        # The output neurons' currents are read, not their spikes.
        threshold_out=np.full(network.n_out, 2**15 - 1),
        # Half a threshold rounds to the nearest level.
        bias=np.round(bias / unit) + threshold // 2,
        bias_out=np.zeros(network.n_out),
        counts_per_unit=problem.counts_per_unit,
        signed=problem.signed,
        level=exact,
        readout_scale=np.full(network.n_out, step_out / 2.0**shift),
        readout_offset=network.bias_out,
        weight_shift_in=shift,
        weight_shift_rec=shift,
        weight_shift_out=shift,
        dt_s=network.dt_s,
    )
    return integers, unit


def _largest_drive(problem: _Problem, half: Any, levels: Array, gain: float, into: Array) -> Array:
    """Largest sum of the weights of one sign, over the trials, with what the current held before."""
    network = problem.network
    n_in = network.n_in
    counts = np.abs(problem.x) * problem.counts_per_unit / (1 - network.alpha)
    spikes = problem.activity / levels
    spikes = np.concatenate([np.zeros_like(spikes[:1]), spikes[:-1]])
    # A channel and its negative have weights of either sign.
    fresh_in = np.abs(counts @ np.maximum(np.abs(into[:, :n_in]), 0).T)
    fresh_rec = np.abs(spikes @ half(into[:, n_in:], 0).T)
    held = np.abs(problem.drive)
    return np.asarray((fresh_in + fresh_rec + held)[problem.mask].max(axis=0, initial=0))


def _corrected(
    integers: XyloNetwork, problem: _Problem, excess: Array, spikes: Array, mask: Array, few: slice
) -> XyloNetwork:
    """Put into the biases what rounding and decay moved the currents by on average, where a neuron is active."""
    active = ((spikes > 0) | (problem.activity[:, few] > 0)) & mask[..., None]
    weight = np.where(active.sum(axis=(0, 1)) >= 50, active, mask[..., None])
    moved = (excess * weight).sum(axis=(0, 1)) / np.maximum(weight.sum(axis=(0, 1)), 1)
    return replace(integers, bias=integers.bias - np.round(moved).astype(np.int64))
