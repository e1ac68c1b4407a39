"""`neuromod map`: neurons onto a grid of cores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import CoresType, output_options, run_option, seed_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.activity import Activity
    from neuromod.network import Network
    from neuromod.rundir import Run

# Task trials on which the activity is counted, and their seed: apart from those that pruning was tuned on.
TRIALS, TRIALS_SEED = 256, 4_201


@click.command()
@click.option("--cores", type=CoresType(), help="Grid of cores, rows x columns; 4x4, or the chip's if that is smaller.")
@click.option("--target", default="generic-mesh", show_default=True, help="Chip: a name, or the path of a TOML file.")
@click.option("--neurons-per-core", type=click.IntRange(1), help="Capacity of a core; the target's if omitted.")
@click.option("--placer", default="annealing", show_default=True, help="Method: annealing, tiles or shuffled.")
@seed_option
@run_option
@output_options
def command(run_path: Path | None, talk: Talk, **options: Any) -> None:
    """Place the neurons of a run on a grid of cores, with as little traffic as possible.

    \b
      neuromod map --cores 4x4
      neuromod map --cores 8x16 --target loihi1 --neurons-per-core 64
    """
    from neuromod import rundir

    result = map_stage(rundir.open_run(run_path), talk=talk, **options)
    rows = [
        ["grid", f"{result['grid']} cores of {result['target']}, {result['cores_used']} used"],
        ["capacity", f"{result['neurons_per_core']} neurons per core, {result['capacity_from']}"],
        ["synapses", f"{result['intra_core_synapses']:,} within cores, {result['inter_core_synapses']:,} between"],
        ["packets", f"{result['packets']:,.1f} per step (estimate)"],
        ["hops", f"{result['hops']:,.1f} per step; shuffled {result['shuffled_hops']:,.1f}"],
    ]
    talk.result(result, table([[name, value.ljust(60)] for name, value in rows]))


def map_stage(
    run: Run,
    *,
    talk: Talk,
    cores: tuple[int, int] | None = None,
    target: str = "generic-mesh",
    neurons_per_core: int | None = None,
    placer: str = "annealing",
    seed: int = 0,
) -> dict[str, Any]:
    """Place the network of a run, write `placement.json` and `.csv`, return what ``--json`` prints.

    Raises
    ------
    UsageError
        If an option cannot be used.
    DoesNotFitError
        If the network does not fit; the message lists every violation.
    """
    from neuromod import limits, placement, routing, targets, traffic
    from neuromod.errors import DoesNotFitError
    from neuromod.files import write_text
    from neuromod.placers import place

    started = time.perf_counter()
    target_text = targets.read_text(target)
    chip = targets.parse_target(target_text, where=target)
    name, network, activity = network_with_activity(run, talk=talk)
    grid = placement.Grid(*cores) if cores else _default_grid(chip.chip)
    capacity, origin = limits.decide_capacity(chip, grid, network.n, neurons_per_core)
    talk.say(f"Placing {network.n:,} neurons on {grid} cores of {capacity:,} ({origin}) …")
    limits.refuse_impossible(network, grid, chip, capacity)
    core_of = place(network, activity.rates, grid, capacity, placer=placer, seed=seed)
    violations = limits.find_violations(network, core_of, grid, chip, capacity)
    if violations:
        raise DoesNotFitError(limits.explain(violations, network, grid, chip, capacity))
    found = placement.Placement(grid, core_of, capacity, chip.name, placer, seed, network.sha256())
    found.save(run.file("placement.json"), neuron_ids=network.neuron_ids, roles=placement.roles(network))
    write_text(run.file("target.toml"), target_text)
    load = routing.measure(network, core_of, grid, activity.rates)
    shuffled = core_of[traffic.shuffle(network.n, seed)]
    intra, inter = traffic.synapses_across(network, core_of)
    result = {
        "grid": str(grid),
        "target": chip.name,
        "placer": placer,
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
        "shuffled_hops": routing.measure(network, shuffled, grid, activity.rates).hops,
        "seconds": round(time.perf_counter() - started, 3),
        "run": str(run.path),
    }
    run.record(
        "map",
        arguments={
            "cores": str(grid),
            "target": chip.name,
            "neurons_per_core": neurons_per_core,
            "placer": placer,
            "seed": seed,
        },
        seconds=time.perf_counter() - started,
        inputs=[name, "activity.safetensors"],
        outputs=["placement.json", "placement.csv", "target.toml"],
        result=result,
    )
    return result


def network_with_activity(run: Run, *, talk: Talk) -> tuple[str, Network, Activity]:
    """File and network that later stages work on, pruned first if need be, and its activity, counted if need be."""
    from neuromod import activity
    from neuromod.network import Network

    if run.state("prune")[0] == "missing" and run.state("train")[0] == "fresh":
        from .prune import prune_stage

        talk.say("The network is not pruned yet: running `neuromod prune` with its defaults first.")
        prune_stage(run, talk=talk)
    name = run.network_file()
    network = Network.load(run.file(name))
    if run.state("activity")[0] == "fresh":
        return name, network, activity.Activity.load(run.file("activity.safetensors"))
    started = time.perf_counter()
    if "tasks" in network.info:
        from neuromod.evaluation import trials_for

        talk.say(f"Counting active steps on {TRIALS} task trials …")
        found = activity.count_active_steps(network, trials_for(network, TRIALS, seed=TRIALS_SEED))
    else:
        found = activity.given(network)
        if found.kind == "every-step":
            talk.say("The network brings no rates and no tasks: every neuron counts once a step.")
    found.save(run.file("activity.safetensors"))
    run.record(
        "activity",
        arguments={"trials": TRIALS, "seed": TRIALS_SEED},
        seconds=time.perf_counter() - started,
        inputs=[name],
        outputs=["activity.safetensors"],
        result=activity.describe(found),
    )
    return name, network, found


def _default_grid(chip: Any) -> Any:
    """Return 4x4 cores, or the chip's own grid where that is smaller."""
    from neuromod.placement import Grid

    return Grid(4, 4) if chip is None else Grid(min(4, chip.rows), min(4, chip.columns))
