"""Networks of Loihi 2's units with graded spikes in integers, to the last bit of Lava's fixed-point model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.chips.arithmetic import INT24, product
from neuromod.chips.storage import Stored
from neuromod.errors import UsageError

# Arrays of the chip, with their types. Lava's Dense takes weights of 8 bits, the last of which is 0 where signs are
# mixed.
ARRAYS = {
    "weights_in": np.int16,
    "weights_rec": np.int16,
    "weight_exp_in": np.int8,
    "weight_exp_rec": np.int8,
    "bias": np.int32,
    "core": np.int32,
}
SCALES = ("input_scale", "level", "weights_out", "readout_offset")

LARGEST = 254

# A leak is a weight, too: even multiples of 2**-7.
LEAK_BITS = 7

# Most bits by which a sum is shifted.
MOST_SHIFT = 15

# Largest input, a message of 16 bits with a sign.
MOST_INPUT = 2**15 - 1


@dataclass(frozen=True, eq=False)
class Loihi2Response:
    """What a graded network did, at the end of every step.

    Parameters
    ----------
    kept, fresh : (time, batch, n) int64
        Activity p that the leak kept, and r that came anew; the state of the rate network is their sum.
    y : (time, batch, n_out) float64
        Readout, taken from both by the host.
    used : float
        Largest share of the 24 bits of a message that an activity took.
    """

    kept: Array
    fresh: Array
    y: Array
    used: float


@dataclass(frozen=True, eq=False)
class Loihi2Network(Stored):
    r"""Rectified units with graded spikes, 2n for n neurons, one step of the chip for one time step.

    With the activities p and r of the two units of a neuron, and all numbers integers,

    .. math::

        p &\leftarrow \max(0, (m (p + r)) \gg 7) \\
        r &\leftarrow \max(0, ((W_{rec} (p + r)) \gg k_{rec}) + ((W_{in} x) \gg k_{in}) + b), \quad h = p + r

    where m / 128 = 1 - alpha, which is the leaky rectified network of `Network` with h = p + r and
    r = alpha max(0, …); nothing is turned into rates. Right shifts round down.

    Parameters
    ----------
    weights_in, weights_rec : (n, n_in) and (n, n) int16
        Even weights of -254 to 254, row = target, column = source.
    weight_exp_in, weight_exp_rec : (n,) int8
        Exponents of each row's weights, -15 to 0: its sum is shifted to the right by so many bits.
    bias : (n,) int32
        Biases.
    core : (n,) int32
        Core of each neuron's two units.
    input_scale : (n_in,) float64
        Message for an input of 1.
    level : (n,) float64
        State of the rate network for which the activity 1 stands.
    weights_out, readout_offset : (n_out, n) and (n_out,) float64
        Readout, by the host, of the states.
    leak : int
        The even number m.
    dt_s : float
        Seconds of a step.

    References
    ----------
    Lava 0.10.0, ``lava/proc/graded/models.py`` and ``lava/proc/dense/models.py``, the fixed-point models.
    """

    weights_in: Array
    weights_rec: Array
    weight_exp_in: Array
    weight_exp_rec: Array
    bias: Array
    core: Array
    input_scale: Array
    level: Array
    weights_out: Array
    readout_offset: Array
    leak: int
    dt_s: float

    def __post_init__(self) -> None:
        n, n_in, n_out = len(self.core), len(self.input_scale), len(self.readout_offset)
        shapes: dict[str, tuple[int, ...]] = {"weights_in": (n, n_in), "weights_rec": (n, n), "bias": (n,)}
        shapes |= {"level": (n,), "weights_out": (n_out, n), "weight_exp_in": (n,), "weight_exp_rec": (n,)}
        for name, shape in shapes.items():
            if (found := np.asarray(getattr(self, name)).shape) != shape:
                raise UsageError(f"{name} must have the shape {shape}, found {found}")
        for name, kind in {**ARRAYS, **dict.fromkeys(SCALES, np.float64)}.items():
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
            if exponents.max(initial=0) > 0 or exponents.min(initial=0) < -MOST_SHIFT:
                raise UsageError(f"{name} must be -{MOST_SHIFT} to 0, found {exponents.min()} to {exponents.max()}")
        if not 0 <= self.leak < 2**LEAK_BITS or self.leak % 2:
            raise UsageError(f"leak must be even and 0 to {2**LEAK_BITS - 2}, found {self.leak}")

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.core)

    def encode(self, x: Array) -> Array:
        """Messages (time, batch, n_in) int64 for inputs of the rate network."""
        return np.clip(np.round(np.asarray(x, np.float64) * self.input_scale), -MOST_INPUT, MOST_INPUT).astype(np.int64)

    def run(self, messages: Array) -> Loihi2Response:
        """Run the network from rest on messages (time, batch, n_in)."""
        messages = np.asarray(messages, np.int64)
        if messages.ndim != 3 or messages.shape[2] != len(self.input_scale):
            raise UsageError(
                f"messages must have the shape (time, batch, {len(self.input_scale)}), found {messages.shape}"
            )
        time, batch = messages.shape[:2]
        w_in, w_rec = self.weights_in.T.astype(np.int64), self.weights_rec.T.astype(np.int64)
        kept, fresh = (np.zeros((time, batch, self.n), np.int64) for _ in range(2))
        shift_in, shift_rec = -self.weight_exp_in.astype(np.int64), -self.weight_exp_rec.astype(np.int64)
        h = np.zeros((batch, self.n), np.int64)
        for t in range(time):
            arriving = (product(h, w_rec) >> shift_rec) + (product(messages[t], w_in) >> shift_in)
            kept[t] = np.maximum(0, (self.leak * h) >> LEAK_BITS)
            fresh[t] = np.maximum(0, arriving + self.bias)
            h = kept[t] + fresh[t]
        used = float(max(kept.max(initial=0), fresh.max(initial=0)) / INT24[1])
        y = ((kept + fresh) * self.level) @ self.weights_out.T + self.readout_offset
        return Loihi2Response(kept, fresh, y, used)

    def respond(self, x: Array) -> Array:
        """Readout (time, batch, n_out) for inputs (time, batch, n_in) of the rate network."""
        return self.run(self.encode(x)).y

    def arrays(self) -> dict[str, Array]:
        """Return the arrays of the chip."""
        return {name: getattr(self, name) for name in ARRAYS}

    def scales(self) -> dict[str, Any]:
        """Everything else, as JSON holds it."""
        return {
            "leak": self.leak,
            "dt_s": self.dt_s,
            **{name: getattr(self, name).tolist() for name in SCALES},
        }
