"""The tables of sweeps and explorations: their schemas, and what a row of a sweep says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SWEEP_SCHEMA = "neuromod/sweep/1"
EXPLORE_SCHEMA = "neuromod/explore/1"


def point(row: Mapping[str, Any]) -> dict[str, float] | None:
    """Return error, wiring length and active neurons of a finished trial, after pruning where that was done.

    The error is that on the trials of `analyze` where there are any: those of pruning have chosen the threshold.
    """
    known = (row.get(key) for key in ("analyze.accuracy", "prune.accuracy_after", "train.accuracy"))
    accuracy = next((value for value in known if value is not None), None)
    wiring = row.get("analyze.wiring_length", row.get("train.wiring_length"))
    neurons = row.get("analyze.active_neurons", row.get("prune.neurons_after", row.get("train.neurons")))
    if accuracy is None or wiring is None or neurons is None:
        return None
    return {"error": 1 - float(accuracy), "wiring_length": float(wiring), "active_neurons": float(neurons)}
