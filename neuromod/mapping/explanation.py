"""What does not fit, in words, and what to do about it, as data: commands and notebooks say it in their own terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neuromod.hardware.grid import Grid
from neuromod.hardware.targets import Target
from neuromod.mapping.limits import Violation, cores_needed
from neuromod.network import Network

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


def describe(found: list[Violation], network: Network, grid: Grid, target: Target, capacity: int) -> str:
    """Say in words, one line for each violation, what does not fit.

    Parameters
    ----------
    found : list of Violation
        What is exceeded.
    network, grid, target, capacity
        As for `limits.find_violations`.
    """
    lines = [f"does not fit {target.name} on {grid} cores."]
    for item in found:
        if item.resource != "total":
            where = "all cores" if item.core is None else f"core {item.core}"
            lines.append(f"  {where:<11}: {item.text}")
    needed = cores_needed(network, target, capacity)
    parts = [f"{cores:,} by {name}" for name, cores in needed.items()]
    if parts:
        parts[0] = parts[0].replace(" by", " cores by" if max(needed.values()) > 1 else " core by")
        lines.append(f"  {'total':<11}: needs at least {', '.join(parts)}; the grid has {grid.cores:,}")
    return "\n".join(lines)
