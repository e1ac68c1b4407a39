"""Networks that fall apart: parts without connections between them, packed onto cores as they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from neuromod.mapping.problem import Problem


def connected_parts(problem: Problem) -> npt.NDArray[np.int32]:
    """Return the part to which each neuron belongs, (n,): neurons of different parts have no way between them."""
    graph = sparse.csr_array(
        (
            np.ones(problem.indptr[problem.n], np.int8),
            problem.targets[: problem.indptr[problem.n]],
            problem.indptr[: problem.n + 1],
        ),
        shape=(problem.n, problem.n),
    )
    parts: npt.NDArray[np.int32] = csgraph.connected_components(graph, directed=False)[1]
    return parts


def pack_components(problem: Problem) -> npt.NDArray[np.int32] | None:
    """Place every connected part on one core, largest first, each where it leaves the least room.

    Returns
    -------
    (n,) int32 or None
        Core of each neuron: no synapse leaves its core. None if the parts do not go in this way.
    """
    part_of = connected_parts(problem)
    sizes = np.bincount(part_of)
    if sizes.max() > problem.capacity:
        return None
    room = np.full(problem.grid.cores, problem.capacity)
    core_of_part = np.empty(len(sizes), np.int32)
    for part in np.argsort(-sizes, kind="stable"):
        left = np.where(room >= sizes[part], room, problem.capacity + 1)
        core = int(left.argmin())
        if left[core] > problem.capacity:
            return None
        core_of_part[part] = core
        room[core] -= sizes[part]
    return core_of_part[part_of]
