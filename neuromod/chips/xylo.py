"""Networks of SynSense's Xylo in integers, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.chips.arithmetic import INT16, decay_by_shift, follow, product, split_signs
from neuromod.chips.storage import Stored
from neuromod.errors import UsageError

# Spikes of a neuron, and events of an input channel, in one step.
MOST_SPIKES = 31
MOST_COUNTS = 15

# Arrays of the chip, as Rockpool's specification names them, with their types.
ARRAYS = {
    "weights_in": np.int8,
    "weights_rec": np.int8,
    "weights_out": np.int8,
    "dash_mem": np.uint8,
    "dash_mem_out": np.uint8,
    "dash_syn": np.uint8,
    "dash_syn_out": np.uint8,
    "threshold": np.int16,
    "threshold_out": np.int16,
    "bias": np.int16,
    "bias_out": np.int16,
}
SHIFTS = ("weight_shift_in", "weight_shift_rec", "weight_shift_out")

# What turns numbers into counts and currents into numbers.
SCALES = ("counts_per_unit", "signed", "level", "readout_scale", "readout_offset")


@dataclass(frozen=True, eq=False)
class XyloResponse:
    """What a Xylo network did, at the end of every step, (time, batch, …) int64.

    Parameters
    ----------
    spikes, current, membrane : (time, batch, n)
        Number of spikes, synaptic current and membrane of the hidden neurons.
    readout : (time, batch, n_out)
        Synaptic current of the output neurons, which the chip shows one step later.
    used : float
        Largest share of the 16 bits that a current took while events were added, in whatever order: 1 saturates.
    """

    spikes: Array
    current: Array
    membrane: Array
    readout: Array
    used: float


@dataclass(frozen=True, eq=False)
class XyloNetwork(Stored):
    r"""A recurrent network on Xylo: one step of the chip is one time step.

    In each step, with the counts of input events x, the spikes s of the step before, and all numbers integers,

    .. math::

        i &\leftarrow D(sat(i + ((x W_{in}) \ll k_{in}) + ((s W_{rec}) \ll k_{rec})), dash_{syn}) \\
        v &\leftarrow sat(D(v, dash_{mem}) + i + bias) \\
        s &\leftarrow \min(\lfloor v / threshold \rfloor, 31) \text{ where } v \ge threshold, \text{ else } 0, \quad
        v \leftarrow v - s \cdot threshold

    D(a, d) takes a >> d off a, at least 1 towards zero, and sat keeps 16 bits. Output neurons do the same with the
    spikes of the step before. With ``dash_mem`` = 0 the membrane forgets everything, so that a neuron is a rectifier
    of 31 levels behind an exponential filter of 2 ** ``dash_syn`` steps: the leaky rectified network of `Network` with
    alpha = 2 ** -``dash_syn``.

    Parameters
    ----------
    weights_in, weights_rec, weights_out : (channels, n), (n, n) and (n, n_out) int8
        Weights, row = source, column = target.
    dash_mem, dash_syn, dash_mem_out, dash_syn_out : (n,) and (n_out,) uint8
        Bits of the shifts by which membranes and currents decay.
    threshold, bias, threshold_out, bias_out : (n,) and (n_out,) int16
        Thresholds and biases.
    counts_per_unit : (n_in,) float64
        Counts, as they are behind the low-pass of the synapses, for an input of 1.
    signed : (n_in,) bool
        Inputs that take a second channel for what is negative; these follow the first `n_in` channels.
    level : (n,) float64
        Activity of the rate network for which one spike stands.
    readout_scale, readout_offset : (n_out,) float64
        Readout y = scale * current + offset.
    weight_shift_in, weight_shift_rec, weight_shift_out : int
        Bits by which all weights of a kind are shifted to the left.
    dt_s : float
        Seconds of a step.

    References
    ----------
    Rockpool 3.1.0, ``rockpool/devices/xylo/syns61201``; xylosim 0.1.3, whose results these equations give to the last
    bit.
    """

    weights_in: Array
    weights_rec: Array
    weights_out: Array
    dash_mem: Array
    dash_mem_out: Array
    dash_syn: Array
    dash_syn_out: Array
    threshold: Array
    threshold_out: Array
    bias: Array
    bias_out: Array
    counts_per_unit: Array
    signed: Array
    level: Array
    readout_scale: Array
    readout_offset: Array
    weight_shift_in: int
    weight_shift_rec: int
    weight_shift_out: int
    dt_s: float

    def __post_init__(self) -> None:
        n, n_out, n_in = len(self.threshold), len(self.threshold_out), len(self.counts_per_unit)
        channels = n_in + int(np.count_nonzero(self.signed))
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("dash_mem", "dash_syn", "threshold", "bias", "level"), (n,))
        shapes |= dict.fromkeys(("dash_mem_out", "dash_syn_out", "threshold_out", "bias_out"), (n_out,))
        shapes |= dict.fromkeys(("readout_scale", "readout_offset"), (n_out,))
        shapes |= {"weights_in": (channels, n), "weights_rec": (n, n), "weights_out": (n, n_out), "signed": (n_in,)}
        for name, shape in shapes.items():
            found = np.asarray(getattr(self, name)).shape
            if found != shape:
                raise UsageError(f"{name} must have the shape {shape}, found {found}")
        for name, kind in {**ARRAYS, **dict.fromkeys(SCALES, np.float64), "signed": np.bool_}.items():
            value = np.asarray(getattr(self, name))
            array: Array = value.astype(kind)
            if not np.array_equal(array, value):
                raise UsageError(f"{name} must fit {np.dtype(kind).name}, found {value.min():g} to {value.max():g}")
            object.__setattr__(self, name, array)
        for name in SHIFTS:
            if not 0 <= getattr(self, name) <= 7:
                raise UsageError(f"{name} must be 0 to 7, found {getattr(self, name)}")
        if (self.threshold <= 0).any():
            raise UsageError(f"thresholds must be positive, found {self.threshold.min()}")

    @property
    def n(self) -> int:
        """Number of hidden neurons."""
        return len(self.threshold)

    @property
    def channels(self) -> int:
        """Number of input channels of the chip."""
        return int(self.weights_in.shape[0])

    @property
    def alpha(self) -> float:
        """Share of the state that one step replaces."""
        return float(2.0 ** -int(self.dash_syn.max(initial=0)))

    def encode(self, x: Array) -> Array:
        """Counts of input events that the low-pass of the synapses turns back into the inputs.

        Parameters
        ----------
        x : (time, batch, n_in)
            Inputs of the rate network.

        Returns
        -------
        (time, batch, channels) int64
            Counts of 0 to 15; what they cannot hold goes to the next step.
        """
        keep = 1 - self.alpha
        wanted = np.asarray(x, np.float64) * self.counts_per_unit / keep
        return split_signs(follow(wanted, keep, np.where(self.signed, -MOST_COUNTS, 0), MOST_COUNTS), self.signed)

    def run(self, counts: Array, *, bound: bool = False) -> XyloResponse:
        """Run the network from rest.

        Parameters
        ----------
        counts : (time, batch, channels) int
            Input events of every step, 0 to 15.
        bound : bool
            Also find how far the currents stay from saturation; `XyloResponse.used` is NaN otherwise.
        """
        counts = np.asarray(counts, np.int64)
        if counts.ndim != 3 or counts.shape[2] != self.channels:
            raise UsageError(f"counts must have the shape (time, batch, {self.channels}), found {counts.shape}")
        time, batch = counts.shape[:2]
        w_in = self.weights_in.astype(np.int64) << self.weight_shift_in
        w_rec = self.weights_rec.astype(np.int64) << self.weight_shift_rec
        w_out = self.weights_out.astype(np.int64) << self.weight_shift_out
        dash_syn, dash_mem = self.dash_syn.astype(np.int64), self.dash_mem.astype(np.int64)
        threshold, bias = self.threshold.astype(np.int64), self.bias.astype(np.int64)
        spikes, current, membrane = (np.zeros((time, batch, self.n), np.int64) for _ in range(3))
        readout = np.zeros((time, batch, w_out.shape[1]), np.int64)
        s = i = v = np.zeros((batch, self.n), np.int64)
        out = np.zeros((batch, w_out.shape[1]), np.int64)
        used = 0.0 if bound else float("nan")
        for t in range(time):
            if bound:
                used = max(used, _used(i, (counts[t], w_in), (s, w_rec)))
            i = decay_by_shift(np.clip(i + product(counts[t], w_in) + product(s, w_rec), *INT16), dash_syn)
            v = np.clip(decay_by_shift(v, dash_mem) + i + bias, *INT16)
            s = np.minimum(np.where(v >= threshold, v // threshold, 0), MOST_SPIKES)
            v = v - s * threshold
            if bound:
                used = max(used, _used(out, (s, w_out)))
            out = decay_by_shift(np.clip(out + product(s, w_out), *INT16), self.dash_syn_out.astype(np.int64))
            spikes[t], current[t], membrane[t], readout[t] = s, i, v, out
        return XyloResponse(spikes, current, membrane, readout, used)

    def decode(self, readout: Array) -> Array:
        """Turn currents of the output neurons (time, batch, n_out) into the readout y of the rate network."""
        return np.asarray(readout * self.readout_scale + self.readout_offset)

    def respond(self, x: Array) -> Array:
        """Readout (time, batch, n_out) for inputs (time, batch, n_in) of the rate network."""
        return self.decode(self.run(self.encode(x)).readout)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays of the chip under the names of Rockpool's specification."""
        return {name: getattr(self, name) for name in ARRAYS}

    def scales(self) -> dict[str, Any]:
        """Everything else, as JSON holds it."""
        return {
            **{name: getattr(self, name) for name in SHIFTS},
            "dt_s": self.dt_s,
            **{name: getattr(self, name).tolist() for name in SCALES},
        }


def _used(state: Array, *events: tuple[Array, Array]) -> float:
    """Share of the range that the sum of state and events can reach on its way, in whatever order they come."""
    above = below = state
    for sources, weights in events:
        above = above + product(sources, np.maximum(weights, 0))
        below = below + product(sources, np.minimum(weights, 0))
    return float(max(above.max(initial=0) / INT16[1], below.min(initial=0) / INT16[0]))
