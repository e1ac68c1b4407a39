"""Hypergraph partitioning by Mt-KaHyPar: the packets as the km1 metric, then the parts onto the grid.

Each neuron with its targets is a hyperedge, weighted by the neuron's rate, so that km1 is the number of packets. On
grids of at most 25 cores the partition is also mapped onto the grid directly, and the tiles are improved; the best of
the three is kept.

References
----------
L. Gottesbüren, T. Heuer, N. Maas, P. Sanders, S. Schlag, "Scalable high-quality hypergraph partitioning", ACM
Transactions on Algorithms 20(1):9 (2024), 10.1145/3626527.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import quadratic_assignment

from neuromod.errors import UsageError
from neuromod.mapping.cost import packets_between, placement_cost
from neuromod.mapping.placers import bisection, tiles
from neuromod.mapping.problem import Effort, Problem

# Largest weight of a hyperedge: the library takes whole numbers, so rates are scaled to them.
_HEAVIEST = 1_000
# Cores up to which the library maps onto a grid in seconds.
_MOST_MAPPED = 25
# Starts of the assignment of parts to cores.
_STARTS = 10

_library: list[Any] = []


def place(problem: Problem, rng: np.random.Generator, effort: Effort) -> npt.NDArray[np.int32]:
    """Partition with km1 and assign the parts to cores; on small grids also map and improve directly.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the cost.
    rng : Generator
        Seeds the library, which runs with its deterministic preset.
    effort : Effort
        Unused: the library decides.

    Returns
    -------
    (n,) int32
        Core of each neuron.

    Raises
    ------
    UsageError
        If Mt-KaHyPar is not installed.
    """
    k = problem.grid.cores
    if k == 1 or not len(problem.targets):
        return tiles.place(problem, rng, effort)
    try:
        import mtkahypar
    except ImportError as error:
        raise UsageError(
            "the placer hypergraph needs Mt-KaHyPar; install it with `pip install 'bimt-neuromod[partition]'`"
        ) from error
    if not _library:
        _library.append(mtkahypar.initialize(os.cpu_count() or 1))
    mtkahypar.set_seed(int(rng.integers(2**31)))
    graph, context = _hypergraph(mtkahypar, problem)
    part = np.asarray(graph.partition(context).get_partition(), np.int32)
    found = [assign(problem, part, rng)]
    if k <= _MOST_MAPPED:
        mesh = _mesh(problem, context)
        found.append(np.asarray(graph.map_onto_graph(mesh, context).get_partition(), np.int32))
        start = (tiles if problem.positions is not None else bisection).place(problem, rng, effort)
        improved = graph.create_partitioned_hypergraph(context, k, start.tolist())
        improved.improve_mapping(mesh, context, 1)
        found.append(np.asarray(improved.get_partition(), np.int32))
    return min(found, key=lambda core_of: placement_cost(problem, core_of))


def _hypergraph(mtkahypar: Any, problem: Problem) -> tuple[Any, Any]:
    n, k = problem.n, problem.grid.cores
    context = _library[0].context_from_preset(mtkahypar.PresetType.DETERMINISTIC)
    slack = max(problem.capacity * k / n - 1, 0.0)
    context.set_partitioning_parameters(k, slack, mtkahypar.Objective.KM1)
    context.set_individual_target_block_weights([problem.capacity] * k)
    context.set_mapping_parameters(k, slack)
    context.logging = False
    senders = [s for s in range(n) if problem.indptr[s + 1] > problem.indptr[s] and problem.rates[s] > 0]
    heaviest = max(problem.rates[senders].max(initial=0.0), 1e-300)
    weights = np.maximum(np.rint(problem.rates[senders] * (_HEAVIEST / heaviest)), 1).astype(int).tolist()
    pins = [[s, *problem.targets[problem.indptr[s] : problem.indptr[s + 1]].tolist()] for s in senders]
    return _library[0].create_hypergraph(context, n, len(pins), pins, [1] * n, weights), context


def _mesh(problem: Problem, context: Any) -> Any:
    grid = problem.grid
    core = np.arange(grid.cores).reshape(grid.rows, grid.columns)
    edges = np.concatenate(
        [np.stack([core[:, :-1], core[:, 1:]], -1).reshape(-1, 2), np.stack([core[:-1], core[1:]], -1).reshape(-1, 2)]
    ).tolist()
    return _library[0].create_target_graph(context, grid.cores, len(edges), edges, [1] * len(edges))


def assign(problem: Problem, part: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Assign the parts of a partition to the cores: SciPy's FAQ and then 2-opt, the best of several starts.

    Parameters
    ----------
    problem : Problem
        The neurons, the grid and the cost.
    part : (n,) int32
        Part of each neuron, below the number of cores.
    rng : Generator
        Draws the starts.

    Returns
    -------
    (n,) int32
        Core of each neuron.
    """
    packets = packets_between(problem, part)
    cost = problem.matrix()
    best, least = np.arange(problem.grid.cores), np.inf
    for _ in range(_STARTS):
        rough = quadratic_assignment(packets, cost, method="faq", options={"P0": "randomized", "rng": rng})
        guess = np.stack([np.arange(len(packets)), rough.col_ind], axis=1)
        fine = quadratic_assignment(packets, cost, method="2opt", options={"partial_guess": guess, "rng": rng})
        if fine.fun < least:
            best, least = fine.col_ind, fine.fun
    core_of: npt.NDArray[np.int32] = best[part].astype(np.int32)
    return core_of
