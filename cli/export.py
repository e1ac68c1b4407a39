"""`neuromod export`: files that other runtimes load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options, plot_option, seed_option
from .output import Talk, table
from .spiking import DEFAULTS, sizes, spiking_options, wishes_of, write_nir, write_snn

if TYPE_CHECKING:
    from neuromod.network import Network
    from neuromod.placement import Placement
    from neuromod.rundir import Run

FORMATS = ("onnx", "snn", "nir", "sanafe")

# What is written unless something is asked for: the others take packages or time that not everybody has.
DEFAULT = ("onnx", "snn")


@click.command("export", short_help="Write ONNX, a spiking snnTorch model, NIR or SANA-FE files.")
@click.option(
    "--format",
    "formats",
    type=click.Choice([*FORMATS, "all"]),
    multiple=True,
    help="What to write; may be given more than once.  [default: onnx and snn; of a network without tasks onnx; of one "
    "from NIR nir]",
)
@click.option("--quantize", type=click.Choice(["int8"]), help="onnx: also write files with 8-bit weights.")
@spiking_options
@click.option(
    "--nir-form",
    type=click.Choice(["cuba", "literal"]),
    default="cuba",
    show_default=True,
    help="nir: neuron and trace in one node, as most importers want it, or each by itself.",
)
@plot_option("accuracy and spikes over the substeps that were tried")
@seed_option
@held_run_option
@output_options
def command(formats: tuple[str, ...], plot: Path | None, run: Run, talk: Talk, **options: Any) -> None:
    """Write the pruned network so that other runtimes load it.

    \b
      onnx   exports/network.onnx (a sequence) and exports/network_step.onnx (one step), for onnxruntime and others
      snn    exports/snn/, a spiking network that loads with torch and snntorch
      nir    exports/network.nir (soft reset) and exports/network_hard.nir, for simulators and chip tools
      sanafe exports/sanafe/arch.yaml and net.yaml, the placement in the SANA-FE simulator of chips, and referee.py

    \b
    Examples:
      neuromod export --format onnx
      neuromod export --format snn --substeps 10
      neuromod export --format nir --weight-bits 8
    """
    wanted = tuple(name for name in FORMATS if name in formats) or None
    if "all" in formats:
        # Without a placement there is nothing to tell SANA-FE.
        wanted = FORMATS if run.state("map")[0] != "missing" else tuple(name for name in FORMATS if name != "sanafe")
    result = export_stage(run, formats=wanted, talk=talk, **options)
    if plot is not None:
        from neuromod import plots, stageplots

        spiking = result.get("snn") or result.get("nir", {}).get("soft") or {}
        plots.save(stageplots.substeps(spiking.get("sweep", ())), plot)
        result["plot"] = str(plot)
    lines = table([[file["path"], f"{file['bytes']:,} bytes"] for file in result["files"]], header=["file", "size"])
    talk.result(result, "\n".join([lines, *_costs(result), *_next(run, result)]))


def _next(run: Run, result: dict[str, Any]) -> list[str]:
    """Say what proves each of the files."""
    lines = []
    if set(result["formats"]) - {"sanafe"}:
        lines.append(f"`{run.command('neuromod verify')}` proves them.")
    if "sanafe" in result["formats"]:
        lines.append(
            f"`python {run.file('exports/sanafe/referee.py')}` compares the counts, where SANA-FE is installed."
        )
    return lines


def _costs(result: dict[str, Any]) -> list[str]:
    """Say what each network costs in a time step."""
    parts: dict[str, Any] = {name: result[name] for name in ("onnx", "snn") if name in result}
    parts |= {
        f"nir, {reset} reset": result["nir"][reset] for reset in ("soft", "hard") if reset in result.get("nir", {})
    }
    lines = []
    for name, part in parts.items():
        counts = part["operations_per_step"]
        if counts["macs"] is not None:
            lines.append(
                f"{name}: {counts['macs']:,.0f} multiplications and {counts['acs']:,.0f} additions at synapses per "
                f"time step ({counts['dense']:,.0f} without regard to zeros), "
                f"{counts['weight_bytes']:,} bytes of weights"
            )
    return lines


def export_stage(
    run: Run,
    *,
    talk: Talk,
    formats: tuple[str, ...] | None = None,
    quantize: str | None = None,
    nir_form: str = "cuba",
    seed: int = 0,
    **spiking: Any,
) -> dict[str, Any]:
    """Write the formats and return the object that ``--json`` prints; `spiking` are options of `spiking_options`.

    Without `formats`, what the network can be written in by default. Nothing is written if one of them cannot be.
    """
    from neuromod.placement import Placement

    if run.state("prune")[0] == "missing" and run.state("import")[0] == "missing":
        from .prune import prune_stage

        talk.say("The network has not been pruned yet; pruning with the defaults (neuromod prune).")
        prune_stage(run, talk=talk)
    name = run.network_file()
    network = run.network(name)
    formats = _formats(network, formats, talk=talk)
    inputs, placement = [name], None
    if run.state("map")[0] != "missing":
        run.require("map")
        placement = Placement.load(run.file("placement.json"))
        inputs.append("placement.json")
    else:
        talk.say(f"There is no placement, so the files carry none; `{run.command('neuromod map')}` makes one.")
    wishes = wishes_of({**DEFAULTS, **spiking, "seed": seed}, placement)
    writers: dict[str, Callable[[], tuple[dict[str, Any], list[str]]]] = {
        "onnx": lambda: _onnx(run, network, placement, quantize=quantize),
        "snn": lambda: write_snn(run, network, placement, wishes, talk=talk),
        "nir": lambda: write_nir(run, network, placement, wishes, talk=talk, form=nir_form),
        "sanafe": lambda: _sanafe(run, network, placement),
    }
    arguments = {
        "onnx": {"quantize": quantize},
        "snn": asdict(wishes),
        "nir": {**asdict(wishes), "form": nir_form},
        "sanafe": {},
    }
    result: dict[str, Any] = {"run": str(run.path), "formats": list(formats), "placement": placement is not None}
    files: list[dict[str, Any]] = []
    for kind in formats:
        begun = time.monotonic()
        part, outputs = writers[kind]()
        part["seconds"] = round(time.monotonic() - begun, 3)
        run.record(
            f"export-{kind}",
            arguments=arguments[kind],
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


def _formats(network: Network, asked: tuple[str, ...] | None, *, talk: Talk) -> tuple[str, ...]:
    """Complete and check the formats before anything is written."""
    from neuromod.errors import UsageError
    from neuromod.evaluation import has_tasks

    if "nir" in network.info:
        return asked or ("nir",)
    if asked is None:
        if not has_tasks(network):
            talk.say("The network names no tasks, which spiking exports are calibrated on: writing ONNX alone.")
            return ("onnx",)
        return DEFAULT
    spiking = [name for name in asked if name in ("snn", "nir")]
    if spiking and not has_tasks(network):
        raise UsageError(
            f"the format {spiking[0]} is calibrated on trials of the network's tasks, and this network names none; "
            "--format onnx needs none, and a network that spikes already can be imported as NIR"
        )
    return asked


def _onnx(
    run: Run, network: Network, placement: Placement | None, *, quantize: str | None
) -> tuple[dict[str, Any], list[str]]:
    from neuromod.evaluation import has_tasks, trials_for
    from neuromod.exporting import onnx, onnx_int8
    from neuromod.operations import count_rate

    folder = run.file("exports")
    # Left over from before, they would be verified against a network that they are not.
    for stale in folder.glob("network_int8*.onnx"):
        stale.unlink()
    paths = onnx.write(network, folder, placement=placement)
    if quantize:
        paths += onnx_int8.write_int8(network, folder, placement=placement)
    # Tasks are not needed for the files, only to count what inputs cause.
    trials = trials_for(network, 200, seed=3, split="train") if has_tasks(network) else None
    counts = count_rate(network, trials.inputs, trials.mask) if trials else count_rate(network)
    part = {
        "files": sizes(run, paths),
        "opset": onnx.OPSET,
        "ir_version": onnx.IR_VERSION,
        "operations_per_step": counts.to_dict(),
    }
    return part, [str(path.relative_to(run.path)) for path in paths]


def _sanafe(run: Run, network: Network, placement: Placement | None) -> tuple[dict[str, Any], list[str]]:
    from neuromod import target_files
    from neuromod.activity import Activity
    from neuromod.errors import StageError
    from neuromod.exporting import sanafe

    if placement is None:
        raise StageError("the format sanafe is about the placement, and there is none yet; run `neuromod map`")
    target = target_files.parse_target(run.file("target.toml").read_text(encoding="utf-8"), where="target.toml")
    rates = Activity.load(run.file("activity.safetensors")).rates
    paths = sanafe.write(network, placement, rates, target, run.file("exports/sanafe"))
    return {"files": sizes(run, paths)}, [str(path.relative_to(run.path)) for path in paths]
