"""The limits of the target: what the placement needs of each, and what is left."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.reporting.findings import Findings
from neuromod.reporting.numbers import UNKNOWN, count, percent

# Resource -> what the table calls it.
_OF_A_CORE = {
    "neurons": "neurons of a core",
    "synapses": "synapses of a core",
    "synapse_memory_bits": "synapse memory of a core, bit",
    "in_axons": "in-axons of a core",
    "out_axons": "out-axons of a core",
}
_OF_A_NEURON = {
    "fan_in": "fan-in of a neuron",
    "fan_out": "fan-out of a neuron",
    "destinations": "destinations of a neuron",
}


def limits(findings: Findings) -> dict[str, Any] | None:
    """Return rows of resource, most needed, limit, left and share used; None without a placement.

    A limit that no source states is unknown; the capacity that the placement was made for always counts.

    Raises
    ------
    UsageError
        If the placement does not fit its grid.
    """
    placement, network = findings.placement, findings.network
    if placement is None or network is None or not findings.target:
        return None
    from neuromod.hardware import bits_of_synapse, chips_of, count_usage, parse_target

    target = parse_target(findings.target, where="target.toml")
    usage = count_usage(network, placement.core_of, placement.grid, target)
    if any(len(values) != placement.grid.cores for values in usage.of_core.values()):
        raise UsageError("the placement does not fit its grid; run `neuromod.place`")
    rows = []
    for names, needs in ((_OF_A_CORE, usage.of_core), (_OF_A_NEURON, usage.of_neuron)):
        for resource, name in names.items():
            limit = target.limit(resource)
            stated = target.figure(resource).text
            if resource == "neurons":
                limit = min(limit, placement.neurons_per_core)
            # Where no file says what a synapse takes, nobody knows what all of them do.
            known = resource != "synapse_memory_bits" or bits_of_synapse(target)
            rows.append(_row(name, int(needs[resource].max(initial=0)) if known else None, limit, stated))
    chips = target.figure("max_chips").text
    rows.append(_row("chips", chips_of(placement.grid, target), target.limit("max_chips"), chips))
    stated_limits = [row for row in rows if row[2] not in (UNKNOWN, "none") and row[1] != UNKNOWN]
    tight = [row[0] for row in stated_limits if row[3] == "0"]
    said = f"{len(stated_limits)} of {len(rows)} limits of {target.name} are known and kept."
    if tight:
        said += f" Nothing is left of: {', '.join(tight)}."
    return {"words": said, "rows": rows}


def _row(name: str, needed: int | None, limit: float, stated: str) -> tuple[str, ...]:
    if needed is None:
        return name, UNKNOWN, stated, UNKNOWN, UNKNOWN
    if not np.isfinite(limit):
        left, used = ("any", "none") if stated == "none" else (UNKNOWN, UNKNOWN)
        return name, count(needed), stated, left, used
    return name, count(needed), count(int(limit)), count(int(limit) - needed), percent(needed / limit if limit else 0)
