"""What inputs do in the substeps of a time step: a current, spikes at random, or spikes that carry their error on."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from neuromod.arrays import Array
from neuromod.errors import UsageError
from neuromod.kernels import compiled


class TakesInputs(Protocol):
    """What of a `SpikingNetwork` its inputs are about."""

    @property
    def w_in(self) -> Array:
        """Input weights, (n, n_in)."""

    @property
    def input_peak(self) -> Array:
        """Largest input that spikes of a channel stand for, (n_in,)."""

    @property
    def spike_size(self) -> Array:
        """What a spike adds, (n_in,)."""

    @property
    def substeps(self) -> int:
        """Substeps of a time step."""

    @property
    def share(self) -> float:
        """Share of the trace that is replaced at once."""

    @property
    def input(self) -> str:
        """What inputs are."""

    @property
    def mode(self) -> str:
        """When the trace takes in spikes."""


def drive_of(spiking: TakesInputs, x: Array, carried: Array, rng: np.random.Generator | None) -> tuple[Array, Array]:
    """Return what the inputs add in one time step, and what they carry on to the next.

    Parameters
    ----------
    spiking : SpikingNetwork
        The network.
    x : (batch, n_in) float32
        Inputs of the time step.
    carried : (batch, n_in) float32
        From the time step before, see `network.State`.
    rng : numpy.random.Generator or None
        Source of random spikes.

    Returns
    -------
    drive : (1 or substeps, batch, n) float32
        To the membranes, or with ``counts`` in the mode ``continuous`` to the current of the synapses.
    carried : (batch, n_in) float32
        After the time step.

    Raises
    ------
    UsageError
        If random spikes are wanted and there is no `rng`.
    """
    if spiking.input == "constant":
        return (x @ spiking.w_in.T)[None], carried
    if spiking.input == "counts":
        events, carried = spikes_of(spiking, x, carried)
        return (events * spiking.spike_size) @ spiking.w_in.T, carried
    if rng is None:
        raise UsageError("random input needs a source of randomness: give rng=numpy.random.default_rng(seed)")
    return np.stack([_at_random(x, spiking.input_peak, rng) @ spiking.w_in.T for _ in range(spiking.substeps)]), carried


def spikes_of(spiking: TakesInputs, x: Array, carried: Array) -> tuple[Array, Array]:
    r"""Return the spikes of each substep of one time step for ``counts``: -1, 0 or 1 of each channel.

    In ``hold``, where a spike is felt in its own substep alone, what rounding leaves is carried to the next substep,
    :math:`r = c + x / peak`, :math:`e = clip(round(r))`, :math:`c \leftarrow r - e`. In ``continuous`` it passes the
    synapses, and the error of what has passed them is made good: :math:`e = clip(round(x / (share\,peak) - (1 - share)
    a))`, :math:`a \leftarrow (1 - share) a + e`. Nothing is random.

    Parameters
    ----------
    spiking, x, carried
        As for `drive_of`; c or a is what is carried.

    Returns
    -------
    events : (substeps, batch, n_in) float32
        Negative spikes are those of a second channel whose weights have the other sign.
    carried : (batch, n_in) float32
        After the time step.
    """
    wanted = np.asarray(x / spiking.spike_size, np.float32)
    events = np.empty((spiking.substeps, *x.shape), np.float32)
    carried = np.array(carried, np.float32)
    _follow(wanted, np.float32(1 - spiking.share), spiking.mode == "hold", carried, events)
    return events, carried


@compiled
def _follow(wanted, keep, hold, carried, events):  # type: ignore[no-untyped-def]  # pragma: no cover
    one = np.float32(1)
    for k in range(len(events)):
        for b in range(len(wanted)):
            for i in range(wanted.shape[1]):
                if hold:
                    rest = carried[b, i] + wanted[b, i]
                    event = min(max(np.rint(rest), -one), one)
                    carried[b, i] = rest - event
                else:
                    left = keep * carried[b, i]
                    event = min(max(np.rint(wanted[b, i] - left), -one), one)
                    carried[b, i] = left + event
                events[k, b, i] = event


def _at_random(x: Array, peak: Array, rng: np.random.Generator) -> Array:
    hit = rng.random(x.shape, dtype=np.float32) < np.abs(x) / peak
    return np.asarray(np.sign(x) * hit * peak, np.float32)
