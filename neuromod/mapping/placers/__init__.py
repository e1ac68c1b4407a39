"""Placement methods, one file each, found by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.hardware import Grid, Objective, PacketPrice
from neuromod.mapping.problem import CoreLimits, Effort, Problem, make_problem
from neuromod.network import Network

Placer = Callable[[Problem, np.random.Generator, Effort], npt.NDArray[np.int32]]

# Name of a method -> its module here, imported on use; each has `place(problem, rng, effort) -> core_of`.
PLACERS = {
    "annealing": "annealing",
    "bisection": "bisection",
    "grown": "learned",
    "hilbert": "hilbert",
    "hypergraph": "hypergraph",
    "tiles": "tiles",
    "shuffled": "random",
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
    placer: Placer = import_module(f"neuromod.mapping.placers.{PLACERS[name]}").place
    return placer


def place(
    network: Network,
    rates: npt.NDArray[np.floating],
    grid: Grid,
    capacity: int,
    *,
    placer: str = DEFAULT,
    seed: int = 0,
    objective: Objective = "hops",
    cost: npt.NDArray[np.floating] | None = None,
    tree: PacketPrice | None = None,
    limits: CoreLimits | None = None,
    effort: Effort | None = None,
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
    objective : str, default hops
        What is to be small, one of `neuromod.hardware.packet_costs.OBJECTIVES`; only some methods look at it.
    cost : (cores, cores) float, optional
        Cost of one packet between two cores; by the objective if omitted.
    tree : PacketPrice, optional
        What a packet costs that branches to all its destinations; by the objective if omitted.
    limits : CoreLimits, optional
        What else a core can hold; kept by the methods that search, to be checked after all of them.
    effort : Effort, optional
        How hard the method tries.

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

    Examples
    --------
    >>> import numpy as np
    >>> from neuromod import Network
    >>> from neuromod.mapping.placement import Grid
    >>> from neuromod.mapping.placers import place
    >>> pairs = np.kron(np.eye(2), [[0, 1], [1, 0]])
    >>> net = Network(w_rec=pairs, w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...               bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> place(net, np.ones(4), Grid(1, 2), 2).tolist()
    [0, 0, 1, 1]
    """
    method = find_placer(placer)
    problem = make_problem(network, rates, grid, capacity, objective=objective, cost=cost, tree=tree, limits=limits)
    return method(problem, np.random.default_rng(seed), effort or Effort())
