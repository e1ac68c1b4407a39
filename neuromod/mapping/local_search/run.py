"""One annealing run: the state of a placement, its temperatures, its segments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.mapping.cost import busiest_link
from neuromod.mapping.local_search.core_exchange import anneal_cores, count_packets, relabel
from neuromod.mapping.local_search.link_prices import reprice
from neuromod.mapping.local_search.moves import chips, count_usage, excess, make_limits
from neuromod.mapping.local_search.proposals import find_border, probe, search
from neuromod.mapping.local_search.regions import search_regions
from neuromod.mapping.local_search.tables import MOST_EXCHANGED, Tables, cost_tables, make_tables
from neuromod.mapping.problem import Problem

# First temperature, in units of the mean loss of the losing tries at the start; that of the objective max-link, which
# starts from few hops, is lower.
_HOT, _HOT_MAX_LINK = 0.6, 0.1
# Last temperature of a search for a placement that fits, relative to the first.
_LAST = 0.1
# Share of a run without less excess after which it is given up, where that is asked for.
_STUBBORN = 0.15
# Share of the tries at the end that accept no loss.
_QUENCH = 0.1
# Segments into which a run is cut: between them progress is told, time looked at, links are priced (more often), and
# whole cores exchanged.
_SEGMENTS, _SEGMENTS_MAX_LINK = 40, 200
# Share of tries that go to the core of any neuron: at most the first number, falling with this many cores; and neurons
# beyond which tries go core by core.
_ANYWHERE, _ANYWHERE_CORES, _REGIONS = 0.2, 4.0, 50_000
# Cores beyond which all of them are gone through in machine code.
_MANY_CORES = 16_384
# Tries between two looks at whether to stop, some tenths of a second; seconds of the descent that ends a search then.
_CHUNK, _DESCENT = 200_000, 1.0


@dataclass(eq=False)
class Search:
    """One annealing run on one start.

    Parameters
    ----------
    problem : Problem
        The problem.
    start : (n,) int32
        Placement to begin with; it must keep the capacity.
    seed : int
        Seed of the tries.
    within : (cores,) int32, optional
        Chip of each core, if neurons are to stay on theirs.
    """

    problem: Problem
    start: npt.NDArray[np.int32]
    seed: int
    within: npt.NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        problem = self.problem
        self.tables: Tables = make_tables(problem, self.start.astype(np.int32))
        self.random = np.array([self.seed], np.uint64)
        self.sizes = np.bincount(self.start, minlength=problem.grid.cores).astype(np.int64)
        self.usage = count_usage(problem, self.tables) if problem.limits.any else None
        self.limits = make_limits(problem)
        self.chips = chips(problem)
        self.cost, self.routers = cost_tables(problem)
        self.members, self.slot = _list_members(problem, self.tables)
        self.border = np.zeros(problem.n, np.int32)
        self.border_place = np.zeros(problem.n, np.int32)
        # Length of the border list, and the excess over the limits.
        self.counters = np.zeros(2, np.int64)
        t = self.tables
        self.count_excess()
        self.counters[0] = find_border(t.rows, t.first[: problem.n], self.border, self.border_place)
        self.unit = self._probe()

    def _probe(self) -> float:
        """Mean loss of the losing tries at the start; zero if nothing can be won or lost."""
        t = self.tables
        return float(
            probe(
                t.rows, t.rates, t.out_ptr, t.targets, t.in_ptr, t.sources, self.cost, self.routers,
                self.border, self.counters[0], self.random.copy(),
            )
        )  # fmt: skip

    @property
    def excess(self) -> int:
        """By how much the limits are exceeded, added up; zero if there are none."""
        return int(self.counters[1])

    def count_excess(self) -> int:
        """Count the excess in full, which moves made outside this class do not follow."""
        t, local = self.tables, self.problem.limits.local_axons
        if self.usage is not None:
            self.counters[1] = excess(t.rows, t.first, self.usage, self.limits, local, self.chips)
        return self.excess

    def run_until_it_fits(self, tries: int, segments: int, patience: int) -> npt.NDArray[np.int32] | None:
        """Anneal until no limit is exceeded; None if it is given up.

        Parameters
        ----------
        tries : int
            Number of moves and swaps that are tried in a segment.
        segments : int
            Number of segments.
        patience : int
            Number of segments without less excess after which it is given up.
        """
        # Where no move costs anything, the limits alone lead.
        self.unit = self.unit or 1.0
        least, since = self.excess, 0
        for share in np.linspace(0, 1, segments, endpoint=False).tolist():
            if not least or since == patience:
                break
            temperature = _HOT * self.unit * _LAST**share
            self._try(temperature, _LAST ** (1 / segments / tries), tries, _ANYWHERE, -1)
            since = 0 if self.excess < least else since + 1
            least = min(least, self.excess)
        return None if self.excess else self.tables.core_of(self.problem.n)

    def run(
        self,
        tries: int,
        cold: float,
        *,
        seconds: float | None = None,
        hot: float | None = None,
        give_up: bool = False,
        on_progress: Callable[[float], None] = lambda share: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> npt.NDArray[np.int32]:
        """Anneal and return the core of each neuron.

        Parameters
        ----------
        tries : int
            Number of moves and swaps that are tried; with `seconds` as many as time allows.
        cold : float
            Last temperature.
        seconds : float, optional
            Time that may be taken.
        hot : float, optional
            First temperature, in units of the mean loss of the losing tries at the start; one that suits a start which
            is to be searched anew if omitted.
        give_up : bool, default False
            End early where limits are exceeded and the excess falls no further.
        on_progress : callable, optional
            Takes the share that is done, 0 … 1.
        should_stop : callable, optional
            Once it says True, a short descent ends the search.
        """
        congested = self.problem.objective == "max-link"
        first = hot if hot is not None else _HOT_MAX_LINK if congested else _HOT
        hot = max(first * self.unit, cold)
        segments = _SEGMENTS_MAX_LINK if congested else _SEGMENTS
        if not hot or self.problem.grid.cores == 1:
            return self.start.astype(np.int32)
        best, best_load = self.start, np.inf
        begin = time.monotonic()
        share = 0.0
        least, since = self.excess, 0
        batch = max(tries // segments, 1)
        if seconds is not None:
            batch = 20_000
        while share < 1 and not should_stop():
            if congested:
                core_of = self.tables.core_of(self.problem.n)
                load, self.cost = reprice(self.problem, core_of, self.cost)
                if load < best_load:
                    best, best_load = core_of, load
            before = share
            temperature = 0.0 if share >= 1 - _QUENCH else hot * (cold / hot) ** (share / (1 - _QUENCH))
            if seconds is None:
                share = 1.0 if share > 1 - 1.5 / segments else share + 1 / segments
            else:
                share = min((time.monotonic() - begin) / seconds + 1 / segments, 1.0)
            cooling = (cold / hot) ** ((share - before) / (1 - _QUENCH) / batch)
            self._exchange_cores(temperature)
            self._search(temperature, cooling, batch, should_stop)
            on_progress(share)
            since = 0 if self.excess < least else since + 1
            least = min(least, self.excess)
            if give_up and least and since > _STUBBORN * segments:
                break
        if 0 < share < 1 and should_stop():
            until = time.monotonic() + _DESCENT
            self._search(0.0, 1.0, batch, lambda: time.monotonic() > until)
        core_of = self.tables.core_of(self.problem.n)
        if congested and best_load < busiest_link(self.problem, core_of):
            return best
        return core_of

    def _exchange_cores(self, temperature: float) -> None:
        k = self.problem.grid.cores
        if (
            self.routers is not None
            or k > MOST_EXCHANGED
            or self.problem.limits.chip_of is not None
            or self.within is not None
        ):
            return
        t, first = self.tables, self.tables.first[: self.problem.n]
        packets = np.empty((k, k))
        count_packets(t.rows, t.rates, first, packets)
        at = np.arange(k)
        if not anneal_cores(packets, self.cost, at, temperature, 4 * k * k, self.random):
            return
        relabel(t.rows, t.first, at)
        for table in (self.sizes, self.members) if self.usage is None else (self.sizes, self.members, self.usage):
            table[at] = table.copy()

    def _search(self, temperature: float, cooling: float, tries: int, should_stop: Callable[[], bool]) -> None:
        k = self.problem.grid.cores
        anywhere = min(_ANYWHERE, _ANYWHERE_CORES / k)
        if self.problem.n <= _REGIONS:
            for left in range(tries, 0, -_CHUNK):
                temperature = self._try(temperature, cooling, min(left, _CHUNK), anywhere, -1)
                if should_stop():
                    break
            return
        # Core by core, so that what is needed stays in the processor's caches.
        sizes = self.sizes.copy()
        if k > _MANY_CORES:
            self._try_regions(temperature, cooling, tries, anywhere, should_stop)
            return
        for core in np.random.default_rng(self.random).permutation(k):
            share = int(tries * sizes[core] / self.problem.n)
            self._try(temperature, cooling ** (tries / max(share, 1)), share, anywhere, core)
            if should_stop():
                break

    def _try_regions(
        self, temperature: float, cooling: float, tries: int, anywhere: float, should_stop: Callable[[], bool]
    ) -> None:
        t, limits = self.tables, self.problem.limits
        order = np.random.default_rng(self.random).permutation(self.problem.grid.cores)
        shares = (tries * self.sizes / self.problem.n).astype(np.int64)
        for some in np.array_split(order, max(tries // _CHUNK, 1)):
            search_regions(
                t.rows, t.rates, t.first[: self.problem.n], t.out_ptr, t.targets, t.in_ptr, t.sources,
                self.cost, self.routers, self.sizes, self.problem.capacity,
                self.members, self.slot, self.border, self.border_place, self.counters,
                self.problem.synapses, self.usage, self.limits, limits.local_axons, self.chips,
                self.random, temperature, cooling, tries, 4 * _HOT * self.unit, anywhere, some, shares, self.within,
            )  # fmt: skip
            if should_stop():
                break

    def _try(self, temperature: float, cooling: float, tries: int, anywhere: float, region: int) -> float:
        """Try as often as that; return the temperature after it."""
        t, limits = self.tables, self.problem.limits
        after: float = search(
            t.rows, t.rates, t.first[: self.problem.n], t.out_ptr, t.targets, t.in_ptr, t.sources,
            self.cost, self.routers, self.sizes, self.problem.capacity,
            self.members, self.slot, self.border, self.border_place, self.counters,
            self.problem.synapses, self.usage, self.limits, limits.local_axons, self.chips,
            self.random, temperature, cooling, tries, 4 * _HOT * self.unit, anywhere, region, self.within,
        )  # fmt: skip
        return after


def _list_members(problem: Problem, tables: Tables) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Rows of the neurons on every core, (cores, capacity), and the place of each neuron there, (n,)."""
    core_of = tables.core_of(problem.n)
    sizes = np.bincount(core_of, minlength=problem.grid.cores)
    order = np.argsort(core_of, kind="stable")
    slot = np.empty(problem.n, np.int32)
    slot[order] = np.arange(problem.n) - (np.cumsum(sizes) - sizes)[core_of[order]]
    members = np.full((problem.grid.cores, min(problem.capacity, problem.n)), -1, np.int32)
    members[core_of, slot] = tables.first[: problem.n]
    return members, slot
