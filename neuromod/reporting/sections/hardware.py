"""The sections of the report on cores and on verification, and what made the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.exporting import titles
from neuromod.reporting.figures.cores import DIRECTIONS, Cores, arrange, draw_cores
from neuromod.reporting.figures.svg import document
from neuromod.reporting.figures.task_variance import clusters_of
from neuromod.reporting.findings import Findings, Stage
from neuromod.reporting.numbers import count, duration, is_number, percent, scientific
from neuromod.runs import COMMANDS

Section = dict[str, Any]

# What the table of the cores shows of each, from `traffic.json`.
PER_CORE = {
    "neurons": "Neurons",
    "synapses": "Synapses onto them, inputs included",
    "in_axons": "In-axons",
    "out_axons": "Out-axons",
    "spikes_per_step": "Spikes",
    "packets_sent_per_step": "Packets sent",
    "packets_received_per_step": "Packets received",
    "synaptic_events_per_step": "Synaptic events",
    "updates_per_step": "Updates",
    "load": "Load",
}

# What the short table of the busiest cores shows, and how many of them.
BUSY = (
    "neurons",
    "synaptic_events_per_step",
    "updates_per_step",
    "packets_sent_per_step",
    "packets_received_per_step",
    "load",
)
MOST_BUSY = 5

# Cores up to which they are drawn and listed.
MOST_DRAWN = 16_384


def placed(findings: Findings) -> Section | None:
    """Return what the placement is, in words; None without one."""
    placement = findings.placement
    if placement is None:
        return None
    on = placement.neurons_on
    result = findings.result("map")
    said = (
        f"{count(len(placement.core_of))} neurons on {count(int((on > 0).sum()))} of {count(placement.grid.cores)} "
        f"cores of {placement.target} ({placement.grid}), at most {count(placement.neurons_per_core)} a core, placed "
        f"by {placement.placer} (seed {placement.seed})."
    )
    if result.get("interrupted"):
        said += " Its search was interrupted; this is the placement of least cost until then."
    inside: Any = result.get("intra_core_synapses")
    between: Any = result.get("inter_core_synapses")
    if is_number(inside) and is_number(between) and inside + between:
        said += f" {percent(inside / (inside + between))} of the synapses stay inside a core."
    return {"words": said}


def cores(findings: Findings) -> Section | None:
    """Return the grid of cores with its traffic, None without an estimate."""
    drawn = cores_of(findings)
    if drawn is None or findings.traffic is None:
        return None
    names = [f"({row}, {column})" for row, column in drawn.grid.coordinates()]
    rows = [
        (name, *(count(found.get(key)) for key in PER_CORE))
        for name, found in zip(names, findings.traffic["per_core"], strict=True)
    ]
    order = np.argsort(-drawn.link_load, kind="stable")
    caption = (
        "Squares are cores, with their row, column and number of neurons; the stronger the colour, the more "
        f"packets they send and receive (at most {count(float(drawn.load.max()))} per time step). Arrows are the links "
        f"between neighbours, as wide as their load (at most {count(float(drawn.link_load.max(initial=0)))} packets "
        "per time step, which go along the row first, then along the column)."
    )
    return {
        "svg": document(draw_cores(drawn)),
        "caption": caption if drawn.grid.cores > 1 else "One core holds every neuron, so no packet travels.",
        "busiest": _busiest(findings, rows),
        "inside": drawn.inside is not None,
        "clusters": drawn.inside is not None and bool((drawn.inside.cluster >= 0).any()),
        "header": ("Core", *PER_CORE.values()),
        "rows": rows,
        "links": [
            (f"{names[drawn.source[k]]} → {names[drawn.target[k]]}", count(float(drawn.link_load[k])))
            for k in order
            if drawn.link_load[k] > 0
        ],
    }


def _busiest(findings: Findings, rows: Sequence[tuple[str, ...]]) -> Section | None:
    """Return the cores of most load, which set the pace, if the estimate knows them."""
    traffic = findings.traffic or {}
    found = traffic.get("busiest_core")
    if not isinstance(found, Mapping) or not isinstance(found.get("weights"), Mapping) or len(rows) < 2:
        return None
    loads = [core.get("load") for core in traffic["per_core"]]
    if not all(is_number(load) for load in loads):
        return None
    order = np.argsort(-np.array(loads, np.float64), kind="stable")[:MOST_BUSY]
    shown = [0, *(1 + list(PER_CORE).index(key) for key in BUSY)]
    return {
        "words": f"The busiest core, ({found.get('row')}, {found.get('column')}), has a load of "
        f"{count(found.get('load'))}, a core at work {count(found.get('mean_load'))} on average: synaptic events, "
        f"updates, packets sent and received, weighted ({found['weights'].get('origin')}).",
        "header": ("Core", *(PER_CORE[key] for key in BUSY)),
        "rows": [tuple(rows[core][k] for k in shown) for core in order.tolist() if loads[core] > 0],
    }


def cores_of(findings: Findings) -> Cores | None:
    """Return the cores with their loads, None without an estimate.

    Raises
    ------
    UsageError
        If the estimate does not fit the placement.
    """
    placement, traffic = findings.placement, findings.traffic
    if placement is None or traffic is None or placement.grid.cores > MOST_DRAWN:
        return None
    grid = placement.grid
    try:
        ways = ("packets_sent_per_step", "packets_received_per_step")
        load = np.array([[core[way] for way in ways] for core in traffic["per_core"]], np.float64).sum(axis=1)
        if load.shape != (grid.cores,):
            raise ValueError(f"{len(load)} cores instead of {grid.cores}")
        shape = (len(DIRECTIONS), grid.router_rows, grid.router_columns)
        links = np.array([traffic["links"][name] for name in DIRECTIONS], np.float64).reshape(shape)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"traffic.json does not hold a valid estimate ({error!r}); run `neuromod.estimate`") from error
    return arrange(placement, load, links, clusters=clusters_of(findings), rates=findings.rates)


def verification(findings: Findings) -> Section | None:
    """Return the rows of the verification table, None where nothing was verified."""
    stage = findings.stages["verify"]
    if not stage.fresh:
        return None
    rows = []
    for name, title in titles().items():
        found = stage.result.get(name)
        if not isinstance(found, Mapping):
            continue
        verified, passed = found.get("verified") is True, found.get("passed") is True
        interval = found.get("decision_agreement_interval")
        rows.append(
            {
                "format": title,
                "mark": ("pass" if passed else "fail") if verified else "",
                "result": ("passed" if passed else "failed") if verified else "not verified",
                "agreement": findings.score(found.get("decision_agreement")),
                "interval": " to ".join(map(findings.score, interval)) if isinstance(interval, list) else "",
                "error": _error(found),
                "accuracy": findings.score(found.get("accuracy")),
                "reference": findings.score(found.get("accuracy_reference")),
                "remarks": "; ".join(_remarks(found)),
            }
        )
    trials = (
        "on test trials" if findings.network is not None and "data" in findings.network.info else "on trials drawn anew"
    )
    return {
        "rows": rows,
        "caption": f"Each file in another runtime, {trials}, against the network itself",
        "agree": "R² of its values beside the network's" if findings.of_values else "Decisions that agree",
        "score": "R²" if findings.of_values else "Accuracy",
    }


def _error(found: Mapping[str, Any]) -> str:
    if "max_abs_error" in found:
        return scientific(found["max_abs_error"])
    return "none, bit for bit" if found.get("trials") and found.get("bit_equal") == found["trials"] else "not measured"


def _remarks(found: Mapping[str, Any]) -> list[str]:
    said = [str(found[key]) for key in ("reason", "runtime") if key in found]
    said += [str(reason) for reason in found.get("reasons", ()) if found.get("passed") is not True]
    simulators = [part for part in found.get("simulators", ()) if isinstance(part, Mapping)]
    if simulators:
        said += [
            f"{count(part.get('bit_equal'))} of {count(part.get('trials'))} trials equal to the last bit in "
            f"{part.get('simulator')}"
            for part in simulators
        ]
        return [*said, f"decisions of {count(found.get('trials_compared'))} trials"]
    for key, words in (
        ("trials", "trials"),
        ("substeps", "substeps per time step"),
        ("spikes_per_neuron_per_step", "spikes per neuron and time step"),
    ):
        if is_number(found.get(key)):
            said.append(f"{count(found[key])} {words}")
    if found.get("state_bounded") is False:
        said.append("trials run one by one, because the state grows when they follow each other")
    return said


def steps(findings: Findings) -> list[tuple[str, ...]]:
    """Return what ran: command, seed, time."""
    return [
        (_made_by(stage), str(stage.arguments.get("seed", "none")), duration(stage.seconds))
        for stage in findings.stages.values()
        if stage.fresh and stage.name != "report"
    ]


def _made_by(stage: Stage) -> str:
    return stage.command if stage.name in COMMANDS else f"({stage.name}, by the first command that needed it)"


def arguments(findings: Findings) -> list[tuple[str, str]]:
    """Return the arguments of every step that ran, as JSON."""
    return [
        (name, json.dumps(dict(stage.arguments), ensure_ascii=False))
        for name, stage in findings.stages.items()
        if stage.fresh and stage.name != "report"
    ]
