"""What an exploration is made of: its points, and the parts that points share."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from neuromod.errors import UsageError
from neuromod.hardware import Grid, check_objective, parse_target, target_files
from neuromod.kernels import SOURCES
from neuromod.mapping import Effort, placers

T = TypeVar("T")

# Points of one exploration: beyond, a list was meant to be something else.
_MOST_POINTS = 10_000


@dataclass(frozen=True)
class Chip:
    """A target as it is asked for: what it was called, and its file as it was then.

    Parameters
    ----------
    given : str
        Its name, or the path of the file.
    text : str
        What the file holds.
    """

    given: str
    text: str


@dataclass(frozen=True)
class Search:
    """How every placement is searched, as for `neuromod.mapping.place`.

    Parameters
    ----------
    placer, objective : str
        Method, and what it makes small.
    effort : float
        Work of the method, relative to the default.
    seed : int
        Seed of the method.

    Raises
    ------
    UsageError
        If one of them cannot be used.
    """

    placer: str = placers.DEFAULT
    objective: str = "hops"
    effort: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        placers.find_placer(self.placer)
        check_objective(self.objective)
        Effort(self.effort)


@dataclass(frozen=True)
class Axes:
    """What is varied: values separated by commas; an axis that is omitted has the one value that `place` takes.

    Parameters
    ----------
    cores : str, optional
        Grids of cores, as ``2x2,4x4``.
    target : str, optional
        Names of targets and paths of files, as ``loihi1,mine.toml``.
    neurons_per_core : str, optional
        Capacities of a core, as ``16,32``.
    weight_bits : str, optional
        Bits of a weight, 2 to 16, as ``4,8``; weights stay as they are if omitted.
    """

    cores: str | None = None
    target: str | None = None
    neurons_per_core: str | None = None
    weight_bits: str | None = None


@dataclass(frozen=True)
class Placing:
    """The part of a point that does not depend on bits: a placement and its traffic.

    Parameters
    ----------
    name : str
        Holds a digest of everything that decides the outcome.
    chip : Chip
        The target.
    cores : (rows, columns), optional
        Grid of cores; what `neuromod.mapping.choose_grid` takes if omitted.
    neurons_per_core : int, optional
        Capacity of a core; what `neuromod.mapping.place` takes if omitted.
    search : Search
        How the placement is searched.
    """

    name: str
    chip: Chip
    cores: tuple[int, int] | None
    neurons_per_core: int | None
    search: Search


@dataclass(frozen=True)
class Rounding:
    """The part of a point that depends on bits alone: the accuracy with weights rounded to them.

    Parameters
    ----------
    name : str
        Holds a digest of everything that decides the outcome.
    weight_bits : int, optional
        Bits of a weight, its sign included; weights stay as they are if omitted.
    seed : int
        Seed of the trials.
    """

    name: str
    weight_bits: int | None
    seed: int


@dataclass(frozen=True)
class Point:
    """One combination: a grid of a target, with a capacity and bits of a weight.

    Parameters
    ----------
    placing : Placing
        Its grid, target and capacity.
    rounding : Rounding
        Its bits.
    """

    placing: Placing
    rounding: Rounding


@dataclass(frozen=True)
class Exploration:
    """All points of an exploration, no two alike.

    Parameters
    ----------
    points : tuple of Point
        In the order in which the lists were given, the last one running fastest.
    """

    points: tuple[Point, ...]

    @property
    def parts(self) -> tuple[Placing | Rounding, ...]:
        """What has to be computed, each once, however many points share it."""
        both = [part for point in self.points for part in (point.rounding, point.placing)]
        return tuple({part.name: part for part in both}.values())


def make_exploration(
    content: Sequence[str],
    search: Search,
    axes: Axes,
    *,
    instead: tuple[str, tuple[int, int] | None] = ("generic-mesh", None),
) -> Exploration:
    """Multiply lists out to points.

    Parameters
    ----------
    content : sequence of str
        Digests of the network and of its activity, in this order, which decide every outcome, too.
    search : Search
        How placements are searched, and the seed of the trials.
    axes : Axes
        The lists.
    instead : (str, (rows, columns) or None)
        Target and grid where there is no list of them.

    Returns
    -------
    Exploration
        The points.

    Raises
    ------
    UsageError
        If a value cannot be used; a point that does not fit is no such value.
    """
    grids = _values("cores", axes.cores, _grid) or [instead[1]]
    chips = [Chip(name, target_files.read_text(name)) for name in _values("target", axes.target, str) or [instead[0]]]
    for chip in chips:
        parse_target(chip.text, where=chip.given)
    capacities = _values("neurons_per_core", axes.neurons_per_core, lambda text: _whole(text, 1, 2**31 - 1)) or [None]
    bits = _values("weight_bits", axes.weight_bits, lambda text: _whole(text, 2, 16)) or [None]
    count = len(chips) * len(grids) * len(capacities) * len(bits)
    if count > _MOST_POINTS:
        raise UsageError(f"these lists make {count:,} points, at most {_MOST_POINTS:,} are explored; shorten them")
    points = []
    for chip, grid, capacity in itertools.product(chips, grids, capacities):
        known = [*content, chip.text, grid, capacity, asdict(search)]
        placing = Placing(f"place-{_digest(known)}", chip, grid, capacity, search)
        for number in bits:
            rounding = Rounding(f"round-{_digest([*content[:1], number, search.seed])}", number, search.seed)
            points.append(Point(placing, rounding))
    return Exploration(tuple(points))


def _values(name: str, text: str | None, read: Any) -> list[Any]:
    """Read values separated by commas, each once; empty if there is no list."""
    if text is None:
        return []
    found = []
    for part in (part.strip() for part in text.split(",")):
        if not part:
            raise UsageError(f"`{name}`: '{text}' holds an empty value; separate values by single commas, as in 1,2")
        try:
            found.append(read(part))
        except UsageError as error:
            raise UsageError(f"`{name}`: {error}") from error
    return list(dict.fromkeys(found))


def _grid(text: str) -> tuple[int, int]:
    grid = Grid.parse(text)
    return grid.rows, grid.columns


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise UsageError(f"'{text}' cannot be used: needed whole numbers from {low} to {high:,}, as {low},{2 * low}")
    return int(text)


def _digest(content: Sequence[Any]) -> str:
    """Digest of what decides an outcome, neuromod itself among it."""
    return hashlib.sha256(json.dumps([SOURCES, *content], sort_keys=True).encode()).hexdigest()[:16]
