"""What else the network could be placed on: the exploration of grids, chips, capacities and bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuromod.errors import UsageError
from neuromod.reporting.figures import explored as figures
from neuromod.reporting.figures.svg import document
from neuromod.reporting.findings import Findings
from neuromod.reporting.numbers import count, percent

# Columns of the table, where a row has a figure in them.
_SHOWN = (
    "cores_used", "packets", "hops", "max_link_load", "max_core_packets", "memory_bits", "accuracy", "energy_pj",
    "time_ns",
)  # fmt: skip


def explored(findings: Findings) -> dict[str, Any] | None:
    """Return the figures and tables of the exploration; None without a fresh one.

    Raises
    ------
    UsageError
        If its table is not what it should be.
    """
    table = findings.explored
    if table is None:
        return None
    try:
        columns = figures.columns_of(table)
        rows = table["points"]
        fitting = [row for row in rows if row["fits"]]
        names = ", ".join(columns[goal]["title"] for goal in table["pareto"])
        best = sum(bool(row["front"]) for row in rows)
        return {
            "words": f"The same network, {count(table['neurons'])} neurons, on {len(rows)} combinations of grid, "
            f"target, capacity and bits: {len(fitting)} fit, {best} of them lie on the Pareto front of {names}.",
            "planes": [document(figures.draw(table, x, y)) for x, y in figures.planes_of(table)],
            "header": ["Point", *(_heading(columns[key]) for key in _SHOWN), "Front"],
            "rows": [
                [figures.label(row), *(_text(key, row[key]) for key in _SHOWN), "yes" if row["front"] else ""]
                for row in fitting
            ],
            "unfit": [[_asked(row), row["why"] or row["status"]] for row in rows if not row["fits"]],
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the table of the exploration cannot be shown ({error!r}); explore again") from error


def _heading(column: Mapping[str, Any]) -> str:
    unit = str(column["unit"]).partition(" ")[0]
    return f"{column['title']}, {unit}" if unit in ("pJ", "ns", "bit") else str(column["title"])


def _text(key: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    return percent(value) if key == "accuracy" else count(value)


def _asked(row: dict[str, Any]) -> str:
    parts = [f"{row['target']} {row['cores'] or ''}".strip()]
    parts += [f"{row['neurons_per_core']} a core"] if row["neurons_per_core"] else []
    parts += [f"{row['weight_bits']} bits"] if row["weight_bits"] else []
    return ", ".join(parts)
