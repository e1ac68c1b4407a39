"""Arrays checked, converted and made read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.errors import UsageError

Array = npt.NDArray[Any]


def frozen(array: Array) -> Array:
    """Return a view that cannot be written to."""
    array = array.view()
    array.setflags(write=False)
    return array


def as_array(name: str, value: Any, shape: tuple[int | None, ...]) -> Array:
    """Return `value` as a read-only float32 array of this shape; None in the shape stands for any length.

    Raises
    ------
    UsageError
        If it holds something else, complex numbers among it, has another shape or is not finite.
    """
    try:
        if np.iscomplexobj(value):
            raise TypeError("they are complex")
        # A number too large for single precision is refused below, in words.
        with np.errstate(over="ignore"):
            array = np.array(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} cannot be read as numbers: {error}") from error
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        needed = ", ".join("any" if want is None else str(want) for want in shape) + ("," if len(shape) == 1 else "")
        turned = array.ndim == 2 == len(shape) and all(
            want in (None, got) for want, got in zip(shape, array.shape[::-1], strict=True)
        )
        hint = "; it looks transposed (rows are targets, columns are sources)" if turned else ""
        raise UsageError(f"{name} must have the shape ({needed}), found {array.shape}{hint}")
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        raise UsageError(_not_finite(name, np.asarray(value)[tuple(wrong[0])], wrong[0], len(wrong)))
    return frozen(array)


def as_csr(value: Any) -> sparse.csr_array:
    """Return `value` as canonical, read-only, float32 (n, n) CSR without explicit zeros, n > 0.

    Raises
    ------
    UsageError
        If it is no such matrix, complex or not finite.
    """
    try:
        if np.iscomplexobj(value):
            raise TypeError("its values are complex")
        # A number too large for single precision is refused below, in words.
        with np.errstate(over="ignore"):
            matrix = sparse.csr_array(value, dtype=np.float32, copy=True)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
            raise UsageError(f"w_rec must have the shape (n, n) with n > 0, found {matrix.shape}")
        # SciPy looks at the indices only if the last row pointer says that there are any.
        if matrix.indptr[0] != 0 or matrix.indptr[-1] != len(matrix.indices) or (np.diff(matrix.indptr) < 0).any():
            raise UsageError("the row pointers of w_rec do not fit")
        matrix.check_format(full_check=True)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    except (TypeError, ValueError, IndexError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"w_rec cannot be read as a sparse matrix: {error}") from error
    wrong = np.flatnonzero(~np.isfinite(matrix.data))
    if len(wrong):
        row = int(np.searchsorted(matrix.indptr, wrong[0], side="right")) - 1
        at = (row, int(matrix.indices[wrong[0]]))
        raise UsageError(_not_finite("w_rec", sparse.csr_array(value)[at], at, len(wrong)))
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.setflags(write=False)
    return matrix


def _not_finite(name: str, value: Any, at: Any, count: int) -> str:
    place = ", ".join(str(int(index)) for index in at)
    more = f", the first of {count:,}" if count > 1 else ""
    if np.isfinite(value):
        return f"{name} holds values that single precision (float32) cannot: {value:g} at [{place}]{more}"
    return f"{name} holds values that are not finite: {value} at [{place}]{more}"
