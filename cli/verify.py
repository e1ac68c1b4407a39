"""`neuromod verify`: proof that the exported files behave as the network."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options, plot_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.network import Network
    from neuromod.rundir import Run


@dataclass(frozen=True)
class Export:
    """What one entry of ``verify.json`` is about.

    Parameters
    ----------
    step : str
        The step that wrote it.
    files : tuple of str
        Its files; all must be there.
    target : str
        What the runner is given: a file, or the folder of the files.
    reference : str
        The spiking network that was exported, if it is one.
    always : bool
        Whether it is reported as not verified even if it was never written.
    options : str
        Of `neuromod export` that write it, beside the format.
    """

    step: str
    files: tuple[str, ...]
    target: str
    reference: str = ""
    always: bool = False
    options: str = ""


EXPORTS = {
    "onnx": Export("onnx", ("exports/network.onnx", "exports/network_step.onnx"), "exports", always=True),
    "onnx_int8": Export(
        "onnx",
        ("exports/network_int8.onnx", "exports/network_int8_weights.onnx"),
        "exports",
        options=" --quantize int8",
    ),
    "snn": Export("snn", ("exports/snn",), "exports/snn", "spiking/snn.safetensors", always=True),
    "nir": Export("nir", ("exports/network.nir",), "exports/network.nir", "spiking/network_nir.safetensors"),
    "nir_hard": Export(
        "nir", ("exports/network_hard.nir",), "exports/network_hard.nir", "spiking/network_hard_nir.safetensors"
    ),
}


@click.command("verify", short_help="Run the exported files elsewhere and compare.")
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
@plot_option("decisions and accuracy of each export beside the network's")
@held_run_option
@output_options
def command(run: Run, plot: Path | None, talk: Talk, **options: Any) -> None:
    """Run every exported file in the runtime that a user would take, on trials drawn anew.

    \b
      onnx   in onnxruntime: errors on streams of 200 steps and more, decisions
      snn    in snnTorch: every synapse, decisions, accuracy, spikes
      nir    in Norse and, with a hard reset, in SpikingJelly, if they are installed

    The ONNX files of a network without tasks are run on random inputs; its other exports cannot be judged.
    An export that is missing, or whose runtime is, is reported as not verified. Ends with exit code 4 if one does not
    behave as the network.

    \b
    Examples:
      neuromod verify
      neuromod verify --trials 5000 --seed 7 --json
      neuromod verify --plot verified.svg
    """
    from neuromod.errors import VerificationError

    result = verify_stage(run, talk=talk, **options)
    if plot is not None:
        from neuromod import plots, stageplots

        plots.save(stageplots.verified(_parts(result), options["min_agreement"]), plot)
        result = {**result, "plot": str(plot)}
    rows = []
    values = result["score_name"] == "r2"
    for name, part in _parts(result).items():
        if "decision_agreement" not in part:
            rows.append([name, _verdict(part), part.get("reason", part.get("runtime", "")), ""])
            continue
        agreed = "decisions not compared: no readouts"
        if part["decision_agreement"] is not None:
            low, high = part["decision_agreement_interval"]
            what = "values, R²" if values else "decisions"
            agreed = f"{what} {part['decision_agreement']:.3f} ({low:.3f}-{high:.3f})"
        accuracy = "on random inputs, for want of tasks"
        if part["accuracy"] is not None:
            accuracy = (
                f"{'R²' if values else 'accuracy'} {part['accuracy']:.3f} (network {part['accuracy_reference']:.3f})"
            )
        rows.append([name, _verdict(part), agreed, f"{_figure(part)}, {accuracy}"])
    talk.result(result, table(rows))
    if not result["passed"]:
        failed = {name: part for name, part in _parts(result).items() if part["verified"] and not part["passed"]}
        reasons = [f"{name}: {part.get('reason', 'beyond the limits')}" for name, part in failed.items()]
        raise VerificationError(f"verification failed ({'; '.join(reasons)}); see {run.file('verify.json')}")


def _verdict(part: dict[str, Any]) -> str:
    return "not verified" if not part["verified"] else "passed" if part["passed"] else "FAILED"


def _figure(part: dict[str, Any]) -> str:
    if "max_abs_error" in part:
        return f"error {part['max_abs_error']:.1e}"
    if "substeps" in part:
        return f"{part['substeps']} substeps, {part['spikes_per_neuron_per_step']:.2f} spikes/neuron/step"
    return f"{part['bytes']:,} bytes"


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
    from neuromod.evaluation import has_tasks
    from neuromod.files import write_json
    from neuromod.placement import Placement
    from neuromod.spiking import SpikingNetwork

    begun = time.monotonic()
    there = {name: all(run.file(file).exists() for file in export.files) for name, export in EXPORTS.items()}
    if not any(there.values()):
        raise StageError(f"{run.path} has no export to verify; run `{run.command('neuromod export')}`")
    name = run.network_file()
    network = run.network(name)
    placement = Placement.load(run.file("placement.json")) if run.state("map")[0] == "fresh" else None
    arguments: dict[str, Any] = {
        "n_trials": n_trials,
        "max_error": max_error,
        "min_agreement": min_agreement,
        "max_accuracy_gap": max_accuracy_gap,
        "seed": seed,
    }
    spiking_limits = {"min_agreement": min_agreement, "max_accuracy_gap": max_accuracy_gap}
    limits = {"onnx": {"max_error": max_error}, "snn": spiking_limits, "nir": spiking_limits}
    result: dict[str, Any] = {"schema": "neuromod/verify/1", "run": str(run.path)}
    inputs = [name]
    for kind, export in EXPORTS.items():
        if not there[kind]:
            written = (run.step(f"export-{export.step}") or {"outputs": {}})["outputs"]
            if export.always or any(file in written for file in export.files):
                reason = f"there is no {kind} export; {_advice(run, network, export.step, export.options)}"
                result[kind] = {"verified": False, "passed": False, "reason": reason}
            continue
        _require_inputs(run, f"export-{export.step}")
        if kind == "onnx_int8" and not has_tasks(network):
            reason = "8-bit files are judged by their accuracy, and the network names no tasks"
            result[kind] = {"verified": False, "passed": False, "reason": reason}
            continue
        talk.say(f"Running the {kind} export …")
        options: dict[str, Any] = dict(limits.get(kind.removesuffix("_hard"), {}))
        if export.reference and "nir" not in network.info:
            options["spiking"] = SpikingNetwork.load(run.file(export.reference))
        try:
            part = verification.RUNNERS[kind](
                run.file(export.target), network, placement=placement, n_trials=n_trials, seed=seed, **options
            )
        except VerificationError as error:
            part = {"verified": True, "passed": False, "reason": str(error)}
        if part.get("reasons"):
            part["reason"] = "; ".join(part["reasons"])
        if part.get("state_bounded") is False:
            talk.warn(
                "the network's state grows without bound when trials follow each other without a reset; "
                "the ONNX files were compared trial by trial"
            )
        result[kind] = part
        inputs += [*export.files, *([export.reference] if "spiking" in options else [])]
    verified = [part for part in _parts(result).values() if part["verified"]]
    result["passed"] = bool(verified) and all(part["passed"] for part in verified)
    result["seed"] = seed
    result["score_name"] = "r2" if network.data is not None and network.data.values else "accuracy"
    result["seconds"] = round(time.monotonic() - begun, 3)
    write_json(run.file("verify.json"), {key: value for key, value in result.items() if key != "run"})
    run.record(
        "verify",
        arguments=arguments,
        seconds=result["seconds"],
        inputs=inputs,
        outputs=["verify.json"],
        result=result,
    )
    return result


def _advice(run: Run, network: Network, step: str, options: str) -> str:
    """Say how to make an export that is not there, or why there can be none."""
    from neuromod.evaluation import has_tasks

    if "nir" in network.info and step != "nir":
        return "a network imported from NIR is exported as NIR alone"
    if step == "snn" and not has_tasks(network):
        return "it is calibrated on trials of tasks, and the network names none"
    return f"run `{run.command(f'neuromod export --format {step}{options}')}`"


def _parts(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: result[name] for name in EXPORTS if name in result}


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
                f"{step} of {run.path} is stale: {item} has changed since; run `{run.command(run.mend(step))}`"
            )
