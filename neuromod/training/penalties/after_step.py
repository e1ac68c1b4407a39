"""What wiring costs do after each step of an optimizer, in `neuromod.training.loop` as in a loop of the user's."""

from __future__ import annotations

import torch

from neuromod.training.continuing import frozen
from neuromod.training.on_cores import schedule as chip_steps
from neuromod.training.on_cores.schedule import Wired
from neuromod.training.penalties import family as regularizers
from neuromod.training.penalties import proximal as bimt
from neuromod.training.plan import TrainingPlan
from neuromod.training.schedules import bias_step


def find_prices(plan: TrainingPlan, state: Wired) -> bimt.Prices:
    """Return what weights cost now, where the neurons lie now."""
    settings = plan.settings
    with_biases = state.step >= bias_step(settings)
    weights = regularizers.prices(
        settings.wiring, state.positions, state.parameters, plane=plan.plane, with_biases=with_biases
    )
    groups = regularizers.groups(
        settings.wiring, plan.cores, state.positions, state.activity, state.parameters["w_rec"].detach()
    )
    # What is frozen pays nothing.
    kept = frozen(settings)
    priced = {name: price for name, price in weights.items() if name not in kept}
    return bimt.Prices(priced, None if "w_rec" in kept else groups)


def charge(
    plan: TrainingPlan,
    state: Wired,
    optimizer: torch.optim.Optimizer,
    prices: bimt.Prices,
    *,
    strength: float,
    kept: dict[str, torch.Tensor],
) -> None:
    """Take the proximal step of the wiring cost, and count the step.

    Parameters
    ----------
    plan : TrainingPlan
        What is trained.
    state : Wired
        After the optimizer's step; changed in place.
    optimizer : torch.optim.Adam, AdamW or SGD
        What moved the weights.
    prices : Prices
        From `find_prices`.
    strength : float
        λ now.
    kept : dict of str to bool tensor
        From `chip_steps.still_alive` before the optimizer's step: all other weights stay zero.
    """
    if strength > 0 and plan.settings.wiring.proximal:
        bimt.shrink(state.parameters, prices.weights, optimizer, strength, prices.groups)
    with torch.no_grad():
        for name, mask in kept.items():
            state.parameters[name].mul_(mask)
    state.step += 1


def rearrange(plan: TrainingPlan, state: Wired, *, strength: float) -> None:
    """Swap neurons and cut weights to the limits of a chip, if it is time to."""
    if strength > 0 and chip_steps.swaps_after(plan, state.step):
        chip_steps.swap_neurons(plan, state)
    if chip_steps.cuts_after(plan, state.step):
        chip_steps.cut_to_limits(plan, state)
