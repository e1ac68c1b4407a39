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
        array = np.array(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} cannot be read as numbers: {error}") from error
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        needed = tuple("any" if want is None else want for want in shape)
        raise UsageError(f"{name} must have the shape {needed}, found {array.shape}")
    if not np.isfinite(array).all():
        raise UsageError(f"{name} holds values that are not finite")
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
    if not np.isfinite(matrix.data).all():
        raise UsageError("w_rec holds values that are not finite")
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.setflags(write=False)
    return matrix
