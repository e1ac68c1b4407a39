"""What makes a network fit a target: changed arguments of the placement and pruning, tried before they are named."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from neuromod.errors import Advice, UsageError
from neuromod.hardware import Grid, Target
from neuromod.mapping import limits
from neuromod.mapping.limits import Violation
from neuromod.mapping.obstacles import count_channels, find_hubs, find_obstacles
from neuromod.mapping.placers import DEFAULT
from neuromod.network import Network
from neuromod.removal import cut, share_of

# Neurons up to which changes are tried, and the number of searches, fewer for networks beyond some size: what is not
# asked for must not take long.
_QUICK, _SMALL, _SEARCHES, _FEWER = 20_000, 1_000, 24, 8

# Grids tried, each by how much larger than the one before; and pruning, each by how much further.
_GRIDS, _GROWTH = 6, 1.25
_PRUNINGS, _FURTHER = 4, 0.7

# A hub is not worth more than this share of all synapses.
_WORTH = 0.5


@dataclass(frozen=True, eq=False)
class Case:
    """A placement that was refused.

    Parameters
    ----------
    network : Network
        The network.
    grid : Grid
        The cores.
    target : Target
        Whose limits hold.
    neurons_per_core : int or None
        Capacity that was asked for.
    placer : str
        The method.
    """

    network: Network
    grid: Grid
    target: Target
    neurons_per_core: int | None
    placer: str


# Whether a changed case has a placement that fits.
Attempt = Callable[[Case], bool]


@dataclass
class _Tries:
    attempt: Attempt
    left: int

    def fits(self, case: Case) -> bool:
        try:
            capacity, _ = limits.capacity_of(case.network, case.target, case.grid, case.neurons_per_core)
        except UsageError:
            return False
        if self.left <= 0 or limits.find_impossible(case.network, case.grid, case.target, capacity):
            return False
        self.left -= 1
        return self.attempt(case)


def find_remedies(case: Case, found: list[Violation], attempt: Attempt) -> tuple[Advice, ...]:
    """Find what makes a refused network fit.

    Parameters
    ----------
    case : Case
        What was refused.
    found : list of Violation
        Why.
    attempt : callable
        Takes a changed case and says whether it fits.

    Returns
    -------
    tuple of Advice
        Each helps by itself. One of the kind ``nothing``, with the reasons, if none does.
    """
    pruned, why = _prunings(case, found)
    if case.network.n > _QUICK:
        return _untried(case, found, pruned, why)
    tries = _Tries(attempt, _SEARCHES if case.network.n <= _SMALL else _FEWER)
    for count in range(1, 5):
        advice = []
        for kinds in itertools.combinations(("keep", "cores", "neurons_per_core", "placer"), count):
            helps = next((steps for steps, changed in _changes(case, kinds, pruned) if tries.fits(changed)), None)
            if helps:
                advice.append(helps)
        if advice:
            # What keeps the network as it is comes first.
            return tuple(sorted(advice, key=lambda item: item.kind == "keep"))
    return (_nothing(case, why),)


def _changes(case: Case, kinds: tuple[str, ...], pruned: list[tuple[float, Network]]) -> Iterator[tuple[Advice, Case]]:
    """Cases with changes of all these kinds, the least changes first, and how to make them."""
    some = kinds[0]
    if some == "keep":
        choices = [(Advice("keep", keep), replace(case, network=network)) for keep, network in pruned]
    elif some == "cores":
        choices = [(Advice("cores", (g.rows, g.columns)), replace(case, grid=g)) for g in _grids(case)]
    elif some == "neurons_per_core":
        choices = [(Advice("neurons_per_core", c), replace(case, neurons_per_core=c)) for c in _capacities(case, kinds)]
    else:
        choices = [(Advice("placer", DEFAULT), replace(case, placer=DEFAULT))] if case.placer != DEFAULT else []
    for advice, changed in choices:
        if len(kinds) == 1:
            yield advice, changed
        else:
            for then, both in _changes(changed, kinds[1:], pruned):
                yield replace(advice, then=then), both


def _grids(case: Case) -> list[Grid]:
    """Other grids that there can be, and on which the network may fit, smaller ones first."""
    network, grid, target = case.network, case.grid, case.target
    # A share of the neurons grows as the grid shrinks, and so sets no least number of cores.
    capacity = min(case.neurons_per_core or math.inf, target.limit("neurons"), network.n)
    least = max(limits.cores_needed(network, target, int(capacity)).values())
    most = min(limits.most_cores(target), max(network.n, least))
    sizes = [least]
    size = max(least, grid.cores)
    for _ in range(_GRIDS):
        size = max(size + 1, math.ceil(_GROWTH * size))
        sizes.append(size)
    grids = [limits.larger_grid(grid, size, target) for size in sorted({*sizes, most}) if size <= most]
    return [other for other in dict.fromkeys(grids) if other is not None and other != grid]


def _capacities(case: Case, kinds: tuple[str, ...]) -> list[int]:
    """Larger numbers of neurons on a core that the target holds, smaller ones first."""
    network, target = case.network, case.target
    now, _ = limits.capacity_of(network, target, case.grid, case.neurons_per_core)
    most = int(min(target.limit("neurons"), network.n))
    if len(kinds) > 1:
        return [most] if most > now else []
    needed = -(-network.n // case.grid.cores)
    sizes = {max(needed, now + 1), *(math.ceil(factor * now) for factor in (1.25, 1.5, 2, 4)), most}
    return sorted(size for size in sizes if now < size <= most and size >= needed)


def _prunings(case: Case, found: list[Violation]) -> tuple[list[tuple[float, Network]], list[str]]:
    """Shares of the pairs of neurons to keep, the largest first, with what is left of the network; else why none."""
    network, target = case.network, case.target
    if all(item.resource in ("neurons", "cores") for item in found) or not network.n_synapses:
        return [], []
    if not network.n_in or not network.n_out:
        lacking = " and no ".join(w for w, size in (("inputs", network.n_in), ("readout", network.n_out)) if not size)
        return [], [f"pruning cannot tell which neurons matter, as the network has no {lacking}"]
    channels = count_channels(network)
    if limits.most_cores(target) == 1 and channels > target.limit("in_axons"):
        return [], ["pruning does not take input channels away"]
    sizes = np.sort(np.abs(network.w_rec.data))
    thresholds = np.unique(sizes)[:-1]

    def left(index: int) -> Network | None:
        try:
            return cut(network, float(thresholds[index]))
        except UsageError:
            return None

    last = _first(len(thresholds), lambda index: left(index) is None) - 1

    def bearable(index: int) -> bool:
        rest = left(index)
        return rest is None or (not limits.find_stuck(rest, target) and not find_hubs(rest, target))

    first = _first(last + 1, bearable)
    if first > last:
        return [], ["pruning that far leaves no path from input to readout"]
    hubs = find_hubs(network, target)
    counts = len(sizes) - np.searchsorted(sizes, thresholds, side="right")
    if hubs and counts[first] < _WORTH * len(sizes):
        return [], [f"pruning for it would leave {counts[first]:,} of {len(sizes):,} synapses"]
    chosen = [first]
    for _ in range(_PRUNINGS):
        further = int(np.searchsorted(-counts, -_FURTHER * counts[chosen[-1]]))
        if further > last or (hubs and counts[further] < _WORTH * len(sizes)):
            break
        chosen.append(further)
    pruned, silenced = [], False
    for index in dict.fromkeys(chosen):
        rest = left(index)
        assert rest is not None
        if channels > target.limit("in_axons") and count_channels(rest) < channels:
            silenced = True
            continue
        pruned.append((share_of(int(counts[index]), network.n), rest))
    return pruned, ["pruning that far takes input channels away"] if silenced else []


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """Least of the numbers 0 … `count` - 1 from which on something holds, by bisection; `count` if it never does."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _untried(
    case: Case, found: list[Violation], pruned: list[tuple[float, Network]], why: list[str]
) -> tuple[Advice, ...]:
    """What counting alone advises for a network whose placement takes long."""
    stuck = {"fan_in", "fan_out", "cores"} & {item.resource for item in found}
    advice = []
    if "fan_in" not in stuck and "fan_out" not in stuck and (grids := _grids(case)):
        larger = [grid for grid in grids if grid.cores > case.grid.cores]
        chosen = grids[0] if "cores" in stuck or not larger else larger[0]
        if chosen.cores > case.grid.cores or "cores" in stuck:
            advice.append(Advice("cores", (chosen.rows, chosen.columns), tried=False))
    if pruned:
        advice.append(Advice("keep", pruned[0][0], tried=False))
    return tuple(advice) or (_nothing(case, why),)


def _nothing(case: Case, why: list[str]) -> Advice:
    """Say why nothing helps."""
    reasons = find_obstacles(case.network, case.target, None) + why
    if not reasons:
        most = limits.most_cores(case.target)
        none = "the one core that there can be is too small"
        grids = f"no placement that was tried keeps every limit, on grids of up to {min(most, case.network.n):,} cores"
        reasons = [none if most == 1 else grids]
    return Advice("nothing", f"{'; '.join(reasons)}; it takes another network or another target")
