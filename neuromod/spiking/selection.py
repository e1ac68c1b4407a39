"""The number of substeps of a spiking network: the smallest that decides as the rate network does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuromod.metrics import Agreement, Evaluation, agree, allowed_gap, evaluate, trials_for, wilson
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

# With spikes as inputs that pass the synapses: how far above the largest input what a channel can say at most lies. It
# takes some room to follow an input that rises.
HEADROOM = 1.5

# Trials on which thresholds that are far off are told, and half as many as show that a conversion is.
_SOME = 250

# A share of equal decisions that is little: within what chance makes of the trials.
_LITTLE = 0.005

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


@dataclass(frozen=True, eq=False)
class _Reference:
    """What the rate network does in trials: its states and how it is judged."""

    network: Network
    trials: Trials
    states: Array
    rate: Evaluation

    @classmethod
    def of(cls, network: Network, trials: Trials) -> _Reference:
        states = network.states(trials.inputs, dtype=np.float32)
        rate = evaluate(network, trials, runner=lambda _: states @ network.w_out.T + network.bias_out)
        return cls(network, trials, states, rate)

    def some(self, number: int, rng: np.random.Generator) -> _Reference:
        """Return some of the trials, or all where there are not twice as many."""
        if self.trials.n_trials < 2 * number:
            return self
        chosen = rng.choice(self.trials.n_trials, size=number, replace=False)
        return self.of(self.network, self.trials.take(np.sort(chosen)))


@dataclass(frozen=True, eq=False)
class _Bench:
    """What every candidate is made from and measured on; the second of each pair are some of the first's trials."""

    network: Network
    settings: ConversionSettings
    scales: dict[tuple[float, float], Array]
    calibration: tuple[_Reference, _Reference]
    test: tuple[_Reference, _Reference]


@dataclass(frozen=True, eq=False)
class _Tried:
    """A candidate, its network, and the spikes in the trials that it was measured on."""

    candidate: Candidate
    spiking: SpikingNetwork
    spikes: Array
    trials: Trials


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
    first, second, third = np.random.SeedSequence([settings.seed, 5]).spawn(3)
    calibration = _Reference.of(network, trials_for(network, (settings.n_trials + 1) // 2, seed=first, split="train"))
    trials = trials_for(network, settings.n_trials, seed=second, split="validation")
    if network.data is not None and trials.n_trials < _FEW:
        # Whether two networks decide alike can be told on any trials but those of the test.
        trials = trials_for(network, settings.n_trials, seed=second, split="seen")
    test, rng = _Reference.of(network, trials), np.random.default_rng(third)
    samples = activities(network, calibration.trials.inputs)[calibration.trials.mask]
    scales = {
        (percentile, multiple): multiple * balance(samples, percentile=percentile)
        for percentile, multiple in THRESHOLDS[settings.reset]
    }
    bench = _Bench(
        network, settings, scales, (calibration, calibration.some(_SOME, rng)), (test, test.some(2 * _SOME, rng))
    )
    tried: list[_Tried] = []
    met = False
    for tuned in {"never": (False,), "needed": (False, True), "always": (True,)}[settings.tune]:
        start = None
        for count in _counts(settings, tried, tuned=tuned):
            if tuned:
                tried.append(_tuned(bench, count, start))
                start = tried[-1].spiking
            else:
                tried.append(_plain(bench, count))
            if on_try:
                on_try(tried[-1].candidate)
            met = _is_met(tried[-1].candidate, settings, few=trials.split is not None and not trials.values)
            if met or (not settings.substeps and not tuned and _levelled_off(tried)):
                break
        if met:
            break
    chosen = tried[-1] if met else max(tried, key=lambda item: item.candidate.agreement.share)
    if chosen.trials is not trials:
        thresholds = chosen.candidate.percentile, chosen.candidate.multiple
        chosen = _tried(bench, test, thresholds, chosen.spiking, tuned=chosen.candidate.tuned)
    counts = chosen.spikes[trials.mask]
    silent = network.neuron_ids[~counts.any(axis=0)]
    saturated = network.neuron_ids[(counts >= chosen.spiking.substeps).mean(axis=0) > 0.05]
    return Conversion(
        spiking=chosen.spiking,
        chosen=chosen.candidate,
        sweep=tuple(item.candidate for item in tried),
        met=met,
        silent=tuple(silent.tolist()),
        saturated=tuple(saturated.tolist()),
        trials=trials.n_trials,
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


def _counts(settings: ConversionSettings, tried: Sequence[_Tried], *, tuned: bool) -> list[int]:
    """Numbers of substeps to try, in rising order.

    Fine-tuning makes up for what more substeps do not: it begins where these no longer helped.
    """
    if settings.substeps or not tuned:
        return sorted(set(settings.substeps or SUBSTEPS))
    shares = {item.candidate.substeps: item.candidate.agreement.share for item in tried}
    enough = min((count for count in shares if shares[count] >= max(shares.values()) - _LITTLE), default=0)
    return [count for count in TUNED_SUBSTEPS if count >= enough] or [TUNED_SUBSTEPS[-1]]


def _levelled_off(tried: Sequence[_Tried]) -> bool:
    """Whether the last two numbers of substeps, the second twice the one before them, brought no more equal ones."""
    shares = [item.candidate.agreement.share for item in tried]
    return len(shares) > 4 and max(shares[-2:]) <= max(shares[:-2]) + _LITTLE / 2


def _plain(bench: _Bench, count: int) -> _Tried:
    """Convert, and measure: on some of the trials only, where these show that it is not good enough."""
    settings = bench.settings
    thresholds, spiking = _best_thresholds(bench, count, round_weights=True)
    few = _tried(bench, bench.test[1], thresholds, spiking)
    if few.candidate.agreement.high < settings.min_agreement or bench.test[0] is bench.test[1]:
        return few
    return _tried(bench, bench.test[0], thresholds, spiking)


def _tuned(bench: _Bench, count: int, start: SpikingNetwork | None) -> _Tried:
    """Fine-tune with a number of substeps, from where fine-tuning with fewer of them ended if there is a `start`."""
    from neuromod.spiking.fine_tuning import tune

    settings = bench.settings
    thresholds, spiking = _best_thresholds(bench, count, round_weights=False)
    bits: dict[str, Any] = {"weight_bits": settings.weight_bits, "granularity": settings.granularity}
    spiking = tune(bench.network, spiking, steps=settings.tune_steps, seed=settings.seed, **bits)
    return _tried(bench, bench.test[0], thresholds, spiking, tuned=True)


def _best_thresholds(bench: _Bench, count: int, *, round_weights: bool) -> tuple[tuple[float, float], SpikingNetwork]:
    """Find the thresholds with the most equal decisions: the better half on some trials, the best of it on all."""
    settings = bench.settings
    options = {thresholds: _converted(bench, count, thresholds) for thresholds in bench.scales}
    if settings.weight_bits is not None and round_weights:
        bits, steps = settings.weight_bits, settings.granularity
        options = {key: quantize(spiking, bits, granularity=steps) for key, spiking in options.items()}

    def share(reference: _Reference, key: tuple[float, float]) -> float:
        return _measure(reference, options[key], key)[0].agreement.share

    best = list(options)
    whole, some = bench.calibration
    if some is not whole:
        best = sorted(best, key=lambda key: -share(some, key))[: (len(best) + 1) // 4 + 1]
    found = max(best, key=lambda key: share(whole, key))
    return found, options[found]


def _converted(bench: _Bench, count: int, thresholds: tuple[float, float]) -> SpikingNetwork:
    settings = bench.settings
    peak = np.abs(bench.calibration[0].trials.inputs).max(axis=(0, 1))
    peak[peak == 0] = 1
    if settings.input == "counts" and settings.mode == "continuous":
        peak *= HEADROOM
    return convert(
        bench.network,
        bench.scales[thresholds],
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


def _tried(
    bench: _Bench,
    reference: _Reference,
    thresholds: tuple[float, float],
    spiking: SpikingNetwork,
    *,
    tuned: bool = False,
) -> _Tried:
    candidate, spikes = _measure(reference, spiking, thresholds, tuned=tuned)
    if bench.settings.weight_bits is not None:
        unrounded = _converted(bench, spiking.substeps, thresholds)
        candidate = replace(candidate, accuracy_unrounded=_measure(reference, unrounded, thresholds)[0].accuracy)
    return _Tried(candidate, spiking, spikes, reference.trials)


def _measure(
    reference: _Reference, spiking: SpikingNetwork, thresholds: tuple[float, float], *, tuned: bool = False
) -> tuple[Candidate, Array]:
    trials, rate = reference.trials, reference.rate
    response = spiking.run(trials.inputs, rng=np.random.default_rng(0))
    converted = evaluate(reference.network, trials, runner=lambda _: response.y)
    mask = trials.mask
    states = reference.states[mask]
    size = float(np.sqrt(np.mean(states**2)))
    error = float(np.sqrt(np.mean((response.traces[mask] * spiking.scale - states) ** 2)))
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
