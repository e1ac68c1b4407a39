"""`LeakyNetwork`, leaky integrate-and-fire neurons as snnTorch steps them, and their reference dynamics in NumPy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.network import Array, Network

RESETS = ("subtract", "zero", "none")


@dataclass(frozen=True, eq=False)
class LeakyState:
    """What neurons remember between two time steps, float32.

    Parameters
    ----------
    membrane, current, spikes : (batch, n)
        Membranes, synaptic currents, and spikes of the step before.
    readout : (batch, n_out)
        Membranes of the readout, where it has any.
    """

    membrane: Array
    current: Array
    spikes: Array
    readout: Array


@dataclass(frozen=True, eq=False)
class LeakyResponse:
    """What the neurons did.

    Parameters
    ----------
    y : (time, batch, n_out) float32
        Readout of every time step.
    spikes : (time, batch, n) float32
        Spikes, 0 or 1.
    margin : (time, batch, n) float32
        Distance of the membrane from the threshold: where it is within rounding, another runtime may part.
    membrane : (time, batch, n) float32
        Membranes after each step.
    last : LeakyState
        State after the last step.
    """

    y: Array
    spikes: Array
    margin: Array
    membrane: Array
    last: LeakyState


@dataclass(frozen=True, eq=False)
class LeakyNetwork:
    r"""A recurrent network of snnTorch's ``RLeaky`` or ``RSynaptic`` neurons, from `spiking.from_snntorch`.

    .. math::

        i_t &= \alpha i_{t-1} + W_{in} x_t + W_{rec} s_{t-1} + b \\
        v_t &= \beta v_{t-1} + i_t - r_t \theta, \quad r_t = [v_{t-1} > \theta], \quad s_t = [v_t > \theta]

    with :math:`\alpha = 0` for ``RLeaky``. That is a reset by subtraction one step after the spike, snnTorch's default;
    ``zero`` sets the membrane to 0 instead, and without ``reset_delay`` it takes place at once. The readout is
    :math:`y_t = W_{out} s_t + b_{out}`, low-passed where the network has a readout that leaks.

    Parameters
    ----------
    network : Network
        Weights and biases.
    alpha, beta, threshold : (n,) float32
        Shares of current and membrane that a step keeps, and thresholds.
    reset : {'subtract', 'zero', 'none'}
        What a spike does to the membrane.
    reset_delay : bool
        Whether it does so in the next step.
    beta_out : (n_out,) float32 or None
        Share of the readout that a step keeps; None for a readout without a memory.
    """

    network: Network
    alpha: Array
    beta: Array
    threshold: Array
    reset: str
    reset_delay: bool
    beta_out: Array | None

    @classmethod
    def of(cls, network: Network) -> LeakyNetwork:
        """Return the neurons that a network is made of.

        Raises
        ------
        UsageError
            If it does not say how they step, as one from a NIR file does not.
        """
        if not is_leaky(network):
            raise UsageError("the network does not say how its neurons step; needed one from neuromod.from_snntorch")
        about, n = network.info["nir"], network.n
        (group,) = about["groups"]
        readout = about.get("readout")
        return cls(
            network,
            alpha=_kept(group["tau_syn"], network.dt_s, n) if "tau_syn" in group else np.zeros(n, np.float32),
            beta=_kept(group.get("tau_mem", group.get("tau")), network.dt_s, n),
            threshold=np.broadcast_to(np.asarray(group["v_threshold"], np.float32), (n,)),
            reset=about["snntorch"]["reset"],
            reset_delay=about["snntorch"]["reset_delay"],
            beta_out=None if readout is None else _kept(readout["tau"], network.dt_s, network.n_out),
        )

    @property
    def n(self) -> int:
        """Number of neurons."""
        return self.network.n

    @property
    def w_in(self) -> Array:
        """Input weights, (n, n_in)."""
        return self.network.w_in

    def rest(self, batch: int) -> LeakyState:
        """State before the first step."""
        zeros = np.zeros((batch, self.n), np.float32)
        return LeakyState(zeros, zeros, zeros, np.zeros((batch, self.network.n_out), np.float32))

    def run(
        self, x: Array, state: LeakyState | None = None, *, rng: np.random.Generator | None = None
    ) -> LeakyResponse:
        """Run the network: the reference that snnTorch is compared with.

        Parameters
        ----------
        x : (time, batch, n_in)
            Inputs.
        state : LeakyState, optional
            Where to start; at rest if omitted.
        rng : numpy.random.Generator, optional
            Not used; nothing is random here.
        """
        del rng
        x = np.asarray(x, np.float32)
        net = self.network
        if x.ndim != 3 or x.shape[2] != net.n_in:
            raise UsageError(f"inputs must have the shape (time, batch, {net.n_in}), found {x.shape}")
        state = state or self.rest(x.shape[1])
        v, current, spikes, low = state.membrane, state.current, state.spikes, state.readout
        w_rec = net.w_rec.toarray() if net.n_synapses > 0.1 * net.n**2 else net.w_rec
        shape = (*x.shape[:2], net.n)
        out, membranes, margin = (np.empty(shape, np.float32) for _ in range(3))
        y = np.empty((*x.shape[:2], net.n_out), np.float32)
        drive = x @ net.w_in.T + net.bias
        for t in range(len(x)):
            reset = (v > self.threshold).astype(np.float32)
            current = self.alpha * current + drive[t] + np.ascontiguousarray((w_rec @ spikes.T).T)
            v = self.beta * v + current
            v = self._after(v, reset)
            margin[t] = np.abs(v - self.threshold)
            spikes = (v > self.threshold).astype(np.float32)
            if not self.reset_delay:
                v = self._after(v, spikes - reset)
            fresh = spikes @ net.w_out.T + net.bias_out
            low = fresh if self.beta_out is None else self.beta_out * low + fresh
            out[t], membranes[t], y[t] = spikes, v, low
        return LeakyResponse(y, out, margin, membranes, LeakyState(v, current, spikes, low))

    def _after(self, v: Array, reset: Array) -> Array:
        if self.reset == "subtract":
            return np.asarray(v - reset * self.threshold)
        return np.asarray(v - reset * v) if self.reset == "zero" else v


def is_leaky(network: Network) -> bool:
    """Whether a network says that its neurons step as snnTorch's."""
    about = network.info.get("nir")
    return isinstance(about, dict) and "snntorch" in about


def stepped(text: Any, types: list[str]) -> dict[str, Any]:
    """Read how the neurons of a NIR file of ours step in snnTorch, where NIR has no words for it.

    Parameters
    ----------
    text : str or bytes
        JSON.
    types : list of str
        Kinds of the populations.

    Raises
    ------
    ValueError
        If it says something that no neurons do.
    """
    said = json.loads(text)
    wanted = {"RLeaky": ["LIF"], "RSynaptic": ["CubaLIF"]}
    if not isinstance(said, dict) or wanted.get(str(said.get("neuron"))) != types:
        raise ValueError("what it says of snnTorch's neurons is not about its populations")
    if said.get("reset") not in RESETS or not isinstance(said.get("reset_delay"), bool):
        raise ValueError("what it says of the reset of snnTorch's neurons is unknown")
    return {key: said[key] for key in ("neuron", "reset", "reset_delay")}


def tau_of(kept: Array, dt_s: float) -> Any:
    """Time constant of what keeps so much of itself in a time step, as `Network.info` holds it; 1e9 steps for all."""
    share = np.maximum(1 - np.asarray(kept, np.float64).ravel(), 1e-9)
    tau = dt_s / share
    return float(tau[0]) if (tau == tau[0]).all() else tau.tolist()


def _kept(tau: Any, dt_s: float, n: int) -> Array:
    return np.broadcast_to((1 - dt_s / np.asarray(tau, np.float64)).astype(np.float32), (n,))
