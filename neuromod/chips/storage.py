"""Integer networks as safetensors: arrays as they are, numbers in the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.errors import UsageError
from neuromod.files import load_tensors, save_tensors


class Stored:
    """A dataclass of arrays and numbers that can be saved and loaded."""

    def save(self, path: Path | str) -> None:
        """Write the network as safetensors; equal networks give equal bytes."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        tensors = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
        numbers = {name: value for name, value in content.items() if name not in tensors}
        save_tensors(Path(path), tensors, {"schema": _schema(type(self)), **numbers})

    @classmethod
    def load(cls, path: Path | str) -> Any:
        """Read a network that `save` wrote.

        Raises
        ------
        UsageError
            If the file is missing, truncated or corrupt, or holds something else.
        """
        tensors, metadata = load_tensors(Path(path), schema=_schema(cls))
        try:
            return cls(**tensors, **{name: value for name, value in metadata.items() if name != "schema"})
        except (TypeError, ValueError) as error:
            raise UsageError(f"cannot read {path}: it does not hold a valid {cls.__name__} ({error})") from error

    @classmethod
    def of_parts(cls, arrays: Mapping[str, Array], said: Mapping[str, Any]) -> Any:
        """Put a network together from arrays, and from lists and numbers as JSON holds them."""
        parts: dict[str, Any] = {}
        for field in fields(cls):  # type: ignore[arg-type]
            value = arrays[field.name] if field.name in arrays else said[field.name]
            parts[field.name] = np.asarray(value) if isinstance(value, list) else value
        return cls(**parts)


def _schema(kind: type) -> str:
    return f"neuromod/{kind.__name__}/1"
