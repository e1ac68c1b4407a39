"""Graphs: GraphML and lists of edges, read by networkx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, build, check_count, from_triplets

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read(path: Path, choice: Choice) -> Imported:
    """Read a graph: an edge from a to b is a synapse from neuron a to neuron b.

    GraphML: the weight is the edge attribute ``weight`` (1 where it is missing); the node attributes ``x`` and ``y``
    are positions, ``rate`` is the activity in spikes per step. A list of edges has a source, a target and, if you
    like, a weight in each line, split by blanks, or by commas in ``.csv``; lines that begin with # are comments, and
    the first of the others may name the columns. Undirected edges go both ways. Nodes named by whole numbers keep
    them, others are numbered as they come.

    Raises
    ------
    UsageError
        If the file is broken or holds no graph.
    """
    import networkx as nx

    graphml = path.name.lower().endswith(".graphml")
    try:
        graph = nx.read_graphml(path) if graphml else _read_edges(nx, path)
    except UsageError:
        raise
    except Exception as error:
        # networkx and the XML parser raise whatever comes; nothing that they could raise is a fault of ours.
        raise UsageError(f"it is no readable graph ({error or type(error).__name__})") from error
    kind = "GraphML" if graphml else "edge list"
    ignored = _unused(graph) if graphml else ()
    n = check_count(graph.number_of_nodes())
    names = list(graph.nodes)
    numbers = _numbers(names)
    order = np.argsort(numbers, kind="stable") if numbers is not None else np.arange(n)
    place = {names[i]: at for at, i in enumerate(order)}
    source, target, weight = [], [], []
    unweighted = 0
    for a, b, value in graph.edges(data="weight"):
        source.append(place[a])
        target.append(place[b])
        unweighted += value is None
        weight.append(1.0 if value is None else _number(value, f"the weight of the edge from {a} to {b}"))
    ends = np.array(source, np.int64), np.array(target, np.int64)
    values = np.array(weight, np.float64)
    if not graph.is_directed():
        other = ends[0] != ends[1]
        ends = np.concatenate([ends[0], ends[1][other]]), np.concatenate([ends[1], ends[0][other]])
        values = np.concatenate([values, values[other]])
    parts: dict[str, Any] = {"w_rec": from_triplets(*ends, values, n)}
    nodes = [(names[i], graph.nodes[names[i]]) for i in order]
    if all("x" in node and "y" in node for _, node in nodes):
        parts["positions"] = [[_number(node[axis], f"{axis} of {name}") for axis in "xy"] for name, node in nodes]
    if all("rate" in node for _, node in nodes):
        parts["rates"] = [_number(node["rate"], f"rate of {name}") for name, node in nodes]
    if numbers is not None:
        parts["neuron_ids"] = np.array(numbers, np.int64)[order]
    network, notes = build(parts, kind)
    if not graph.is_directed():
        notes = ("its edges have no direction: each became two synapses", *notes)
    if numbers is None:
        notes = ("its nodes are not named by whole numbers: they are numbered as they come in the file", *notes)
    if unweighted:
        notes = (f"{unweighted:,} of its {len(weight):,} edges have no weight: 1 is taken", *notes)
    return Imported(network, kind, ignored, notes)


def _unused(graph: Any) -> tuple[str, ...]:
    """Attributes of nodes and edges that nothing here is made of."""
    of_nodes = {key for _, held in graph.nodes(data=True) for key in held} - {"x", "y", "rate"}
    of_edges = {key for _, _, held in graph.edges(data=True) for key in held} - {"weight", "id"}
    return tuple(sorted({f"node attribute {key}" for key in of_nodes} | {f"edge attribute {key}" for key in of_edges}))


def _read_edges(nx: Any, path: Path) -> Any:
    delimiter = _DELIMITERS.get(path.suffix.lower())
    graph = nx.DiGraph()
    begun = False
    # Spreadsheets put a byte order mark first.
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            text = line.split("#")[0].strip()
            if not text:
                continue
            cells = [cell.strip() for cell in text.split(delimiter)]
            if not begun and [cell.lower() for cell in cells[:2]] == ["source", "target"]:
                begun = True
                continue
            begun = True
            if len(cells) not in (2, 3) or not all(cells):
                raise UsageError(f"line {number} must be a source, a target and maybe a weight; found {text[:60]!r}")
            if len(cells) == 2 and not graph.has_edge(*cells):
                graph.add_edge(*cells)
                continue
            weight = _number(cells[2], f"the weight in line {number}") if len(cells) == 3 else 1.0
            if graph.has_edge(cells[0], cells[1]):
                weight += graph.edges[cells[0], cells[1]].get("weight", 1.0)
            graph.add_edge(cells[0], cells[1], weight=weight)
    return graph


def _numbers(names: list[Any]) -> list[int] | None:
    """Numbers of the nodes if they are named by different whole numbers."""
    # Python would take the underscore of 3_12, a place in a grid, for a mark between digits.
    if not all(str(name).isascii() and str(name).isdigit() for name in names):
        return None
    numbers = [int(str(name)) for name in names]
    fits = all(number < 2**63 for number in numbers)
    return numbers if fits and len(set(numbers)) == len(numbers) else None


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        hint = "; a heading begins with source and target" if what.startswith("the weight in line") else ""
        raise UsageError(f"{what} must be a number, found {value!r}{hint}") from error
