"""What a placer is asked: who talks to whom, how often, on which grid, at which cost, within which limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import DoesNotFitError, UsageError
from neuromod.hardware import (
    DENSE,
    HOPS,
    PACKETS,
    CoreWork,
    Grid,
    Objective,
    PacketPrice,
    Ways,
    core_weights,
    cost_matrix,
    grown_on,
    make_ways,
    pairs_of,
    synaptic_events,
)
from neuromod.network import Network

# Cores up to which a table of all pairs of them can be had; it takes 2 GiB there.
_MOST_PAIRED = 16_384


def check_pairs(cores: int) -> None:
    """Refuse a table of all pairs of so many cores.

    Raises
    ------
    UsageError
        If it would not fit memory.
    """
    if cores > _MOST_PAIRED:
        raise UsageError(
            f"this placer or objective needs a table of all pairs of {cores:,} cores, at most {_MOST_PAIRED:,}; "
            "choose the placer annealing, bisection, tiles or shuffled, and an objective other than max-link"
        )


def _say_nothing(share: float) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Effort:
    """How hard a placer tries.

    Parameters
    ----------
    amount : float, default 1
        Work relative to the default; equal amounts give equal placements.
    seconds : float, optional
        Time instead of an amount; then the result depends on the machine's speed.
    on_progress : callable, optional
        Takes the share that is done, 0 … 1; it falls back where limits are exceeded and the search goes on.
    should_stop : callable, optional
        Asked many times, by several threads; once it says True, the search ends within seconds, and the result is the
        placement of least cost so far.

    Raises
    ------
    UsageError
        If a number is not above zero.
    """

    amount: float = 1.0
    seconds: float | None = None
    on_progress: Callable[[float], None] = _say_nothing
    should_stop: Callable[[], bool] = _never

    def __post_init__(self) -> None:
        for name, value in (("effort", self.amount), ("time", self.seconds)):
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"the {name} must be above 0, found {value}")

    def part(self, begin: float, end: float, amount: float | None = None) -> Effort:
        """Return a part of the time and work, with its progress as part of the whole; `amount`, if the work differs."""
        share = end - begin

        def tell(done: float) -> None:
            self.on_progress(begin + share * done)

        return replace(
            self,
            amount=self.amount * (share if amount is None else amount),
            seconds=self.seconds and self.seconds * share,
            on_progress=tell,
        )


@dataclass(frozen=True, eq=False)
class CoreLimits:
    """Limits of a core, beside its neurons, that a search keeps; infinite where there are none.

    Parameters
    ----------
    synapses, in_axons, out_axons : float
        Of a core, as in `neuromod.hardware.targets.FIGURES`.
    destinations : float
        Of a neuron.
    local_axons : bool
        Whether spikes that stay on their core count for axons and destinations.
    chip_of : (cores,) int32 or None
        Chip of each core, where destinations are chips.
    """

    synapses: float = math.inf
    in_axons: float = math.inf
    out_axons: float = math.inf
    destinations: float = math.inf
    local_axons: bool = False
    chip_of: npt.NDArray[np.int32] | None = None

    @property
    def any(self) -> bool:
        """Whether there is any limit to keep."""
        return min(self.synapses, self.in_axons, self.out_axons, self.destinations) < math.inf


@dataclass(frozen=True, eq=False)
class Problem:
    r"""Place `n` neurons so that the traffic is small.

    The cost is :math:`\sum_s r_s \sum_{c \in D_s} cost(core_s, c)`, where :math:`D_s` are the cores that hold a target
    of the neuron :math:`s`; or, where packets branch, :math:`\sum_s r_s T(core_s, D_s)` with the price :math:`T` of the
    tree that XY routing makes; or, for ``max-link``, the load of the busiest link; or, for ``max-core``, the load of
    the busiest core and, where that is equal, the first sum.

    Parameters
    ----------
    n : int
        Number of neurons.
    indptr : (sources + 1,) int64
        Where the targets of each source begin in `targets`: first the neurons, then the input channels.
    targets : (synapses,) int32
        Targets of each source, in any order; self-connections never leave a core and are left out, see `loops`.
    rates : (sources,) float64
        Packets that a neuron sends to each of its cores per time step; zero for input channels.
    positions : (n, 2) float64 or None
        Column and row of each neuron.
    grid : Grid
        The cores.
    capacity : int
        Neurons that a core holds.
    cost : (cores, cores) float64 or Ways
        Cost of one packet between two cores, zero on the diagonal; in closed form on large grids and several chips.
    objective : str
        What is to be small; any but ``max-link`` and ``max-core`` is in `cost` and `tree` alone.
    synapses : (n,) int64
        Synapses onto each neuron, inputs and self-connections included.
    limits : CoreLimits
        What else a core can hold.
    grown : (n,) int32, optional
        Core of each neuron in the placement that training grew, if it was trained for this grid and the cores hold it.
    loops : (n,) bool, optional
        Which neurons have a self-connection; it takes an axon of its core where local spikes do. None if omitted.
    tree : PacketPrice, optional
        What a packet costs that branches to all its destinations; None where each has one of its own, at `cost`.
    work : CoreWork, optional
        What makes the load of a core, for ``max-core``.

    Raises
    ------
    UsageError
        If a shape does not fit or a number is negative or not finite.
    DoesNotFitError
        If the grid holds fewer neurons than there are.
    """

    n: int
    indptr: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int32]
    rates: npt.NDArray[np.float64]
    positions: npt.NDArray[np.float64] | None
    grid: Grid
    capacity: int
    cost: npt.NDArray[np.float64] | Ways
    objective: Objective
    synapses: npt.NDArray[np.int64]
    limits: CoreLimits
    grown: npt.NDArray[np.int32] | None = None
    loops: npt.NDArray[np.bool_] | None = None
    tree: PacketPrice | None = None
    work: CoreWork | None = None

    def __post_init__(self) -> None:
        k = self.grid.cores
        if self.rates.shape != (len(self.indptr) - 1,) or not np.isfinite(self.rates).all() or (self.rates < 0).any():
            raise UsageError(f"needed one finite rate not below 0 for each of the {self.n} neurons")
        if isinstance(self.cost, Ways):
            if self.cost.at.shape != (k, 2):
                raise UsageError(f"the ways between cores must be of {k} cores, found {len(self.cost.at)}")
        elif self.cost.shape != (k, k) or not np.isfinite(self.cost).all() or (self.cost < 0).any():
            raise UsageError(f"the cost between cores must be {k} x {k} finite numbers not below 0")
        elif np.diagonal(self.cost).any():
            raise UsageError("the cost from a core to itself must be zero")
        if self.capacity * k < self.n:
            raise DoesNotFitError(f"{self.n:,} neurons do not fit {k:,} cores of {self.capacity:,}")

    def between_neurons(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
        """Return the source and the target of each synapse between neurons, (synapses,) both."""
        begins = self.indptr[: self.n + 1]
        return np.repeat(np.arange(self.n), np.diff(begins)), self.targets[: begins[-1]]

    def matrix(self) -> npt.NDArray[np.float64]:
        """Cost of one packet between every two cores, (cores, cores).

        Raises
        ------
        UsageError
            If there are so many cores that the table of all pairs would not fit memory.
        """
        if not isinstance(self.cost, Ways):
            return self.cost
        k = self.grid.cores
        check_pairs(k)
        every = np.arange(k)
        return self.cost.between(np.repeat(every, k), np.tile(every, k)).reshape(k, k)

    def price(self, packets: Any) -> float:
        """Cost of the packets between cores, a table as in `Traffic`, if each goes alone."""
        if isinstance(self.cost, Ways):
            source, receiver, load = pairs_of(packets)
            return float(load @ self.cost.between(source, receiver))
        return float((packets * self.cost).sum())


def make_problem(
    network: Network,
    rates: npt.NDArray[np.floating],
    grid: Grid,
    capacity: int,
    *,
    objective: Objective = "hops",
    cost: npt.NDArray[np.floating] | Ways | None = None,
    tree: PacketPrice | None = None,
    limits: CoreLimits | None = None,
) -> Problem:
    """State the placement problem of a network.

    Parameters
    ----------
    network : Network
        The network; its recurrent synapses, its positions if it has some, and its inputs if their axons are limited.
    rates : (n,) float, spikes per time step
        Activity of the neurons.
    grid : Grid
        The cores.
    capacity : int
        Neurons that a core holds.
    objective : str, default hops
        What is to be small.
    cost : (cores, cores) float or Ways, optional
        Cost of one packet between two cores; its hops if omitted, or 1 for the objective ``packets``.
    tree : PacketPrice, optional
        What a packet costs that branches; its hops for the objective ``multicast``, else none branches, if omitted.
    limits : CoreLimits, optional
        What else a core can hold.

    Returns
    -------
    Problem
        The problem.

    Raises
    ------
    UsageError
        If the rates are not for this network or a number is out of range.
    """
    limits = limits or CoreLimits()
    if cost is None:
        price = PACKETS if objective == "packets" else HOPS
        cost = make_ways(price, grid) if grid.cores > DENSE else cost_matrix(price, grid)
    if tree is None and objective == "multicast":
        tree = HOPS
    sent = np.asarray(rates, np.float64)
    if sent.shape != (network.n,):
        raise UsageError(f"needed one rate for each of the {network.n} neurons, found the shape {sent.shape}")
    by_source = network.w_rec.tocsc()
    source = np.repeat(np.arange(network.n), np.diff(by_source.indptr))
    remote = by_source.indices != source
    targets = by_source.indices[remote].astype(np.int32)
    counts = np.bincount(source[remote], minlength=network.n)
    w_in = network.w_in != 0
    if limits.in_axons < math.inf:
        channel, neuron = np.nonzero(w_in.T)
        targets = np.concatenate([targets, neuron.astype(np.int32)])
        counts = np.concatenate([counts, np.bincount(channel, minlength=network.n_in)])
        sent = np.concatenate([sent, np.zeros(network.n_in)])
    return Problem(
        n=network.n,
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        targets=targets,
        rates=sent,
        positions=None if network.positions is None else network.positions.astype(np.float64),
        grid=grid,
        capacity=capacity,
        cost=cost if isinstance(cost, Ways) else np.asarray(cost, np.float64),
        objective=objective,
        synapses=np.diff(network.w_rec.indptr).astype(np.int64) + w_in.sum(axis=1),
        limits=limits,
        grown=_grown(network, grid, capacity),
        loops=network.w_rec.diagonal() != 0,
        tree=tree,
        work=CoreWork(
            core_weights(None).as_array(), synaptic_events(network, sent[: network.n], np.zeros(network.n_in))
        )
        if objective == "max-core"
        else None,
    )


def _grown(network: Network, grid: Grid, capacity: int) -> npt.NDArray[np.int32] | None:
    found = grown_on(network)
    if found is None or found[0] != grid or np.bincount(found[1], minlength=grid.cores).max() > capacity:
        return None
    return found[1]


def renumbered(problem: Problem, order: npt.NDArray[np.intp]) -> Problem:
    """Return the same problem with its neurons in another order: neuron i becomes `order[i]` of before."""
    n = problem.n
    sources = np.concatenate([order, np.arange(n, len(problem.indptr) - 1)])
    counts = np.diff(problem.indptr)[sources]
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    # Where each synapse stood: the old begin of its source, and its place behind that.
    old = np.arange(len(problem.targets)) + np.repeat(problem.indptr[sources] - indptr[:-1], counts)
    place = np.empty(n, np.int32)
    place[order] = np.arange(n, dtype=np.int32)
    return replace(
        problem,
        indptr=indptr,
        targets=place[problem.targets[old]],
        rates=problem.rates[sources],
        positions=None if problem.positions is None else problem.positions[order],
        synapses=problem.synapses[order],
        grown=None if problem.grown is None else problem.grown[order],
        loops=None if problem.loops is None else problem.loops[order],
        work=None if problem.work is None else replace(problem.work, events=problem.work.events[order]),
    )
