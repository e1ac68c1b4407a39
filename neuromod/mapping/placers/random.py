"""Neurons dealt out to the cores at random: what every other placement is compared with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.mapping.problem import Effort, Problem


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Deal the neurons out evenly, in random order.

    Parameters
    ----------
    problem : Problem
        The neurons and the grid.
    rng : Generator
        Source of randomness.
    effort : Effort
        Unused: the method is done when it is done.

    Returns
    -------
    (n,) int32
        Core of each neuron.
    """
    core_of = np.arange(problem.n, dtype=np.int32) % np.int32(problem.grid.cores)
    return rng.permutation(core_of)
