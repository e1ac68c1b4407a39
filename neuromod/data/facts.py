"""What is in data, before anything is trained: trials, lengths, channels, classes, the split, the score of guessing."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuromod.metrics import scores
from neuromod.trials import SPLITS, Trials


def about(data: Trials) -> dict[str, Any]:
    """Return name, SHA-256 and the number of trials of each split, as `neuromod train` reports them."""
    source = data.source
    found = {"name": source.get("name", data.names[0]), "sha256": source.get("sha256"), "trials": data.counts()}
    if "test_file" in source:
        found["test_file"] = dict(source["test_file"])
    return found


def info_of(data: Trials, dt_ms: float) -> dict[str, Any]:
    """Return what a network's `info` says of the data that it learned, JSON only."""
    about = {"name": data.source.get("name", data.names[0]), "sha256": data.source.get("sha256")}
    names = {"classes": list(data.class_names)} if data.class_names else {}
    coded = {"encoding": dict(data.source["encoding"])} if "encoding" in data.source else {}
    return {"data": {**about, "readout": data.readout, **names, **coded}, "dt_ms": dt_ms}


def score_name(data: Trials) -> str:
    """Return what results are told in: ``accuracy`` of classes, ``r2`` of values."""
    return "r2" if data.values else "accuracy"


def guessing(data: Trials) -> float:
    """Score on the test trials of always giving the most frequent class, or the mean value, of the training trials."""
    train, test = data.part("train").answers, data.part("test").answers
    if data.values:
        return scores.r2(test, np.broadcast_to(train.mean(axis=0), test.shape))
    return float((test == np.bincount(train, minlength=data.n_classes).argmax()).mean())


def describe(data: Trials) -> dict[str, Any]:
    """Return everything that `neuromod data` tells, JSON only.

    Parameters
    ----------
    data : Trials
        The data.
    """
    lengths = data.mask.sum(axis=0)
    train = data.part("train")
    rows = train.inputs[train.mask].astype(np.float64)
    channels = [
        {"name": name, "mean": float(x.mean()), "std": float(x.std()), "min": float(x.min()), "max": float(x.max())}
        for name, x in zip(data.channel_names, rows.T, strict=True)
    ]
    return {
        **about(data),
        "steps": {"min": int(lengths.min()), "median": float(np.median(lengths)), "max": int(lengths.max())},
        "dt_ms": data.dt_ms,
        "channels": channels,
        "targets": "values" if data.values else "classes",
        "readout": data.readout,
        "answers": {name: len(data.part(name).answers) for name in SPLITS},
        "classes": [] if data.values else _classes(data),
        "values": _values(train) if data.values else [],
        "split_from_file": list(data.source.get("split_given", [])),
        "score_name": score_name(data),
        "guessing": guessing(data),
        "warnings": warnings(data),
    }


def _classes(data: Trials) -> list[dict[str, Any]]:
    counted = {name: np.bincount(data.part(name).answers, minlength=data.n_classes) for name in SPLITS}
    return [
        {"name": label, **{name: int(counts[k]) for name, counts in counted.items()}}
        for k, label in enumerate(data.class_names)
    ]


def _values(train: Trials) -> list[dict[str, float]]:
    wanted = train.answers.astype(np.float64)
    return [
        {"mean": float(x.mean()), "std": float(x.std()), "min": float(x.min()), "max": float(x.max())} for x in wanted.T
    ]


def warnings(data: Trials) -> list[str]:
    """Return what is odd about data that can be learned all the same, each in a sentence."""
    found = []
    train = data.part("train")
    if not data.values:
        seen = np.bincount(train.answers, minlength=data.n_classes)
        never = [data.class_names[k] for k in np.flatnonzero(seen == 0)]
        if never:
            found.append(f"no training trial is of the class {', '.join(never[:5])}: it cannot be learned")
    validation = data.counts()["validation"]
    if validation < 20:
        found.append(f"{validation} validation trials choose what is pruned: one of them is {1 / validation:.0%}")
    rows = train.inputs[train.mask].astype(np.float64)
    ratio = np.abs(rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-300)
    far = [data.channel_names[k] for k in np.flatnonzero(ratio > 1e4)]
    if far:
        found.append(
            f"channel {far[0]} hardly varies around its mean: in single precision that is lost; subtract the mean"
        )
    return found
