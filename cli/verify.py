"""`neuromod verify`: proof that the exported files behave as the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options, plot_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.runs import Run


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
@click.option(
    "--python",
    metavar="PATH",
    help="Chips: another Python in which their simulators are looked for, as Lava, which needs one of its own.",
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
      xylo   in xylosim, bit for bit, if it is installed
      loihi  in Lava, nengo-loihi and brian2-loihi, bit for bit, those of them that are installed
      loihi2 in Lava, bit for bit, if it is installed

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
    from neuromod.stages import parts_of, verify_stage

    result = verify_stage(run, talk=talk, **options)
    if plot is not None:
        from neuromod.plotting import overview, stages

        overview.save(stages.verified(parts_of(result), options["min_agreement"]), plot)
        result = {**result, "plot": str(plot)}
    rows = []
    values = result["score_name"] == "r2"
    for name, part in parts_of(result).items():
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
        parts = parts_of(result)
        failed = {name: part for name, part in parts.items() if part["verified"] and not part["passed"]}
        # An export that is not there has no list of its own.
        tried = failed or {name: part for name, part in parts.items() if "reasons" in part} or parts
        reasons = [f"{name}: {part.get('reason', 'beyond the limits')}" for name, part in tried.items()]
        what = "verification failed" if failed else "nothing was verified"
        raise VerificationError(f"{what} ({'; '.join(reasons)}); see {run.file('verify.json')}")


def _verdict(part: dict[str, Any]) -> str:
    return "not verified" if not part["verified"] else "passed" if part["passed"] else "FAILED"


def _figure(part: dict[str, Any]) -> str:
    if "max_abs_error" in part:
        return f"error {part['max_abs_error']:.1e}"
    if "bit_equal" in part:
        return f"{part['bit_equal']} of {part['trials']} trials equal to the last bit in {part['simulator']}"
    if "substeps" in part:
        return f"{part['substeps']} substeps, {part['spikes_per_neuron_per_step']:.2f} spikes/neuron/step"
    return f"{part['bytes']:,} bytes"
