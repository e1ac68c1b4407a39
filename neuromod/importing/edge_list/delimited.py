"""Text in lines and columns: what splits it, what is a comment, what is quoted, found out and told."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from neuromod.errors import UsageError

# Delimiters by the words for them; a blank stands for any run of blanks and tabs.
DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}
_CALLED = {"\t": "tabs", " ": "blanks", ",": "commas", ";": "semicolons"}

# What comments begin with where the user says nothing: SNAP and networkx; KONECT and Network Repository.
_COMMENTS = ("#", "%")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_ROW_NAME = re.compile(r'\s*"(\d+)"\s*[\t;,|]?\s*("\d)?', re.ASCII)
_QUOTED = re.compile(r'"[^"]*"')
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Parameters
    ----------
    number : int
        Its place in the file, from 1.
    cells : list of str
        What it holds, without quotes and blanks around it.
    """

    number: int
    cells: list[str]

    def __str__(self) -> str:
        return f"line {self.number} ({', '.join(self.cells)[:60]!r})"


@dataclass(frozen=True, eq=False)
class Delimited:
    """A text file in columns.

    Parameters
    ----------
    lines : list of Line
        Its lines, without comments and empty ones.
    comments : list of str
        Its comments, with what they begin with.
    delimiter : str
        What splits the lines; a blank for any run of blanks and tabs.
    row_names : bool
        Whether all lines but the first begin with their number in quotes, as those of R's write.table.
    notes : tuple of str
        What was found out, in sentences.
    """

    lines: list[Line]
    comments: list[str]
    delimiter: str
    row_names: bool
    notes: tuple[str, ...]


def read(path: Path, delimiter: str | None = None, comments: str | None = None) -> Delimited:
    """Read a text file in columns.

    Parameters
    ----------
    path : Path
        The file, UTF-8, with or without a byte order mark, any ends of lines.
    delimiter : str, optional
        What splits it: one character or a word of `DELIMITERS`; found out if omitted.
    comments : str, optional
        What comment lines begin with, empty for none; ``#`` and ``%`` if omitted.

    Raises
    ------
    UsageError
        If it is no such text, or its delimiter cannot be told.
    """
    prefixes = _COMMENTS if comments is None else (comments,) if comments else ()
    plain: list[tuple[int, str]] = []
    said: list[str] = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        stripped = line.strip()
        if prefixes and stripped.startswith(prefixes):
            said.append(stripped)
        elif stripped:
            plain.append((number, line))
    notes = []
    if said:
        marks = " or ".join(sorted({next(p for p in prefixes if line.startswith(p)) for line in said}))
        notes.append(
            f"{len(said):,} line{' that begins' if len(said) == 1 else 's that begin'} with {marks} "
            f"{'is a comment' if len(said) == 1 else 'are comments'}"
        )
    text = [line for _, line in plain]
    split_at = _delimiter(text) if delimiter is None else DELIMITERS.get(delimiter, delimiter)
    if len(split_at) != 1 or split_at in "\"'\r\n":
        raise UsageError(f"`delimiter` must be one character, or tab, space, comma or semicolon, found {delimiter!r}")
    quote = "'" if text and all(line.lstrip().startswith("'") for line in text) and '"' not in "".join(text) else '"'
    quoted = any(quote in line for line in text)
    rows = _split(plain, split_at, quote)
    if split_at == " " and prefixes:
        cut = [next((k for k, cell in enumerate(row) if k > 1 and cell in prefixes), len(row)) for row in rows]
        if any(end < len(row) for end, row in zip(cut, rows, strict=True)):
            notes.append(f"what follows a {' or '.join(prefixes)} between blanks is a comment")
            rows = [row[:end] for end, row in zip(cut, rows, strict=True)]
    # A delimiter at the end of every line begins no further column.
    while rows and all(len(row) > 2 and not row[-1] for row in rows):
        rows = [row[:-1] for row in rows]
    name = _CALLED.get(split_at, repr(split_at))
    notes.insert(0, f"split at {name}" + (", without the quotes" if quoted else ""))
    lines = [Line(number, row) for (number, _), row in zip(plain, rows, strict=True)]
    # A second number in quotes would be the other end of an edge rather than what a number is the name of.
    row_names = all(
        (found := _ROW_NAME.match(line)) and found[1] == str(k) and not found[2] for k, line in enumerate(text[1:], 1)
    )
    return Delimited(lines, said, split_at, row_names and len(text) > 1, tuple(notes))


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError("it is text in UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise UsageError("it holds a zero byte, which is no text")
    try:
        # Spreadsheets put a byte order mark first.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"line {line} is no text in UTF-8; save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(lines: list[str]) -> str:
    bare = [_QUOTED.sub('""', line) if '"' in line else line for line in lines]
    often = [mark for mark in "\t;|," if 2 * sum(mark in line for line in bare) > len(bare)]
    if not often:
        return " "
    if often == [","]:
        # Blanks between, a decimal comma in the last column.
        parts = [line.split() for line in bare]
        decimal = all(len(p) == 3 and "," not in p[0] + p[1] and _DECIMAL_COMMA.fullmatch(p[2]) for p in parts)
        return " " if decimal else ","
    best = often[0]
    if best == "\t":
        cells = [cell.strip() for line in bare for cell in line.strip().split("\t")]
        mixed = any(" " in cell for cell in cells) and all(cells)
        # Numbers with blanks between them are columns, too.
        return " " if mixed and all(_NUMBER.fullmatch(part) for cell in cells for part in cell.split()) else best
    rest = {cell.strip() for line in bare for cell in line.split(best) if any(mark in cell for mark in often[1:])}
    if all(_DECIMAL_COMMA.fullmatch(cell.strip('"')) for cell in rest):
        return best
    names = " or at ".join(_CALLED.get(mark, repr(mark)) for mark in often)
    raise UsageError(f"its lines may be split at {names}; say which with `delimiter`")


def _split(lines: list[tuple[int, str]], delimiter: str, quote: str) -> list[list[str]]:
    if delimiter == " ":
        return [
            _cells([re.sub(r"\s+", " ", line.strip())], number, " ", quote) if quote in line else line.split()
            for number, line in lines
        ]
    return [
        _cells([line], number, delimiter, quote) if quote in line else [cell.strip() for cell in line.split(delimiter)]
        for number, line in lines
    ]


def _cells(line: list[str], number: int, delimiter: str, quote: str) -> list[str]:
    try:
        (row,) = csv.reader(line, delimiter=delimiter, quotechar=quote, skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise UsageError(f"the quotes in line {number} ({line[0].strip()[:60]!r}) do not fit ({error})") from error
    return [cell.strip() for cell in row]
