"""Pruning of a run's network."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from neuromod.stages.talk import Talk

if TYPE_CHECKING:
    from neuromod.runs import Run


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

    Raises
    ------
    UsageError
        If what is asked for does not go together, or cannot be reached.
    """
    from neuromod.errors import UsageError
    from neuromod.hardware import bits_of
    from neuromod.pruning import magnitude
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
    network = run.network("network.safetensors")
    if target is not None:
        weight_bits = bits_of(target, option="--weight-bits")
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
    done = magnitude.prune(
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
        "agreement": None if done.agreement is None else asdict(done.agreement),
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

    Raises
    ------
    StageError
        If there is no fresh placement.
    """
    from neuromod.errors import StageError
    from neuromod.mapping import Placement
    from neuromod.pruning import prune_packets

    run.require("map")
    earlier = run.step("prune")
    if earlier is None or run.state("prune")[0] != "fresh":
        raise StageError(
            f"--packets goes on from a pruned network, and {run.path} has none; run `{run.command('neuromod prune')}`"
        )
    begun = time.monotonic()
    target, weight_bits = earlier["result"].get("target"), earlier["result"].get("weight_bits")
    reference, network = (run.network(name) for name in ("network.safetensors", "pruned.safetensors"))
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
