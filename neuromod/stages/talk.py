"""Where the words of a stage go: a command's output, or wherever else a caller wants them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


class Talk(Protocol):
    """Takes what a stage says while it works; `cli.output.Talk` is one."""

    def say(self, message: str) -> None:
        """Take one line of talk."""

    def detail(self, message: str) -> None:
        """Take one line that only those want who look closely."""

    def warn(self, message: str) -> None:
        """Take a warning."""

    def progress(self, message: str, *, done: bool = False) -> None:
        """Take one line that replaces the one before."""


# Least time that an estimate looks back, in seconds and as a share of the work.
_LOOKED_BACK, _SHARE = 2.0, 0.1


@dataclass(eq=False)
class TimeLeft:
    """How long work takes that tells the share that is done: as long for each per cent as of late."""

    _told: deque[tuple[float, float]] = field(default_factory=deque)
    _unknown: bool = False

    def after(self, share: float, now: float) -> float | None:
        """Take a share, 0 … 1, and the time in seconds; return the seconds left, None where they are not known.

        They are not at the beginning, and not once the share has fallen back, since that may happen again.
        """
        told = self._told
        self._unknown = self._unknown or (bool(told) and share < told[-1][1])
        told.append((now, share))
        while len(told) > 2 and now - told[1][0] > _LOOKED_BACK and share - told[1][1] > _SHARE:
            told.popleft()
        since, from_share = told[0]
        took = now - since
        if self._unknown or took < _LOOKED_BACK or share == from_share:
            return None
        return took / (share - from_share) * (1 - share)


def clock(seconds: float) -> str:
    """Return seconds as m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
