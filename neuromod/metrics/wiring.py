"""How much wire a network with positions needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.network import Network


@dataclass(frozen=True)
class WiringLength:
    """Lengths of the recurrent synapses, in units of the pitch of the neurons' grid, as Manhattan distances.

    Parameters
    ----------
    synapses : int
        Number of synapses that were counted.
    count : float
        Sum of the lengths: the wiring length of the BIMT figures.
    weighted : float
        Sum of length times absolute weight.
    rate_weighted : float or None
        Sum of length times the rate of the source, in pitches travelled per time step; None without rates.
    mean : float or None
        Mean length of a synapse; None without synapses.
    """

    synapses: int
    count: float
    weighted: float
    rate_weighted: float | None
    mean: float | None


def measure(network: Network, *, rates: npt.NDArray[np.floating] | None = None, threshold: float = 0.0) -> WiringLength:
    """Measure the wiring of a network.

    Parameters
    ----------
    network : Network
        A network with positions.
    rates : (n,) float, spikes per time step, optional
        Activity of the neurons, for the rate-weighted length.
    threshold : float, default 0
        Only synapses with ``|w| > threshold`` count.

    Returns
    -------
    WiringLength
        Its lengths. Self-connections have none.

    Raises
    ------
    UsageError
        If the network has no positions.

    Examples
    --------
    >>> import numpy as np
    >>> from neuromod import Network
    >>> from neuromod.metrics.wiring import measure
    >>> net = Network(w_rec=np.array([[0, -0.5], [0, 0]]), w_in=np.eye(2), w_out=np.ones((1, 2)), bias=np.zeros(2),
    ...               bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1, positions=np.array([[0, 0], [2, 1]]))
    >>> measure(net).count, measure(net).weighted
    (3.0, 1.5)
    """
    if network.positions is None:
        raise UsageError("the network has no positions, so its wiring has no length")
    return lengths(network, network.positions, rates=rates, threshold=threshold)


def lengths(
    network: Network,
    positions: npt.NDArray[np.floating],
    *,
    rates: npt.NDArray[np.floating] | None = None,
    threshold: float = 0.0,
) -> WiringLength:
    """Measure the wiring as if the neurons were at other positions, (n, 2); else as `measure`."""
    synapses = network.w_rec.tocoo()
    size = np.abs(synapses.data.astype(np.float64))
    kept = size > threshold
    target, source, size = synapses.row[kept], synapses.col[kept], size[kept]
    at = positions.astype(np.float64)
    length = np.abs(at[target] - at[source]).sum(axis=1)
    count = float(length.sum())
    return WiringLength(
        synapses=len(length),
        count=count,
        weighted=float(length @ size),
        rate_weighted=None if rates is None else float(length @ np.asarray(rates, np.float64)[source]),
        mean=count / len(length) if len(length) else None,
    )
