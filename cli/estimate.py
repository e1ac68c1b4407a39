"""`neuromod estimate`: what a placement costs, beside the shuffled one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options, plot_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.runs import Run

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
    from neuromod.stages import estimate_stage

    result = estimate_stage(run, talk=talk)
    if plot is not None:
        from neuromod.plotting import overview, stages

        overview.save(stages.traffic(result), plot)
        result["plot"] = str(plot)
    rows = []
    for key, label in _ROWS.items():
        values = [result[key], result["shuffled"][key]]
        form = ",.0f" if key == "inter_core_synapses" else ",.1f"
        rows.append([label, *("unknown" if value is None else format(value, form) for value in values)])
    loads = [part["busiest_core"]["load"] for part in (result, result["shuffled"])]
    unit = result["busiest_core"]["weights"]["unit"]
    rows.append([f"busiest core, {unit} per step", *(f"{load:,.1f}" for load in loads)])
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
