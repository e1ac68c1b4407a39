"""Reading ``.npz`` files of trials, with a limit on what is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.trials import MOST_ENTRIES

KEYS = ("inputs", "targets", "lengths", "mask", "split", "class_names", "channel_names", "dt_ms")
_NEEDED = KEYS[:2]

# Bytes that one array may have when it is unpacked.
_MOST_BYTES = 8 * MOST_ENTRIES


def read_npz(path: Path) -> dict[str, Any]:
    """Read the arrays of a file of trials.

    Parameters
    ----------
    path : Path
        An archive with ``inputs`` and ``targets``, and what else `KEYS` names.

    Returns
    -------
    dict of str to array
        Arguments of `neuromod.Trials.from_arrays`; a ``dt_ms`` is a number.

    Raises
    ------
    UsageError
        If it is no such file, holds something else, or is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {item.filename.removesuffix(".npy"): item.file_size for item in archive.infolist()}
            _check(path, sizes)
            found: dict[str, Any] = {}
            for name in sizes:
                with archive.open(f"{name}.npy" if f"{name}.npy" in archive.namelist() else name) as member:
                    found[name] = _array(member, sizes[name])
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:
        # A broken archive makes zipfile, zlib and NumPy's parser of headers raise whatever they like.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"cannot read {path}: it is no .npz archive of arrays ({reason[:120]})") from error
    if "dt_ms" in found:
        if found["dt_ms"].shape != () or found["dt_ms"].dtype.kind not in "fiu":
            raise UsageError(f"{path}: dt_ms must be one number, found {found['dt_ms'].dtype} {found['dt_ms'].shape}")
        found["dt_ms"] = float(found["dt_ms"])
    return found


def _check(path: Path, sizes: dict[str, int]) -> None:
    missing = [name for name in _NEEDED if name not in sizes]
    if missing:
        there = ", ".join(sorted(sizes)[:8]) or "nothing"
        raise UsageError(f"{path} has no array {missing[0]!r}; needed inputs and targets, found {there}")
    unknown = sorted(set(sizes) - set(KEYS))
    if unknown:
        raise UsageError(f"{path} holds an array {unknown[0]!r}; known are {', '.join(KEYS)}")
    large = next((name for name, size in sizes.items() if size > _MOST_BYTES), None)
    if large is not None:
        raise UsageError(f"{path}: {large} has {sizes[large]:,} bytes unpacked, at most {_MOST_BYTES:,} are read")


def _array(member: Any, size: int) -> npt.NDArray[Any]:
    """Read one array, of no more bytes than the archive says."""
    version = np.lib.format.read_magic(member)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(member)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    count = 1
    for length in shape:
        count *= length
    if count < 0 or count * dtype.itemsize > size:
        raise ValueError(f"an array of the shape {shape} is larger than the file")
    data = member.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise ValueError("it is truncated")
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
