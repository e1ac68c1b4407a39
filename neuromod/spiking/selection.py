"""The number of substeps of a spiking network: the smallest that decides as the rate network does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from neuromod.metrics import TRIALS_BETWEEN, Agreement, allowed_gap, has_few_trials, trials_for
from neuromod.network import Network
from neuromod.spiking.dynamics.fine_time import agreement_in_fine_time
from neuromod.spiking.network import Reset, SpikingNetwork
from neuromod.spiking.search.bench import (
    SOME,
    Bench,
    Candidate,
    Judges,
    Reference,
    Tried,
    tried_on,
    try_plain,
    try_tuned,
)
from neuromod.spiking.settings import ConversionSettings
from neuromod.spiking.thresholds import activities, balance, largest_drives

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

# A share of equal decisions that is little: within what chance makes of the trials.
_LITTLE = 0.005

# Of data with few trials: a threshold that nothing seen exceeds. What is not seen is less like it than of tasks.
_WHOLE = (100.0, 1.0)

# What a share of equal decisions on trials between the others tells apart: of those nearer, the smaller error of the
# states says more of trials that are unlike both.
_SLACK = 0.01

# Fine-tuning takes off about three quarters of the decisions that differ; of more than so many times those allowed it
# is not begun while more substeps are left to try.
_FAR = 2.0

# Share of a membrane's floor below 0 that currents take on the trials of the calibration.
_WITHIN = 0.4

# The name that 0.1.0 had for them.
Wishes = ConversionSettings


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
    fine_time : Agreement or None
        If nothing was good enough: decisions of the rate network that stay where it is integrated in substeps as the
        spiking one is; None where that keeps its own time steps, or has a delay that makes up for them. What is lost
        here no number of substeps brings back, but a longer time constant does.
    """

    spiking: SpikingNetwork
    chosen: Candidate
    sweep: tuple[Candidate, ...]
    met: bool
    silent: tuple[int, ...]
    saturated: tuple[int, ...]
    trials: int
    fine_time: Agreement | None = None


def choose(
    network: Network, settings: ConversionSettings | None = None, *, on_try: Callable[[Candidate], None] | None = None
) -> Conversion:
    """Convert with the smallest number of substeps that is good enough.

    For each number of substeps, in rising order, the thresholds are chosen on one set of trials, the network is
    fine-tuned if that is wanted, and the result is measured on a second set, on some of it where these show that it is
    not good enough. Unless `settings` say which numbers to try, it ends where more substeps bring no more equal
    decisions. If none is good enough, the one with the most equal decisions is returned, and `Conversion.met` is
    false.

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
    few = has_few_trials(network)
    calibration, test = _references(network, settings, first, second)
    trials, rng = test.scored.trials, np.random.default_rng(third)
    samples = activities(network, calibration.trials.inputs)[calibration.trials.mask]
    scales = {
        (percentile, multiple): multiple * balance(samples, percentile=percentile)
        for percentile, multiple in (*THRESHOLDS[settings.reset], *((_WHOLE,) if few else ()))
    }
    if settings.floor is not None and settings.floor < 0:
        # A chip whose membranes end at the floor ends its currents there, too.
        least = largest_drives(network, calibration.trials.inputs) / (_WITHIN * -settings.floor)
        scales = {thresholds: np.maximum(scale, least) for thresholds, scale in scales.items()}
    some = calibration if few else calibration.some(SOME, rng)
    pairs = (calibration, some), (test, test.some(2 * SOME, rng))
    bench = Bench(network, settings, scales, *pairs, slack=_SLACK if few else 0.0)
    tried: list[Tried] = []
    met = False
    for tuned in {"never": (False,), "needed": (False, True), "always": (True,)}[settings.tune]:
        numbers = _counts(settings, tried, tuned=tuned)
        for count in numbers:
            if tuned:
                # The last one is tuned however far off it is.
                worth = 0.0 if count == numbers[-1] else 1 - _FAR * (1 - settings.min_agreement)
                tried.append(try_tuned(bench, count, least=worth))
            else:
                tried.append(try_plain(bench, count))
            if on_try:
                on_try(tried[-1].candidate)
            met = _is_met(tried[-1], settings)
            if met or (not settings.substeps and not tuned and _levelled_off(tried)):
                break
        if met:
            break
    chosen = tried[-1] if met else max(tried, key=lambda item: item.candidate.agreement.share)
    if chosen.trials is not trials:
        thresholds = chosen.candidate.percentile, chosen.candidate.multiple
        chosen = tried_on(bench, test, thresholds, chosen.spiking, tuned=chosen.candidate.tuned)
    counts = chosen.spikes[trials.mask]
    silent = network.neuron_ids[~counts.any(axis=0)]
    saturated = network.neuron_ids[(counts >= chosen.spiking.substeps).mean(axis=0) > 0.05]
    fine_time = None
    if not met and chosen.spiking.mode == "continuous" and not chosen.spiking.delay:
        alike = bench.test[1].alike
        fine_time = agreement_in_fine_time(network, alike.trials, alike.rate, chosen.spiking.substeps)
    return Conversion(
        spiking=chosen.spiking,
        chosen=chosen.candidate,
        sweep=tuple(item.candidate for item in tried),
        met=met,
        silent=tuple(silent.tolist()),
        saturated=tuple(saturated.tolist()),
        trials=trials.n_trials,
        fine_time=fine_time,
    )


def _references(
    network: Network, settings: ConversionSettings, first: np.random.SeedSequence, second: np.random.SeedSequence
) -> tuple[Reference, Judges]:
    """Return what thresholds are chosen on, and what the conversion is measured on."""
    half = (settings.n_trials + 1) // 2
    if not has_few_trials(network):
        calibration = Reference.of(network, trials_for(network, half, seed=first, split="train"))
        test = Reference.of(network, trials_for(network, settings.n_trials, seed=second, split="validation"))
        return calibration, Judges(test, test)
    # Too few validation trials, and what the network was trained on it decides with a wide margin, so that a poor
    # conversion would pass there.
    calibration, alike = (
        Reference.of(network, trials_for(network, min(n, TRIALS_BETWEEN), seed=seed, split="between"))
        for n, seed in ((half, first), (settings.n_trials, second))
    )
    scored = Reference.of(network, trials_for(network, settings.n_trials, seed=second, split="seen"))
    return calibration, Judges(scored, alike)


def _is_met(tried: Tried, settings: ConversionSettings) -> bool:
    """Whether a candidate is within the tolerances; on few trials of data, none asks for less than one trial."""
    candidate, trials = tried.candidate, tried.trials
    lost, allowed = candidate.accuracy_rate - candidate.accuracy, settings.max_accuracy_drop
    if trials.split is not None and not trials.values:
        allowed = allowed_gap(allowed, len(trials.answers))
    return lost <= allowed + 1e-9 and candidate.agreement.low >= settings.min_agreement


def _counts(settings: ConversionSettings, tried: Sequence[Tried], *, tuned: bool) -> list[int]:
    """Numbers of substeps to try, in rising order.

    Fine-tuning makes up for what more substeps do not: it begins where these no longer helped.
    """
    if settings.substeps or not tuned:
        return sorted(set(settings.substeps or SUBSTEPS))
    shares = {item.candidate.substeps: item.candidate.agreement.share for item in tried}
    enough = min((count for count in shares if shares[count] >= max(shares.values()) - _LITTLE), default=0)
    return [count for count in TUNED_SUBSTEPS if count >= enough] or [TUNED_SUBSTEPS[-1]]


def _levelled_off(tried: Sequence[Tried]) -> bool:
    """Whether the last two numbers of substeps, the second twice the one before them, brought no more equal ones."""
    shares = [item.candidate.agreement.share for item in tried]
    return len(shares) > 4 and max(shares[-2:]) <= max(shares[:-2]) + _LITTLE / 2
