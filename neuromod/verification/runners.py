"""Proof of the exports: each file runs in the runtime that a user would take, against the network it was made from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from neuromod.errors import VerificationError
from neuromod.exporting import formats
from neuromod.mapping import Placement
from neuromod.metrics import has_tasks
from neuromod.network import Network
from neuromod.verification.chips import verify_loihi, verify_loihi2, verify_xylo
from neuromod.verification.nir import verify_nir
from neuromod.verification.onnx import verify_int8, verify_onnx
from neuromod.verification.snn import verify_snn

# Variant of a format (see `neuromod.exporting.formats`) -> what verifies it; there is none without.
RUNNERS: dict[str, Callable[..., dict[str, Any]]] = {
    "onnx": verify_onnx,
    "onnx_int8": verify_int8,
    "snn": verify_snn,
    "nir": verify_nir,
    "nir_hard": verify_nir,
    "xylo": verify_xylo,
    "loihi": verify_loihi,
    "loihi2": verify_loihi2,
}

__all__ = [
    "RUNNERS", "limits_of", "verify_int8", "verify_loihi", "verify_loihi2", "verify_nir", "verify_onnx", "verify_snn",
    "verify_variant", "verify_xylo",
]  # fmt: skip


def limits_of(kind: str) -> tuple[str, ...]:
    """Names of the limits that the runner of a variant takes: its arguments that begin with ``max_`` or ``min_``."""
    return tuple(name for name in inspect.signature(RUNNERS[kind]).parameters if name.startswith(("max_", "min_")))


def verify_variant(
    kind: str,
    target: Path,
    network: Network,
    *,
    spiking: Any = None,
    placement: Placement | None = None,
    n_trials: int = 1000,
    seed: int = 1,
    limits: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run one variant of an export against the network, as the library and the command both do.

    Parameters
    ----------
    kind : str
        A key of `RUNNERS`.
    target : Path
        What the runner is given: a file, or the folder of the files.
    network : Network
        What was exported.
    spiking : network, optional
        The spiking network, or the network of integers, that was written, for a variant that has one.
    placement, n_trials, seed
        As for the runners in `RUNNERS`.
    limits : mapping, optional
        Limits, and ``python``, another Python in which simulators are looked for; what the runner does not take is
        left.

    Returns
    -------
    dict
        ``verified``, ``passed``, ``reasons`` or ``reason``, and the runner's figures. A file that cannot be run fails;
        what nothing can be said about is not verified. Neither is raised.
    """
    _, variant = formats.variants()[kind]
    if variant.needs_tasks and not has_tasks(network):
        return {"verified": False, "passed": False, "reason": variant.needs_tasks}
    known = inspect.signature(RUNNERS[kind]).parameters
    options: dict[str, Any] = {key: value for key, value in (limits or {}).items() if key in known}
    if spiking is not None:
        options["spiking"] = spiking
    try:
        part = RUNNERS[kind](target, network, placement=placement, n_trials=n_trials, seed=seed, **options)
    except VerificationError as error:
        return {"verified": True, "passed": False, "reason": str(error)}
    if part.get("reasons"):
        part["reason"] = "; ".join(part["reasons"])
    return part
