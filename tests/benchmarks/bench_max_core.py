"""The busiest core: placements for it beside those for hops, on networks whose neurons are unequally active.

    python tests/benchmarks/bench_max_core.py [--trained RUN …]

Local networks have integer rates of a log-normal distribution, scaled to at most one spike a step; trained ones are
placed with the steps in which their neurons are active on task trials. Both placements take the default effort.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from nets import make_net
from tables import Table, markdown
from trained import trained_network

import neuromod
from neuromod import Network
from neuromod.metrics.accuracy import trials_for
from neuromod.metrics.activity import Activity, count_active_steps

TABLE = Table("max_core", "python tests/benchmarks/bench_max_core.py --trained RUN …", ("numpy", "numba"))


def measure(network: Network, active: Activity, seed: int) -> dict:
    """Place twice and compare."""
    found = {}
    for objective in ("hops", "max-core"):
        begun = time.process_time()
        placement = neuromod.place(network, cores=(4, 4), activity=active, objective=objective, seed=seed)
        cpu = time.process_time() - begun
        told = neuromod.estimate(network, placement, active).summary
        found[objective] = {
            "load": told["busiest_core"]["load"], "mean": told["busiest_core"]["mean_load"],
            "hops": told["hops_per_step"], "cpu": cpu,
        }  # fmt: skip
    return found


def main() -> None:
    """Measure what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", nargs="*", default=[], help="Runs with a pruned network.")
    arguments = parser.parse_args()
    cases = {}
    for reach, name in ((2.0, "local"), (None, "no locality")):
        for seed in range(3):
            network = make_net(400, 10.2, reach=reach, seed=seed)
            rates = network.rates / network.rates.max()
            cases[f"{name}, 400 neurons, seed {seed}"] = (network, Activity(rates, np.zeros(1), "given", 0), seed)
    for path in arguments.trained:
        name, network = trained_network(path)
        cases[name] = (network, count_active_steps(network, trials_for(network, 60, seed=0)), 0)
    for name, case in cases.items():
        TABLE.row(name, lambda case=case: measure(*case))
    write_table()


def write_table() -> None:
    """Write the Markdown table of the rows that there are."""
    rows = []
    for name, row in TABLE.read()["rows"].items():
        ours, before = row["max-core"], row["hops"]
        rows.append(
            [name, f"{before['load']:,.2f}", f"{ours['load']:,.2f}", f"{ours['load'] / before['load'] - 1:+.1%}",
             f"{before['mean'] / before['load'] - 1:+.1%}", f"{ours['hops'] / before['hops'] - 1:+.1%}",
             f"{before['cpu']:.0f}, {ours['cpu']:.0f}"]
        )  # fmt: skip
    header = [
        "network, 4x4 cores",
        "busiest core, for hops",
        "for max-core",
        "change",
        "if all cores were equal",
        "hops",
        "CPU s",
    ]
    TABLE.write(
        markdown(header, [[cell.replace("-", "−") if cell[:1] == "-" else cell for cell in row] for row in rows]),
        "Loads are a quarter of the synaptic events, updates, packets sent and packets received of a core, per step.",
    )


if __name__ == "__main__":
    main()
