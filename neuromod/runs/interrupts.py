"""Ctrl-C as a request: what is worth keeping is kept, and only the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_request() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request that long work looks at between its steps.

    Yields
    ------
    callable
        Says whether it was asked to stop. In another thread than the main one, which alone gets signals, it never is.

    Raises
    ------
    KeyboardInterrupt
        At the second one.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def handler(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handler) for number in signals]
    try:
        yield asked.is_set
    finally:
        for number, old in zip(signals, before, strict=True):
            signal.signal(number, old)
