"""`neuromod map`: neurons onto a grid of cores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuromod.stages import clock, load_network_and_activity

from .options import CoresType, held_run_option, output_options, plot_option, seed_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.runs import Run


@click.command("map", short_help="Place the neurons on a grid of cores.")
@click.option(
    "--cores",
    type=CoresType(),
    help="Grid of cores, rows x columns; if omitted the one trained for, 4x4, or the chip's if that is smaller.",
)
@click.option(
    "--chips",
    type=CoresType(),
    help="Mesh of chips, rows x columns; then --cores are those of one chip, all that the target states if omitted.",
)
@click.option(
    "--target",
    help="Chip: a name, or the path of a TOML file; if omitted the one trained for, or generic-mesh.",
)
@click.option(
    "--neurons-per-core",
    type=click.IntRange(1),
    help="Capacity of a core; if omitted the one trained for, or the target's.",
)
@click.option(
    "--placer",
    default="annealing",
    show_default=True,
    help="annealing, bisection, grown, hilbert, hypergraph, tiles or shuffled.",
)
@click.option(
    "--objective",
    default="hops",
    show_default=True,
    help="What to make small: hops, packets, multicast, energy, max-link, max-core.",
)
@click.option(
    "--effort", type=float, default=1.0, show_default=True, help="Work of the annealing, relative to the default."
)
@click.option(
    "--time", "seconds", type=float, help="Seconds for the annealing instead; then not repeatable to the bit."
)
@click.option(
    "--activity",
    metavar="rates|spikes|FILE",
    help="Whose packets: of the rate network's active steps, of the spiking network's spikes, or rates in a file "
    "(.npy, .npz, text); what was counted before, else rates, if omitted.",
)
@plot_option("the cores with the load of the links")
@seed_option
@held_run_option
@output_options
def command(run: Run, plot: Path | None, talk: Talk, **options: Any) -> None:
    """Place the neurons of a run on a grid of cores, with as little traffic as possible.

    \b
    Examples:
      neuromod map --cores 4x4
      neuromod map --cores 8x16 --target loihi1 --neurons-per-core 64
      neuromod map --cores 4x4 --objective max-link --time 10 --plot cores.svg
      neuromod map --cores 4x4 --objective max-core
      neuromod map --chips 2x2 --cores 8x16 --target loihi1 --neurons-per-core 64
      neuromod map --cores 4x4 --activity spikes
    """
    from neuromod.errors import InterruptedRunError
    from neuromod.stages import map_stage

    result = map_stage(run, talk=talk, keep_best=True, **options)
    if plot is not None:
        draw_cores(run, plot)
        result["plot"] = str(plot)
    talk.result(result, describe(result))
    if result["interrupted"]:
        again = run.command(*run.again("map"))
        raise InterruptedRunError(
            f"interrupted; the placement of least cost until then is written, `{again}` searches to the end"
        )


def describe(result: dict[str, Any]) -> str:
    """Return the result in words."""
    gap = "unknown" if result["gap"] is None else f"{result['gap']:.1%} above the bound {result['bound']:,.1f}"
    rows = [
        ["grid", f"{result['grid']} cores of {result['target']}, {result['cores_used']} used"],
        ["capacity", f"{result['neurons_per_core']:,} neurons per core, {result['capacity_from']}"],
        ["synapses", f"{result['intra_core_synapses']:,} within cores, {result['inter_core_synapses']:,} between"],
        ["packets", f"{result['packets']:,.1f} per step (estimate)"],
        ["hops", f"{result['hops']:,.1f} per step; shuffled {result['shuffled_hops']:,.1f}"],
        ["", f"{result['multicast_hops']:,.1f} if packets branch"],
        ["busiest link", f"{result['max_link_load']:,.1f} packets per step"],
        ["busiest core", busiest_core(result["busiest_core"])],
        ["arrangement", f"{gap} for these parts"],
    ]
    if result["interrupted"]:
        rows.append(["search", f"interrupted after {clock(result['seconds'])}: the best placement so far"])
    if result["cores_used"] == 1 < result["neurons"]:
        rows.append(["note", "one core holds every neuron, so nothing travels; --neurons-per-core N spreads them"])
    if result["packets_between_chips"] and result["chip_hop"]:
        hop, sent = result["chip_hop"], f"{result['packets_between_chips']:,.1f} packets per step"
        rows.append(["between chips", f"{sent}, {result['chips']} chips"])
        rows.append(["", f"a hop from chip to chip counts as {hop['hops']:g} ({hop['origin']})"])
    width = max(len(text) for _, text in rows)
    return table([[name, text.ljust(width)] for name, text in rows])


def busiest_core(found: dict[str, Any]) -> str:
    """Say what the busiest core does, and what a core does on average."""
    unit = "ns" if found["weights"]["unit"] == "ns" else ""
    load = f"{found['load']:,.1f} {unit}".strip()
    where = f"({found['row']}, {found['column']})"
    return f"load {load} per step at {where}, mean {found['mean_load']:,.1f}; {found['weights']['origin']}"


def draw_cores(run: Run, path: Path) -> None:
    """Draw the cores of a run's placement with the traffic between them.

    Raises
    ------
    UsageError
        If the file cannot be written, or not in this format.
    """
    from neuromod.hardware import routing
    from neuromod.mapping import Placement
    from neuromod.plotting import cores
    from neuromod.reporting import clusters_of, gather

    name = run.network_file()
    found = Placement.load(run.file("placement.json"))
    network, active = load_network_and_activity(run, name)
    load = routing.measure(network, found.core_of, found.grid, active.rates)
    cores.save(path, found, load, clusters=clusters_of(gather(run)), rates=active.rates)
