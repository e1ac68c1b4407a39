"""Proof of the exports: each file runs in the runtime that a user would take, against the network it was made from."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.agreement import agreement
from neuromod.errors import VerificationError
from neuromod.evaluation import Evaluation, evaluate, trials_for
from neuromod.network import Array, Network
from neuromod.tasks import Trials

# Streams of trials on which the states are compared: (steps, batch), unlike anything at export.
STREAMS = ((203, 1), (257, 7), (229, 32))

# Trials that run at once; the last batch is smaller.
_BATCH = 512


def verify_onnx(
    folder: Path, network: Network, *, n_trials: int = 1000, seed: int = 1, max_error: float = 1e-5
) -> dict[str, Any]:
    """Run ``network.onnx`` and ``network_step.onnx`` in onnxruntime against `Network.run`.

    Readout and last state are compared on streams of at least 200 steps, made of trials one after the other, from rest
    and from states within trials; the decisions on trials from rest. Errors count relative to the size that the
    stream's state or readout has had so far, if that is above 1, because single precision cannot do better. If the
    network's state grows without bound when trials follow each other, each trial starts from rest instead.

    Parameters
    ----------
    folder : Path
        Holds the files.
    network : Network
        What they were made from.
    n_trials, seed : int
        Trials whose decisions are compared, and their seed.
    max_error : float
        Largest error that passes.

    Returns
    -------
    dict
        ``passed``, ``max_abs_error``, ``max_relative_error``, ``mean_abs_error``, ``decision_agreement``, …

    Raises
    ------
    VerificationError
        If a file cannot be run.
    """
    import onnxruntime

    rng = np.random.default_rng([seed, 11])
    trials = trials_for(network, n_trials, seed=rng)
    sequence, step = (_session(folder / name) for name in ("network.onnx", "network_step.onnx"))
    errors: list[tuple[float, float, float]] = []
    largest = 0.0
    bounded = _is_bounded(network, trials, rng)
    for x, h0 in _blocks(network, trials, rng, bounded=bounded):
        states = network.states(x, h0)
        y = states @ network.w_out.T.astype(float) + network.bias_out
        size = np.maximum(np.abs(states).max(axis=2), np.abs(y).max(axis=2))
        size = np.maximum(1, np.maximum.accumulate(size, axis=0))[..., None]
        largest = max(largest, float(size.max()))
        got_y, got_h = _run(sequence, x=x, h0=h0)
        errors += [_error(got_y, y, size), _error(got_h, states[-1], size[-1])]
        h = h0
        for t in range(len(x)):
            got_y, h = _run(step, x=x[t], h=h)
            errors += [_error(got_y, y[t], size[t]), _error(h, states[t], size[t])]
    reference = evaluate(network, trials)

    def runner(x: Array) -> Array:
        parts = [x[:, i : i + _BATCH] for i in range(0, x.shape[1], _BATCH)]
        zeros = [np.zeros((part.shape[1], network.n), np.float32) for part in parts]
        return np.concatenate([_run(sequence, x=p, h0=h)[0] for p, h in zip(parts, zeros, strict=True)], axis=1)

    found = evaluate(network, trials, runner=runner)
    absolute, relative, mean = (np.array(column) for column in zip(*errors, strict=True))
    result = {
        "passed": False,
        "verified": True,
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "max_abs_error": float(absolute.max()),
        "mean_abs_error": float(mean.mean()),
        "max_relative_error": float(relative.max()),
        "largest_value": largest,
        "max_error_allowed": max_error,
        "steps": min(steps for steps, _ in STREAMS),
        "streams": [list(stream) for stream in STREAMS],
        "state_bounded": bounded,
        **_compare(reference, found),
    }
    result["passed"] = bool(relative.max() <= max_error and result["decision_agreement"] == 1)
    return result


def verify_snn(
    folder: Path,
    network: Network,
    *,
    n_trials: int = 1000,
    seed: int = 1,
    min_agreement: float = 0.95,
    max_accuracy_gap: float = 0.02,
) -> dict[str, Any]:
    """Run the exported spiking network in snnTorch, from its own folder, against the rate network.

    Parameters
    ----------
    folder : Path
        As `exporting.snn.write` made it. Its ``model.py`` is run only if it is, byte for byte, the one that this
        version writes.
    network : Network
        What it was made from.
    n_trials, seed : int
        Trials whose decisions are compared, and their seed.
    min_agreement : float
        Least share of equal decisions that passes.
    max_accuracy_gap : float
        Largest difference of mean accuracy that passes.

    Returns
    -------
    dict
        ``passed``, ``decision_agreement``, ``accuracy``, ``substeps``, ``spikes_per_neuron_per_step``, …

    Raises
    ------
    VerificationError
        If the folder cannot be run.
    """
    import snntorch
    import torch

    trials = trials_for(network, n_trials, seed=np.random.default_rng([seed, 12]))
    model = _load_snn(folder)
    spikes: list[Array] = []

    def runner(x: Array) -> Array:
        outputs = []
        for i in range(0, x.shape[1], _BATCH):
            try:
                with torch.no_grad():
                    y, count, _ = model(torch.from_numpy(np.ascontiguousarray(x[:, i : i + _BATCH])))
            except (RuntimeError, TypeError, ValueError) as error:
                raise VerificationError(f"{folder} does not run in snnTorch: {error}") from error
            outputs.append(y.numpy())
            spikes.append(count.numpy())
        return np.concatenate(outputs, axis=1)

    found = evaluate(network, trials, runner=runner)
    reference = evaluate(network, trials)
    counts = np.concatenate(spikes, axis=1)[trials.mask]
    result = {
        "passed": False,
        "verified": True,
        "runtime": f"snntorch {snntorch.__version__}, torch {torch.__version__}",
        "mode": model.config["mode"],
        "substeps": model.config["substeps"],
        "spikes_per_neuron_per_step": float(counts.mean()),
        "min_agreement": min_agreement,
        "max_accuracy_gap": max_accuracy_gap,
        **_compare(reference, found),
    }
    gap = abs(found.accuracy - reference.accuracy)
    result["passed"] = bool(result["decision_agreement"] >= min_agreement and gap <= max_accuracy_gap)
    return result


# Export format -> what verifies it; there is no format without.
RUNNERS: dict[str, Callable[..., dict[str, Any]]] = {"onnx": verify_onnx, "snn": verify_snn}


def streams(trials: Trials, steps: int, batch: int, rng: np.random.Generator) -> Array:
    """Put trials one after the other, without their padding, until `steps` are full; (steps, batch, n_in) float32."""
    out = np.empty((steps, batch, trials.inputs.shape[2]), np.float32)
    for column in range(batch):
        at = 0
        while at < steps:
            trial = rng.integers(trials.n_trials)
            part = trials.inputs[: trials.last_step[trial] + 1, trial][: steps - at]
            out[at : at + len(part), column] = part
            at += len(part)
    return out


def _blocks(
    network: Network, trials: Trials, rng: np.random.Generator, *, bounded: bool
) -> Iterator[tuple[Array, Array]]:
    """Inputs (time, batch, n_in) and states before them (batch, n), of all streams."""
    for steps, batch in STREAMS:
        if bounded:
            x = streams(trials, steps, batch, rng)
            yield x, np.zeros((batch, network.n), np.float32)
            yield x, _visited(network, trials, batch, rng)
            continue
        done = 0
        while done < steps:
            some = rng.choice(trials.n_trials, size=batch, replace=trials.n_trials < batch)
            x = trials.inputs[: trials.last_step[some].min() + 1, some]
            yield x, np.zeros((batch, network.n), np.float32)
            done += len(x)


def _is_bounded(network: Network, trials: Trials, rng: np.random.Generator) -> bool:
    """Whether the state stays within ten times its size in single trials when trials follow each other."""
    alone = np.abs(network.states(trials.inputs))[trials.mask].max(initial=0)
    with np.errstate(over="ignore", invalid="ignore"):
        together = np.abs(network.states(streams(trials, max(s for s, _ in STREAMS), 64, rng))).max(initial=0)
    return bool(together <= 10 * max(1, alone))


def _visited(network: Network, trials: Trials, batch: int, rng: np.random.Generator) -> Array:
    """States within trials, (batch, n) float32."""
    some = rng.choice(trials.n_trials, size=batch, replace=trials.n_trials < batch)
    states = network.states(trials.inputs[:, some])
    return np.asarray(states[trials.last_step[some] // 2, np.arange(batch)], np.float32)


def _compare(reference: Evaluation, found: Evaluation) -> dict[str, Any]:
    agreed = agreement(reference.decisions, found.decisions)
    return {
        "decision_agreement": agreed.share,
        "decision_agreement_interval": [agreed.low, agreed.high],
        "accuracy": found.accuracy,
        "accuracy_reference": reference.accuracy,
        "trials": agreed.trials,
    }


def _error(got: Array, wanted: Array, size: Array) -> tuple[float, float, float]:
    """Return largest absolute, largest relative and mean absolute error; what is not a number is infinitely wrong."""
    if got.shape != wanted.shape:
        raise VerificationError(f"an exported file returned the shape {got.shape}, needed {wanted.shape}")
    error = np.abs(got - wanted)
    error[~np.isfinite(error)] = np.inf
    return float(error.max()), float((error / size).max()), float(error.mean())


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        # From memory, so that no external file is followed.
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise VerificationError(f"{path} does not load in onnxruntime: {_first_line(error)}") from error


def _run(session: Any, **inputs: Array) -> list[Array]:
    try:
        arrays: list[Array] = session.run(None, {name: np.asarray(x, np.float32) for name, x in inputs.items()})
    except Exception as error:
        raise VerificationError(f"an exported file does not run in onnxruntime: {_first_line(error)}") from error
    return arrays


def _load_snn(folder: Path) -> Any:
    from neuromod.exporting.snn import template

    try:
        text = (folder / "model.py").read_text(encoding="utf-8")
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VerificationError(f"{folder} cannot be read: {error}") from error
    if text != template():
        raise VerificationError(
            f"{folder / 'model.py'} is not the file that this version of neuromod writes, so it was not run; "
            "export again with `neuromod export --format snn`"
        )
    spec = importlib.util.spec_from_file_location("neuromod_exported_snn", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
        return module.load(folder)
    except Exception as error:
        raise VerificationError(f"{folder} does not load in snnTorch: {_first_line(error)}") from error
    finally:
        sys.dont_write_bytecode = before


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
