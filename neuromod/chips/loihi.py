"""Networks of Loihi's integrate-and-fire neurons in integers, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.chips.arithmetic import INT16, INT24, decay_by_share, follow, product, split_signs
from neuromod.chips.storage import Stored
from neuromod.errors import UsageError

# Arrays of the chip, as Lava names them, with their types.
ARRAYS = {
    "weights_in": np.int16,
    "weights_rec": np.int16,
    "weight_exp_in": np.int8,
    "weight_exp_rec": np.int8,
    "core": np.int32,
}
NUMBERS = ("du", "dv", "vth", "substeps")
SCALES = ("input_peak", "signed", "weights_out", "readout_offset")

# Largest weight: 8 bits, of which the last is 0 where signs are mixed.
LARGEST = 254

# Most bits by which a row's weights are shifted.
MOST_SHIFT = 7

# Bits by which a synapse's sum is shifted on its way into the current.
_INTO_CURRENT = 6


@dataclass(frozen=True, eq=False)
class LoihiResponse:
    """What a Loihi network did.

    Parameters
    ----------
    spikes, u, v : (time * substeps, batch, n) int64
        Spikes, currents and membranes at the end of every step of the chip.
    y : (time, batch, n_out) float64
        Readout at the end of every time step, taken from the spikes by the host.
    used : float
        Largest share that a current took of its 24 bits, or what arrived in a step of its 16 bits; a membrane that
        leaves its 24 bits stays at their end.
    """

    spikes: Array
    u: Array
    v: Array
    y: Array
    used: float


@dataclass(frozen=True, eq=False)
class LoihiNetwork(Stored):
    r"""Leaky integrate-and-fire neurons with a hard reset, `substeps` steps of the chip in a time step.

    In each step, with the spikes e of the input channels, the spikes s of the step before, and all numbers integers,

    .. math::

        u &\leftarrow D(u, du + 1) + (((W_{in} e) \ll k_{in}) + ((W_{rec} s) \ll k_{rec})) \ll 6 \\
        v &\leftarrow clip(D(v, dv) + u) \\
        s &= [v > v_{th} \ll 6], \quad v \leftarrow 0 \text{ where } s = 1

    with D(a, d) = a (4096 - d) / 4096, rounded towards zero, and clip keeping 24 bits: a membrane falls no lower than
    :math:`-2^{23} + 1`, which is :math:`-2^{17} / v_{th}` thresholds, and is the floor that lets inhibition be
    forgotten without a leak. Each neuron has exponents k of its own, so that its weights fill their 8 bits. Inputs are
    spikes: in each substep a channel has one or none, so that behind the low-pass of the synapses they are the inputs
    of the rate network; what is left over goes to the next substep. What is negative has a channel of its own. Biases
    are weights of one more such channel, whose input is always 1. Neurons start from 0.

    Parameters
    ----------
    weights_in, weights_rec : (n, channels) and (n, n) int16
        Even weights of -254 to 254, row = target, column = source. The channels are the inputs, one for the biases, and
        those of negative inputs.
    weight_exp_in, weight_exp_rec : (n,) int8
        Bits by which the weights of each row are shifted to the left, 0 to 7.
    core : (n,) int32
        Core of each neuron.
    input_peak : (n_in + 1,) float64
        Input for which a channel that spikes in every substep stands; the last is that of the biases' channel.
    signed : (n_in + 1,) bool
        Inputs that take a second channel for what is negative.
    weights_out, readout_offset : (n_out, n) and (n_out,) float64
        Readout, by the host, of the low-passed spikes.
    du, dv : int
        Decay of currents, less 1, and of membranes, in 1/4096 of a step.
    vth : int
        Threshold of all neurons, in units of 64.
    substeps : int
        Steps of the chip in one time step.
    dt_s : float
        Seconds of a time step.

    References
    ----------
    Lava 0.10.0, ``lava/proc/lif/models.py``, the fixed-point model; M. Davies et al., IEEE Micro 38(1):82-99 (2018),
    doi:10.1109/MM.2018.112130359; C. Michaelis et al., Frontiers in Neuroinformatics 16:1015624 (2022),
    doi:10.3389/fninf.2022.1015624.
    """

    weights_in: Array
    weights_rec: Array
    weight_exp_in: Array
    weight_exp_rec: Array
    core: Array
    input_peak: Array
    signed: Array
    weights_out: Array
    readout_offset: Array
    du: int
    dv: int
    vth: int
    substeps: int
    dt_s: float

    def __post_init__(self) -> None:
        n, n_out, n_in = len(self.core), len(self.readout_offset), len(self.input_peak)
        channels = n_in + int(np.count_nonzero(self.signed))
        shapes: dict[str, tuple[int, ...]] = {"weights_in": (n, channels), "weights_rec": (n, n), "signed": (n_in,)}
        shapes |= {"weights_out": (n_out, n), "weight_exp_in": (n,), "weight_exp_rec": (n,)}
        for name, shape in shapes.items():
            if (found := np.asarray(getattr(self, name)).shape) != shape:
                raise UsageError(f"{name} must have the shape {shape}, found {found}")
        for name, kind in {**ARRAYS, **dict.fromkeys(SCALES, np.float64), "signed": np.bool_}.items():
            value = np.asarray(getattr(self, name))
            array: Array = value.astype(kind)
            if not np.array_equal(array, value):
                raise UsageError(f"{name} must fit {np.dtype(kind).name}, found {value.min():g} to {value.max():g}")
            object.__setattr__(self, name, array)
        for name in ("weights_in", "weights_rec"):
            weights = getattr(self, name)
            if (weights % 2).any() or np.abs(weights).max(initial=0) > LARGEST:
                raise UsageError(f"{name} must be even and within -{LARGEST} to {LARGEST}")
        for name in ("weight_exp_in", "weight_exp_rec"):
            exponents = getattr(self, name)
            if exponents.min(initial=0) < 0 or exponents.max(initial=0) > MOST_SHIFT:
                raise UsageError(f"{name} must be 0 to {MOST_SHIFT}, found {exponents.min()} to {exponents.max()}")
        limits = {"du": 4095, "dv": 4096, "vth": 2**17 - 1, "substeps": 10**4}
        for name, largest in limits.items():
            if not 0 <= getattr(self, name) <= largest:
                raise UsageError(f"{name} must be 0 to {largest}, found {getattr(self, name)}")

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.core)

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return int(self.weights_in.shape[1])

    @property
    def share(self) -> float:
        """Share of a current that one step of the chip replaces."""
        return (self.du + 1) / 4096

    def encode(self, x: Array) -> Array:
        """Spikes of the channels, (time * substeps, batch, channels) of 0 and 1, for inputs (time, batch, n_in)."""
        x = np.asarray(x, np.float64)
        full = np.concatenate([x, np.ones((*x.shape[:2], 1))], axis=2)
        wanted = np.repeat(full / (self.input_peak * self.share), self.substeps, axis=0)
        return split_signs(follow(wanted, 1 - self.share, np.where(self.signed, -1, 0), 1), self.signed)

    def run(self, events: Array) -> LoihiResponse:
        """Run the network from rest on the spikes of its channels, (time * substeps, batch, channels)."""
        events = np.asarray(events, np.int64)
        if events.ndim != 3 or events.shape[2] != self.channels or len(events) % self.substeps:
            raise UsageError(
                f"events must have the shape (time * {self.substeps}, batch, {self.channels}), found {events.shape}"
            )
        steps, batch = events.shape[:2]
        w_in, w_rec = self.weights_in.T.astype(np.int64), self.weights_rec.T.astype(np.int64)
        spikes, us, vs = (np.zeros((steps, batch, self.n), np.int64) for _ in range(3))
        y = np.zeros((steps // self.substeps, batch, len(self.readout_offset)))
        u = v = s = np.zeros((batch, self.n), np.int64)
        trace, used = np.zeros((batch, self.n)), 0.0
        exp_in, exp_rec = self.weight_exp_in.astype(np.int64), self.weight_exp_rec.astype(np.int64)
        into = product(events.reshape(-1, self.channels), w_in).reshape(steps, batch, self.n) << exp_in
        for k in range(steps):
            arriving = into[k] + (product(s, w_rec) << exp_rec)
            u = decay_by_share(u, self.du + 1) + (arriving << _INTO_CURRENT)
            v = decay_by_share(v, self.dv) + u
            used = max(used, *(float(np.abs(a).max(initial=0)) / m for a, m in ((u, INT24[1]), (arriving, INT16[1]))))
            v = np.clip(v, *INT24)
            s = (v > self.vth << _INTO_CURRENT).astype(np.int64)
            v = np.where(s == 1, 0, v)
            spikes[k], us[k], vs[k] = s, u, v
            trace = (1 - self.share) * trace + self.share * s
            if (k + 1) % self.substeps == 0:
                y[k // self.substeps] = trace @ self.weights_out.T + self.readout_offset
        return LoihiResponse(spikes, us, vs, y, used)

    def respond(self, x: Array) -> Array:
        """Readout (time, batch, n_out) for inputs (time, batch, n_in) of the rate network."""
        return self.run(self.encode(x)).y

    def arrays(self) -> dict[str, Array]:
        """Return the arrays of the chip."""
        return {name: getattr(self, name) for name in ARRAYS}

    def scales(self) -> dict[str, Any]:
        """Everything else, as JSON holds it."""
        return {
            **{name: getattr(self, name) for name in NUMBERS},
            "dt_s": self.dt_s,
            **{name: getattr(self, name).tolist() for name in SCALES},
        }
