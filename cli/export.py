"""`neuromod export`: files that other runtimes load."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import output_options, run_option, seed_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.rundir import Run

FORMATS = ("onnx", "snn")


@click.command(name="export", short_help="Write the network as ONNX or as a spiking snnTorch model.")
@click.option(
    "--format",
    "formats",
    type=click.Choice([*FORMATS, "all"]),
    multiple=True,
    default=["all"],
    show_default=True,
    help="What to write; may be given more than once.",
)
@click.option("--substeps", type=click.IntRange(1, 1000), help="Spiking: this number of steps of the neurons.")
@click.option(
    "--mode",
    type=click.Choice(["hold", "continuous"]),
    default="hold",
    show_default=True,
    help="Spiking: spikes arrive at the end of a time step, or half a time step after they were fired.",
)
@click.option(
    "--max-accuracy-drop",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Spiking: largest loss of accuracy; the smallest number of substeps within it is taken.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 1),
    default=0.95,
    show_default=True,
    help="Spiking: least share of decisions equal to the rate network's, with 95 % confidence.",
)
@seed_option
@run_option
@output_options
def command(formats: tuple[str, ...], run_path: Path | None, talk: Talk, **options: Any) -> None:
    """Write the pruned network so that other runtimes load it.

    \b
      onnx   exports/network.onnx (a sequence) and exports/network_step.onnx (one step), for onnxruntime and others
      snn    exports/snn/, a spiking network that loads with torch and snntorch

    \b
    Examples:
      neuromod export --format onnx
      neuromod export --format snn --substeps 10
    """
    from neuromod.rundir import open_run

    run = open_run(run_path)
    wanted = FORMATS if "all" in formats else tuple(name for name in FORMATS if name in formats)
    result = export_stage(run, formats=wanted, talk=talk, **options)
    lines = table([[file["path"], f"{file['bytes']:,} bytes"] for file in result["files"]], header=["file", "size"])
    talk.result(result, f"{lines}\n`neuromod verify` proves them.")


def export_stage(
    run: Run,
    *,
    talk: Talk,
    formats: tuple[str, ...] = FORMATS,
    substeps: int | None = None,
    mode: str = "hold",
    max_accuracy_drop: float = 0.01,
    min_agreement: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Write the formats and return the object that ``--json`` prints."""
    from neuromod.network import Network
    from neuromod.placement import Placement

    if run.state("prune")[0] == "missing" and run.state("import")[0] == "missing":
        from .prune import prune_stage

        talk.say("The network has not been pruned yet; pruning with the defaults (neuromod prune).")
        prune_stage(run, talk=talk)
    name = run.network_file()
    network = Network.load(run.file(name))
    inputs, placement = [name], None
    if run.state("map")[0] != "missing":
        run.require("map")
        placement = Placement.load(run.file("placement.json"))
        inputs.append("placement.json")
    else:
        talk.say("There is no placement, so the files carry none; `neuromod map` makes one.")
    result: dict[str, Any] = {"run": str(run.path), "formats": list(formats), "placement": placement is not None}
    files: list[dict[str, Any]] = []
    for kind in formats:
        begun = time.monotonic()
        if kind == "onnx":
            arguments: dict[str, Any] = {}
            part, outputs = _onnx(run, network, placement)
        else:
            arguments = {
                "substeps": substeps,
                "mode": mode,
                "max_accuracy_drop": max_accuracy_drop,
                "min_agreement": min_agreement,
                "seed": seed,
            }
            part, outputs = _snn(run, network, placement, talk=talk, **arguments)
        part["seconds"] = round(time.monotonic() - begun, 3)
        run.record(
            f"export-{kind}",
            arguments=arguments,
            seconds=part["seconds"],
            inputs=inputs,
            outputs=outputs,
            result=part,
        )
        # Nothing in a run is absolute; what is printed opens from where the user is.
        there = [{**file, "path": str(run.file(file["path"]))} for file in part["files"]]
        result[kind] = {**part, "files": there}
        files += there
    return {**result, "files": files}


def _onnx(run: Run, network: Any, placement: Any) -> tuple[dict[str, Any], list[str]]:
    from neuromod.exporting import onnx

    paths = onnx.write(network, run.file("exports"), placement=placement)
    part = {"files": _sizes(run, paths), "opset": onnx.OPSET, "ir_version": onnx.IR_VERSION}
    return part, [str(path.relative_to(run.path)) for path in paths]


def _snn(
    run: Run,
    network: Any,
    placement: Any,
    *,
    talk: Talk,
    substeps: int | None,
    mode: str,
    max_accuracy_drop: float,
    min_agreement: float,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    from dataclasses import asdict

    from neuromod import conversion
    from neuromod.exporting import snn

    talk.say("substeps  percentile  accuracy  (rate)  agreement          state error  spikes/neuron/step")

    def show(c: conversion.Candidate) -> None:
        interval = f"{c.agreement.share:.3f} ({c.agreement.low:.3f}-{c.agreement.high:.3f})"
        talk.say(
            f"{c.substeps:8d}  {c.percentile:10g}  {c.accuracy:8.3f}  {c.accuracy_rate:6.3f}  "
            f"{interval}{c.state_error:14.3f}{c.spikes_per_neuron_per_step:20.3f}"
        )

    chosen = conversion.choose(
        network,
        substeps=[substeps] if substeps else conversion.SUBSTEPS,
        mode=mode,  # type: ignore[arg-type]
        max_accuracy_drop=max_accuracy_drop,
        min_agreement=min_agreement,
        seed=seed,
        on_try=show,
    )
    if not chosen.met:
        talk.warn(
            f"no number of substeps tried keeps the accuracy within {max_accuracy_drop:g} and at least "
            f"{min_agreement:g} of the decisions with 95 % confidence; took {chosen.chosen.substeps}, the best of them"
        )
    for ids, what in (
        (chosen.silent, "never fire on the calibration trials"),
        (chosen.saturated, "fire in every substep of more than 5 % of the steps"),
    ):
        if ids:
            talk.warn(f"{len(ids)} neurons {what}: {', '.join(map(str, ids[:10]))}{' …' if len(ids) > 10 else ''}")
    paths = snn.write(chosen.spiking, run.file("exports/snn"), network=network, placement=placement)
    best = asdict(chosen.chosen)
    part = {
        "files": _sizes(run, paths),
        "mode": mode,
        "substeps": chosen.spiking.substeps,
        "within_tolerance": chosen.met,
        "chosen": best,
        "sweep": [asdict(candidate) for candidate in chosen.sweep],
        "silent_neurons": list(chosen.silent),
        "saturated_neurons": list(chosen.saturated),
    }
    return part, ["exports/snn"]


def _sizes(run: Run, paths: list[Path]) -> list[dict[str, Any]]:
    return [{"path": str(path.relative_to(run.path)), "bytes": path.stat().st_size} for path in paths]
