"""What a move changes of the loads of the cores, and the tries of the search for the least busy ones."""

from __future__ import annotations

import numpy as np

from neuromod.kernels import compiled
from neuromod.mapping.local_search.moves import move, move_and_count
from neuromod.mapping.local_search.proposals import draw
from neuromod.mapping.local_search.tables import CORE, HEAD, ID, RATE, USED, move_change


@compiled
def _add(delta, touched, count, core, amount):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change the load of a core, and write down that it changed; `touched` begins with all that did."""
    known = False
    for i in range(count):
        known = known or touched[i] == core
    if not known:
        touched[count] = core
        delta[core] = 0.0
        count += 1
    delta[core] += amount
    return count


@compiled
def load_changes(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, in_ptr, sources, events, weights, branching, delta, touched, count, v, b
):
    """Add to `delta` how the loads change if the neuron of row v goes to core b; return the number of cores touched."""
    a = np.int64(rows[v + CORE])
    i = rows[v + ID]
    own = weights[0] * events[i] + weights[1]
    # Its own packets: those to a now leave the core, those to b no longer do.
    to_a = False
    to_b = False
    for p in range(v + HEAD, v + HEAD + 2 * rows[v + USED], 2):
        to_a = to_a or rows[p] == a
        to_b = to_b or rows[p] == b
    rate = rates[(v + RATE) // 2]
    before = rows[v + USED] - to_a
    after = rows[v + USED] - to_b
    if branching:
        before = min(before, 1)
        after = min(after, 1)
    count = _add(delta, touched, count, a, -own - weights[2] * rate * before + weights[3] * rate * to_a)
    count = _add(delta, touched, count, b, own + weights[2] * rate * after - weights[3] * rate * to_b)
    for q in range(in_ptr[i], in_ptr[i + 1]):
        u = np.int64(sources[q])
        home = np.int64(rows[u + CORE])
        rate = rates[(u + RATE) // 2]
        if home < 0 or rate == 0.0:
            continue
        leaves = False
        enters = True
        at_home = False
        for p in range(u + HEAD, u + HEAD + 2 * rows[u + USED], 2):
            core = rows[p]
            at_home = at_home or core == home
            if core == a:
                leaves = rows[p + 1] == 1
            elif core == b:
                enters = False
        if not (leaves or enters):
            continue
        more = 0
        if leaves and home != a:
            count = _add(delta, touched, count, a, -weights[3] * rate)
            more -= 1
        if enters and home != b:
            count = _add(delta, touched, count, b, weights[3] * rate)
            more += 1
        if branching:
            remote = rows[u + USED] - at_home
            more = min(remote + more, 1) - min(remote, 1)
        if more != 0:
            count = _add(delta, touched, count, home, weights[2] * rate * more)
    return count


@compiled
def _fraction(bits):  # type: ignore[no-untyped-def]  # pragma: no cover
    return np.float64(bits >> np.uint64(11)) / 9007199254740992.0


@compiled
def balance_cores(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, first, out_ptr, targets, in_ptr, sources, cost, routers,
    sizes, capacity, members, slot, synapses, usage, limits,
    local, chip_of, events, weights, branching, loads, random,
    temperature, power, hop_weight, room, mode, tries,
):  # fmt: skip
    """Try moves and swaps; return the norm's sum, and the mean loss of the losing tries.

    The mode is 0 to look at changes without making them, 1 to anneal the norm with the hops, 2 to descend in the exact
    maximum and then in the hops, of which no more than `room` may be added.
    """
    n = len(first)
    k = len(loads)
    delta = np.zeros(k)
    touched = np.zeros(k, np.int64)
    peak = np.int64(np.argmax(loads))
    scale = loads[peak]
    total = 0.0
    for core in range(k):
        total += (loads[core] / scale) ** power
    lost = 0.0
    losses = 0
    for _ in range(tries):
        # A neuron of the busiest core, or any.
        if _fraction(draw(random)) < (0.5 if mode == 2 else 0.2) and sizes[peak] > 0:
            v = np.int64(members[peak, np.int64(_fraction(draw(random)) * sizes[peak])])
        else:
            v = np.int64(first[np.int64(_fraction(draw(random)) * n)])
        a = np.int64(rows[v + CORE])
        i = rows[v + ID]
        b = np.int64(-1)
        n_out = out_ptr[i + 1] - out_ptr[i]
        near = n_out + in_ptr[i + 1] - in_ptr[i]
        if near > 0 and _fraction(draw(random)) < 0.75:
            pick = np.int64(_fraction(draw(random)) * near)
            u = np.int64(targets[out_ptr[i] + pick]) if pick < n_out else np.int64(sources[in_ptr[i] + pick - n_out])
            b = np.int64(rows[u + CORE])
        else:
            b = np.int64(_fraction(draw(random)) * k)
        if b < 0 or b == a:
            continue
        swap = sizes[b] > 0 and (sizes[b] >= capacity or _fraction(draw(random)) < 0.5)
        if not swap and sizes[b] >= capacity:
            continue
        w = np.int64(-1)
        count = load_changes(
            rows, rates, in_ptr, sources, events, weights, branching, delta, touched, np.int64(0), v, b
        )
        change = move_change(rows, rates, in_ptr, sources, cost, routers, v, b)
        if swap:
            # The second move is counted from where the first has led.
            w = np.int64(members[b, np.int64(_fraction(draw(random)) * sizes[b])])
            move(rows, in_ptr, sources, v, b)
            count = load_changes(rows, rates, in_ptr, sources, events, weights, branching, delta, touched, count, w, a)
            change += move_change(rows, rates, in_ptr, sources, cost, routers, w, a)
            move(rows, in_ptr, sources, v, a)
        highest = 0.0
        norm = 0.0
        at_peak = False
        for j in range(count):
            core = touched[j]
            new = max(loads[core] + delta[core], 0.0)
            highest = max(highest, new)
            at_peak = at_peak or core == peak
            norm += (new / scale) ** power - (loads[core] / scale) ** power
        if mode == 2:
            top = loads[peak]
            if highest > top * (1 + 1e-12):
                continue
            lower = at_peak and highest < top * (1 - 1e-9)
            if lower:
                # The largest of the other cores must be below it, too.
                for core in range(k):
                    known = False
                    for j in range(count):
                        known = known or touched[j] == core
                    lower = lower and (known or loads[core] < top * (1 - 1e-9))
            if not (lower and change <= room) and change > -1e-12:
                continue
        else:
            loss = np.log(max(total + norm, 1e-300) / total) / power + hop_weight * change
            if loss > 0:
                lost += loss
                losses += 1
            if mode == 0 or (loss > 0 and loss > -temperature * np.log(1.0 - _fraction(draw(random)))):
                continue
        if usage is not None:
            more = move_and_count(rows, in_ptr, sources, synapses, usage, limits, local, chip_of, v, b)
            if swap:
                more += move_and_count(rows, in_ptr, sources, synapses, usage, limits, local, chip_of, w, a)
            if more > 0:
                if swap:
                    move_and_count(rows, in_ptr, sources, synapses, usage, limits, local, chip_of, w, b)
                move_and_count(rows, in_ptr, sources, synapses, usage, limits, local, chip_of, v, a)
                continue
        else:
            move(rows, in_ptr, sources, v, b)
            if swap:
                move(rows, in_ptr, sources, w, a)
        total += norm
        room -= change
        for j in range(count):
            core = touched[j]
            loads[core] = max(loads[core] + delta[core], 0.0)
            if loads[core] > loads[peak]:
                peak = core
        if at_peak:
            peak = np.int64(np.argmax(loads))
        if swap:
            j = rows[w + ID]
            members[a, slot[i]] = w
            members[b, slot[j]] = v
            slot[i], slot[j] = slot[j], slot[i]
        else:
            sizes[a] -= 1
            last = members[a, sizes[a]]
            members[a, slot[i]] = last
            slot[rows[last + ID]] = slot[i]
            members[b, sizes[b]] = v
            slot[i] = sizes[b]
            sizes[b] += 1
    return total, lost / max(losses, 1)
