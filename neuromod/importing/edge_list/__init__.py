"""Lists of edges: a source, a target, maybe a weight in each line, as spreadsheets, R, KONECT and SNAP write them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from neuromod.errors import UsageError
from neuromod.importing.edge_list import delimited, headings
from neuromod.importing.edge_list.delimited import Line
from neuromod.importing.edge_list.headings import Columns
from neuromod.importing.graphs import Graph, make_network
from neuromod.importing.result import Choice, Imported

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)

# Whole numbers without exception in this range are seconds or milliseconds since 1970 rather than weights.
_TIMES = ((3e8, 4e9), (3e11, 4e12))


def read(path: Path, choice: Choice) -> Imported:
    """Read a list of edges: an edge from a to b is a synapse from neuron a to neuron b.

    What splits the lines, what is a comment and whether a heading names the columns is found out and told, see
    `delimited` and `headings`. Without a heading the first column is the source, the second the target, the third the
    weight (1 if there is none). A first comment of KONECT, or one that speaks of an undirected graph, makes edges go
    both ways. Nodes named by whole numbers keep them, others are numbered as they come.

    Raises
    ------
    UsageError
        If the file is broken, or what it means is open: a line unlike the others, a column that may be no weight.
    """
    table = delimited.read(path, choice.delimiter, choice.comments)
    if table.lines and any(line.startswith("%%MatrixMarket") for line in table.comments):
        raise UsageError("its first line says that it is a MatrixMarket file; let its name end in .mtx")
    undirected, konect = _said_by(table.comments)
    columns = headings.find(table, choice.columns, is_number, timed=konect)
    lines = table.lines[1:] if columns.heading else table.lines
    if not lines:
        raise UsageError("it holds no edges")
    rows = _rows(lines, columns)
    sources, targets = ([line.cells[at] for line in rows] for at in (columns.source, columns.target))
    if not columns.names_given and not choice.columns:
        _refuse_counts(rows)
    numbers, about_ids = _ids(rows, sources, targets, columns, chosen=choice.columns is not None)
    names: dict[str, int] = {}
    keys = [[numbers[cell] if numbers else cell for cell in column] for column in (sources, targets)]
    # In the order of the file: the source of a line before its target.
    for pair in zip(*keys, strict=True):
        for key in pair:
            names.setdefault(str(key), len(names))
    weight, unweighted, about_weights = _weights(rows, columns, unnamed=not columns.heading and not choice.columns)
    both = _undirected(rows, columns)
    graph = Graph(
        names=list(names),
        numbers=[int(name) for name in names] if numbers else None,
        source=np.array([names[str(key)] for key in keys[0]], np.int64),
        target=np.array([names[str(key)] for key in keys[1]], np.int64),
        weight=weight,
        undirected=np.full(len(rows), undirected) if both is None else both,
        unweighted=unweighted,
    )
    notes = [*table.notes, *columns.notes, *about_ids, *about_weights]
    if undirected:
        notes.append("a comment says that its edges have no direction")
    notes += _unlike_comments(table.comments, len(names), len(rows), konect=konect)
    return make_network(graph, choice, "edge list", columns.ignored, tuple(notes), columns.direction)


def is_number(cell: str) -> bool:
    """Whether a cell is written as a number."""
    return _NUMBER.fullmatch(cell) is not None


def _said_by(comments: list[str]) -> tuple[bool, bool]:
    """Whether comments say that edges go both ways, and whether the first is that of KONECT."""
    konect = re.match(r"%\s*(sym|asym|bip)\b", comments[0]) if comments else None
    if konect and konect[1] == "bip":
        raise UsageError(
            "its first line says bip: sources and targets are of two kinds, each numbered from 1; number them apart"
        )
    spoken = any(re.search(r"\bundirected\b", line, re.IGNORECASE) for line in comments)
    return bool(konect and konect[1] == "sym") or spoken, konect is not None


def _unlike_comments(comments: list[str], nodes: int, edges: int, *, konect: bool) -> list[str]:
    """Say where comments of SNAP or KONECT count more or fewer nodes and edges than the lines hold."""
    text = "\n".join(comments)
    said = re.search(r"Nodes:\s*(\d+)\s+Edges:\s*(\d+)", text)
    counted = (int(said[1]), int(said[2])) if said else None
    if konect and (line := re.search(r"^%\s*(\d+)\s+(\d+)\s+\d+\s*$", text, re.MULTILINE)):
        counted = int(line[2]), int(line[1])
    if counted is None or counted == (nodes, edges):
        return []
    return [
        f"a comment says {counted[0]:,} nodes and {counted[1]:,} edges; its lines have {nodes:,}, which are the "
        f"neurons, and {edges:,}"
    ]


def _rows(lines: list[Line], columns: Columns) -> list[Line]:
    """Lines with the columns that they need; only the last, a weight, may be missing."""
    least = max(columns.source, columns.target) + 1
    rows = []
    for line in lines:
        cells = line.cells
        short = columns.weight == columns.width - 1 and least <= len(cells) == columns.width - 1
        if len(cells) != columns.width and not short:
            needed = "a source, a target and maybe a weight" if columns.width <= 3 else f"{columns.width} columns"
            raise UsageError(f"{line} must be {needed}; found {len(cells)} column{'s' * (len(cells) != 1)}")
        for role, at in (("source", columns.source), ("target", columns.target)):
            if not cells[at]:
                raise UsageError(f"{line} has no {role}")
            if " " in cells[at] and all(map(is_number, cells[at].split())):
                raise UsageError(f"the {role} in {line} looks like several numbers; say what splits with `delimiter`")
        rows.append(line)
    return rows


def _refuse_counts(rows: list[Line]) -> None:
    """Refuse a first line that may be the numbers of nodes and edges rather than an edge."""
    first, rest = rows[0].cells, rows[1:]
    if not rest or not all(cell.isascii() and cell.isdigit() for cell in first):
        return
    others = {cell for line in rest for cell in line.cells[:2]}
    most = max((int(cell) for cell in others if cell.isascii() and cell.isdigit()), default=-1)
    if len(first) == 3 and first[0] != first[1]:
        # As in a size line of MatrixMarket, rows and columns would be equal.
        return
    if int(first[-1]) == len(rest) and int(first[0]) in (len(others), most, most + 1):
        raise UsageError(
            f"{rows[0]} may be the numbers of nodes and edges; if so take it out, if not say so with "
            f"{headings.columns(source=1, target=2)}"
        )


def _ids(
    rows: list[Line], sources: list[str], targets: list[str], columns: Columns, *, chosen: bool
) -> tuple[dict[str, int] | None, list[str]]:
    """Numbers of the neurons by how they are written, or None if they have names."""
    plain = {cell for cell in {*sources, *targets} if is_number(cell)}
    odd = [line for line, a, b in zip(rows, sources, targets, strict=True) if a not in plain or b not in plain]
    if odd and len(odd) < len(rows) and not (chosen and len(odd) > 1):
        raise UsageError(
            f"{odd[0]} does not name its neurons by numbers, as others do; take it out, or let a heading or comment be "
            "one"
            + (
                f"; if names and numbers are meant, say so with {headings.columns(source=1, target=2)}"
                if len(odd) > 1
                else ""
            )
        )
    if odd:
        return None, []
    numbers: dict[str, int] = {}
    written: dict[int, str] = {}
    for line, *pair in zip(rows, sources, targets, strict=True):
        for cell in pair:
            if cell in numbers:
                continue
            value = float(cell.replace(",", "."))
            exact = _WHOLE.fullmatch(cell) is not None
            if not exact and (value != round(value) or abs(value) > 2**53):
                raise UsageError(
                    f"{cell} in {line} is no whole number, and names no neuron; say which `columns` are meant"
                )
            number = int(cell) if exact else int(value)
            if number < 0:
                raise UsageError(f"{cell} in {line} is negative, and numbers no neuron")
            before = written.setdefault(number, cell)
            if before != cell and exact and _WHOLE.fullmatch(before):
                raise UsageError(f"{before} and {cell} in {line} may be one neuron or two; write them alike")
            numbers[cell] = number
    if max(written) >= 2**63:
        return None, ["its numbers of neurons are too large for 64 bits, and taken for names"]
    notes = []
    odd_ones = [cell for cell, number in numbers.items() if cell != str(number)]
    if odd_ones:
        notes.append(f"neurons are written as {odd_ones[0]}, for {numbers[odd_ones[0]]}")
    return numbers, notes


def _weights(rows: list[Line], columns: Columns, *, unnamed: bool) -> tuple[np.ndarray, int, list[str]]:
    """Weights, 1 where there is none; how many have none; and what was found out."""
    at = columns.weight
    if at is None:
        return np.ones(len(rows)), len(rows), []
    cells = [line.cells[at] if at < len(line.cells) else None for line in rows]
    found = [(cell, line) for cell, line in zip(cells, rows, strict=True) if cell is not None]
    for cell, line in found:
        if not is_number(cell) and cell.lower().lstrip("+-") not in ("nan", "inf"):
            raise UsageError(f"the weight in line {line.number} must be a number, found {cell[:60]!r}")
    notes = []
    commas = [(cell, line) for cell, line in found if "," in cell]
    if commas:
        wrong = next((line for cell, line in found if "." in cell or not _DECIMAL_COMMA.fullmatch(cell)), None)
        if wrong:
            raise UsageError(f"some weights have a decimal comma, and {wrong} has none that fits; write them alike")
        if all(_THOUSANDS.fullmatch(cell) for cell, _ in commas):
            raise UsageError(
                f"the weight {commas[0][0]} in {commas[0][1]} may have a decimal comma or not; write a point"
            )
        notes.append("weights have decimal commas")
    values = np.array([1.0 if cell is None else float(cell.replace(",", ".")) for cell in cells])
    given = values[[cell is not None for cell in cells]]
    whole = len(given) > 0 and np.isfinite(given).all() and (given == np.round(given)).all()
    if unnamed and whole and any(((given > low) & (given < high)).all() for low, high in _TIMES):
        raise UsageError(
            f"column {at + 1} ({found[0][0]} in {found[0][1]}) looks like times, not weights; say "
            f"{headings.columns(source=1, target=2)}, or if they are "
            f"{headings.columns(source=1, target=2, weight=at + 1)}"
        )
    return values, len(rows) - len(found), notes


def _undirected(rows: list[Line], columns: Columns) -> np.ndarray | None:
    """Which edges go both ways, by a column that says so, as that of Gephi."""
    if columns.kind is None or columns.kinds is None:
        return None
    at, kinds = columns.kind, columns.kinds
    found = [line.cells[at].lower() if at < len(line.cells) else "" for line in rows]
    wrong = next((line for cell, line in zip(found, rows, strict=True) if cell not in kinds), None)
    if wrong:
        raise UsageError(f"the column {columns.names[at]} of {wrong} must be one of {', '.join(kinds)}")
    return np.array([kinds[cell] for cell in found])
