"""How the hot loops are compiled: Numba, with the machine code kept on disk where a disk lets us."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is first called, for the types that it is called with; it runs without the lock.

    The machine code is kept beside the module or, where that folder is read-only, in the user's cache folder;
    where neither can be written, each process compiles anew. A change of any module of neuromod makes it anew, too.
    """
    return _compile(function)


def compiled_for(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function at once for one signature, to which all calls convert: for small ones with many callers."""
    return lambda function: _compile(function, signature)


def _compile(function: Callable[..., Any], signature: str | None = None) -> Callable[..., Any]:
    kernel: Any = numba.njit(nogil=True)(function)
    try:
        kernel.enable_caching()
        # Numba looks at the file of a kernel alone, but its machine code holds that of all kernels that it calls.
        index = kernel._cache._cache_file
        index._source_stamp = (index._source_stamp, SOURCES)
    except (RuntimeError, AttributeError):
        # Numba found no folder that it may write to, or keeps its index in another way: nothing is kept.
        kernel = numba.njit(nogil=True)(function)
    if signature is not None:
        kernel.compile(signature)
        kernel.disable_compile()
    found: Callable[..., Any] = kernel
    return found


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


# Of all modules, as they are when the first kernel is made: machine code of other sources is not taken up.
SOURCES = _digest_of_sources()


def as_indices(
    indptr: npt.NDArray[Any], indices: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the arrays of a sparse matrix in the types for which kernels are compiled, so that it is done once."""
    return indptr.astype(np.int64, copy=False), indices.astype(np.int32, copy=False)
