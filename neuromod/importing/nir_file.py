"""NIR files, as the other readers are called."""

from __future__ import annotations

from pathlib import Path

from neuromod.importing import nir
from neuromod.importing.imported import Choice, Imported


def read(path: Path, choice: Choice) -> Imported:
    """Read ``.nir``, see `neuromod.importing.nir.read`.

    Raises
    ------
    UsageError
        If the file is broken or holds what cannot be represented.
    """
    note = "its neurons spike: it can be mapped, estimated and exported as NIR, not run as a rate network"
    return Imported(nir.read(path), "NIR", notes=(note,))
