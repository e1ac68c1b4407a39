"""Neurons move and swap between cores when that makes the traffic cost of training smaller, the function unchanged.

The cost is that of `neuromod.training.penalties.packets`, taken exactly: a move changes the norms of the groups that it
takes a synapse from or gives one to, and the ways of the packets of the neuron itself. Moves to all cores are
evaluated; of the swaps those whose two moves promise most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Links
from neuromod.kernels import compiled

# Partners that are tried for each neuron in a round, and rounds at most.
_PARTNERS, _ROUNDS = 8, 4


@dataclass(frozen=True)
class CoreSwaps:
    """What a round of swapping did.

    Parameters
    ----------
    core_of : (n,) int32
        Core of each neuron after it.
    exchanges : int
        Moves and swaps.
    change : float
        Change of the traffic cost times n, in sides of the grid; never positive.
    """

    core_of: npt.NDArray[np.int32]
    exchanges: int
    change: float


def swap_between_cores(
    w_rec: npt.NDArray[np.floating],
    core_of: npt.NDArray[np.integer],
    activity: npt.NDArray[np.floating],
    links: Links,
    capacity: int,
) -> CoreSwaps:
    """Move or swap neurons between cores as long as that lowers the traffic cost, for a few rounds.

    Parameters
    ----------
    w_rec : (n, n)
        Recurrent weights, row = target.
    core_of : (n,) int
        Core of each neuron.
    activity : (n,) float
        Weight of each source, 1 on the average.
    links : Links
        What packets cost.
    capacity : int
        Neurons that a core holds.

    Returns
    -------
    CoreSwaps
        The new cores. The cost ``Σ_i a_i Σ_l price ‖W_li‖`` never grows.
    """
    core = np.array(core_of, np.int32)
    # Squared weights, once by target and once by source, so that either is read in order.
    square = np.square(w_rec.astype(np.float64, order="C"))
    power = np.ascontiguousarray(square.T)
    price = np.ascontiguousarray(links.price, np.float64)
    # Row and column of each core's router, and the columns of routers, which number the links; None: a link each.
    ways = (np.ascontiguousarray(links.grid.routers()), links.grid.router_columns) if links.branching else None
    load = np.bincount(core, minlength=len(price)).astype(np.int64)
    exchanges, change = _descend(
        square,
        power,
        core,
        np.asarray(activity, np.float64),
        price,
        ways,
        load,
        capacity,
        _PARTNERS,
        _ROUNDS,
    )
    return CoreSwaps(core, int(exchanges), float(change))


@compiled
def _norm(square):  # type: ignore[no-untyped-def]  # pragma: no cover
    # Taking away what was added may leave less than nothing.
    return np.sqrt(max(square, 0.0))


@compiled
def _behind(ways, links, s, link, core):  # type: ignore[no-untyped-def]  # pragma: no cover
    """1.0 if a packet from core s takes the link to reach the core, else 0.0; as `packet_costs.Links`."""
    if ways is None:
        return np.float64(link == core)
    at, columns = ways
    if link == links - 1:
        return np.float64(core != s)
    row = link // columns - at[s, 0]
    column = link % columns - at[s, 1]
    if row == 0:
        # A link of the trunk, along the row of the source.
        return np.float64(column != 0 and (at[core, 1] - at[s, 1] - column) * column >= 0)
    return np.float64(at[core, 1] == link % columns and (at[core, 0] - at[s, 0] - row) * row >= 0)


@compiled
def _spread(ways, s, core, amount, carried):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add an amount to every link that a packet from core s takes to reach the core."""
    if ways is None:
        carried[core] += amount
        return
    at, columns = ways
    row, column = at[s, 0], at[s, 1]
    if core != s:
        carried[len(carried) - 1] += amount
    step = 1 if at[core, 1] > column else -1
    while column != at[core, 1]:
        column += step
        carried[row * columns + column] += amount
    step = 1 if at[core, 0] > row else -1
    while row != at[core, 0]:
        row += step
        carried[row * columns + column] += amount


@compiled
def _difference(carried, norm, activity, price, ways, s, i, old, new, moved):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Change of the cost of source i on core s when `moved` of its squared weights go from one core to another."""
    change = 0.0
    if ways is None:
        change += price[s, old] * (_norm(carried[i, old] - moved) - norm[i, old])
        change += price[s, new] * (_norm(carried[i, new] + moved) - norm[i, new])
    else:
        for link in range(price.shape[1]):
            shift = _behind(ways, price.shape[1], s, link, new) - _behind(ways, price.shape[1], s, link, old)
            if shift != 0:
                change += price[s, link] * (_norm(carried[i, link] + shift * moved) - norm[i, link])
    return activity[i] * change


@compiled
def _own(power, core, activity, price, ways, i, a, b, to_a, to_b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Cost of source i if neuron a were on core `to_a` and b on `to_b`; b < 0 for none. Its other targets stay."""
    cores = price.shape[0]
    onto = np.zeros(cores)
    for j in range(len(core)):
        if power[i, j] > 0 and j != a and j != b:
            onto[core[j]] += power[i, j]
    onto[to_a] += power[i, a]
    s = core[i]
    if b >= 0:
        onto[to_b] += power[i, b]
        if i == b:
            s = to_b
    if i == a:
        s = to_a
    squares = np.zeros(price.shape[1])
    for c in range(cores):
        if onto[c] > 0:
            _spread(ways, s, c, onto[c], squares)
    total = 0.0
    for link in range(price.shape[1]):
        total += price[s, link] * np.sqrt(squares[link])
    return activity[i] * total


@compiled
def _gain(square, power, core, activity, price, ways, carried, norm, a, b, new):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Exact change of the cost when neuron a goes to core `new` and b, if not negative, to the core of a."""
    old = core[a]
    change = 0.0
    for i in range(len(core)):
        moved = square[a, i]
        if b >= 0:
            moved -= square[b, i]
        if moved != 0 and i != a and i != b:
            change += _difference(carried, norm, activity, price, ways, core[i], i, old, new, moved)
    change += _own(power, core, activity, price, ways, a, a, b, new, old)
    change -= _own(power, core, activity, price, ways, a, a, b, old, new)
    if b >= 0:
        change += _own(power, core, activity, price, ways, b, a, b, new, old)
        change -= _own(power, core, activity, price, ways, b, a, b, old, new)
    return change


@compiled
def _carry(power, core, ways, carried, norm, i):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count anew what the links of source i carry."""
    carried[i] = 0
    for j in range(len(core)):
        if power[i, j] > 0:
            _spread(ways, core[i], core[j], power[i, j], carried[i])
    norm[i] = np.sqrt(carried[i])


@compiled
def _descend(  # type: ignore[no-untyped-def]  # pragma: no cover
    square, power, core, activity, price, ways, load, capacity, partners, rounds
):
    """Try all neurons in turn; return the number of exchanges and the change of the cost."""
    n, cores = len(core), price.shape[0]
    carried, norm = np.zeros((n, price.shape[1])), np.zeros((n, price.shape[1]))
    whole = 0.0
    for i in range(n):
        _carry(power, core, ways, carried, norm, i)
        for link in range(price.shape[1]):
            whole += activity[i] * price[core[i], link] * norm[i, link]
    least = 1e-9 * whole
    table = np.zeros((n, cores))
    promise = np.empty(n)
    total, exchanges = 0.0, 0
    stale = np.ones(n, np.bool_)
    for _ in range(rounds):
        before = exchanges
        for a in range(n):
            # Rounding does not add up over the rounds.
            _carry(power, core, ways, carried, norm, a)
        for a in range(n):
            # What others' exchanges changed is seen when a candidate is taken up; it only chooses the candidates.
            if stale[a]:
                for c in range(cores):
                    table[a, c] = 0.0
                    if c != core[a]:
                        table[a, c] = _gain(square, power, core, activity, price, ways, carried, norm, a, -1, c)
                stale[a] = False
        for a in range(n):
            best, partner, to = -least, -1, -1
            for c in range(cores):
                if c != core[a] and load[c] < capacity and table[a, c] < best:
                    best, to = table[a, c], c
            for b in range(n):
                promise[b] = np.inf if core[b] == core[a] else table[a, core[b]] + table[b, core[a]]
            for _ in range(partners):
                b = int(np.argmin(promise))
                if not promise[b] < 0:
                    break
                promise[b] = np.inf
                gain = _gain(square, power, core, activity, price, ways, carried, norm, a, b, core[b])
                if gain < best:
                    best, partner, to = gain, b, core[b]
            if to < 0:
                continue
            if partner < 0:
                best = _gain(square, power, core, activity, price, ways, carried, norm, a, -1, to)
                if not best < -least:
                    continue
            old = core[a]
            core[a] = to
            stale[a] = True
            if partner >= 0:
                core[partner] = old
                stale[partner] = True
            else:
                load[old] -= 1
                load[to] += 1
            for i in range(n):
                if i in (a, partner):
                    _carry(power, core, ways, carried, norm, i)
                    continue
                moved = square[a, i]
                if partner >= 0:
                    moved -= square[partner, i]
                if moved != 0:
                    for link in range(price.shape[1]):
                        links = price.shape[1]
                        shift = _behind(ways, links, core[i], link, to) - _behind(ways, links, core[i], link, old)
                        if shift != 0:
                            carried[i, link] += shift * moved
                            norm[i, link] = _norm(carried[i, link])
            total += best
            exchanges += 1
        if exchanges == before:
            break
    return exchanges, total
