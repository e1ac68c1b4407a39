"""A quantity over training, as one small SVG figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from neuromod.reporting.figures.svg import Element, element, figure, number, ticks

_WIDTH, _HEIGHT = 340.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 12.0, 34.0
_MOST_POINTS = 240


def draw_curve(
    step: Sequence[float],
    value: Sequence[float],
    *,
    title: str,
    words: Callable[[float], str],
    logarithmic: bool = False,
) -> Element:
    """Return a line over training steps.

    Parameters
    ----------
    step, value : sequence of float
        Where and what; values that are not finite are left out, and on a logarithmic axis those that are not positive.
    title : str
        Name of the quantity, for those who do not see the figure.
    words : callable
        How to write a value.
    logarithmic : bool
        Kind of the value axis.
    """
    x, y = np.asarray(step, np.float64), np.asarray(value, np.float64)
    # Beyond these magnitudes a figure has no meaning and its arithmetic no room.
    size = np.abs(y)
    usable = np.isfinite(x) & (size < 1e100) & ((y > 1e-100) if logarithmic else (size > 1e-100) | (y == 0))
    x, y = _thinned(x[usable], y[usable])
    described = f"from {words(y[0])} to {words(y[-1])} over {x[-1]:,.0f} steps" if len(x) else "nothing was logged"
    root = figure(_WIDTH, _HEIGHT, title, described, class_="curve")
    if not len(x):
        element(root, "text", "nothing was logged", x=_WIDTH / 2, y=_HEIGHT / 2, class_="middle")
        return root
    low, high = _range(y, logarithmic)
    scale: Callable[[float], float] = np.log10 if logarithmic else float
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    last = max(float(x[-1]), 1.0)

    def across(at: float) -> float:
        return _LEFT + (right - _LEFT) * at / last

    def up(at: float) -> float:
        return float(bottom - (bottom - _TOP) * (scale(at) - scale(low)) / (scale(high) - scale(low)))

    for tick in ticks(low, high, logarithmic=logarithmic, most=4):
        element(root, "line", x1=_LEFT, x2=right, y1=up(tick), y2=up(tick), class_="rule")
        element(root, "text", words(tick), x=_LEFT - 7, y=up(tick) + 4, class_="end")
    for tick in ticks(0, last, most=4):
        element(root, "text", f"{tick:,.0f}", x=across(tick), y=bottom + 17, class_="middle")
    element(root, "text", "training step", x=(_LEFT + right) / 2, y=_HEIGHT - 3, class_="middle axis")
    points = " ".join(f"{number(across(a))},{number(up(b))}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    element(root, "polyline", points=points, class_="line")
    element(root, "circle", cx=across(float(x[-1])), cy=up(float(y[-1])), r=3.2, class_="last")
    return root


def _range(y: npt.NDArray[np.float64], logarithmic: bool) -> tuple[float, float]:
    low, high = float(y.min()), float(y.max())
    if logarithmic:
        return (low / 1.15, high * 1.15) if high / low > 1.2 else (low / 1.5, high * 1.5)
    room = max(0.06 * (high - low), 1e-6 + 0.02 * abs(high))
    return low - room, high + room


def _thinned(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """At most about 240 points: of each stretch its lowest and its highest, so that no spike is lost."""
    if len(x) <= _MOST_POINTS:
        return x, y
    keep = {0, len(x) - 1}
    for part in np.array_split(np.arange(len(x)), _MOST_POINTS // 2):
        keep |= {int(part[y[part].argmin()]), int(part[y[part].argmax()])}
    chosen = np.array(sorted(keep))
    return x[chosen], y[chosen]
