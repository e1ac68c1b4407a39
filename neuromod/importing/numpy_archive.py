"""NumPy files: weights as a matrix or as triplets, or a SciPy sparse matrix; an archive, or a folder of arrays.

Large arrays that are stored as they are, in a folder or an archive that is not compressed, are not read but mapped into
memory, so that they take none beside what is made of them.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, build, check_archive, check_count
from neuromod.importing.synapses import Edges, Joined, Synapse, join

# Arrays that are taken, beside the weights; all are optional.
_PARTS = ("w_in", "w_out", "bias", "bias_out", "positions", "rates", "neuron_ids", "dt_s", "tau_s")

_SPARSE = {"csr", "csc", "coo"}

# Bytes from which an array of an archive is mapped; bytes that are read at a time to see that it is whole.
_MAPPED, _AT_ONCE = 2**24, 2**24


def read(path: Path, choice: Choice) -> Imported:
    """Read ``.npz``: ``w_rec (n, n)`` with row = target and column = source; or ``source``, ``target``, ``weight`` with
    ``n_neurons``; or what `scipy.sparse.save_npz` writes, row = target too.

    Beside them ``positions (n, 2)``, ``rates (n,)`` in spikes per step, ``w_in (n, n_in)``, ``w_out (n_out, n)``,
    ``bias``, ``bias_out``, ``neuron_ids``, ``dt_s`` and ``tau_s`` are taken if they are there. ``.npy`` is one matrix;
    a folder holds the same arrays, each in a file of its own, as ``source.npy``.

    Raises
    ------
    UsageError
        If the file is broken or holds none of these.
    """
    held, others = _of_folder(path) if path.is_dir() else (_arrays(path), [])
    kind = "npy folder" if path.is_dir() else path.suffix.lower()[1:]
    named = {"w_rec": choice.recurrent, "w_in": choice.inputs, "w_out": choice.readout}
    for name in filter(None, named.values()):
        if name not in held:
            raise UsageError(f"it has no array {name}; it has {', '.join(sorted(held)) or 'none'}")
    parts: dict[str, Any] = {name: held[name] for name in _PARTS if name in held}
    parts |= {part: held[name] for part, name in named.items() if name}
    joined = None
    if choice.recurrent or "w_rec" in held:
        used = {"w_rec"}
        recurrent = choice.recurrent or "w_rec"
        parts["w_rec"] = _real(held[recurrent], recurrent)
    elif {"source", "target", "weight"} <= held.keys():
        used = {"source", "target", "weight", "n_neurons"}
        if "n_neurons" not in held:
            raise UsageError("it has source, target and weight, but not n_neurons, the number of neurons")
        n = check_count(held["n_neurons"])
        joined = _joined(held["source"], held["target"], held["weight"], n, parts, choice)
    elif {"format", "shape", "data"} <= held.keys():
        kind, used = f"scipy sparse {kind}", {"format", "shape", "data", "indices", "indptr", "row", "col", "_is_array"}
        row, column, data, n = _sparse(held)
        joined = _joined(column, row, data, n, parts, choice)
    else:
        found = ", ".join(sorted(held)) or "nothing"
        raise UsageError(
            f"it holds {found}; needed w_rec (n, n), or source, target, weight and n_neurons, or a SciPy sparse "
            "matrix; `recurrent=NAME` takes another array for w_rec"
        )
    if joined:
        parts["w_rec"] = joined.w_rec
    elif choice.duplicates:
        raise UsageError("`duplicates` is about edges in a list, and it holds a full matrix; leave it out")
    if choice.transpose:
        parts |= {name: parts[name].T for name in ("w_rec", "w_in", "w_out") if name in parts}
    network, notes = build(parts, kind, choice)
    used |= {name for name in named.values() if name}
    ignored = tuple(sorted([*(held.keys() - used - parts.keys()), *others]))
    direction = choice.direction
    if {"source", "target", "weight"} <= used:
        direction = "target → source" if choice.transpose else "source → target"
    first = None
    if joined and joined.first is not None:
        source, target, weight = joined.first
        ends = [int(network.neuron_ids[end]) for end in ((target, source) if choice.transpose else (source, target))]
        first = Synapse(ends[0], ends[1], weight)
    return Imported(
        network, kind, ignored, (*(joined.notes if joined else ()), *notes), direction=direction, first=first,
        repeated=joined.repeated if joined else 0,
    )  # fmt: skip


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Arrays by name; one without a name is w_rec."""
    try:
        if path.suffix.lower() == ".npy":
            matrix = np.load(path, allow_pickle=False, mmap_mode="r")
            if not isinstance(matrix, np.ndarray):
                raise ValueError("it is an archive; let its name end in .npz")
            return {"w_rec": matrix}
        check_archive(path, mapped_from=_MAPPED)
        with np.load(path, allow_pickle=False) as archive:
            large = {
                member.filename.removesuffix(".npy"): mapped
                for member in archive.zip.infolist()
                if (mapped := _map_member(path, archive.zip, member)) is not None
            }
            names = [name for name in archive.files if name not in large]
            return large | {name: array for name in names if isinstance(array := archive[name], np.ndarray)}
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # A broken archive makes zipfile, zlib and NumPy's parser of headers raise whatever they like.
        raise UsageError(
            f"it is no readable NumPy {'file' if path.suffix.lower() == '.npy' else 'archive'} ({error})"
        ) from error


def _of_folder(path: Path) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """Arrays of a folder, mapped, by the names of their files, and what else lies there."""
    held: dict[str, npt.NDArray[Any]] = {}
    others = []
    for file in sorted(path.iterdir()):
        if file.suffix.lower() != ".npy" or not file.is_file():
            others.append(file.name)
            continue
        try:
            held[file.stem] = _arrays(file)["w_rec"]
        except UsageError as error:
            raise UsageError(f"{file.name}: {error}") from error
    if not held:
        raise UsageError("the folder has no .npy file; needed are w_rec.npy, or source.npy, target.npy, weight.npy and "
                         "n_neurons.npy")  # fmt: skip
    return held, others


def _map_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any] | None:
    """Map an array of an archive that is large and stored as it is; None of any other."""
    if member.compress_type != zipfile.ZIP_STORED or member.file_size < _MAPPED:
        return None
    with archive.open(member) as stream:
        # At its end the sum of its bytes is compared with that in the archive.
        while stream.read(_AT_ONCE):
            pass
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        # The header that stands before a member, and the lengths of the two names at its end.
        file.seek(sum(struct.unpack("<HH", file.read(4))), 1)
        begin = file.tell()
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            return None
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read_header(file)
        offset = file.tell()
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if dtype.hasobject or not size or offset - begin + size != member.file_size:
        # NumPy says what is wrong with it.
        return None
    return np.memmap(path, dtype, "r", offset, shape, "F" if by_column else "C")


def _joined(
    source: npt.NDArray[Any],
    target: npt.NDArray[Any],
    weight: npt.NDArray[Any],
    n: int,
    parts: dict[str, Any],
    choice: Choice,
) -> Joined:
    ids = parts.get("neuron_ids")
    names = ids.tolist() if ids is not None and ids.shape == (n,) else None
    return join(Edges(source, target, weight), n, choice.duplicates, names)


def _real(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise UsageError(f"{name} must hold real numbers, found {array.dtype}")
    return array


def _sparse(held: dict[str, npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], int]:
    """Rows, columns and values as they are stored, those given twice among them, and the number of neurons."""
    kind = held["format"].item()
    kind = kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
    if kind not in _SPARSE:
        raise UsageError(f"the sparse format {kind!r} is not read; save it as one of {', '.join(sorted(_SPARSE))}")
    shape = held["shape"]
    if shape.shape != (2,) or not np.issubdtype(shape.dtype, np.integer):
        raise UsageError("the shape of the sparse matrix must be two whole numbers")
    n = check_count(shape[0])
    if int(shape[1]) != n:
        raise UsageError(f"the sparse matrix must have the shape (n, n), found {tuple(shape.tolist())}")
    data = _real(held["data"], "data")
    needed = ("row", "col") if kind == "coo" else ("indices", "indptr")
    missing = [name for name in needed if name not in held]
    if missing:
        raise UsageError(f"the sparse matrix has no {', '.join(missing)}")
    first, second = (held[name] for name in needed)
    if kind == "coo":
        return first, second, data, n
    make = sparse.csr_array if kind == "csr" else sparse.csc_array
    try:
        matrix = make((data, first, second), shape=(n, n))
        matrix.check_format(full_check=True)
    except (ValueError, TypeError, IndexError) as error:
        raise UsageError(f"the sparse matrix is broken: {error}") from error
    stored = matrix.tocoo()
    return stored.row, stored.col, stored.data, n
