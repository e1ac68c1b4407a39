"""What the rows of an exploration say: the one list of figures, from which table, files and figures are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neuromod.errors import UsageError

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A figure of a row.

    Parameters
    ----------
    key : str
        Its name in the files.
    title, unit : str
        Its name for people, and what it counts, empty where the name says that.
    form : str
        How it is printed.
    better : {"low", "high"}
        Which way is better.
    shown : bool
        Whether the printed table has it; the files have all.
    """

    key: str
    title: str
    unit: str
    form: str
    better: Literal["low", "high"] = "low"
    shown: bool = True


COLUMNS = {
    column.key: column
    for column in (
        Column("cores_used", "cores used", "", ",.0f"),
        Column("chips", "chips used", "", ",.0f", shown=False),
        Column("packets", "packets", "packets per step", ",.1f"),
        Column("hops", "hops", "packet-hops per step", ",.1f"),
        Column("shuffled_hops", "hops, shuffled", "packet-hops per step", ",.1f", shown=False),
        Column("multicast_hops", "hops, multicast", "packet-hops per step", ",.1f", shown=False),
        Column("max_link_load", "busiest link", "packets per step", ",.1f"),
        Column("packets_off_chip", "packets between chips", "packets per step", ",.1f", shown=False),
        Column("max_core_packets", "busiest core", "packets per step, sent and received", ",.1f"),
        Column("max_core_neurons", "neurons on the fullest core", "", ",.0f", shown=False),
        Column("max_core_synapses", "most synapses on a core", "", ",.0f", shown=False),
        Column("memory_bits", "memory", "bit", ",.0f"),
        Column("max_core_memory_bits", "most memory on a core", "bit", ",.0f", shown=False),
        Column("accuracy", "accuracy", "", ".3f", better="high"),
        Column("synapses_lost", "synapses lost", "weights rounded to zero", ",.0f", shown=False),
        Column("energy_pj", "energy", "pJ per step", ",.0f"),
        Column("static_mw", "static power", "mW", ",.0f", shown=False),
        Column("time_ns", "time", "ns per step", ",.0f"),
    )
}

# What is to be small, or large, on the Pareto front, if nothing else is asked for.
GOALS = ("hops", "cores_used", "memory_bits", "accuracy")


def of_estimate(summary: Mapping[str, Any]) -> Row:
    """Return the figures that an estimate holds, of `neuromod.traffic.TrafficReport.summary`."""
    cores = summary["per_core"]
    energy, duration = summary["energy_per_step"], summary["time_per_step"]
    return {
        "packets": summary["packets_per_step"],
        "hops": summary["hops_per_step"],
        "multicast_hops": summary["multicast_hops_per_step"],
        "max_link_load": summary["max_link_load_per_step"],
        "packets_off_chip": summary["packets_off_chip_per_step"],
        "max_core_packets": _most(cores, lambda c: c["packets_sent_per_step"] + c["packets_received_per_step"]),
        "max_core_neurons": _most(cores, lambda c: c["neurons"]),
        "synapses": sum(core["synapses"] for core in cores),
        "max_core_synapses": _most(cores, lambda c: c["synapses"]),
        "energy_pj": energy["total_pj"],
        "energy_unknown": sorted(
            {name for part in energy.values() if isinstance(part, Mapping) for name in part["unknown"]}
        ),
        "static_mw": energy["static_mw"],
        "time_ns": duration["total_ns"],
        "time_unknown": list(duration["unknown"]),
    }


def _most(cores: Sequence[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float]) -> float:
    return max(map(value, cores), default=0)


def of_bits(figures: Mapping[str, Any], weight_bits: int | None) -> Row:
    """Return the memory that the synapses of a placement take.

    A chip keeps a weight in its own number of bits, so fewer make no room there; where that number is unknown, the
    weights take those that are asked for. What is stored beside a weight counts as far as it is known.
    """
    weight = figures["chip_weight_bits"] or weight_bits
    bits = None if weight is None else int(weight + (figures["index_bits"] or 0))
    return {
        "bits_per_synapse": bits,
        "memory_bits": None if bits is None else bits * figures["synapses"],
        "max_core_memory_bits": None if bits is None else bits * figures["max_core_synapses"],
    }


def read_goals(text: str | None) -> tuple[str, ...]:
    """Read the columns that a Pareto front is about.

    Parameters
    ----------
    text : str, optional
        Their names, separated by commas; `GOALS` if omitted.

    Returns
    -------
    tuple of str
        The names, each once.

    Raises
    ------
    UsageError
        If one is no column, or there are fewer than two.
    """
    if text is None:
        return GOALS
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise UsageError(f"`pareto`: there is no column '{unknown[0]}'; choose of {', '.join(COLUMNS)}")
    if len(names) < 2:
        raise UsageError(f"`pareto`: a front needs two columns at least, found {names[0]} alone")
    return names


def find_front(rows: Sequence[Row], goals: Sequence[str]) -> list[bool]:
    """Say which rows lie on the Pareto front: no other is as good in everything and better in something.

    Parameters
    ----------
    rows : sequence of dict
        Of an exploration.
    goals : sequence of str
        Columns. A column without a figure in every row that fits decides nothing.

    Returns
    -------
    list of bool
        One for each row; False for what does not fit.
    """
    fitting = [k for k, row in enumerate(rows) if row["fits"]]
    used = [goal for goal in goals if all(rows[k].get(goal) is not None for k in fitting)]
    on = [False] * len(rows)
    if not fitting or not used:
        return on
    signs = np.array([1.0 if COLUMNS[goal].better == "low" else -1.0 for goal in used])
    at = np.array([[rows[k][goal] for goal in used] for k in fitting], np.float64) * signs
    for k, here in zip(fitting, at, strict=True):
        on[k] = not ((at <= here).all(axis=1) & (at < here).any(axis=1)).any()
    return on
