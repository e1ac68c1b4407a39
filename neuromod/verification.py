"""Proof of the exports: each file runs in the runtime that a user would take, against the network it was made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neuromod.runners.nir import verify_nir
from neuromod.runners.onnx import verify_int8, verify_onnx
from neuromod.runners.snn import verify_snn

# Export -> what verifies it; there is no export without.
RUNNERS: dict[str, Callable[..., dict[str, Any]]] = {
    "onnx": verify_onnx,
    "onnx_int8": verify_int8,
    "snn": verify_snn,
    "nir": verify_nir,
    "nir_hard": verify_nir,
}

__all__ = ["RUNNERS", "verify_int8", "verify_nir", "verify_onnx", "verify_snn"]
