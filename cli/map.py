"""`neuromod map`: neurons onto a grid of cores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .activity import load_network_and_activity, network_with_activity
from .advice import in_commands
from .options import CoresType, held_run_option, output_options, plot_option, seed_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.network import Network
    from neuromod.runs.run import Run


@click.command("map", short_help="Place the neurons on a grid of cores.")
@click.option(
    "--cores",
    type=CoresType(),
    help="Grid of cores, rows x columns; if omitted the one trained for, 4x4, or the chip's if that is smaller.",
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
    help="What to make small: hops, packets, multicast, energy, max-link.",
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
      neuromod map --cores 4x4 --activity spikes
    """
    result = map_stage(run, talk=talk, **options)
    if plot is not None:
        draw_cores(run, plot)
        result["plot"] = str(plot)
    talk.result(result, describe(result))


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
        ["arrangement", f"{gap} for these parts"],
    ]
    if result["cores_used"] == 1 < result["neurons"]:
        rows.append(["note", "one core holds every neuron, so nothing travels; --neurons-per-core N spreads them"])
    width = max(len(text) for _, text in rows)
    return table([[name, text.ljust(width)] for name, text in rows])


def map_stage(
    run: Run,
    *,
    talk: Talk,
    cores: tuple[int, int] | None = None,
    target: str | None = None,
    neurons_per_core: int | None = None,
    placer: str = "annealing",
    objective: str = "hops",
    effort: float = 1.0,
    seconds: float | None = None,
    seed: int = 0,
    activity: str | None = None,
) -> dict[str, Any]:
    """Place the network of a run, write `placement.json` and `.csv`, return what ``--json`` prints.

    Raises
    ------
    UsageError
        If an option cannot be used.
    DoesNotFitError
        If the network does not fit; the message lists every violation.
    """
    from neuromod.errors import DoesNotFitError
    from neuromod.files import write_text
    from neuromod.hardware import packet_costs, routing, target_files
    from neuromod.mapping import bounds, limits, placement, placers, precompile
    from neuromod.mapping import search as mapping
    from neuromod.mapping.problem import Effort
    from neuromod.metrics.activity import describe as describe_activity
    from neuromod.runs import commands
    from neuromod.traffic import core_graph as coregraph
    from neuromod.traffic import report as traffic

    started = time.perf_counter()
    given = commands.as_record(
        "map",
        {
            "cores": cores,
            "target": target,
            "neurons_per_core": neurons_per_core,
            "placer": placer,
            "objective": objective,
            "effort": effort,
            "seconds": seconds,
            "seed": seed,
            "activity": activity,
        },
    )
    # Refused before anything is done: pruning, which may come first, takes long.
    if target is not None:
        target_files.load_target(target)
    placers.find_placer(placer)
    packet_costs.check_objective(objective)
    precompile.begin()

    def tell(share: float) -> None:
        if time.perf_counter() - started > 2:
            talk.progress(f"placing: {share:.0%}")

    work = Effort(effort, seconds, tell)
    name, network, active = network_with_activity(run, talk=talk, source=activity)
    target, cores = _trained_for(network, target, cores)
    target_text = target_files.read_text(target)
    chip = target_files.parse_target(target_text, where=target)
    grid = mapping.choose_grid(chip, cores)
    capacity, origin = limits.capacity_of(network, chip, grid, neurons_per_core)
    talk.say(f"Placing {network.n:,} neurons on {grid} cores of {capacity:,} ({origin}) …")
    try:
        found = mapping.place(
            network, rates=active.rates, cores=(grid.rows, grid.columns), target=chip,
            neurons_per_core=neurons_per_core, placer=placer, objective=objective, seed=seed, effort=work,
        )  # fmt: skip
    except DoesNotFitError as error:
        # On another grid than that trained for, its capacity would not be taken unasked.
        typed = {**given, "neurons_per_core": neurons_per_core}
        raise in_commands(error, run, typed, network=network, name=name) from None
    load = routing.measure(network, found.core_of, grid, active.rates)
    bound = bounds.bound_hops(load.packets, load.destinations, active.rates, grid).best
    found.save(run.file("placement.json"), neuron_ids=network.neuron_ids, roles=placement.roles(network))
    coregraph.write_graphml(run.file("cores.graphml"), found, load)
    write_text(run.file("target.toml"), target_text)
    shuffled = found.core_of[traffic.shuffle(network.n, seed)]
    intra, inter = traffic.synapses_across(network, found.core_of)
    result = {
        "grid": str(grid),
        "target": chip.name,
        "placer": placer,
        "objective": objective,
        "seed": seed,
        "neurons": network.n,
        "neurons_per_core": capacity,
        "capacity_from": origin,
        "cores_used": int((found.neurons_on > 0).sum()),
        "intra_core_synapses": intra,
        "inter_core_synapses": inter,
        "packets": float(load.packets.sum()),
        "hops": load.hops,
        "multicast_hops": load.multicast_hops,
        "max_link_load": float(load.links.max()),
        "bound": bound,
        "gap": (load.hops - bound) / bound if bound > 0 else 0.0 if load.hops == 0 else None,
        "activity": describe_activity(active),
        "shuffled_hops": routing.measure(network, shuffled, grid, active.rates).hops,
        "seconds": round(time.perf_counter() - started, 3),
    }
    run.record(
        "map",
        arguments={
            "cores": str(grid),
            "target": chip.name,
            "neurons_per_core": neurons_per_core,
            "placer": placer,
            "objective": objective,
            "effort": effort,
            "time": seconds,
            "seed": seed,
            "activity": activity,
        },
        given=given,
        seconds=time.perf_counter() - started,
        inputs=[name, "activity.safetensors"],
        outputs=["placement.json", "placement.csv", "cores.graphml", "target.toml"],
        result=result,
    )
    return {**result, "run": str(run.path)}


def _trained_for(
    network: Network, target: str | None, cores: tuple[int, int] | None
) -> tuple[str, tuple[int, int] | None]:
    """Complete what was not asked for by what the network was trained for."""
    from neuromod.hardware import layout as grown
    from neuromod.hardware import target_files

    found = grown.grown_on(network)
    if found is None:
        return target or "generic-mesh", cores
    grid, _ = found
    chip = network.info["chip"]
    if target is None:
        # A user's own file may be elsewhere by now.
        target = chip["target"] if chip["target"] in target_files.target_names() else "generic-mesh"
    return target, cores or (grid.rows, grid.columns)


def draw_cores(run: Run, path: Path) -> None:
    """Draw the cores of a run's placement with the traffic between them.

    Raises
    ------
    UsageError
        If the file cannot be written, or not in this format.
    """
    from neuromod.hardware import routing
    from neuromod.mapping.placement import Placement
    from neuromod.plotting import cores as coreplot

    name = run.network_file()
    found = Placement.load(run.file("placement.json"))
    network, active = load_network_and_activity(run, name)
    load = routing.measure(network, found.core_of, found.grid, active.rates)
    coreplot.save(path, found, load)
