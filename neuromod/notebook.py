"""What a notebook shows of the library's values: small HTML tables, every text escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any


def html_table(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    """Return a table of two columns as HTML.

    Parameters
    ----------
    title : str
        Its caption.
    rows : iterable of (str, value)
        Names and values; floats are rounded to five digits, None is unknown.

    Returns
    -------
    str
        HTML without scripts and styles of its own, readable in light and dark.
    """
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th><td>{html.escape(_text(value))}</td></tr>'
        for name, value in rows
    )
    return f'<table><caption style="text-align:left"><b>{html.escape(title)}</b></caption>{body}</table>'


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:,.5g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
