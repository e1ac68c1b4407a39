"""`neuromod demo`: the whole way from tasks to a verified export, in one go."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from neuromod.stages import clock

from .options import output_options, run_option
from .output import Talk

# A network that trains in about a minute on one core; everything else is as in `neuromod train`.
SETTINGS = {"network.neurons": 196, "training.steps": 7000, "wiring.strength": 0.5}

# Tasks on a ring of 4 that fit the 16 input channels of the chip, and a network that learns them in half a minute.
XYLO = {
    "tasks.names": "go,anti,rtgo,rtanti,dlygo,dlyanti",
    "tasks.ring": 4,
    "network.neurons": 64,
    "training.steps": 1500,
}
XYLO_TARGETS = ("xylo-a2", "xylo-a3", "xylo-imu")

# What a network so small and so briefly trained must still reach as a spiking network.
MIN_AGREEMENT, MAX_ACCURACY_GAP = 0.93, 0.03


@click.command("demo", short_help="All of it in one go, smaller and quicker, with a report.")
@click.option("--cores", default="4x4", show_default=True, metavar="ROWSxCOLUMNS", help="Grid of cores.")
@click.option(
    "--target",
    type=click.Choice(XYLO_TARGETS),
    help="Tasks that fit this chip, on its one core, to a folder that SynSense's simulator runs.",
)
@click.option("--python", metavar="PATH", help="With --target: another Python that has xylosim.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Random seed.")
@run_option
@output_options
def command(cores: str, target: str | None, python: str | None, seed: int, run_path: Path | None, talk: Talk) -> None:
    """Train, prune, map, estimate, export, verify and report, in less than three minutes on two cores.

    \b
    Examples:
      neuromod demo
      neuromod demo --cores 8x8 --run my-first-run
      neuromod demo --target xylo-a2
    """
    from neuromod.errors import VerificationError
    from neuromod.runs import locks
    from neuromod.runs import run as rundir
    from neuromod.stages import (
        estimate_stage,
        export_stage,
        map_stage,
        prune_stage,
        report_stage,
        train_stage,
        verify_stage,
    )
    from neuromod.training import config

    from .options import CoresType

    cores = "1x1" if target else cores
    grid = CoresType().convert(cores, None, None)
    begun = time.monotonic()
    settings = config.load(flags={**(XYLO | {"chip.target": target} if target else SETTINGS), "seed": seed})
    run = rundir.create("demo", run_path)
    with locks.hold(run.path):
        result: dict[str, Any] = {"run": str(run.path)}

        def stage(name: str, words: str) -> None:
            talk.say(f"[{clock(time.monotonic() - begun)}] {name}: {words}")

        stage("train", f"{settings.network.neurons} neurons on {', '.join(settings.tasks.names)}")
        result["train"] = train_stage(run, settings, talk=talk, film="")
        stage("prune", "as many synapses as the accuracy allows")
        result["prune"] = prune_stage(run, talk=talk, seed=seed)
        stage("map", f"onto {cores} cores")
        result["map"] = map_stage(run, talk=talk, cores=grid, seed=seed, target=target)
        stage("estimate", "traffic, beside the shuffled placement")
        result["estimate"] = estimate_stage(run, talk=talk)
        stage("export", "ONNX and Xylo" if target else "ONNX and spiking snnTorch")
        formats = ("onnx", "xylo") if target else None
        result["export"] = export_stage(run, talk=talk, seed=seed, formats=formats)
        stage("verify", "the exported files in their runtimes")
        result["verify"] = verify_stage(
            run, talk=talk, min_agreement=MIN_AGREEMENT, max_accuracy_gap=MAX_ACCURACY_GAP, python=python
        )
        stage("report", "one HTML file")
        report = report_stage(run, talk=talk)
    result = {
        **result,
        "accuracy": result["prune"]["accuracy_after"],
        "neurons": settings.network.neurons,
        "seed": seed,
        "report": report["report"],
        "seconds": round(time.monotonic() - begun, 3),
    }
    talk.result(result, describe(result))
    if not result["verify"]["passed"]:
        raise VerificationError(f"verification failed; see {run.file('verify.json')}")


def describe(result: dict[str, Any]) -> str:
    """Return the result in words."""
    prune, estimate, verify = result["prune"], result["estimate"], result["verify"]
    fewer = estimate["shuffled"]["hops_per_step"] / max(estimate["hops_per_step"], 1e-12)
    traffic = (
        f"{estimate['hops_per_step']:.1f} hops per step on {result['map']['grid']} cores, "
        f"{fewer:.1f} times fewer than shuffled (estimate)"
    )
    verified = f"spiking: {verify.get('snn', {}).get('decision_agreement', float('nan')):.3f} of the decisions agree"
    if "xylo" in verify:
        xylo = verify["xylo"]
        traffic = "none: one core holds every neuron"
        verified = (
            f"{xylo['bit_equal']} of {xylo['trials']} trials equal to the last bit in {xylo['simulator']}"
            if xylo["verified"]
            else xylo["reason"]
        )
        verified = f"xylo: {xylo['decision_agreement']:.3f} of the decisions agree; {verified}"
    return (
        f"accuracy   {result['accuracy']:.3f} over {len(prune['accuracy_per_task'])} tasks after pruning "
        f"{prune['sparsity']:.1%} of the recurrent weights\n"
        f"traffic    {traffic}\n"
        f"verified   onnx: error {verify['onnx'].get('max_abs_error', float('nan')):.1e}; {verified}\n"
        f"report     {result['report']}\n"
        f"time       {clock(result['seconds'])}"
    )
