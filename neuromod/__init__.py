"""Spatially organised recurrent networks, from training to neuromorphic cores, with proof of every export."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neuromod.version import __version__

if TYPE_CHECKING:
    from neuromod.analysis import Analysis as Analysis
    from neuromod.analysis import analyze as analyze
    from neuromod.data import read_trials as read_trials
    from neuromod.data import with_data as with_data
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
    from neuromod.tasks import generate as generate
    from neuromod.traffic import TrafficReport as TrafficReport
    from neuromod.traffic import estimate as estimate
    from neuromod.training import Wiring as Wiring
    from neuromod.training import train as train
    from neuromod.trials import Trials as Trials
    from neuromod.verification import Verification as Verification
    from neuromod.verification import verify as verify

# Public name -> package that hands it on; imported on first use, so that `import neuromod` costs nothing.
_PUBLIC = {
    "Activity": "neuromod.metrics",
    "Analysis": "neuromod.analysis",
    "Evaluation": "neuromod.metrics",
    "Export": "neuromod.exporting",
    "Network": "neuromod.network",
    "PacketPruning": "neuromod.pruning",
    "Placement": "neuromod.mapping",
    "Pruning": "neuromod.pruning",
    "TrafficReport": "neuromod.traffic",
    "Trials": "neuromod.trials",
    "Verification": "neuromod.verification",
    "Wiring": "neuromod.training",
    "analyze": "neuromod.analysis",
    "estimate": "neuromod.traffic",
    "evaluate": "neuromod.metrics",
    "export": "neuromod.exporting",
    "from_snntorch": "neuromod.spiking",
    "generate": "neuromod.tasks",
    "place": "neuromod.mapping",
    "prune": "neuromod.pruning",
    "prune_packets": "neuromod.pruning",
    "read_trials": "neuromod.data",
    "train": "neuromod.training",
    "verify": "neuromod.verification",
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
