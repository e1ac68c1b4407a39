"""Numbers as people read them; what is not known is "unknown"."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

UNKNOWN = "unknown"
MINUS = "\N{MINUS SIGN}"


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def count(value: Any) -> str:
    """Return 12345 as 12,345 and 3.14159 as 3.14."""
    if not is_number(value):
        return UNKNOWN
    if value == 0 or isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    rounded = float(f"{value:.3g}")
    digits = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{digits}f}" if digits < 7 else f"{value:.1e}"


def tidy(value: float) -> str:
    """Return 0.3000 as 0.3 and 30000.0 as 30,000, for the ticks of an axis."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(value: Any, *, digits: int = 1) -> str:
    """Return 0.9345 as 93.5 %."""
    return f"{100 * value:.{digits}f}\N{NARROW NO-BREAK SPACE}%" if is_number(value) else UNKNOWN


def scientific(value: Any) -> str:
    """Return 0.0000031 as 3.1e-06, for errors."""
    return f"{value:.1e}" if is_number(value) else UNKNOWN


def size(value: Any) -> str:
    """Return bytes as bytes, kB or MB (powers of 1000)."""
    if not is_number(value):
        return UNKNOWN
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.1f}\N{NO-BREAK SPACE}{unit}"
    return f"{value:.0f}\N{NO-BREAK SPACE}bytes"


def duration(value: Any) -> str:
    """Return seconds as < 0.1 s, 0.4 s, 12 s, 3 min 20 s or 2 h 5 min."""
    if not is_number(value):
        return UNKNOWN
    if 0 < value < 0.05:
        return "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}s"
    if value < 10:
        return f"{value:.1f}\N{NO-BREAK SPACE}s"
    seconds = round(value)
    if seconds < 60:
        return f"{seconds}\N{NO-BREAK SPACE}s"
    if seconds < 3600:
        return f"{seconds // 60}\N{NO-BREAK SPACE}min {seconds % 60}\N{NO-BREAK SPACE}s"
    return f"{seconds // 3600}\N{NO-BREAK SPACE}h {seconds % 3600 // 60}\N{NO-BREAK SPACE}min"


def ratio(part: Any, whole: Any) -> str:
    """Return how `part` compares with `whole`: 1/8.2, or ×1.3."""
    if not (is_number(part) and is_number(whole)) or part < 0 or whole <= 0:
        return UNKNOWN
    if part == 0:
        return "none"
    factor = whole / part
    return f"1/{factor:.1f}" if factor >= 1.05 else f"×{1 / factor:.2f}"
