"""Small SVG documents as element trees: the tree escapes all text, so nothing in a run can break out of a figure."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

Element = ET.Element

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def element(parent: Element | None, tag: str, text: str | None = None, /, **attributes: object) -> Element:
    """Add an element to `parent`, or make a root.

    Parameters
    ----------
    parent : Element or None
        Where it goes.
    tag : str
        Name of the element.
    text : str, optional
        Its text.
    **attributes : str or number
        Numbers are shortened, None is left out; ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``.
    """
    given = {
        name.rstrip("_").replace("_", "-"): number(value) if isinstance(value, int | float) else str(value)
        for name, value in attributes.items()
        if value is not None
    }
    made = ET.Element(tag, given) if parent is None else ET.SubElement(parent, tag, given)
    # XML cannot hold control characters at all, whoever chose the names in a run.
    made.text = None if text is None else printable(text)
    return made


def figure(width: float, height: float, title: str, description: str, *, class_: str) -> Element:
    """Return the root of a figure that scales with the page and that a screen reader announces.

    Parameters
    ----------
    width, height : float
        Size of the drawing in its own units.
    title, description : str
        What a screen reader says.
    class_ : str
        Class for the style sheet.
    """
    root = element(None, "svg", viewBox=f"0 0 {number(width)} {number(height)}", class_=class_, role="img")
    root.set("aria-label", printable(f"{title}. {description}"))
    return root


def document(root: Element) -> str:
    """Return the figure as markup for an HTML page."""
    return ET.tostring(root, encoding="unicode")


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def printable(text: str) -> str:
    """Replace control characters and lone surrogates, which no document can hold."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def ticks(low: float, high: float, *, logarithmic: bool = False, most: int = 5) -> list[float]:
    """Return round numbers that span low to high, for an axis.

    Parameters
    ----------
    low, high : float
        Range of the values, low < high; both positive for a logarithmic axis.
    logarithmic : bool
        Powers of ten, with 2 and 5 between them where the range is short.
    most : int
        About how many ticks.
    """
    if logarithmic:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factors in ((1,), (1, 3), (1, 2, 5)):
            found = [f * 10.0**d for d in decades for f in factors if low * 0.999 <= f * 10.0**d <= high * 1.001]
            if len(found) >= 3:
                return found[:: -(-len(found) // most)]
        return ticks(low, high, most=most)
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
