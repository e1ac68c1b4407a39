"""Neurons swap places when that shortens the wiring: the all-pairs step of brain-inspired modular training.

The published algorithm tries, for each of some chosen neurons, every partner, and evaluates the whole wiring cost each
time. The change of the cost for *all* pairs is one matrix product, because the cost is a quadratic assignment problem
(Koopmans and Beckmann, 1957, doi:10.2307/1907742); after a swap the product is brought up to date, not computed anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Swaps:
    """What a round of swapping did.

    Parameters
    ----------
    positions : (n, 2) float32
        Positions after the round; neuron i keeps its weights and now lies at ``positions[i]``.
    pairs : tuple of (int, int)
        The swaps, in order.
    change : float
        Change of ``Σ |w_ij| d_ij``, in pitch units; never positive.
    """

    positions: npt.NDArray[np.float32]
    pairs: tuple[tuple[int, int], ...]
    change: float


def distances(positions: npt.NDArray[np.floating]) -> Matrix:
    """Manhattan distance between every two positions, (n, n), in the unit of `positions`."""
    at = np.asarray(positions, np.float64)
    result: Matrix = np.abs(at[:, None, 0] - at[None, :, 0]) + np.abs(at[:, None, 1] - at[None, :, 1])
    return result


def changes(coupling: Matrix, distance: Matrix, product: Matrix | None = None) -> Matrix:
    """Change of the wiring length when two neurons swap places, for all pairs at once.

    With S the coupling, D the distances and M = S D, swapping a and b changes ½ Σ S_ij D_ij by
    M_ab + M_ba - M_aa - M_bb + 2 S_ab D_ab.

    Parameters
    ----------
    coupling : (n, n)
        ``S = |W| + |W|ᵀ`` with a zero diagonal.
    distance : (n, n)
        D, symmetric with a zero diagonal.
    product : (n, n), optional
        S D, if known.

    Returns
    -------
    (n, n)
        Symmetric, zero on the diagonal.
    """
    product = coupling @ distance if product is None else product
    own = np.diagonal(product)
    return product + product.T - own[:, None] - own[None, :] + 2 * coupling * distance


def swap(w_rec: npt.NDArray[np.floating], positions: npt.NDArray[np.float32], *, most: int | None = None) -> Swaps:
    """Swap the pair of neurons that shortens the wiring most, again and again.

    Swapping two neurons' rows, columns, biases and optimizer moments is the same as swapping their positions alone;
    the latter is what happens here, so the network's function cannot change.

    Parameters
    ----------
    w_rec : (n, n)
        Recurrent weights.
    positions : (n, 2) float32
        Positions.
    most : int, optional
        Largest number of swaps; without it, until no swap shortens the wiring.

    Returns
    -------
    Swaps
        New positions and what was swapped; the wiring length ``Σ |w_ij| d_ij`` never grows.

    Notes
    -----
    O(n³) once by a matrix product and O(n²) for each swap. Greedy choice as in Liu, Gan and Tegmark 2023,
    arXiv:2305.08746, whose O(n) candidates each cost a full evaluation.
    """
    magnitude = np.abs(w_rec.astype(np.float64))
    coupling = magnitude + magnitude.T
    np.fill_diagonal(coupling, 0)
    distance = distances(positions)
    product = coupling @ distance
    # Rounding must not make the greedy loop run forever.
    least = 1e-9 * max(float(np.einsum("ij,ij->", coupling, distance)), 1e-300)
    order = np.arange(len(positions))
    pairs: list[tuple[int, int]] = []
    total = 0.0
    while most is None or len(pairs) < most:
        table = changes(coupling, distance, product)
        a, b = divmod(int(table.argmin()), len(table))
        if table[a, b] >= -least:
            break
        total += float(table[a, b])
        pairs.append((a, b))
        _exchange(coupling, distance, product, a, b)
        order[[a, b]] = order[[b, a]]
    return Swaps(positions[order], tuple(pairs), total)


def _exchange(coupling: Matrix, distance: Matrix, product: Matrix, a: int, b: int) -> None:
    """Let a and b swap places: bring `distance` and `product` = coupling @ distance up to date, in place."""
    difference = distance[b] - distance[a]
    difference[[a, b]] = 0
    product += np.outer(coupling[:, a] - coupling[:, b], difference)
    rows = distance[[b, a]]
    distance[[a, b]] = rows
    distance[:, [a, b]] = distance[:, [b, a]]
    product[:, [a, b]] = coupling @ distance[:, [a, b]]
