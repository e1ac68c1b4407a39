"""Annealing of groups of neurons that move as one: the exact change of the cost, at the price of the links that leave.

A group keeps its neurons together, so that of a source only the groups matter that hold targets of it, beside its own:
what it sends within its group costs nothing wherever the group lies. Rows are those of `tables`, with one target for
each group, so that what reads rows reads these. Groups are of different sizes; while they move a core may hold
a little more than its capacity, at a price for each neuron too many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.kernels import compiled
from neuromod.mapping.local_search.moves import move, shift
from neuromod.mapping.local_search.proposals import below, draw, neighbour, share
from neuromod.mapping.local_search.tables import CORE, HEAD, RATE, USED, fill, move_change
from neuromod.mapping.problem import Problem

# Share of swaps where there would be room for a move.
_SWAPS = 0.2


@dataclass(frozen=True, eq=False)
class Groups:
    """State of a search that moves groups; `rows`, `core_of`, `sizes`, `members` and `slot` change as it goes on.

    Parameters
    ----------
    rows, rates, first : (…,) int32, (…,) float64, (rows,) int32
        As in `tables.Tables`, of the neurons that send to other groups; a count is that of groups, not of neurons.
    ptr, touched : (groups + 1,) int64, (…,) int32
        Rows that each group has to do with, increasing: those of its own neurons and those with targets in it.
    own : (…,) bool
        Which of `touched` are of its own neurons.
    weights : (groups,) int64
        Neurons of each group.
    core_of : (groups,) int32
        Core of each group.
    sizes : (cores,) int64
        Neurons on each core.
    members, slot : (cores, places) int32, (groups,) int32
        Groups on each core, and the place of each group there.
    counts : (cores,) int64
        Groups on each core.
    """

    rows: npt.NDArray[np.int32]
    rates: npt.NDArray[np.float64]
    first: npt.NDArray[np.int32]
    ptr: npt.NDArray[np.int64]
    touched: npt.NDArray[np.int32]
    own: npt.NDArray[np.bool_]
    weights: npt.NDArray[np.int64]
    core_of: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]
    members: npt.NDArray[np.int32]
    slot: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]


def make_groups(problem: Problem, group: npt.NDArray[np.int64], core_of: npt.NDArray[np.int32], room: int) -> Groups:
    """Count the tables of groups.

    Parameters
    ----------
    problem : Problem
        The neurons and the grid.
    group : (n,) int64
        Group of each neuron.
    core_of : (groups,) int32
        Core of each group.
    room : int
        Neurons that a core may hold while the search goes on.
    """
    k = problem.grid.cores
    weights = np.bincount(group)
    n_groups = len(weights)
    source, target = problem.between_neurons()
    pin = group[target]
    kept = (pin != group[source]) & (problem.rates[source] > 0)
    source, pin = np.divmod(np.unique(source[kept] * n_groups + pin[kept]), n_groups)
    sender, begins, pins = np.unique(source, return_index=True, return_counts=True)
    length = HEAD + 2 * np.minimum(pins, k)
    ends = np.cumsum(length)
    first = (ends - length).astype(np.int32)
    rows = np.zeros(ends[-1] if len(ends) else 0, np.int32)
    rates = rows.view(np.float64)
    rates[(first + RATE) // 2] = problem.rates[sender]
    rows[first + CORE] = core_of[group[sender]]
    fill(np.append(begins, len(pin)), pin, core_of, first, rows)
    row = np.concatenate([np.repeat(first, pins), first])
    touching = np.concatenate([pin, group[sender]])
    own = np.concatenate([np.zeros(len(pin), np.bool_), np.ones(len(first), np.bool_)])
    order = np.lexsort((row, touching))
    ptr = np.concatenate([[0], np.cumsum(np.bincount(touching, minlength=n_groups))]).astype(np.int64)
    counts = np.bincount(core_of, minlength=k).astype(np.int64)
    slot = np.empty(n_groups, np.int32)
    by_core = np.argsort(core_of, kind="stable")
    slot[by_core] = np.arange(n_groups) - (np.cumsum(counts) - counts)[core_of[by_core]]
    members = np.full((k, min(n_groups, max(room, int(counts.max())))), -1, np.int32)
    members[core_of, slot] = np.arange(n_groups)
    return Groups(
        rows=rows, rates=rates, first=first, ptr=ptr, touched=row[order], own=own[order],
        weights=weights.astype(np.int64), core_of=core_of.astype(np.int32),
        sizes=np.bincount(core_of, weights=weights, minlength=k).astype(np.int64),
        members=members, slot=slot, counts=counts,
    )  # fmt: skip


@compiled
def _row_change(rows, rates, cost, u, home, a, b, more):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change of the cost of row u if its neuron goes to core `home` and a gets `more` groups of it from b."""
    before = np.int64(rows[u + CORE])
    gains = a if more > 0 else b
    found = more == 0
    change = 0.0
    for p in range(u + HEAD, u + HEAD + 2 * rows[u + USED], 2):
        core = np.int64(rows[p])
        left = rows[p + 1]
        if core == a:
            left += more
        elif core == b:
            left -= more
        found = found or core == gains
        change -= cost[before, core]
        if left > 0:
            change += cost[home, core]
    if not found:
        change += cost[home, gains]
    return change * rates[(u + RATE) // 2]


@compiled
def change_of(rows, rates, ptr, touched, own, core_of, cost, x, y, b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change of the cost if group x goes to core b and group y, on b, to the core of x; no group y if it is -1."""
    a = np.int64(core_of[x])
    q = ptr[x]
    end_q = ptr[x + 1]
    r = ptr[y] if y >= 0 else np.int64(0)
    end_r = ptr[y + 1] if y >= 0 else np.int64(0)
    last = np.int64(2147483647)
    change = 0.0
    while q < end_q or r < end_r:
        i = np.int64(touched[q]) if q < end_q else last
        j = np.int64(touched[r]) if r < end_r else last
        u = min(i, j)
        home = np.int64(rows[u + CORE])
        more = 0
        if i == u:
            if own[q]:
                home = b
            else:
                more -= 1
            q += 1
        if j == u:
            if own[r]:
                home = a
            else:
                more += 1
            r += 1
        if more != 0 or home != rows[u + CORE]:
            change += _row_change(rows, rates, cost, u, home, a, b, more)
    return change


@compiled
def carry(rows, ptr, touched, own, core_of, x, b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Put group x on core b, in the tables of the cost."""
    a = np.int64(core_of[x])
    core_of[x] = b
    for q in range(ptr[x], ptr[x + 1]):
        u = np.int64(touched[q])
        if own[q]:
            rows[u + CORE] = b
        else:
            shift(rows, u, a, b)


@compiled
def _towards(rows, ptr, touched, own, x, random):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Core of something that group x has to do with; -1 if there is nothing."""
    if ptr[x + 1] == ptr[x]:
        return np.int64(-1)
    q = ptr[x] + below(draw(random), ptr[x + 1] - ptr[x])
    u = np.int64(touched[q])
    bits = draw(random)
    if not own[q] and (bits & np.uint64(1)):
        return np.int64(rows[u + CORE])
    return np.int64(rows[u + HEAD + 2 * below(bits, np.int64(rows[u + USED]))])


@compiled
def probe_groups(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, ptr, touched, own, core_of, cost, tries, random
):
    """Mean loss of the losing moves, zero if there are none."""
    total = 0.0
    count = 0
    for _ in range(tries):
        x = below(draw(random), len(core_of))
        b = _towards(rows, ptr, touched, own, x, random)
        if b < 0 or b == core_of[x]:
            continue
        change = change_of(rows, rates, ptr, touched, own, core_of, cost, x, np.int64(-1), b)
        if change > 0:
            total += change
            count += 1
    return total / max(count, 1)


@compiled
def search_groups(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, ptr, touched, own, weights, core_of, sizes, members, slot, counts, cost, capacity, room, price,
    anywhere, random, temperature, cooling, tries,
):  # fmt: skip
    """Try moves and swaps of groups.

    A neuron beyond the `capacity` of a core costs `price`, and no core gets more than `room`.
    """
    n_groups = len(core_of)
    for _ in range(tries):
        temperature *= cooling
        x = below(draw(random), n_groups)
        a = np.int64(core_of[x])
        if share(draw(random)) < anywhere:
            b = below(draw(random), len(sizes))
        else:
            b = _towards(rows, ptr, touched, own, x, random)
        if b < 0 or a == b:
            continue
        bits = draw(random)
        y = np.int64(-1)
        if counts[b] > 0 and (sizes[b] + weights[x] > capacity or share(bits >> np.uint64(32)) < _SWAPS):
            y = np.int64(members[b, below(draw(random), counts[b])])
        given = weights[x] - (weights[y] if y >= 0 else 0)
        if sizes[b] + given > room or sizes[a] - given > room:
            continue
        change = change_of(rows, rates, ptr, touched, own, core_of, cost, x, y, b)
        over = max(0, sizes[b] + given - capacity) - max(0, sizes[b] - capacity)
        over += max(0, sizes[a] - given - capacity) - max(0, sizes[a] - capacity)
        threshold = -temperature * np.log(share(bits)) if temperature > 0 else 0.0
        if change + price * over > threshold:
            continue
        carry(rows, ptr, touched, own, core_of, x, b)
        sizes[a] -= given
        sizes[b] += given
        if y >= 0:
            carry(rows, ptr, touched, own, core_of, y, a)
            members[a, slot[x]] = y
            members[b, slot[y]] = x
            slot[x], slot[y] = slot[y], slot[x]
        else:
            counts[a] -= 1
            moved = members[a, counts[a]]
            members[a, slot[x]] = moved
            slot[moved] = slot[x]
            members[b, counts[b]] = x
            slot[x] = counts[b]
            counts[b] += 1


@compiled
def push_out(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, out_ptr, targets, in_ptr, sources, cost, sizes, capacity, members, tries, random
):
    """Move single neurons off the cores that hold too many, each time the one of `tries` that loses least."""
    k = len(sizes)
    for core in range(k):
        a = np.int64(core)
        while sizes[a] > capacity:
            least = np.inf
            at = np.int64(0)
            to = np.int64(-1)
            for _ in range(tries):
                p = below(draw(random), sizes[a])
                v = np.int64(members[a, p])
                w = neighbour(rows, out_ptr, targets, in_ptr, sources, v, draw(random))
                b = np.int64(rows[w + CORE]) if w >= 0 else a
                if sizes[b] >= capacity:
                    # The first core with room, from anywhere on.
                    b = np.int64(below(draw(random), k))
                    while sizes[b] >= capacity:
                        b = np.int64((b + 1) % k)
                change = move_change(rows, rates, in_ptr, sources, cost, None, v, b)
                if change < least:
                    least, at, to = change, p, b
            v = np.int64(members[a, at])
            move(rows, in_ptr, sources, v, to)
            sizes[a] -= 1
            members[a, at] = members[a, sizes[a]]
            members[to, sizes[to]] = v
            sizes[to] += 1
