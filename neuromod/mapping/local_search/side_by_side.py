"""Searches from several starts, side by side in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

Found = TypeVar("Found")


def search_all(
    search: Callable[[int, Callable[[float], None]], Found],
    number: int,
    *,
    workers: int,
    on_progress: Callable[[float], None],
) -> list[Found]:
    """Search from every start, at most `workers` at a time.

    Parameters
    ----------
    search : callable
        Called with the number of a start and with what it has to tell its progress; returns what it found.
    number : int
        How many starts.
    workers : int
        Threads.
    on_progress : callable
        Told the share that is done of all of them.

    Returns
    -------
    list
        What each search found, in the order of the starts.
    """
    done = np.zeros(number)
    stopped, telling = threading.Event(), threading.Lock()

    def go(i: int) -> Found:
        def tell(share: float) -> None:
            if stopped.is_set():
                raise InterruptedError
            # One at a time, so that what is told never falls.
            with telling:
                done[i] = share
                on_progress(float(done.mean()))

        return search(i, tell)

    with ThreadPoolExecutor(workers) as pool:
        try:
            return list(pool.map(go, range(number)))
        except BaseException:
            # Ctrl-C reaches the main thread alone; the others would go on to their end.
            stopped.set()
            raise
