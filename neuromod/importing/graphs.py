"""Graphs with names and attributes as networks, and GraphML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, build, check_count
from neuromod.importing.synapses import Array, Edges, Synapse, join

# Node attributes that are taken, if all nodes have them.
_PLACES, _RATE = ("x", "y"), "rate"


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph as its file has it.

    Parameters
    ----------
    names : list of str
        Names of the nodes, in the order of the file.
    numbers : list of int, optional
        Different whole numbers that the names stand for.
    source, target : (m,) int
        Ends of the edges, places in `names`.
    weight : (m,) float
        Their weights, 1 where the file has none.
    undirected : (m,) bool
        Which go both ways.
    unweighted : int
        How many have no weight in the file.
    nodes : list of mapping
        Attributes of the nodes; none if empty.
    """

    names: list[str]
    numbers: list[int] | None
    source: Array
    target: Array
    weight: Array
    undirected: Array
    unweighted: int
    nodes: list[Mapping[str, Any]] = field(default_factory=list)


def make_network(
    graph: Graph, choice: Choice, kind: str, ignored: tuple[str, ...], notes: tuple[str, ...], direction: str
) -> Imported:
    """Make a network of a graph, its neurons in the order of their numbers, or of the file if they have names.

    Parameters
    ----------
    graph : Graph
        The graph.
    choice : Choice
        What the user says.
    kind : str
        What the file is.
    ignored, notes : tuple of str
        What of the file is not used, and what was found out so far.
    direction : str
        Which way its edges were taken.

    Raises
    ------
    UsageError
        If there are no nodes, or weights or attributes that no network can have.
    """
    n = check_count(len(graph.names))
    numbers = np.array(graph.numbers, np.int64) if graph.numbers is not None else np.arange(n)
    order = np.argsort(numbers, kind="stable")
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    ends = [place[graph.source], place[graph.target]]
    if choice.transpose:
        ends.reverse()
        direction += ", turned round"
    names = [graph.names[i] for i in order]
    joined = join(Edges(ends[0], ends[1], graph.weight, graph.undirected), n, choice.duplicates, names)
    parts: dict[str, Any] = {"w_rec": joined.w_rec}
    said = [*notes]
    if graph.unweighted:
        said.append(f"{graph.unweighted:,} of its {len(graph.weight):,} edges have no weight: 1 is taken")
    if graph.numbers is None:
        said.append("its nodes are not named by whole numbers: they are numbered as they come in the file")
    else:
        parts["neuron_ids"] = numbers[order]
    both = int(graph.undirected.sum())
    if both:
        every = both == len(graph.undirected)
        whose = "its edges have" if every else f"{both:,} of its {len(graph.undirected):,} edges have"
        said.append(f"{whose} no direction: each became two synapses")
        direction = "both ways" if every else f"{direction}; {both:,} edges both ways"
    attributes, more, unused = _attributes([graph.nodes[i] for i in order] if graph.nodes else [], names)
    network, built = build({**parts, **attributes}, kind, choice)
    first = None
    if joined.first is not None:
        source, target, weight = joined.first
        called = (None, None) if graph.numbers is not None else (names[source], names[target])
        first = Synapse(int(network.neuron_ids[source]), int(network.neuron_ids[target]), weight, *called)
    return Imported(
        network, kind, tuple(sorted({*ignored, *unused})), (*said, *joined.notes, *more, *built),
        direction=direction, first=first, repeated=joined.repeated,
    )  # fmt: skip


def _attributes(nodes: list[Mapping[str, Any]], names: list[str]) -> tuple[dict[str, Any], list[str], set[str]]:
    """Positions and rates of the nodes; what is said of them; and what of the nodes is not used."""
    parts: dict[str, Any] = {}
    notes: list[str] = []
    unused = {key for held in nodes for key in held} - {*_PLACES, _RATE}
    for part, keys in (("positions", _PLACES), ("rates", (_RATE,))):
        if not any(key in held for held in nodes for key in keys):
            continue
        lacking = [name for name, held in zip(names, nodes, strict=True) if not all(key in held for key in keys)]
        if lacking:
            shown = ", ".join(lacking[:3]) + (f" and {len(lacking) - 3:,} more" if len(lacking) > 3 else "")
            notes.append(f"not all nodes have {' and '.join(keys)}, so no {part} are taken: node {shown} has none")
            unused |= {key for held in nodes for key in keys if key in held}
            continue
        values = [
            [number(held[key], f"{key} of {name}") for key in keys] for name, held in zip(names, nodes, strict=True)
        ]
        parts[part] = values if part == "positions" else [value for (value,) in values]
    return parts, notes, {f"node attribute {key}" for key in unused}


def number(value: Any, what: str) -> float:
    """Return a number out of a text.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        if "_" in str(value):
            raise ValueError
        return float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} must be a number, found {str(value)[:60]!r}") from error


def whole_numbers(names: list[str]) -> list[int] | None:
    """Numbers of nodes if they are named by different whole numbers below 2**63."""
    # Python would take the underscore of 3_12, a place in a grid, for a mark between digits.
    if not all(name.isascii() and name.isdigit() for name in names):
        return None
    numbers = [int(name) for name in names]
    fits = all(one < 2**63 for one in numbers)
    return numbers if fits and len(set(numbers)) == len(numbers) else None


def read(path: Path, choice: Choice) -> Imported:
    """Read GraphML: an edge from a to b is a synapse from neuron a to neuron b.

    The weight is the edge attribute ``weight``, or the one that the user names, or its default, or 1; the node
    attributes ``x`` and ``y`` are positions, ``rate`` is the activity in spikes per step. Undirected edges go both
    ways. Nodes named by whole numbers keep them, others are numbered as they come.

    Raises
    ------
    UsageError
        If the file is broken or holds no graph, several or nested ones, or edges of more than two nodes.
    """
    columns = dict(choice.columns or {})
    if set(columns) - {"weight"}:
        raise UsageError(
            "its edges name their source and target; `columns={'weight': 'NAME'}` names the attribute of the weight"
        )
    weighed = columns.get("weight", "weight")
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise UsageError(f"it is no readable graph ({error})") from error
    graphs = list(_inside(root, "graph"))
    if _tag(root) != "graphml" or not graphs:
        raise UsageError("it is no readable graph (GraphML holds a graph in graphml)")
    if len(graphs) > 1:
        called = ", ".join(graph.get("id", f"number {k}") for k, graph in enumerate(graphs, 1))
        raise UsageError(f"it holds {len(graphs)} graphs ({called}); leave one")
    (graph,) = graphs
    for element in graph.iter():
        if element is not graph and _tag(element) == "graph":
            raise UsageError(f"it holds a graph in a graph ({element.get('id', 'without id')}); write it flat")
        if _tag(element) == "hyperedge":
            raise UsageError("it holds a hyperedge, of any number of nodes; a synapse has two ends")
    keys = {domain: _keys(root, domain) for domain in ("node", "edge")}
    others: set[str] = set()
    nodes: dict[str, dict[str, str]] = {}
    for element in _inside(graph, "node"):
        name = element.get("id")
        if name is None or name in nodes:
            raise UsageError(f"it has {'a node without id' if name is None else f'two nodes {name}'}")
        nodes[name] = _data(element, *keys["node"], f"node {name}")
        others |= {"ports of nodes"} if next(_inside(element, "port"), None) is not None else set()
    at = {name: k for k, name in enumerate(nodes)}
    ends, weights, undirected = [], [], []
    for element in _inside(graph, "edge"):
        pair = element.get("source", ""), element.get("target", "")
        what = f"the edge from {pair[0]} to {pair[1]}"
        missing = [name for name in pair if name not in at]
        if missing:
            raise UsageError(f"{what} needs a node {missing[0]!r}, which it does not have")
        held = _data(element, *keys["edge"], what)
        ends.append([at[name] for name in pair])
        weights.append(number(held[weighed], f"the weight of {what}") if weighed in held else None)
        undirected.append(not _directed(element, graph, what))
        others |= {f"edge attribute {key}" for key in held if key not in (weighed, "id")}
        others |= {"ports of edges"} if {"sourceport", "targetport"} & set(element.keys()) else set()
    if "weight" in columns and not any(weight is not None for weight in weights):
        raise UsageError(f"none of its edges has the attribute {weighed}, which `columns` names")
    about = {
        f"data of the {what}"
        for what, element in (("graph", graph), ("file", root))
        if next(_inside(element, "data"), None) is not None
    }
    source, target = np.array(ends, np.int64).reshape(-1, 2).T
    made = Graph(
        names=list(nodes), numbers=whole_numbers(list(nodes)), source=source, target=target,
        weight=np.array([1.0 if weight is None else weight for weight in weights], np.float64),
        undirected=np.array(undirected, bool), unweighted=sum(weight is None for weight in weights),
        nodes=list(nodes.values()),
    )  # fmt: skip
    return make_network(made, choice, "GraphML", tuple(others | about), (), "edge source → edge target")


def _tag(element: Element) -> str:
    """Name of an element without its namespace; nothing for comments."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _inside(element: Element, tag: str) -> Iterator[Element]:
    return (child for child in element if _tag(child) == tag)


def _keys(root: Element, domain: str) -> tuple[dict[str, str], dict[str, str]]:
    """Attributes of nodes or edges: name by key, and what an element has that does not say it."""
    names, defaults = {}, {}
    for key in _inside(root, "key"):
        if key.get("for", "all") in (domain, "all") and "id" in key.attrib:
            name = names[key.attrib["id"]] = key.get("attr.name") or key.attrib["id"]
            for default in _inside(key, "default"):
                if default.text and default.text.strip():
                    defaults[name] = default.text.strip()
    return names, defaults


def _data(element: Element, names: Mapping[str, str], defaults: Mapping[str, str], what: str) -> dict[str, str]:
    held: dict[str, str] = {}
    for data in _inside(element, "data"):
        key = data.get("key", "")
        if key not in names:
            raise UsageError(f"{what} has data of the key {key!r}, which the file does not declare for it")
        if names[key] in held:
            raise UsageError(f"{what} has {names[key]} twice")
        held[names[key]] = (data.text or "").strip()
    return {**defaults, **held}


def _directed(edge: Element, graph: Element, what: str) -> bool:
    said = edge.get("directed")
    if said is not None:
        if said.strip().lower() not in ("true", "false", "1", "0"):
            raise UsageError(f"directed of {what} must be true or false, found {said!r}")
        return said.strip().lower() in ("true", "1")
    default = graph.get("edgedefault")
    if default not in ("directed", "undirected"):
        raise UsageError(f"{what} has no direction: edgedefault must be directed or undirected, found {default!r}")
    return default == "directed"
