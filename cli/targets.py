"""`neuromod targets`: which core grids and chips there are, and what is known of them."""

from __future__ import annotations

import click

from .options import output_options
from .output import Talk, table


@click.group(invoke_without_command=True, short_help="List the chips and core grids that networks can be mapped onto.")
@click.pass_context
@output_options
def command(context: click.Context, talk: Talk) -> None:
    """List the core grids and chips onto which a network can be mapped.

    \b
      neuromod targets
      neuromod targets show loihi1
      neuromod targets show my-chip.toml
    """
    if context.invoked_subcommand is not None:
        return
    from neuromod.hardware import target_files

    known = [target_files.load_target(name) for name in target_files.target_names()]
    rows = []
    for target in known:
        chip = target.chip
        cores = str(chip) if chip else target.figure("chip_rows").text
        rows.append([target.name, cores, target.figure("neurons").text, target.routing, target.title])
    text = table(rows, header=["target", "cores", "neurons/core", "routing", "name"])
    talk.result({"targets": [target.as_json() for target in known]}, text)


@command.command()
@click.argument("target")
@output_options
def show(target: str, talk: Talk) -> None:
    """Show every figure of TARGET, a name or the path of a TOML file, with its kind and its source."""
    from neuromod.hardware import target_files, targets

    found = target_files.load_target(target)
    rows = []
    for name, meaning in targets.FIGURES.items():
        figure = found.figure(name)
        rows.append([name, figure.text, meaning.unit, figure.kind or "", figure.source or ""])
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    head = [f"{found.name}: {found.title}", found.about, f"routing: {found.routing}", ""]
    body = [
        f"{name:<{widths[0]}}  {value:>{widths[1]}}  {unit:<{widths[2]}}  {kind:<{widths[3]}}  {source}".rstrip()
        for name, value, unit, kind, source in rows
    ]
    talk.result(found.as_json(), "\n".join(head + body))
