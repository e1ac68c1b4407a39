"""Reading and writing artefacts so that nothing half-written is ever left behind."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError

# One metadata key with sorted JSON: safetensors writes several keys in an order that differs between processes.
_METADATA_KEY = "neuromod"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; rename it to `path` only when the body succeeded.

    Raises
    ------
    UsageError
        If the folder cannot be written or the disk is full; the old file, if any, is untouched.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays last, because some writers choose the format by it.
        name = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
        # The system takes the umask off the mode. To ask for the umask would change that of all threads for a moment.
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        temporary = name
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose a folder with NEUROMOD_RUNS"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data`, all or nothing."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, all or nothing; NaN and infinities are refused."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, *, schema: str) -> dict[str, Any]:
    """Read a JSON object and check its ``schema`` key.

    Parameters
    ----------
    path : Path
        The file.
    schema : str
        What the object's ``schema`` must be, as ``neuromod/placement/1``.

    Raises
    ------
    UsageError
        If the file is missing, is not JSON or has another schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: it is not valid JSON ({error}); make it again") from error
    if not isinstance(content, dict) or content.get("schema") != schema:
        found = content.get("schema") if isinstance(content, dict) else None
        raise UsageError(
            f"cannot read {path}: its schema is {found!r}, needed {schema!r}; make it again with this version"
        )
    return content


def _refuse(constant: str) -> float:
    raise ValueError(f"it holds {constant}")


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) < float("inf") else _refuse(text)


def save_tensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Write arrays and one JSON object as safetensors; equal content gives equal bytes."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    text = json.dumps(metadata, sort_keys=True, allow_nan=False)
    content = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(content, temporary, {_METADATA_KEY: text})
        except SafetensorError as error:
            # Its word for a disk that is full.
            raise OSError(errno.EIO, str(error)) from error


def load_tensors(path: Path, *, schema: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Returns
    -------
    tensors : dict of str to ndarray
        The arrays.
    metadata : dict
        The JSON object, with the key ``schema``.

    Raises
    ------
    UsageError
        If the file is missing, truncated, corrupt or of another schema.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UsageError(f"cannot read {path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {}).get(_METADATA_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: it is truncated or corrupt ({error}); make it again") from error
    if not isinstance(metadata, dict) or metadata.get("schema") != schema:
        found = metadata.get("schema") if isinstance(metadata, dict) else None
        raise UsageError(f"cannot read {path}: its schema is {found!r}, needed {schema!r}")
    return tensors, metadata


def sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
