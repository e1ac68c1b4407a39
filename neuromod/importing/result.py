"""What the readers of other tools' files share: their result, and a network out of the parts that a file holds."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.network import Network

# What an archive may unpack to, and how many members it may have.
_MAX_BYTES = 2**31
_MAX_MEMBERS = 10_000

# Neurons beyond which a file is taken for broken rather than for a network.
_MOST_NEURONS = 100_000_000


_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Choice:
    """Which tensors of a file to take, by name; found by their names and shapes where omitted.

    Parameters
    ----------
    recurrent, inputs, readout : str, optional
        Names of the recurrent, input and readout weights.
    """

    recurrent: str | None = None
    inputs: str | None = None
    readout: str | None = None


@dataclass(frozen=True, eq=False)
class Imported:
    """A network out of another tool's file.

    Parameters
    ----------
    network : Network
        The network.
    format : str
        What the file was.
    ignored : tuple of str
        Parts of the file that were not used.
    notes : tuple of str
        What was assumed, in sentences.
    """

    network: Network
    format: str
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_unnamed(read_file: Callable[[Path], _Read], path: Path) -> _Read:
    """Read a file with a reader that names the file in its messages, for a caller that names it itself.

    Raises
    ------
    UsageError
        What the reader says, without the file's name before it.
    """
    try:
        return read_file(path)
    except UsageError as error:
        said = str(error)
        for prefix in (f"cannot read {path}: ", f"cannot use {path}: "):
            said = said.removeprefix(prefix)
        raise UsageError(said) from error


def notes_of_placement(placement: Any) -> list[str]:
    """Say that the placement which a file of ours carries is not taken, as a network holds none."""
    if not isinstance(placement, Mapping):
        return []
    where = f"{placement.get('grid')} cores of {placement.get('target')}"
    return [f"its placement on {where} is not taken: a network holds none, so place it again"]


def build(parts: Mapping[str, Any], format: str) -> tuple[Network, tuple[str, ...]]:
    """Make a network out of the parts that a file holds.

    Parameters
    ----------
    parts : mapping
        ``w_rec (n, n)`` and any of the other arguments of `Network`; what is missing is zero, time constants are those
        of a network without leak (dt = tau = 0.1 s).
    format : str
        Goes into the network's `info`.

    Returns
    -------
    network : Network
        The network.
    notes : tuple of str
        What was assumed.

    Raises
    ------
    UsageError
        If the parts do not fit each other.
    """
    w_rec = parts["w_rec"]
    if getattr(w_rec, "ndim", 0) != 2 or w_rec.shape[0] != w_rec.shape[1]:
        raise UsageError(f"w_rec must have the shape (n, n), found {getattr(w_rec, 'shape', None)}")
    n = check_count(w_rec.shape[0])
    notes = _precision(parts)
    if "tau_s" not in parts and ("w_in" in parts or "w_out" in parts):
        notes.append("it has no time constant: its units are taken for rectified ones without leak (tau_s = dt_s)")
    if "w_in" not in parts:
        notes.append("it has no input weights")
    if "w_out" not in parts:
        notes.append("it has no readout")
    w_out = parts.get("w_out", np.zeros((0, n), np.float32))
    dt_s = _time(parts, "dt_s", 0.1)
    optional = {name: parts[name] for name in ("positions", "rates", "neuron_ids") if name in parts}
    network = Network(
        w_rec=w_rec,
        w_in=parts.get("w_in", np.zeros((n, 0), np.float32)),
        w_out=w_out,
        bias=parts.get("bias", np.zeros(n, np.float32)),
        bias_out=parts.get("bias_out", np.zeros(len(w_out) if np.ndim(w_out) else 0, np.float32)),
        dt_s=dt_s,
        tau_s=_time(parts, "tau_s", dt_s),
        info={"made_by": "neuromod import", "format": format},
        **optional,
    )
    return network, tuple(notes)


def _precision(parts: Mapping[str, Any]) -> list[str]:
    """Say what single precision does to the weights, where it does something."""
    notes = []
    wide = [name for name in ("w_rec", "w_in", "w_out", "bias", "bias_out") if name in parts and _changes(parts[name])]
    if wide:
        notes.append(f"{', '.join(wide)}: kept in single precision (float32), to which the numbers were rounded")
    lost = sum(_lost(parts[name]) for name in wide)
    if lost:
        notes.append(f"{lost:,} numbers that are not zero are too small for single precision and became zero")
    return notes


def _values(part: Any) -> npt.NDArray[Any]:
    return np.asarray(part.data if sparse.issparse(part) else part)  # type: ignore[attr-defined]


def _changes(part: Any) -> bool:
    values = _values(part)
    if values.dtype in (np.float32, np.float16) or not np.issubdtype(values.dtype, np.number):
        return False
    with np.errstate(over="ignore"):
        return not np.array_equal(values.astype(np.float32), values)


def _lost(part: Any) -> int:
    values = _values(part)
    with np.errstate(over="ignore"):
        return int(((values.astype(np.float32) == 0) & (values != 0)).sum())


def from_triplets(
    source: npt.NDArray[Any], target: npt.NDArray[Any], weight: npt.NDArray[Any], n: int
) -> sparse.coo_array:
    """Recurrent weights out of one source, target and weight for each synapse, (n, n).

    Raises
    ------
    UsageError
        If the lengths differ or a number is not that of a neuron.
    """
    if not (source.ndim == target.ndim == weight.ndim == 1 and len(source) == len(target) == len(weight)):
        raise UsageError(
            f"source, target and weight must be equally long, found {source.shape}, {target.shape} and {weight.shape}"
        )
    for name, numbers in (("source", source), ("target", target)):
        if len(numbers) and not np.issubdtype(numbers.dtype, np.integer):
            raise UsageError(f"{name} must hold whole numbers, found {numbers.dtype}")
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= n):
            wrong = numbers.min() if numbers.min() < 0 else numbers.max()
            raise UsageError(f"{name} holds the neuron {wrong}, but they are numbered from 0 to {n - 1}")
    if not (np.issubdtype(weight.dtype, np.number) or weight.dtype == bool) or np.iscomplexobj(weight):
        raise UsageError(f"weight must hold real numbers, found {weight.dtype}")
    index = np.int32 if n < 2**31 else np.int64
    # Wide enough for synapses that are given more than once, whose weights add up.
    return sparse.coo_array((weight.astype(np.float64), (target.astype(index), source.astype(index))), shape=(n, n))


def check_count(value: Any) -> int:
    """Return a number of neurons as such.

    Raises
    ------
    UsageError
        If it is no whole number from 1 to a hundred million.
    """
    array = np.asarray(value)
    if array.size != 1 or not np.issubdtype(array.dtype, np.integer) or not 1 <= int(array.item()) <= _MOST_NEURONS:
        raise UsageError(f"the number of neurons must be a whole number from 1 to {_MOST_NEURONS:,}, found {value!r}")
    return int(array.item())


def check_archive(path: Path) -> None:
    """Refuse a zip archive that would take too much memory, before anything in it is unpacked.

    Raises
    ------
    UsageError
        If it is broken, or its members are too many or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, struct.error) as error:
        raise UsageError(f"it is no readable archive ({error})") from error
    size = sum(member.file_size for member in members)
    if len(members) > _MAX_MEMBERS or size > _MAX_BYTES:
        raise UsageError(
            f"it unpacks to {len(members):,} members of {size:,} bytes; the most is {_MAX_MEMBERS:,} of {_MAX_BYTES:,}"
        )


def _time(parts: Mapping[str, Any], name: str, default: float) -> float:
    try:
        value = float(np.asarray(parts.get(name, default)).item())
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be one number") from error
    if not 0 < value < math.inf:
        raise UsageError(f"{name} must be a number of seconds above 0, found {value}")
    return value
