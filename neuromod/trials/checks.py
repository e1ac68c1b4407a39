"""Arrays of a user's own trials, checked and brought into the layout of `Trials`: every fault is one sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError

Array = npt.NDArray[Any]

# Which trials a network learns on, which choose what pruning and the like choose, and which are kept to the end.
SPLITS = ("train", "validation", "test")

# How the answer to a trial is read from the readout of its steps.
READOUTS = ("last", "mean", "every")

# Share of the trials of each class that is held out where nothing says which: for the test, then for the validation.
HELD_OUT = 0.2

# Entries that the inputs, padded to the longest trial, may have: 1 GiB in single precision.
MOST_ENTRIES = 2**28

# More classes than that are no classes but numbers.
MOST_CLASSES = 10_000


def checked_inputs(inputs: Any, lengths: Any, *, trial: str = "trial") -> tuple[Array, Array]:
    """Return inputs (trial, time, channel) as float32, zero after each trial's end, and the lengths (trial,) int64.

    Raises
    ------
    UsageError
        If they have another shape, hold something else than finite numbers, or lengths do not fit.
    """
    inputs = _numbers("inputs", inputs)
    if inputs.ndim == 2:
        raise UsageError(
            f"inputs must have the shape (trial, time, channel), found {inputs.shape}; "
            "one channel is inputs[:, :, None]"
        )
    if inputs.ndim != 3 or 0 in inputs.shape:
        raise UsageError(f"inputs must have the shape (trial, time, channel), none of them 0, found {inputs.shape}")
    if inputs.size > MOST_ENTRIES:
        raise UsageError(f"inputs have {inputs.size:,} entries, at most {MOST_ENTRIES:,} are read; use fewer trials")
    n, steps = inputs.shape[:2]
    if lengths is None:
        ends: Array = np.full(n, steps, np.int64)
    else:
        ends = np.asarray(lengths)
        if ends.shape != (n,) or ends.dtype.kind not in "iu":
            raise UsageError(f"lengths must be {n:,} whole numbers, found {ends.dtype} of shape {ends.shape}")
        bad = np.flatnonzero((ends < 1) | (ends > steps))
        if len(bad):
            raise UsageError(f"lengths must be 1 to {steps}, found {ends[bad[0]]} for {trial} {bad[0]}")
        ends = ends.astype(np.int64)
    valid = np.arange(steps) < ends[:, None]
    with np.errstate(over="ignore"):
        result = np.where(valid[..., None], inputs, 0).astype(np.float32)
    wrong = np.argwhere(~np.isfinite(result))
    if len(wrong):
        i, t, c = wrong[0]
        more = f", the first of {len(wrong):,}" if len(wrong) > 1 else ""
        raise UsageError(
            f"inputs hold values that are not finite: {inputs[i, t, c]} in {trial} {i}, step {t}, channel {c}{more}; "
            "fill the gaps, or leave these trials out"
        )
    return result, ends


def checked_targets(targets: Any, valid: Array, class_names: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
    """Return targets for every step and the names of the classes.

    Parameters
    ----------
    targets : array
        Int (trial,) or (trial, time): classes; float (trial, n_out) or (trial, time, n_out): values.
    valid : (trial, time) bool
        False after a trial's end.
    class_names : sequence of str, optional
        Names of the classes 0, 1, …; without them classes are named, and sorted, by their numbers.

    Returns
    -------
    targets : (trial, time) int64 or (trial, time, n_out) float32
        For every step; 0 after a trial's end.
    class_names : tuple of str
        Empty for values.

    Raises
    ------
    UsageError
        If they have another shape or type, or there is nothing to tell apart.
    """
    targets = _numbers("targets", targets)
    if class_names is not None:
        class_names = checked_names("class_names", class_names, np.size(class_names))
    n, steps = valid.shape
    shapes = f"({n},) or ({n}, {steps}) whole numbers for classes, or ({n}, n_out) or ({n}, {steps}, n_out) for values"
    if targets.dtype.kind == "f":
        if targets.ndim == 1:
            raise UsageError(
                f"targets of the shape (trial,) are classes and must be whole numbers, found {targets.dtype}; "
                "values to learn need the shape (trial, n_out)"
            )
        if class_names:
            raise UsageError(f"class_names are given, but targets are {targets.dtype}, which are values to learn")
        return _values(targets, valid, shapes), ()
    if targets.shape not in ((n,), (n, steps)):
        raise UsageError(f"targets must have the shape {shapes}, found {targets.dtype} of shape {targets.shape}")
    every = np.broadcast_to(targets if targets.ndim == 2 else targets[:, None], (n, steps))
    labels = np.unique(every[valid])
    if len(labels) > MOST_CLASSES:
        raise UsageError(
            f"targets are {len(labels):,} different whole numbers, at most {MOST_CLASSES:,} classes can be learned; "
            "values to learn are float"
        )
    if class_names:
        names = tuple(class_names)
        if len(set(names)) != len(names):
            raise UsageError("class_names holds a name twice")
        wrong = labels[(labels < 0) | (labels >= len(names))]
        if len(wrong):
            raise UsageError(f"targets must be 0 to {len(names) - 1}, an index into class_names, found {wrong[0]}")
        classes = every.astype(np.int64)
    else:
        names = tuple(str(label) for label in labels)
        classes = np.searchsorted(labels, np.where(valid, every, labels[0])).astype(np.int64)
    if len(labels) < 2:
        raise UsageError(f"targets hold one class only, {names[int(classes[0, 0])]}: there is nothing to tell apart")
    return np.where(valid, classes, 0), names


def checked_mask(mask: Any, valid: Array) -> Array:
    """Return where the answer is read, (trial, time) bool: at `valid` steps, some in every trial.

    Raises
    ------
    UsageError
        If it has another shape, or a trial has no such step.
    """
    if mask is None:
        return valid
    found = np.asarray(mask)
    if found.shape != valid.shape or found.dtype.kind not in "biu":
        raise UsageError(f"mask must be bool of the shape {valid.shape}, found {found.dtype} of shape {found.shape}")
    read: Array = (found != 0) & valid
    none = np.flatnonzero(~read.any(axis=1))
    if len(none):
        raise UsageError(f"mask leaves trial {none[0]} no step at which its answer is read")
    return read


def checked_split(split: Any, n: int) -> Array:
    """Return the split of each trial, (trial,) int8, an index into `SPLITS`.

    Raises
    ------
    UsageError
        If it names something else, or there are no trials to train on or to test with.
    """
    found = np.asarray(split)
    if found.dtype.kind == "S":
        found = np.char.decode(found, "utf-8", "replace")
    if found.shape != (n,) or found.dtype.kind not in "UO":
        raise UsageError(f"split must be {n:,} words, {', '.join(SPLITS)}, found {found.dtype} of shape {found.shape}")
    words = [str(word) for word in found.tolist()]
    unknown = sorted(set(words) - set(SPLITS))
    if unknown:
        raise UsageError(f"split holds {unknown[0]!r}; needed {', '.join(SPLITS)}")
    for name in ("train", "test"):
        if name not in words:
            raise UsageError(f"split has no trial for {name}; leave split out to have one made")
    return np.array([SPLITS.index(word) for word in words], np.int8)


def complete_split(split: Array | None, label: Array, *, seed: int) -> Array:
    """Hold trials out, by class: for the test where there is none, and then for the validation where there is none.

    Parameters
    ----------
    split : (trial,) int8, optional
        What is known, an index into `SPLITS`.
    label : (trial,) int64
        Class of each trial; zeros for values.
    seed : int
        Of the choice.

    Raises
    ------
    UsageError
        If there are too few trials.
    """
    result = np.zeros(len(label), np.int8) if split is None else split.copy()
    rng = np.random.default_rng([seed, 23])
    for part in (SPLITS.index("test"), SPLITS.index("validation")):
        if (result == part).any():
            continue
        for value in np.unique(label):
            there = np.flatnonzero((result == 0) & (label == value))
            count = max(round(HELD_OUT * len(there)), min(1, len(there) - 1))
            result[rng.choice(there, size=count, replace=False)] = part
        if not (result == part).any():
            raise UsageError(f"{len(label)} trials are too few to hold any out for {SPLITS[part]}")
    return result


def check_training(
    inputs: Array, valid: Array, targets: Array, read: Array, channels: Sequence[str], *, constant_channels: bool
) -> None:
    """Refuse what cannot be learned from: a channel that is constant, one class alone, values that never change.

    Parameters
    ----------
    inputs : (trial, time, channel) float
        Of the training trials.
    valid, read : (trial, time) bool
        Steps that a trial has, and those at which its answer is read.
    targets : (trial, ...) int or float
        What is wanted.
    channels : sequence of str
        Names of the channels.
    constant_channels : bool
        Whether channels may be constant.
    """
    steps = inputs[valid]
    constant = np.flatnonzero(np.ptp(steps, axis=0) == 0)
    if len(constant) and not constant_channels:
        more = f", as are {len(constant) - 1} others" if len(constant) > 1 else ""
        raise UsageError(
            f"channel {channels[constant[0]]} is constant ({steps[0, constant[0]]:g}) in all training trials{more}; "
            "leave it out"
        )
    wanted = targets[read]
    if wanted.ndim == 2:
        still = np.flatnonzero(np.ptp(wanted, axis=0) == 0)
        if len(still):
            raise UsageError(f"target {still[0]} is constant in all training trials: there is nothing to learn")
    elif len(np.unique(wanted)) < 2:
        raise UsageError("the training trials hold one class only: there is nothing to tell apart")


def checked_names(what: str, names: Any, count: int) -> tuple[str, ...]:
    """Return `count` names as text; their numbers if there are none. Raise `UsageError` where they are no names."""
    if names is None:
        return tuple(str(k) for k in range(count))
    found = np.asarray(names)
    if found.dtype.kind == "S":
        found = np.char.decode(found, "utf-8", "replace")
    if found.shape != (count,) or found.dtype.kind not in "UO":
        raise UsageError(f"{what} must be {count} names, found {found.dtype} of shape {found.shape}")
    return tuple(str(name) for name in found.tolist())


def _numbers(name: str, value: Any) -> Array:
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise UsageError(
            f"{name} cannot be read as an array ({error}); pad trials to one length and give lengths"
        ) from error
    if found.dtype.kind not in "fiu" and not (found.dtype.kind == "b" and name == "inputs"):
        words = found.dtype.kind in "US" and name == "targets"
        advice = "; `class_names, targets = numpy.unique(targets, return_inverse=True)` numbers words" if words else ""
        raise UsageError(f"{name} must be numbers, found {found.dtype}{advice}")
    return found


def _values(targets: Array, valid: Array, shapes: str) -> Array:
    n, steps = valid.shape
    if targets.ndim == 2:
        targets = targets[:, None, :]
    if targets.ndim != 3 or targets.shape[0] != n or targets.shape[1] not in (1, steps) or targets.shape[2] == 0:
        raise UsageError(f"targets must have the shape {shapes}, found {targets.dtype} of shape {targets.shape}")
    with np.errstate(over="ignore"):
        every: Array = np.where(valid[..., None], targets, 0).astype(np.float32)
    wrong = np.argwhere(~np.isfinite(every))
    if len(wrong):
        i, t, k = wrong[0]
        raise UsageError(f"targets hold values that are not finite: output {k} of trial {i}, step {t}")
    return every


def digest(*arrays: Array) -> str:
    """SHA-256 of arrays with their types and shapes, as 64 hexadecimal digits."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
