"""Placement methods, one file each, found by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.network import Network
from neuromod.placement import Grid
from neuromod.placers.problem import Problem, make_problem

Placer = Callable[[Problem, np.random.Generator], npt.NDArray[np.int32]]

# Name of a method -> its module here, imported on use; each has `place(problem, rng) -> core_of`.
PLACERS = {
    "annealing": "annealing",
    "bisection": "bisection",
    "tiles": "tiles",
    "shuffled": "shuffled",
}

DEFAULT = "annealing"


def find_placer(name: str) -> Placer:
    """Return the function of a placement method.

    Raises
    ------
    UsageError
        If there is no such method.
    """
    if name not in PLACERS:
        raise UsageError(f"there is no placer {name}; choose one of {', '.join(PLACERS)}")
    placer: Placer = import_module(f"neuromod.placers.{PLACERS[name]}").place
    return placer


def place(
    network: Network,
    rates: npt.NDArray[np.floating],
    grid: Grid,
    capacity: int,
    *,
    placer: str = DEFAULT,
    seed: int = 0,
    cost: npt.NDArray[np.floating] | None = None,
) -> npt.NDArray[np.int32]:
    """Place a network on a grid of cores.

    Parameters
    ----------
    network : Network
        The network; one without positions is placed too.
    rates : (n,) float, spikes per time step
        Activity of the neurons.
    grid : Grid
        The cores.
    capacity : int
        Neurons that a core holds.
    placer : str, default annealing
        Name of the method, a key of `PLACERS`.
    seed : int, default 0
        Equal seeds give equal placements.
    cost : (cores, cores) float, optional
        Cost of one packet between two cores; its hops if omitted.

    Returns
    -------
    (n,) int32
        Core of each neuron.

    Raises
    ------
    UsageError
        If there is no such method or an argument cannot be used.
    DoesNotFitError
        If the cores hold fewer neurons than there are.
    """
    method = find_placer(placer)
    problem = make_problem(network, rates, grid, capacity, cost=cost)
    return method(problem, np.random.default_rng(seed))
