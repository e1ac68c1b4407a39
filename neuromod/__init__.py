"""Spatially organised recurrent networks, from training to neuromorphic cores, with proof of every export."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.network import Network as Network

__version__ = "0.1.0"

# Public name -> module that defines it; imported on first use, so that `import neuromod` costs nothing.
_PUBLIC = {
    "Network": "neuromod.network",
}

__all__ = ["Network", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'neuromod' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
