"""Reading ``.h5`` files of spikes, laid out as the Heidelberg digits: counted in bins of time, units summed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neuromod.data.ts_file import padded
from neuromod.errors import UsageError
from neuromod.trials import MOST_ENTRIES

# Bins that a trial may have, and spikes that a file may.
_MOST_BINS, _MOST_SPIKES = 100_000, 2**28

_TIMES, _UNITS, _LABELS, _NAMES = "spikes/times", "spikes/units", "labels", "extra/keys"

DT_MS = 10.0


def read_spikes(path: Path, *, dt_ms: float | None, channels: int | None) -> dict[str, Any]:
    """Count spikes.

    Parameters
    ----------
    path : Path
        With ``spikes/times`` (seconds) and ``spikes/units``, one array of each a trial, and ``labels`` (trial,); names
        of classes in ``extra/keys``.
    dt_ms : float, optional
        Bin in ms, 10 if omitted: a spike at t counts in the bin floor(t / dt).
    channels : int, optional
        Number of channels: unit u of n counts in the channel floor(u · channels / n); one channel a unit if omitted.

    Returns
    -------
    dict
        Arguments of `neuromod.Trials.from_arrays`.

    Raises
    ------
    UsageError
        If the file is laid out otherwise, or is too large.

    References
    ----------
    B. Cramer et al., IEEE Trans. Neural Netw. Learn. Syst. 33 (2022) 2744-2757, doi:10.1109/TNNLS.2020.3044364.
    """
    try:
        import h5py
    except ImportError as error:
        raise UsageError(f"{path} needs h5py to be read: pip install 'bimt-neuromod[nir]'") from error
    try:
        with h5py.File(path, "r") as file:
            times, units, labels, names = _contents(path, file)
    except UsageError:
        raise
    except Exception as error:
        # A broken file makes HDF5 raise whatever it likes.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"cannot read {path}: it is no HDF5 file that can be read ({reason[:120]})") from error
    dt_s = (DT_MS if dt_ms is None else dt_ms) / 1000
    n_units = 1 + max((int(part.max()) for part in units if len(part)), default=-1)
    if n_units < 1:
        raise UsageError(f"{path} holds no spike")
    width = n_units if channels is None else channels
    if width > n_units:
        raise UsageError(f"`channels={width}`: {path} has {n_units} units, which cannot be spread over more channels")
    counted = [_count(path, k, t, u, dt_s, n_units, width) for k, (t, u) in enumerate(zip(times, units, strict=True))]
    inputs, lengths = padded(tuple(counted))
    return {
        "inputs": inputs.astype(np.int32),
        "lengths": lengths,
        "targets": labels,
        "dt_ms": 1000 * dt_s,
        "constant_channels": True,
        **({"class_names": names} if names else {}),
    }


def _count(path: Path, trial: int, times: Any, units: Any, dt_s: float, n_units: int, width: int) -> Any:
    bins = np.floor(times / dt_s + 1e-9).astype(np.int64)
    last = int(bins.max(initial=0))
    if last >= _MOST_BINS or (last + 1) * width > MOST_ENTRIES:
        raise UsageError(f"{path}: trial {trial} has {last + 1:,} bins of {1000 * dt_s:g} ms; choose a larger `dt_ms`")
    counts = np.zeros((last + 1, width), np.float32)
    np.add.at(counts, (bins, units.astype(np.int64) * width // n_units), 1)
    return counts


def _contents(path: Path, file: Any) -> tuple[list[Any], list[Any], Any, tuple[str, ...]]:
    import h5py

    for name in (_TIMES, _UNITS, _LABELS):
        if not isinstance(file.get(name), h5py.Dataset):
            raise UsageError(f"{path} has no {name}; needed {_TIMES}, {_UNITS} and {_LABELS}, one entry a trial")
    sizes = {name: file[name].shape for name in (_TIMES, _UNITS, _LABELS)}
    n = sizes[_LABELS][0] if len(sizes[_LABELS]) == 1 else 0
    if n < 1 or any(shape != (n,) for shape in sizes.values()):
        raise UsageError(f"{path}: {', '.join(f'{name} has the shape {shape}' for name, shape in sizes.items())}")
    if n > MOST_ENTRIES:
        raise UsageError(f"{path} says that it has {n:,} trials, at most {MOST_ENTRIES:,} are read")
    labels = np.asarray(file[_LABELS][...])
    times, units, spikes = [], [], 0
    for trial in range(n):
        t, u = np.asarray(file[_TIMES][trial]), np.asarray(file[_UNITS][trial])
        if t.ndim != 1 or t.shape != u.shape or t.dtype.kind != "f" or u.dtype.kind not in "iu":
            raise UsageError(
                f"{path}: trial {trial} needs as many times (float) as units (int), found {t.dtype} of shape {t.shape} "
                f"and {u.dtype} of shape {u.shape}"
            )
        t = t.astype(np.float64)
        if not np.isfinite(t).all() or (t < 0).any() or (u.dtype.kind == "i" and (u < 0).any()):
            raise UsageError(f"{path}: trial {trial} has a time or a unit that is negative or not finite")
        if len(u) and int(u.max()) >= 2**20:
            raise UsageError(f"{path}: trial {trial} names the unit {int(u.max()):,}; at most {2**20:,} are read")
        spikes += len(t)
        if spikes > _MOST_SPIKES:
            raise UsageError(f"{path} holds more than {_MOST_SPIKES:,} spikes; use fewer trials")
        times.append(t)
        units.append(u)
    return times, units, labels, _names(file, labels)


def _names(file: Any, labels: Any) -> tuple[str, ...]:
    """Names of the classes, where the file has one for each label."""
    import h5py

    found = file.get(_NAMES)
    if not isinstance(found, h5py.Dataset) or found.ndim != 1 or len(found) > 10_000 or labels.dtype.kind not in "iu":
        return ()
    names = tuple(
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in np.asarray(found[...])
    )
    return names if len(labels) and labels.min() >= 0 and labels.max() < len(names) else ()
