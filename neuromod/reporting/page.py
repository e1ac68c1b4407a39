"""The page: sections filled into the template with every text escaped, style and script inside, nothing outside."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from neuromod.reporting import answers
from neuromod.reporting.figures import frontier
from neuromod.reporting.figures import task_variance as function
from neuromod.reporting.findings import Findings
from neuromod.reporting.sections import explored as comparison
from neuromod.reporting.sections import film as films
from neuromod.reporting.sections import hardware, summary
from neuromod.reporting.sections import limits as room
from neuromod.reporting.sections import network as sections
from neuromod.reporting.sections.modules import modules
from neuromod.reporting.template import fill, read
from neuromod.version import __version__

SECTIONS = (
    ("space", "Neurons"),
    ("cores", "Cores"),
    ("traffic", "Traffic"),
    ("explored", "Exploration"),
    ("tasks", "Tasks"),
    ("modules", "Modules"),
    ("training", "Training"),
    ("verification", "Verification"),
    ("provenance", "Provenance"),
)


def render(findings: Findings, *, run_name: str, path: Path | None = None) -> str:
    """Return the report as one HTML document that needs nothing else.

    Parameters
    ----------
    findings : Findings
        What the run holds.
    run_name : str
        Name of its folder.
    path : Path, optional
        The folder, to find the sweep that it is of.
    """
    film = films.film(findings)
    script = "\n" + read("page.js") + (film or {}).get("script", "")
    heading = summary.heading(findings)
    # A run that was never explored says nothing of it.
    explored = findings.stages["explore"].state != "missing"
    answered = answers.answers(findings)
    named = {"tasks": "Answers"} if answered else {}
    context: dict[str, Any] = {
        "title": f"{heading} · neuromod report",
        "heading": heading,
        "label": findings.label,
        "run_name": run_name,
        "created": findings.created or "unknown",
        "version": __version__,
        "versions": list(findings.versions.items()),
        "sections": [(id, named.get(id, name)) for id, name in SECTIONS if id != "explored" or explored],
        "stages": findings.stages,
        # Only this very script may run, whatever a run's texts hold.
        "script_hash": "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "script": script[1:],
        "summary": summary.sentences(findings, answered),
        "key": summary.key_figures(findings, answered),
        "plane": sections.plane(findings),
        "placed": hardware.placed(findings),
        "cores": hardware.cores(findings),
        "traffic": sections.traffic(findings),
        "explored": comparison.explored(findings),
        "tasks": sections.tasks(findings),
        "answers": answered,
        "limits": room.limits(findings),
        "variance": function.variance_map(findings),
        "pareto": frontier.frontier(path) if path is not None else None,
        "modules": modules(findings),
        "film": fill("film.html", {"film": film}) if film else "",
        "curves": sections.curves(findings),
        "pruning": sections.pruning(findings),
        "exports": sections.exports(findings),
        "verification": hardware.verification(findings),
        "steps": hardware.steps(findings),
        "arguments": hardware.arguments(findings),
    }
    return fill("page.html", context)
