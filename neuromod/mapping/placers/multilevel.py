"""A start for networks of modules: groups of neurons that belong together are placed first, then what they are made of.

Pairs of groups merge by their packets, level by level. The groups of the coarsest level are packed onto cores and
annealed, each moving as one with the exact change of the cost; then the groups of the next level go on from there, in
the end single neurons. Cores may hold a little too much on the way, at a price; at last single neurons leave the cores
that hold too many.

References
----------
G. Karypis, R. Aggarwal, V. Kumar, S. Shekhar, "Multilevel hypergraph partitioning", IEEE Transactions on VLSI Systems
7(1):69 (1999), 10.1109/92.748202: coarsening and refining.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.mapping.cost import packets_between
from neuromod.mapping.local_search import groups
from neuromod.mapping.local_search.core_exchange import anneal_cores, count_packets, relabel
from neuromod.mapping.local_search.tables import make_tables
from neuromod.mapping.placers import clusters
from neuromod.mapping.problem import Effort, Problem

# Packets of packed groups, relative to those of a cut, below which a network has modules: measured are 0.2 to 0.3 where
# nine tenths of the synapses are in modules, 0.77 and more in networks of short or random synapses.
_MODULES = 0.5
# How many times fewer neurons the groups of a finer level have, also than which no group is finer.
_FINER = 3.0
# Neurons of the largest group: larger ones take long to try and leave holes in the cores.
_LARGEST = 100
# Tries of the coarsest level times the root of the number of groups, and of the others.
_TRIES, _TRIES_FINER = 25_000, 8_000
# First temperatures of the coarsest level and of the others, and the last one of all, in units of the mean loss of the
# losing tries.
_HOT, _HOT_FINER, _COLD = 0.4, 0.12, 0.04
# Segments of a level; share of the tries that go to any core, at most and times the number of cores.
_SEGMENTS, _ANYWHERE, _ANYWHERE_CORES = 20, 0.2, 4.0
# Tries between two looks at whether to stop.
_CHUNK = 50_000
# Neurons of which the one that loses least leaves a core that holds too many; tries that measure a level's losses.
_LEAVING, _PROBED = 64, 2_000
# Cores up to which what whole cores hold is exchanged.
_MOST_EXCHANGED = 256


def has_modules(problem: Problem, core_of: npt.NDArray[np.int32]) -> bool:
    """Whether groups that belong together, packed onto cores, send far fewer packets than a placement does.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the cost.
    core_of : (n,) int32
        The placement: a cut of the plane, for instance, that is good where synapses are short.
    """
    packed = clusters.pack(clusters.merge(problem, np.random.default_rng(0)), problem).astype(np.int32)
    return float(packets_between(problem, packed).sum()) < _MODULES * float(packets_between(problem, core_of).sum())


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Merge neurons into groups, place the groups, then ever smaller ones.

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
    (n,) int32
        Core of each neuron; the capacity is kept, other limits are not looked at.
    """
    begin = time.monotonic()
    core_of = np.zeros(problem.n, np.int32)
    chosen = levels(problem, rng)
    for number, group in enumerate(chosen):
        if number and effort.should_stop():
            break
        of_group = np.zeros(int(group.max()) + 1, np.int32)
        of_group[group] = core_of if number else clusters.pack(group, problem)
        until = None if effort.seconds is None else begin + effort.seconds * (number + 1) / len(chosen)

        def should_stop(until: float | None = until) -> bool:
            return effort.should_stop() or (until is not None and time.monotonic() > until)

        tries = int(effort.amount * (_TRIES_FINER if number else _TRIES) * len(of_group) ** 0.5)
        hot = _HOT_FINER if number else _HOT
        core_of = _anneal(problem, group, of_group, (hot, tries, should_stop), rng)[group]
        effort.on_progress((number + 1) / len(chosen))
    return keep_capacity(problem, core_of, rng)


def levels(problem: Problem, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Group of each neuron, (n,), for every level, the coarsest first."""
    chosen: list[npt.NDArray[np.int64]] = []
    size = _FINER
    for group in clusters.rounds(problem, rng, min(problem.capacity, _LARGEST)):
        mean = problem.n / (int(group.max()) + 1)
        last = group
        if mean >= size:
            chosen.append(group)
            size = mean * _FINER
    if not chosen or chosen[-1] is not last:
        chosen.append(last)
    return chosen[::-1]


def _anneal(
    problem: Problem,
    group: npt.NDArray[np.int64],
    core_of: npt.NDArray[np.int32],
    schedule: tuple[float, int, Callable[[], bool]],
    rng: np.random.Generator,
) -> npt.NDArray[np.int32]:
    """Anneal the groups of one level from `core_of`, (groups,), by first temperature, tries and whether to stop."""
    hot, tries, should_stop = schedule
    k = problem.grid.cores
    largest = int(max(np.bincount(group).max(), 1))
    over = int((np.bincount(core_of[group], minlength=k) - problem.capacity).max())
    room = problem.capacity + max(largest, over)
    t = groups.make_groups(problem, group, core_of, room)
    random, unit = probe(problem, t, rng)
    if not unit:
        return t.core_of
    segments = Schedule(
        (unit * np.geomspace(hot, _COLD, _SEGMENTS)).tolist(),
        max(tries // _SEGMENTS, 1),
        min(_ANYWHERE, _ANYWHERE_CORES / k),
        room,
        unit / float(t.weights.mean()),
    )

    def exchange(temperature: float) -> None:
        if k <= _MOST_EXCHANGED:
            _exchange_cores(problem, t, temperature, random)

    anneal_groups(problem, t, segments, random, should_stop=should_stop, before=exchange)
    return t.core_of


@dataclass(frozen=True)
class Schedule:
    """How groups are annealed; a descent ends it.

    Parameters
    ----------
    temperatures : sequence of float
        Of the segments.
    tries : int
        Of each segment.
    anywhere : float
        Share of the tries that go to any core.
    room : int
        Neurons that a core may hold on the way.
    price : float
        Of each neuron beyond the capacity.
    """

    temperatures: Sequence[float]
    tries: int
    anywhere: float
    room: int
    price: float = 0.0


def probe(problem: Problem, t: groups.Groups, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint64], float]:
    """Return a state of the random numbers, and the mean loss of the losing ones of some tries."""
    random = rng.integers(0, 2**63, 1).astype(np.uint64)
    loss = groups.probe_groups(t.rows, t.rates, t.ptr, t.touched, t.own, t.core_of, problem.cost, _PROBED, random)
    return random, float(loss)


def anneal_groups(
    problem: Problem,
    t: groups.Groups,
    schedule: Schedule,
    random: npt.NDArray[np.uint64],
    *,
    should_stop: Callable[[], bool],
    before: Callable[[float], None] = lambda temperature: None,
) -> None:
    """Move groups, changing `t`; `before` each segment something is done at its temperature."""
    for temperature in (*schedule.temperatures, 0.0):
        before(temperature)
        for left in range(schedule.tries, 0, -_CHUNK):
            groups.search_groups(
                t.rows, t.rates, t.ptr, t.touched, t.own, t.weights, t.core_of, t.sizes, t.members, t.slot, t.counts,
                problem.cost, problem.capacity, schedule.room, schedule.price, schedule.anywhere, random, temperature,
                1.0, min(left, _CHUNK),
            )  # fmt: skip
            if should_stop():
                return


def _exchange_cores(problem: Problem, t: groups.Groups, temperature: float, random: npt.NDArray[np.uint64]) -> None:
    k = problem.grid.cores
    packets = np.empty((k, k))
    count_packets(t.rows, t.rates, t.first, packets)
    at = np.arange(k)
    if anneal_cores(packets, problem.cost, at, temperature, 4 * k * k, random):
        relabel(t.rows, t.first, at)
        t.core_of[:] = at[t.core_of]
        for table in (t.sizes, t.members, t.counts):
            table[at] = table.copy()


def keep_capacity(problem: Problem, core_of: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Move neurons off the cores that hold too many, those that lose least of some that are drawn."""
    k = problem.grid.cores
    sizes = np.bincount(core_of, minlength=k).astype(np.int64)
    if sizes.max() <= problem.capacity:
        return core_of
    t = make_tables(problem, core_of)
    order = np.argsort(core_of, kind="stable")
    place_there = np.arange(problem.n) - (np.cumsum(sizes) - sizes)[core_of[order]]
    members = np.full((k, int(sizes.max())), -1, np.int32)
    members[core_of[order], place_there] = t.first[: problem.n][order]
    random = rng.integers(0, 2**63, 1).astype(np.uint64)
    groups.push_out(
        t.rows, t.rates, t.out_ptr, t.targets, t.in_ptr, t.sources, problem.cost, sizes, problem.capacity, members,
        _LEAVING, random,
    )  # fmt: skip
    return t.core_of(problem.n)
