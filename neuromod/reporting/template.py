"""Templates filled with every text escaped; style inside, nothing outside."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from neuromod.reporting.figures.svg import printable


def fill(name: str, context: Mapping[str, Any]) -> str:
    """Return the template `name` of this package with `context` and the style sheet put in.

    Parameters
    ----------
    name : str
        File of the template.
    context : mapping
        Its variables; one that is missing is an error.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_printable)
    return environment.from_string(read(name)).render({"style": read("page.css"), **context}) + "\n"


def read(name: str) -> str:
    """Return the text of a file of this package."""
    return resources.files("neuromod.reporting").joinpath(name).read_text(encoding="utf-8")


def _printable(value: Any) -> Any:
    return printable(value) if type(value) is str else value
