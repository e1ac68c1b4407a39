"""`neuromod export`: files that other runtimes load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuromod.exporting import FORMATS

from .options import held_run_option, output_options, plot_option, seed_option
from .output import Talk, table
from .spiking import spiking_options

if TYPE_CHECKING:
    from neuromod.runs import Run

# Shown with the help; the formats' own lines are in `FORMATS`.
_HELP = """Write the pruned network so that other runtimes load it.

\b
{formats}

\b
Examples:
  neuromod export --format onnx
  neuromod export --format snn --substeps 10
  neuromod export --format nir --weight-bits 8
"""


def _help() -> str:
    return _HELP.format(formats="\n".join(f"  {name:6s} {format.about}" for name, format in FORMATS.items()))


def _format_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that one format alone offers."""
    for name, option in reversed([item for format in FORMATS.values() for item in format.options.items()]):
        function = click.option(
            f"--{name.replace('_', '-')}",
            type=click.Choice(option.choices),
            default=option.default,
            show_default=option.default is not None,
            help=option.help,
        )(function)
    return function


@click.command("export", help=_help(), short_help="Write ONNX, spiking snnTorch and NIR, SANA-FE, or a chip's files.")
@click.option(
    "--format",
    "formats",
    type=click.Choice([*FORMATS, "all"]),
    multiple=True,
    help="What to write; may be given more than once. all: but the folders of chips that the placement is not on.  "
    "[default: onnx and snn; of a network without tasks onnx; of one from NIR nir]",
)
@_format_options
@spiking_options
@plot_option("accuracy and spikes over the substeps that were tried")
@seed_option
@held_run_option
@output_options
def command(formats: tuple[str, ...], plot: Path | None, run: Run, talk: Talk, **options: Any) -> None:
    from neuromod.stages import export_stage

    wanted = tuple(name for name in FORMATS if name in formats) or None
    if "all" in formats:
        wanted = _all(run, formats, talk)
    result = export_stage(run, formats=wanted, talk=talk, **options)
    if plot is not None:
        from neuromod.plotting import overview, stages

        sweep = next((part["sweep"] for _, part in _parts(result) if "sweep" in part), ())
        overview.save(stages.substeps(sweep), plot)
        result["plot"] = str(plot)
    lines = table([[file["path"], f"{file['bytes']:,} bytes"] for file in result["files"]], header=["file", "size"])
    talk.result(result, "\n".join([lines, *_costs(result), *_next(run, result)]))


def _all(run: Run, formats: tuple[str, ...], talk: Talk) -> tuple[str, ...]:
    """Every format but those of other chips than the placement's, unless they are named, too."""
    placed = run.step("map")
    target = "" if placed is None else placed["arguments"].get("target") or ""
    others = [name for name, format in FORMATS.items() if format.chips and not target.startswith(format.chips)]
    left = [name for name in others if name not in formats]
    if left:
        talk.say(
            f"Of a chip's own, {' and '.join(left)} are left out: the placement is on none; name them with --format."
        )
    return tuple(
        name
        for name, format in FORMATS.items()
        if name not in left and (placed is not None or not format.needs_placement)
    )


def _next(run: Run, result: dict[str, Any]) -> list[str]:
    """Say what proves each of the files."""
    written = [FORMATS[name] for name in result["formats"]]
    lines = [f"`{run.command('neuromod verify')}` proves them."] if any(format.variants for format in written) else []
    return lines + [format.proof.format(folder=run.file("exports")) for format in written if format.proof]


def _parts(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What was said about each network that was written, with its name."""
    parts = []
    for name in result["formats"]:
        inner = {
            key: part for key, part in result[name].items() if isinstance(part, dict) and "operations_per_step" in part
        }
        parts += [(f"{name}, {key} reset", part) for key, part in inner.items()] or [(name, result[name])]
    return parts


def _costs(result: dict[str, Any]) -> list[str]:
    """Say what each network costs in a time step."""
    lines = []
    for name, part in _parts(result):
        counts = part.get("operations_per_step", {})
        if counts.get("macs") is not None:
            lines.append(
                f"{name}: {counts['macs']:,.0f} multiplications and {counts['acs']:,.0f} additions at synapses per "
                f"time step ({counts['dense']:,.0f} without regard to zeros), "
                f"{counts['weight_bytes']:,} bytes of weights"
            )
        if load := part.get("load_per_step"):
            most = load["busiest"]
            lines.append(
                f"{name}: the busiest core has {most['synaptic_operations']:,.0f} synaptic operations, "
                f"{most['neuron_updates']:,.0f} updates and {most['messages']:,.0f} messages per time step, "
                f"{most['weight_bits']:,} bits of weights"
            )
    return lines
