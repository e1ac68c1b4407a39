"""What a placer is asked: who talks to whom, how often, on which grid, at which cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.errors import DoesNotFitError, UsageError
from neuromod.network import Network
from neuromod.placement import Grid


@dataclass(frozen=True, eq=False)
class Problem:
    r"""Place `n` neurons so that :math:`\sum_s r_s \sum_{c \in D_s} cost(core_s, c)` is small.

    :math:`D_s` are the cores, other than its own, that hold a target of the neuron :math:`s`.

    Parameters
    ----------
    indptr : (n + 1,) int64
        Where the targets of each neuron begin in `targets`.
    targets : (synapses,) int32
        Targets of each neuron, increasing; self-connections never leave a core and are left out.
    rates : (n,) float64
        Packets that a neuron sends to each of its cores per time step.
    positions : (n, 2) float64 or None
        Column and row of each neuron.
    grid : Grid
        The cores.
    capacity : int
        Neurons that a core holds.
    cost : (cores, cores) float64
        Cost of one packet between two cores, zero on the diagonal.

    Raises
    ------
    UsageError
        If a shape does not fit or a number is negative or not finite.
    DoesNotFitError
        If the grid holds fewer neurons than there are.
    """

    indptr: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int32]
    rates: npt.NDArray[np.float64]
    positions: npt.NDArray[np.float64] | None
    grid: Grid
    capacity: int
    cost: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        k = self.grid.cores
        if self.rates.shape != (self.n,) or not np.isfinite(self.rates).all() or (self.rates < 0).any():
            raise UsageError(f"needed one rate not below 0 for each of the {self.n} neurons")
        if self.cost.shape != (k, k) or not np.isfinite(self.cost).all() or (self.cost < 0).any():
            raise UsageError(f"the cost between cores must be {k} x {k} numbers not below 0")
        if np.diagonal(self.cost).any():
            raise UsageError("the cost from a core to itself must be zero")
        if self.capacity * k < self.n:
            raise DoesNotFitError(f"{self.n:,} neurons do not fit {k:,} cores of {self.capacity:,}")

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.indptr) - 1


def make_problem(
    network: Network,
    rates: npt.NDArray[np.floating],
    grid: Grid,
    capacity: int,
    *,
    cost: npt.NDArray[np.floating] | None = None,
) -> Problem:
    """State the placement problem of a network.

    Parameters
    ----------
    network : Network
        The network; its recurrent synapses and its positions, if it has some.
    rates : (n,) float, spikes per time step
        Activity of the neurons.
    grid : Grid
        The cores.
    capacity : int
        Neurons that a core holds.
    cost : (cores, cores) float, optional
        Cost of one packet between two cores; its hops if omitted.
    """
    by_source = network.w_rec.tocsc()
    source = np.repeat(np.arange(network.n), np.diff(by_source.indptr))
    remote = by_source.indices != source
    counts = np.bincount(source[remote], minlength=network.n)
    return Problem(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        targets=by_source.indices[remote].astype(np.int32),
        rates=np.asarray(rates, np.float64),
        positions=None if network.positions is None else network.positions.astype(np.float64),
        grid=grid,
        capacity=capacity,
        cost=np.asarray(grid.distances() if cost is None else cost, np.float64),
    )
