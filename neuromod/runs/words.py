"""What the library tells a person to do, in the words of the command line.

The library speaks in Python, in backquotes: a function of the path, as `neuromod.place`, with what to give it, as
`neuromod.export(format="snn")`; an argument, as `tau_ms`; or an argument with its value, as `recurrent=NAME`. A
notebook shows that as it is. The commands and the stages show what is to be typed: `neuromod map`, --tau-ms,
--recurrent NAME.
"""

from __future__ import annotations

import ast
import re
import shlex

from neuromod.runs.commands import COMMANDS, OPTIONS, SETTINGS

# What is called or looked up in Python -> the command that does it.
_CALLED = {
    **{f"neuromod.{step}": command for step, command in COMMANDS.items() if not step.startswith("export-")},
    "neuromod.place": COMMANDS["map"],
    "neuromod.export": "neuromod export",
    "neuromod.runs.STEPS": "neuromod runs",
    "neuromod.tasks.COLLECTIONS": "neuromod tasks",
}

# Argument -> its option.
_FLAGS = {
    **{option.key: option.flag for options in OPTIONS.values() for option in options if option.flag},
    **SETTINGS,
    **{key.rpartition(".")[2]: flag for key, flag in SETTINGS.items()},
    "wiring_cost": SETTINGS["wiring.cost"],
    "format": "--format",
    "quantize": "--quantize",
    "scheduler": "--scheduler",
    "channels": "--channels",
}

_MARKED = re.compile(r"`([^`\n]+)`")
_ARGUMENT = re.compile(r"([a-z_.]+)(?:=(.+))?")


def in_commands(text: str) -> str:
    """Return what the library said with its Python as commands and options; everything else stays as it is.

    Parameters
    ----------
    text : str
        A message of an error, a note or a warning.

    Returns
    -------
    str
        The same in words of the command line.
    """
    return _MARKED.sub(lambda found: _typed(found[1]) or found[0], text)


def _typed(code: str) -> str | None:
    """What is typed for a piece of Python, or None for what no command does."""
    name, call, _ = code.partition("(")
    if name in _CALLED:
        try:
            given = ast.parse(code, mode="eval").body if call else None
        except SyntaxError:
            return None
        keywords = given.keywords if isinstance(given, ast.Call) else []
        flags = [_flag(str(item.arg), ast.unparse(item.value)) for item in keywords]
        return f"`{' '.join([_CALLED[name], *flags])}`" if all(flags) else None
    found = _ARGUMENT.fullmatch(code)
    return (_flag(found[1], found[2]) or None) if found else None


def _flag(name: str, value: str | None) -> str:
    """An option with its value; empty if there is none of this name."""
    if name not in _FLAGS:
        # A setting that has no option of its own.
        return f"--set {name}={value}" if value is not None and re.fullmatch(r"[a-z]+\.[a-z_]+", name) else ""
    if value is None or value == "True":
        return _FLAGS[name]
    try:
        read = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        # A word for what the user knows, as NAME.
        return f"{_FLAGS[name]} {value}"
    if isinstance(read, dict):
        read = ",".join(f"{key}={item}" for key, item in read.items())
    # An ellipsis is not to be typed.
    return f"{_FLAGS[name]} {read if '…' in str(read) else shlex.quote(str(read))}"
