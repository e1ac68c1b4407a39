"""What a spiking network says of its populations in `Network.info`, when some of its neurons are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError

Array = npt.NDArray[Any]


def info_of(info: Mapping[str, Any], keep: Array) -> Mapping[str, Any]:
    """Return what a network says of the neurons `keep`: the parameters of its populations, where it has any.

    Raises
    ------
    UsageError
        If `keep` mixes neurons of different populations.
    """
    about = info.get("nir")
    if not isinstance(about, Mapping):
        return info
    groups: list[dict[str, Any]] = []
    for group in about["groups"]:
        inside = (keep >= group["start"]) & (keep < group["stop"])
        at = np.flatnonzero(inside)
        if len(at) and at[-1] - at[0] + 1 != len(at):
            raise UsageError("neurons of different populations cannot be mixed; keep each population together")
        if len(at):
            part = _values_of(group, keep[at] - group["start"])
            groups.append({**part, "start": int(at[0]), "stop": int(at[-1]) + 1})
    return {**info, "nir": {**about, "groups": sorted(groups, key=lambda group: group["start"])}}


def _values_of(values: Mapping[str, Any], keep: Array) -> dict[str, Any]:
    """Return the values of some neurons: numbers stay, lists lose entries."""
    return {
        key: [value[k] for k in keep]
        if isinstance(value, list)
        else (_values_of(value, keep) if isinstance(value, Mapping) else value)
        for key, value in values.items()
    }
