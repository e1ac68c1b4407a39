"""Rows of weights to integers of few bits, with the error of each rounding carried on to the weights that follow."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from neuromod.arrays import Array

# Added to the diagonal of the correlations, as a share of its mean: sources that never differ are told apart by it.
_DAMPING = 0.01


def round_rows(weights: Array, step: Array, correlation: Array, largest: int) -> Array:
    r"""Round rows so that their sums over the sources' activity change least.

    Each weight of a row is rounded in turn, the most active source first; what its rounding changed, the weights still
    to come make up for, as far as their sources are correlated with it. The squared error of the sum,
    :math:`(w - q)^T C (w - q)`, falls by that against rounding to the nearest. Absent weights stay absent.

    Parameters
    ----------
    weights : (m, k) float
        One row for each neuron.
    step : (m,) float
        Value of the integer 1 in each row.
    correlation : (k, k) float
        Mean product C of the activities of two sources, on trials.
    largest : int
        Largest magnitude of an integer.

    Returns
    -------
    (m, k) int64
        The integers q.

    References
    ----------
    E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, GPTQ, ICLR 2023, arXiv:2210.17323.
    """
    out = np.zeros(weights.shape, np.int64)
    power = np.diag(correlation)
    damping = _DAMPING * float(power.mean()) or 1.0
    for row, values in enumerate(weights):
        there = np.flatnonzero(values)
        if not len(there):
            continue
        there = there[np.argsort(-power[there], kind="stable")]
        matrix = correlation[np.ix_(there, there)] + damping * np.eye(len(there))
        upper = linalg.cholesky(linalg.inv(matrix, check_finite=False), check_finite=False)
        rest = values[there] / step[row]
        for k in range(len(there)):
            rounded = np.clip(np.round(rest[k]), -largest, largest)
            out[row, there[k]] = rounded
            rest[k + 1 :] -= (rest[k] - rounded) / upper[k, k] * upper[k, k + 1 :]
    return out
