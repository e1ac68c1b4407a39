"""A rectifier with the few levels that a chip's neuron has, its spikes of a step, while training goes on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

# What the largest activity so far keeps of itself from step to step, and the least peak as a share of the largest.
_KEEP, _LEAST = 0.98, 0.01


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels of the neurons' rectifiers.

    Parameters
    ----------
    size : (n,) tensor
        Activity for which one spike stands.
    """

    size: torch.Tensor

    def rounded(self, rates: torch.Tensor) -> torch.Tensor:
        """Return rates (…, n) of whole levels.

        What is beyond the last level stays there: the levels are as large as the largest activity asks for, here and
        when a chip's integers are found, so that nothing is to be learned from an end that moves away.
        """
        return (rates / self.size).round_().mul_(self.size)


def of_peaks(peaks: npt.NDArray[np.float32], most: int, like: torch.Tensor) -> Levels:
    """Return the levels of neurons whose largest activity is `peaks`, (n,), at which they have all their spikes."""
    held = np.maximum(peaks, _LEAST * peaks.max())
    return Levels(torch.from_numpy(held / most).to(like))


def follow(peaks: npt.NDArray[np.float32], rates: torch.Tensor) -> npt.NDArray[np.float32]:
    """Take the activity of one more batch, (rows, n), into the neurons' peaks, (n,)."""
    newest = rates.amax(dim=0).cpu().numpy()
    result: npt.NDArray[np.float32] = np.maximum(newest, _KEEP * peaks).astype(np.float32)
    return result
