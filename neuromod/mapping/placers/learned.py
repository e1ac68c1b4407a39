"""The placement that training grew, as it is; see `neuromod.training.on_cores.plan`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.mapping.problem import Effort, Problem


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Leave every neuron on the core that training put it on.

    Parameters
    ----------
    problem : Problem
        The neurons and the grid.
    rng : Generator
        Unused: the method has no randomness.
    effort : Effort
        Unused: there is nothing to do.

    Returns
    -------
    (n,) int32
        Core of each neuron.

    Raises
    ------
    UsageError
        If the network was not trained for this grid, or its cores hold fewer neurons now.
    """
    if problem.grown is None:
        raise UsageError(
            f"the placer grown needs a network trained for {problem.grid} cores of at most {problem.capacity:,} "
            f"neurons; train one with `neuromod.train(wiring_cost='hops', cores='{problem.grid}')`, or choose another"
        )
    return problem.grown
