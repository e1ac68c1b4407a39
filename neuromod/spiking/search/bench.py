"""Candidates: a network converted with some thresholds and substeps, fine-tuned or not, and how it does on trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuromod.metrics import Agreement, Evaluation, agree, evaluate
from neuromod.network import Array, Network
from neuromod.spiking.conversion import convert
from neuromod.spiking.network import SpikingNetwork
from neuromod.spiking.quantization import quantize
from neuromod.spiking.settings import ConversionSettings
from neuromod.trials import Trials

# With spikes as inputs that pass the synapses: how far above the largest input what a channel can say at most lies. It
# takes some room to follow an input that rises.
HEADROOM = 1.5

# Trials on which thresholds that are far off are told, and half as many as show that a conversion is.
SOME = 250

# Of fine-tuning. The thresholds of a hard reset are multiples, and so its weights are smaller.
_LEARNING_RATE = {"soft": 2e-3, "hard": 1e-3}


@dataclass(frozen=True)
class Candidate:
    """One conversion and how it did on trials that its thresholds were not chosen on.

    Of data with few trials, the agreement is that on trials between these, see `trials.trials_between`.

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
class Reference:
    """What the rate network does in trials: its states and how it is judged."""

    network: Network
    trials: Trials
    states: Array
    rate: Evaluation

    @classmethod
    def of(cls, network: Network, trials: Trials) -> Reference:
        """Run and judge the rate network."""
        states = network.states(trials.inputs, dtype=np.float32)
        rate = evaluate(network, trials, runner=lambda _: states @ network.w_out.T + network.bias_out)
        return cls(network, trials, states, rate)

    def some(self, number: int, rng: np.random.Generator) -> Reference:
        """Return some of the trials, or all where there are not twice as many."""
        if self.trials.n_trials < 2 * number:
            return self
        chosen = rng.choice(self.trials.n_trials, size=number, replace=False)
        return self.of(self.network, self.trials.take(np.sort(chosen)))


@dataclass(frozen=True, eq=False)
class Judges:
    """What a candidate is measured on.

    Parameters
    ----------
    scored : Reference
        On trials with answers: the accuracy, the states, the spikes.
    alike : Reference
        On these or others: the agreement of decisions.
    """

    scored: Reference
    alike: Reference

    def some(self, number: int, rng: np.random.Generator) -> Judges:
        """Return them with some of the trials; themselves where there are not twice as many, or two kinds of them."""
        if self.scored is not self.alike or (some := self.scored.some(number, rng)) is self.scored:
            return self
        return Judges(some, some)


@dataclass(frozen=True, eq=False)
class Bench:
    """What every candidate is made from and measured on; the second of each pair are some of the first's trials.

    Thresholds may have a share of equal decisions that is less by `slack` than the best ones', where their states are
    nearer to the rate network's.
    """

    network: Network
    settings: ConversionSettings
    scales: dict[tuple[float, float], Array]
    calibration: tuple[Reference, Reference]
    test: tuple[Judges, Judges]
    slack: float = 0.0


@dataclass(frozen=True, eq=False)
class Tried:
    """A candidate, its network, and the spikes in the trials that it was scored on."""

    candidate: Candidate
    spiking: SpikingNetwork
    spikes: Array
    trials: Trials


def try_plain(bench: Bench, count: int) -> Tried:
    """Convert, and measure: on some of the trials only, where these show that it is not good enough."""
    settings = bench.settings
    thresholds, spiking = _best_thresholds(bench, count, round_weights=True)
    few = tried_on(bench, bench.test[1], thresholds, spiking)
    if few.candidate.agreement.high < settings.min_agreement or bench.test[0] is bench.test[1]:
        return few
    return tried_on(bench, bench.test[0], thresholds, spiking)


def try_tuned(bench: Bench, count: int, *, least: float = 0.0) -> Tried:
    """Convert with a number of substeps, fine-tune, and measure.

    Parameters
    ----------
    bench : Bench
        What it is made from.
    count : int
        Substeps.
    least : float
        Share of equal decisions below which fine-tuning is not worth its time: the candidate is left as it is then.
    """
    from neuromod.spiking.fine_tuning import tune

    settings = bench.settings
    thresholds, spiking = _best_thresholds(bench, count, round_weights=False)
    if least > 0:
        few = tried_on(bench, bench.test[1], thresholds, spiking)
        if few.candidate.agreement.share < least:
            return few
    bits: dict[str, Any] = {"weight_bits": settings.weight_bits, "granularity": settings.granularity}
    rate = _LEARNING_RATE[settings.reset]
    spiking = tune(bench.network, spiking, steps=settings.tune_steps, learning_rate=rate, seed=settings.seed, **bits)
    return tried_on(bench, bench.test[0], thresholds, spiking, tuned=True)


def _best_thresholds(bench: Bench, count: int, *, round_weights: bool) -> tuple[tuple[float, float], SpikingNetwork]:
    """Find the thresholds with the most equal decisions: the better part on some trials, the best of it on all."""
    settings = bench.settings
    options = {thresholds: _converted(bench, count, thresholds) for thresholds in bench.scales}
    if settings.weight_bits is not None and round_weights:
        bits, steps = settings.weight_bits, settings.granularity
        options = {key: quantize(spiking, bits, granularity=steps) for key, spiking in options.items()}

    def tried(reference: Reference, key: tuple[float, float]) -> Candidate:
        return _measure(Judges(reference, reference), options[key], key)[0]

    best = list(options)
    whole, some = bench.calibration
    if some is not whole:
        best = sorted(best, key=lambda key: -tried(some, key).agreement.share)[: (len(best) + 1) // 4 + 1]
    on_all = {key: tried(whole, key) for key in best}
    least = max(candidate.agreement.share for candidate in on_all.values()) - bench.slack
    found = min(
        (key for key, candidate in on_all.items() if candidate.agreement.share >= least),
        key=lambda key: on_all[key].state_error,
    )
    return found, options[found]


def _converted(bench: Bench, count: int, thresholds: tuple[float, float]) -> SpikingNetwork:
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


def tried_on(
    bench: Bench,
    judges: Judges,
    thresholds: tuple[float, float],
    spiking: SpikingNetwork,
    *,
    tuned: bool = False,
) -> Tried:
    """Measure a network on some trials; of rounded weights, with the accuracy before.

    Parameters
    ----------
    bench : Bench
        What it was made from.
    judges : Judges
        What it is measured on.
    thresholds : (float, float)
        Those that the candidate was made with.
    spiking : SpikingNetwork
        The candidate.
    tuned : bool
        Whether it was fine-tuned.

    Returns
    -------
    Tried
        The candidate, measured.
    """
    candidate, spikes = _measure(judges, spiking, thresholds, tuned=tuned)
    if bench.settings.weight_bits is not None:
        unrounded = _converted(bench, spiking.substeps, thresholds)
        candidate = replace(candidate, accuracy_unrounded=_measure(judges, unrounded, thresholds)[0].accuracy)
    return Tried(candidate, spiking, spikes, judges.scored.trials)


def _measure(
    judges: Judges, spiking: SpikingNetwork, thresholds: tuple[float, float], *, tuned: bool = False
) -> tuple[Candidate, Array]:
    reference, alike = judges.scored, judges.alike
    trials, rate = reference.trials, reference.rate
    response = spiking.run(trials.inputs, rng=np.random.default_rng(0))
    converted = evaluate(reference.network, trials, runner=lambda _: response.y)
    other = converted if alike is reference else evaluate(alike.network, alike.trials, runner=_runner(spiking))
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
        agreement=agree(alike.rate.decisions, other.decisions, alike.rate.trial_of_answer),
        state_error=error / size if size else 0.0,
        spikes_per_neuron_per_step=float(response.spikes[mask].mean()),
    )
    return candidate, response.spikes


def _runner(spiking: SpikingNetwork) -> Callable[[Array], Array]:
    return lambda x: spiking.run(x, rng=np.random.default_rng(0)).y
