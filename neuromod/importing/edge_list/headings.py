"""Which column of a list of edges is the source, the target, the weight: by its heading, the user, or its place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from neuromod.errors import UsageError
from neuromod.importing.edge_list.delimited import Delimited, Line

# What columns are called, in the languages that headings are found in; case, accents, blanks and marks do not count.
# Words that mean either end, as head, tail, i, j, row and column, are left out: such a heading is refused.
_WORDS = {
    "source": "source src srcid sourceid sourcenode sourceneuron from fromid idfrom nodefrom preptrootid idpre "
    "fromnode fromnodeid pre preid presynaptic presynapticneuron presynapticid preneuron prerootid "
    "bodyidpre ptrootidpre presyn sender start startnode origin quelle von startknoten source depart "
    "origine expediteur de da partenza sorgente origen desde fuente orige origem bron van kilde fra kalla "
    "fran zrodlo od zdroj источник от исток откуда 源 起点 源节点 始点 ソース 출발 kaynak",
    "target": "target tgt dstid targetid targetnode targetneuron to toid idto nodeto postptrootid idpost tonode "
    "tonodeid post postid postsynaptic postsynapticneuron postsynapticid postneuron postrootid bodyidpost "
    "ptrootidpost postsyn receiver end endnode destination dest dst ziel nach zielknoten cible arrivee "
    "destinataire vers a destinazione destino hasta hacia para doel naar til till cel do cil цель к куда "
    "приемник 目标 终点 目标节点 終点 ターゲット 도착 hedef",
    "weight": "weight weights w wt synapticweight edgeweight connectionweight strength synapses syncount "
    "synapsecount nsyn nsynapses numsynapses numberofsynapses gewicht gewichte poids peso pesos vikt vekt "
    "waga vaha вес веса 权重 重み 가중치 agirlik",
}

# Words of a column that says whether an edge has a direction, as Gephi writes it: heading -> cell -> undirected.
_KINDS = {
    "type": {"undirected": True, "directed": False},
    "directed": {"true": False, "1": False, "yes": False, "false": True, "0": True, "no": True},
}

# Ends of the names of two columns of the same stem, as x1 and x2, node_a and node_b, in the order of the columns.
_PAIRS = (("1", "2"), ("0", "1"), ("a", "b"), ("u", "v"), ("s", "t"))


@dataclass(frozen=True)
class Columns:
    """Places of the columns, from 0.

    Parameters
    ----------
    source, target : int
        Those of the two neurons.
    weight, kind : int, optional
        Those of the weight, and of a word that says whether an edge has a direction.
    kinds : mapping of str to bool, optional
        These words, to whether the edge has none.
    width : int
        Number of columns.
    heading : bool
        Whether the first line names them.
    names_given : bool
        Whether they have names.
    names : list of str
        These, or numbers from 1.
    ignored : tuple of str
        Those that are not used.
    notes : tuple of str
        What was found out, in sentences.
    """

    source: int
    target: int
    width: int
    weight: int | None = None
    kinds: Mapping[str, bool] | None = None
    kind: int | None = None
    heading: bool = False
    names_given: bool = False
    names: list[str] = field(default_factory=list)
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def direction(self) -> str:
        """Which columns are taken for source and target, in words."""
        return f"column {self.names[self.source]} → column {self.names[self.target]}"


def find(
    table: Delimited, chosen: Mapping[str, str] | None, is_number: Callable[[str], bool], *, timed: bool = False
) -> Columns:
    """Find out which columns a table of edges has.

    Parameters
    ----------
    table : Delimited
        The table.
    chosen : mapping of str to str, optional
        What the user says: ``source``, ``target`` and ``weight`` to a name or a number from 1.
    is_number : callable
        Whether a cell is one.
    timed : bool, default False
        Whether a fourth column is the time of an edge, as in KONECT's files.

    Raises
    ------
    UsageError
        If there are no lines, or it is open whether the first is a heading or what it means; the message quotes it.
    """
    chosen = {role: str(name) for role, name in (chosen or {}).items()}
    if set(chosen) - {"source", "target", "weight"}:
        raise UsageError(f"`columns` names source, target and weight, found {', '.join(chosen)}")
    if not table.lines:
        raise UsageError("it holds no edges")
    first, rest = table.lines[0], table.lines[1:]
    if any("{" in cell for cell in first.cells[2:]):
        raise UsageError(
            f"{first} holds what Python writes for attributes; networkx writes weights with write_weighted_edgelist"
        )
    if len(first.cells) < 2:
        raise UsageError(
            f"{first} must be a source, a target and maybe a weight; found 1 column: `delimiter` says what splits"
        )
    names, heading, notes = _names(first, rest, table.comments, chosen, is_number)
    width = len(names) if names else max(len(line.cells) for line in table.lines)
    lines = rest if heading else table.lines
    if names and lines and all(len(line.cells) == width + 1 for line in lines):
        if table.row_names:
            notes.append("its lines begin with the name of the line, which the heading leaves out")
        elif not all(value.isdigit() for value in chosen.values()) or not chosen:
            raise UsageError(
                f"{first} names {width} columns, and the lines have {width + 1}; say which with "
                f"{columns(source=1, target=2, weight=3)}, by numbers"
            )
        names, width = ["", *names] if table.row_names else [*names, ""], width + 1
    roles = {role: _picked(role, chosen[role], names, width) for role in chosen}
    known = _roles(names) if names else {}
    if names and _pair(names) and not (known["source"] and known["target"]):
        # The order of a pair tells, whatever one of the two may mean elsewhere.
        known |= {"source": [], "target": []}
    for role, at in (("source", 0), ("target", 1)):
        if role not in roles:
            places = known.get(role, []) or ([] if names and not _pair(names) else [at])
            roles[role] = _only(places, role, names)
    weight = roles.get("weight")
    if weight is None and not chosen:
        weight = _only(known["weight"], "weight", names) if known.get("weight") else None
        if not names and width >= 3:
            weight = 2
    kind, kinds = _kind(names, lines)
    taken = {roles["source"], roles["target"], weight, kind}
    others = [at for at in range(width) if at not in taken]
    shown = [name or str(at + 1) for at, name in enumerate(names or [""] * width)]
    if roles["source"] == roles["target"] or weight in (roles["source"], roles["target"]):
        raise UsageError("`columns` must name different columns")
    if not names and not chosen and width > (4 if timed else 3):
        raise UsageError(
            f"{first} must be a source, a target and maybe a weight; found {width} columns without a heading: "
            f"say which with {columns(source=1, target=2, weight=3)}"
        )
    if names and not chosen and weight is None:
        _refuse_a_weight(lines, [at for at in others if names[at]], shown, roles, is_number)
    called = [f"{role} = {shown[roles[role]]}" for role in ("source", "target")]
    called += [f"weight = {shown[weight]}" if weight is not None else "no weights"]
    where = (
        f"line {first.number} is a heading" if heading else "the comment names the columns" if names else "no heading"
    )
    notes.insert(0, f"{where}: {', '.join(called)}" if names else f"{where}: columns {', '.join(called)}")
    ignored = tuple(f"column {shown[at]}" for at in others)
    return Columns(
        roles["source"], roles["target"], width, weight, kinds, kind, heading, bool(names), shown, ignored, tuple(notes)
    )


def _names(
    first: Line, rest: list[Line], comments: list[str], chosen: Mapping[str, str], is_number: Callable[[str], bool]
) -> tuple[list[str], bool, list[str]]:
    """Names of the columns, if they have some, and whether the first line holds them."""
    cells = first.cells
    known = _roles(cells)
    worded = not any(map(is_number, cells))
    if worded and known["source"] and known["target"]:
        return cells, True, []
    by_name = [value for value in chosen.values() if not value.isdigit()]
    if by_name and worded and all(any(_same(value, cell) for cell in cells) for value in by_name):
        return cells, True, []
    at = [int(chosen[r]) - 1 if chosen.get(r, "").isdigit() else k for k, r in enumerate(("source", "target"))]
    ours = [cells[k] if k < len(cells) else "" for k in at]
    others = [line.cells[k] if k < len(line.cells) else "" for line in rest for k in at]
    different = set(others)
    numbered = bool(others) and all(map(is_number, different)) and not all(map(is_number, ours))
    weighed = len(cells) > 2 and bool(rest) and not is_number(cells[2])
    weighed = weighed and all(len(line.cells) > 2 and is_number(line.cells[2]) for line in rest)
    if numbered or weighed:
        if worded and (_pair(cells) or (chosen.keys() >= {"source", "target"} and not by_name)):
            return cells, True, []
        raise UsageError(
            f"{first} is unlike all other lines; if it is a heading, say which columns are meant with "
            f"{columns(source=1, target=2, **({'weight': 3} if len(cells) > 2 else {}))}, else take it out"
        )
    alone = worded and not chosen and not set(cells[:2]) & different
    if alone and (len(different) < len(others) or (_pair(cells) and len(_plain(cells[0])) > 2)):
        raise UsageError(
            f"{first} may be a heading or an edge: if a heading, say "
            f"{columns(source=cells[0], target=cells[1])}; if an edge, {columns(source=1, target=2)}"
        )
    for line in comments[-1:]:
        words = line.lstrip("#%/; ").replace(",", " ").replace(";", " ").split()
        known = _roles(words)
        if known["source"] and known["target"] and len(words) == len(cells):
            return words, False, []
    return [], False, []


def _plain(name: str) -> str:
    """A name without case, accents, blanks and marks."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    return re.sub(r"[\W_]", "", "".join(c for c in letters if not unicodedata.combining(c)))


_ROLES = {role: frozenset(map(_plain, words.split())) for role, words in _WORDS.items()}


def _roles(names: list[str]) -> dict[str, list[int]]:
    plain = [_plain(name) for name in names]
    return {role: [at for at, name in enumerate(plain) if name in words] for role, words in _ROLES.items()}


def _pair(names: list[str]) -> bool:
    """Whether the first two names that are not empty are a pair that tells nothing but an order."""
    one, two = ([_plain(name) for name in names if name] + ["", ""])[:2]
    return bool(one and names[0]) and one[:-1] == two[:-1] and (one[-1:], two[-1:]) in _PAIRS


def _same(value: str, name: str) -> bool:
    return value.strip().casefold() == name.casefold()


def columns(**roles: object) -> str:
    """Return what to say of the columns, as an argument: a name, or a number from 1, by role."""
    said = {role: str(column) for role, column in roles.items()}
    return f"`columns={said}`"


def _picked(role: str, value: str, names: list[str], width: int) -> int:
    """Place of the column that the user chose."""
    places = [at for at, name in enumerate(names) if name == value] or [
        at for at, name in enumerate(names) if _same(value, name)
    ]
    if len(places) == 1:
        return places[0]
    if not places and value.isdigit() and 1 <= int(value) <= width:
        return int(value) - 1
    has = f"; it has {', '.join(names)}" if names else ", and no heading" if not value.isdigit() else ""
    many = "several columns are" if places else "there is no column"
    raise UsageError(f"{columns(**{role: value})}: {many} {value} among {width}{has}; numbers from 1 do, too")


def _only(places: list[int], role: str, names: list[str]) -> int:
    if len(places) == 1:
        return places[0]
    which = " and ".join(f"{at + 1} ({names[at]})" for at in places) or "none"
    raise UsageError(
        f"the {role} may be any of the columns {which}; its heading is {', '.join(names)}: say which with "
        f"{columns(source='…', target='…', weight='…')}"
    )


def _kind(names: list[str], lines: list[Line]) -> tuple[int | None, Mapping[str, bool] | None]:
    for at, name in enumerate(names):
        words = _KINDS.get(_plain(name))
        if words and any(at < len(line.cells) and line.cells[at].lower() in words for line in lines):
            return at, words
    return None, None


def _refuse_a_weight(
    lines: list[Line],
    others: list[int],
    names: list[str],
    roles: Mapping[str, int],
    is_number: Callable[[str], bool],
) -> None:
    """Refuse columns of numbers of which none is called a weight."""
    for at in others:
        cells = [line.cells[at] for line in lines if at < len(line.cells) and line.cells[at]]
        if cells and all(map(is_number, cells)):
            ends = {role: names[roles[role]] for role in ("source", "target")}
            raise UsageError(
                f"its column {names[at]} holds numbers and is not called a weight; if it is one, say "
                f"{columns(**ends, weight=names[at])}; if not, {columns(**ends)} leaves all weights 1"
            )
