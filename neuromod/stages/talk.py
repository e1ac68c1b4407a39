"""Where the words of a stage go: a command's output, or wherever else a caller wants them."""

from __future__ import annotations

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


def clock(seconds: float) -> str:
    """Return seconds as m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
