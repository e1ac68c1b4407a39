"""Spatially organised recurrent networks, from training to neuromorphic cores, with proof of every export."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.analysis import Analysis as Analysis
    from neuromod.analysis import analyze as analyze
    from neuromod.evaluation import Evaluation as Evaluation
    from neuromod.evaluation import evaluate as evaluate
    from neuromod.network import Network as Network
    from neuromod.tasks import Trials as Trials
    from neuromod.tasks import generate as generate

__version__ = "0.1.0"

# Public name -> module that defines it; imported on first use, so that `import neuromod` costs nothing.
_PUBLIC = {
    "Analysis": "neuromod.analysis",
    "Evaluation": "neuromod.evaluation",
    "Network": "neuromod.network",
    "Trials": "neuromod.tasks",
    "analyze": "neuromod.analysis",
    "evaluate": "neuromod.evaluation",
    "generate": "neuromod.tasks",
}

__all__ = ["Analysis", "Evaluation", "Network", "Trials", "__version__", "analyze", "evaluate", "generate"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'neuromod' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
