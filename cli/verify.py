"""`neuromod verify`: proof that the exported files behave as the network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import output_options, run_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.rundir import Run

FILES = {"onnx": ["exports/network.onnx", "exports/network_step.onnx"], "snn": ["exports/snn"]}


@click.command(name="verify", short_help="Run the exported files elsewhere and compare.")
@click.option(
    "--trials", "n_trials", type=click.IntRange(10, 10**6), default=1000, show_default=True, help="Number of trials."
)
@click.option(
    "--max-error", type=click.FloatRange(0), default=1e-5, show_default=True, help="ONNX: largest error that passes."
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 1),
    default=0.95,
    show_default=True,
    help="Spiking: least share of equal decisions that passes.",
)
@click.option(
    "--max-accuracy-gap",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Spiking: largest difference of accuracy that passes.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="Random seed of the trials."
)
@run_option
@output_options
def command(run_path: Path | None, talk: Talk, **options: Any) -> None:
    """Run every exported file in the runtime that a user would take, on trials drawn anew.

    \b
      onnx   in onnxruntime: errors on streams of 200 steps and more, decisions
      snn    in snnTorch: decisions, accuracy, spikes

    An export that is missing is reported as not verified. Ends with exit code 4 if one does not behave as the network.

    \b
    Examples:
      neuromod verify
      neuromod verify --trials 5000 --seed 7 --json
    """
    from neuromod.errors import VerificationError
    from neuromod.rundir import open_run

    run = open_run(run_path)
    result = verify_stage(run, talk=talk, **options)
    rows = []
    for name in FILES:
        part = result[name]
        if "decision_agreement" not in part:
            rows.append([name, "FAILED" if part["verified"] else "not verified", part["reason"], ""])
            continue
        figure = (
            f"error {part['max_abs_error']:.1e}"
            if name == "onnx"
            else f"{part['substeps']} substeps, {part['spikes_per_neuron_per_step']:.2f} spikes/neuron/step"
        )
        low, high = part["decision_agreement_interval"]
        agreed = f"{part['decision_agreement']:.3f} ({low:.3f}-{high:.3f})"
        accuracy = f"accuracy {part['accuracy']:.3f} (network {part['accuracy_reference']:.3f})"
        rows.append([name, "passed" if part["passed"] else "FAILED", f"decisions {agreed}", f"{figure}, {accuracy}"])
    talk.result(result, table(rows))
    if not result["passed"]:
        failed = [name for name in FILES if result[name]["verified"] and not result[name]["passed"]]
        reasons = [f"{name}: {result[name].get('reason', 'beyond the limits')}" for name in failed]
        raise VerificationError(f"verification failed ({'; '.join(reasons)}); see {run.file('verify.json')}")


def verify_stage(
    run: Run,
    *,
    talk: Talk,
    n_trials: int = 1000,
    max_error: float = 1e-5,
    min_agreement: float = 0.95,
    max_accuracy_gap: float = 0.02,
    seed: int = 1,
) -> dict[str, Any]:
    """Verify all exports, write ``verify.json`` and return the object that ``--json`` prints.

    A failed verification is in the object (``passed`` is false) and is not raised.
    """
    from neuromod import verification
    from neuromod.errors import StageError, VerificationError
    from neuromod.files import write_json
    from neuromod.network import Network
    from neuromod.placement import Placement

    begun = time.monotonic()
    there = {name: all(run.file(file).exists() for file in files) for name, files in FILES.items()}
    if not any(there.values()):
        raise StageError(f"{run.path} has no export to verify; run `neuromod export`")
    name = run.network_file()
    network = Network.load(run.file(name))
    placement = Placement.load(run.file("placement.json")) if run.state("map")[0] == "fresh" else None
    arguments: dict[str, Any] = {
        "n_trials": n_trials,
        "max_error": max_error,
        "min_agreement": min_agreement,
        "max_accuracy_gap": max_accuracy_gap,
        "seed": seed,
    }
    limits = {
        "onnx": {"max_error": max_error},
        "snn": {"min_agreement": min_agreement, "max_accuracy_gap": max_accuracy_gap},
    }
    result: dict[str, Any] = {"schema": "neuromod/verify/1", "run": str(run.path)}
    for kind in FILES:
        runner = verification.RUNNERS[kind]
        if not there[kind]:
            reason = f"there is no {kind} export; run `neuromod export --format {kind}`"
            result[kind] = {"verified": False, "passed": False, "reason": reason}
            continue
        _require_inputs(run, f"export-{kind}")
        talk.say(f"Running the {kind} export …")
        target = run.file("exports") if kind == "onnx" else run.file("exports/snn")
        try:
            result[kind] = runner(target, network, placement=placement, n_trials=n_trials, seed=seed, **limits[kind])
            if result[kind].get("state_bounded") is False:
                talk.warn(
                    "the network's state grows without bound when trials follow each other without a reset; "
                    "the ONNX files were compared trial by trial"
                )
        except VerificationError as error:
            result[kind] = {"verified": True, "passed": False, "reason": str(error)}
    result["passed"] = all(result[kind]["passed"] for kind in result_kinds(result))
    result["seed"] = seed
    result["seconds"] = round(time.monotonic() - begun, 3)
    write_json(run.file("verify.json"), {key: value for key, value in result.items() if key != "run"})
    checked = [file for kind in result_kinds(result) for file in FILES[kind]]
    run.record(
        "verify",
        arguments=arguments,
        seconds=result["seconds"],
        inputs=[name, *checked],
        outputs=["verify.json"],
        result=result,
    )
    return result


def result_kinds(result: dict[str, Any]) -> list[str]:
    """Return the formats that were verified."""
    return [kind for kind in FILES if result[kind]["verified"]]


def _require_inputs(run: Run, step: str) -> None:
    """Refuse an export of a network or a placement that has changed since; one whose file was changed is run."""
    from neuromod.errors import StageError
    from neuromod.files import sha256

    record = run.step(step)
    if record is None:
        return
    for item, known in record["inputs"].items():
        if not run.file(item).exists() or sha256(run.file(item)) != known:
            raise StageError(f"{step} of {run.path} is stale: {item} has changed since; run `{run.mend(step)}`")
