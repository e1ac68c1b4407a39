r"""Tables for local search on placements, and the exact change of the cost that a move or a swap makes.

For every source of spikes there is a row: its core, and the cores that hold targets of it with their number. A neuron
that goes from core a to core b changes its own row's core, and the rows of its sources, of which only those matter
whose number of targets in a falls to zero or in b rises to one. Rows lie in one array of 32-bit integers, so that a
row costs one or two cache lines:

    core, cores in the list, number of the source, neighbours on other cores, rate (two places), whether it takes an
    axon to itself, nothing, (core, targets) ...

The cost is told by the dimensions of `cost`, and Numba compiles the cases apart. Two: a matrix between cores. One: what
a packet costs to send, while `routers` holds the positions whose distance is what its hops cost (`Ways`). Three:
packets branch, and the cost is the price of the multicast tree that XY routing makes between `routers`; `cost` holds
what a packet costs to send, and its hops along a row and along a column or, in further rows, what the hops to each
column and row cost.

An input channel has a row too, with core -1: it sends nothing that is paid for, but takes axons. A self-connection is
in no list, since it moves along with its neuron; where spikes that stay on their core take axons, the row says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.hardware import Ways
from neuromod.kernels import compiled
from neuromod.mapping.cost import lines
from neuromod.mapping.problem import Problem

# Places in a row; the rate takes two, and so that it lies on a multiple of eight bytes, one place stays empty.
# (Cores up to which what whole cores hold is exchanged, for which the cost is a matrix.)
MOST_EXCHANGED = 256
CORE, USED, ID, AWAY, RATE, OWN, HEAD = 0, 1, 2, 3, 4, 6, 8


@dataclass(frozen=True, eq=False)
class Tables:
    """State of a local search; the arrays change as it goes on.

    Parameters
    ----------
    rows : (…,) int32
        The rows of all sources.
    rates : (…,) float64
        The same memory, where the rates are read.
    first : (sources,) int32
        Where each row begins: first the neurons, then the input channels.
    out_ptr, targets : (n + 1,) int64, (nnz,) int32
        Rows of the targets of each neuron.
    in_ptr, sources : (n + 1,) int64, (nnz,) int32
        Rows of the sources of each neuron, increasing.
    """

    rows: npt.NDArray[np.int32]
    rates: npt.NDArray[np.float64]
    first: npt.NDArray[np.int32]
    out_ptr: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int32]
    in_ptr: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int32]

    def core_of(self, n: int) -> npt.NDArray[np.int32]:
        """Core of each of the `n` neurons as the search stands."""
        return self.rows[self.first[:n] + CORE]


def cost_tables(problem: Problem) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any] | None]:
    """Return `cost` and `routers` as the kernels take them, see the module's text."""
    tree, ways = problem.tree, problem.cost
    if tree is None:
        if not isinstance(ways, Ways):
            return ways.copy(), None
        if problem.grid.cores <= MOST_EXCHANGED or problem.objective == "max-link":
            return problem.matrix(), None
        return np.array([ways.sent]), ways.at.copy()
    prices = np.zeros((1, 1, 3))
    prices[0, 0] = tree.sent, tree.along_row, tree.along_column
    if isinstance(ways, Ways):
        down, across = lines(ways, problem.grid)
        prices = np.zeros((1, 3, max(len(down), len(across), 3)))
        prices[0, 0, 0] = tree.sent
        prices[0, 1, : len(across)], prices[0, 2, : len(down)] = across, down
    return prices, problem.grid.routers()


def make_tables(problem: Problem, core_of: npt.NDArray[np.int32]) -> Tables:
    """Count the tables of a placement.

    Raises
    ------
    UsageError
        If there are so many synapses that 32 bits do not number the places (beyond about 500 million).
    """
    indptr, targets, rates = problem.indptr, problem.targets, problem.rates
    n_sources = len(indptr) - 1
    length = HEAD + 2 * np.minimum(np.diff(indptr), problem.grid.cores)
    ends = np.cumsum(length)
    if ends[-1] >= 2**31:
        raise UsageError(f"{len(targets):,} synapses are more than the search can hold; use the placer bisection")
    first = np.concatenate([[0], ends[:-1]]).astype(np.int32)
    rows = np.zeros(ends[-1], np.int32)
    shared = rows.view(np.float64)
    shared[(first + RATE) // 2] = rates
    rows[first + CORE] = np.concatenate([core_of, np.full(n_sources - problem.n, -1, np.int32)])
    rows[first + ID] = np.arange(n_sources)
    if problem.limits.local_axons and problem.loops is not None:
        rows[first[: problem.n] + OWN] = problem.loops
    fill(indptr, targets, core_of, first, rows)
    source = np.repeat(np.arange(n_sources), np.diff(indptr))
    order = np.argsort(targets, kind="stable")
    in_ptr = np.concatenate([[0], np.cumsum(np.bincount(targets, minlength=problem.n))])
    tables = Tables(
        rows=rows,
        rates=shared,
        first=first,
        out_ptr=indptr[: problem.n + 1],
        targets=first[targets[: indptr[problem.n]]],
        in_ptr=in_ptr.astype(np.int64),
        sources=first[source[order]],
    )
    _count_away(tables.rows, tables.first, tables.out_ptr, tables.targets, tables.in_ptr, tables.sources)
    return tables


@compiled
def fill(begins, pins, core_of, first, rows):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count, for each row, its pins on every core; row i has those from `begins[i]` to `begins[i + 1]`."""
    for i in range(len(first)):
        begin = first[i] + HEAD
        end = begin
        for p in range(begins[i], begins[i + 1]):
            core = core_of[pins[p]]
            at = begin
            while at < end and rows[at] != core:
                at += 2
            if at == end:
                rows[at] = core
                rows[at + 1] = 0
                end += 2
            rows[at + 1] += 1
        rows[first[i] + USED] = (end - begin) // 2


@compiled
def _count_away(rows, first, out_ptr, targets, in_ptr, sources):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(out_ptr) - 1):
        v = first[i]
        away = 0
        for p in range(out_ptr[i], out_ptr[i + 1]):
            away += rows[targets[p]] != rows[v]
        for q in range(in_ptr[i], in_ptr[i + 1]):
            away += rows[sources[q]] >= 0 and rows[sources[q]] != rows[v]
        rows[v + AWAY] = away


@compiled
def between(cost, routers, a, b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Cost of one packet from core a to core b."""
    if cost.ndim == 1:
        if a == b:
            return 0.0
        return cost[0] + abs(routers[a, 0] - routers[b, 0]) + abs(routers[a, 1] - routers[b, 1])
    return cost[a, b]


@compiled
def tree(rows, u, home, drop, add, cost, routers):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Price of the multicast tree of row u if its core were `home`, without the core `drop`, with the core `add`.

    The tree has a trunk along the row of the source and, in each column, one branch up and one down.
    """
    lined = cost.shape[1] == 3
    row = routers[home, 0]
    left = right = routers[home, 1]
    along_column = 0
    branches = 0.0
    remote = False
    end = u + HEAD + 2 * rows[u + USED]
    for p in range(u + HEAD, end + 2, 2):
        core = add if p == end else rows[p]
        if core < 0 or (core == drop and p < end):
            continue
        remote = remote or core != home
        column = routers[core, 1]
        left = min(left, column)
        right = max(right, column)
        down = max(routers[core, 0] - row, 0)
        up = max(row - routers[core, 0], 0)
        # A branch counts once, where it is longest; of equal ones the first counts.
        for q in range(u + HEAD, end + 2, 2):
            other = add if q == end else rows[q]
            if q == p or other < 0 or (other == drop and q < end) or routers[other, 1] != column:
                continue
            deeper = routers[other, 0] - row
            if deeper > down or (deeper == down and q < p):
                down = 0
            if -deeper > up or (-deeper == up and q < p):
                up = 0
        along_column += down + up
        if lined:
            branches += cost[0, 2, row + down] - cost[0, 2, row - up]
    if lined:
        return cost[0, 0, 0] * remote + cost[0, 1, right] - cost[0, 1, left] + branches
    return cost[0, 0, 0] * remote + cost[0, 0, 1] * (right - left) + cost[0, 0, 2] * along_column


@compiled
def of_source(rows, rates, cost, routers, u, a, b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change of the cost of row u if one of its targets goes from core a to core b."""
    leaves = False
    enters = True
    for p in range(u + HEAD, u + HEAD + 2 * rows[u + USED], 2):
        core = rows[p]
        if core == a:
            leaves = rows[p + 1] == 1
        elif core == b:
            enters = False
    home = np.int64(rows[u + CORE])
    if home < 0 or not (leaves or enters):
        return 0.0
    change = 0.0
    if cost.ndim == 3:
        drop = a if leaves else np.int64(-1)
        add = b if enters else np.int64(-1)
        before = tree(rows, u, home, np.int64(-1), np.int64(-1), cost, routers)
        change = tree(rows, u, home, drop, add, cost, routers) - before
    else:
        if leaves:
            change -= between(cost, routers, home, a)
        if enters:
            change += between(cost, routers, home, b)
    return change * rates[(u + RATE) // 2]


@compiled
def of_itself(rows, rates, cost, routers, v, b, linked):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change of the cost of row v if its neuron goes to core b and, if `linked`, one of its targets comes from b."""
    a = np.int64(rows[v + CORE])
    change = 0.0
    to_a = False
    drop = np.int64(-1)
    for p in range(v + HEAD, v + HEAD + 2 * rows[v + USED], 2):
        core = rows[p]
        to_a = to_a or core == a
        if linked and core == b and rows[p + 1] == 1:
            drop = b
        if cost.ndim != 3:
            change -= between(cost, routers, a, core)
            if core != drop:
                change += between(cost, routers, b, core)
    add = a if linked and not to_a else np.int64(-1)
    if cost.ndim == 3:
        before = tree(rows, v, a, np.int64(-1), np.int64(-1), cost, routers)
        change = tree(rows, v, b, drop, add, cost, routers) - before
    elif add >= 0:
        change += between(cost, routers, b, a)
    return change * rates[(v + RATE) // 2]


@compiled
def move_change(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, in_ptr, sources, cost, routers, v, b
):
    """Change of the cost if the neuron of row v goes to core b."""
    a = np.int64(rows[v + CORE])
    change = of_itself(rows, rates, cost, routers, v, b, np.bool_(False))
    i = rows[v + ID]
    for q in range(in_ptr[i], in_ptr[i + 1]):
        change += of_source(rows, rates, cost, routers, np.int64(sources[q]), a, b)
    return change


@compiled
def swap_change(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, in_ptr, sources, cost, routers, v, w
):
    """Change of the cost if the neurons of the rows v and w, on different cores, exchange their cores.

    Both lists of sources increase, so that walking along them together finds the sources of both, which do not
    change, and whether one neuron is a source of the other.
    """
    a = np.int64(rows[v + CORE])
    b = np.int64(rows[w + CORE])
    i = rows[v + ID]
    j = rows[w + ID]
    q = in_ptr[i]
    r = in_ptr[j]
    change = 0.0
    v_to_w = False
    w_to_v = False
    last = np.int64(2147483647)
    while q < in_ptr[i + 1] or r < in_ptr[j + 1]:
        x = np.int64(sources[q]) if q < in_ptr[i + 1] else last
        y = np.int64(sources[r]) if r < in_ptr[j + 1] else last
        if x == y:
            q += 1
            r += 1
        elif x < y:
            q += 1
            if x == w:
                w_to_v = True
            else:
                change += of_source(rows, rates, cost, routers, x, a, b)
        else:
            r += 1
            if y == v:
                v_to_w = True
            else:
                change += of_source(rows, rates, cost, routers, y, b, a)
    change += of_itself(rows, rates, cost, routers, v, b, v_to_w)
    return change + of_itself(rows, rates, cost, routers, w, a, w_to_v)
