"""The film of a training: pictures of the network at steps told beforehand, kept while the training goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.files import load_tensors, save_tensors
from neuromod.hardware import grown_on
from neuromod.network import Network

SCHEMA = "neuromod/frames/1"
FILE = "frames.safetensors"
# A film of ten seconds, and as many connections as an eye tells from a carpet.
MOST_FRAMES, MOST_CONNECTIONS = 150, 3000

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture. Neurons keep their number over the whole training, their places change.

    Parameters
    ----------
    step : int
        Steps done.
    strength : float
        λ at this step.
    accuracy : float
        Share of the answers in the batch of this step that are right, or R²; NaN before the first step.
    synapses : int
        Recurrent weights that are not zero, self-connections included.
    positions : (n, 2) float32
        Column and row of each neuron.
    source, target : (k,) uint16, uint32 beyond 65,536 neurons
        The strongest recurrent connections between two neurons, weakest first; at most 3,000.
    weight : (k,) float16
        Their weights.
    """

    step: int
    strength: float
    accuracy: float
    synapses: int
    positions: Array
    source: Array
    target: Array
    weight: Array


@dataclass(frozen=True, eq=False)
class Film:
    """All pictures of a training.

    Parameters
    ----------
    frames : tuple of Frame
        In the order of their steps.
    steps : int
        Steps that the training is to take; data may end it earlier.
    order : (n,) int64, or None
        The neuron, as the frames number them, that became each neuron of the trained network; None until then.
    group : (n,) int64, or None
        The colour class of each neuron of the frames, -1 for none: what it turned out to be when training ended.
    grouping : {"core", "function", ""}
        What the classes are: cores of `grid` on which the neurons ended, or functional clusters.
    grid, block : (int, int), or None
        Rows and columns of cores, and of the places that make a core, where the network is trained for cores.
    """

    frames: tuple[Frame, ...]
    steps: int
    order: Array | None = None
    group: Array | None = None
    grouping: str = ""
    grid: tuple[int, int] | None = None
    block: tuple[int, int] | None = None


def steps_of(steps: int) -> frozenset[int]:
    """Steps after which a picture is taken in a training of so many: the same in every process that goes on with it."""
    count = min(steps + 1, MOST_FRAMES)
    return frozenset(round(k * steps / (count - 1)) for k in range(count))


def take(step: int, w_rec: npt.NDArray[np.float32], positions: Array, *, strength: float, accuracy: float) -> Frame:
    """Return the picture of a network, (n, n) weights with targets in rows and (n, 2) positions, after a step."""
    size = np.abs(w_rec)
    synapses = int(np.count_nonzero(size))
    np.fill_diagonal(size, 0)
    flat = size.ravel()
    some = (
        np.argpartition(flat, -MOST_CONNECTIONS)[-MOST_CONNECTIONS:]
        if flat.size > MOST_CONNECTIONS
        else np.arange(flat.size)
    )
    some = some[flat[some] > 0]
    # Equal weights in the order of their places: what argpartition leaves open must not differ between processes.
    some = some[np.lexsort((some, flat[some]))]
    kind = np.uint16 if len(w_rec) <= 2**16 else np.uint32
    target, source = np.divmod(some, len(w_rec))
    largest = float(np.finfo(np.float16).max)
    return Frame(
        step=step,
        strength=strength,
        accuracy=accuracy,
        synapses=synapses,
        positions=np.array(positions, np.float32),
        source=source.astype(kind),
        target=target.astype(kind),
        weight=np.clip(w_rec.ravel()[some], -largest, largest).astype(np.float16),
    )


def until(film: Film, step: int) -> Film:
    """Return the film up to a step, for a training that goes on from there."""
    return Film(tuple(frame for frame in film.frames if frame.step <= step), film.steps)


def finish(film: Film, network: Network, order: Array, clusters: Array | None) -> Film:
    """Return the film of a training that is over.

    Parameters
    ----------
    film : Film
        All its frames.
    network : Network
        The trained network.
    order : (n,) int
        See `Film`.
    clusters : (n,) int, optional
        Functional cluster of each neuron of the trained network, -1 for none; for one that was not trained for cores.
    """
    grown = grown_on(network)
    group = np.full(network.n, -1, np.int64)
    if grown is not None:
        grid, core_of = grown
        group[order] = core_of
        rows, columns = (int(part) for part in network.info["chip"]["block"])
        return replace(
            film, order=order, group=group, grouping="core", grid=(grid.rows, grid.columns), block=(rows, columns)
        )
    if clusters is None:
        return replace(film, order=order)
    group[order] = clusters
    return replace(film, order=order, group=group, grouping="function")


def save(path: Path, film: Film) -> None:
    """Write a film, all or nothing; equal films give equal bytes."""
    frames = film.frames
    n = len(frames[0].positions) if frames else 0

    def joined(name: str, kind: Any) -> Array:
        parts = [getattr(frame, name) for frame in frames]
        return np.concatenate(parts) if parts else np.zeros(0, kind)

    tensors: dict[str, Array] = {
        "step": np.array([frame.step for frame in frames], np.int64),
        "strength": np.array([frame.strength for frame in frames], np.float64),
        "accuracy": np.array([frame.accuracy for frame in frames], np.float64),
        "synapses": np.array([frame.synapses for frame in frames], np.int64),
        "connections": np.array([len(frame.weight) for frame in frames], np.int64),
        "positions": np.array([frame.positions for frame in frames], np.float32).reshape(len(frames), n, 2),
        "source": joined("source", np.uint16),
        "target": joined("target", np.uint16),
        "weight": joined("weight", np.float16),
    }
    for name in ("order", "group"):
        value = getattr(film, name)
        if value is not None:
            tensors[name] = np.asarray(value, np.int64)
    told = {"schema": SCHEMA, "steps": film.steps, "grouping": film.grouping, "grid": film.grid, "block": film.block}
    save_tensors(path, tensors, told)


def load(path: Path) -> Film:
    """Read what `save` wrote.

    Raises
    ------
    UsageError
        If it cannot be read, or does not fit together.
    """
    tensors, told = load_tensors(path, schema=SCHEMA)
    try:
        film = _film(tensors, told)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise UsageError(f"cannot read {path}: it does not hold a film ({error!r}); train again") from error
    return film


def _film(tensors: dict[str, Array], told: dict[str, Any]) -> Film:
    lengths, positions = tensors["connections"], tensors["positions"]
    count, n, two = positions.shape
    ends = np.cumsum(lengths)
    if two != 2 or (lengths < 0).any() or (np.diff(tensors["step"]) <= 0).any() or not np.isfinite(positions).all():
        raise ValueError("positions or steps")
    columns = {name: tensors[name] for name in ("source", "target", "weight")}
    for name, value in columns.items():
        if value.shape != (ends[-1] if count else 0,) or not np.isfinite(value).all():
            raise ValueError(name)
        if name != "weight" and len(value) and value.max() >= n:
            raise ValueError(name)
    for name in ("step", "strength", "accuracy", "synapses", "connections"):
        if tensors[name].shape != (count,):
            raise ValueError(name)
    frames = tuple(
        Frame(
            int(tensors["step"][k]),
            float(tensors["strength"][k]),
            float(tensors["accuracy"][k]),
            int(tensors["synapses"][k]),
            positions[k],
            *(columns[name][ends[k] - lengths[k] : ends[k]] for name in ("source", "target", "weight")),
        )
        for k in range(count)
    )
    named = {name: tensors.get(name) for name in ("order", "group")}
    for name, numbers in named.items():
        if numbers is not None and (numbers.shape != (n,) or numbers.min(initial=0) < -1):
            raise ValueError(name)
    if named["order"] is not None and not np.array_equal(np.sort(named["order"]), np.arange(n)):
        raise ValueError("order")
    grouping = str(told["grouping"])
    grid, block = (
        None if told[name] is None else (int(told[name][0]), int(told[name][1])) for name in ("grid", "block")
    )
    if grouping not in ("", "core", "function") or (grouping == "core") != (grid is not None and block is not None):
        raise ValueError("grouping")
    if (grouping == "") != (named["group"] is None) or any(side < 1 for pair in (grid, block) if pair for side in pair):
        raise ValueError("grouping")
    return Film(frames, int(told["steps"]), named["order"], named["group"], grouping, grid, block)
