"""What a placement is to make small, as the cost of one packet from core to core."""

from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.grid import Grid
from neuromod.placers.problem import Objective
from neuromod.targets import Target

OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


def check_objective(name: str) -> Objective:
    """Return the name of an objective as such.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    for objective in OBJECTIVES:
        if name == objective:
            return objective
    raise UsageError(f"there is no objective {name}; choose one of {', '.join(OBJECTIVES)}")


def cost_matrix(objective: Objective, grid: Grid, target: Target) -> npt.NDArray[np.float64]:
    """Cost of one packet between every two cores, (cores, cores), zero on the diagonal.

    It is the number of hops; for ``packets`` 1; for ``energy`` the picojoules of the packet and of its hops.

    Parameters
    ----------
    objective : str
        One of `OBJECTIVES`.
    grid : Grid
        The cores.
    target : Target
        Whose figures the energy is made of.

    Raises
    ------
    UsageError
        If the target does not state the energies that the objective ``energy`` needs.
    """
    if objective == "packets":
        return 1.0 - np.eye(grid.cores)
    if objective == "energy":
        return packet_energies(grid, target)
    return grid.distances().astype(np.float64)


def packet_energies(grid: Grid, target: Target) -> npt.NDArray[np.float64]:
    """Energy of one packet between every two cores in picojoules, (cores, cores), zero on the diagonal.

    Raises
    ------
    UsageError
        If the target does not state the energy of a packet or of a hop.
    """
    names = ("energy_packet", "energy_hop_x", "energy_hop_y")
    packet, along_row, along_column = (target.value(name) for name in names)
    if packet is None or along_row is None or along_column is None:
        unknown = [name for name in names if target.value(name) is None]
        raise UsageError(
            f"the energy of packets on {target.name} is unknown ({', '.join(unknown)}); "
            "choose another objective or another target"
        )
    at = grid.routers()
    down, across = np.abs(at[:, None] - at[None]).transpose(2, 0, 1)
    energy: npt.NDArray[np.float64] = packet * (1.0 - np.eye(grid.cores)) + along_row * across + along_column * down
    return energy
