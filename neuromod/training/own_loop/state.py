"""What a `Wiring` changes as the user's loop goes on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch


@dataclass(eq=False)
class WiringState:
    """What `Wiring.step` changes.

    Parameters
    ----------
    step : int
        Steps of the optimizer so far.
    parameters : dict of str to tensor
        The user's, under the names of `Network`; what was not given is empty, or zero.
    positions : (n, 2) float32
        Column and row of each neuron.
    activity : (n,) float32
        Running estimate of each neuron's spikes, 1 on the average; it matters where traffic is charged.
    swaps : int
        Swaps of neurons so far.
    """

    step: int
    parameters: dict[str, torch.Tensor]
    positions: npt.NDArray[np.float32]
    activity: npt.NDArray[np.float32]
    swaps: int = 0
