"""Carrying out a move in the tables, and counting what it takes of the cores' limits."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from neuromod.kernels import compiled, compiled_for
from neuromod.mapping.local_search.tables import AWAY, CORE, HEAD, ID, OWN, USED, Tables
from neuromod.mapping.problem import Problem

# Columns of the table of usage.
SYNAPSES, IN_AXONS, OUT_AXONS = 0, 1, 2

# More than any count: the limit where there is none.
_FREE = 2**62


def make_limits(problem: Problem) -> npt.NDArray[np.int64]:
    """Limits as the kernels take them: synapses, in-axons, out-axons of a core, destinations of a neuron."""
    limits = problem.limits
    values = (limits.synapses, limits.in_axons, limits.out_axons, limits.destinations)
    return np.array([int(value) if math.isfinite(value) else _FREE for value in values], np.int64)


def chips(problem: Problem) -> npt.NDArray[np.int32]:
    """Chip of each core where destinations are chips, else the core itself."""
    if problem.limits.chip_of is None:
        return np.arange(problem.grid.cores, dtype=np.int32)
    return problem.limits.chip_of.astype(np.int32)


def count_usage(problem: Problem, tables: Tables) -> npt.NDArray[np.int64]:
    """Synapses, in-axons and out-axons that every core takes, (cores, 3), counted in full."""
    usage = np.zeros((problem.grid.cores, 3), np.int64)
    core_of = tables.core_of(problem.n)
    usage[:, SYNAPSES] = np.bincount(core_of, weights=problem.synapses, minlength=problem.grid.cores)
    _count_axons(tables.rows, tables.first, usage, problem.limits.local_axons)
    return usage


@compiled
def _count_axons(rows, first, usage, local):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(first)):
        v = first[i]
        home = rows[v + CORE]
        own = rows[v + OWN] > 0
        for p in range(v + HEAD, v + HEAD + 2 * rows[v + USED], 2):
            core = rows[p]
            own = own and core != home
            if local or core != home:
                usage[core, IN_AXONS] += 1
                if home >= 0:
                    usage[home, OUT_AXONS] += 1
        if own:
            usage[home, IN_AXONS] += 1
            usage[home, OUT_AXONS] += 1


@compiled
def reach(rows, u, local, chip_of):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Number of destinations of row u."""
    home = np.int64(rows[u + CORE])
    if home < 0:
        return 0
    end = u + HEAD + 2 * rows[u + USED]
    own = rows[u + OWN] > 0
    count = 0
    for p in range(u + HEAD, end, 2):
        chip = chip_of[rows[p]]
        own = own and chip != chip_of[home]
        new = local or chip != chip_of[home]
        for q in range(u + HEAD, p, 2):
            if chip_of[rows[q]] == chip:
                new = False
        count += new
    return count + own


@compiled
def excess(rows, first, usage, limits, local, chip_of):  # type: ignore[no-untyped-def]  # pragma: no cover
    """By how much all limits are exceeded, added up; zero if everything fits."""
    total = 0
    for core in range(len(usage)):
        for column in range(3):
            total += max(0, usage[core, column] - limits[column])
    if limits[3] < _FREE:
        for i in range(len(first)):
            total += max(0, reach(rows, np.int64(first[i]), local, chip_of) - limits[3])
    return total


@compiled_for("int64(int64[:, ::1], int64[::1], int64, int64, int64)")
def _take(usage, limits, core, column, amount):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change one count; return by how much the excess changes."""
    before = max(0, usage[core, column] - limits[column])
    usage[core, column] += amount
    return max(0, usage[core, column] - limits[column]) - before


@compiled
def move(rows, in_ptr, sources, v, b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Put the neuron of row v on core b, in the tables of the cost alone."""
    a = np.int64(rows[v + CORE])
    rows[v + CORE] = b
    i = rows[v + ID]
    for q in range(in_ptr[i], in_ptr[i + 1]):
        shift(rows, np.int64(sources[q]), a, b)


@compiled
def shift(rows, u, a, b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write down that a target of row u went from core a to core b; say whether a left and b entered its list."""
    end = u + HEAD + 2 * rows[u + USED]
    at_a = -1
    at_b = -1
    for p in range(u + HEAD, end, 2):
        if rows[p] == a:
            at_a = p
        elif rows[p] == b:
            at_b = p
    leaves = rows[at_a + 1] == 1
    enters = at_b < 0
    if leaves and enters:
        rows[at_a] = b
    elif leaves:
        rows[at_b + 1] += 1
        rows[at_a] = rows[end - 2]
        rows[at_a + 1] = rows[end - 1]
        rows[u + USED] -= 1
    else:
        rows[at_a + 1] -= 1
        if enters:
            rows[end] = b
            rows[end + 1] = 1
            rows[u + USED] += 1
        else:
            rows[at_b + 1] += 1
    return leaves, enters


@compiled
def move_and_count(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, in_ptr, sources, synapses, usage, limits, local, chip_of, v, b
):
    """Put the neuron of row v on core b, in all tables; return by how much the excess changes."""
    a = np.int64(rows[v + CORE])
    i = rows[v + ID]
    change = _take(usage, limits, a, SYNAPSES, -synapses[i]) + _take(usage, limits, b, SYNAPSES, synapses[i])
    few = limits[3] < _FREE
    if few:
        change -= max(0, reach(rows, v, local, chip_of) - limits[3])
    # Its own packets: to a they now leave the core, to b they no longer do.
    sent = rows[v + USED]
    got = sent
    to_a = False
    to_b = False
    for p in range(v + HEAD, v + HEAD + 2 * rows[v + USED], 2):
        to_a = to_a or rows[p] == a
        to_b = to_b or rows[p] == b
    if not local:
        if to_a:
            change += _take(usage, limits, a, IN_AXONS, 1)
            sent -= 1
        if to_b:
            change += _take(usage, limits, b, IN_AXONS, -1)
            got -= 1
    elif rows[v + OWN] > 0:
        # The axon to itself, unless it has another reason to be.
        if not to_a:
            change += _take(usage, limits, a, IN_AXONS, -1)
            sent += 1
        if not to_b:
            change += _take(usage, limits, b, IN_AXONS, 1)
            got += 1
    change += _take(usage, limits, a, OUT_AXONS, -sent) + _take(usage, limits, b, OUT_AXONS, got)
    rows[v + CORE] = b
    if few:
        change += max(0, reach(rows, v, local, chip_of) - limits[3])
    for q in range(in_ptr[i], in_ptr[i + 1]):
        u = np.int64(sources[q])
        home = rows[u + CORE]
        before = max(0, reach(rows, u, local, chip_of) - limits[3]) if few else 0
        leaves, enters = shift(rows, u, a, b)
        if rows[u + OWN] > 0:
            # Its axon to its own core stays in any case.
            leaves = leaves and home != a
            enters = enters and home != b
        if leaves and (local or home != a):
            change += _take(usage, limits, a, IN_AXONS, -1)
            if home >= 0:
                change += _take(usage, limits, home, OUT_AXONS, -1)
        if enters and (local or home != b):
            change += _take(usage, limits, b, IN_AXONS, 1)
            if home >= 0:
                change += _take(usage, limits, home, OUT_AXONS, 1)
        if few:
            change += max(0, reach(rows, u, local, chip_of) - limits[3]) - before
    return change


@compiled
def update_border(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, out_ptr, targets, in_ptr, sources, border, place, n_border, v, a
):
    """Keep the list of neurons with neighbours on other cores, after the neuron of row v came from core a."""
    b = np.int64(rows[v + CORE])
    i = rows[v + ID]
    away = 0
    for side in range(2):
        begin = out_ptr[i] if side == 0 else in_ptr[i]
        end = out_ptr[i + 1] if side == 0 else in_ptr[i + 1]
        for p in range(begin, end):
            u = np.int64(targets[p]) if side == 0 else np.int64(sources[p])
            core = rows[u + CORE]
            if core < 0:
                continue
            if core != b:
                away += 1
            if core == a:
                rows[u + AWAY] += 1
                if rows[u + AWAY] == 1:
                    border[n_border] = u
                    place[rows[u + ID]] = n_border
                    n_border += 1
            elif core == b:
                rows[u + AWAY] -= 1
                if rows[u + AWAY] == 0:
                    n_border = _drop(rows, border, place, n_border, u)
    before = rows[v + AWAY]
    rows[v + AWAY] = away
    if before == 0 and away > 0:
        border[n_border] = v
        place[i] = n_border
        n_border += 1
    elif before > 0 and away == 0:
        n_border = _drop(rows, border, place, n_border, v)
    return n_border


@compiled
def _drop(rows, border, place, n_border, u):  # type: ignore[no-untyped-def]  # pragma: no cover
    last = border[n_border - 1]
    at = place[rows[u + ID]]
    border[at] = last
    place[rows[last + ID]] = at
    return n_border - 1
