"""What can go wrong for a user: one base class, one class per exit code of the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


class NeuromodError(Exception):
    """Base of every error that is the user's to mend; its message is one clear sentence.

    A subclass carries the exit code with which the command ends.
    """

    exit_code = 1


class UsageError(NeuromodError, ValueError):
    """An option, a configuration key or an input file that cannot be used (exit code 2)."""

    exit_code = 2


class DoesNotFitError(NeuromodError):
    """A network that does not fit its target; the message lists every violation (exit code 3).

    Parameters
    ----------
    facts : str
        What does not fit, one line for each violation.
    advice : sequence of Advice
        What helps, each by itself.
    words : str, optional
        The advice in words; in terms of arguments if omitted.
    """

    exit_code = 3

    def __init__(self, facts: str, advice: Sequence[Advice] = (), *, words: str = "") -> None:
        self.facts, self.advice = facts, tuple(advice)
        self.words = words or ", or ".join(item.text for item in self.advice)
        super().__init__(f"{facts}\n  {'try':<11}: {self.words}" if self.words else facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.facts, self.advice, self.words)


def _rebuild(facts: str, advice: Sequence[Advice], words: str) -> DoesNotFitError:
    return DoesNotFitError(facts, advice, words=words)


class VerificationError(NeuromodError):
    """An exported file that does not behave as the network it was made from (exit code 4)."""

    exit_code = 4


class StageError(NeuromodError):
    """A stage of the run that is missing or stale (exit code 5)."""

    exit_code = 5


class InterruptedRunError(NeuromodError):
    """Stopped by Ctrl-C after everything that can be continued was saved (exit code 130)."""

    exit_code = 130


Kind = Literal["cores", "neurons_per_core", "placer", "keep", "nothing"]


@dataclass(frozen=True)
class Advice:
    """One thing to change so that a network fits.

    Parameters
    ----------
    kind : str
        Of a placement's arguments ``cores``, ``neurons_per_core`` and ``placer``; ``keep`` of pruning, before it; or
        ``nothing``, where nothing that neuromod can change helps.
    value : (rows, columns), int, str or float
        What the argument is to be; why nothing helps, in words.
    then : Advice, optional
        What has to be changed, too.
    tried : bool, default True
        Whether the change was tried and the network fits then. Networks that take long are not tried; the value is
        the least that counting allows, then.
    """

    kind: Kind
    value: tuple[int, int] | int | float | str
    then: Advice | None = None
    tried: bool = True

    @property
    def steps(self) -> tuple[Advice, ...]:
        """Everything that has to be changed together, in order."""
        return (self, *(self.then.steps if self.then else ()))

    @property
    def text(self) -> str:
        """The same in words, in terms of arguments."""
        return " and ".join(step._text for step in self.steps)

    @property
    def _text(self) -> str:
        if self.kind == "nothing":
            return f"nothing here can help: {self.value}"
        words = f"prune with keep={self.value!r}" if self.kind == "keep" else f"{self.kind}={self.value!r}"
        return words if self.tried else f"{words} or more (not tried, for its size)"
