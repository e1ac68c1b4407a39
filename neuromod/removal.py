"""Cutting: weights below a threshold go, then neurons that no longer lie between input and readout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from neuromod.errors import UsageError
from neuromod.network import Network
from neuromod.quantization import without_lost

# Steps after which a neuron that no input reaches must have settled, and to what relative precision.
_SETTLE_STEPS, _SETTLE_TOLERANCE = 2000, 1e-6


def cut(network: Network, threshold: float, *, weight_bits: int | None = None) -> Network:
    """Remove weights of at most `threshold` in magnitude, then neurons without a path from input to readout.

    With `weight_bits`, weights that these bits round to zero are removed, too.

    A neuron that no input reaches has a constant activity once it has settled; what it adds to others goes into
    their biases. In a spiking network, one imported from NIR, it stays.

    Raises
    ------
    UsageError
        If no neuron is left, or the network has no inputs or no readout.
    """
    lacking = [what for what, size in (("input weights", network.n_in), ("readout", network.n_out)) if not size]
    if lacking:
        raise UsageError(
            f"the network has no {' and no '.join(lacking)}, so which neurons matter cannot be told; "
            "import it with w_in and w_out, or use it as it is"
        )
    w_rec = network.w_rec.copy()
    w_rec.data = np.where(np.abs(w_rec.data) > threshold, w_rec.data, 0)
    thinned = replace(
        network,
        w_rec=w_rec,
        w_in=np.where(np.abs(network.w_in) > threshold, network.w_in, 0),
        w_out=np.where(np.abs(network.w_out) > threshold, network.w_out, 0),
    )
    if weight_bits is not None:
        thinned = without_lost(thinned, weight_bits)
    reached = _reachable(thinned.w_rec, np.flatnonzero(thinned.w_in.any(axis=1)))
    needed = _reachable(thinned.w_rec.T.tocsr(), np.flatnonzero(thinned.w_out.any(axis=0)))
    if not (reached & needed).any():
        raise UsageError(f"pruning at {threshold:g} leaves no path from input to readout; keep more")
    tonic = ~reached & needed
    # Spikes do not settle: of a network imported from NIR such neurons stay.
    settled = None if "nir" in network.info else _settle(thinned, tonic)
    if settled is None:
        # Without a steady state these neurons are part of the function.
        return thinned.subset(np.flatnonzero(needed))
    keep = np.flatnonzero(reached & needed)
    folded = replace(
        thinned,
        bias=thinned.bias + thinned.w_rec @ settled,
        bias_out=thinned.bias_out + thinned.w_out @ settled,
    )
    return folded.subset(keep)


def threshold_for(network: Network, count: int) -> float:
    """Return the threshold that keeps `count` recurrent weights; fewer where magnitudes are equal."""
    magnitudes = np.sort(np.abs(network.w_rec.data))
    if count >= len(magnitudes):
        return 0.0
    return float(magnitudes[len(magnitudes) - count - 1])


def count_above(network: Network, threshold: float) -> int:
    """Count the recurrent weights that a threshold keeps."""
    return int((np.abs(network.w_rec.data) > threshold).sum())


def share_of(count: int, n: int) -> float:
    """Shortest decimal number that says `count` of n x n weights."""
    for digits in range(1, 17):
        share = float(f"{count / n**2:.{digits}g}")
        if round(share * n**2) == count:
            return share
    return count / n**2


def _settle(network: Network, tonic: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64] | None:
    """Steady state of the neurons `tonic`, (n,), zero elsewhere; None if they do not settle."""
    h: npt.NDArray[np.float64] = np.zeros(network.n)
    if not tonic.any():
        return h
    alpha = network.alpha
    for _ in range(_SETTLE_STEPS):
        new: npt.NDArray[np.float64] = (1 - alpha) * h + alpha * np.maximum(0, network.w_rec @ h + network.bias) * tonic
        if not np.isfinite(new).all():
            return None
        if np.abs(new - h).max() <= _SETTLE_TOLERANCE * max(1.0, np.abs(new).max()):
            return new
        h = new
    return None


def _reachable(w: sparse.csr_array, sources: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Which neurons are in `sources` or reached from there along `w` (row = target, column = source)."""
    n = w.shape[0]
    rows, columns = w.nonzero()
    # One more node, n, stands for the sources together.
    source = np.concatenate([columns, np.full(len(sources), n)])
    target = np.concatenate([rows, sources])
    graph = sparse.csr_array((np.ones(len(source), np.int8), (source, target)), shape=(n + 1, n + 1))
    found = csgraph.breadth_first_order(graph, n, return_predecessors=False)
    reached = np.zeros(n + 1, bool)
    reached[found] = True
    return reached[:n]
