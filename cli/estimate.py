"""`neuromod estimate`: what a placement costs, beside the shuffled one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .activity import load_network_and_activity
from .options import held_run_option, output_options, plot_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.runs.run import Run

# Key -> what the table calls it.
_ROWS = {
    "wiring_length": "wiring length, pitches",
    "packets_per_step": "packets per step",
    "hops_per_step": "hops per step",
    "multicast_hops_per_step": "hops per step, multicast",
    "max_link_load_per_step": "busiest link, packets per step",
    "inter_core_synapses": "synapses between cores",
}


@click.command("estimate", short_help="Estimate packets, hops and link loads of the placement.")
@plot_option("traffic beside the shuffled placement, and the load of the cores")
@held_run_option
@output_options
def command(plot: Path | None, run: Run, talk: Talk) -> None:
    """Estimate packets, hops and link loads of the placement from the network's own activity on task trials.

    \b
      neuromod estimate
      neuromod estimate --json
    """
    result = estimate_stage(run, talk=talk)
    if plot is not None:
        from neuromod.plotting import overview as plots
        from neuromod.plotting import stages as stageplots

        plots.save(stageplots.traffic(result), plot)
        result["plot"] = str(plot)
    rows = []
    for key, label in _ROWS.items():
        values = [result[key], result["shuffled"][key]]
        form = ",.0f" if key == "inter_core_synapses" else ",.1f"
        rows.append([label, *("unknown" if value is None else format(value, form) for value in values)])
    for key, unit, label in (
        ("energy_per_step", "pj", "energy, pJ per step"),
        ("time_per_step", "ns", "time, ns per step"),
    ):
        values = [part[key][f"total_{unit}"] for part in (result, result["shuffled"])]
        rows.append([label, *("unknown" if value is None else f"{value:,.1f}" for value in values)])
    talk.result(result, "\n".join([table(rows, header=["estimate", result["placer"], "shuffled"]), *_unknown(result)]))


def _unknown(result: dict[str, Any]) -> list[str]:
    """Say which figures of the target a sum is missing."""
    energy, time_ = result["energy_per_step"], result["time_per_step"]
    missing = {
        "energy": [name for part in energy.values() if isinstance(part, dict) for name in part["unknown"]],
        "time": time_["unknown"],
    }
    return [
        f"{what} is unknown: {result['target']} states no {', '.join(names)}"
        for what, names in missing.items()
        if names
    ]


def estimate_stage(run: Run, *, talk: Talk) -> dict[str, Any]:
    """Estimate the traffic of a run's placement, write `traffic.json`, return what ``--json`` prints.

    Raises
    ------
    StageError
        If the placement is stale.
    """
    from neuromod.files import write_json
    from neuromod.hardware import target_files
    from neuromod.mapping.placement import Placement
    from neuromod.traffic import report as traffic
    from neuromod.traffic.rent import fit_rent

    if run.state("map")[0] == "missing":
        from .map import map_stage

        talk.say("The network is not mapped yet: running `neuromod map` with its defaults first.")
        map_stage(run, talk=talk)
    started = time.perf_counter()
    run.require("map")
    # The activity that the placement was made from; counting it anew here would make the placement stale.
    name = run.network_file()
    network, activity = load_network_and_activity(run, name)
    placement = Placement.load(run.file("placement.json"))
    target = target_files.parse_target(run.file("target.toml").read_text(encoding="utf-8"), where="target.toml")
    report = traffic.estimate(network, placement, activity, target=target, seed=placement.seed)
    rent = fit_rent(network)
    content = {
        "grid": str(placement.grid),
        "target": placement.target,
        "placer": placement.placer,
        "neurons_per_core": placement.neurons_per_core,
        **report.as_json(),
        "rent_exponent": None if rent is None else rent.exponent,
        "rent_coefficient": None if rent is None else rent.coefficient,
    }
    write_json(run.file("traffic.json"), {"schema": traffic.SCHEMA, **content})
    result = {**content, "seconds": round(time.perf_counter() - started, 3)}
    run.record(
        "estimate",
        arguments={},
        seconds=time.perf_counter() - started,
        inputs=[name, "activity.safetensors", "placement.json", "target.toml"],
        outputs=["traffic.json"],
        result=result,
    )
    return {**result, "run": str(run.path)}
