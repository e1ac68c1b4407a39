"""How active each neuron is while it is trained, as the spiking network made of it would be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from neuromod.spiking import balance

# Weight of the newest batch in the estimate, and the least activity, so that a silent neuron's wires still cost.
_NEWEST, _LEAST = 0.3, 0.05


def update(
    activity: npt.NDArray[np.float32], h: torch.Tensor, h0: torch.Tensor, previous: torch.Tensor, alpha: float
) -> npt.NDArray[np.float32]:
    """Take one more batch into the running estimate of the neurons' spikes.

    Parameters
    ----------
    activity : (n,) float32
        The estimate so far, 1 on the average.
    h : (rows, n) tensor
        States of packed trials, see `neuromod.training.model.Packed`.
    h0 : (trials, n) tensor
        States before their first step.
    previous : (rows - trials,) int64 tensor
        Row of the same trial one step earlier.
    alpha : float
        dt / τ.

    Returns
    -------
    (n,) float32
        Spikes in a time step over their mean: the rectified drive over the activity at which a neuron fires in every
        substep, `neuromod.spiking.balance`.
    """
    before = torch.cat([h0[: len(h) - len(previous)], h[previous]])
    drive = torch.clamp((h - (1 - alpha) * before) / alpha, min=0).cpu().numpy()
    return average(activity, drive.mean(axis=0) / balance(drive))


def average(activity: npt.NDArray[np.float32], spikes: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Take the spikes of one more batch, (n,) of any unit, into the running estimate, (n,), 1 on the average."""
    mean = float(spikes.mean())
    newest = np.maximum(spikes / mean, _LEAST) if mean > 0 else np.ones_like(spikes)
    result = (1 - _NEWEST) * activity + _NEWEST * newest
    scaled: npt.NDArray[np.float32] = (result / result.mean()).astype(np.float32)
    return scaled
