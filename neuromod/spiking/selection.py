"""The number of substeps of a spiking network: the smallest that decides as the rate network does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuromod.metrics import Agreement, agree, allowed_gap, evaluate, trials_for, wilson
from neuromod.network import Array, Network
from neuromod.spiking.conversion import convert
from neuromod.spiking.network import Reset, SpikingNetwork
from neuromod.spiking.quantization import quantize
from neuromod.spiking.settings import ConversionSettings
from neuromod.spiking.thresholds import activities, balance
from neuromod.trials import Trials

# Tried in this order until one is good enough; fine-tuned networks need fewer, and take longer to try.
SUBSTEPS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
TUNED_SUBSTEPS = (3, 5, 10, 20)

# Percentile of the activity and multiple of it at which a neuron fires in every substep. Low ones resolve small
# activities, high ones do not cut off large ones; which is better depends on the substeps. A hard reset loses the more
# the higher the drive, so its thresholds are tried at multiples, too.
THRESHOLDS: dict[Reset, tuple[tuple[float, float], ...]] = {
    "soft": ((98.0, 1.0), (99.0, 1.0), (99.5, 1.0), (99.9, 1.0)),
    "hard": tuple((percentile, multiple) for percentile in (99.0, 99.9) for multiple in (1.0, 2.0, 4.0, 8.0)),
}

# Fewer validation trials than that cannot show an agreement of 0.95.
_FEW = 100

# The name that 0.1.0 had for them.
Wishes = ConversionSettings


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
    accuracy_unrounded : float or None
        Accuracy before the weights were rounded and fine-tuned; None if they were not rounded.
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
    accuracy_unrounded: float | None = None


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
    trials : int
        Trials on which that was measured.
    """

    spiking: SpikingNetwork
    chosen: Candidate
    sweep: tuple[Candidate, ...]
    met: bool
    silent: tuple[int, ...]
    saturated: tuple[int, ...]
    trials: int


def choose(
    network: Network, settings: ConversionSettings | None = None, *, on_try: Callable[[Candidate], None] | None = None
) -> Conversion:
    """Convert with the smallest number of substeps that is good enough.

    For each number of substeps, in rising order, the thresholds are chosen on one set of trials, the network is
    fine-tuned if that is wanted, and the result is measured on a second set. If none is good enough, the one with the
    most equal decisions is returned, and `Conversion.met` is false.

    Parameters
    ----------
    network : Network
        The rate network, with its tasks in `info`.
    settings : ConversionSettings, optional
        What the spiking network is to be like.
    on_try : callable, optional
        Called with each `Candidate`.

    Returns
    -------
    Conversion
        The spiking network, how good it is, and everything that was tried.

    Raises
    ------
    UsageError
        If the network does not say what its tasks are, the mode does not fit its leak or the bits are out of range.
    """
    settings = settings or ConversionSettings()
    first, second = np.random.SeedSequence([settings.seed, 5]).spawn(2)
    calibration = trials_for(network, (settings.n_trials + 1) // 2, seed=first, split="train")
    test = trials_for(network, settings.n_trials, seed=second, split="validation")
    if network.data is not None and test.n_trials < _FEW:
        # Whether two networks decide alike can be told on any trials but those of the test.
        test = trials_for(network, settings.n_trials, seed=second, split="seen")
    samples = activities(network, calibration.inputs)[calibration.mask]
    scales = {
        (percentile, multiple): multiple * balance(samples, percentile=percentile)
        for percentile, multiple in THRESHOLDS[settings.reset]
    }
    tried: list[tuple[Candidate, SpikingNetwork, Array]] = []
    met = False
    for count, tuned in _plan(settings):
        candidate, spiking, spikes = _try(network, settings, count, tuned, scales, calibration, test)
        tried.append((candidate, spiking, spikes))
        if on_try:
            on_try(candidate)
        met = _is_met(candidate, settings, few=test.split is not None and not test.values)
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
        trials=test.n_trials,
    )


def _is_met(candidate: Candidate, settings: ConversionSettings, *, few: bool) -> bool:
    """Whether a candidate is within the tolerances; of `few` trials, of data, none asks for less than one trial."""
    trials, found = candidate.agreement.trials, candidate.agreement
    lost = candidate.accuracy_rate - candidate.accuracy
    if not few:
        return lost <= settings.max_accuracy_drop and found.low >= settings.min_agreement
    # The interval is wide even where all decisions are equal.
    least = min(settings.min_agreement, wilson(trials, trials)[0])
    return lost <= allowed_gap(settings.max_accuracy_drop, trials) and found.low >= least


def _plan(settings: ConversionSettings) -> Sequence[tuple[int, bool]]:
    """Numbers of substeps, each with whether to fine-tune."""
    plain = [(count, False) for count in sorted(set(settings.substeps or SUBSTEPS))]
    tuned = [(count, True) for count in sorted(set(settings.substeps or TUNED_SUBSTEPS))]
    return {"never": plain, "needed": plain + tuned, "always": tuned}[settings.tune]


def _try(
    network: Network,
    settings: ConversionSettings,
    count: int,
    tuned: bool,
    scales: dict[tuple[float, float], Array],
    calibration: Trials,
    test: Trials,
) -> tuple[Candidate, SpikingNetwork, Array]:
    peak = np.abs(calibration.inputs).max(axis=(0, 1))
    peak[peak == 0] = 1
    options, unrounded = {}, {}
    for thresholds, scale in scales.items():
        options[thresholds] = unrounded[thresholds] = convert(
            network,
            scale,
            substeps=count,
            mode=settings.mode,
            delay=settings.delay,
            reset=settings.reset,
            floor=settings.floor,
            keep=settings.keep,
            start=settings.start,
            input=settings.input,
            input_peak=peak,
        )
        if settings.weight_bits is not None and not tuned:
            options[thresholds] = quantize(options[thresholds], settings.weight_bits, granularity=settings.granularity)
    best = max(options, key=lambda key: _measure(network, options[key], calibration, key)[0].agreement.share)
    spiking = options[best]
    if tuned:
        from neuromod.spiking.fine_tuning import tune

        bits: dict[str, Any] = {"weight_bits": settings.weight_bits, "granularity": settings.granularity}
        spiking = tune(network, spiking, steps=settings.tune_steps, seed=settings.seed, **bits)
    candidate, spikes = _measure(network, spiking, test, best, tuned=tuned)
    if settings.weight_bits is not None:
        before = _measure(network, unrounded[best], test, best)[0].accuracy
        candidate = replace(candidate, accuracy_unrounded=before)
    return candidate, spiking, spikes


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
        agreement=agree(rate.decisions, converted.decisions, rate.trial_of_answer),
        state_error=error / size if size else 0.0,
        spikes_per_neuron_per_step=float(response.spikes[mask].mean()),
    )
    return candidate, response.spikes
