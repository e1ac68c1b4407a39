"""Weights are cut until a network in training fits the cores that it is trained for.

Every limit of a target is one on a number of synapses or of packets' destinations, and cutting never adds to another,
so that one pass over all limits keeps them all. The weakest go first, by magnitude, and the limits tighten slowly,
as in gradual pruning (Zhu and Gupta 2017, arXiv:1710.01878).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from neuromod.hardware import Grid, Target, bits_of_synapse, chip_of_core

Matrix = npt.NDArray[np.floating]

_LIMITS = ("synapses", "synapse_memory_bits", "in_axons", "out_axons", "fan_in", "fan_out", "destinations")


def is_limited(target: Target) -> bool:
    """Whether a target states a limit that cutting weights can keep."""
    return any(math.isfinite(target.limit(name)) for name in _LIMITS)


def cut(
    w_rec: Matrix, w_in: Matrix, core_of: npt.NDArray[np.integer], grid: Grid, target: Target, *, share: float = 1.0
) -> tuple[Matrix, Matrix]:
    """Zero the weakest weights until the limits are kept.

    Parameters
    ----------
    w_rec : (n, n)
        Recurrent weights, row = target.
    w_in : (n, n_in)
        Input weights; inputs take synapses and in-axons as recurrent sources do.
    core_of : (n,) int
        Core of each neuron.
    grid : Grid
        The cores.
    target : Target
        Whose limits are kept: fan-in, fan-out, destinations, synapses, synapse memory, in- and out-axons.
    share : float, default 1
        How tight: at 0 what there could be at most, at 1 the limits themselves; between them along a cubic curve.

    Returns
    -------
    w_rec, w_in
        Copies with fewer weights; router tables alone may still be exceeded.
    """
    n, n_in = w_in.shape
    own, inputs = w_rec.copy(), w_in.copy()
    core_of = np.asarray(core_of, np.int64)
    k = grid.cores

    def limit(name: str, most: int, factor: float = 1.0) -> float:
        value = target.limit(name) / factor
        return math.inf if math.isinf(value) else math.floor(value + max(most - value, 0) * (1 - share) ** 3)

    largest = int(np.bincount(core_of, minlength=k).max())
    both = np.hstack([own, inputs])
    _keep(both, limit("fan_in", n + n_in))
    per_core = limit("synapses", largest * (n + n_in))
    if bits := bits_of_synapse(target):
        per_core = min(per_core, limit("synapse_memory_bits", largest * (n + n_in), bits))
    if math.isfinite(per_core):
        for core in range(k):
            rows = core_of == core
            both[rows] = _kept(both[rows].reshape(1, -1), per_core).reshape(-1, n + n_in)
    own, inputs = both[:, :n].copy(), both[:, n:].copy()
    outgoing = np.ascontiguousarray(own.T)
    _keep(outgoing, limit("fan_out", n))
    own = np.ascontiguousarray(outgoing.T)

    chips = chip_of_core(grid, target) if target.destination == "chip" else None
    place = np.arange(k) if chips is None else chips.astype(np.int64)
    _cut_groups(own, core_of, place, target, limit("destinations", int(place.max()) + 1), each_neuron=True)
    _cut_groups(own, core_of, np.arange(k), target, limit("out_axons", largest * k), each_neuron=False)
    _cut_in_axons(own, inputs, core_of, k, target, limit("in_axons", n + n_in))
    return own, inputs


def _keep(rows: Matrix, most: float) -> None:
    """Zero all but the `most` largest magnitudes of every row, in place."""
    rows[:] = _kept(rows, most)


def _kept(rows: Matrix, most: float) -> Matrix:
    if most >= rows.shape[1]:
        return rows
    order = np.argsort(-np.abs(rows), axis=1, kind="stable")
    result = rows.copy()
    np.put_along_axis(result, order[:, int(most) :], 0, axis=1)
    return result


def _powers(w: Matrix, place_of: npt.NDArray[np.integer], places: int) -> npt.NDArray[np.float64]:
    """Squared weights of each source onto the neurons of each place, (sources, places)."""
    onto: npt.NDArray[np.float64] = np.square(w.T.astype(np.float64)) @ np.eye(places)[place_of]
    return onto


def _cut_groups(
    w_rec: Matrix,
    core_of: npt.NDArray[np.integer],
    place: npt.NDArray[np.integer],
    target: Target,
    most: float,
    *,
    each_neuron: bool,
) -> None:
    """Limit the places that each neuron, or each core, sends to; in place."""
    if math.isinf(most):
        return
    places = int(place.max()) + 1
    place_of = place[core_of]
    power = _powers(w_rec, place_of, places)
    if not target.local_axons:
        # What stays at home takes no axon.
        power[np.arange(len(power)), place_of] = 0
    lost = np.zeros(power.shape, bool)
    teams = [np.arange(len(power))[i : i + 1] for i in range(len(power))] if each_neuron else []
    teams = teams or [np.flatnonzero(core_of == core) for core in range(int(core_of.max()) + 1)]
    for team in teams:
        lost[team] = _beyond(power[team], most)
    w_rec[lost.T[place_of]] = 0


def _cut_in_axons(
    w_rec: Matrix, w_in: Matrix, core_of: npt.NDArray[np.integer], cores: int, target: Target, most: float
) -> None:
    """Limit the sources, neurons and inputs, that each core listens to; in place."""
    if math.isinf(most):
        return
    recurrent, inputs = _powers(w_rec, core_of, cores), _powers(w_in, core_of, cores)
    if not target.local_axons:
        recurrent[np.arange(len(recurrent)), core_of] = 0
    power = np.vstack([recurrent, inputs])
    lost = np.stack([_beyond(power[:, core], most) for core in range(cores)], axis=1)
    w_rec[lost[: len(recurrent)].T[core_of]] = 0
    w_in[lost[len(recurrent) :].T[core_of]] = 0


def _beyond(power: npt.NDArray[np.float64], most: float) -> npt.NDArray[np.bool_]:
    """Which entries above zero are not among the `most` largest."""
    flat = power.ravel()
    order = np.argsort(-flat, kind="stable")[int(most) :]
    lost = np.zeros(len(flat), bool)
    lost[order] = True
    result: npt.NDArray[np.bool_] = (lost & (flat > 0)).reshape(power.shape)
    return result
