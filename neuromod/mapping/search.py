"""The whole step from a network to a placement that fits: capacity, search, check, and advice where it does not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from neuromod.errors import DoesNotFitError, InterruptedRunError, UsageError
from neuromod.hardware import (
    DENSE,
    CoreWork,
    Figure,
    Grid,
    Objective,
    Target,
    check_objective,
    chip_with_borders,
    core_weights,
    cost_matrix,
    load_target,
    make_ways,
    packet_cost,
    synaptic_events,
)
from neuromod.mapping import levels, limits, remedies
from neuromod.mapping.explanation import describe
from neuromod.mapping.limits import MOST_CORES, Violation
from neuromod.mapping.placement import Placement
from neuromod.mapping.placers import DEFAULT, find_placer, fitting
from neuromod.mapping.problem import Effort, make_problem
from neuromod.metrics import Activity, find_activity, with_second_channels
from neuromod.network import Network


def choose_grid(target: Target, cores: tuple[int, int] | None = None) -> Grid:
    """Grid of a target: as asked for, else 4x4 cores or the chip's own grid where that is smaller.

    Parameters
    ----------
    target : Target
        The chip.
    cores : (int, int), optional
        Rows and columns.

    Returns
    -------
    Grid
        With the tiles of the target.

    Raises
    ------
    UsageError
        If it has more than 2**20 cores.
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


def join_chips(target: Target, cores: tuple[int, int] | None, chips: tuple[int, int]) -> tuple[Target, tuple[int, int]]:
    """Return a target whose chips have so many cores, and the grid of all cores of a mesh of chips.

    Parameters
    ----------
    target : Target
        The chip.
    cores : (int, int) or None
        Rows and columns of the cores of one chip that are used; all that the target states if None.
    chips : (int, int)
        Rows and columns of chips.

    Raises
    ------
    UsageError
        If the target does not state the cores of a chip and none are given, or has fewer than are given.
    """
    own = target.chip
    if cores is None:
        if own is None:
            raise UsageError(f"{target.name} does not state the cores of a chip; say how many with `cores=(8, 16)`")
        cores = (own.rows, own.columns)
    if own is not None and (cores[0] > own.rows or cores[1] > own.columns):
        raise UsageError(f"a chip of {target.name} has {own} cores, and {cores[0]}x{cores[1]} of each were asked for")
    if own is None or cores != (own.rows, own.columns):
        figures = dict(target.figures)
        for name, value in zip(("chip_rows", "chip_columns"), cores, strict=True):
            figures[name] = Figure(float(value), "chosen", "cores of each chip, as asked for")
        target = replace(target, figures=figures)
    return target, (chips[0] * cores[0], chips[1] * cores[1])


def place(
    network: Network,
    *,
    cores: tuple[int, int] | None = None,
    chips: tuple[int, int] | None = None,
    target: Target | str = "generic-mesh",
    activity: Activity | None = None,
    neurons_per_core: int | None = None,
    placer: str = DEFAULT,
    objective: str = "hops",
    seed: int = 0,
    effort: Effort | None = None,
    advise: bool = True,
) -> Placement:
    """Place the neurons of a network on the cores of a target, as `neuromod map` does.

    Parameters
    ----------
    network : Network
        The network, with positions or without.
    cores : (rows, columns), optional
        Grid of cores; 4x4, or the chip's if that is smaller, if omitted. With `chips`, those of one chip.
    chips : (rows, columns), optional
        Mesh of chips; as many as the cores take if omitted.
    target : Target or str, default generic-mesh
        The target, its name, or the path of its file.
    activity : Activity, optional
        How often each neuron sends; `activity.find_activity` if omitted.
    neurons_per_core : int, optional
        Capacity of a core; see `limits.capacity_of` for what it is if omitted.
    placer : str, default annealing
        Name of the method, a key of `neuromod.mapping.placers.PLACERS`.
    objective : str, default hops
        What is to be small, one of `neuromod.hardware.packet_costs.OBJECTIVES`.
    seed : int, default 0
        Equal seeds give equal placements.
    effort : Effort, optional
        How hard the method tries.
    advise : bool, default True
        Whether to look for what helps where the network does not fit, which takes longer than to find that out.

    Returns
    -------
    Placement
        Core of every neuron, ``core_of (n,) int32``; it keeps every limit that the target states.

    Raises
    ------
    UsageError
        If an argument cannot be used.
    DoesNotFitError
        If the network does not fit; the message lists every violation and what to try.
    InterruptedRunError
        If `effort.should_stop` said so before anything was found that keeps the limits.

    Examples
    --------
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=np.eye(4, k=1), w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...                        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> neuromod.place(net, cores=(1, 2), neurons_per_core=2).core_of.tolist()
    [0, 0, 1, 1]
    """
    chip = target if isinstance(target, Target) else load_target(target)
    if chips is not None:
        chip, cores = join_chips(chip, cores, chips)
    grid = choose_grid(chip, cores)
    goal = check_objective(objective)
    activity = activity or find_activity(network)
    digest = network.sha256()
    if chip.takes_counts:
        network = with_second_channels(network)
        # A second channel reaches the same neurons, and what an input sends is counted once.
        silent = np.zeros(network.n_in - len(activity.input_rates))
        activity = replace(activity, input_rates=np.concatenate([activity.input_rates, silent]))
    effort = effort or Effort()
    case = remedies.Case(network, grid, chip, neurons_per_core, placer)
    capacity, _ = limits.capacity_of(network, chip, grid, neurons_per_core)
    core_of, violations = _search(case, activity, goal, seed, effort)
    if violations:
        # Nothing was searched where nothing can help.
        if len(core_of):
            _go_on(effort)
        at = dict(zip(network.neuron_ids.tolist(), np.asarray(activity.rates).tolist(), strict=True))

        def fits(changed: remedies.Case) -> bool:
            _go_on(effort)
            if changed.placer == DEFAULT:
                return _fallback(changed) is not None
            if changed.placer == "hypergraph" and changed.network is not network:
                # It looks at the activity, which is counted anew once a network is pruned.
                return False
            known = np.array([at[number] for number in changed.network.neuron_ids.tolist()])
            try:
                tried = Effort(should_stop=effort.should_stop)
                return not _search(changed, replace(activity, rates=known), goal, seed, tried)[1]
            except UsageError:
                # As of a method that knows one grid alone.
                return False

        facts = describe(violations, network, grid, chip, capacity)
        raise DoesNotFitError(facts, remedies.find_remedies(case, violations, fits) if advise else ())
    return Placement(grid, core_of, capacity, chip.name, placer, seed, digest, chip)


def _go_on(effort: Effort) -> None:
    if effort.should_stop():
        raise InterruptedRunError("interrupted before a placement was found that keeps every limit")


def _fallback(case: remedies.Case) -> npt.NDArray[np.int32] | None:
    """Find a placement that keeps every limit, at whatever cost, (n,)."""
    network, grid, target = case.network, case.grid, case.target
    capacity, _ = limits.capacity_of(network, target, grid, case.neurons_per_core)
    if limits.find_impossible(network, grid, target, capacity):
        return None
    core_of = fitting.find(
        make_problem(network, np.ones(network.n), grid, capacity, limits=limits.limits_of_search(target, grid))
    )
    if core_of is None or limits.find_violations(network, core_of, grid, target, capacity):
        return None
    return core_of


def _search(
    case: remedies.Case, activity: Activity, goal: Objective, seed: int, effort: Effort
) -> tuple[npt.NDArray[np.int32], list[Violation]]:
    """Search a placement; return it, (n,), and everything in which it does not fit."""
    network, grid, target = case.network, case.grid, case.target
    capacity, _ = limits.capacity_of(network, target, grid, case.neurons_per_core)
    if impossible := limits.find_impossible(network, grid, target, capacity):
        return np.zeros(0, np.int32), impossible
    chip = chip_with_borders(grid, target)
    one = packet_cost(goal, target, chips=chip is not None)
    method = find_placer(case.placer)
    if chip is not None and case.placer == DEFAULT:
        method = partial(levels.place, chip=chip)
    ways = make_ways(one.price, grid, chip) if chip or grid.cores > DENSE else cost_matrix(one.price, grid)
    problem = make_problem(
        network, activity.rates, grid, capacity, objective=goal, cost=ways,
        tree=one.price if one.branching else None, limits=limits.limits_of_search(target, grid),
    )  # fmt: skip
    if goal == "max-core":
        events = synaptic_events(network, activity.rates, activity.input_rates)
        problem = replace(problem, work=CoreWork(core_weights(target).as_array(), events, target.branches))
    core_of = levels.crop(problem, method, np.random.default_rng(seed), effort, whole=chip or target.tile)
    violations = limits.find_violations(network, core_of, grid, target, capacity)
    if violations and case.placer == DEFAULT:
        # Of the entries of routers the search knows nothing.
        core_of, violations = (core_of, violations) if (found := _fallback(case)) is None else (found, [])
    return core_of, violations
