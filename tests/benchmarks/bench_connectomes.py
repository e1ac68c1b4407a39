"""Connectomes of animals on chips, by the annealing and by partitioning libraries: equal capacity, the same run.

    python -m venv peers-env && peers-env/bin/pip install numpy scipy pymetis mtkahypar
    pip download --no-deps --dest connectomes cect graspologic
    python tests/benchmarks/bench_connectomes.py --folder connectomes --peers peers-env/bin/python

reads what is in the folder and leaves out what is not: the wheels of `cect` and `graspologic`, as they are or unpacked,
and `unmatched_full_edgelist.csv` of the repository that `docs/connectomes.md` names. Nothing of them is copied. What is
done stands in `docs/tables/connectomes.json` and is not done again.

No rates are published with them: each neuron counts once a step. A core takes an even share of the neurons and 5 %.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_mapping import best_library, compare, compile_kernels, gain
from scipy import sparse
from tables import FOLDER, Table, markdown

from neuromod import Network
from neuromod.hardware import Grid, load_target
from neuromod.mapping import Effort, make_problem
from neuromod.mapping.limits import find_violations
from neuromod.mapping.placers import place as place_neurons

TABLE = Table(
    "connectomes", "python tests/benchmarks/bench_connectomes.py --folder FOLDER --peers PYTHON", ("numpy", "numba")
)
PICTURE = FOLDER.parent / "images" / "connectomes.png"
SLACK = 0.05


@dataclass(frozen=True)
class Chip:
    """Cores of a target, and what is counted there."""

    target: str
    cores: tuple[int, int]
    measure: str


# Up to a thousand neurons, and beyond. SpiNNaker's packets branch; its chip is a tile of 4x4 cores with one router.
SMALL = {
    "mesh 4x4": Chip("generic-mesh", (4, 4), "hops"),
    "Loihi 2, 4x8 of its cores": Chip("loihi2", (4, 8), "hops"),
    "SpiNNaker, 4 chips": Chip("spinnaker1", (8, 8), "multicast"),
}
LARGE = {
    "mesh 8x8": Chip("generic-mesh", (8, 8), "hops"),
    "Loihi 2, 8x16 cores": Chip("loihi2", (8, 16), "hops"),
    "SpiNNaker, 4 chips": Chip("spinnaker1", (8, 8), "multicast"),
}
METHODS = ("METIS volume", "Mt-KaHyPar km1", "Mt-KaHyPar km1 quality")
# On grids of up to 25 cores.
ON_GRIDS = ("Mt-KaHyPar map_onto_graph",)


def member(folder: Path, package: str, path: str) -> bytes | None:
    """Content of a file of a package, whose wheel, or what was in it, lies in a folder; None if it is not there."""
    if (folder / path).is_file():
        return (folder / path).read_bytes()
    for wheel in sorted(folder.glob(f"{package}-*.whl")):
        with zipfile.ZipFile(wheel) as held:
            return held.read(path)
    return None


def network_of(source: np.ndarray, target: np.ndarray, weight: np.ndarray, n: int) -> Network:
    """Network of weighted edges; a neuron's synapse onto itself stays."""
    w_rec = sparse.csr_array((weight.astype(np.float32), (target, source)), shape=(n, n))
    w_rec.sum_duplicates()
    return Network(
        w_rec=w_rec, w_in=np.zeros((n, 0)), w_out=np.zeros((0, n)), bias=np.zeros(n), bias_out=np.zeros(0),
        dt_s=0.1, tau_s=0.1,
    )  # fmt: skip


def worm(folder: Path) -> Network | None:
    """C. elegans, hermaphrodite: cells that send chemical synapses, and those between them (Cook et al. 2019)."""
    text = member(folder, "cect", "cect/cache/Cook2019HermReader.json")
    if text is None:
        return None
    content = json.loads(text)
    sections = np.array(content["connections"]["Generic_CS"])  # row sends, column receives
    neurons = np.flatnonzero(sections.any(axis=1))
    among = sections[np.ix_(neurons, neurons)]
    source, target = np.nonzero(among)
    return network_of(source, target, among[source, target], len(neurons))


def mushroom_body(folder: Path) -> Network | None:
    """Larva of the fruit fly: right mushroom body (Eichler et al. 2017)."""
    text = member(folder, "graspologic", "graspologic/datasets/drosophila/right_adjacency.csv")
    if text is None:
        return None
    synapses = np.loadtxt(io.StringIO(text.decode()))  # row sends, column receives
    source, target = np.nonzero(synapses)
    return network_of(source, target, synapses[source, target], len(synapses))


def larva(folder: Path) -> Network | None:
    """Larva of the fruit fly: its brain (Winding et al. 2023, as Pedigo et al. 2023 publish it)."""
    path = folder / "unmatched_full_edgelist.csv"
    if not path.is_file():
        return None
    with path.open(newline="") as file:
        rows = [(a, b, float(w)) for a, b, w in csv.reader(file)]
    names = {name: k for k, name in enumerate(dict.fromkeys(name for row in rows for name in row[:2]))}
    source, target = (np.array([names[row[k]] for row in rows]) for k in (0, 1))
    return network_of(source, target, np.array([row[2] for row in rows]), len(names))


NETWORKS: dict[str, Callable[[Path], Network | None]] = {
    "C. elegans": worm,
    "fly larva, brain": larva,
    "fly larva, right mushroom body": mushroom_body,
}


def chips_for(network: Network) -> dict[str, Chip]:
    """Targets that a network is mapped onto."""
    return SMALL if network.n <= 1_000 else LARGE


def capacity_for(network: Network, chip: Chip) -> int:
    """Neurons of a core: an even share and the slack."""
    return int(np.ceil((1 + SLACK) * network.n / np.prod(chip.cores)))


def measure(network: Network, chip: Chip, peers: Path) -> dict:
    """Place by all, and say what of the target's limits our placement exceeds."""
    target, rates = load_target(chip.target), np.ones(network.n)
    grid = Grid(*chip.cores, target.tile.rows, target.tile.columns)
    capacity = capacity_for(network, chip)
    methods = METHODS + (ON_GRIDS if grid.cores <= 25 else ())
    placed: dict[str, np.ndarray] = {}
    found = compare(
        network, rates, grid, capacity, 0, peers,
        methods=methods, objectives=(chip.measure, "packets"), placed=placed,
    )  # fmt: skip
    beyond = find_violations(network, placed[chip.measure], grid, target, capacity)
    return {
        **found, "neurons": network.n, "synapses": network.n_synapses, "capacity": capacity, "measure": chip.measure,
        "beyond_limits": [violation.text for violation in beyond],
    }  # fmt: skip


def lines() -> Iterator[list[str]]:
    """Rows of the table."""
    last, order = "", list(NETWORKS)
    rows = TABLE.read()["rows"]
    for key in sorted(rows, key=lambda key: order.index(key.partition(" on ")[0])):
        row, (name, _, chip) = rows[key], key.partition(" on ")
        for objective in (row["measure"], "packets"):
            which, best = best_library(row, objective)
            ours = row[f"ours, {objective}"]
            title = f"{name}: {row['neurons']:,} neurons, {row['synapses']:,} synapses"
            first = objective == row["measure"]
            yield [
                title if name != last and first else "", f"{chip}, {row['capacity']} a core" if first else "",
                "multicast hops" if objective == "multicast" else objective, f"{best[objective]:,.0f}", which,
                f"{best['cpu_seconds']:.1f}" if "cpu_seconds" in best else "", f"{ours[objective]:,.0f}",
                f"{ours['cpu_seconds']:.1f}", f"{gain(row, objective):.1%}",
            ]  # fmt: skip
            last = name


def table() -> str:
    """The table in Markdown."""
    header = ["network", "cores", "measure", "best library", "which", "its CPU s", "ours", "our CPU s", "fewer"]
    return markdown(header, list(lines()))


def write_table() -> bool:
    """Write the Markdown; return whether ours is never behind the best library."""
    TABLE.write(table())
    rows = TABLE.read()["rows"].values()
    return all(gain(row, objective) >= 0 for row in rows for objective in (row["measure"], "packets"))


def draw(networks: dict[str, Network]) -> None:
    """Draw the synapses of each network with neurons in the order of the file, and in that of their cores on 8x8.

    Placed with a fifth of the default effort, which is enough to see it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.1 * len(networks), 6.2), layout="constrained")
    grid = Grid(8, 8)
    for k, (name, network) in enumerate(networks.items()):
        capacity = int(np.ceil((1 + SLACK) * network.n / grid.cores))
        core_of = place_neurons(network, np.ones(network.n), grid, capacity, effort=Effort(0.2))
        problem = make_problem(network, np.ones(network.n), grid, capacity)
        source = np.repeat(np.arange(network.n), np.diff(problem.indptr[: network.n + 1]))
        target = problem.targets
        inside = float((core_of[source] == core_of[target]).mean())
        for row, (order, said) in enumerate(
            (
                (np.arange(network.n), "as published"),
                (np.argsort(core_of, kind="stable"), f"by core: {inside:.0%} stay inside"),
            )
        ):
            place = np.empty(network.n, int)
            place[order] = np.arange(network.n)
            axes = figure.add_subplot(2, len(networks), 1 + k + row * len(networks))
            bins = min(network.n, 200)
            counts, _, _ = np.histogram2d(place[source], place[target], bins=bins)
            axes.imshow(np.log1p(counts), cmap="Greys", interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(f"{name}\n{said}" if row == 0 else said, fontsize=8)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


def main() -> None:
    """Measure what is not there yet; end with 1 where a library has less."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="Where the wheels and the list of edges are.")
    parser.add_argument("--peers", type=Path, required=True, help="Python with the libraries.")
    parser.add_argument("--only", default="", help="Only the networks whose name holds this.")
    parser.add_argument("--draw", action="store_true", help="Draw the picture, too.")
    arguments = parser.parse_args()
    compile_kernels()
    known = {name: read(arguments.folder) for name, read in NETWORKS.items()}
    missing = [name for name, network in known.items() if network is None]
    if missing:
        print(f"not in {arguments.folder}: {', '.join(missing)}")
    networks = {name: network for name, network in known.items() if network is not None}
    for name, network in networks.items():
        for chip, about in chips_for(network).items():
            if arguments.only in f"{name} on {chip}":
                TABLE.row(f"{name} on {chip}", lambda: measure(network, about, arguments.peers.absolute()))  # noqa: B023
    if arguments.draw:
        draw(networks)
    raise SystemExit(0 if write_table() else 1)


if __name__ == "__main__":
    main()
