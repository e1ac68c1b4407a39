"""Trying neurons core by core, where there are so many cores that a call for each would take longer than the tries."""

from __future__ import annotations

from neuromod.kernels import compiled
from neuromod.mapping.local_search.proposals import search


@compiled
def search_regions(  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, rates, first, out_ptr, targets, in_ptr, sources, cost, routers, sizes, capacity,
    members, slot, border, place, counters, synapses, usage, limits, local, chip_of,
    random, temperature, cooling, tries, penalty, anywhere, order, shares, within,
):  # fmt: skip
    """Search each of the cores in an order, with as many tries as it has in `shares`; as `proposals.search`."""
    for i in range(len(order)):
        share = shares[order[i]]
        if share > 0:
            search(
                rows, rates, first, out_ptr, targets, in_ptr, sources, cost, routers, sizes, capacity,
                members, slot, border, place, counters, synapses, usage, limits, local, chip_of,
                random, temperature, cooling ** (tries / share), share, penalty, anywhere, order[i], within,
            )  # fmt: skip
