"""What does not fit, in words, and what to do about it, as data: commands and notebooks say it in their own terms."""

from __future__ import annotations

from neuromod.hardware import Grid, Target
from neuromod.mapping.limits import Violation, cores_needed
from neuromod.network import Network


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
