"""Integer networks of chips: against the rate network, and the vendors' simulators against them, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.evaluation import has_tasks, random_trials, trials_for
from neuromod.network import Network
from neuromod.runners.common import compare_runs
from neuromod.runners.simulators import TIME_LIMIT, SimulatorError, equal_trials, run_example, version_of
from neuromod.tasks import Trials

# Steps of random trials, for networks without tasks.
_STEPS = 40


def verify_xylo(
    folder: Path,
    network: Network,
    integers: Any,
    *,
    trials: Trials | None = None,
    n_trials: int = 1000,
    simulated: int = 100,
    seed: int = 1,
    python: str | None = None,
    time_limit: float = TIME_LIMIT,
    min_agreement: float = 0.95,
    max_accuracy_gap: float = 0.02,
) -> dict[str, Any]:
    """Compare a Xylo folder with what was exported, its integers with the rate network, and xylosim with them.

    Parameters
    ----------
    folder : Path
        From `exporting.xylo.write`.
    network : Network
        The rate network.
    integers : chips.xylo.XyloNetwork
        What was written.
    trials : Trials, optional
        Trials to compare on; `n_trials` drawn anew if omitted.
    n_trials, seed : int
        Number of trials and their seed.
    simulated : int
        Trials that the simulator runs, too.
    python : str, optional
        The Python that has the simulator; this one if omitted.
    time_limit : float
        Seconds for the simulator.
    min_agreement, max_accuracy_gap : float
        Least share of equal decisions, and largest difference of the accuracies, that pass.

    Returns
    -------
    dict
        ``passed``, ``verified``, ``reasons``, ``simulator``, ``trials``, ``bit_equal``, ``decision_agreement``,
        ``decision_agreement_95``, ``accuracy``, ``accuracy_network``.

    Raises
    ------
    VerificationError
        If the folder is not one that was written.
    """
    from neuromod.exporting import xylo

    found = xylo.read(folder)
    trials = _drawn(network, n_trials, seed) if trials is None else trials
    result, reasons = _compare(found, integers, network, trials, min_agreement, max_accuracy_gap)
    counts = found.encode(trials.inputs[:, :simulated])
    response = found.run(counts)
    wanted = {name: getattr(response, name) for name in ("spikes", "current", "membrane", "readout")}
    simulators = {
        "xylosim": lambda: run_example(folder, {"counts": counts.astype(np.uint8)}, python=python, time_limit=time_limit)
    }
    return _simulate(simulators, {"xylosim": "xylosim"}, wanted, result, reasons, python)


def _drawn(network: Network, n_trials: int, seed: int) -> Trials:
    rng = np.random.default_rng([seed, 23])
    if has_tasks(network):
        return trials_for(network, n_trials, seed=rng)
    return random_trials(network, n_trials, steps=_STEPS, seed=rng)


def _compare(
    found: Any, integers: Any, network: Network, trials: Trials, min_agreement: float, max_accuracy_gap: float
) -> tuple[dict[str, Any], list[str]]:
    """Figures against the rate network, and what is wrong so far."""
    reasons = [f"{name} in the folder is not what was exported" for name in differences(found, integers)]
    figures = compare_runs(network, trials, found.respond)
    result = {
        "decision_agreement": figures["decision_agreement"],
        "decision_agreement_95": figures["decision_agreement_interval"],
        "accuracy": figures["accuracy"],
        "accuracy_network": figures["accuracy_reference"],
        "trials_compared": figures["trials"],
    }
    agreed, ours, theirs = result["decision_agreement"], result["accuracy"], result["accuracy_network"]
    if agreed is not None and agreed < min_agreement:
        reasons.append(f"only {agreed:.4f} of the decisions agree with the rate network's")
    if ours is not None and theirs - ours > max_accuracy_gap:
        reasons.append(f"the accuracy is {theirs - ours:.3f} below the rate network's")
    return result, reasons


def differences(found: Any, wanted: Any) -> list[str]:
    """Names of the fields in which two networks of the same class differ."""
    return [
        field.name
        for field in fields(wanted)
        if not np.array_equal(np.asarray(getattr(found, field.name)), np.asarray(getattr(wanted, field.name)))
    ]


def _simulate(
    simulators: Mapping[str, Callable[[], dict[str, Array]]],
    packages: Mapping[str, str],
    wanted: Mapping[str, Array],
    result: dict[str, Any],
    reasons: list[str],
    python: str | None,
) -> dict[str, Any]:
    """Run every simulator that is installed, and count the trials that are equal to the last bit."""
    parts: dict[str, dict[str, Any]] = {}
    for name, simulate in simulators.items():
        version = version_of(packages[name], python)
        if version is None:
            continue
        part: dict[str, Any] = {"simulator": f"{name} {version}", "trials": len(next(iter(wanted.values()))[0])}
        try:
            equal = equal_trials(simulate(), wanted)
            part["bit_equal"] = int(equal.sum())
            if not equal.all():
                first = int(np.flatnonzero(~equal)[0])
                reasons.append(
                    f"{name}: {int((~equal).sum())} of {len(equal)} trials differ from the integers, the first is {first}"
                )
        except SimulatorError as error:
            part["bit_equal"] = 0
            reasons.append(f"{name}: {error}")
        parts[name] = part
    verified = bool(parts)
    first_part = next(iter(parts.values()), {"simulator": None, "trials": 0, "bit_equal": 0})
    whole = {**first_part, **({"simulators": list(parts.values())} if len(simulators) > 1 else {})}
    if not verified:
        missing = ", ".join(simulators)
        whole["reason"] = f"{missing} is not installed in {python or 'this Python'}, so no simulator has run it"
    return {**whole, **result, "verified": verified, "reasons": reasons, "passed": verified and not reasons}
