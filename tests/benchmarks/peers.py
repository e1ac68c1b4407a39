"""Partitioning libraries as peers of the placers: each gets the same problem and the same capacity.

METIS (pymetis), KaHIP (kahip) and Mt-KaHyPar (mtkahypar) are not dependencies; install those that you want to see.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.optimize import quadratic_assignment

from neuromod.placers import find_placer
from neuromod.placers.problem import Problem


def arrange(problem: Problem, part: np.ndarray, *, starts: int = 10) -> np.ndarray:
    """Put the parts of a partition onto the cores: FAQ and 2-opt on the packets between parts, best of several."""
    k = problem.grid.cores
    packets = packets_between(problem, part)
    best, best_cost = part, np.inf
    rng = np.random.default_rng(0)
    for _ in range(starts):
        rough = quadratic_assignment(packets, problem.cost, method="faq", options={"P0": "randomized", "rng": rng})
        guess = np.c_[np.arange(k), rough.col_ind]
        fine = quadratic_assignment(packets, problem.cost, method="2opt", options={"partial_guess": guess, "rng": rng})
        if fine.fun < best_cost:
            best, best_cost = fine.col_ind[part], fine.fun
    return best.astype(np.int32)


def packets_between(problem: Problem, part: np.ndarray) -> np.ndarray:
    """Packets between the parts, (k, k): one for each source and other part that holds a target."""
    k = problem.grid.cores
    source = np.repeat(np.arange(problem.n), np.diff(problem.indptr))
    source, reached = np.divmod(np.unique(source * k + part[problem.targets]), k)
    matrix = np.zeros((k, k))
    np.add.at(matrix, (part[source], reached), problem.rates[source])
    np.fill_diagonal(matrix, 0)
    return matrix


def symmetric_graph(problem: Problem) -> sparse.csr_array:
    """Undirected graph of the synapses, weighted by the rate of their source, integers."""
    weights = np.repeat(np.rint(problem.rates), np.diff(problem.indptr))
    one_way = sparse.csr_array((weights, problem.targets, problem.indptr), shape=(problem.n, problem.n))
    both = sparse.csr_array(one_way + one_way.T)
    both.sum_duplicates()
    return both


def slack(problem: Problem) -> float:
    """Imbalance that the capacity allows."""
    return problem.capacity * problem.grid.cores / problem.n - 1


def metis(problem: Problem) -> np.ndarray:
    """METIS: edge cut, then QAP."""
    import pymetis

    graph = symmetric_graph(problem)
    _, part = pymetis.part_graph(
        problem.grid.cores,
        xadj=graph.indptr.tolist(),
        adjncy=graph.indices.tolist(),
        eweights=graph.data.astype(int).tolist(),
        options=pymetis.Options(seed=1, ufactor=max(1, int(1000 * slack(problem)))),
        recursive=False,
    )
    return arrange(problem, np.asarray(part))


def kahip_eco(problem: Problem) -> np.ndarray:
    """KaHIP with its eco preset: edge cut, then QAP."""
    import kahip

    graph = symmetric_graph(problem)
    _, part = kahip.kaffpa(
        [1] * problem.n, graph.indptr.tolist(), graph.data.astype(int).tolist(), graph.indices.tolist(),
        problem.grid.cores, slack(problem), True, 1, kahip.ECO,
    )  # fmt: skip
    return arrange(problem, np.asarray(part))


_mtk: list = []


def _hypergraph(problem: Problem, preset: str, objective: str):
    import mtkahypar

    if not _mtk:
        _mtk.append(mtkahypar.initialize(1))
    mtk = _mtk[0]
    mtkahypar.set_seed(1)
    k = problem.grid.cores
    context = mtk.context_from_preset(getattr(mtkahypar.PresetType, preset))
    context.set_partitioning_parameters(k, slack(problem), getattr(mtkahypar.Objective, objective))
    context.set_individual_target_block_weights([problem.capacity] * k)
    context.logging = False
    pins = [[s, *problem.targets[problem.indptr[s] : problem.indptr[s + 1]].tolist()] for s in range(problem.n)]
    used = [s for s in range(problem.n) if len(pins[s]) > 1]
    rates = np.rint(problem.rates).astype(int).tolist()
    graph = mtk.create_hypergraph(context, problem.n, len(used), [pins[s] for s in used], [1] * problem.n,
                                  [rates[s] for s in used])  # fmt: skip
    return mtk, context, graph


def mtkahypar_km1(problem: Problem) -> np.ndarray:
    """Mt-KaHyPar, quality preset, km1 (packets), then QAP."""
    _, context, graph = _hypergraph(problem, "QUALITY", "KM1")
    return arrange(problem, np.asarray(graph.partition(context).get_partition()))


def _target_graph(mtk, context, problem: Problem):
    grid = problem.grid
    edges = [
        [r * grid.columns + c, (r + dr) * grid.columns + c + dc]
        for r in range(grid.rows)
        for c in range(grid.columns)
        for dr, dc in ((0, 1), (1, 0))
        if r + dr < grid.rows and c + dc < grid.columns
    ]
    context.set_mapping_parameters(grid.cores, slack(problem))
    context.set_individual_target_block_weights([problem.capacity] * grid.cores)
    return mtk.create_target_graph(context, grid.cores, len(edges), edges, [1] * len(edges))


def mtkahypar_map(problem: Problem) -> np.ndarray:
    """Mt-KaHyPar's map_onto_graph (Steiner trees)."""
    mtk, context, graph = _hypergraph(problem, "DEFAULT", "KM1")
    target = _target_graph(mtk, context, problem)
    return np.asarray(graph.map_onto_graph(target, context).get_partition(), np.int32)


def mtkahypar_improve(problem: Problem) -> np.ndarray:
    """Mt-KaHyPar's improve_mapping from rectangular tiles, three V-cycles."""
    mtk, context, graph = _hypergraph(problem, "DEFAULT", "KM1")
    target = _target_graph(mtk, context, problem)
    start = find_placer("tiles")(problem, np.random.default_rng(0))
    placed = graph.create_partitioned_hypergraph(context, problem.grid.cores, start.tolist())
    placed.improve_mapping(target, context, 3)
    return np.asarray(placed.get_partition(), np.int32)


PEERS: dict[str, Callable[[Problem], np.ndarray]] = {
    "METIS + QAP": metis,
    "KaHIP eco + QAP": kahip_eco,
    "Mt-KaHyPar km1 + QAP": mtkahypar_km1,
    "Mt-KaHyPar map_onto_graph": mtkahypar_map,
    "Mt-KaHyPar improve_mapping": mtkahypar_improve,
}


def timed(peer: Callable[[Problem], np.ndarray], problem: Problem) -> tuple[np.ndarray, float]:
    """Run a peer; return its placement and its seconds."""
    started = time.perf_counter()
    core_of = np.asarray(peer(problem), np.int32)
    return core_of, time.perf_counter() - started
