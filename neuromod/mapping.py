"""The whole step from a network to a placement that fits: capacity, search, check, and advice where it does not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuromod import limits
from neuromod.errors import DoesNotFitError, UsageError
from neuromod.grid import Grid
from neuromod.network import Network
from neuromod.packet_costs import check_objective, cost_matrix, packet_cost
from neuromod.placement import Placement
from neuromod.placers import DEFAULT
from neuromod.placers import place as search
from neuromod.placers.problem import Effort
from neuromod.target_files import load_target
from neuromod.targets import Target

# Larger grids that are tried to find the least one that fits, and the neurons up to which that is quick.
_GRIDS_TRIED, _QUICK = 6, 20_000

# Cores of a grid, 128x128: what all pairs of them cost takes some gigabytes there.
MOST_CORES = 16_384


def choose_grid(target: Target, cores: tuple[int, int] | None = None) -> Grid:
    """Grid of a target: as asked for, else 4x4 cores or the chip's own grid where that is smaller.

    Raises
    ------
    UsageError
        If it has more cores than there is room for: the distances between all of them are held in memory.
    """
    chip, tile = target.chip, target.tile
    if cores is None:
        cores = (4, 4) if chip is None else (min(4, chip.rows), min(4, chip.columns))
    grid = Grid(*cores, tile.rows, tile.columns)
    if grid.cores > MOST_CORES:
        raise UsageError(
            f"a grid of {grid} has {grid.cores:,} cores, at most {MOST_CORES:,} can be mapped onto; "
            "take a smaller grid, or a part of the network at a time"
        )
    return grid


def place(
    network: Network,
    *,
    rates: npt.NDArray[np.floating] | None = None,
    cores: tuple[int, int] | None = None,
    target: Target | str = "generic-mesh",
    neurons_per_core: int | None = None,
    placer: str = DEFAULT,
    objective: str = "hops",
    seed: int = 0,
    effort: Effort | None = None,
) -> Placement:
    """Place the neurons of a network on the cores of a target.

    Parameters
    ----------
    network : Network
        The network, with positions or without.
    rates : (n,) float, spikes per time step, optional
        Activity of the neurons; the network's own `rates`, else one spike a step, if omitted.
    cores : (rows, columns), optional
        Grid of cores; 4x4, or the chip's if that is smaller, if omitted.
    target : Target or str, default generic-mesh
        The target, its name, or the path of its file.
    neurons_per_core : int, optional
        Capacity of a core; see `limits.capacity_of` for what it is if omitted.
    placer : str, default annealing
        Name of the method, a key of `neuromod.placers.PLACERS`.
    objective : str, default hops
        What is to be small, one of `neuromod.packet_costs.OBJECTIVES`.
    seed : int, default 0
        Equal seeds give equal placements.
    effort : Effort, optional
        How hard the method tries.

    Returns
    -------
    Placement
        Core of every neuron; it keeps every limit that the target states.

    Raises
    ------
    UsageError
        If an argument cannot be used.
    DoesNotFitError
        If the network does not fit; the message lists every violation and what to try.

    Examples
    --------
    >>> import numpy as np
    >>> from neuromod import Network
    >>> from neuromod.mapping import place
    >>> net = Network(w_rec=np.eye(4, k=1), w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...               bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> place(net, cores=(1, 2), neurons_per_core=2).core_of.tolist()
    [0, 0, 1, 1]
    """
    chip = target if isinstance(target, Target) else load_target(target)
    grid = choose_grid(chip, cores)
    goal = check_objective(objective)
    if rates is None:
        rates = np.ones(network.n) if network.rates is None else network.rates
    capacity, _ = limits.capacity_of(network, chip, grid, neurons_per_core)
    limits.refuse_impossible(network, grid, chip, capacity)
    one = packet_cost(goal, chip)
    core_of = search(
        network, rates, grid, capacity, placer=placer, seed=seed, objective=goal,
        cost=cost_matrix(one.price, grid), tree=one.price if one.branching else None,
        limits=limits.limits_of_search(chip, grid), effort=effort,
    )  # fmt: skip
    violations = limits.find_violations(network, core_of, grid, chip, capacity)
    if violations:
        fitting = _least_grid(network, rates, grid, chip, neurons_per_core, seed)
        raise DoesNotFitError(limits.explain(violations, network, grid, chip, capacity, fitting=fitting))
    return Placement(grid, core_of, capacity, chip.name, placer, seed, network.sha256())


def _least_grid(
    network: Network,
    rates: npt.NDArray[np.floating],
    grid: Grid,
    target: Target,
    neurons_per_core: int | None,
    seed: int,
) -> Grid | None:
    """Return the least of some larger grids on which a quick search finds a placement that fits; None if none does."""
    if network.n > _QUICK:
        return None
    tried = grid
    for _ in range(_GRIDS_TRIED):
        tried = limits.larger_grid(tried, tried.cores + max(1, grid.cores // 4))
        try:
            capacity, _ = limits.capacity_of(network, target, tried, neurons_per_core)
            limits.refuse_impossible(network, tried, target, capacity)
        except (DoesNotFitError, UsageError):
            return None
        core_of = search(
            network, rates, tried, capacity, seed=seed, limits=limits.limits_of_search(target, tried),
            effort=Effort(0.1),
        )  # fmt: skip
        if not limits.find_violations(network, core_of, tried, target, capacity):
            return tried
    return None
