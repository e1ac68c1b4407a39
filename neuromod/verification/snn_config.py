"""``config.json`` of an exported spiking network: whether it can be, and whether it is so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neuromod.errors import VerificationError
from neuromod.exporting import onnx, snn
from neuromod.mapping import Placement
from neuromod.network import Network
from neuromod.spiking import SpikingNetwork


def read_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json`` and check what the model makes of it.

    Raises
    ------
    VerificationError
        If it cannot be read or holds something impossible.
    """
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise VerificationError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise VerificationError(f"{path} holds no object")
    for key, fits in _CONFIG.items():
        if key not in content or not fits(content[key]):
            raise VerificationError(f"{path}: {key} is {content.get(key, 'missing')!r}, which cannot be")
    return content


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


_CONFIG: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("n", "n_in", "n_out"), lambda value: _whole(value, 1, 10**6)),
    "substeps": lambda value: _whole(value, 1, 1000),
    "delay": lambda value: _whole(value, 0, 1000),
    "alpha": lambda value: _number(value, 1e-9, 1),
    "keep": lambda value: _number(value, 0, 1),
    "start": lambda value: _number(value, -1e6, 1e6),
    "floor": lambda value: value is None or _number(value, -1e6, 1),
    "mode": lambda value: value in ("hold", "continuous"),
    "reset": lambda value: value in ("soft", "hard"),
    "input": lambda value: value in ("constant", "poisson", "counts"),
    "weight_bits": lambda value: value is None or _whole(value, 2, 16),
}


def differences_of(
    found: dict[str, Any], network: Network, spiking: SpikingNetwork | None, placement: Placement | None
) -> list[str]:
    """Return what ``config.json`` says that is not so."""
    about = found.get("about")
    about = about if isinstance(about, dict) else {}
    wanted = {
        key.removeprefix("neuromod."): json.loads(text) for key, text in onnx.metadata(network, placement).items()
    }
    for key in ("placement", "rates"):
        if key not in about:
            wanted.pop(key, None)  # exported before there was one
    faults = [
        f"config.json carries a {key} that is not the network's"
        for key in ("network", "positions", "rates", "placement")
        if about.get(key) != wanted.get(key)
    ]
    made_of = about.get("provenance")
    digest = made_of.get("network_sha256") if isinstance(made_of, dict) else None
    if digest != wanted["provenance"]["network_sha256"]:
        faults.append("config.json was made from another network")
    if spiking is None:
        return faults
    return faults + [
        f"config.json says {key} = {found.get(key)!r}, exported was {value!r}"
        for key, value in snn.config(spiking).items()
        if key != "made_by" and found.get(key) != value
    ]
