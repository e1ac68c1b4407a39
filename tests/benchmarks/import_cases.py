"""Files of known networks, each changed in a known way: what every reader of `neuromod import` is held to.

A case is a function of hypothesis' ``draw`` and of a folder. It writes one file and returns a `Made`: the file, what
the user says, and either the network that NumPy and SciPy make of the same numbers, or the words of the refusal that is
due. A reader's cases stand in one dictionary, transformation -> case; `READERS` holds them all, and a reader that is to
be judged by its own runtime adds its own dictionary there.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import strategies as st
from scipy import io as scipy_io
from scipy import sparse

from neuromod import importing
from neuromod.errors import UsageError
from neuromod.importing import Choice

Draw = Callable[[st.SearchStrategy], Any]


@dataclass(frozen=True)
class Made:
    """A file and what is right.

    Parameters
    ----------
    path : Path
        The file.
    w : array, optional
        Recurrent weights, row = target, column = source; None if the file is to be refused.
    ids : list of int, optional
        Numbers of the neurons, rising; 0 … n-1 if omitted.
    said : tuple of str
        What notes must hold; or the refusal, if there is no `w`.
    choice : Choice
        What the user says.
    more : mapping
        Other attributes of the network: name -> value.
    """

    path: Path
    w: Any = None
    ids: list[int] | None = None
    said: tuple[str, ...] = ()
    choice: Choice = field(default_factory=Choice)
    more: dict[str, Any] = field(default_factory=dict)


def judge(made: Made) -> str:
    """Return ``equal`` or ``refused``; anything else says what is wrong."""
    try:
        found = importing.read(made.path, made.choice)
    except UsageError as error:
        if made.w is None and all(part in str(error) for part in made.said):
            return "refused"
        return f"refused, but not so: {error}"
    if made.w is None:
        return "read, but to be refused"
    network = found.network
    w = np.asarray(made.w, np.float32)
    ids = list(range(len(w))) if made.ids is None else made.ids
    if network.neuron_ids.tolist() != ids:
        return f"neurons {network.neuron_ids.tolist()}, not {ids}"
    if not np.array_equal(network.w_rec.toarray(), w):
        return f"weights {network.w_rec.toarray().tolist()}, not {w.tolist()}"
    for name, value in made.more.items():
        if not np.allclose(np.asarray(getattr(network, name), float), value, rtol=1e-6):
            return f"{name} is {getattr(network, name)}, not {value}"
    missing = [part for part in made.said if not any(part in note for note in (*found.notes, *found.ignored))]
    if missing:
        return f"not told: {missing[0]}"
    linked = (w != 0).any(axis=0) | (w != 0).any(axis=1)
    if (found.self_connections, found.isolated) != (np.count_nonzero(np.diag(w)), np.count_nonzero(~linked)):
        return "self-connections or isolated neurons are miscounted"
    if found.first is None:
        return "no first synapse" if w.any() else "equal"
    first = w[ids.index(found.first.target), ids.index(found.first.source)]
    return "equal" if first == np.float32(found.first.weight) != 0 else f"first: {found.first}"


# ---- Edges -----------------------------------------------------------------------------------------------------------

WEIGHTS = st.integers(-40, 40).filter(bool).map(lambda k: k / 8)
HEADINGS = (
    ("source", "target", "weight"), ("from", "to", "w"), ("Pre", "Post", "Weight"), ("quelle", "ziel", "gewicht"),
    ("origen", "destino", "peso"), ("x1", "x2", "weight"), ("node_a", "node_b", "weights"),
    ("presynaptic neuron", "postsynaptic neuron", "synapses"), ("源", "目标", "权重"), ("источник", "цель", "вес"),
)  # fmt: skip


@dataclass(frozen=True)
class Edges:
    """Edges as pairs of ids with a weight; no pair twice, and each id in one of them."""

    rows: list[tuple[int, int, float]]

    @property
    def ids(self) -> list[int]:
        return sorted({end for a, b, _ in self.rows for end in (a, b)})

    def dense(
        self, rows: list[tuple[int, int, float]] | None = None, join: Callable[[list[float]], float] = sum
    ) -> Any:
        """Weights, row = target, with the weights of a pair joined."""
        at = {one: k for k, one in enumerate(self.ids)}
        pairs: dict[tuple[int, int], list[float]] = {}
        for a, b, weight in self.rows if rows is None else rows:
            pairs.setdefault((at[b], at[a]), []).append(weight)
        w = np.zeros((len(at), len(at)))
        for place, weights in pairs.items():
            w[place] = join(weights)
        return w


def edges(draw: Draw, *, least: int = 2, loops: bool = True) -> Edges:
    """Draw a few edges."""
    ids = draw(st.lists(st.integers(0, 999), min_size=2, max_size=6, unique=True))
    pairs = st.tuples(st.sampled_from(ids), st.sampled_from(ids)).filter(lambda p: loops or p[0] != p[1])
    chosen = draw(st.lists(pairs, min_size=least, max_size=9, unique=True))
    found = Edges([(a, b, draw(WEIGHTS)) for a, b in chosen])
    # A first line of node and edge numbers is refused, and rightly.
    a, b, _ = found.rows[0]
    others = {end for one, two, _ in found.rows[1:] for end in (one, two)}
    if b == len(found.rows) - 1 and a in (len(others), max(others), max(others) + 1):
        return edges(draw, least=least, loops=loops)
    return found


def table(path: Path, rows: list[Any], delimiter: str = ",", *, end: str = "\n", encoding: str = "utf-8") -> Path:
    """Write rows as a text file."""
    text = "".join(delimiter.join(map(str, row)) + end for row in rows)
    path.write_bytes(text.encode(encoding))
    return path


def by_delimiter(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    mark, name = draw(st.sampled_from([("\t", "tabs"), (",", "commas"), (", ", "commas"), (";", "semicolons"),
                                       (" ", "blanks"), ("   ", "blanks"), ("|", "'|'")]))  # fmt: skip
    ending = draw(st.sampled_from([".csv", ".tsv", ".txt", ".edges", ".edgelist"]))
    path = table(folder / f"a{ending}", e.rows, mark, end=draw(st.sampled_from(["\n", "\r\n", "\r"])),
                 encoding=draw(st.sampled_from(["utf-8", "utf-8-sig"])))  # fmt: skip
    return Made(path, e.dense(), e.ids, (f"split at {name}", "no heading"))


def heading(draw: Draw, folder: Path) -> Made:
    e, names = edges(draw), draw(st.sampled_from(HEADINGS))
    order = draw(st.permutations([0, 1, 2])) if names[0][-1] not in "1a" else [0, 1, 2]
    mark = draw(st.sampled_from([",", "\t", ";"]))
    rows = [[cells[k] for k in order] for cells in [names, *e.rows]]
    return Made(table(folder / "a.csv", rows, mark), e.dense(), e.ids, ("line 1 is a heading", names[2]))


def two_columns(draw: Draw, folder: Path) -> Made:
    e, names = edges(draw), draw(st.sampled_from(HEADINGS))
    path = table(folder / "a.csv", [names[:2], *[row[:2] for row in e.rows]])
    return Made(path, e.dense([(a, b, 1.0) for a, b, _ in e.rows]), e.ids, ("have no weight: 1 is taken",))


def quoted(draw: Draw, folder: Path) -> Made:
    """As R's write.csv writes a data frame, with the names of its rows, or without."""
    e, names = edges(draw), draw(st.booleans())
    rows = [[""] * names + ["from", "to", "weight"]]
    rows += [[str(k)] * names + [str(a), str(b), w] for k, (a, b, w) in enumerate(e.rows, 1)]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    (folder / "a.csv").write_text(text.getvalue())
    return Made(folder / "a.csv", e.dense(), e.ids, ("without the quotes",))


def row_names(draw: Draw, folder: Path) -> Made:
    """As R's write.table writes a data frame: the heading has a name less."""
    e = edges(draw)
    rows: list[Any] = [['"from"', '"to"', '"weight"'], *[[f'"{k}"', *row] for k, row in enumerate(e.rows, 1)]]
    return Made(table(folder / "a.txt", rows, " "), e.dense(), e.ids, ("begin with the name of the line",))


def comments(draw: Draw, folder: Path) -> Made:
    e, mark = edges(draw), draw(st.sampled_from("#%"))
    text = "".join(f"{a} {b} {w}\n" for a, b, w in e.rows)
    (folder / "a.edges").write_text(f"{mark} 3 3\n{mark} made by hand\n{text}{mark} 1 2 5\n")
    return Made(folder / "a.edges", e.dense(), e.ids, (f"3 lines that begin with {mark} are comments",))


def own_comments(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    table(folder / "a.edges", [["// 1 2 3"], *e.rows], " ")
    return Made(folder / "a.edges", e.dense(), e.ids, ("comment",), Choice(comments="//"))


def decimal_commas(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    rows = [(a, b, f"{w:.2f}".replace(".", ",")) for a, b, w in [(a, b, round(w * 4) / 4) for a, b, w in e.rows]]
    path = table(folder / "a.csv", rows, draw(st.sampled_from([";", "\t", " "])))
    return Made(path, e.dense([(a, b, round(w * 4) / 4) for a, b, w in e.rows]), e.ids, ("decimal commas",))


def decimal_ids(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    np.savetxt(folder / "a.txt", np.array(e.rows, float))
    return Made(folder / "a.txt", e.dense(), e.ids, ("neurons are written as",))


def leading_zeros(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    path = table(folder / "a.csv", [(f"{a:05d}", f"{b:05d}", w) for a, b, w in e.rows])
    return Made(path, e.dense(), e.ids, ("neurons are written as 0",))


def named(draw: Draw, folder: Path) -> Made:
    """Names with separators, hashes and blanks in them, in quotes."""
    e = edges(draw)
    mark = draw(st.sampled_from([",", ";", "\t"]))
    called = {one: f"n{mark}{one} #{one % 7}" for one in e.ids}
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows((called[a], called[b], w) for a, b, w in e.rows)
    (folder / "a.csv").write_text(text.getvalue())
    order = list(dict.fromkeys(end for a, b, _ in e.rows for end in (a, b)))
    at = [e.ids.index(one) for one in order]
    return Made(folder / "a.csv", e.dense()[np.ix_(at, at)], None, ("numbered as they come",))


def turned(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    return Made(table(folder / "a.csv", e.rows), e.dense().T, e.ids, ("turned round",), Choice(transpose=True))


def chosen(draw: Draw, folder: Path) -> Made:
    """A heading that nobody knows, and the user who does."""
    e, order = edges(draw), draw(st.permutations([0, 1, 2]))
    words = ["alpha one", "beta", "gamma"]
    by_number = draw(st.booleans())
    rows = [[cells[k] for k in order] for cells in [words, *e.rows]]
    value = [str(order.index(k) + 1) if by_number else words[k] for k in range(3)]
    choice = Choice(columns=dict(zip(("source", "target", "weight"), value, strict=True)))
    return Made(table(folder / "a.csv", rows), e.dense(), e.ids, ("heading",), choice)


def extra_column(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    rows = [("source", "target", "weight", "type", "delay"), *[(*row, "S", 3) for row in e.rows]]
    return Made(table(folder / "a.csv", rows), e.dense(), e.ids, ("column type", "column delay"))


def duplicated(draw: Draw, folder: Path) -> Made:
    e, how = edges(draw), draw(st.sampled_from([None, "sum", "first", "max", "refuse"]))
    again = [(a, b, draw(st.sampled_from([w, -w, 1.5]))) for a, b, w in e.rows[: draw(st.integers(1, len(e.rows)))]]
    rows = [*e.rows, *again]
    path = table(folder / "a.csv", rows)
    if how == "refuse":
        return Made(path, None, None, ("given more than once", '`duplicates="refuse"`'), Choice(duplicates=how))
    join = {None: sum, "sum": sum, "first": lambda w: w[0], "max": max}[how]
    zeros = sum(w + v == 0 for (_, _, w), (_, _, v) in zip(e.rows, again, strict=False))
    said = [f"{len(again)} {'edge is' if len(again) == 1 else 'edges are'} given more than once"]
    said += [f"{zeros} of the sums"] if zeros and how in (None, "sum") else []
    return Made(path, e.dense(rows, join), e.ids, tuple(said), Choice(duplicates=how))


def konect(draw: Draw, folder: Path) -> Made:
    e, kind = edges(draw, loops=False), draw(st.sampled_from(["sym", "asym"]))
    rows = [row for k, row in enumerate(e.rows) if (row[1], row[0]) not in {r[:2] for r in e.rows[:k]}]
    e = Edges(rows)
    timed = draw(st.booleans())
    lines = [f"{a}\t{b}\t{w}" + (f"\t{1247658439 + k}" if timed else "") for k, (a, b, w) in enumerate(rows)]
    (folder / "out.mine").write_text(f"% {kind} weighted\n% {len(rows)} {len(e.ids)} {len(e.ids)}\n" + "\n".join(lines))
    both = rows if kind == "asym" else [*rows, *[(b, a, w) for a, b, w in rows]]
    said = ("column 4",) if timed else ("comments",)
    return Made(folder / "out.mine", e.dense(both), e.ids, said + (("no direction",) if kind == "sym" else ()))


def both_ways(draw: Draw, folder: Path) -> Made:
    """An undirected list that has each edge in both directions: taken once."""
    e = edges(draw, loops=False)
    rows = [row for k, row in enumerate(e.rows) if (row[1], row[0]) not in {r[:2] for r in e.rows[:k]}]
    both = [*rows, *[(b, a, w) for a, b, w in rows]]
    (folder / "a.txt").write_text("# Undirected graph: mine\n" + "".join(f"{a}\t{b}\t{w}\n" for a, b, w in both))
    return Made(folder / "a.txt", Edges(rows).dense(both), Edges(rows).ids, ("listed both ways",))


def gephi(draw: Draw, folder: Path) -> Made:
    e = edges(draw, loops=False)
    rows = [row for k, row in enumerate(e.rows) if (row[1], row[0]) not in {r[:2] for r in e.rows[:k]}]
    kinds = [draw(st.sampled_from(["Directed", "Undirected"])) for _ in rows]
    lines = [(a, b, kind, k, w) for k, ((a, b, w), kind) in enumerate(zip(rows, kinds, strict=True))]
    both = [*rows, *[(b, a, w) for (a, b, w), kind in zip(rows, kinds, strict=True) if kind == "Undirected"]]
    path = table(folder / "a.csv", [("Source", "Target", "Type", "Id", "Weight"), *lines])
    return Made(path, Edges(rows).dense(both), Edges(rows).ids, ("column Id",))


def unknown_heading(draw: Draw, folder: Path) -> Made:
    words = draw(
        st.sampled_from([("alpha", "beta", "gamma"), ("i", "j", "w"), ("row", "col", "weight"), ("tail", "head", "x")])
    )
    return Made(table(folder / "a.csv", [words, *edges(draw).rows]), None, None, ("line 1", words[0], "`columns="))


def no_weight(draw: Draw, folder: Path) -> Made:
    word = draw(st.sampled_from(["distance", "timestamp", "delay", "count", "id", "layer"]))
    return Made(
        table(folder / "a.csv", [("source", "target", word), *edges(draw).rows]), None, None, (word, "`columns=")
    )


def times(draw: Draw, folder: Path) -> Made:
    rows = [(a, b, 1_200_000_000 + draw(st.integers(0, 10**8))) for a, b, _ in edges(draw).rows]
    return Made(table(folder / "a.txt", rows, " "), None, None, ("looks like times", "`columns="))


def unlike(draw: Draw, folder: Path) -> Made:
    """One line among numbers that is none."""
    rows: list[Any] = list(edges(draw, least=3).rows)
    word = draw(st.sampled_from(["total", "n/a", "3x", "<eof>"]))
    rows.insert(draw(st.integers(1, len(rows))), (word, rows[0][1], 1))
    return Made(table(folder / "a.csv", rows), None, None, (word,))


def bad_ids(draw: Draw, folder: Path) -> Made:
    rows: list[Any] = list(edges(draw).rows)
    bad = draw(st.sampled_from(["-1", "0.5", "1e300"]))
    rows.insert(draw(st.integers(0, len(rows))), (bad, rows[0][1], 1))
    return Made(table(folder / "a.csv", rows), None, None, (bad,))


EDGE_LIST = {
    "split otherwise": by_delimiter, "renamed": heading, "two columns": two_columns, "quoted": quoted,
    "row names": row_names, "comments": comments, "comments of its own": own_comments,
    "decimal commas": decimal_commas, "decimal ids": decimal_ids, "leading zeros": leading_zeros, "named": named,
    "transposed": turned, "columns chosen": chosen, "more columns": extra_column, "duplicated": duplicated,
    "KONECT": konect, "both ways": both_ways, "Gephi": gephi, "heading unknown": unknown_heading,
    "no weight": no_weight, "times": times, "a line unlike": unlike, "ids that are none": bad_ids,
}  # fmt: skip


# ---- GraphML ---------------------------------------------------------------------------------------------------------


def _graph(e: Edges, kind: Any = nx.DiGraph, weight: str = "weight") -> Any:
    graph = kind()
    graph.add_nodes_from(e.ids)
    for a, b, w in e.rows:
        graph.add_edge(a, b, **{weight: w})
    return graph


def graphml(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    graph = _graph(e)
    for k, one in enumerate(e.ids):
        graph.nodes[one].update(x=float(k), y=k / 2, rate=k / 8)
    nx.write_graphml(graph, folder / "a.graphml")
    k = np.arange(len(e.ids))
    return Made(folder / "a.graphml", e.dense(), e.ids, ("edge source → edge target",), more={
        "positions": np.stack([k, k / 2], 1), "rates": k / 8})  # fmt: skip


def graphml_undirected(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    graph = nx.Graph()
    graph.add_weighted_edges_from(e.rows)
    nx.write_graphml(graph, folder / "a.graphml")
    w = nx.to_numpy_array(graph, nodelist=e.ids)
    return Made(folder / "a.graphml", w, e.ids, ("have no direction",))


def graphml_duplicated(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    rows = [*e.rows, (*e.rows[0][:2], draw(WEIGHTS))]
    nx.write_graphml(_graph(Edges(rows), nx.MultiDiGraph), folder / "a.graphml")
    return Made(folder / "a.graphml", e.dense(rows), e.ids, ("1 edge is given more than once",))


def graphml_turned(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    nx.write_graphml(_graph(e), folder / "a.graphml")
    return Made(folder / "a.graphml", e.dense().T, e.ids, ("turned round",), Choice(transpose=True))


def graphml_renamed(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    nx.write_graphml(_graph(e, weight="strength"), folder / "a.graphml")
    return Made(folder / "a.graphml", e.dense(), e.ids, (), Choice(columns={"weight": "strength"}))


def graphml_not_named(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    nx.write_graphml(_graph(e, weight="Weight"), folder / "a.graphml")
    ones = e.dense([(a, b, 1.0) for a, b, _ in e.rows])
    return Made(folder / "a.graphml", ones, e.ids, ("edge attribute Weight", "have no weight: 1 is taken"))


def _xml(e: Edges, body: str, *, default: str = "directed", key: str = "", more: str = "") -> str:
    nodes = "".join(f'<node id="{one}"/>' for one in e.ids)
    return (
        '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        f'<key id="w" for="edge" attr.name="weight" attr.type="double">{key}</key>'
        f'<graph id="one" edgedefault="{default}">{nodes}{body}</graph>{more}</graphml>'
    )


def _edge(a: int, b: int, w: float | None, more: str = "") -> str:
    return (
        f'<edge source="{a}" target="{b}"{more}>' + (f'<data key="w">{w}</data>' if w is not None else "") + "</edge>"
    )


def graphml_default(draw: Draw, folder: Path) -> Made:
    e, default = edges(draw), draw(WEIGHTS)
    has = [draw(st.booleans()) for _ in e.rows]
    body = "".join(_edge(a, b, w if mine else None) for (a, b, w), mine in zip(e.rows, has, strict=True))
    (folder / "a.graphml").write_text(_xml(e, body, key=f"<default>{default}</default>"))
    rows = [(a, b, w if mine else default) for (a, b, w), mine in zip(e.rows, has, strict=True)]
    return Made(folder / "a.graphml", e.dense(rows), e.ids)


def graphml_mixed(draw: Draw, folder: Path) -> Made:
    """Edges that say themselves whether they have a direction, with ports."""
    e = edges(draw, loops=False)
    rows = [row for k, row in enumerate(e.rows) if (row[1], row[0]) not in {r[:2] for r in e.rows[:k]}]
    e, default = Edges(rows), draw(st.sampled_from(["directed", "undirected"]))
    said = [draw(st.sampled_from([None, True, False])) for _ in rows]
    marks = ["" if one is None else f' directed="{str(one).lower()}" sourceport="p"' for one in said]
    body = "".join(_edge(a, b, w, mark) for (a, b, w), mark in zip(rows, marks, strict=True))
    (folder / "a.graphml").write_text(_xml(e, body, default=default))
    back = [
        (b, a, w)
        for (a, b, w), one in zip(rows, said, strict=True)
        if not (default == "directed" if one is None else one)
    ]
    ports = ("ports of edges",) if any(one is not None for one in said) else ()
    return Made(folder / "a.graphml", e.dense([*rows, *back]), e.ids, ports)


def graphml_partly(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    graph, without = _graph(e), draw(st.sampled_from(e.ids))
    for one in e.ids:
        graph.nodes[one].update({"x": 1.0, "y": 2.0} if one != without else {"colour": "red"})
    nx.write_graphml(graph, folder / "a.graphml")
    said = (f"node {without} has none",) if len(e.ids) > 1 else ()
    return Made(folder / "a.graphml", e.dense(), e.ids, (*said, "node attribute colour"))


def graphml_parts(draw: Draw, folder: Path) -> Made:
    e = edges(draw)
    body = "".join(_edge(*row) for row in e.rows)
    inner = '<graph id="two" edgedefault="directed"><node id="z"/></graph>'
    kinds = {
        "one, two": _xml(e, body, more=inner),
        "graph in a graph (two)": _xml(e, body + f'<node id="n">{inner}</node>'),
        "hyperedge": _xml(e, body + "<hyperedge/>"),
        "which it does not have": _xml(e, body + _edge(-7, e.ids[0], 1.0)),
        "edgedefault": _xml(e, body, default=""),
        "does not declare": _xml(e, body + _edge(*e.rows[0]).replace('key="w"', 'key="v"')),
    }
    said = draw(st.sampled_from(sorted(kinds)))
    (folder / "a.graphml").write_text(kinds[said])
    return Made(folder / "a.graphml", None, None, (said,))


GRAPHML = {
    "as networkx writes it": graphml, "undirected": graphml_undirected, "duplicated": graphml_duplicated,
    "transposed": graphml_turned, "renamed": graphml_renamed, "weight not named": graphml_not_named,
    "defaults": graphml_default, "mixed": graphml_mixed, "attributes of some": graphml_partly,
    "parts that cannot be": graphml_parts,
}  # fmt: skip


# ---- Matrices --------------------------------------------------------------------------------------------------------


def matrix(draw: Draw) -> Any:
    """Draw a small matrix of eighths."""
    n = draw(st.integers(1, 6))
    cells = st.integers(-16, 16).map(lambda k: 0.0 if k % 3 == 0 else k / 8)
    return np.array(draw(st.lists(st.lists(cells, min_size=n, max_size=n), min_size=n, max_size=n)))


ROWS = "row = target, column = source"


def mtx(draw: Draw, folder: Path) -> Made:
    w, form = matrix(draw), draw(st.sampled_from([sparse.coo_array, np.asarray]))
    text = io.BytesIO()
    scipy_io.mmwrite(text, form(w), symmetry="general")
    if draw(st.booleans()):
        (folder / "a.mtx.gz").write_bytes(gzip.compress(text.getvalue()))
        return Made(folder / "a.mtx.gz", w, None, (ROWS,))
    (folder / "a.mtx").write_bytes(text.getvalue())
    return Made(folder / "a.mtx", w, None, (ROWS, "numbered from 1"))


def mtx_field(draw: Draw, folder: Path) -> Made:
    w, field = np.round(matrix(draw)), draw(st.sampled_from(["integer", "pattern", "real"]))
    # SciPy writes no pattern without entries.
    w[0, 0] = 1
    scipy_io.mmwrite(folder / "a.mtx", sparse.coo_array(w), field=field, symmetry="general", comment=" a comment\n")
    return Made(
        folder / "a.mtx", (w != 0) if field == "pattern" else w, None, ("weight 1",) if field == "pattern" else ()
    )


def mtx_symmetry(draw: Draw, folder: Path) -> Made:
    w, sign = matrix(draw), draw(st.sampled_from([1, -1]))
    w = np.tril(w, -1) + sign * np.tril(w, -1).T + (np.diag(np.diag(w)) if sign > 0 else 0)
    name = "symmetric" if sign > 0 else "skew-symmetric"
    scipy_io.mmwrite(folder / "a.mtx", draw(st.sampled_from([sparse.coo_array, np.asarray]))(w), symmetry=name)
    turn = draw(st.booleans())
    expected = scipy_io.mmread(folder / "a.mtx", spmatrix=False)
    expected = expected.toarray() if sparse.issparse(expected) else expected
    return Made(folder / "a.mtx", expected.T if turn else expected, None, (f"it is {name}",), Choice(transpose=turn))


def mtx_turned(draw: Draw, folder: Path) -> Made:
    w = matrix(draw)
    scipy_io.mmwrite(folder / "a.mtx", sparse.coo_array(w), symmetry="general")
    return Made(folder / "a.mtx", w.T, None, ("row = source, column = target",), Choice(transpose=True))


def _coordinate(path: Path, n: int, rows: list[Any], kind: str = "real general") -> Path:
    body = "".join(f"{' '.join(map(str, row))}\n" for row in rows)
    path.write_text(
        f"%%MatrixMarket matrix coordinate {kind}\n%---\n% name: Mine/mine\n%---\n{n} {n} {len(rows)}\n{body}"
    )
    return path


def mtx_duplicated(draw: Draw, folder: Path) -> Made:
    w = matrix(draw)
    w[0, 0] = 0.5
    rows = [(r + 1, c + 1, w[r, c]) for r, c in np.argwhere(w)]
    rows += [rows[draw(st.integers(0, len(rows) - 1))]]
    expected = sparse.coo_array(
        ([v for *_, v in rows], ([r - 1 for r, *_ in rows], [c - 1 for _, c, _ in rows])), w.shape
    )
    return Made(
        _coordinate(folder / "a.mtx", len(w), rows), expected.toarray(), None, ("1 edge is given more than once",)
    )


def mtx_both_sides(draw: Draw, folder: Path) -> Made:
    """A symmetric file that has both triangles: taken once."""
    w = matrix(draw)
    w = np.triu(w, 1) + np.triu(w, 1).T + np.eye(len(w))
    rows = [(r + 1, c + 1, w[r, c]) for r, c in np.argwhere(w)]
    path = _coordinate(folder / "a.mtx", len(w), rows, "real symmetric")
    return Made(path, w, None, ("listed both ways",) if np.triu(w, 1).any() else ())


def mtx_wrong(draw: Draw, folder: Path) -> Made:
    w = matrix(draw)
    w[0, 0] = 0.5
    rows = [(r + 1, c + 1, w[r, c]) for r, c in np.argwhere(w)]
    first = f"{rows[0][0]} {rows[0][1]}"
    kinds: dict[str, tuple[list[Any], str]] = {
        "complex": ([(*row, 0.0) for row in rows], "complex general"),
        "promise": (rows, "pattern general"),
        "no readable": ([*rows[1:], (first, "5,5")], "real general"),
        "whole numbers": (rows, "integer general"),
        "rows and columns": ([*rows, (0, 1, 1.0)], "real general"),
        "diagonal": ([(1, 1, 1.0)], "real skew-symmetric"),
    }
    said = draw(st.sampled_from(sorted(kinds)))
    return Made(_coordinate(folder / "a.mtx", len(w), *kinds[said]), None, None, (said,))


MATRIX_MARKET = {
    "as SciPy writes it": mtx, "fields": mtx_field, "symmetries": mtx_symmetry, "transposed": mtx_turned,
    "duplicated": mtx_duplicated, "both sides": mtx_both_sides, "what cannot be": mtx_wrong,
}  # fmt: skip


def npz(draw: Draw, folder: Path) -> Made:
    w, kind = matrix(draw), draw(st.sampled_from(["f4", "f8", "f2", ">f8"]))
    np.savez(folder / "a.npz", w_rec=np.asarray(w.astype(kind), order=draw(st.sampled_from("CF"))), mine=np.ones(3))
    return Made(folder / "a.npz", w, None, (ROWS, "mine"))


def npy(draw: Draw, folder: Path) -> Made:
    w, turn = matrix(draw), draw(st.booleans())
    np.save(folder / "a.npy", w)
    return Made(folder / "a.npy", w.T if turn else w, None, ("row = ",), Choice(transpose=turn))


def npz_renamed(draw: Draw, folder: Path) -> Made:
    w = matrix(draw)
    np.savez(folder / "a.npz", W=w, other=np.ones((2, 2)))
    return Made(folder / "a.npz", w, None, ("other",), Choice(recurrent="W"))


def npz_turned(draw: Draw, folder: Path) -> Made:
    """As h @ W: every matrix with a row for each source."""
    w = matrix(draw)
    n = len(w)
    w_in, w_out = np.arange(2.0 * n).reshape(n, 2), np.arange(3.0 * n).reshape(3, n)
    np.savez(folder / "a.npz", w_rec=w.T, w_in=w_in.T, w_out=w_out.T)
    more = {"w_in": w_in, "w_out": w_out, "dt_s": 0.002, "tau_s": 0.02}
    return Made(folder / "a.npz", w, None, ("row = source",), Choice(transpose=True, dt_ms=2, tau_ms=20), more)


def npz_double(draw: Draw, folder: Path) -> Made:
    w = matrix(draw) / 3 + np.eye(1) * 0.1
    np.savez(folder / "a.npz", w_rec=w)
    return Made(folder / "a.npz", w.astype(np.float32), None, ("single precision",))


def npz_times(draw: Draw, folder: Path) -> Made:
    w = matrix(draw)
    kinds = {
        "`tau_ms` needs the time step": ({}, Choice(tau_ms=20)),
        "leave `dt_ms` out": ({"dt_s": 0.1}, Choice(dt_ms=5)),
        "dt_s <= tau_s": ({}, Choice(dt_ms=5, tau_ms=1)),
        "above 0": ({}, Choice(dt_ms=-1)),
    }
    said = draw(st.sampled_from(sorted(kinds)))
    np.savez(folder / "a.npz", w_rec=w, **kinds[said][0])
    return Made(folder / "a.npz", None, None, (said,), kinds[said][1])


def triplets(draw: Draw, folder: Path) -> Made:
    w, turn = matrix(draw), draw(st.booleans())
    target, source = np.nonzero(w)
    kind = draw(st.sampled_from(["i4", "i8", "u2"]))
    np.savez(folder / "a.npz", source=source.astype(kind), target=target.astype(kind), weight=w[target, source],
             n_neurons=len(w))  # fmt: skip
    said = "target → source" if turn else "source → target"
    return Made(folder / "a.npz", w.T if turn else w, None, (said,), Choice(transpose=turn))


def triplets_duplicated(draw: Draw, folder: Path) -> Made:
    w = matrix(draw)
    w[0, 0] = 0.5
    target, source = np.nonzero(w)
    at = np.append(np.arange(len(target)), draw(st.integers(0, len(target) - 1)))
    values = np.append(w[target, source], draw(WEIGHTS))
    target, source = target[at], source[at]
    np.savez(folder / "a.npz", source=source, target=target, weight=values, n_neurons=len(w))
    expected = sparse.coo_array((values, (target, source)), w.shape).toarray()
    return Made(folder / "a.npz", expected, None, ("1 edge is given more than once",))


def scipy_npz(draw: Draw, folder: Path) -> Made:
    w, turn = matrix(draw), draw(st.booleans())
    make = draw(st.sampled_from([sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csc_matrix]))
    sparse.save_npz(folder / "a.npz", make(w))
    return Made(folder / "a.npz", w.T if turn else w, None, ("row = ",), Choice(transpose=turn))


def scipy_not_canonical(draw: Draw, folder: Path) -> Made:
    """Rows with their columns unordered and some twice, and zeros that are stored."""
    w = matrix(draw)
    w[0, 0] = 0.5
    n, (row, column) = len(w), np.nonzero(np.ones_like(w))
    row, column, value = np.append(row, 0), np.append(column, 0), np.append(w.ravel(), 0.25)
    order = np.lexsort((np.array(draw(st.permutations(range(len(row))))), row))
    matrix_ = sparse.csr_array((value[order], column[order], np.searchsorted(row[order], np.arange(n + 1))), (n, n))
    compressed = draw(st.sampled_from([False, True]))
    sparse.save_npz(folder / "a.npz", matrix_.tocoo() if compressed else matrix_)
    expected = sparse.coo_array((value, (row, column)), w.shape).toarray()
    return Made(folder / "a.npz", expected, None, ("1 edge is given more than once",))


NUMPY = {
    "dense": npz, "npy": npy, "renamed": npz_renamed, "transposed": npz_turned, "double precision": npz_double,
    "times": npz_times, "triplets": triplets, "triplets duplicated": triplets_duplicated, "SciPy": scipy_npz,
    "SciPy, not canonical": scipy_not_canonical,
}  # fmt: skip

READERS: dict[str, dict[str, Callable[[Draw, Path], Made]]] = {
    "edge list": EDGE_LIST,
    "GraphML": GRAPHML,
    "MatrixMarket": MATRIX_MARKET,
    "NumPy and SciPy": NUMPY,
}
