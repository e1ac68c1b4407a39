"""The data of a run: a copy where they are small, else their name and SHA-256; nothing in a run is absolute."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.data.event_counts import as_counts
from neuromod.errors import UsageError
from neuromod.files import load_tensors, save_tensors, sha256
from neuromod.network import Network
from neuromod.trials import MOST_ENTRIES, READOUTS, Trials

SCHEMA = "neuromod/data/1"
FILE = "data.safetensors"

# Bytes of inputs and targets of which a run keeps a copy.
MOST_COPIED = 64 * 2**20

# Folder, besides the run's, its parent and the working folder, in which larger data are looked for.
FOLDER = "NEUROMOD_DATA"


def size_of(data: Trials) -> int:
    """Bytes that a copy of the data takes, without padding."""
    rows = int(data.mask.sum())
    outputs = data.n_classes if data.values else 1
    return rows * 4 * (int(data.inputs.shape[2]) + outputs)


def save(data: Trials, path: Path) -> None:
    """Write data, or, where they are larger than `MOST_COPIED`, what they were and how they were read.

    Equal data give equal bytes.
    """
    copied = size_of(data) <= MOST_COPIED
    metadata = {
        "schema": SCHEMA,
        "copied": copied,
        "name": data.names[0],
        "n_classes": data.n_classes,
        "readout": data.readout,
        "class_names": list(data.class_names),
        "channel_names": list(data.channel_names),
        "dt_ms": data.dt_ms,
        "source": dict(data.source),
    }
    tensors: dict[str, Any] = {"lengths": data.mask.sum(axis=0)}
    if copied:
        alive = data.mask.T
        read = data.mask if data.read is None else data.read
        tensors |= {
            "inputs": data.inputs.swapaxes(0, 1)[alive],
            "targets": data.targets.swapaxes(0, 1)[alive],
            "read": read.T[alive].astype(np.uint8),
            "split": data.split,
        }
    save_tensors(path, tensors, metadata)


def load(path: Path) -> Trials:
    """Read what `save` wrote; data that were too large to copy are looked for by their name and must be the same.

    Raises
    ------
    UsageError
        If the file is corrupt, or the data are not there or have changed.
    """
    tensors, metadata = load_tensors(path, schema=SCHEMA)
    try:
        if not metadata["copied"]:
            return _found(path, dict(metadata["source"]), str(metadata["readout"]))
        return _unpacked(tensors, metadata)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"cannot read {path}: it does not hold trials ({error}); train again") from error


def _unpacked(tensors: dict[str, Any], metadata: dict[str, Any]) -> Trials:
    lengths, rows, targets, split = (tensors[name] for name in ("lengths", "inputs", "targets", "split"))
    n = len(lengths)
    if n < 1 or lengths.ndim != 1 or lengths.min() < 1 or rows.ndim != 2 or int(lengths.sum()) != len(rows):
        raise ValueError("its lengths do not fit")
    steps, n_out = int(lengths.max()), int(metadata["n_classes"])
    if n * steps * rows.shape[1] > MOST_ENTRIES:
        raise ValueError("it is too large")
    whole = targets.ndim == 1
    if len(targets) != len(rows) or split.shape != (n,) or not (np.isfinite(rows).all() and np.isfinite(targets).all()):
        raise ValueError("its arrays do not fit")
    if (whole and not (targets.min() >= 0 and targets.max() < n_out)) or not (split.min() >= 0 and split.max() <= 2):
        raise ValueError("a class or a split is out of range")
    if not whole and targets.shape[1] != n_out:
        raise ValueError("its targets do not fit")
    names = [tuple(map(str, metadata[key])) for key in ("class_names", "channel_names")]
    if metadata["readout"] not in READOUTS or not isinstance(metadata["source"], dict):
        raise ValueError("its readout or its source is unknown")
    alive = np.arange(steps) < lengths[:, None]

    def spread(values: Any) -> Any:
        padded = np.zeros((*alive.shape, *values.shape[1:]), values.dtype)
        padded[alive] = values
        return np.ascontiguousarray(padded.swapaxes(0, 1))

    read = spread(tensors["read"] != 0)
    if not read.any(axis=0).all():
        raise ValueError("a trial has no answer")
    return Trials(
        inputs=spread(rows.astype(np.float32)),
        targets=spread(targets.astype(np.int64 if whole else np.float32)),
        mask=np.ascontiguousarray(alive.T),
        task=np.zeros(n, np.int64),
        names=(str(metadata["name"]),),
        n_classes=n_out,
        readout=str(metadata["readout"]),
        read=read,
        split=split.astype(np.int8),
        class_names=names[0],
        channel_names=names[1],
        dt_ms=None if metadata["dt_ms"] is None else float(metadata["dt_ms"]),
        source=metadata["source"],
    )


def _found(path: Path, source: dict[str, Any], readout: str) -> Trials:
    from neuromod.data.reading import read_trials

    name = Path(str(source["name"])).name
    folders = [Path(), path.parent, path.parent.parent]
    if os.environ.get(FOLDER):
        folders.append(Path(os.environ[FOLDER]))
    there = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if there is None:
        raise UsageError(
            f"the data {name} of {path.parent} are not here (they were too large to be copied into the run); "
            f"put the file into this folder, or name its folder with {FOLDER}"
        )
    if sha256(there) != source["sha256"]:
        raise UsageError(f"{there} has changed since {path.parent} was made: its SHA-256 is another; train again")
    found = read_trials(
        there,
        readout=readout,
        dt_ms=source.get("dt_ms"),
        channels=source.get("channels"),
        split_seed=int(source.get("split_seed") or 0),
    )
    return as_counts(found, source["encoding"]) if "encoding" in source else found


def with_data(network: Network, data: Trials) -> Network:
    """Return a network of the user's own that every later step measures with `data`.

    Parameters
    ----------
    network : Network
        Of as many inputs as the data have channels, and as many readouts as they have classes or values.
    data : Trials
        The data.

    Returns
    -------
    Network
        The same, with ``data``.

    Raises
    ------
    UsageError
        If the numbers differ, or the network does not run here.

    Examples
    --------
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=np.eye(2), w_in=np.eye(2), w_out=np.eye(2), bias=np.zeros(2),
    ...                        bias_out=np.zeros(2), dt_s=0.1, tau_s=0.1)
    >>> label = np.arange(20) % 2
    >>> trials = neuromod.Trials.from_arrays(np.eye(2)[label][:, None, :].repeat(5, axis=1), label)
    >>> found = with_data(net, trials)
    >>> neuromod.evaluate(found, trials.part("test")).accuracy
    1.0
    """
    if "nir" in network.info:
        raise UsageError("a network imported from NIR is spiking and does not run here, so data cannot measure it")
    have, need = (data.inputs.shape[2], data.n_classes), (network.n_in, network.n_out)
    if have != need:
        what = "values" if data.values else "classes"
        raise UsageError(
            f"the data have {have[0]} channels and {have[1]} {what}, but the network takes {need[0]} inputs and has "
            f"{need[1]} readouts"
        )
    from neuromod.data.facts import info_of

    kept = {key: value for key, value in network.info.items() if key not in ("tasks", "semantics", "strict")}
    return replace(network, data=data, info={**kept, **info_of(data, 1000 * network.dt_s)})


def attached(network: Network, folder: Path) -> Network:
    """Return a network of a run with the run's data, if it has any.

    Parameters
    ----------
    network : Network
        A network of the run.
    folder : Path
        The run.

    Raises
    ------
    UsageError
        If the data cannot be had, or do not fit the network.
    """
    path = folder / FILE
    if not path.is_file() or network.info.get("nir"):
        return network
    data = load(path)
    if (data.inputs.shape[2], data.n_classes) != (network.n_in, network.n_out):
        raise UsageError(
            f"{path} has {data.inputs.shape[2]} channels and {data.n_classes} outputs, "
            f"the network {network.n_in} and {network.n_out}; make the run again"
        )
    return replace(network, data=data)
