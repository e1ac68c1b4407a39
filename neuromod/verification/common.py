"""What every verification needs: streams of trials, probes, and the comparison of decisions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuromod.metrics import Evaluation, agree, allowed_gap, evaluate, has_tasks
from neuromod.network import Array, Network
from neuromod.trials import Trials

# Streams of trials on which the states are compared: (steps, batch), unlike anything at export.
STREAMS = ((203, 1), (257, 7), (229, 16))

# Trials that run at once; the last batch is smaller.
BATCH = 512

# Stands for an error that is not a number or not finite.
WRONG = 1e30

_EPSILON = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class Probe:
    """One step from a state that excites every synapse, with the result and how far rounding may move it.

    Parameters
    ----------
    x, h : (batch, n_in) and (batch, n) float32
        Input, and state before the step.
    y, h_next : (batch, n_out) and (batch, n)
        What the network makes of them.
    y_rounding, h_rounding : same shapes
        Largest difference that single precision explains.
    """

    x: Array
    h: Array
    y: Array
    h_next: Array
    y_rounding: Array
    h_rounding: Array


def probes(network: Network, rng: np.random.Generator) -> Iterator[Probe]:
    """Steps from random inputs and states of either sign, dense and sparse, small and large.

    Trials use few of the states that weights allow, and a wrong weight of a neuron that they leave silent does not
    show. Here every neuron is driven above its threshold by some row, and in sparse rows each weight is one of few
    that do so.
    """
    for size in (1.0, 10.0, 100.0):
        for active in (1.0, 0.1):
            x, h = (
                (size * rng.normal(size=(128, m)) * (rng.random((128, m)) < max(active, 4 / max(m, 1)))).astype(
                    np.float32
                )
                for m in (network.n_in, network.n)
            )
            yield _probe(network, x, h)


def _probe(network: Network, x: Array, h: Array) -> Probe:
    y, h_next = network.run(x[None], h)
    alpha, w_rec = network.alpha, abs(network.w_rec).astype(np.float64)
    # Errors of a sum of k terms grow with the sum of their magnitudes and, where they are random, with the root of k.
    terms = np.abs(x) @ np.abs(network.w_in).T.astype(float) + (w_rec @ np.abs(h).T).T + np.abs(network.bias)
    most = int((np.diff(network.w_rec.indptr) + (network.w_in != 0).sum(axis=1)).max())
    h_rounding = _margin(most) * (alpha * terms + (1 - alpha) * np.abs(h))
    w_out = np.abs(network.w_out).T.astype(float)
    y_rounding = h_rounding @ w_out + _margin(network.n) * (np.abs(h_next) @ w_out + np.abs(network.bias_out))
    return Probe(x, h, y[0], h_next, y_rounding, h_rounding)


def _margin(terms: int) -> float:
    return 2 * _EPSILON * math.sqrt(terms + 4)


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


def blocks(
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


def is_bounded(network: Network, trials: Trials, rng: np.random.Generator) -> bool:
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


def compare(reference: Evaluation, found: Evaluation) -> dict[str, Any]:
    """Return agreement of the decisions and the two accuracies."""
    agreed = agree(reference.decisions, found.decisions, reference.trial_of_answer)
    return {
        "decision_agreement": agreed.share,
        "decision_agreement_interval": [agreed.low, agreed.high],
        "accuracy": found.accuracy,
        "accuracy_reference": reference.accuracy,
        "trials": agreed.trials,
    }


def compare_runs(network: Network, trials: Trials, runner: Callable[[Array], Array]) -> dict[str, Any]:
    """Return agreement of an export's decisions and both accuracies; None without readouts, accuracies without tasks.

    `runner` takes inputs (time, trial, n_in) and returns the readout (time, trial, n_out) of the export.
    """
    figures: dict[str, Any] = {
        "decision_agreement": None,
        "decision_agreement_interval": None,
        "accuracy": None,
        "accuracy_reference": None,
        "trials": trials.n_trials,
    }
    if network.n_out:
        figures |= compare(evaluate(network, trials), evaluate(network, trials, runner=runner))
    if not has_tasks(network):
        figures |= {"accuracy": None, "accuracy_reference": None}
    return figures


def gap_of(gap: float, trials: Trials) -> float:
    """Largest difference of accuracies that passes where `gap` is asked for; of few data a single one passes."""
    if trials.split is None or trials.values:
        return gap
    # One trial of 40 is 0.025, and 1 - 0.975 a little more.
    return allowed_gap(gap, len(trials.answers)) + 1e-9


def first_line(error: Exception) -> str:
    """Return the first line of what a runtime says, or the kind of error if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
