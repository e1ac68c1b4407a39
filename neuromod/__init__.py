"""Spatially organised recurrent networks, from training to neuromorphic cores, with proof of every export."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neuromod.version import __version__

if TYPE_CHECKING:
    from neuromod.analysis import Analysis as Analysis
    from neuromod.analysis import analyze as analyze
    from neuromod.exporting import Export as Export
    from neuromod.exporting import export as export
    from neuromod.mapping import Placement as Placement
    from neuromod.mapping import place as place
    from neuromod.metrics import Activity as Activity
    from neuromod.metrics import Evaluation as Evaluation
    from neuromod.metrics import evaluate as evaluate
    from neuromod.network import Network as Network
    from neuromod.pruning import PacketPruning as PacketPruning
    from neuromod.pruning import Pruning as Pruning
    from neuromod.pruning import prune as prune
    from neuromod.pruning import prune_packets as prune_packets
    from neuromod.spiking import from_snntorch as from_snntorch
    from neuromod.tasks import Trials as Trials
    from neuromod.tasks import generate as generate
    from neuromod.traffic import TrafficReport as TrafficReport
    from neuromod.traffic import estimate as estimate
    from neuromod.training import Wiring as Wiring
    from neuromod.training import train as train
    from neuromod.verification import Verification as Verification
    from neuromod.verification import verify as verify

# Public name -> module that defines it; imported on first use, so that `import neuromod` costs nothing.
_PUBLIC = {
    "Activity": "neuromod.metrics.activity",
    "Analysis": "neuromod.analysis.analysis",
    "Evaluation": "neuromod.metrics.accuracy",
    "Export": "neuromod.exporting.exports",
    "Network": "neuromod.network",
    "PacketPruning": "neuromod.pruning.packets",
    "Placement": "neuromod.mapping.placement",
    "Pruning": "neuromod.pruning.magnitude",
    "TrafficReport": "neuromod.traffic.report",
    "Trials": "neuromod.tasks.trials",
    "Verification": "neuromod.verification.outcome",
    "Wiring": "neuromod.training.own_loop.wiring",
    "analyze": "neuromod.analysis.analysis",
    "estimate": "neuromod.traffic.report",
    "evaluate": "neuromod.metrics.accuracy",
    "export": "neuromod.exporting.exports",
    "from_snntorch": "neuromod.spiking.from_snntorch",
    "generate": "neuromod.tasks.generation",
    "place": "neuromod.mapping.search",
    "prune": "neuromod.pruning.magnitude",
    "prune_packets": "neuromod.pruning.packets",
    "train": "neuromod.training.entry",
    "verify": "neuromod.verification.outcome",
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
    "Wiring",
    "__version__",
    "analyze",
    "estimate",
    "evaluate",
    "export",
    "from_snntorch",
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
