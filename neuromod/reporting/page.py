"""The page: sections filled into the template with every text escaped, style and script inside, nothing outside."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from neuromod import __version__
from neuromod.reporting import hardware, sections, summary
from neuromod.reporting.findings import Findings
from neuromod.reporting.modules import modules
from neuromod.reporting.svg import printable

SECTIONS = (
    ("space", "Neurons"),
    ("cores", "Cores"),
    ("traffic", "Traffic"),
    ("tasks", "Tasks"),
    ("modules", "Modules"),
    ("training", "Training"),
    ("verification", "Verification"),
    ("provenance", "Provenance"),
)


def render(findings: Findings, *, run_name: str) -> str:
    """Return the report as one HTML document that needs nothing else.

    Parameters
    ----------
    findings : Findings
        What the run holds.
    run_name : str
        Name of its folder.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_printable)
    script = "\n" + _text("page.js")
    heading = summary.heading(findings)
    context: dict[str, Any] = {
        "title": f"{heading} · neuromod report",
        "heading": heading,
        "label": findings.label,
        "run_name": run_name,
        "created": findings.created or "unknown",
        "version": __version__,
        "versions": list(findings.versions.items()),
        "sections": SECTIONS,
        "stages": findings.stages,
        # Only this very script may run, whatever a run's texts hold.
        "script_hash": "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "script": script[1:],
        "style": _text("page.css"),
        "summary": summary.sentences(findings),
        "key": summary.key_figures(findings),
        "plane": sections.plane(findings),
        "placed": hardware.placed(findings),
        "cores": hardware.cores(findings),
        "traffic": sections.traffic(findings),
        "tasks": sections.tasks(findings),
        "modules": modules(findings),
        "curves": sections.curves(findings),
        "pruning": sections.pruning(findings),
        "exports": sections.exports(findings),
        "verification": hardware.verification(findings),
        "steps": hardware.steps(findings),
        "arguments": hardware.arguments(findings),
    }
    return environment.from_string(_text("page.html")).render(context) + "\n"


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _text(name: str) -> str:
    return resources.files("neuromod.reporting").joinpath(name).read_text(encoding="utf-8")
