"""Integer networks of chips: against the rate network, and the vendors' simulators against them, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.exporting import chips
from neuromod.files import load_tensors
from neuromod.hardware import target_names
from neuromod.metrics import has_tasks, random_trials, trials_for
from neuromod.network import Network
from neuromod.trials import Trials
from neuromod.verification.common import compare_runs, gap_of
from neuromod.verification.simulators import TIME_LIMIT, SimulatorError, equal_trials, run_example, version_of

# Steps of random trials, for networks without tasks.
_STEPS = 40


@dataclass(frozen=True)
class _Family:
    """How a family's folders are read and run.

    Parameters
    ----------
    name : str
        Its name.
    module : module
        Its `read` and `about`.
    given : str
        Name of what the simulators take, in the trials.
    kind : type
        Type of that.
    wanted : tuple of str
        What of the response must be equal.
    simulators : mapping of str to str
        Its simulators, and the packages that they come in.
    """

    name: str
    module: Any
    given: str
    kind: type
    wanted: tuple[str, ...]
    simulators: Mapping[str, str]


_FAMILIES = {
    "xylo": _Family(
        "xylo", chips.xylo, "counts", np.uint8, ("spikes", "current", "membrane", "readout"), {"xylosim": "xylosim"}
    ),
    "loihi": _Family(
        "loihi",
        chips.loihi,
        "events",
        np.uint8,
        ("spikes", "u", "v"),
        {"lava": "lava-nc", "nengo-loihi": "nengo-loihi", "brian2-loihi": "brian2-loihi"},
    ),
    "loihi2": _Family("loihi2", chips.loihi2, "messages", np.int16, ("kept", "fresh"), {"lava": "lava-nc"}),
}


def verify_chip(
    family: str,
    folder: Path,
    network: Network,
    *,
    spiking: Any = None,
    placement: Any = None,
    simulated: int,
    trials: Trials | None = None,
    n_trials: int = 1000,
    seed: int = 1,
    python: str | None = None,
    pythons: Sequence[str] = (),
    time_limit: float = TIME_LIMIT,
    min_agreement: float = 0.95,
    max_accuracy_gap: float = 0.02,
) -> dict[str, Any]:
    """Compare a folder with what was exported, its integers with the rate network, and the simulators with them.

    Parameters
    ----------
    family : {'xylo', 'loihi', 'loihi2'}
        What the folder holds.
    folder : Path
        From the family's `write`.
    network : Network
        The rate network.
    spiking : XyloNetwork, LoihiNetwork or Loihi2Network, optional
        The integers that were written; what is in the folder if omitted, which then no fault in it can be told from.
    placement : Placement, optional
        The present one; a folder with other cores fails.
    simulated : int
        Trials that the simulators run.
    trials : Trials, optional
        Trials to compare on; `n_trials` drawn anew if omitted.
    n_trials, seed : int
        Number of trials and their seed.
    python : str, optional
        Another Python in which a simulator is looked for if this one does not have it.
    pythons : sequence of str
        More of them.
    time_limit : float
        Seconds for each simulator.
    min_agreement, max_accuracy_gap : float
        Least share of equal decisions, and largest loss of accuracy, that pass.

    Returns
    -------
    dict
        ``passed``, ``verified``, ``reasons``, ``simulator``, ``trials``, ``bit_equal``, ``decision_agreement``,
        ``decision_agreement_95``, ``accuracy``, ``accuracy_network``, and the same of each of ``simulators``.

    Raises
    ------
    VerificationError
        If the folder is not one that was written.
    UsageError
        If one of `pythons` cannot be run.
    """
    about = _FAMILIES[family]
    found = about.module.read(folder)
    integers = found if spiking is None else spiking
    trials = _drawn(network, n_trials, seed) if trials is None else trials
    result, reasons = _compare(found, integers, network, trials, min_agreement, max_accuracy_gap)
    reasons += _rest_of_folder(about, folder, integers, network)
    if placement is not None and hasattr(found, "core") and not np.array_equal(found.core, placement.core_of):
        reasons.append("the neurons lie on other cores than in the placement")
    # The simulators are held to what was exported, not to what the folder has become.
    given = integers.encode(trials.inputs[:, :simulated])
    response = integers.run(given)
    wanted = {name: getattr(response, name) for name in about.wanted}
    parts = []
    others = [*([python] if python else []), *pythons]
    for name, package in about.simulators.items():
        there, version = _where(package, others)
        if version is None:
            continue
        part = {"simulator": f"{name} {version}", "trials": given.shape[1], "bit_equal": 0}
        parts.append(part)
        try:
            arguments = ["--simulator", name] if len(about.simulators) > 1 else []
            out = run_example(
                folder,
                {about.given: given.astype(about.kind)},
                arguments=arguments,
                python=there,
                time_limit=time_limit,
            )
            equal = equal_trials(out, wanted)
        except SimulatorError as error:
            reasons.append(f"{name}: {error}")
            continue
        part["bit_equal"] = int(equal.sum())
        if not equal.all():
            first, wrong = int(np.flatnonzero(~equal)[0]), int((~equal).sum())
            reasons.append(f"{name}: {wrong} of {len(equal)} trials differ from the integers, the first is {first}")
    whole = {
        "simulator": ", ".join(str(part["simulator"]) for part in parts) or None,
        "trials": min((part["trials"] for part in parts), default=0),
        "bit_equal": min((part["bit_equal"] for part in parts), default=0),
        **result,
        "simulators": parts,
        "verified": bool(parts),
        "reasons": reasons,
        "passed": bool(parts) and not reasons,
    }
    if not parts:
        installs = " or ".join(f"`pip install {package}`" for package in about.simulators.values())
        whole["reason"] = f"no simulator is installed; {installs}"
    return whole


def _where(package: str, pythons: Sequence[str]) -> tuple[str | None, str | None]:
    """Python that has a package, and its version; the version is None if none has it."""
    for python in (None, *pythons):
        if (version := version_of(package, python)) is not None:
            return python, version
    return None, None


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
        # As the other formats name them.
        "decision_agreement_interval": figures["decision_agreement_interval"],
        "accuracy_reference": figures["accuracy_reference"],
    }
    agreed, ours, theirs = result["decision_agreement"], result["accuracy"], result["accuracy_network"]
    if agreed is not None and agreed < min_agreement:
        reasons.append(f"only {agreed:.4f} of the decisions agree with the rate network's")
    if ours is not None and theirs - ours > gap_of(max_accuracy_gap, trials):
        reasons.append(f"the accuracy is {theirs - ours:.3f} below the rate network's")
    return result, reasons


def _rest_of_folder(about: _Family, folder: Path, integers: Any, network: Network) -> list[str]:
    """What is wrong with what the folder says, and with the trials in it."""
    said = json.loads((folder / chips.folder.ABOUT).read_text(encoding="utf-8"))
    right = about.module.about(integers, network, said.get("chip"))
    # Numbers that went through JSON are the same numbers.
    right = json.loads(json.dumps(right))
    reasons = [
        f"{chips.folder.ABOUT} says another {key} than what was exported"
        for key in right
        if said.get(key) != right[key]
    ]
    if said.get("chip") not in [name for name in target_names() if name.startswith(about.name.rstrip("2"))]:
        reasons.append(f"{chips.folder.ABOUT} says that the chip is {said.get('chip')!r}, which is none of its family")
    try:
        trials, _ = load_tensors(folder / chips.folder.TRIALS, schema=chips.folder.schema_of(about.name))
        response = integers.run(trials[about.given])
        same = all(np.array_equal(trials[name], getattr(response, name)) for name in about.wanted)
    except (UsageError, KeyError, ValueError) as error:
        return [*reasons, f"{chips.folder.TRIALS} cannot be used: {error}"]
    return reasons if same else [*reasons, f"{chips.folder.TRIALS} does not hold what the network does"]


def differences(found: Any, wanted: Any) -> list[str]:
    """Names of the fields in which two networks of the same class differ."""
    return [
        field.name
        for field in fields(wanted)
        if not np.array_equal(np.asarray(getattr(found, field.name)), np.asarray(getattr(wanted, field.name)))
    ]


verify_xylo = partial(verify_chip, "xylo", simulated=100)
verify_loihi = partial(verify_chip, "loihi", simulated=20)
verify_loihi2 = partial(verify_chip, "loihi2", simulated=100)
