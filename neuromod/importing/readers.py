"""Readers of other tools' files, one format each, found by the ending of the file's name."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, times

# Ending of a name -> module here, imported on use; each has `read(path, choice) -> Imported`.
FORMATS = {
    ".npz": "numpy_archive",
    ".npy": "numpy_archive",
    ".mtx": "matrix_market",
    ".mtx.gz": "matrix_market",
    ".graphml": "graphs",
    ".edgelist": "edge_list",
    ".edges": "edge_list",
    ".csv": "edge_list",
    ".tsv": "edge_list",
    ".txt": "edge_list",
    ".nir": "nir",
    ".onnx": "onnx",
    ".safetensors": "state_dict",
    ".pt": "state_dict",
    ".pth": "state_dict",
}

# Reader -> what a user may say of its files; the rest is refused. Every file may lack its time step.
_TENSORS = {"recurrent", "inputs", "readout", "transpose", "tau_ms"}
_SAID = {
    "numpy_archive": _TENSORS | {"duplicates"},
    "state_dict": _TENSORS,
    "matrix_market": {"duplicates", "transpose", "tau_ms"},
    "graphs": {"columns", "duplicates", "transpose", "tau_ms"},
    "edge_list": {"delimiter", "comments", "columns", "duplicates", "transpose", "tau_ms"},
    "onnx": set(),
    "nir": set(),
}
_WHY = {
    "recurrent": "`recurrent`, `inputs` and `readout` choose among the arrays of a NumPy archive or the tensors of a "
    "state dict, and this file has none",
    "delimiter": "`delimiter` is about lists of edges",
    "comments": "`comments` is about lists of edges",
    "columns": "`columns` is about lists of edges and GraphML",
    "duplicates": "`duplicates` is about lists of edges, graphs and sparse matrices",
    "transpose": "`transpose` is about matrices and edges whose direction is open, and this format says its own",
    "tau_ms": "`tau_ms` is about files that know no time constant, and this format says its own",
}
_WHY |= {"inputs": _WHY["recurrent"], "readout": _WHY["recurrent"]}


def read(path: Path | str, choice: Choice | None = None) -> Imported:
    """Read a network that another tool wrote.

    Parameters
    ----------
    path : Path or str
        The file; its format is known by the ending of its name, see `FORMATS`. Or a folder of ``.npy`` files.
    choice : Choice, optional
        What the file cannot say, or what would be found out otherwise.

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
    # KONECT calls its lists of edges out.NAME.
    folder = path.is_dir()
    if not folder and not endings and not path.name.startswith("out."):
        known = f"{', '.join(FORMATS)}, or a folder of .npy files"
        raise UsageError(f"cannot import {path}: its format is not known; choose one of {known}")
    if not folder and not path.is_file():
        raise UsageError(f"cannot import {path}: no such file")
    choice = choice or Choice()
    reader = "numpy_archive" if folder else FORMATS[max(endings, key=len)] if endings else "edge_list"
    said = {item.name for item in fields(choice) if getattr(choice, item.name) != item.default}
    for name in sorted(said - _SAID[reader] - {"dt_ms"}):
        raise UsageError(f"cannot import {path}: {_WHY[name]}; leave it out")
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
    if choice.dt_ms is not None and "tau_ms" not in _SAID[reader]:
        try:
            found = _with_time_step(found, choice)
        except UsageError as error:
            raise UsageError(f"cannot import {path}: {error}") from error
    open_to_both = "transpose" in _SAID[reader] and not choice.transpose and found.direction != "both ways"
    turn = "; `transpose` turns it round" if open_to_both else ""
    return replace(found, notes=(*found.notes, f"direction: {found.direction}{turn}"))


def _with_time_step(found: Imported, choice: Choice) -> Imported:
    """Give a network of ONNX or NIR, which need not know its time step, the one that the user says."""
    network = found.network
    held = network.info.get("nir", network.info)
    known = held.get("dt_known", True)
    dt_s, _, _ = times(choice, network.dt_s if known else None, network.dt_s)
    if known:
        return found
    told = {**held, "dt_known": True}
    info = {**network.info, "nir": told} if "nir" in network.info else told
    # What the reader says of the time step that it assumed no longer holds.
    notes = tuple(note for note in found.notes if "time step" not in note)
    return replace(found, network=replace(network, dt_s=dt_s, tau_s=dt_s, info=info), notes=notes, first=found.first)
