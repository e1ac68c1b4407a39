"""Reading ``.ts`` files, the format of the UCR and UEA archives of time series (sktime, aeon)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.trials import MOST_ENTRIES

# No line of a header is longer, and no header has more lines.
_MOST_HEADER = 10_000


@dataclass(frozen=True, eq=False)
class Series:
    """What a ``.ts`` file holds.

    Parameters
    ----------
    series : tuple of (time, channel) float32 arrays
        One a trial, of any lengths.
    labels : tuple of str, or (trial, 1) float32
        Class of each trial, or the value to predict.
    classes : tuple of str
        The classes in the order of the header; empty for values.
    """

    series: tuple[npt.NDArray[np.float32], ...]
    labels: tuple[str, ...] | npt.NDArray[np.float32]
    classes: tuple[str, ...]


def read_ts(path: Path) -> Series:
    """Read a ``.ts`` file.

    Parameters
    ----------
    path : Path
        A header of ``@key value`` lines with ``@classLabel true NAMES`` or ``@targetLabel true``, then ``@data`` and
        one line a trial: the values of each channel separated by commas, channels by colons, the label last.

    Raises
    ------
    UsageError
        If it has no such header, holds time stamps, or a line cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="strict") as file:
            return _parse(path, enumerate(file, 1))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: it is not UTF-8 text") from error


def _parse(path: Path, lines: Iterator[tuple[int, str]]) -> Series:
    header = _header(path, lines)
    for key in ("timestamps",):
        if header.get(key, "false").split(" ")[0].lower() == "true":
            raise UsageError(f"{path} holds time stamps with its values; only evenly sampled .ts files are read")
    kind, classes = _labels(path, header)
    series: list[npt.NDArray[np.float32]] = []
    labels: list[str] = []
    entries = 0
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        *parts, label = text.split(":")
        if not parts:
            raise UsageError(f"{path}, line {number}: needed channels separated by colons and a label, found one part")
        found = _channels(path, number, parts)
        if series and found.shape[1] != series[0].shape[1]:
            raise UsageError(
                f"{path}, line {number}: it has {found.shape[1]} channels, those before have {series[0].shape[1]}"
            )
        entries += found.size
        if entries > MOST_ENTRIES:
            raise UsageError(f"{path} holds more than {MOST_ENTRIES:,} values; use fewer trials")
        label = label.strip()
        if kind == "class" and label not in classes:
            raise UsageError(f"{path}, line {number}: the label {label!r} is not among those of the header")
        series.append(found)
        labels.append(label)
    if not series:
        raise UsageError(f"{path} holds no trial after @data")
    if kind == "class":
        return Series(tuple(series), tuple(labels), classes)
    return Series(tuple(series), _values(path, labels), ())


def _header(path: Path, lines: Iterator[tuple[int, str]]) -> dict[str, str]:
    header: dict[str, str] = {}
    for number, line in lines:
        text = line.strip()
        if number > _MOST_HEADER:
            break
        if text.lower() == "@data":
            return header
        if text.startswith("@"):
            key, _, value = text[1:].partition(" ")
            header[key.lower()] = value.strip()
        elif text and not text.startswith("#"):
            raise UsageError(f"{path}, line {number}: needed @key value or @data, found {text[:40]!r}")
    raise UsageError(f"{path} is no .ts file: it has no line @data")


def _labels(path: Path, header: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    words = header.get("classlabel", "").split()
    if words[:1] and words[0].lower() == "true":
        if len(words) < 2 or len(set(words[1:])) != len(words) - 1:
            raise UsageError(f"{path}: @classLabel true needs the names of the classes, each once")
        return "class", tuple(words[1:])
    if header.get("targetlabel", "").lower().startswith("true"):
        return "value", ()
    raise UsageError(f"{path} has no labels: needed @classLabel true NAMES, or @targetLabel true, before @data")


def _channels(path: Path, number: int, parts: list[str]) -> npt.NDArray[np.float32]:
    columns = []
    for part in parts:
        try:
            columns.append(np.array(part.split(","), dtype=np.float64))
        except ValueError as error:
            missing = any(word.strip() in ("?", "") for word in part.split(","))
            what = "a value is missing; fill the gaps first" if missing else str(error)
            raise UsageError(f"{path}, line {number}: {what}") from error
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise UsageError(f"{path}, line {number}: its channels have {min(lengths)} to {max(lengths)} steps")
    with np.errstate(over="ignore"):
        found = np.stack(columns, axis=1).astype(np.float32)
    if not np.isfinite(found).all():
        raise UsageError(f"{path}, line {number}: it holds values that are not finite; fill the gaps first")
    return found


def _values(path: Path, labels: list[str]) -> npt.NDArray[np.float32]:
    try:
        return np.array(labels, dtype=np.float64).astype(np.float32)[:, None]
    except ValueError as error:
        raise UsageError(f"{path}: a value to predict is no number ({error})") from error


def padded(series: tuple[npt.NDArray[Any], ...]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return trials (trial, time, channel), padded with zeros to the longest, and their lengths (trial,).

    Raises
    ------
    UsageError
        If they are too large.
    """
    lengths = np.array([len(part) for part in series], np.int64)
    size = len(series) * int(lengths.max()) * series[0].shape[1]
    if size > MOST_ENTRIES:
        raise UsageError(
            f"padded to the longest trial, the data have {size:,} values, at most {MOST_ENTRIES:,} are read"
        )
    inputs = np.zeros((len(series), int(lengths.max()), series[0].shape[1]), np.float32)
    for row, part in zip(inputs, series, strict=True):
        row[: len(part)] = part
    return inputs, lengths
