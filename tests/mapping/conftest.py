"""Networks that several tests of mapping place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neuromod import Network


@pytest.fixture(scope="session")
def planted() -> Callable[..., tuple[Network, Any]]:
    """Return a function that makes a network of modules and tells the module of each neuron."""
    return _planted


def _planted(sizes: Any, seed: int, *, degree: int = 8, anywhere: float = 0.05) -> tuple[Network, Any]:
    # Numbered at random.
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    module = np.repeat(np.arange(len(sizes)), sizes)[rng.permutation(n)]
    w = np.zeros((n, n))
    for s in range(n):
        others = np.flatnonzero(module == module[s])
        w[rng.choice(others, min(degree, len(others)), replace=False), s] = 1
        w[rng.integers(0, n, rng.binomial(degree, anywhere)), s] = 1
    network = Network(
        w_rec=w, w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n), bias_out=np.zeros(1), dt_s=0.1,
        tau_s=0.2,
    )  # fmt: skip
    return network, module
