"""How the hot loops are compiled: Numba, with the machine code kept on disk where a disk lets us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is first called; it runs without the interpreter lock.

    The machine code is kept beside the module or, where that folder is read-only, in the user's cache folder;
    where neither can be written, each process compiles anew.
    """
    try:
        kernel: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        kernel = numba.njit(nogil=True)(function)
    return kernel
