"""Reading and writing artefacts so that nothing half-written is ever left behind."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError

# One metadata key with sorted JSON: safetensors writes several keys in an order that differs between processes.
_METADATA_KEY = "neuromod"

# Of Linux: paths relative to the working folder, and to exchange two of them.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

# End of the name of what is moved aside where two paths cannot be exchanged in one step.
_ASIDE = ".moved-aside"


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


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, which takes its place, as a whole, only when the body succeeded.

    Raises
    ------
    UsageError
        If the folder cannot be written; the old one, if any, is untouched.
    """
    with publishing(folder.parent) as staged:
        (staged / folder.name).mkdir()
        yield staged / folder.name


@contextlib.contextmanager
def publishing(root: Path, parts: Sequence[str] = (".",), *, old: Sequence[str] = ()) -> Iterator[Path]:
    """Give an empty folder whose entries take their places under `root`, all or none, when the body succeeded.

    Parameters
    ----------
    root : Path
        The folder; made if need be, and removed again if nothing comes of it.
    parts : sequence of str
        Folders under `root` whose entries are files and folders that are replaced as a whole.
    old : sequence of str
        Names under `root` that go unless something new takes their place.

    Raises
    ------
    UsageError
        If something cannot be written; what was there is untouched.
    """
    staged: Path | None = None
    made = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".export-", dir=root))
        yield staged
        moves = [
            (new, root / part / new.name)
            for part in parts
            for new in sorted((staged / part).iterdir() if (staged / part).is_dir() else ())
        ]
        gone = [name for name in old if os.path.lexists(root / name) and not (staged / name).exists()]
        _move_all(moves, [(root / name, staged / f".gone-{k}") for k, name in enumerate(gone)])
    except OSError as error:
        raise UsageError(
            f"cannot write {root}: {error.strerror or error}; free some space or choose another folder"
        ) from error
    finally:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):
                root.rmdir()  # only if it is empty


def _move_all(moves: Iterable[tuple[Path, Path]], away: Iterable[tuple[Path, Path]]) -> None:
    """Move each path to its place, where the old one comes back to the path; undo it all if one cannot be."""
    done: list[tuple[Path, Path]] = []
    try:
        for new, place in [*moves, *away]:
            place.parent.mkdir(parents=True, exist_ok=True)
            _take_place(new, place)
            done.append((new, place))
    except OSError:
        for new, place in reversed(done):
            _take_place(place, new)
        raise


def _take_place(new: Path, place: Path) -> None:
    if not os.path.lexists(place):
        os.rename(new, place)
    elif not _exchange(new, place):
        # Where this is interrupted, `recover` puts the old one back.
        aside = place.with_name(f".{place.name}{_ASIDE}")
        os.rename(place, aside)
        try:
            os.rename(new, place)
        except OSError:
            os.rename(aside, place)
            raise
        os.rename(aside, new)


def recover(folder: Path) -> None:
    """Put back what a process that was killed had moved aside in a folder; see `publishing`."""
    for aside in folder.glob(f".*{_ASIDE}"):
        place = aside.with_name(aside.name.removesuffix(_ASIDE).removeprefix("."))
        if not place.exists():
            os.rename(aside, place)
        elif aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink()


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step of the kernel's; False where it has none."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


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
