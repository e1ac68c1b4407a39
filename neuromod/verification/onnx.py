"""ONNX files in onnxruntime and in the reference evaluator of the onnx package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.errors import VerificationError
from neuromod.mapping import Placement
from neuromod.metrics import evaluate, has_tasks, random_trials, trials_for
from neuromod.network import Array, Network
from neuromod.trials import Trials
from neuromod.verification.common import (
    BATCH,
    STREAMS,
    WRONG,
    blocks,
    compare,
    compare_runs,
    first_line,
    gap_of,
    is_bounded,
    probes,
)
from neuromod.verification.onnx_session import run, session

# Lengths of random trials, of a network without tasks: the first in which its state grows by less than this factor, as
# a state that explodes also magnifies rounding.
_RANDOM_STEPS = (30, 10, 3)
_MOST_GROWTH = 100

# Steps in the evaluator of the onnx package, which fills sparse matrices anew in each, one value after the other.
_EVALUATED_STEPS = 12
_EVALUATED_STEPS_OF_LARGE = 3
_LARGE = 50_000


def verify_onnx(
    folder: Path,
    network: Network,
    *,
    placement: Placement | None = None,
    n_trials: int = 1000,
    seed: int = 1,
    max_error: float = 1e-5,
) -> dict[str, Any]:
    """Run ``network.onnx`` and ``network_step.onnx`` in onnxruntime against `Network.run`.

    Readout and last state are compared on streams of at least 200 steps, made of trials one after the other, from rest
    and from states within trials; the decisions on trials from rest; and single steps from random states, which excite
    every synapse, element by element within what rounding explains. Errors of streams count relative to the size that
    the stream's state or readout has had so far, if that is above 1, because single precision cannot do better. If the
    network's state grows without bound when trials follow each other, each trial starts from rest instead. A network
    that names no tasks gets random inputs and has no accuracy.

    Parameters
    ----------
    folder : Path
        Holds the files.
    network : Network
        What they were made from.
    placement : Placement, optional
        The present one; a file that carries another one fails.
    n_trials, seed : int
        Trials whose decisions are compared, and their seed.
    max_error : float
        Largest error that passes.

    Returns
    -------
    dict
        ``passed``, ``reasons``, ``max_abs_error``, ``max_relative_error``, ``decision_agreement``, …

    Raises
    ------
    VerificationError
        If a file cannot be run.
    """
    import onnxruntime

    rng = np.random.default_rng([seed, 11])
    known = has_tasks(network)
    trials = trials_for(network, n_trials, seed=rng) if known else _random(network, n_trials, rng)
    evaluated = _EVALUATED_STEPS if network.n_synapses < _LARGE else _EVALUATED_STEPS_OF_LARGE
    files = {name: session(folder / name) for name in ("network.onnx", "network_step.onnx")}
    sequence, step = files.values()
    errors: list[tuple[float, float, float]] = []
    largest = 0.0
    bounded = is_bounded(network, trials, rng)
    for x, h0 in blocks(network, trials, rng, bounded=bounded):
        states = network.states(x, h0)
        y = states @ network.w_out.T.astype(float) + network.bias_out
        size = np.maximum(np.abs(states).max(axis=2), np.abs(y).max(axis=2, initial=0))
        size = np.maximum(1, np.maximum.accumulate(size, axis=0))[..., None]
        largest = max(largest, float(size.max()))
        got_y, got_h = run(sequence, x=x, h0=h0)
        errors += [_error(got_y, y, size), _error(got_h, states[-1], size[-1])]
        h = h0
        for t in range(len(x)):
            got_y, h = run(step, x=x[t], h=h)
            errors += [_error(got_y, y[t], size[t]), _error(h, states[t], size[t])]
    absolute, relative, mean = (np.array(column) for column in zip(*errors, strict=True))
    result = {
        "passed": False,
        "verified": True,
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "inputs": "task trials" if known else "random",
        "max_abs_error": float(absolute.max()),
        "mean_abs_error": float(mean.mean()),
        "max_relative_error": float(relative.max()),
        "largest_value": largest,
        "max_error_allowed": max_error,
        "steps": min(steps for steps, _ in STREAMS),
        "streams": [list(stream) for stream in STREAMS],
        "state_bounded": bounded,
        "probe_error": _probe(network, rng, sequence, step),
        "reference_evaluator_error": _reference_evaluator(folder, network, trials.inputs[:evaluated, :3]),
        **compare_runs(network, trials, lambda x: _batches(sequence, network, x)),
    }
    agreed = result["decision_agreement"]
    # Values are numbers, which differ in their last digits.
    least = 1 - max_error if trials.values else 1
    result["reasons"] = [
        *(what for name, file in files.items() for what in metadata_faults(name, file, network, placement)),
        *([f"the error is {relative.max():.2g} of the state's size"] if relative.max() > max_error else []),
        *(["some synapse or constant is not the network's"] if result["probe_error"] > 1 else []),
        *(["the reference evaluator differs"] if result["reference_evaluator_error"] > max_error else []),
        *([f"decisions agree in {agreed:.4f}"] if agreed is not None and agreed < least else []),
    ]
    result["passed"] = not result["reasons"]
    return result


def verify_int8(
    folder: Path,
    network: Network,
    *,
    placement: Placement | None = None,
    n_trials: int = 1000,
    seed: int = 1,
    max_accuracy_drop: float = 0.01,
) -> dict[str, Any]:
    """Run the quantised ONNX files in onnxruntime on trials: their accuracy counts, as they cannot be exact.

    Parameters
    ----------
    folder, network, placement, n_trials, seed
        As for `verify_onnx`.
    max_accuracy_drop : float
        Largest loss of mean accuracy against the network that passes.

    Returns
    -------
    dict
        ``passed``, ``reasons``, and for each file its size, agreement, accuracy and relative error.

    Raises
    ------
    VerificationError
        If a file cannot be run.
    """
    import onnxruntime

    trials = trials_for(network, n_trials, seed=np.random.default_rng([seed, 13]))
    reference = evaluate(network, trials)
    exact = network.run(trials.inputs)[0][trials.mask]
    result: dict[str, Any] = {"passed": False, "verified": True, "runtime": f"onnxruntime {onnxruntime.__version__}"}
    reasons = []
    worst: dict[str, Any] = {}
    for path in (folder / "network_int8.onnx", folder / "network_int8_weights.onnx"):
        file = session(path)
        y = _batches(file, network, trials.inputs)
        found = evaluate(network, trials, runner=lambda _, y=y: y)  # type: ignore[misc]
        error = np.sqrt(np.mean((y[trials.mask] - exact) ** 2) / np.mean(exact**2))
        part = {
            **compare(reference, found),
            "bytes": path.stat().st_size,
            "relative_error": float(error) if np.isfinite(error) else None,
        }
        result[path.stem] = part
        worst = part if not worst or part["accuracy"] < worst["accuracy"] else worst
        reasons += metadata_faults(path.name, file, network, placement)
        if part["accuracy_reference"] - part["accuracy"] > gap_of(max_accuracy_drop, trials):
            reasons.append(f"{path.name} loses {part['accuracy_reference'] - part['accuracy']:.3f} accuracy")
    # The figures of the worse file stand for both.
    return {**result, **worst, "reasons": reasons, "passed": bool(worst) and not reasons}


def _random(network: Network, n_trials: int, rng: np.random.Generator) -> Trials:
    """Trials of random inputs, so short that the state does not explode in them."""
    for steps in _RANDOM_STEPS:
        trials = random_trials(network, n_trials, steps=steps, seed=rng)
        with np.errstate(over="ignore", invalid="ignore"):
            size = np.abs(network.states(trials.inputs[:, :BATCH])).max(axis=(1, 2))
        if size[-1] <= _MOST_GROWTH * max(1, size[0]):
            break
    return trials


def metadata_faults(name: str, file: Any, network: Network, placement: Placement | None) -> list[str]:
    """Return what a file says of itself that is not so."""
    from neuromod.exporting import onnx

    try:
        found = dict(file.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError:
        return [f"{name} carries metadata that is no text"]
    wanted = onnx.metadata(network, placement)
    for key in ("neuromod.placement", "neuromod.rates"):
        if key not in found:
            wanted.pop(key, None)  # exported before there was one
    faults = []
    for key in (
        "neuromod.network",
        "neuromod.positions",
        "neuromod.rates",
        "neuromod.placement",
        "neuromod.provenance",
    ):
        if key == "neuromod.provenance" and key in found and key in wanted:
            digests = [_digest(text) for text in (found[key], wanted[key])]
            if digests[0] != digests[1]:
                faults.append(f"{name} was made from another network")
        elif found.get(key) != wanted.get(key):
            faults.append(f"{name} carries a {key.removeprefix('neuromod.')} that is not the network's")
    return faults


def _batches(file: Any, network: Network, x: Array) -> Array:
    """Readout (time, trial, n_out) of trials from rest."""
    parts = [x[:, i : i + BATCH] for i in range(0, x.shape[1], BATCH)]
    zeros = [np.zeros((part.shape[1], network.n), np.float32) for part in parts]
    return np.concatenate([run(file, x=p, h0=h)[0] for p, h in zip(parts, zeros, strict=True)], axis=1)


def _probe(network: Network, rng: np.random.Generator, sequence: Any, step: Any) -> float:
    """Largest error of single steps, in units of what rounding explains."""
    worst = 0.0
    for probe in probes(network, rng):
        once = run(sequence, x=probe.x[None], h0=probe.h)
        for got_y, got_h in ((once[0][0], once[1]), run(step, x=probe.x, h=probe.h)):
            for got, wanted, rounding in (
                (got_y, probe.y, probe.y_rounding),
                (got_h, probe.h_next, probe.h_rounding),
            ):
                worst = max(worst, _error(got, wanted, np.maximum(rounding, 1e-30))[1])
    return worst


def _reference_evaluator(folder: Path, network: Network, x: Array) -> float:
    """Largest error of ``network.onnx`` in the onnx package's own evaluator, relative to the state's size."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    h0 = np.zeros((x.shape[1], network.n), np.float32)
    y, h_last = network.run(x, h0)
    try:
        model = onnx.load_model_from_string((folder / "network.onnx").read_bytes())
        outputs = ReferenceEvaluator(model).run(None, {"x": np.asarray(x, np.float32), "h0": h0})
        got_y, got_h = (np.asarray(output, np.float32) for output in outputs)
    except Exception as error:
        raise VerificationError(f"network.onnx does not run in onnx.reference: {first_line(error)}") from error
    size = max(1.0, float(np.abs(y).max(initial=0)), float(np.abs(h_last).max()))
    return max(_error(got_y, y, np.array(size))[1], _error(got_h, h_last, np.array(size))[1])


def _error(got: Array, wanted: Array, size: Array) -> tuple[float, float, float]:
    """Return largest absolute, largest relative and mean absolute error; what is not a number is infinitely wrong."""
    if got.shape != wanted.shape:
        raise VerificationError(f"an exported file returned the shape {got.shape}, needed {wanted.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(got - wanted)
        relative = error / size
    # However large the state: what overflows single precision is no error relative to it.
    relative[~np.isfinite(error) | ~np.isfinite(relative)] = WRONG
    error[~np.isfinite(error)] = WRONG
    if not error.size:
        return 0.0, 0.0, 0.0
    return float(error.max()), float(relative.max()), float(error.mean())


def _digest(text: str) -> Any:
    try:
        return json.loads(text)["network_sha256"]
    except (ValueError, KeyError, TypeError):
        return None
