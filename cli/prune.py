"""`neuromod prune`: remove weak synapses and the neurons that no longer matter."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options, plot_option, seed_option
from .output import Talk

if TYPE_CHECKING:
    from neuromod.runs.run import Run


def prune_stage(
    run: Run,
    *,
    talk: Talk,
    threshold: float | None = None,
    keep: float | None = None,
    max_accuracy_drop: float = 0.01,
    trials_per_task: int = 200,
    seed: int = 0,
    target: str | None = None,
    weight_bits: int | None = None,
) -> dict[str, Any]:
    """Prune the run's network into pruned.safetensors.

    Returns
    -------
    dict
        The fields of `neuromod.pruning.magnitude.Pruning` but the network, and the target.
    """
    from neuromod.errors import UsageError
    from neuromod.network import Network
    from neuromod.pruning import magnitude as pruning
    from neuromod.quantization import bits_of
    from neuromod.runs import commands

    given = commands.as_record(
        "prune",
        {
            "threshold": threshold,
            "keep": keep,
            "target": target,
            "weight_bits": weight_bits,
            "max_accuracy_drop": max_accuracy_drop,
            "trials_per_task": trials_per_task,
            "seed": seed,
        },
    )
    if target is not None and weight_bits is not None:
        raise UsageError("give --target or --weight-bits, not both")

    run.require("import" if run.state("train")[0] == "missing" and run.step("import") else "train")
    begun = time.monotonic()
    network = Network.load(run.file("network.safetensors"))
    if target is not None:
        weight_bits = bits_of(target)
    elif weight_bits is None and isinstance(chip := network.info.get("chip"), dict):
        # It was trained for a chip.
        target, weight_bits = chip.get("target"), chip.get("weight_bits")
    arguments = {
        "threshold": threshold,
        "keep": keep,
        "max_accuracy_drop": max_accuracy_drop,
        "trials_per_task": trials_per_task,
        "seed": seed,
        "weight_bits": weight_bits,
    }
    done = pruning.prune(
        network,
        **arguments,  # type: ignore[arg-type]
        on_try=lambda tried, accuracy: talk.progress(f"threshold {tried:.2g}: accuracy {accuracy:.3f}"),
    )
    done.network.save(run.file("pruned.safetensors"))
    result = {
        "run": str(run.path),
        "threshold": done.threshold,
        "accuracy_before": done.accuracy_before,
        "accuracy_after": done.accuracy_after,
        "accuracy_per_task": done.accuracy_per_task,
        "max_accuracy_drop": max_accuracy_drop,
        "synapses_before": done.synapses_before,
        "synapses_after": done.synapses_after,
        "neurons_before": done.neurons_before,
        "neurons_after": done.neurons_after,
        "sparsity": done.sparsity,
        "trials": done.trials,
        "target": target,
        "weight_bits": done.weight_bits,
        "accuracy_unrounded": done.accuracy_unrounded,
    }
    if keep is not None and keep * network.n**2 >= network.n_synapses:
        talk.warn(
            f"--keep {keep:g} is a share of all {network.n**2:,} pairs of neurons, and there are only "
            f"{network.n_synapses:,} synapses ({network.n_synapses / network.n**2:.3g}): none was weak enough to go"
        )
    if threshold is None and keep is None and done.accuracy_before is not None and done.accuracy_after is not None:
        lost = done.accuracy_before - done.accuracy_after
        if lost > max_accuracy_drop:
            cause = f"rounding weights to {weight_bits} bits" if weight_bits else "the least pruning"
            talk.warn(f"{cause} alone costs {lost:.3f} of the accuracy, more than {max_accuracy_drop:g}")
    run.record(
        "prune",
        arguments=arguments,
        given=given,
        seconds=time.monotonic() - begun,
        inputs=["network.safetensors"],
        outputs=["pruned.safetensors"],
        result=result,
    )
    return result


def prune_packets_stage(
    run: Run, *, talk: Talk, max_accuracy_drop: float = 0.01, trials_per_task: int = 200, seed: int = 0
) -> dict[str, Any]:
    """Take packets away from the run's placed network, in pruned.safetensors; the placement is stale then.

    Returns
    -------
    dict
        As `prune_stage`, all the pruning together, and ``packets``: hops and groups before and after.
    """
    from neuromod.errors import StageError
    from neuromod.mapping.placement import Placement
    from neuromod.network import Network
    from neuromod.pruning.packets import prune_packets

    run.require("map")
    earlier = run.step("prune")
    if earlier is None or run.state("prune")[0] != "fresh":
        raise StageError(
            f"--packets goes on from a pruned network, and {run.path} has none; run `{run.command('neuromod prune')}`"
        )
    begun = time.monotonic()
    target, weight_bits = earlier["result"].get("target"), earlier["result"].get("weight_bits")
    reference, network = (Network.load(run.file(name)) for name in ("network.safetensors", "pruned.safetensors"))
    done = prune_packets(
        network,
        Placement.load(run.file("placement.json")),
        reference=reference,
        max_accuracy_drop=max_accuracy_drop,
        trials_per_task=trials_per_task,
        seed=seed,
        weight_bits=weight_bits,
        on_try=lambda share, accuracy: talk.progress(f"{share:.0%} of the hops: accuracy {accuracy:.3f}"),
    )
    done.network.save(run.file("pruned.safetensors"))
    result = {
        **earlier["result"],
        "run": str(run.path),
        "accuracy_before": done.accuracy_before,
        "accuracy_after": done.accuracy_after,
        "accuracy_per_task": done.accuracy_per_task,
        "accuracy_unrounded": done.accuracy_unrounded,
        "max_accuracy_drop": max_accuracy_drop,
        "synapses_after": done.synapses_after,
        "neurons_after": done.neurons_after,
        "sparsity": 1 - done.synapses_after / reference.n**2,
        "trials": done.trials,
        "target": target,
        "weight_bits": weight_bits,
        "packets": {
            "hops_before": done.hops_before,
            "hops_after": done.hops_after,
            "groups_before": done.groups_before,
            "groups_after": done.groups_after,
        },
    }
    given = run.given("prune")
    this = {
        "map": run.given("map"),
        "max_accuracy_drop": max_accuracy_drop,
        "trials_per_task": trials_per_task,
        "seed": seed,
    }
    # What pruning by packets left depends on the placement that it saw, and on those before.
    given["packets"] = [*(given.get("packets") or []), this]
    run.record(
        "prune",
        arguments={
            **earlier["arguments"],
            "packets": {"max_accuracy_drop": max_accuracy_drop, "trials_per_task": trials_per_task, "seed": seed},
        },
        given=given,
        seconds=time.monotonic() - begun,
        inputs=["network.safetensors"],
        outputs=["pruned.safetensors"],
        result=result,
    )
    return result


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
    from neuromod.network import Network
    from neuromod.plotting import overview as plots
    from neuromod.plotting import stages as stageplots

    before, after = (Network.load(run.file(name)) for name in ("network.safetensors", "pruned.safetensors"))
    plots.save(stageplots.pruning(before, after, threshold), path)
