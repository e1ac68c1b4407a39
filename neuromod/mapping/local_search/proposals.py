"""The inner loop of the annealing: draw a move or a swap, compute its change, take it or leave it."""

from __future__ import annotations

import numpy as np

from neuromod.kernels import compiled
from neuromod.mapping.local_search.moves import move, move_and_count, update_border
from neuromod.mapping.local_search.tables import AWAY, CORE, ID, move_change, swap_change

# Least share of tries that go to the core of any neuron while limits are exceeded; and share of swaps where there would
# be room for a move.
_ANYWHERE_BEYOND, _SWAPS = 0.4, 0.2


@compiled
def draw(random):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Next 64 random bits: splitmix64 of S. Vigna, in the public domain."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def below(bits, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Random number from 0 to n - 1 out of the upper 32 bits."""
    return np.int64(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@compiled
def share(bits):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Random number above 0 and up to 1 out of the lower 32 bits."""
    return (np.float64(bits & np.uint64(0xFFFFFFFF)) + 1.0) / 4294967296.0


@compiled
def neighbour(rows, out_ptr, targets, in_ptr, sources, v, bits):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Row of one of the targets and sources of row v; -1 for an input channel or if there is none."""
    i = rows[v + ID]
    n_out = out_ptr[i + 1] - out_ptr[i]
    n_in = in_ptr[i + 1] - in_ptr[i]
    if n_out + n_in == 0:
        return np.int64(-1)
    pick = below(bits, n_out + n_in)
    u = np.int64(targets[out_ptr[i] + pick]) if pick < n_out else np.int64(sources[in_ptr[i] + pick - n_out])
    return u if rows[u + CORE] >= 0 else np.int64(-1)


@compiled
def find_border(rows, first, border, place):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_border = 0
    for i in range(len(first)):
        if rows[first[i] + AWAY] > 0:
            border[n_border] = first[i]
            place[i] = n_border
            n_border += 1
    return n_border


@compiled
def probe(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, out_ptr, targets, in_ptr, sources, cost, routers, border, n_border, random
):
    total = 0.0
    count = 0
    for _ in range(4000 if n_border else 0):
        v = np.int64(border[below(draw(random), n_border)])
        w = neighbour(rows, out_ptr, targets, in_ptr, sources, v, draw(random))
        if w < 0 or rows[w + CORE] == rows[v + CORE]:
            continue
        change = move_change(rows, rates, in_ptr, sources, cost, routers, v, np.int64(rows[w + CORE]))
        if change > 0:
            total += change
            count += 1
    return total / max(count, 1)


@compiled
def search(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, first, out_ptr, targets, in_ptr, sources, cost, routers, sizes, capacity,
    members, slot, border, place, counters, synapses, usage, limits, local, chip_of,
    random, temperature, cooling, tries, penalty, anywhere, region, within,
):  # fmt: skip
    """Try moves and swaps: of the neurons at a border between cores or, if `region` is a core, of its neurons alone.

    Return the temperature after the last.

    `anywhere` is the share of tries that go to the core of any neuron. If `within` is given, it is the chip of each
    core, and neurons stay on theirs.
    """
    n = len(first)
    n_border = counters[0]
    beyond = counters[1]
    for _ in range(tries):
        temperature *= cooling
        bits = draw(random)
        far = n_border == 0 or share(bits) < (anywhere if beyond == 0 else max(anywhere, _ANYWHERE_BEYOND))
        if far:
            v = np.int64(first[below(bits, n)])
            w = np.int64(first[below(draw(random), n)])
        else:
            if region < 0:
                v = np.int64(border[below(bits, n_border)])
            elif sizes[region] > 0:
                v = np.int64(members[region, below(bits, sizes[region])])
            else:
                continue
            if rows[v + AWAY] == 0:
                continue
            w = np.int64(-1)
            # A neighbour on another core, if three draws find one.
            for _ in range(3):
                w = neighbour(rows, out_ptr, targets, in_ptr, sources, v, draw(random))
                if w >= 0 and rows[w + CORE] != rows[v + CORE]:
                    break
            if w < 0:
                continue
        a = np.int64(rows[v + CORE])
        b = np.int64(rows[w + CORE])
        if a == b:
            continue
        if within is not None and within[a] != within[b]:
            continue
        bits = draw(random)
        swap = sizes[b] >= capacity or share(bits >> np.uint64(32)) < _SWAPS
        if swap and not far:
            w = np.int64(members[b, below(draw(random), sizes[b])])
        if swap:
            change = swap_change(rows, rates, in_ptr, sources, cost, routers, v, w)
        else:
            change = move_change(rows, rates, in_ptr, sources, cost, routers, v, b)
        threshold = -temperature * np.log(share(bits)) if temperature > 0 else 0.0
        if beyond == 0 and change > threshold:
            continue
        if usage is not None:
            more = move_and_count(rows, in_ptr, sources, synapses, usage, limits, local, chip_of, v, b)
            if swap:
                more += move_and_count(rows, in_ptr, sources, synapses, usage, limits, local, chip_of, w, a)
            if (beyond == 0 and more > 0) or (beyond > 0 and change + penalty * more > threshold):
                if swap:
                    move_and_count(rows, in_ptr, sources, synapses, usage, limits, local, chip_of, w, b)
                move_and_count(rows, in_ptr, sources, synapses, usage, limits, local, chip_of, v, a)
                continue
            beyond += more
        else:
            move(rows, in_ptr, sources, v, b)
            if swap:
                move(rows, in_ptr, sources, w, a)
        if swap:
            # The border is kept move by move: while that of v is, w still is where it was.
            rows[w + CORE] = b
            n_border = update_border(rows, out_ptr, targets, in_ptr, sources, border, place, n_border, v, a)
            rows[w + CORE] = a
            n_border = update_border(rows, out_ptr, targets, in_ptr, sources, border, place, n_border, w, b)
            i = rows[v + ID]
            j = rows[w + ID]
            members[a, slot[i]] = w
            members[b, slot[j]] = v
            slot[i], slot[j] = slot[j], slot[i]
        else:
            n_border = update_border(rows, out_ptr, targets, in_ptr, sources, border, place, n_border, v, a)
            sizes[a] -= 1
            i = rows[v + ID]
            last = members[a, sizes[a]]
            members[a, slot[i]] = last
            slot[rows[last + ID]] = slot[i]
            members[b, sizes[b]] = v
            slot[i] = sizes[b]
            sizes[b] += 1
    counters[0] = n_border
    counters[1] = beyond
    return temperature
