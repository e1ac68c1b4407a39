"""How the hot loops are compiled: Numba, with the machine code kept on disk where a disk lets us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is first called, for the types that it is called with; it runs without the lock.

    The machine code is kept beside the module or, where that folder is read-only, in the user's cache folder;
    where neither can be written, each process compiles anew.
    """
    return _compile(function)


def compiled_for(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function at once for one signature, to which all calls convert: for small ones with many callers."""
    return lambda function: _compile(function, signature)


def _compile(function: Callable[..., Any], signature: str | None = None) -> Callable[..., Any]:
    try:
        kernel: Callable[..., Any] = numba.njit(signature, cache=True, nogil=True)(function)
    except RuntimeError:
        # Numba found no folder that it may write to.
        kernel = numba.njit(signature, nogil=True)(function)
    return kernel


def as_indices(
    indptr: npt.NDArray[Any], indices: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the arrays of a sparse matrix in the types for which kernels are compiled, so that it is done once."""
    return indptr.astype(np.int64, copy=False), indices.astype(np.int32, copy=False)
