"""`neuromod prune`: remove weak synapses and the neurons that no longer matter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options, plot_option, seed_option
from .output import Talk

if TYPE_CHECKING:
    from neuromod.runs import Run


def describe(result: dict[str, Any]) -> str:
    """Return the result in words."""
    lines = [
        f"pruned at |w| <= {result['threshold']:.3g}: synapses {result['synapses_before']:,} -> "
        f"{result['synapses_after']:,}, neurons {result['neurons_before']} -> {result['neurons_after']}, "
        f"sparsity {result['sparsity']:.3f}"
    ]
    if result["accuracy_before"] is not None:
        lines.append(
            f"accuracy {result['accuracy_before']:.3f} -> {result['accuracy_after']:.3f} "
            f"on {result['trials']:,} trials that the threshold was not chosen on"
        )
    if result.get("agreement"):
        agreed = result["agreement"]
        lines.append(
            f"{agreed['share']:.3f} of the decisions are as before on {agreed['trials']:,} trials between the few of "
            f"training and validation (95 %: {agreed['low']:.3f} to {agreed['high']:.3f})"
        )
    if result["weight_bits"] is not None:
        bits = f"{result['weight_bits']} bits"
        bits = f"the {bits} of {result['target']}" if result["target"] else bits
        without = result["accuracy_unrounded"]
        lines.append(
            f"with weights rounded to {bits}" + (f"; {without:.3f} without rounding" if without is not None else "")
        )
    if "packets" in result:
        packets = result["packets"]
        lines.append(
            f"packets: hops {packets['hops_before']:,.1f} -> {packets['hops_after']:,.1f} per step, last placement "
            "(estimate); `neuromod map` places what is left"
        )
    return "\n".join(lines)


@click.command("prune", short_help="Remove what the accuracy does not need.")
@click.option("--threshold", type=float, help="Remove weights of at most this magnitude.")
@click.option("--keep", type=float, help="Keep this share (0 to 1) of the n x n recurrent weights.")
@click.option(
    "--max-accuracy-drop",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Largest loss of mean accuracy, when neither of the others is given.",
)
@click.option("--trials", "trials_per_task", type=click.IntRange(1), default=200, show_default=True, help="Per task.")
@click.option(
    "--packets",
    is_flag=True,
    help="Go on from the placed network: take away groups of synapses whose packets cost more than they matter.",
)
@plot_option("the weights with the threshold, and what is left")
@click.option("--target", help="Chip to whose bits the weights are rounded when the accuracy is measured.")
@click.option("--weight-bits", type=click.IntRange(2, 16), help="These bits instead of a target's.")
@seed_option
@held_run_option
@output_options
def command(
    threshold: float | None,
    keep: float | None,
    max_accuracy_drop: float,
    trials_per_task: int,
    packets: bool,
    plot: Path | None,
    target: str | None,
    weight_bits: int | None,
    seed: int,
    run: Run,
    talk: Talk,
) -> None:
    """Remove as many synapses as the accuracy allows, and neurons between no input and no readout.

    \b
    Examples:
      neuromod prune
      neuromod prune --max-accuracy-drop 0.02
      neuromod prune --keep 0.03
      neuromod prune --target loihi1
      neuromod map && neuromod prune --packets && neuromod map
    """
    from neuromod.stages import prune_packets_stage, prune_stage

    common: dict[str, Any] = {
        "max_accuracy_drop": max_accuracy_drop, "trials_per_task": trials_per_task, "seed": seed,
    }  # fmt: skip
    chosen: dict[str, Any] = {"threshold": threshold, "keep": keep, "target": target, "weight_bits": weight_bits}
    if packets:
        given = [name for name, value in chosen.items() if value is not None]
        if given:
            raise click.UsageError(f"--packets goes with the accuracy alone; leave --{given[0].replace('_', '-')} out")
        result = prune_packets_stage(run, talk=talk, **common)
    else:
        result = prune_stage(run, talk=talk, **common, **chosen)
    if plot is not None:
        draw(run, plot, result["threshold"])
        result["plot"] = str(plot)
    talk.result(result, describe(result))


def draw(run: Run, path: Path, threshold: float) -> None:
    """Draw what pruning took away into a file."""
    from neuromod.plotting import overview, stages

    before, after = (run.network(name) for name in ("network.safetensors", "pruned.safetensors"))
    overview.save(stages.pruning(before, after, threshold), path)
