"""From a spiking network to Loihi's integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neuromod.arrays import Array
from neuromod.chips import LARGEST, LoihiNetwork
from neuromod.errors import UsageError
from neuromod.spiking import HEADROOM, SpikingNetwork

# Tried: the input for which a channel that always spikes stands, as a multiple of the largest. Small ones resolve
# inputs, large ones let them change fast.
PEAKS = (1.5, 2.0, 4.0)

# Where weights of inputs are finer than recurrent ones, bits that they may be so, and bits of all weights that are
# given up: the first that suffice are taken. With coarser weights the threshold is a smaller number, and so is what
# inhibition drives the membrane to, which must stay within its 24 bits.
FINER = (2, 1, 0)
COARSER = (0, 1, 2, 3)

# Share of the bits that may be taken on the trials of the calibration; others may take more.
ROOM = 0.9

# Largest number of substeps of which the biases' channel has one spike.
RAREST = 8.0

# Trials that candidates are compared on.
_COMPARED = 64


@dataclass(frozen=True, eq=False)
class LoihiCalibration:
    """Integers and how they were found.

    Parameters
    ----------
    integers : LoihiNetwork
        The network.
    peak : float
        The multiple of the largest input that was chosen.
    used : float
        Largest share of the 24 bits that currents and membranes took on the trials.
    readout_error : float
        Root mean square difference of the readout from the spiking network's, relative to its size.
    """

    integers: LoihiNetwork
    peak: float
    used: float
    readout_error: float


def calibrate_loihi(
    spiking: SpikingNetwork,
    x: Array,
    mask: Array | None = None,
    *,
    core: Array | None = None,
    peaks: Sequence[float] = PEAKS,
) -> LoihiCalibration:
    """Turn a spiking network into integers, with the finest weights with which it stays within the chip's bits.

    Parameters
    ----------
    spiking : SpikingNetwork
        Mode ``continuous``, hard reset, no delay, no floor; its recurrent weights are rounded to the steps of 8 bits
        that are the same for all of them, if they are not yet.
    x : (time, trials, n_in)
        Inputs to calibrate on.
    mask : (time, trials) bool, optional
        Steps that count; all if omitted.
    core : (n,) int, optional
        Core of each neuron; 0 if omitted.
    peaks : sequence of float
        Multiples of the largest input to try; of a network whose inputs are ``counts`` its own are taken.

    Raises
    ------
    UsageError
        If the network does what Loihi's neurons do not, or a number is out of their range.
    """
    if spiking.mode != "continuous" or spiking.reset != "hard" or spiking.delay or spiking.floor is not None:
        raise UsageError(
            "Loihi's neurons need the mode continuous, a hard reset, no delay and no floor of the membrane; found mode "
            f"{spiking.mode}, reset {spiking.reset}, delay {spiking.delay}, floor {spiking.floor}"
        )
    x = np.asarray(x, np.float64)
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    few, mask = x[:, :_COMPARED], mask[:, :_COMPARED]
    wanted = replace(spiking, start=0.0).run(few).y
    size = float(np.sqrt(np.mean(wanted[mask].astype(float) ** 2))) or 1.0
    if spiking.input == "counts":
        peaks = (HEADROOM,)
    for coarser in COARSER:
        for finer in FINER:
            found = []
            for peak in peaks:
                integers = _integers(spiking, x, peak, finer, coarser, core)
                response = integers.run(integers.encode(few))
                if response.used <= ROOM:
                    error = float(np.sqrt(np.mean((response.y - wanted)[mask] ** 2))) / size
                    found.append(LoihiCalibration(integers, peak, response.used, error))
            if found:
                return min(found, key=lambda item: item.readout_error)
    raise UsageError("currents or membranes leave the bits that Loihi has for them on these trials")


def _integers(
    spiking: SpikingNetwork, x: Array, peak: float, finer: int, coarser: int, core: Array | None
) -> LoihiNetwork:
    du = round(spiking.share * 4096) - 1
    share = (du + 1) / 4096
    largest = np.abs(x).max(axis=(0, 1))
    peaks = peak * np.append(np.where(largest > 0, largest, 1), 1)
    if spiking.input == "counts":
        peaks[:-1] = spiking.input_peak
    # Biases add up in membranes that keep them, so they are said as finely as the inputs' weights allow: by fewer
    # spikes of more weight.
    loudest = float(np.abs(spiking.w_in * peaks[:-1]).max(initial=0)) / (float(np.abs(spiking.bias).max()) or 1.0)
    peaks[-1] = min(max(peak, loudest), RAREST)
    w_rec = spiking.w_rec.toarray().astype(np.float64)
    w_in = np.concatenate([spiking.w_in, spiking.bias[:, None]], axis=1).astype(np.float64) * peaks
    step = _step(w_rec) if spiking.step_in is None else float(np.median(spiking.step_in))
    step *= 2.0**coarser
    # Input weights have steps of their own, a power of two apart from those of the recurrent ones.
    # The largest may lose a little for it.
    apart = math.ceil(math.log2(max(_step(w_in) / step, 2.0**-finer)) - 0.1)
    exp_in, exp_rec = max(apart, 0), max(-apart, 0)
    signed = np.append((x < 0).any(axis=(0, 1)), False)
    # Emphasised beforehand, inputs that fall go below zero on their way.
    signed[:-1] |= (np.diff(x, axis=0) < 0).any(axis=(0, 1))
    rounded_in = _even(w_in / (step * 2.0**apart))
    return LoihiNetwork(
        weights_in=np.concatenate([rounded_in, -rounded_in[:, signed]], axis=1),
        weights_rec=_even(w_rec / step),
        core=np.zeros(spiking.n, np.int32) if core is None else core,
        input_peak=peaks,
        signed=signed,
        weights_out=spiking.w_out,
        readout_offset=spiking.bias_out,
        weight_exp_in=exp_in,
        weight_exp_rec=exp_rec,
        du=du,
        dv=round((1 - spiking.keep) * 4096),
        vth=round(2.0 * 2**exp_rec / (share * step)),
        substeps=spiking.substeps,
        dt_s=spiking.dt_s,
    )


def _step(weights: Array) -> float:
    return (float(np.abs(weights).max(initial=0)) or 1.0) / (LARGEST // 2)


def _even(multiples: Array) -> Array:
    return (2 * np.clip(np.round(multiples), -(LARGEST // 2), LARGEST // 2)).astype(np.int64)
