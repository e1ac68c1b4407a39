"""From a rate network to a spiking one: thresholds by calibration, and the number of substeps by a sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from neuromod.agreement import Agreement, agreement
from neuromod.evaluation import evaluate, trials_for
from neuromod.network import Array, Network
from neuromod.quantization import Granularity, quantize
from neuromod.spiking import Input, Mode, Reset, SpikingNetwork
from neuromod.tasks import Trials

# Tried in this order until one is good enough.
SUBSTEPS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)

# Percentile of the activity and multiple of it at which a neuron fires in every substep. Low ones resolve small
# activities, high ones do not cut off large ones; which is better depends on the substeps. A hard reset loses the more
# the higher the drive, so its thresholds are tried at multiples, too.
THRESHOLDS: dict[Reset, tuple[tuple[float, float], ...]] = {
    "soft": ((98.0, 1.0), (99.0, 1.0), (99.5, 1.0), (99.9, 1.0)),
    "hard": tuple((percentile, multiple) for percentile in (99.0, 99.9) for multiple in (1.0, 2.0, 4.0, 8.0)),
}


@dataclass(frozen=True)
class Candidate:
    """One conversion and how it did on trials that its thresholds were not chosen on.

    Parameters
    ----------
    substeps : int
        Steps of the neurons in one time step.
    percentile, multiple : float
        A neuron fires in every substep at this multiple of this percentile of its activity.
    tuned : bool
        Whether it was fine-tuned.
    accuracy, accuracy_rate : float
        Mean accuracy over tasks of the spiking and of the rate network.
    agreement : Agreement
        Of their decisions.
    state_error : float
        Root mean square error of the state, relative to the state's.
    spikes_per_neuron_per_step : float
        Mean number of spikes that a neuron fires in a time step of the rate network.
    """

    substeps: int
    percentile: float
    multiple: float
    tuned: bool
    accuracy: float
    accuracy_rate: float
    agreement: Agreement
    state_error: float
    spikes_per_neuron_per_step: float


@dataclass(frozen=True, eq=False)
class Conversion:
    """A spiking network, how it was chosen and what is odd about it.

    Parameters
    ----------
    spiking : SpikingNetwork
        The chosen one.
    chosen : Candidate
        Its figures.
    sweep : tuple of Candidate
        All numbers of substeps that were tried.
    met : bool
        Whether the chosen one is within the tolerances.
    silent, saturated : tuple of int
        `neuron_ids` of neurons that never fired, and of neurons that fired in every substep of more than 5 % of the
        time steps.
    """

    spiking: SpikingNetwork
    chosen: Candidate
    sweep: tuple[Candidate, ...]
    met: bool
    silent: tuple[int, ...]
    saturated: tuple[int, ...]


def activities(network: Network, x: Array) -> Array:
    """Activity max(0, …) of every neuron before the leak, (time, batch, n), for inputs x (time, batch, n_in)."""
    states = network.states(x, dtype=np.float32)
    before = np.concatenate([np.zeros_like(states[:1]), states[:-1]])
    activity: Array = np.maximum(0, (states - (1 - network.alpha) * before) / network.alpha)
    return activity


def balance(samples: Array, *, percentile: float = 99.5, floor: float = 0.05) -> Array:
    """Activity at which each neuron is to fire in every substep: threshold balancing by percentiles.

    Parameters
    ----------
    samples : (samples, n)
        Activity of the rate network.
    percentile : float
        Of each neuron's activity.
    floor : float
        Least value, as a share of the most active neuron's. It keeps the weights in a range that few bits can hold.

    Returns
    -------
    (n,) float32
        All positive.

    References
    ----------
    B. Rueckauer et al., Frontiers in Neuroscience 11:682 (2017), doi:10.3389/fnins.2017.00682.
    """
    scale = np.percentile(samples, percentile, axis=0)
    largest = float(scale.max(initial=0.0))
    if largest <= 0:
        return np.ones(samples.shape[1], np.float32)
    return np.asarray(np.maximum(scale, floor * largest), np.float32)


def convert(
    network: Network,
    scale: Array,
    *,
    substeps: int,
    mode: Mode = "hold",
    reset: Reset = "soft",
    floor: float | None = 0.0,
    input: Input = "constant",
    input_peak: Array | None = None,
) -> SpikingNetwork:
    """Turn a rate network into a spiking one with given thresholds.

    Parameters
    ----------
    network : Network
        The rate network.
    scale : (n,)
        Activity at which each neuron fires in every substep, see `balance`.
    substeps : int
        Steps of the neurons in one time step.
    mode, reset, floor, input, input_peak
        See `SpikingNetwork`; ``continuous`` gets an axonal delay of half a time step.

    Raises
    ------
    UsageError
        If the mode does not fit the network's leak.
    """
    scale = np.asarray(scale, np.float32)
    w_rec = sparse.diags_array(1 / scale) @ network.w_rec @ sparse.diags_array(scale)
    return SpikingNetwork(
        w_rec=w_rec,
        w_in=network.w_in / scale[:, None],
        bias=network.bias / scale,
        w_out=network.w_out * scale,
        bias_out=network.bias_out,
        scale=scale,
        alpha=network.alpha,
        dt_s=network.dt_s,
        substeps=substeps,
        mode=mode,
        delay=substeps // 2 if mode == "continuous" else 0,
        reset=reset,
        floor=floor,
        input=input,
        input_peak=np.ones(network.n_in) if input_peak is None else input_peak,
    )


def choose(
    network: Network,
    *,
    substeps: Sequence[int] = SUBSTEPS,
    mode: Mode = "hold",
    reset: Reset = "soft",
    floor: float | None = 0.0,
    input: Input = "constant",
    weight_bits: int | None = None,
    granularity: Granularity = "row",
    tune_steps: int = 0,
    max_accuracy_drop: float = 0.01,
    min_agreement: float = 0.95,
    n_trials: int = 1000,
    seed: int = 0,
    on_try: Callable[[Candidate], None] | None = None,
) -> Conversion:
    """Convert with the smallest number of substeps that is good enough.

    For each number of substeps, in rising order, the thresholds are chosen on one set of trials, the network is
    fine-tuned if that is wanted, and the result is measured on a second set.

    Parameters
    ----------
    network : Network
        The rate network, with its tasks in `info`.
    substeps : sequence of int
        What to try; a single one is taken as it is.
    mode, reset, floor, input
        See `SpikingNetwork`.
    weight_bits, granularity
        Quantise the weights, see `quantization.quantize`; not at all if `weight_bits` is None.
    tune_steps : int
        Steps of fine-tuning, see `tuning.tune`; 0 for none.
    max_accuracy_drop : float
        Largest loss of mean accuracy against the rate network.
    min_agreement : float
        Least share of equal decisions; the lower end of its 95 % interval must reach it.
    n_trials : int
        Trials in each of the two sets.
    seed : int
        Seed of the trials.
    on_try : callable, optional
        Called with each `Candidate`.

    Raises
    ------
    UsageError
        If the network does not say what its tasks are, the mode does not fit its leak or the bits are out of range.
    """
    first, second = np.random.SeedSequence([seed, 5]).spawn(2)
    calibration, test = trials_for(network, n_trials, seed=first), trials_for(network, n_trials, seed=second)
    samples = activities(network, calibration.inputs)[calibration.mask]
    scales = {
        (percentile, multiple): multiple * balance(samples, percentile=percentile)
        for percentile, multiple in THRESHOLDS[reset]
    }
    peak = np.abs(calibration.inputs).max(axis=(0, 1))
    peak[peak == 0] = 1
    tried: list[tuple[Candidate, SpikingNetwork, Array]] = []
    met = False
    for count in sorted(set(substeps)):
        options = {}
        for thresholds, scale in scales.items():
            options[thresholds] = convert(
                network, scale, substeps=count, mode=mode, reset=reset, floor=floor, input=input, input_peak=peak
            )
            if weight_bits is not None and not tune_steps:
                options[thresholds] = quantize(options[thresholds], weight_bits, granularity=granularity)
        best = max(options, key=lambda key: _measure(network, options[key], calibration, key)[0].agreement.share)
        spiking = options[best]
        if tune_steps:
            from neuromod.tuning import tune

            bits: dict[str, Any] = {"weight_bits": weight_bits, "granularity": granularity}
            spiking = tune(network, spiking, steps=tune_steps, seed=seed, **bits)
        candidate, spikes = _measure(network, spiking, test, best, tuned=tune_steps > 0)
        tried.append((candidate, spiking, spikes))
        if on_try:
            on_try(candidate)
        met = (
            candidate.accuracy_rate - candidate.accuracy <= max_accuracy_drop
            and candidate.agreement.low >= min_agreement
        )
        if met:
            break
    chosen, spiking, spikes = tried[-1] if met else max(tried, key=lambda item: item[0].agreement.share)
    counts = spikes[test.mask]
    silent = network.neuron_ids[~counts.any(axis=0)]
    saturated = network.neuron_ids[(counts >= spiking.substeps).mean(axis=0) > 0.05]
    return Conversion(
        spiking=spiking,
        chosen=chosen,
        sweep=tuple(candidate for candidate, _, _ in tried),
        met=met,
        silent=tuple(silent.tolist()),
        saturated=tuple(saturated.tolist()),
    )


def _measure(
    network: Network, spiking: SpikingNetwork, trials: Trials, thresholds: tuple[float, float], *, tuned: bool = False
) -> tuple[Candidate, Array]:
    response = spiking.run(trials.inputs, rng=np.random.default_rng(0))
    states = network.states(trials.inputs, dtype=np.float32)
    rate = evaluate(network, trials, runner=lambda _: states @ network.w_out.T + network.bias_out)
    converted = evaluate(network, trials, runner=lambda _: response.y)
    mask = trials.mask
    size = float(np.sqrt(np.mean(states[mask] ** 2)))
    error = float(np.sqrt(np.mean((response.traces * spiking.scale - states)[mask] ** 2)))
    candidate = Candidate(
        substeps=spiking.substeps,
        percentile=thresholds[0],
        multiple=thresholds[1],
        tuned=tuned,
        accuracy=converted.accuracy,
        accuracy_rate=rate.accuracy,
        agreement=agreement(rate.decisions, converted.decisions),
        state_error=error / size if size else 0.0,
        spikes_per_neuron_per_step=float(response.spikes[mask].mean()),
    )
    return candidate, response.spikes
