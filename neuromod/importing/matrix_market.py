"""MatrixMarket files, plain or compressed."""

from __future__ import annotations

import gzip
import warnings
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from scipy import io

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, build, check_count
from neuromod.importing.synapses import Edges, Synapse, join

Array = npt.NDArray[Any]

# What the entry (j, i) is where a file has only (i, j): the sign of its weight.
_MIRRORED = {"general": 0, "symmetric": 1, "hermitian": 1, "skew-symmetric": -1}


def read(path: Path, choice: Choice) -> Imported:
    """Read ``.mtx`` or ``.mtx.gz``: a square matrix of weights, row = target, column = source.

    The entries are read as they stand, so that those given twice, or on both sides of a symmetric matrix, are seen.

    Raises
    ------
    UsageError
        If the file is broken, its matrix is complex or not square, or lines hold more or less than its first line says.
    """
    try:
        # SciPy's reader leaves its buffer at a zero byte.
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            if any(b"\0" in block for block in iter(lambda: file.read(1 << 20), b"")):
                raise UsageError("it holds a zero byte, which is no text")
        rows, columns, entries, form, field, symmetry = io.mminfo(path)
        if rows != columns:
            raise UsageError(f"its matrix must have the shape (n, n), found ({rows}, {columns})")
        n = check_count(rows)
        if field == "complex":
            raise UsageError("its matrix is complex; weights are real")
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            row, column, weight = _entries(_body(cast(BinaryIO, file)), n, entries, form, field, symmetry)
    except (ValueError, TypeError, OverflowError, EOFError, StopIteration, zlib.error) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"it is no readable MatrixMarket file ({error})") from error
    sign = _MIRRORED[symmetry]
    if sign < 0 and weight[row == column].any():
        raise UsageError("its matrix is called skew-symmetric, but has values on its diagonal")
    ends = (row, column) if choice.transpose else (column, row)
    joined = join(Edges(*ends, weight, np.full(len(weight), sign != 0), sign or 1), n, choice.duplicates)
    network, notes = build({"w_rec": joined.w_rec}, "MatrixMarket", choice)
    if sign:
        opposite = " with the opposite sign" if sign < 0 else ""
        notes = (f"it is {symmetry}: what it has off the diagonal counts both ways{opposite}", *notes)
    notes = ("its rows and columns are numbered from 1, neurons from 0", *notes)
    if field == "pattern":
        notes = ("it holds no weights: each synapse has the weight 1", *notes)
    first = None if joined.first is None else Synapse(*joined.first)
    return Imported(
        network, "MatrixMarket", notes=(*joined.notes, *notes), direction=choice.direction, first=first,
        repeated=joined.repeated,
    )  # fmt: skip


def _body(file: BinaryIO) -> BinaryIO:
    """Skip the heading, the comments and the line of sizes."""
    for line in file:
        if line.strip() and not line.lstrip().startswith(b"%"):
            return file
    return file


def _entries(body: BinaryIO, n: int, entries: int, form: str, field: str, symmetry: str) -> tuple[Array, Array, Array]:
    """Rows and columns, counted from 0, and weights; of a full matrix those that are not zero."""
    sparse = form == "coordinate"
    width = (2 if field == "pattern" else 3) if sparse else 1
    with warnings.catch_warnings():
        # No entries is nothing to warn of.
        warnings.simplefilter("ignore")
        table = np.loadtxt(body, comments="%", ndmin=2)
    table = table.reshape(-1, width) if not table.size else table
    stored = entries
    if not sparse and symmetry != "general":
        stored = n * (n + 1) // 2 if symmetry != "skew-symmetric" else n * (n - 1) // 2
    if table.shape != (stored, width):
        needed = f"{stored:,} lines of {width} {'number' if width == 1 else 'numbers'}"
        raise UsageError(f"its first lines promise {needed} ({form} {field} {symmetry}), found {table.shape}")
    if field in ("integer", "unsigned-integer") and (table[:, -1] != np.round(table[:, -1])).any():
        raise UsageError("its first line promises whole numbers, and some are not")
    if not sparse:
        full = np.zeros((n, n))
        where = (
            np.ones((n, n), bool)
            if symmetry == "general"
            else np.tri(n, k=-1 if symmetry.startswith("skew") else 0) > 0
        )
        # Column by column.
        full.T[where.T] = table[:, 0]
        row, column = np.nonzero(full)
        return row, column, full[row, column]
    place = table[:, :2]
    if (place != np.round(place)).any() or (place < 1).any() or (place > n).any():
        raise UsageError(f"its rows and columns must be whole numbers from 1 to {n}")
    index = place.astype(np.int64) - 1
    return index[:, 0], index[:, 1], table[:, 2] if width == 3 else np.ones(len(table))
