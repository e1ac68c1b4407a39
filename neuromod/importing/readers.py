"""Readers of other tools' files, one format each, found by the ending of the file's name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported

__all__ = ["FORMATS", "Choice", "Imported", "read"]

# Ending of a name -> module here, imported on use; each has `read(path, choice) -> Imported`.
FORMATS = {
    ".npz": "numpy_archive",
    ".mtx": "matrix_market",
    ".mtx.gz": "matrix_market",
    ".graphml": "graphs",
    ".edgelist": "graphs",
    ".edges": "graphs",
    ".csv": "graphs",
    ".tsv": "graphs",
    ".txt": "graphs",
    ".nir": "nir",
    ".onnx": "onnx",
    ".safetensors": "state_dict",
    ".pt": "state_dict",
    ".pth": "state_dict",
}


def read(path: Path | str, choice: Choice | None = None) -> Imported:
    """Read a network that another tool wrote.

    Parameters
    ----------
    path : Path or str
        The file; its format is known by the ending of its name, see `FORMATS`.
    choice : Choice, optional
        Which arrays of an archive or tensors of a state dict to take, where that is not plain.

    Returns
    -------
    Imported
        The network and what a user should know about it.

    Raises
    ------
    UsageError
        If the file is missing, broken or of an unknown format, or does not hold a network.
    """
    path = Path(path)
    endings = [ending for ending in FORMATS if path.name.lower().endswith(ending)]
    if not endings:
        raise UsageError(f"cannot import {path}: its format is not known; choose one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise UsageError(f"cannot import {path}: no such file")
    choice = choice or Choice()
    reader = FORMATS[max(endings, key=len)]
    if choice != Choice() and reader not in ("numpy_archive", "state_dict"):
        raise UsageError(
            f"cannot import {path}: --recurrent, --input and --readout choose among the arrays of a NumPy archive "
            "or the tensors of a state dict, and this file has none; leave them out"
        )
    module = import_module(f"neuromod.importing.{reader}")
    try:
        found: Imported = module.read(path, choice)
    except UsageError as error:
        raise UsageError(f"cannot import {path}: {error}") from error
    except OSError as error:
        raise UsageError(f"cannot import {path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise UsageError(f"cannot import {path}: it needs more memory than there is") from error
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        # Other tools' files hold anything; what no reader foresaw is still the file's fault.
        raise UsageError(f"cannot import {path}: what it holds does not fit together ({error})") from error
    return found
