"""A start for few packets: modules stay whole on their cores, as far as these have room, and are exchanged as one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod.mapping.local_search import groups
from neuromod.mapping.modules.finding import find_modules
from neuromod.mapping.modules.packing import pack_modules
from neuromod.mapping.placers import multilevel
from neuromod.mapping.problem import Effort, Problem

# Tries times the root of the number of pieces, and segments.
_TRIES, _SEGMENTS = 50_000, 40
# First and last temperature, in units of the mean loss of the losing tries; share of the tries that go to any core.
_HOT, _COLD, _ANYWHERE = 0.4, 0.02, 0.2


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> tuple[npt.NDArray[np.int32], bool]:
    """Find modules, pack them, exchange them.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the matrix of the cost.
    rng : Generator
        Source of randomness.
    effort : Effort
        Number of tries, or the time that may be taken.

    Returns
    -------
    (n,) int32, bool
        Core of each neuron, and whether every module is whole; the capacity is kept, other limits are not looked at.
    """
    module = find_modules(problem, rng)
    piece, core_of = pack_modules(problem, module, rng)
    return _exchange(problem, piece, core_of, rng, effort)[piece], len(core_of) == int(module.max()) + 1


def _exchange(
    problem: Problem,
    piece: npt.NDArray[np.int64],
    core_of: npt.NDArray[np.int32],
    rng: np.random.Generator,
    effort: Effort,
) -> npt.NDArray[np.int32]:
    """Anneal the core of each piece; no core holds more than its capacity on the way."""
    t = groups.make_groups(problem, piece, core_of, problem.capacity)
    random, unit = multilevel.probe(problem, t, rng)
    tries = max(int(effort.amount * _TRIES * len(core_of) ** 0.5) // _SEGMENTS, 1)
    temperatures = (unit * np.geomspace(_HOT, _COLD, _SEGMENTS)).tolist()
    schedule = multilevel.Schedule(temperatures, tries, _ANYWHERE, problem.capacity)
    multilevel.anneal_groups(problem, t, schedule, random, should_stop=effort.should_stop)
    return t.core_of
