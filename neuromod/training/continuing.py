"""Going on from a trained network: its weights as a start, with new rows where sizes differ, and what stays frozen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from neuromod.network import PARAMETERS, Network
from neuromod.training import model
from neuromod.training.on_data.scaling import fit, unfolded
from neuromod.training.settings import Settings
from neuromod.trials import Trials

# What each word of ``start.freeze`` keeps.
_FROZEN = {"recurrent": ("w_rec", "bias"), "input": ("w_in",), "readout": ("w_out", "bias_out")}


def frozen(settings: Settings) -> tuple[str, ...]:
    """Names of the parameters that training leaves as they are."""
    return tuple(name for part in settings.start.freeze for name in _FROZEN[part])


def parameters(network: Network, drawn: Mapping[str, torch.Tensor], data: Trials | None) -> dict[str, torch.Tensor]:
    """Return the parameters of a trained network where their sizes fit, else those that were drawn.

    Input weights are kept if the number of inputs is the same, readouts if the number of readouts is; weights of raw
    values are turned into those of the standardised values that are learned on.

    Parameters
    ----------
    network : Network
        Where to go on.
    drawn : mapping of str to tensor
        New parameters, named as in `PARAMETERS`, of as many neurons.
    data : Trials, optional
        The data that are learned; tasks are not standardised.
    """
    found = {name: tensor.detach() for name, tensor in model.from_network(network).items()}
    fits = {
        "w_in": found["w_in"].shape == drawn["w_in"].shape,
        "w_out": found["w_out"].shape == drawn["w_out"].shape,
    }
    if data is not None and (fits["w_in"] or fits["w_out"]):
        found = _standardised(found, drawn, data, fits)
    fits |= {"w_rec": True, "bias": True, "bias_out": fits["w_out"]}
    return {name: (found[name] if fits[name] else drawn[name].detach()).requires_grad_() for name in PARAMETERS}


def _standardised(
    found: dict[str, torch.Tensor], drawn: Mapping[str, torch.Tensor], data: Trials, fits: Mapping[str, bool]
) -> dict[str, torch.Tensor]:
    """Undo the folding of a scale into weights, of those weights that are kept."""
    names = {"w_in": fits["w_in"], "bias": True, "w_out": fits["w_out"], "bias_out": fits["w_out"]}
    arrays = {name: (found if kept else drawn)[name].detach().numpy() for name, kept in names.items()}
    turned = unfolded(arrays, fit(data.part("train")))
    if not fits["w_in"]:
        # The bias of a network whose input weights are new stays what it is.
        turned["bias"] = arrays["bias"]
    return {**found, **{name: torch.from_numpy(np.array(turned[name])) for name, kept in names.items() if kept}}
