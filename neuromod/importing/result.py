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
from neuromod.importing.synapses import Synapse
from neuromod.network import PARAMETERS, Network

# What an archive may unpack to, and how many members it may have.
_MAX_BYTES = 2**31
_MAX_MEMBERS = 10_000

# Neurons beyond which a file is taken for broken rather than for a network.
_MOST_NEURONS = 100_000_000


_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Choice:
    """What the user says about a file; where nothing is said, it is found out or a default is taken and told.

    Parameters
    ----------
    recurrent, inputs, readout : str, optional
        Names of the recurrent, input and readout weights, of an archive or a state dict.
    delimiter : str, optional
        What splits the lines of a list of edges: one character, or ``tab``, ``space``, ``comma``, ``semicolon``.
    comments : str, optional
        What comment lines of a list of edges begin with; empty if it has none.
    columns : mapping of str to str, optional
        ``source``, ``target`` and ``weight`` to a name in the heading, or to a number from 1; in GraphML ``weight`` to
        the name of the edges' attribute.
    duplicates : {'sum', 'first', 'max', 'refuse'}, optional
        How the weights of an edge that is given more than once are joined. Added if omitted; but undirected edges that
        are all listed both ways are then taken once.
    transpose : bool, default False
        Whether rows are sources and columns targets, in all matrices of the file; edges of a graph run backwards.
    tau_ms, dt_ms : float, optional
        Time constant and time step in ms, of a file that does not say them.
    """

    recurrent: str | None = None
    inputs: str | None = None
    readout: str | None = None
    delimiter: str | None = None
    comments: str | None = None
    columns: Mapping[str, str] | None = None
    duplicates: str | None = None
    transpose: bool = False
    tau_ms: float | None = None
    dt_ms: float | None = None

    @property
    def direction(self) -> str:
        """How a matrix is read."""
        return "row = source, column = target" if self.transpose else "row = target, column = source"


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
    direction : str
        Which way the file's connections were taken.
    first : Synapse, optional
        The first connection of the file; the first of the matrix, row by row, if omitted.
    repeated : int
        Edges that the file gives more than once.
    """

    network: Network
    format: str
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    direction: str = "row = target, column = source"
    first: Synapse | None = None
    repeated: int = 0

    def __post_init__(self) -> None:
        w = self.network.w_rec
        if self.first is None and w.nnz:
            row = int(np.searchsorted(w.indptr, 0, side="right")) - 1
            ids = self.network.neuron_ids
            first = Synapse(int(ids[w.indices[0]]), int(ids[row]), float(w.data[0]))
            object.__setattr__(self, "first", first)

    @property
    def self_connections(self) -> int:
        """Number of neurons with a synapse to themselves."""
        return int(np.count_nonzero(self.network.w_rec.diagonal()))

    @property
    def isolated(self) -> int:
        """Number of neurons without any recurrent synapse."""
        w = self.network.w_rec
        linked = np.diff(w.indptr) > 0
        linked[w.indices] = True
        return int(np.count_nonzero(~linked))


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


def build(parts: Mapping[str, Any], format: str, choice: Choice | None = None) -> tuple[Network, tuple[str, ...]]:
    """Make a network out of the parts that a file holds.

    Parameters
    ----------
    parts : mapping
        ``w_rec (n, n)`` and any of the other arguments of `Network`; what is missing is zero.
    format : str
        Goes into the network's `info`.
    choice : Choice, optional
        Its times are taken where the file has none; else those of a network without leak (dt = tau = 0.1 s).

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
    dt_s, tau_s, about_time = times(choice or Choice(), parts.get("dt_s"), parts.get("tau_s"))
    notes = [*_precision(parts), *about_time]
    if "w_in" not in parts:
        notes.append("it has no input weights")
    if "w_out" not in parts:
        notes.append("it has no readout")
    w_out = parts.get("w_out", np.zeros((0, n), np.float32))
    optional = {name: parts[name] for name in ("positions", "rates", "neuron_ids") if name in parts}
    network = Network(
        w_rec=w_rec,
        w_in=parts.get("w_in", np.zeros((n, 0), np.float32)),
        w_out=w_out,
        bias=parts.get("bias", np.zeros(n, np.float32)),
        bias_out=parts.get("bias_out", np.zeros(len(w_out) if np.ndim(w_out) else 0, np.float32)),
        dt_s=dt_s,
        tau_s=tau_s,
        info={"made_by": "neuromod import", "format": format},
        **optional,
    )
    return network, tuple(notes)


def _precision(parts: Mapping[str, Any]) -> list[str]:
    """Say what single precision does to the weights, where it does something."""
    notes = []
    wide = [name for name in PARAMETERS if name in parts and _changes(parts[name])]
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


def check_archive(path: Path, *, mapped_from: int | None = None) -> None:
    """Refuse a zip archive that would take too much memory, before anything in it is unpacked.

    Parameters
    ----------
    path : Path
        The archive.
    mapped_from : int, optional
        Bytes from which members that are not compressed count nothing, because they are mapped and not read.

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
    stored = [member.compress_type == zipfile.ZIP_STORED for member in members]
    size = sum(
        member.file_size
        for member, as_it_is in zip(members, stored, strict=True)
        if not (as_it_is and mapped_from is not None and member.file_size >= mapped_from)
    )
    if len(members) > _MAX_MEMBERS or size > _MAX_BYTES:
        raise UsageError(
            f"it unpacks to {len(members):,} members of {size:,} bytes; the most is {_MAX_MEMBERS:,} of {_MAX_BYTES:,}"
        )


def times(choice: Choice, dt: Any = None, tau: Any = None, *, default_s: float = 0.1) -> tuple[float, float, list[str]]:
    """Return the time step and the time constant in s, and what was assumed.

    Parameters
    ----------
    choice : Choice
        What the user says of them.
    dt, tau : number, optional
        What the file says of them, in s.
    default_s : float
        The time step where nothing says it.

    Raises
    ------
    UsageError
        If one is no time, if file and user disagree, or if a time constant has no time step.
    """
    dt_s = _time("dt_s", dt, "dt_ms", choice.dt_ms)
    tau_s = _time("tau_s", tau, "tau_ms", choice.tau_ms)
    if dt_s is None:
        if choice.tau_ms is not None:
            raise UsageError("`tau_ms` needs the time step, which the file does not say; give `dt_ms`, too")
        more = "" if tau_s is not None else ", and rectified units without leak (`tau_ms`)"
        said = f"it has no time step: {default_s * 1e3:g} ms is taken (`dt_ms`){more}"
        return default_s, default_s if tau_s is None else tau_s, [said]
    if tau_s is None:
        return dt_s, dt_s, ["it has no time constant: rectified units without leak are taken (`tau_ms`)"]
    return dt_s, tau_s, []


def _time(name: str, held: Any, argument: str, given_ms: float | None) -> float | None:
    value = None
    if held is not None:
        try:
            value = float(np.asarray(held).item())
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name} must be one number") from error
        if not 0 < value < math.inf:
            raise UsageError(f"{name} must be a number of seconds above 0, found {value}")
    if given_ms is None:
        return value
    if not 0 < given_ms < math.inf:
        raise UsageError(f"`{argument}` must be a number of milliseconds above 0, found {given_ms:g}")
    given = given_ms / 1e3
    if value is not None and not math.isclose(value, given, rel_tol=1e-6):
        raise UsageError(f"the file says {name} = {value:g} and `{argument}={given_ms:g}` ms; leave `{argument}` out")
    return given if value is None else value
