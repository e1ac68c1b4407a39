"""From a spiking network to Loihi's integers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neuromod.arrays import Array
from neuromod.chips import LARGEST, MOST_SHIFT, LoihiNetwork
from neuromod.errors import UsageError
from neuromod.spiking import HEADROOM, SpikingNetwork

# Tried: the input for which a channel that always spikes stands, as a multiple of the largest. Small ones resolve
# inputs, large ones let them change fast.
PEAKS = (1.5, 2.0, 4.0)

# Powers of two by which thresholds are lowered, and with them currents: the first that suffices is taken. The floor of
# the membranes is farther down then than the spiking network's.
LOWER = (0, 1, 2)

# Share of the bits that may be taken on the trials of the calibration; others may take more.
ROOM = 0.95

# Substeps of which the biases' channel has one spike.
RAREST = 8.0

# Most exponents that the rows of one kind of weights take: each is one more process in Lava.
KINDS = 3

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
        Largest share of their 24 bits that currents took on the trials, or of 16 bits what arrived in a substep.
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
    """Turn a spiking network into integers, with the highest threshold with which it stays within the chip's bits.

    The floor of the spiking network's membranes is where those of the chip end, and so decides the threshold: of 2^17
    at -1. Each row of weights fills 8 bits, with an exponent of its own.

    Parameters
    ----------
    spiking : SpikingNetwork
        Mode ``continuous``, hard reset, no delay, a floor of -1 or less.
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
    floor = 0.0 if spiking.floor is None else spiking.floor
    if spiking.mode != "continuous" or spiking.reset != "hard" or spiking.delay or floor > -1:
        raise UsageError(
            "Loihi's neurons need the mode continuous, a hard reset, no delay and a floor of -1 or less; found mode "
            f"{spiking.mode}, reset {spiking.reset}, delay {spiking.delay}, floor {spiking.floor}"
        )
    x = np.asarray(x, np.float64)
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    few, mask = x[:, :_COMPARED], mask[:, :_COMPARED]
    wanted = replace(spiking, start=0.0).run(few).y
    size = float(np.sqrt(np.mean(wanted[mask].astype(float) ** 2))) or 1.0
    if spiking.input == "counts":
        peaks = (HEADROOM,)
    for lower in LOWER:
        found = []
        for peak in peaks:
            integers = _integers(spiking, x, peak, int(2**17 / -floor / 2**lower), core)
            response = integers.run(integers.encode(few))
            if response.used <= ROOM:
                error = float(np.sqrt(np.mean((response.y - wanted)[mask] ** 2))) / size
                found.append(LoihiCalibration(integers, peak, response.used, error))
        if found:
            return min(found, key=lambda item: item.readout_error)
    raise UsageError("currents leave the bits that Loihi has for them on these trials")


def _integers(spiking: SpikingNetwork, x: Array, peak: float, vth: int, core: Array | None) -> LoihiNetwork:
    du = round(spiking.share * 4096) - 1
    share, vth = (du + 1) / 4096, min(vth, 2**17 - 1)
    largest = np.abs(x).max(axis=(0, 1))
    peaks = peak * np.append(np.where(largest > 0, largest, 1), 1)
    if spiking.input == "counts":
        peaks[:-1] = spiking.input_peak
    # The biases' channel has the weights of the rarest spikes, which its own bits say most finely.
    peaks[-1] = RAREST
    w_in = np.concatenate([spiking.w_in, spiking.bias[:, None]], axis=1).astype(np.float64) * peaks
    weights_in, exp_in = _rows(w_in * share * vth)
    weights_rec, exp_rec = _rows(spiking.w_rec.toarray().astype(np.float64) * share * vth)
    signed = np.append((x < 0).any(axis=(0, 1)), False)
    # Emphasised beforehand, inputs that fall go below zero on their way.
    signed[:-1] |= (np.diff(x, axis=0) < 0).any(axis=(0, 1))
    return LoihiNetwork(
        weights_in=np.concatenate([weights_in, -weights_in[:, signed]], axis=1),
        weights_rec=weights_rec,
        weight_exp_in=exp_in,
        weight_exp_rec=exp_rec,
        core=np.zeros(spiking.n, np.int32) if core is None else core,
        input_peak=peaks,
        signed=signed,
        weights_out=spiking.w_out,
        readout_offset=spiking.bias_out,
        du=du,
        dv=round((1 - spiking.keep) * 4096),
        vth=vth,
        substeps=spiking.substeps,
        dt_s=spiking.dt_s,
    )


def _rows(weights: Array) -> tuple[Array, Array]:
    """Even integers and the exponents of their rows: of the few exponents, those that lose the least."""
    largest = np.abs(weights).max(axis=1, initial=0)
    needed = np.clip(np.ceil(np.log2(np.maximum(largest, 1) / LARGEST)), 0, MOST_SHIFT).astype(int)
    rows = np.bincount(needed, minlength=MOST_SHIFT + 1)

    def chosen(exponents: tuple[int, ...]) -> Array:
        """Return the least of the exponents at which rows of each need fit."""
        return np.array([min(k for k in exponents if k >= need) for need in range(exponents[-1] + 1)])

    most = int(needed.max(initial=0))
    options = [(*lower, most) for lower in itertools.combinations(range(most), min(most, KINDS - 1))]
    # Rounding errors of a row double with its exponent, beside weights that halve with what it needs.
    best = min(
        options, key=lambda option: float((rows[: most + 1] * 4.0 ** (chosen(option) - np.arange(most + 1))).sum())
    )
    exponents = chosen(best)[needed]
    rounded = 2 * np.round(weights / 2.0 ** (exponents[:, None] + 1))
    return np.clip(rounded, -LARGEST, LARGEST).astype(np.int64), exponents
