"""Partitioning libraries as peers of the placers, run by `bench_mapping.py` in an environment of their own.

    python -m venv peers-env && peers-env/bin/pip install numpy scipy pymetis kahip mtkahypar
    peers-env/bin/python tests/benchmarks/peers.py problem.npz "METIS cut" core_of.npy

reads a problem (`n`, `indptr`, `targets`, `rates`, `tiles`, `rows`, `columns`, `capacity`, and `distances`, the hops
between cores, those of the grid if omitted), writes the core of each neuron and prints seconds and the library's
version as JSON. It imports nothing of neuromod. Every library gets two threads where it has threads, the same
capacity, and the best of ten starts of FAQ with 2-opt to put parts onto cores.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from scipy import sparse
from scipy.optimize import quadratic_assignment

THREADS, STARTS, SEED = 2, 10, 1
# Largest integer weight where rates are not whole numbers already.
HEAVIEST = 1_000


@dataclass(frozen=True, eq=False)
class Case:
    """A placement problem as `bench_mapping.py` writes it."""

    n: int
    indptr: np.ndarray
    targets: np.ndarray
    weights: np.ndarray  # integers in proportion to the rates, at least 1 where the rate is above zero
    rates: np.ndarray
    tiles: np.ndarray
    rows: int
    columns: int
    capacity: int
    distances: np.ndarray

    @property
    def cores(self) -> int:
        """Number of cores."""
        return self.rows * self.columns

    @property
    def slack(self) -> float:
        """Imbalance that the capacity allows."""
        return self.capacity * self.cores / self.n - 1


def read(path: str) -> Case:
    """Read a problem."""
    with np.load(path) as held:
        rates = held["rates"]
        rows, columns = int(held["rows"]), int(held["columns"])
        row, column = np.divmod(np.arange(rows * columns), columns)
        distances = np.abs(row[:, None] - row[None]) + np.abs(column[:, None] - column[None])
        whole = rates if (rates == np.rint(rates)).all() else np.ceil(rates * (HEAVIEST / rates.max()))
        return Case(
            n=int(held["n"]), indptr=held["indptr"], targets=held["targets"], weights=whole.astype(int), rates=rates,
            tiles=held["tiles"], rows=rows, columns=columns, capacity=int(held["capacity"]),
            distances=held.get("distances", distances),
        )  # fmt: skip


def arrange(case: Case, part: np.ndarray) -> np.ndarray:
    """Put the parts of a partition onto the cores: FAQ and 2-opt on the packets between parts, best of several."""
    k = case.cores
    source = np.repeat(np.arange(case.n), np.diff(case.indptr))
    source, reached = np.divmod(np.unique(source * k + part[case.targets]), k)
    packets = np.zeros((k, k))
    np.add.at(packets, (part[source], reached), case.rates[source])
    np.fill_diagonal(packets, 0)
    distance = case.distances.astype(float)
    best, least = part, np.inf
    rng = np.random.default_rng(0)
    for _ in range(STARTS):
        rough = quadratic_assignment(packets, distance, method="faq", options={"P0": "randomized", "rng": rng})
        guess = np.c_[np.arange(k), rough.col_ind]
        fine = quadratic_assignment(packets, distance, method="2opt", options={"partial_guess": guess, "rng": rng})
        if fine.fun < least:
            best, least = fine.col_ind[part], fine.fun
    return best


def symmetric_graph(case: Case) -> sparse.csr_array:
    """Undirected graph of the synapses, weighted by the rate of their source."""
    weights = np.repeat(case.weights, np.diff(case.indptr))
    one_way = sparse.csr_array((weights, case.targets, case.indptr), shape=(case.n, case.n))
    both = sparse.csr_array(one_way + one_way.T)
    both.sum_duplicates()
    both.eliminate_zeros()
    return both


def metis(case: Case, *, volume: bool = False) -> np.ndarray:
    """METIS: edge cut or communication volume, then QAP."""
    import pymetis

    graph = symmetric_graph(case)
    options = pymetis.Options(seed=SEED, ufactor=max(1, int(1000 * case.slack)))
    if volume:
        options.objtype = int(pymetis.ObjType.VOL)
    _, part = pymetis.part_graph(
        case.cores, xadj=graph.indptr.tolist(), adjncy=graph.indices.tolist(), eweights=graph.data.tolist(),
        options=options, recursive=False,
    )  # fmt: skip
    return arrange(case, np.asarray(part))


def kahip(case: Case, mode: str) -> np.ndarray:
    """KaHIP: edge cut, then QAP."""
    import kahip as library

    graph = symmetric_graph(case)
    _, part = library.kaffpa(
        [1] * case.n, graph.indptr.tolist(), graph.data.tolist(), graph.indices.tolist(), case.cores, case.slack,
        True, SEED, getattr(library, mode),
    )  # fmt: skip
    return arrange(case, np.asarray(part))


def _hypergraph(case: Case, preset: str):
    import mtkahypar

    library = mtkahypar.initialize(THREADS)
    mtkahypar.set_seed(SEED)
    context = library.context_from_preset(getattr(mtkahypar.PresetType, preset))
    context.set_partitioning_parameters(case.cores, case.slack, mtkahypar.Objective.KM1)
    context.set_individual_target_block_weights([case.capacity] * case.cores)
    context.logging = False
    begin, aims, weights = case.indptr.tolist(), case.targets.tolist(), case.weights.tolist()
    senders = [s for s in range(case.n) if begin[s + 1] > begin[s] and weights[s] > 0]
    pins = [[s, *aims[begin[s] : begin[s + 1]]] for s in senders]
    graph = library.create_hypergraph(
        context, case.n, len(pins), pins, [1] * case.n, [weights[s] for s in senders]
    )  # fmt: skip
    return library, context, graph


def mtkahypar_km1(case: Case, preset: str) -> np.ndarray:
    """Mt-KaHyPar: km1, which is the packets, then QAP."""
    _, context, graph = _hypergraph(case, preset)
    return arrange(case, np.asarray(graph.partition(context).get_partition()))


def _mesh(library, context, case: Case):
    at = np.arange(case.cores).reshape(case.rows, case.columns)
    edges = np.concatenate(
        [np.stack([at[:, :-1], at[:, 1:]], -1).reshape(-1, 2), np.stack([at[:-1], at[1:]], -1).reshape(-1, 2)]
    ).tolist()
    context.set_mapping_parameters(case.cores, case.slack)
    context.set_individual_target_block_weights([case.capacity] * case.cores)
    return library.create_target_graph(context, case.cores, len(edges), edges, [1] * len(edges))


def mtkahypar_map(case: Case) -> np.ndarray:
    """Mt-KaHyPar's map_onto_graph (Steiner trees on the grid)."""
    library, context, graph = _hypergraph(case, "DEFAULT")
    return np.asarray(graph.map_onto_graph(_mesh(library, context, case), context).get_partition())


def mtkahypar_improve(case: Case) -> np.ndarray:
    """Mt-KaHyPar's improve_mapping from rectangular tiles, three V-cycles."""
    library, context, graph = _hypergraph(case, "DEFAULT")
    placed = graph.create_partitioned_hypergraph(context, case.cores, case.tiles.tolist())
    placed.improve_mapping(_mesh(library, context, case), context, 3)
    return np.asarray(placed.get_partition())


# Name -> method, and the package whose version is told.
PEERS: dict[str, tuple[Callable[[Case], np.ndarray], str]] = {
    "METIS cut": (metis, "pymetis"),
    "METIS volume": (lambda case: metis(case, volume=True), "pymetis"),
    "KaHIP eco": (lambda case: kahip(case, "ECO"), "kahip"),
    "KaHIP strong": (lambda case: kahip(case, "STRONG"), "kahip"),
    "Mt-KaHyPar km1": (lambda case: mtkahypar_km1(case, "DEFAULT"), "mtkahypar"),
    "Mt-KaHyPar km1 quality": (lambda case: mtkahypar_km1(case, "QUALITY"), "mtkahypar"),
    "Mt-KaHyPar map_onto_graph": (mtkahypar_map, "mtkahypar"),
    "Mt-KaHyPar improve_mapping": (mtkahypar_improve, "mtkahypar"),
}


def main() -> None:
    """Run one peer on one problem."""
    path, name, out = sys.argv[1:4]
    method, package = PEERS[name]
    case = read(path)
    __import__(package)
    wall, cpu = time.perf_counter(), time.process_time()
    part = method(case)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    np.save(out, np.asarray(part, np.int32))
    print(json.dumps({"seconds": wall, "cpu_seconds": cpu, "version": f"{package} {version(package)}"}))


if __name__ == "__main__":
    main()
