"""Cost over time: one search from each kind of start, hops after each segment against seconds of its processor.

    python tests/benchmarks/bench_traces.py

A search from the network's modules begins after the multilevel start, whose time counts, at the temperature that suits
it; the others begin at once and hot. What is done stands in `docs/tables/traces.json` and is not done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from mapping_plots import draw_traces
from nets import make_modular_net, make_net
from tables import Table

from neuromod import Network
from neuromod.hardware import Grid
from neuromod.mapping.cost import placement_cost
from neuromod.mapping.local_search.run import Search
from neuromod.mapping.placers import Effort, annealing, find_placer, make_problem, multilevel
from neuromod.mapping.problem import Problem

NETWORKS: dict[str, tuple[Callable[[], Network], tuple[int, int], dict[str, str]]] = {
    "2,000 neurons, local, on 8x8": (
        lambda: make_net(2_000, 12.1), (8, 8), {"tiles": "tiles", "at random": "shuffled"},
    ),
    "5,000 neurons in modules on 8x8": (
        lambda: make_modular_net(5_000, 60), (8, 8), {"bisection": "bisection", "groups (multilevel)": ""},
    ),
}  # fmt: skip
TABLE = Table("traces", "python tests/benchmarks/bench_traces.py", ("numpy", "numba"))


def trace(problem: Problem, placer: str) -> dict:
    """Search from one start; return seconds and hops after each segment."""
    rng, began = np.random.default_rng(0), time.process_time()
    start = find_placer(placer)(problem, rng, Effort()) if placer else multilevel.place(problem, rng, Effort())
    seconds, hops = [time.process_time() - began], [placement_cost(problem, start)]
    search = Search(problem, start, 0)
    counting = 0.0

    def note(share: float) -> None:
        nonlocal counting
        now = time.process_time()
        seconds.append(now - began - counting)
        hops.append(placement_cost(problem, search.tables.core_of(problem.n)))
        counting += time.process_time() - now

    kind = annealing.Start(start, None if placer else annealing.HOT_MODULES)
    tries = annealing.count_tries(problem, [kind, kind], Effort())
    cold = annealing.COLD if placer else annealing.COLD_MODULES
    search.run(tries, cold * search.unit, hot=kind.hot, on_progress=note)
    return {"seconds": seconds, "hops": hops}


def main() -> None:
    """Trace what is not there yet, and draw it."""
    small = make_problem(make_net(100, 5.0), np.ones(100), Grid(2, 2), 27)
    # So that no time holds a compilation.
    start = multilevel.place(small, np.random.default_rng(0), Effort(0.01))
    Search(small, start, 0).run(1_000, 1e-3)
    for name, (make, cores, starts) in NETWORKS.items():
        network, grid = make(), Grid(*cores)
        problem = make_problem(network, network.rates, grid, int(np.ceil(1.05 * network.n / grid.cores)))
        for said, placer in starts.items():
            TABLE.row(
                f"{name}: {said}",
                lambda: {"network": name, "start": said, **trace(problem, placer)},  # noqa: B023
            )
    draw_traces()


if __name__ == "__main__":
    main()
