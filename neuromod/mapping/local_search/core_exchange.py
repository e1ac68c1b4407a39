"""Exchanging whole cores: the arrangement of the parts of a placement on the grid, a quadratic assignment problem.

A search of single neurons cannot exchange what two cores hold, since every step on the way loses. Here the parts stay
together and only the packets between them count, so that one exchange is evaluated in the number of cores.

References
----------
T. C. Koopmans, M. Beckmann, "Assignment problems and the location of economic activities", Econometrica 25:53 (1957),
10.2307/1907742; the change of an exchange as in E. D. Taillard, Parallel Computing 17:443 (1991),
10.1016/S0167-8191(05)80147-4.
"""

from __future__ import annotations

import numpy as np

from neuromod.kernels import compiled
from neuromod.mapping.local_search.tables import CORE, HEAD, RATE, USED


@compiled
def count_packets(rows, rates, first, packets):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add up the packets from core to core, (cores, cores), out of the rows of the neurons."""
    packets[:] = 0.0
    for i in range(len(first)):
        v = first[i]
        home = rows[v + CORE]
        for p in range(v + HEAD, v + HEAD + 2 * rows[v + USED], 2):
            if rows[p] != home:
                packets[home, rows[p]] += rates[(v + RATE) // 2]


@compiled
def exchange_change(packets, cost, at, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change of the cost if the parts x and y exchange their cores; `at` is the core of each part."""
    a = at[x]
    b = at[y]
    change = (packets[x, y] - packets[y, x]) * (cost[b, a] - cost[a, b])
    for z in range(len(at)):
        if z != x and z != y:
            c = at[z]
            change += (packets[x, z] - packets[y, z]) * (cost[b, c] - cost[a, c])
            change += (packets[z, x] - packets[z, y]) * (cost[c, b] - cost[c, a])
    return change


@compiled
def relabel(rows, first, to):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Give every core in the rows its new number `to[core]`."""
    for i in range(len(first)):
        v = first[i]
        if rows[v + CORE] >= 0:
            rows[v + CORE] = to[rows[v + CORE]]
        for p in range(v + HEAD, v + HEAD + 2 * rows[v + USED], 2):
            rows[p] = to[rows[p]]


@compiled
def anneal_cores(packets, cost, at, temperature, tries, random):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Exchange parts at a fixed temperature; changes `at`. Return whether anything was exchanged."""
    k = len(at)
    moved = False
    for _ in range(tries):
        random[0] = random[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        bits = random[0] >> np.uint64(16)
        x = np.int64((bits >> np.uint64(24)) % np.uint64(k))
        y = np.int64((bits & np.uint64(0xFFFFFF)) % np.uint64(k))
        if x == y:
            continue
        change = exchange_change(packets, cost, at, x, y)
        if change > 0:
            random[0] = random[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            chance = (np.float64(random[0] >> np.uint64(33)) + 1.0) / 2147483649.0
            if temperature == 0.0 or change > -temperature * np.log(chance):
                continue
        at[x], at[y] = at[y], at[x]
        moved = moved or change != 0.0
    return moved
