"""Networks that the mapping benchmarks use: neurons on a jittered lattice with local or random synapses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse

from neuromod import Network


def _offsets(reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps to a target, and the cumulative probabilities p ~ exp(-distance / reach)."""
    r = int(np.ceil(8 * reach))
    dy, dx = (part.ravel() for part in np.mgrid[-r : r + 1, -r : r + 1])
    weight = np.exp(-np.hypot(dx, dy) / reach) * ((dx != 0) | (dy != 0))
    dx, dy, weight = dx[weight > 0], dy[weight > 0], weight[weight > 0]
    return dx, dy, np.cumsum(weight) / weight.sum()


def _targets(
    source: np.ndarray, n: int, side: int, offsets: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Draw targets on the lattice, again where one lies outside."""
    dx, dy, cumulative = offsets
    row, column = np.divmod(source, side)
    target = np.full(len(source), -1)
    while (missing := np.flatnonzero(target < 0)).size:
        pick = np.minimum(np.searchsorted(cumulative, rng.random(missing.size)), len(dx) - 1)
        y, x = row[missing] + dy[pick], column[missing] + dx[pick]
        inside = (y >= 0) & (x >= 0) & (x < side) & (y * side + x < n)
        target[missing[inside]] = (y * side + x)[inside]
    return target


def make_net(n: int, degree: float, *, reach: float | None = 2.0, seed: int = 0) -> Network:
    """Draw a network: Poisson out-degrees, targets with p ~ exp(-distance / reach), integer lognormal rates.

    Without a reach the targets are drawn anywhere.
    """
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n)))
    site = np.arange(n)
    row, column = np.divmod(site, side)
    source = np.repeat(site, rng.poisson(degree, n))
    target = rng.integers(0, n, len(source)) if reach is None else _targets(source, n, side, _offsets(reach), rng)
    weights = rng.normal(size=len(source)).astype(np.float32)
    w_rec = sparse.csr_array((weights, (target, source)), shape=(n, n))
    at = np.stack([column, row], axis=1) + rng.uniform(-0.3, 0.3, (n, 2))
    return Network(
        w_rec=w_rec, w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n), bias_out=np.zeros(1),
        dt_s=0.1, tau_s=0.2, positions=at, rates=np.maximum(1, np.rint(rng.lognormal(1.0, 0.8, n))),
    )  # fmt: skip


def write_net(folder: Path, n: int, degree: float, *, reach: float = 2.0, seed: int = 0, part: int = 500_000) -> None:
    """Write a network as `make_net` draws them, in parts, so that it need not fit into memory: a folder of ``.npy``."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n)))
    degrees = rng.poisson(degree, n)
    total = int(degrees.sum())
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, (total,))
        for name, kind in (("source", np.int32), ("target", np.int32), ("weight", np.float32))
    }
    offsets = _offsets(reach)
    done = 0
    for first in range(0, n, part):
        site = np.arange(first, min(first + part, n))
        source = np.repeat(site, degrees[site])
        at = slice(done, done + len(source))
        files["source"][at], files["target"][at] = source, _targets(source, n, side, offsets, rng)
        files["weight"][at] = rng.normal(size=len(source))
        done += len(source)
    site = np.arange(n, dtype=np.int32)
    at = np.stack([site % side, site // side], axis=1) + rng.uniform(-0.3, 0.3, (n, 2))
    np.save(folder / "positions.npy", at)
    np.save(folder / "rates.npy", np.maximum(1, np.rint(rng.lognormal(1.0, 0.8, n))))
    np.save(folder / "n_neurons.npy", np.int64(n))


def _shuffled(source: np.ndarray, target: np.ndarray, order: np.ndarray, rng: np.random.Generator) -> Network:
    """Return the network of these synapses, without those of a neuron to itself, neurons in an order of their own."""
    n, apart = len(order), source != target
    source, target = order[source[apart]], order[target[apart]]
    w_rec = sparse.csr_array((np.ones(len(source), np.float32), (target, source)), shape=(n, n))
    w_rec.sum_duplicates()
    return Network(
        w_rec=w_rec, w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n), bias_out=np.zeros(1),
        dt_s=0.1, tau_s=0.2, rates=np.maximum(1, np.rint(rng.lognormal(1.0, 0.8, n))),
    )  # fmt: skip


def make_modular_net(n: int, size: int, *, degree: float = 14.0, anywhere: float = 0.1, seed: int = 0) -> Network:
    """Draw a network of strong modules without positions: most synapses stay in their module, few go anywhere.

    Sizes of modules are normal with a spread of a fifth of their mean, out-degrees Poisson, rates integer lognormal,
    neurons numbered at random.

    Parameters
    ----------
    n : int
        Neurons.
    size : int
        Mean size of a module.
    degree : float, default 14
        Mean synapses of a neuron, before those drawn twice are merged.
    anywhere : float, default 0.1
        Share of synapses whose target is any neuron.
    seed : int, default 0
        Seed.
    """
    rng = np.random.default_rng(seed)
    sizes = np.maximum(np.rint(rng.normal(size, size / 5, 2 * (n // size) + 2)).astype(int), 2)
    ends = np.minimum(np.cumsum(sizes), n)
    begins = np.concatenate([[0], ends[:-1]])
    order = rng.permutation(n)
    source = np.repeat(np.arange(n), rng.poisson(degree, n))
    module = np.searchsorted(ends, source, side="right")
    target = begins[module] + rng.integers(0, np.maximum(ends - begins, 1)[module])
    free = rng.random(len(source)) < anywhere
    target[free] = rng.integers(0, n, int(free.sum()))
    return _shuffled(source, target, order, rng)


def make_nested_net(
    n: int, sizes: tuple[int, ...], shares: tuple[float, ...], *, degree: float = 14.0, seed: int = 0
) -> Network:
    """Draw a network of modules within modules, without positions.

    Parameters
    ----------
    n : int
        Neurons.
    sizes : tuple of int
        Size of a module of each level, the smallest first, each a multiple of the one before.
    shares : tuple of float
        Share of the synapses whose target is drawn from the module of each level; what is left to 1 goes anywhere.
    degree : float, default 14
        Mean synapses of a neuron, before those drawn twice are merged.
    seed : int, default 0
        Seed.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    source = np.repeat(np.arange(n), rng.poisson(degree, n))
    level = np.searchsorted(np.cumsum(shares), rng.random(len(source)), side="right")
    size = np.array([*sizes, n])[level]
    begin = source // size * size
    target = begin + rng.integers(0, np.minimum(size, n - begin))
    return _shuffled(source, target, order, rng)
