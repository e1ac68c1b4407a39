"""Spatially organised recurrent networks, from training to neuromorphic cores, with proof of every export."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.activity import Activity as Activity
    from neuromod.analysis import Analysis as Analysis
    from neuromod.analysis import analyze as analyze
    from neuromod.data import read_trials as read_trials
    from neuromod.data import with_data as with_data
    from neuromod.evaluation import Evaluation as Evaluation
    from neuromod.evaluation import evaluate as evaluate
    from neuromod.exports import Export as Export
    from neuromod.exports import Verification as Verification
    from neuromod.exports import export as export
    from neuromod.exports import verify as verify
    from neuromod.network import Network as Network
    from neuromod.packet_pruning import PacketPruning as PacketPruning
    from neuromod.packet_pruning import prune_packets as prune_packets
    from neuromod.placement import Placement as Placement
    from neuromod.pruning import Pruning as Pruning
    from neuromod.pruning import prune as prune
    from neuromod.steps import estimate as estimate
    from neuromod.steps import place as place
    from neuromod.steps import train as train
    from neuromod.tasks import generate as generate
    from neuromod.traffic import TrafficReport as TrafficReport
    from neuromod.trials import Trials as Trials

__version__ = "0.1.0"

# Public name -> module that defines it; imported on first use, so that `import neuromod` costs nothing.
_PUBLIC = {
    "Activity": "neuromod.activity",
    "Analysis": "neuromod.analysis",
    "Evaluation": "neuromod.evaluation",
    "Export": "neuromod.exports",
    "Network": "neuromod.network",
    "PacketPruning": "neuromod.packet_pruning",
    "Placement": "neuromod.placement",
    "Pruning": "neuromod.pruning",
    "TrafficReport": "neuromod.traffic",
    "Trials": "neuromod.trials",
    "Verification": "neuromod.exports",
    "analyze": "neuromod.analysis",
    "estimate": "neuromod.steps",
    "evaluate": "neuromod.evaluation",
    "export": "neuromod.exports",
    "generate": "neuromod.tasks",
    "place": "neuromod.steps",
    "prune": "neuromod.pruning",
    "prune_packets": "neuromod.packet_pruning",
    "read_trials": "neuromod.data",
    "train": "neuromod.steps",
    "verify": "neuromod.exports",
    "with_data": "neuromod.data",
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
    "read_trials",
    "train",
    "verify",
    "with_data",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'neuromod' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
