"""MatrixMarket files, plain or compressed."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from pathlib import Path

from scipy import io, sparse

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, build, check_count


def read(path: Path, choice: Choice) -> Imported:
    """Read ``.mtx`` or ``.mtx.gz``: a square matrix of weights, row = target, column = source.

    Raises
    ------
    UsageError
        If the file is broken, or its matrix is complex or not square.
    """
    try:
        rows, columns, _, _, field, _ = io.mminfo(path)
        if rows != columns:
            raise UsageError(f"its matrix must have the shape (n, n), found ({rows}, {columns})")
        check_count(rows)
        if field == "complex":
            raise UsageError("its matrix is complex; weights are real")
        matrix = io.mmread(_whole(path), spmatrix=False)
    except (ValueError, TypeError, OverflowError, EOFError, StopIteration, zlib.error) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"it is no readable MatrixMarket file ({error})") from error
    network, notes = build({"w_rec": sparse.csr_array(matrix)}, "MatrixMarket")
    if field == "pattern":
        notes = ("it holds no weights: each synapse has the weight 1", *notes)
    return Imported(network, "MatrixMarket", notes=notes)


def _whole(path: Path) -> Path | BytesIO:
    """Return what SciPy can read: at a zero byte, and at an end without a line break, its reader leaves its buffer.

    Raises
    ------
    UsageError
        If there is a zero byte.
    """
    last = b""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(1 << 20):
            if b"\0" in block:
                raise UsageError("it holds a zero byte, which is no text")
            last = block[-1:]
    if last == b"\n":
        return path
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return BytesIO(file.read() + b"\n")
