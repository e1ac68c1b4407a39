"""The first screen of the report: what happened, in words and in four figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuromod.exporting import titles
from neuromod.reporting.findings import Findings
from neuromod.reporting.numbers import UNKNOWN, count, is_number, percent


def heading(findings: Findings) -> str:
    """Return what the run is about, for the title."""
    network, placement = findings.network, findings.placement
    parts = []
    if network is not None:
        parts.append(f"{count(network.n)} neurons")
        if about := _data_of(findings):
            parts.append(about)
        elif isinstance(tasks := network.info.get("tasks"), list) and tasks:
            parts.append(f"{len(tasks)} cognitive tasks" if len(tasks) > 1 else f"the task {tasks[0]}")
    if placement is not None:
        parts.append(f"{placement.grid} cores")
    return ", ".join(parts) or findings.label or "A run"


def sentences(findings: Findings, answers: Mapping[str, Any] | None = None) -> list[str]:
    """Return the summary, one sentence a stage that ran.

    Parameters
    ----------
    findings : Findings
        What the run holds.
    answers : mapping, optional
        The network's answers on the test trials of its data, whose ``score`` counts then.
    """
    found = [_network(findings, answers), _pruning(findings), _traffic(findings), _verification(findings)]
    said = [sentence for sentence in found if sentence]
    return said or ["This run holds nothing to show yet."]


def key_figures(findings: Findings, answers: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
    """Return the four figures that a reader looks for first, each with its name and what it means; see `sentences`."""
    prune, estimate, verify = (findings.result(step) for step in ("prune", "estimate", "verify"))
    shuffled = _mapping(estimate.get("shuffled"))
    hops = estimate.get("hops_per_step")
    checked = findings.stages["verify"].fresh
    network = findings.network
    return [
        {
            "name": "R²" if findings.of_values else "accuracy",
            "figure": findings.score(answers["score"] if answers else accuracy(findings)),
            "note": "on test trials" if answers else _accuracy_note(findings),
        },
        {
            "name": "recurrent synapses",
            "figure": count(network.n_synapses) if network is not None else UNKNOWN,
            "note": f"{percent(prune.get('sparsity'))} of the recurrent weights are zero"
            if prune
            else "not pruned yet",
        },
        {
            "name": "hops per step between cores",
            "figure": count(hops),
            "note": f"estimate; {count(shuffled.get('hops_per_step'))} with a shuffled placement"
            if is_number(hops)
            else "not estimated yet",
        },
        {
            "name": "exports verified",
            "figure": ("yes" if verify.get("passed") is True else "no") if checked else "not yet",
            "note": "run in other runtimes, against the network" if checked else "run neuromod verify",
        },
    ]


def _accuracy_note(findings: Findings) -> str:
    if not is_number(accuracy(findings)):
        return "no tasks to measure it on"
    if _data_of(findings):
        return "on validation trials, after pruning" if findings.result("prune") else "on test trials"
    return "mean over the tasks, after pruning" if findings.result("prune") else "mean over the tasks"


def accuracy(findings: Findings) -> Any:
    """Return the accuracy of the network that the report shows, or None."""
    prune = findings.result("prune")
    if prune:
        return prune.get("accuracy_after")
    return findings.result("train").get("accuracy", findings.result("import").get("test_score"))


def _data_of(findings: Findings) -> str:
    """Name of the data that the network learned, empty for tasks."""
    known = findings.network.info.get("data") if findings.network is not None else None
    return str(known.get("name", "data")) if isinstance(known, Mapping) else ""


def _network(findings: Findings, answers: Mapping[str, Any] | None) -> str:
    network = findings.network
    if network is None:
        return ""
    tasks = network.info.get("tasks")
    trained = findings.stages["train"].fresh
    kind = "A recurrent network" if trained else "An imported recurrent network"
    about = f" of {count(network.n)} neurons and {count(network.n_synapses)} recurrent synapses"
    value = answers["score"] if answers else accuracy(findings)
    if (name := _data_of(findings)) and is_number(value):
        split = "validation" if findings.result("prune") and not answers else "test"
        what = f"an R² of {value:.3f}" if findings.of_values else f"{percent(value)} of the answers right"
        return f"{kind}{about} has {what} on the {split} trials of {name}."
    if not (isinstance(tasks, list) and tasks and is_number(value)):
        return f"{kind}{about}."
    on = f"{len(tasks)} cognitive tasks" if len(tasks) > 1 else f"the task {tasks[0]}"
    return f"{kind}{about} answers {percent(value)} of the trials of {on} right."


def _pruning(findings: Findings) -> str:
    prune = findings.result("prune")
    if not prune:
        return ""
    before: Any = prune.get("accuracy_before")
    after: Any = prune.get("accuracy_after")
    said = (
        f"Pruning kept {count(prune.get('synapses_after'))} of {count(prune.get('synapses_before'))} recurrent "
        f"synapses and {count(prune.get('neurons_after'))} of {count(prune.get('neurons_before'))} neurons"
    )
    if is_number(before) and is_number(after):
        if findings.of_values:
            return f"{said}; R² {before:.3f} before, {after:.3f} after."
        points = 100 * (after - before)
        words = f"{abs(points):.2f} points {'more' if points > 0 else 'less'} accuracy"
        change = words if abs(points) >= 0.005 else "the same accuracy"
        said += f", at {change}"
    return said + "."


def _traffic(findings: Findings) -> str:
    result = findings.result("estimate")
    hops = result.get("hops_per_step")
    if not is_number(hops) or findings.placement is None:
        return ""
    placement = findings.placement
    shuffled = _mapping(result.get("shuffled")).get("hops_per_step")
    compared = f"; the same neurons shuffled over the cores cause {count(shuffled)}" if is_number(shuffled) else ""
    return (
        f"On {placement.grid} cores of {placement.target} it causes an estimated {count(hops)} packet-hops per time "
        f"step between cores{compared}."
    )


def _verification(findings: Findings) -> str:
    if not findings.stages["verify"].fresh:
        return ""
    result = findings.result("verify")
    title = titles()
    parts = {name: part for name in title if (part := _mapping(result.get(name)))}
    ran = {name: part for name, part in parts.items() if part.get("verified") is True}
    failed = [title[name] for name, part in ran.items() if part.get("passed") is not True]
    if not ran:
        return "No export could be verified."
    said = f"The exports failed verification ({', '.join(failed)})" if failed else "The exports passed verification"
    shares = [
        f"{findings.score(part['decision_agreement'])} ({title[name]})"
        for name, part in ran.items()
        if is_number(part.get("decision_agreement"))
    ]
    if shares and findings.of_values:
        said += f": their values follow the network's with an R² of {', '.join(shares)}"
    elif shares:
        said += f": they decide as the network in {', '.join(shares)} of the trials"
    for name, part in ran.items():
        if part.get("trials") and part.get("bit_equal") == part["trials"]:
            said += f"; {title[name]} is equal to the last bit in {part.get('simulator')}"
    missing = [title[name] for name in parts if name not in ran]
    return said + (f"; not verified: {', '.join(missing)}." if missing else ".")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
