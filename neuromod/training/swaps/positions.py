"""Neurons swap places when that shortens the wiring: the all-pairs step of brain-inspired modular training.

The published algorithm tries, for each of some chosen neurons, every partner, and evaluates the whole wiring cost each
time. The change of the cost for *all* pairs follows from one matrix product, because the cost is a quadratic assignment
problem (Koopmans and Beckmann 1957, doi:10.2307/1907742). Manhattan distances separate into columns and rows, so that
the product has n x (columns + rows) entries only, and a swap changes it by a matrix of rank one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.kernels import compiled

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
        Change of ``Σ |w_ij| d_ij``, in pitch units, with what leads to anchors; never positive.
    """

    positions: npt.NDArray[np.float32]
    pairs: tuple[tuple[int, int], ...]
    change: float


@dataclass(frozen=True, eq=False)
class Anchors:
    """Things that stay where they are, as inputs and readouts, and the wires that lead to them.

    Parameters
    ----------
    coupling : (n, m) float64
        Absolute weights between neuron and thing, as ``hstack([abs(w_in), abs(w_out).T])``.
    positions : (m, 2) float
        Where they are, in pitch units.
    """

    coupling: Matrix
    positions: npt.NDArray[np.floating]


def swap(
    w_rec: npt.NDArray[np.floating],
    positions: npt.NDArray[np.float32],
    *,
    anchors: Anchors | None = None,
    most: int | None = None,
) -> Swaps:
    r"""Swap the pair of neurons that shortens the wiring most, again and again.

    Swapping two neurons' rows, columns, biases and optimizer moments is the same as swapping their positions alone;
    the latter is what happens here, so the network's function cannot change.

    Parameters
    ----------
    w_rec : (n, n)
        Recurrent weights.
    positions : (n, 2) float32
        Positions.
    anchors : Anchors, optional
        Inputs and readouts that have positions, too.
    most : int, optional
        Largest number of swaps; without it, until no swap shortens the wiring.

    Returns
    -------
    Swaps
        New positions and what was swapped; the wiring length ``Σ |w_ij| d_ij`` never grows.

    Notes
    -----
    With S = abs(W) + abs(W)ᵀ without its diagonal, D the distances, A the coupling to anchors and E their distances,
    the cost is ½ Σ S D + Σ A E. Let M_ij = Σ_k S_ik D_kj + Σ_r A_ir E_jr be what neuron i would cost in the place of
    neuron j.
    Swapping a and b changes the cost by

    .. math:: M_{ab} + M_{ba} - M_{aa} - M_{bb} + 2 S_{ab} D_{ab}.

    M_ij is a term of neuron i and the column of j plus one of i and the row of j. With T = M + Mᵀ + 2 S D, the change
    is T_ab less the diagonal, and a swap changes T by a matrix of rank two outside the rows of a and b. O(n² (columns +
    rows)) once, O(n²) for each swap. Greedy choice as in Liu, Gan and Tegmark 2023, arXiv:2305.08746, where each of the
    O(n) candidates of a swap costs a full evaluation.
    """
    magnitude = np.abs(w_rec.astype(np.float64))
    coupling = magnitude + magnitude.T
    np.fill_diagonal(coupling, 0)
    columns, column = np.unique(positions[:, 0].astype(np.float64), return_inverse=True)
    rows, row = np.unique(positions[:, 1].astype(np.float64), return_inverse=True)
    by_column = np.abs(columns[column][:, None] - columns)
    by_row = np.abs(rows[row][:, None] - rows)
    costs = coupling @ np.hstack([by_column, by_row])
    if anchors is not None:
        at = np.asarray(anchors.positions, np.float64)
        to = np.hstack([np.abs(at[:, :1] - columns), np.abs(at[:, 1:] - rows)])
        costs += np.abs(np.asarray(anchors.coupling, np.float64)) @ to
    by_column, by_row = costs[:, : len(columns)], costs[:, len(columns) :]
    own = np.take_along_axis(by_column, column[:, None], 1) + np.take_along_axis(by_row, row[:, None], 1)
    # Rounding must not make the greedy loop run forever.
    least = 1e-9 * max(float(own.sum()), 1e-300)
    order = np.arange(len(positions))
    limit = len(positions) ** 2 if most is None else most
    pairs, total = _descend(
        coupling,
        np.ascontiguousarray(by_column),
        np.ascontiguousarray(by_row),
        columns,
        rows,
        column.astype(np.int64),
        row.astype(np.int64),
        order,
        least,
        limit,
    )
    return Swaps(positions[order], tuple((int(a), int(b)) for a, b in pairs), float(total))


@compiled
def _descend(
    coupling: Matrix,  # (n, n), symmetric, zero diagonal
    by_column: Matrix,  # (n, columns): cost of neuron i in column c
    by_row: Matrix,  # (n, rows): cost of neuron i in row r
    columns: Matrix,
    rows: Matrix,
    column: npt.NDArray[np.int64],  # index of the column of each neuron; changed in place, as all below
    row: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    least: float,
    limit: int,
) -> tuple[npt.NDArray[np.int64], float]:
    """Swap greedily; return the pairs and the change of the cost."""
    n = len(column)
    pairs = np.empty((16, 2), np.int64)
    done, total = 0, 0.0
    own, x, y = np.empty(n), columns[column], rows[row]
    # T of the notes of `swap`; only its upper triangle is kept.
    table = np.empty((n, n))
    for i in range(n):
        own[i] = by_column[i, column[i]] + by_row[i, row[i]]
        for j in range(i + 1, n):
            there = by_column[i, column[j]] + by_row[i, row[j]] + by_column[j, column[i]] + by_row[j, row[i]]
            table[i, j] = there + 2 * coupling[i, j] * (abs(x[i] - x[j]) + abs(y[i] - y[j]))
    # What the last swap adds to T_ij is u_i v_j + v_i u_j.
    u, v = np.zeros(n), np.zeros(n)
    while done < limit:
        best, a, b = -least, -1, -1
        for i in range(n):
            line, u_i, v_i, lowest, at = table[i], u[i], v[i], best + own[i], -1
            for j in range(i + 1, n):
                line[j] += u_i * v[j] + v_i * u[j]
                if line[j] - own[j] < lowest:
                    lowest, at = line[j] - own[j], j
            if at >= 0:
                best, a, b = lowest - own[i], i, at
        if a < 0:
            break
        if done == len(pairs):
            grown = np.empty((2 * done, 2), np.int64)
            grown[:done] = pairs
            pairs = grown
        pairs[done, 0], pairs[done, 1] = a, b
        done += 1
        total += best
        to_column, to_row = np.abs(x[b] - columns) - np.abs(x[a] - columns), np.abs(y[b] - rows) - np.abs(y[a] - rows)
        for i in range(n):
            u[i] = coupling[i, a] - coupling[i, b]
            v[i] = to_column[column[i]] + to_row[row[i]]
            if u[i] != 0:
                by_column[i] += u[i] * to_column
                by_row[i] += u[i] * to_row
        u[a] = u[b] = v[a] = v[b] = 0
        column[a], column[b] = column[b], column[a]
        row[a], row[b] = row[b], row[a]
        order[a], order[b] = order[b], order[a]
        x[a], x[b], y[a], y[b] = x[b], x[a], y[b], y[a]
        for i in range(n):
            own[i] = by_column[i, column[i]] + by_row[i, row[i]]
        # The rows of the two are computed anew.
        for k in (a, b):
            for i in range(n):
                apart = abs(x[i] - x[k]) + abs(y[i] - y[k])
                there = by_column[k, column[i]] + by_row[k, row[i]] + by_column[i, column[k]] + by_row[i, row[k]]
                table[min(i, k), max(i, k)] = there + 2 * coupling[i, k] * apart
    return pairs[:done], total
