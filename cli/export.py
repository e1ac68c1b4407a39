"""`neuromod export`: files that other runtimes load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuromod.exporting.formats import FORMATS, options_of

from .options import held_run_option, output_options, plot_option, seed_option
from .output import Talk, table
from .spiking import choose_aloud, settings_of, spiking_options

if TYPE_CHECKING:
    from neuromod.mapping.placement import Placement
    from neuromod.network import Network
    from neuromod.runs.run import Run

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


@click.command("export", help=_help(), short_help="Write ONNX, a spiking snnTorch model, NIR or SANA-FE files.")
@click.option(
    "--format",
    "formats",
    type=click.Choice([*FORMATS, "all"]),
    multiple=True,
    help="What to write; may be given more than once.  [default: onnx and snn; of a network without tasks onnx; of one "
    "from NIR nir]",
)
@_format_options
@spiking_options
@plot_option("accuracy and spikes over the substeps that were tried")
@seed_option
@held_run_option
@output_options
def command(formats: tuple[str, ...], plot: Path | None, run: Run, talk: Talk, **options: Any) -> None:
    wanted = tuple(name for name in FORMATS if name in formats) or None
    if "all" in formats:
        placed = run.state("map")[0] != "missing"
        wanted = tuple(name for name, format in FORMATS.items() if placed or not format.needs_placement)
    result = export_stage(run, formats=wanted, talk=talk, **options)
    if plot is not None:
        from neuromod.plotting import overview as plots
        from neuromod.plotting import stages as stageplots

        sweep = next((part["sweep"] for _, part in _parts(result) if "sweep" in part), ())
        plots.save(stageplots.substeps(sweep), plot)
        result["plot"] = str(plot)
    lines = table([[file["path"], f"{file['bytes']:,} bytes"] for file in result["files"]], header=["file", "size"])
    talk.result(result, "\n".join([lines, *_costs(result), *_next(run, result)]))


def _next(run: Run, result: dict[str, Any]) -> list[str]:
    """Say what proves each of the files."""
    written = [FORMATS[name] for name in result["formats"]]
    lines = [f"`{run.command('neuromod verify')}` proves them."] if any(format.variants for format in written) else []
    return lines + [format.proof.format(folder=run.file("exports")) for format in written if format.proof]


def _parts(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What was said about each network that was written, with its name."""
    parts = []
    for name in result["formats"]:
        inner = {key: part for key, part in result[name].items() if isinstance(part, dict) and "substeps" in part}
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
    return lines


def export_stage(
    run: Run, *, talk: Talk, formats: tuple[str, ...] | None = None, seed: int = 0, **options: Any
) -> dict[str, Any]:
    """Write the formats and return the object that ``--json`` prints.

    `options` are those of `spiking_options` and of the formats. Without `formats`, what the network can be written in
    by default. Nothing is written if one of them cannot be.
    """
    from neuromod.exporting.writers import Job
    from neuromod.exporting.writing import write_all
    from neuromod.network import Network
    from neuromod.runs import commands

    if run.state("prune")[0] == "missing" and run.state("import")[0] == "missing":
        from .prune import prune_stage

        talk.say("The network has not been pruned yet; pruning with the defaults (neuromod prune).")
        prune_stage(run, talk=talk)
    name = run.network_file()
    network = Network.load(run.file(name))
    formats = _formats(network, formats, talk=talk)
    inputs, placement = [name], None
    if run.state("map")[0] != "missing":
        placement = _placement(run)
        inputs.append("placement.json")
    else:
        talk.say(f"There is no placement, so the files carry none; `{run.command('neuromod map')}` makes one.")
    _check(run, network, placement, formats)
    settings = settings_of(options, placement, seed=seed)
    job = Job(
        network,
        run.file("exports"),
        placement,
        settings=settings,
        options=options,
        rates=lambda: _rates(run),
        choose=lambda network, settings: choose_aloud(network, settings, talk=talk),
    )
    done = write_all(job, formats, references=run.file("spiking"))
    result: dict[str, Any] = {"run": str(run.path), "formats": list(formats), "placement": placement is not None}
    files: list[dict[str, Any]] = []
    for kind, written in done.items():
        sizes: list[dict[str, Any]] = [
            {"path": str(path.relative_to(run.path)), "bytes": path.stat().st_size} for path in written.files
        ]
        part = {"files": sizes, **written.figures, "seconds": written.seconds}
        own = {key.removeprefix(f"{kind}_"): value for key, value in options_of(kind, options).items()}
        run.record(
            f"export-{kind}",
            arguments={**(asdict(settings) if FORMATS[kind].converts else {}), **own},
            given=commands.as_record(f"export-{kind}", {**options, "seed": seed}),
            seconds=written.seconds,
            inputs=inputs,
            outputs=_outputs(kind, [file["path"] for file in sizes], list(written.conversions)),
            result=part,
        )
        # Nothing in a run is absolute; what is printed opens from where the user is.
        there = [{**file, "path": str(run.file(file["path"]))} for file in sizes]
        result[kind] = {**part, "files": there}
        files += there
    return {**result, "files": files}


def _formats(network: Network, asked: tuple[str, ...] | None, *, talk: Talk) -> tuple[str, ...]:
    """What to write if nothing was asked for."""
    from neuromod.metrics.accuracy import has_tasks

    if asked is not None:
        return asked
    if "nir" in network.info:
        return ("nir",)
    usual = tuple(name for name, format in FORMATS.items() if format.default)
    if has_tasks(network):
        return usual
    talk.say("The network names no tasks, which spiking exports are calibrated on: writing ONNX alone.")
    return tuple(name for name in usual if not FORMATS[name].needs_tasks)


def _check(run: Run, network: Network, placement: Placement | None, formats: tuple[str, ...]) -> None:
    from neuromod.errors import StageError
    from neuromod.exporting.writing import check

    for name in formats:
        if FORMATS[name].needs_placement and placement is None:
            raise StageError(
                f"the format {name} is about the placement, and there is none yet; run `{run.command('neuromod map')}`"
            )
        check(network, placement, name)


def _placement(run: Run) -> Placement:
    """The run's placement, with the target as it was when the placement was made."""
    from neuromod.hardware import target_files
    from neuromod.mapping.placement import Placement

    run.require("map")
    found, path = Placement.load(run.file("placement.json")), run.file("target.toml")
    if not path.is_file():
        return found
    return replace(found, hardware=target_files.parse_target(path.read_text(encoding="utf-8"), where="target.toml"))


def _rates(run: Run) -> Any:
    from neuromod.metrics.activity import Activity

    return Activity.load(run.file("activity.safetensors")).rates


def _outputs(kind: str, files: list[str], spiking: list[str]) -> list[str]:
    """What is watched of an export: its files, folders as a whole, and the spiking networks that were written."""
    variants = FORMATS[kind].variants
    folders = [f"exports/{name}" for variant in variants.values() for name in variant.files]
    wholes = [next((whole for whole in folders if file.startswith(f"{whole}/")), file) for file in files]
    return [*dict.fromkeys(wholes), *(f"spiking/{variants[name].reference}" for name in spiking)]
