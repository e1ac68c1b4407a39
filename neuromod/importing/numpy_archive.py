"""NumPy archives: weights as a matrix or as triplets, or a SciPy sparse matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, build, check_archive, check_count, from_triplets

# Arrays that are taken, beside the weights; all are optional.
_PARTS = ("w_in", "w_out", "bias", "bias_out", "positions", "rates", "neuron_ids", "dt_s", "tau_s")

_SPARSE = {"csr", "csc", "coo"}


def read(path: Path, choice: Choice) -> Imported:
    """Read ``.npz``: ``w_rec (n, n)`` with row = target and column = source; or ``source``, ``target``, ``weight`` with
    ``n_neurons``; or what `scipy.sparse.save_npz` writes, row = target too.

    Beside them ``positions (n, 2)``, ``rates (n,)`` in spikes per step, ``w_in (n, n_in)``, ``w_out (n_out, n)``,
    ``bias``, ``bias_out``, ``neuron_ids``, ``dt_s`` and ``tau_s`` are taken if they are there.

    Raises
    ------
    UsageError
        If the file is broken or holds none of these.
    """
    try:
        check_archive(path)
        with np.load(path, allow_pickle=False) as archive:
            held = {name: array for name in archive.files if isinstance(array := archive[name], np.ndarray)}
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # A broken archive makes zipfile, zlib and NumPy's parser of headers raise whatever they like.
        raise UsageError(f"it is no readable NumPy archive ({type(error).__name__}: {error})") from error
    named = {"w_rec": choice.recurrent, "w_in": choice.inputs, "w_out": choice.readout}
    for name in filter(None, named.values()):
        if name not in held:
            raise UsageError(f"it has no array {name}; it has {', '.join(sorted(held)) or 'none'}")
    parts: dict[str, Any] = {name: held[name] for name in _PARTS if name in held}
    parts |= {part: held[name] for part, name in named.items() if name}
    if choice.recurrent or "w_rec" in held:
        kind, used = "npz", {"w_rec"}
        recurrent = choice.recurrent or "w_rec"
        parts["w_rec"] = _real(held[recurrent], recurrent)
    elif {"source", "target", "weight"} <= held.keys():
        kind, used = "npz", {"source", "target", "weight", "n_neurons"}
        if "n_neurons" not in held:
            raise UsageError("it has source, target and weight, but not n_neurons, the number of neurons")
        n = check_count(held["n_neurons"])
        parts["w_rec"] = from_triplets(held["source"], held["target"], held["weight"], n)
    elif {"format", "shape", "data"} <= held.keys():
        kind, used = "scipy sparse npz", {"format", "shape", "data", "indices", "indptr", "row", "col", "_is_array"}
        parts["w_rec"] = _sparse(held)
    else:
        found = ", ".join(sorted(held)) or "nothing"
        raise UsageError(
            f"it holds {found}; needed w_rec (n, n), or source, target, weight and n_neurons, or a SciPy sparse "
            "matrix; --recurrent NAME takes another array for w_rec"
        )
    network, notes = build(parts, kind)
    used |= {name for name in named.values() if name}
    ignored = tuple(sorted(held.keys() - used - parts.keys()))
    return Imported(network, kind, ignored, notes)


def _real(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise UsageError(f"{name} must hold real numbers, found {array.dtype}")
    return array


def _sparse(held: dict[str, npt.NDArray[Any]]) -> Any:
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
        return from_triplets(second, first, data, n)
    make = sparse.csr_array if kind == "csr" else sparse.csc_array
    try:
        matrix = make((data, first, second), shape=(n, n))
        matrix.check_format(full_check=True)
    except (ValueError, TypeError, IndexError) as error:
        raise UsageError(f"the sparse matrix is broken: {error}") from error
    return matrix
