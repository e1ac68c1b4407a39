"""From a rate network to a spiking one: thresholds by calibration, weights in their units."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from neuromod.network import Array, Network
from neuromod.spiking.network import Input, Mode, Reset, SpikingNetwork


def convert(
    network: Network,
    scale: Array,
    *,
    substeps: int,
    mode: Mode = "hold",
    delay: int | None = None,
    reset: Reset = "soft",
    floor: float | None = 0.0,
    keep: float | None = None,
    input: Input = "constant",
    input_peak: Array | None = None,
) -> SpikingNetwork:
    """Turn a rate network into a spiking one with given thresholds.

    Parameters
    ----------
    network : Network
        The rate network.
    scale : (n,)
        Activity at which each neuron fires in every substep, see `balance`.
    substeps : int
        Steps of the neurons in one time step.
    mode, delay, reset, floor, keep, input, input_peak
        See `SpikingNetwork`. If `delay` is omitted, ``continuous`` gets an axonal delay of half a time step; if `keep`
        is, membranes without a floor leak with a time constant of two time steps, and the bias makes up for the leak.

    Raises
    ------
    UsageError
        If the mode does not fit the network's leak.
    """
    scale = np.asarray(scale, np.float32)
    if keep is None:
        keep = 1.0 if floor is not None else 1 - 0.5 / substeps
    w_rec = sparse.diags_array(1 / scale) @ network.w_rec @ sparse.diags_array(scale)
    return SpikingNetwork(
        w_rec=w_rec,
        w_in=network.w_in / scale[:, None],
        # A membrane that is half full on average leaks half of 1 - keep in a substep.
        bias=network.bias / scale + (1 - keep) / 2,
        w_out=network.w_out * scale,
        bias_out=network.bias_out,
        scale=scale,
        alpha=network.alpha,
        dt_s=network.dt_s,
        substeps=substeps,
        mode=mode,
        delay=(substeps // 2 if mode == "continuous" else 0) if delay is None else delay,
        reset=reset,
        floor=floor,
        keep=keep,
        input=input,
        input_peak=np.ones(network.n_in) if input_peak is None else input_peak,
    )
