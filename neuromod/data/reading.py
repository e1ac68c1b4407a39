"""`read_trials`: trials of the user's own from a file, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.data.npz_file import read_npz
from neuromod.data.ts_file import padded, read_ts
from neuromod.errors import UsageError
from neuromod.files import sha256
from neuromod.trials import SPLITS, Trials

KINDS = (".npz", ".ts", ".h5")


def read_trials(
    path: Path | str,
    *,
    readout: str | None = None,
    dt_ms: float | None = None,
    channels: int | None = None,
    split_seed: int = 0,
) -> Trials:
    """Read trials from a file.

    Parameters
    ----------
    path : Path or str
        ``.npz`` with ``inputs`` (trial, time, channel), ``targets`` and the other arguments of
        `neuromod.Trials.from_arrays`; ``.ts`` of the UCR and UEA archives, ``X_TRAIN.ts`` with ``X_TEST.ts`` beside it;
        or ``.h5`` with spikes as the Heidelberg digits have them.
    readout : {"last", "mean", "every"}, optional
        Where the answer is read, see `neuromod.Trials.from_arrays`.
    dt_ms : float, optional
        Time step in ms; spikes are counted in bins of it.
    channels : int, optional
        Of ``.h5``: number of channels that neighbouring units are summed into.
    split_seed : int
        Seed of the trials that are held out where the file does not say which.

    Returns
    -------
    Trials
        With the name and the SHA-256 of the file in ``source``.

    Raises
    ------
    UsageError
        If the file cannot be read, or nothing can be learned from what it holds.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import neuromod
    >>> label = np.arange(20) % 2
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "mine.npz", inputs=np.random.rand(20, 5, 3), targets=label)
    ...     neuromod.read_trials(Path(folder) / "mine.npz").counts()
    {'train': 12, 'validation': 4, 'test': 4}
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise UsageError(
            f"cannot read {path}: its name ends in {kind or 'nothing'}, data are {', '.join(KINDS)}; "
            "docs/data.md shows how to make an .npz of other files"
        )
    if not path.is_file():
        raise UsageError(f"cannot read {path}: {'it is no file' if path.exists() else 'no such file'}")
    if kind != ".h5" and channels is not None:
        raise UsageError(f"`channels` sums neighbouring units of spikes in an .h5; {path.name} has none")
    if dt_ms is not None and not 0 < dt_ms < 1e6:
        raise UsageError(f"`dt_ms={dt_ms:g}` is out of range: needed more than 0")
    source: dict[str, Any] = {
        "name": path.name,
        "sha256": sha256(path),
        "kind": kind[1:],
        "dt_ms": dt_ms,
        "channels": channels,
        "split_seed": split_seed,
    }
    if kind == ".npz":
        fields = read_npz(path)
    elif kind == ".ts":
        fields, more = _ts_fields(path)
        source |= more
    else:
        from neuromod.data.spikes_file import read_spikes

        fields = read_spikes(path, dt_ms=dt_ms, channels=channels)
    if dt_ms is not None:
        fields["dt_ms"] = dt_ms
    try:
        return Trials.from_arrays(**fields, readout=readout, name=path.stem, source=source, split_seed=split_seed)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _ts_fields(path: Path) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return what a ``.ts`` file holds, with the test set beside it if it is a training set."""
    train = read_ts(path)
    beside = path.with_name(path.name.replace("_TRAIN", "_TEST"))
    if beside == path or not beside.is_file():
        inputs, lengths = padded(train.series)
        return {"inputs": inputs, "lengths": lengths, **_targets(train.labels, train.classes)}, {}
    test = read_ts(beside)
    if train.series[0].shape[1] != test.series[0].shape[1]:
        raise UsageError(f"{path} has {train.series[0].shape[1]} channels, {beside} has {test.series[0].shape[1]}")
    if bool(train.classes) != bool(test.classes) or set(test.labels if test.classes else ()) - set(train.classes):
        raise UsageError(f"{beside} has other classes than {path}")
    inputs, lengths = padded(train.series + test.series)
    if train.classes:
        labels: Any = (*train.labels, *test.labels)
    else:
        labels = np.concatenate([np.asarray(train.labels), np.asarray(test.labels)])
    parts = [SPLITS[0]] * len(train.series) + [SPLITS[2]] * len(test.series)
    fields = {"inputs": inputs, "lengths": lengths, "split": np.array(parts), **_targets(labels, train.classes)}
    return fields, {"test_file": {"name": beside.name, "sha256": sha256(beside)}}


def _targets(labels: Any, classes: tuple[str, ...]) -> dict[str, Any]:
    if not classes:
        return {"targets": labels}
    index = {name: k for k, name in enumerate(classes)}
    return {"targets": np.array([index[label] for label in labels], np.int64), "class_names": classes}
