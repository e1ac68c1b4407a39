"""MatrixMarket files, plain or compressed."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from scipy import io, sparse

from neuromod.errors import UsageError
from neuromod.importing.imported import Choice, Imported, build, check_count


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
        _refuse_nul(path)
        matrix = io.mmread(path)
    except (ValueError, TypeError, OverflowError, EOFError, StopIteration, zlib.error) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"it is no readable MatrixMarket file ({error})") from error
    network, notes = build({"w_rec": sparse.csr_array(matrix)}, "MatrixMarket")
    return Imported(network, "MatrixMarket", notes=notes)


def _refuse_nul(path: Path) -> None:
    """Refuse a zero byte, at which SciPy's reader reads beyond the end of its buffer."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(1 << 20):
            if b"\0" in block:
                raise UsageError("it holds a zero byte, which is no text")
