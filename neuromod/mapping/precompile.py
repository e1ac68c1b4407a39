"""Machine code of the mapping's loops, made before it is needed: ``python -m neuromod.mapping.precompile``.

Numba compiles a loop when it is first called and keeps the result on disk, see `neuromod.kernels`. The first
`neuromod map` on a machine begins this module as a second process, which compiles what is needed late while the first
process compiles what is needed early. Run by hand, after an installation, it compiles everything that a plain
`neuromod map` needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from neuromod.mapping.problem import Problem


def begin() -> None:
    """Compile in a second process, if nothing is on disk yet and there is a processor for it; do not wait for it."""
    from neuromod.mapping.local_search.proposals import search

    folder = search.stats.cache_path  # type: ignore[attr-defined]
    # As Numba calls its indices.
    index = f"{search.__module__.rpartition('.')[2]}.{search.__name__}-*.nbi"
    if folder is None or (os.cpu_count() or 1) < 2 or any(Path(folder).glob(index)):
        return
    subprocess.Popen(
        [sys.executable, "-m", "neuromod.mapping.precompile", "late"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def compile_late() -> None:
    """Compile what a run needs last, in the order in which it does, on a network of one neuron."""
    from neuromod.mapping.local_search import core_exchange, moves
    from neuromod.mapping.local_search.tables import HEAD

    # The row of a neuron without targets: all zeros.
    rows, first, one = np.zeros(HEAD, np.int32), np.zeros(1, np.int32), np.zeros((1, 1))
    ptr, none = np.zeros(2, np.int64), np.zeros(0, np.int32)
    moves.move(rows, ptr, none, 0, 0)
    moves.update_border(rows, ptr, none, ptr, none, first.copy(), first.copy(), 0, 0, 0)
    core_exchange.count_packets(rows, rows.view(np.float64), first, one)
    at = np.zeros(1, np.int64)
    core_exchange.anneal_cores(one, one, at, 0.0, 0, np.zeros(1, np.uint64))
    core_exchange.relabel(rows, first, at)
    compile_counts()
    compile_groups()


def compile_counts() -> None:
    """Compile what measures a placement."""
    from neuromod.hardware import Grid, resources, routing, target_files
    from neuromod.network import Network

    net = Network(
        w_rec=sparse.csr_array((1, 1)), w_in=np.zeros((1, 0)), w_out=np.zeros((0, 1)), bias=np.zeros(1),
        bias_out=np.zeros(0), dt_s=0.1, tau_s=0.2,
    )  # fmt: skip
    core_of, grid = np.zeros(1, np.int32), Grid(1, 1)
    routing.measure(net, core_of, grid, np.ones(1))
    resources.count_usage(net, core_of, grid, target_files.load_target("generic-mesh"))


def compile_groups() -> None:
    """Compile what moves groups, which networks of modules need."""
    from neuromod.mapping.local_search import groups
    from neuromod.mapping.placers import multilevel

    problem, rng = _two_pairs(), np.random.default_rng(0)
    # One core holds too many.
    multilevel.keep_capacity(problem, np.zeros(4, np.int32), rng)
    t = groups.make_groups(problem, np.array([0, 0, 1, 1]), np.array([0, 1], np.int32), 4)
    state, random = (t.rows, t.rates, t.ptr, t.touched, t.own), np.zeros(1, np.uint64)
    groups.probe_groups(*state, t.core_of, problem.cost, 0, random)
    groups.search_groups(
        *state, t.weights, t.core_of, t.sizes, t.members, t.slot, t.counts, problem.cost, 3, 4, 1.0, 0.2, random, 0.0,
        1.0, 0,
    )  # fmt: skip


def compile_early() -> None:
    """Compile the search itself."""
    from neuromod.mapping.placers import find_placer
    from neuromod.mapping.problem import Effort

    find_placer("annealing")(_two_pairs(), np.random.default_rng(0), Effort(0.001))


def _two_pairs() -> Problem:
    """Two pairs of neurons with a synapse between them: moves must lose something."""
    from neuromod.hardware import Grid
    from neuromod.mapping.problem import CoreLimits, Problem

    indptr, targets = np.array([0, 1, 3, 4, 5]), np.array([1, 0, 2, 3, 2], np.int32)
    grid, cost = Grid(1, 2), 1.0 - np.eye(2)
    return Problem(4, indptr, targets, np.ones(4), None, grid, 3, cost, "hops", np.ones(4, np.int64), CoreLimits())


if __name__ == "__main__":
    compile_late()
    if "late" not in sys.argv[1:]:
        compile_early()
