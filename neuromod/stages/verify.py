"""Proof that a run's exports behave as its network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuromod.exporting import formats
from neuromod.stages.talk import Talk

if TYPE_CHECKING:
    from neuromod.network import Network
    from neuromod.runs import Run


def verify_stage(
    run: Run,
    *,
    talk: Talk,
    n_trials: int = 1000,
    max_error: float = 1e-5,
    min_agreement: float = 0.95,
    max_accuracy_gap: float = 0.02,
    seed: int = 1,
    python: str | None = None,
) -> dict[str, Any]:
    """Verify all exports, write ``verify.json`` and return the object that ``--json`` prints.

    A failed verification is in the object (``passed`` is false) and is not raised.
    """
    from neuromod.errors import StageError
    from neuromod.files import write_json
    from neuromod.mapping import Placement
    from neuromod.runs import commands, words
    from neuromod.verification import runners

    begun = time.monotonic()
    variants = formats.variants()
    files = {kind: [f"exports/{file}" for file in variant.files] for kind, (_, variant) in variants.items()}
    there = {kind: all(run.file(file).exists() for file in needed) for kind, needed in files.items()}
    if not any(there.values()):
        raise StageError(f"{run.path} has no export to verify; run `{run.command('neuromod export')}`")
    name = run.network_file()
    network = run.network(name)
    placement = Placement.load(run.file("placement.json")) if run.state("map")[0] == "fresh" else None
    limits = {"max_error": max_error, "min_agreement": min_agreement, "max_accuracy_gap": max_accuracy_gap}
    arguments: dict[str, Any] = {"n_trials": n_trials, **limits, "seed": seed, "python": python}
    result: dict[str, Any] = {"schema": "neuromod/verify/1", "run": str(run.path)}
    inputs = [name]
    for kind, (step, variant) in variants.items():
        if not there[kind]:
            written = (run.step(f"export-{step}") or {"outputs": {}})["outputs"]
            if variant.always or any(file in written for file in files[kind]):
                reason = f"there is no {kind} export; {_advice(run, network, step, variant.options)}"
                result[kind] = {"verified": False, "passed": False, "reason": reason}
            continue
        _require_inputs(run, f"export-{step}")
        talk.say(f"Running the {kind} export …")
        reference = f"spiking/{variant.reference}" if variant.reference and "nir" not in network.info else ""
        part = runners.verify_variant(
            kind,
            run.file("exports") / variant.target,
            network,
            spiking=variant.load_reference(run.file(reference)) if reference else None,
            placement=placement,
            n_trials=n_trials,
            seed=seed,
            limits={**limits, "python": python},
        )
        if part.get("state_bounded") is False:
            talk.warn(
                "the network's state grows without bound when trials follow each other without a reset; "
                "the ONNX files were compared trial by trial"
            )
        if "reason" in part:
            part["reason"] = words.in_commands(part["reason"])
        result[kind] = part
        inputs += [*files[kind], *([reference] if reference else [])]
    verified = [part for part in parts_of(result).values() if part["verified"]]
    result["passed"] = bool(verified) and all(part["passed"] for part in verified)
    result["seed"] = seed
    result["score_name"] = "r2" if network.data is not None and network.data.values else "accuracy"
    result["seconds"] = round(time.monotonic() - begun, 3)
    write_json(run.file("verify.json"), {key: value for key, value in result.items() if key != "run"})
    run.record(
        "verify",
        arguments=arguments,
        given=commands.as_record("verify", arguments),
        seconds=result["seconds"],
        inputs=inputs,
        outputs=["verify.json"],
        result=result,
    )
    return result


def _advice(run: Run, network: Network, step: str, options: Mapping[str, str]) -> str:
    """Say how to make an export that is not there, or why there can be none."""
    from neuromod.metrics import has_tasks

    if "nir" in network.info and not formats.FORMATS[step].takes_spikes:
        return "a network imported from NIR is exported as NIR alone"
    if formats.FORMATS[step].needs_tasks and "nir" not in network.info and not has_tasks(network):
        return "it is calibrated on trials of tasks, and the network names none"
    again = run.again(f"export-{step}") or (f"neuromod export --format {step}",)
    flags = "".join(f" --{name.replace('_', '-')} {value}" for name, value in options.items())
    return f"run `{run.command(*(text if flags in text else text + flags for text in again))}`"


def parts_of(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries of a result of `verify_stage`, one for each variant of a format."""
    return {name: result[name] for name in formats.variants() if name in result}


def _require_inputs(run: Run, step: str) -> None:
    """Refuse an export of a network or a placement that has changed since; one whose file was changed is run."""
    from neuromod.errors import StageError
    from neuromod.files import sha256

    record = run.step(step)
    if record is None:
        return
    for item, known in record["inputs"].items():
        if not run.file(item).exists() or sha256(run.file(item)) != known:
            raise StageError(
                f"{step} of {run.path} is stale: {item} has changed since; run `{run.command(*run.mend(step))}`"
            )
