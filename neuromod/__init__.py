"""Spatially organised recurrent networks, from training to neuromorphic cores, with proof of every export."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.analysis import Analysis as Analysis
    from neuromod.analysis import analyze as analyze
    from neuromod.exporting.exports import Export as Export
    from neuromod.exporting.exports import Verification as Verification
    from neuromod.exporting.exports import export as export
    from neuromod.exporting.exports import verify as verify
    from neuromod.mapping.placement import Placement as Placement
    from neuromod.metrics.accuracy import Evaluation as Evaluation
    from neuromod.metrics.accuracy import evaluate as evaluate
    from neuromod.metrics.activity import Activity as Activity
    from neuromod.network import Network as Network
    from neuromod.pruning.magnitude import Pruning as Pruning
    from neuromod.pruning.magnitude import prune as prune
    from neuromod.pruning.packets import PacketPruning as PacketPruning
    from neuromod.pruning.packets import prune_packets as prune_packets
    from neuromod.steps import estimate as estimate
    from neuromod.steps import place as place
    from neuromod.steps import train as train
    from neuromod.tasks import Trials as Trials
    from neuromod.tasks import generate as generate
    from neuromod.traffic.report import TrafficReport as TrafficReport

__version__ = "0.1.0"

# Public name -> module that defines it; imported on first use, so that `import neuromod` costs nothing.
_PUBLIC = {
    "Activity": "neuromod.metrics.activity",
    "Analysis": "neuromod.analysis",
    "Evaluation": "neuromod.metrics.accuracy",
    "Export": "neuromod.exporting.exports",
    "Network": "neuromod.network",
    "PacketPruning": "neuromod.pruning.packets",
    "Placement": "neuromod.mapping.placement",
    "Pruning": "neuromod.pruning.magnitude",
    "TrafficReport": "neuromod.traffic.report",
    "Trials": "neuromod.tasks",
    "Verification": "neuromod.exporting.exports",
    "analyze": "neuromod.analysis",
    "estimate": "neuromod.steps",
    "evaluate": "neuromod.metrics.accuracy",
    "export": "neuromod.exporting.exports",
    "generate": "neuromod.tasks",
    "place": "neuromod.steps",
    "prune": "neuromod.pruning.magnitude",
    "prune_packets": "neuromod.pruning.packets",
    "train": "neuromod.steps",
    "verify": "neuromod.exporting.exports",
}

__all__ = [
    "Activity",
    "Analysis",
    "Evaluation",
    "Export",
    "Network",
    "PacketPruning",
    "Placement",
    "Pruning",
    "TrafficReport",
    "Trials",
    "Verification",
    "__version__",
    "analyze",
    "estimate",
    "evaluate",
    "export",
    "generate",
    "place",
    "prune",
    "prune_packets",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'neuromod' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
