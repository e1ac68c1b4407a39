"""`SpikingNetwork`, integrate-and-fire neurons that stand for a rate network, and its reference dynamics in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.network import Array

Mode = Literal["hold", "continuous"]
Reset = Literal["soft", "hard"]


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    r"""Integrate-and-fire neurons with threshold 1 and an exponential trace behind the recurrent synapses.

    In each of the `substeps` of a time step, with the trace u, the membrane v and the spikes s,

    .. math::

        v \leftarrow v + W_{in} x_t + b + u, \quad s = [v > 1], \quad v \leftarrow \max(v - s, floor)

    ``hold`` takes the spikes into the trace at the end of the time step,
    :math:`u \leftarrow (1 - \alpha) u + \alpha W_{rec} \sum s / K`, and so converges to the rate network as the number
    of substeps K grows. ``continuous`` does so in every substep with :math:`\alpha_K = 1 - (1 - \alpha)^{1/K}`, `delay`
    substeps after the spike, and needs no barrier; the delay of half a time step stands for the mean time that the
    rate network holds a state before it acts.

    Parameters
    ----------
    w_rec : (n, n) sparse array, float32
        Recurrent weights in units of the thresholds.
    w_in, bias : (n, n_in) and (n,) float32
        Input weights and biases in units of the thresholds.
    w_out, bias_out : (n_out, n) and (n_out,) float32
        Readout of the trace of the spikes.
    scale : (n,) float32
        Activity of the rate network that a neuron firing in every substep stands for.
    alpha : float
        Share of the trace that one time step replaces.
    dt_s : float
        Time step in seconds.
    substeps : int
        Steps of the neurons in one time step.
    mode : {'hold', 'continuous'}
        When the trace takes in the spikes.
    delay : int
        Substeps between a spike and its arrival, ``continuous`` only.
    reset : {'soft', 'hard'}
        Whether a spike takes the threshold off the membrane or sets it to 0.
    floor : float or None
        Lower bound of the membrane.
    start : float
        Membrane before the first step.
    """

    w_rec: sparse.csr_array
    w_in: Array
    bias: Array
    w_out: Array
    bias_out: Array
    scale: Array
    alpha: float
    dt_s: float
    substeps: int
    mode: Mode = "hold"
    delay: int = 0
    reset: Reset = "soft"
    floor: float | None = 0.0
    start: float = 0.5

    def __post_init__(self) -> None:
        if self.substeps < 1:
            raise UsageError(f"needed at least 1 substep, found {self.substeps}")
        if self.mode == "continuous" and self.alpha >= 1:
            raise UsageError("alpha = 1 leaves no trace to run continuously; use the mode hold")
        if not 0 <= self.delay <= self.substeps or (self.delay and self.mode == "hold"):
            raise UsageError(f"needed a delay of 0 to {self.substeps} substeps (0 with hold), found {self.delay}")

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.scale)

    def run(self, x: Array) -> tuple[Array, Array]:
        """Run from rest.

        Parameters
        ----------
        x : (time, batch, n_in)
            Inputs, a current that stays for the time step.

        Returns
        -------
        y : (time, batch, n_out) float32
            Readout at the end of every time step.
        spikes : (time, batch, n) float32
            Number of spikes in every time step.
        """
        x = np.asarray(x, np.float32)
        time, batch = x.shape[:2]
        drive = x @ self.w_in.T + self.bias
        dense = self.w_rec.nnz > 0.1 * self.n**2
        w_rec = self.w_rec.toarray() if dense else self.w_rec
        membrane = np.full((batch, self.n), self.start, np.float32)
        current = np.zeros((batch, self.n), np.float32)
        traces = np.empty((time, batch, self.n), np.float32)
        spikes = np.zeros((time, batch, self.n), np.float32)
        continuous = self.mode == "continuous"
        share = np.float32(1 - (1 - self.alpha) ** (1 / self.substeps) if continuous else self.alpha)
        trace = np.zeros((batch, self.n), np.float32)
        queue = [np.zeros((batch, self.n), np.float32)] * self.delay
        for t in range(time):
            for _ in range(self.substeps):
                membrane += drive[t]
                membrane += current
                spike = (membrane > 1).astype(np.float32)
                if self.reset == "soft":
                    membrane -= spike
                else:
                    membrane *= 1 - spike
                if self.floor is not None:
                    np.maximum(membrane, self.floor, out=membrane)
                spikes[t] += spike
                if continuous:
                    queue.append(spike)
                    arrived = queue.pop(0)
                    current = (1 - share) * current + share * (
                        arrived @ w_rec.T if dense else np.ascontiguousarray((w_rec @ arrived.T).T)
                    )
                    trace = (1 - share) * trace + share * spike
            if not continuous:
                mean = spikes[t] / np.float32(self.substeps)
                trace = (1 - share) * trace + share * mean
                # The trace of the synapses is linear in that of the spikes, so one product a time step will do.
                current = trace @ w_rec.T if dense else np.ascontiguousarray((w_rec @ trace.T).T)
            traces[t] = trace
        return traces @ self.w_out.T + self.bias_out, spikes

    def states(self, spikes: Array) -> Array:
        """Rate network's state after every time step, (time, batch, n), as the spikes (same shape) stand for it."""
        trace = np.zeros(spikes.shape[1:])
        out = np.empty(spikes.shape)
        for t, count in enumerate(spikes):
            trace = (1 - self.alpha) * trace + self.alpha * count / self.substeps
            out[t] = trace * self.scale
        return out
