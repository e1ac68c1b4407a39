"""What the commands print: results on stdout, talk and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click


@dataclass
class Talk:
    """Where a command's words go.

    Parameters
    ----------
    as_json : bool
        One JSON object on stdout instead of text.
    quiet, verbose : bool
        Less and more talk on stderr.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    _last: float = field(default=0.0, repr=False)
    _open_line: bool = field(default=False, repr=False)

    def say(self, message: str) -> None:
        """Print one line of talk on stderr."""
        if not self.quiet:
            self._close_line()
            click.echo(_in_commands(message), err=True)

    def detail(self, message: str) -> None:
        """Print one line of talk that only ``-v`` asks for."""
        if self.verbose:
            self.say(message)

    def warn(self, message: str) -> None:
        """Print a warning on stderr, also with ``-q``."""
        self._close_line()
        click.echo(f"Warning: {_in_commands(message)}", err=True)

    def progress(self, message: str, *, done: bool = False) -> None:
        """Show one line that replaces itself on a terminal; in a pipe, a plain line every ten seconds."""
        if self.quiet:
            return
        now = time.monotonic()
        if sys.stderr.isatty():
            if done or now - self._last > 0.1:
                click.echo(f"\r\x1b[2K{message}", err=True, nl=done)
                self._last, self._open_line = now, not done
        elif done or now - self._last > 10:
            click.echo(message, err=True)
            self._last = now

    def _close_line(self) -> None:
        if self._open_line:
            click.echo(err=True)
            self._open_line = False

    def result(self, content: Mapping[str, Any], text: str) -> None:
        """Print the result: `content` with ``--json``, else `text` and the figure that was drawn, if one was."""
        self._close_line()
        if "plot" in content:
            text = f"{text}\nfigure {content['plot']}"
        click.echo(json.dumps(content, allow_nan=False) if self.as_json else text)


def _in_commands(message: str) -> str:
    if "`" not in message:
        return message
    from neuromod.runs import words

    return words.in_commands(message)


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] | None = None) -> str:
    """Align columns with two spaces between them; all but the first are flushed right."""
    everything = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    widths = [max(len(row[i]) for row in everything) for i in range(len(everything[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in everything
    ]
    if header:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)
