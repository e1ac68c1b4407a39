"""Networks of others, as their authors publish them, beside an independent parse.

``python tests/benchmarks/bench_networks.py FOLDER`` looks for the files of `NETWORKS` in a folder where somebody has
put them, from the addresses that stand there; nothing is fetched. Bar: every synapse and its weight equal that of
Python's csv module, NumPy or SciPy. Writes docs/tables/networks.json and .md.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import io as scipy_io
from scipy import sparse
from tables import Table, markdown

from neuromod import importing
from neuromod.files import sha256

TABLE = Table("networks", "python tests/benchmarks/bench_networks.py FOLDER", ("numpy", "scipy"))

# Source and target name -> weight, by an independent parse.
Weights = dict[tuple[str, str], float]


def _by_csv(path: Path) -> Weights:
    found: Weights = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            pair = row["Source"].strip(), row["Target"].strip()
            found[pair] = found.get(pair, 0.0) + float(row["Weight"])
    return found


def _by_numpy(path: Path) -> Weights:
    undirected = path.open(encoding="utf-8").readline().split()[1] == "sym"
    table = np.loadtxt(path, comments="%", ndmin=2)
    found: Weights = {}
    for a, b, *rest in table.tolist():
        ways = {(int(a), int(b)), (int(b), int(a))} if undirected else {(int(a), int(b))}
        for source, target in ways:
            pair = str(source), str(target)
            found[pair] = found.get(pair, 0.0) + (rest[0] if rest else 1.0)
    return found


def _by_scipy(path: Path) -> Weights:
    matrix = sparse.coo_array(scipy_io.mmread(path, spmatrix=False))
    matrix.sum_duplicates()
    rows = zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True)
    return {(str(column), str(row)): float(value) for row, column, value in rows}


@dataclass(frozen=True)
class Published:
    """A file and where it is published."""

    what: str
    address: str
    parse: Callable[[Path], Weights]


NETWORKS = {
    "herm_full_edgelist.csv": Published(
        "C. elegans, hermaphrodite: chemical synapses and gap junctions",
        "https://github.com/openworm/CElegansNeuroML",
        _by_csv,
    ),
    **{
        f"out.{name}": Published(f"KONECT: {what}", f"http://konect.cc/networks/{name}", _by_numpy)
        for name, what in (
            ("dimacs10-celegansneural", "C. elegans, neural network"),
            ("moreno_lesmis", "Les Misérables"),
            ("opsahl-usairport", "US airports"),
            ("sociopatterns-infectious", "contacts, with times"),
            ("ucidata-zachary", "karate club"),
            ("maayan-vidal", "human proteins"),
            ("moreno_propro", "yeast proteins"),
            ("petster-hamster-household", "hamsters"),
        )
    },
    **{
        f"{name}.mtx": Published(f"SuiteSparse: {group}/{name}", f"https://sparse.tamu.edu/{group}/{name}", _by_scipy)
        for name, group in (
            ("west0067", "HB"),
            ("steam1", "HB"),
            ("fs_541_1", "HB"),
            ("orsirr_1", "HB"),
            ("nos4", "HB"),
            ("bcsstk04", "HB"),
            ("bcsstk14", "HB"),
        )
    },
}


def measure(path: Path, network: Published) -> dict[str, Any]:
    """Compare what is read with the independent parse."""
    found = importing.read(path)
    theirs = {pair: np.float32(weight) for pair, weight in network.parse(path).items() if np.float32(weight) != 0}
    w = found.network.w_rec.tocoo()
    # Names of neurons that have some: in the order of the file, a line's source first.
    ids = [str(one) for one in found.network.neuron_ids]
    if any("numbered as they come" in note for note in found.notes):
        ids = list(dict.fromkeys(end for pair in network.parse(path) for end in pair))
    ours = {(ids[s], ids[t]): value for t, s, value in zip(w.row, w.col, w.data, strict=True)}
    return {
        "neurons": found.network.n,
        "synapses": found.network.n_synapses,
        "sum_of_weights": float(np.sum(w.data, dtype=np.float64)),
        "repeated_edges": found.repeated,
        "self_connections": found.self_connections,
        "differences": sum(bool(ours.get(pair) != theirs.get(pair)) for pair in ours.keys() | theirs.keys()),
        "notes": list(found.notes),
        "sha256": sha256(path),
    }


def main(folder: Path) -> None:
    """Read what is there and write the table."""
    rows = []
    for name, network in NETWORKS.items():
        path = folder / name
        if not path.is_file():
            print(f"{name} is not there; it is published at {network.address}")
            if name not in TABLE.read()["rows"]:
                continue
        row = TABLE.row(name, lambda p=path, n=network: measure(p, n))
        counts = [f"{row[key]:,}" for key in ("neurons", "synapses", "repeated_edges")]
        rows.append([f"[{network.what}]({network.address})", f"`{name}`", *counts, f"{row['sum_of_weights']:,.6g}",
                     row["differences"]])  # fmt: skip
    header = [
        "network",
        "file",
        "neurons",
        "synapses",
        "edges given more than once",
        "sum of weights",
        "synapses that differ",
    ]
    TABLE.write(markdown(header, rows), "Beside Python's csv module, NumPy (KONECT) and SciPy (MatrixMarket).")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
