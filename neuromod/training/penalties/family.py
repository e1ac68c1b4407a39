r"""The family of wiring costs that the literature compares, each as what a unit of weight costs.

A cost is :math:`C = \sum_k p_k |w_k|` with a price p for every weight; λ C is added to the task loss through the
proximal step of `neuromod.training.penalties.proximal.shrink`, hence exact zeros. With d the Manhattan distance in
sides of the plane, n the number of neurons and l0 the length that every connection has besides:

=========== ============================================= ===== =====================================================
name        price of a recurrent weight, times n          swaps source
=========== ============================================= ===== =====================================================
none        0                                             no
l1          1                                             no
l1-local    d + l0                                        no    Liu, Gan, Tegmark 2023, arXiv:2305.08746 (ablation)
l1-swap     1                                             yes   the same
bimt        d + l0                                        yes   the same; arXiv:2310.07711
sernn       d × communicability, d Euclidean              no    Achterberg et al. 2023, doi:10.1038/s42256-023-00748-9
lm-rnn      0; no weight beyond `reach` at all            no    Khona et al. 2023, doi:10.1162/neco_a_01631
=========== ============================================= ===== =====================================================

With another ``wiring.cost`` than ``distance``, bimt charges l0 for a weight and, for d, what a chip charges for
packets: see `neuromod.training.penalties.packets`.

Input and readout weights cost 1 or l0, times 1 / n, and from some step on biases, too; with ``wiring.terminals``,
l1-local and bimt add their distances, for which inputs and readouts get places at two edges of the grid. In sernn and
lm-rnn input and readout weights are free, as published. The communicability of sernn is computed anew in every step
and is a constant of that step: no gradient flows through it (so did Sheeran et al. 2024, arXiv:2409.17693, for their
spiking version). That makes the cost a reweighted L1 norm, which a proximal step solves exactly; through the full
gradient no weight would become zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from neuromod.geometry import Plane, distances
from neuromod.training.on_cores.plan import Chip
from neuromod.training.penalties.members import FAMILY
from neuromod.training.penalties.packets import GroupPrices, make_prices
from neuromod.training.settings import WiringSettings
from neuromod.training.swaps.positions import Anchors


def prices(
    settings: WiringSettings,
    positions: npt.NDArray[np.float32],
    parameters: Mapping[str, torch.Tensor],
    *,
    plane: Plane,
    with_biases: bool,
) -> dict[str, torch.Tensor]:
    """What a unit of weight costs in each tensor.

    Parameters
    ----------
    settings : WiringSettings
        Which member of the family, and l0.
    positions : (n, 2) float32
        Positions of the neurons in pitch units.
    parameters : mapping of str to tensor
        The weights; prices have their type and device.
    plane : Plane
        Where the neurons lie; lengths are in its longer side.
    with_biases : bool
        Whether biases cost as much as input weights.

    Returns
    -------
    dict of str to tensor
        For each priced parameter, a tensor that broadcasts to its shape, without a gradient.
    """
    kind = FAMILY[settings.regularizer]
    w_rec = parameters["w_rec"].detach()
    n = len(positions)
    if kind.price == "free":
        return {}
    if kind.price == "communicability":
        at = torch.as_tensor(positions, dtype=w_rec.dtype, device=w_rec.device)
        return {"w_rec": torch.cdist(at, at) / plane.side * communicability(w_rec) / n}
    base = 1.0 if kind.price == "even" else settings.layer_spacing
    even = kind.price == "even" or settings.cost != "distance"
    recurrent = np.full((1, 1), base) if even else distances(positions) / plane.side + base
    names = ("w_in", "w_out", *(("bias",) if with_biases else ()))
    result = {"w_rec": torch.as_tensor(recurrent / n, dtype=w_rec.dtype, device=w_rec.device)}
    result.update({name: w_rec.new_tensor(base / n) for name in names})
    if settings.terminals and kind.price == "distance":
        n_in, n_out = parameters["w_in"].shape[1], parameters["w_out"].shape[0]
        at_in, at_out = terminals(n_in, n_out, plane)
        for name, length in (("w_in", distances(positions, at_in)), ("w_out", distances(at_out, positions))):
            result[name] = torch.as_tensor((length / plane.side + base) / n, dtype=w_rec.dtype, device=w_rec.device)
    return result


def groups(
    settings: WiringSettings,
    chip: Chip | None,
    positions: npt.NDArray[np.float32],
    activity: npt.NDArray[np.float32],
    w_rec: torch.Tensor,
) -> GroupPrices | None:
    """What the packets of groups of recurrent weights cost; None where wires cost their length.

    Parameters
    ----------
    settings : WiringSettings
        Whether the activity counts.
    chip : Chip, optional
        The cores and the cost of packets between them.
    positions : (n, 2) float32
        Places of the neurons.
    activity : (n,) float32
        Activity of each neuron, 1 on the average.
    w_rec : tensor
        For its type and device.
    """
    if chip is None or chip.links is None:
        return None
    counted = np.array(activity) if settings.activity else np.ones_like(activity)
    return make_prices(
        chip.links, chip.core_of(positions), torch.as_tensor(counted, dtype=w_rec.dtype, device=w_rec.device)
    )


def terminals(n_in: int, n_out: int, plane: Plane) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Places of inputs, (n_in, 2), and readouts, (n_out, 2): evenly along the columns left and right of the plane."""

    def along(count: int, column: float) -> npt.NDArray[np.float64]:
        return np.stack([np.full(count, column), np.linspace(0, plane.rows - 1, count)], axis=1)

    return along(n_in, -1.0), along(n_out, float(plane.columns))


def anchors(settings: WiringSettings, parameters: Mapping[str, torch.Tensor], plane: Plane) -> Anchors | None:
    """What neurons are wired to besides each other, for the swaps; None without ``wiring.terminals``."""
    if not settings.terminals:
        return None
    w_in, w_out = (parameters[name].detach().abs().double().cpu().numpy() for name in ("w_in", "w_out"))
    places = terminals(w_in.shape[1], w_out.shape[0], plane)
    return Anchors(np.hstack([w_in, w_out.T]), np.vstack(places))


def communicability(w_rec: torch.Tensor) -> torch.Tensor:
    """Weighted communicability exp(S^-½ A S^-½) without its diagonal, A = abs(W), S its row sums; differentiable.

    Crofts and Higham 2009, doi:10.1098/rsif.2008.0484, in the form of Achterberg et al. 2023.

    Parameters
    ----------
    w_rec : (n, n) tensor
        Recurrent weights; a row of zeros is left as it is.
    """
    magnitude = w_rec.abs()
    strength = magnitude.sum(dim=1)
    scale = torch.where(strength > 0, strength, torch.ones_like(strength)).rsqrt()
    walks: torch.Tensor = torch.linalg.matrix_exp(scale[:, None] * magnitude * scale[None, :])
    return walks - torch.diag_embed(walks.diagonal())


def mask(settings: WiringSettings, positions: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_] | None:
    """Which recurrent weights may exist, (n, n) bool: those of at most ``wiring.reach`` pitches; None for all."""
    if not FAMILY[settings.regularizer].masked:
        return None
    allowed: npt.NDArray[np.bool_] = distances(positions) <= settings.reach + 1e-6
    return allowed
