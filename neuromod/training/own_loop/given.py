"""What a user gives a `Wiring`, checked: tensors, settings and the optimizer."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypedDict

import torch

from neuromod.errors import UsageError
from neuromod.training import config
from neuromod.training.settings import Settings

OPTIMIZERS = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)

# Without a number of steps nothing can depend on their share: λ is the same from the first on, as are the prices.
_ENDLESS, _AT_ONCE = 10**9, {"wiring.ramp_from": 0.0, "wiring.ramp_to": 0.0, "wiring.bias_from": 0.0}


class Options(TypedDict, total=False):
    """What `Wiring` takes besides tensors: settings of ``[wiring]`` and ``[chip]``, see `training.settings`."""

    regularizer: str
    cost: str
    cores: tuple[int, int] | str
    target: str
    neurons_per_core: int
    swap_every: int
    layer_spacing: float
    ramp_from: float
    ramp_to: float
    bias_from: float
    reach: float
    terminals: bool
    activity: bool
    proximal: bool


_OF_CHIP = ("cores", "target", "neurons_per_core")

_NAMES = {"w_rec": "recurrent", "w_in": "inputs", "w_out": "readout", "bias": "bias"}


def check_tensors(tensors: Mapping[str, torch.Tensor | None]) -> dict[str, torch.Tensor]:
    """Return the tensors that are given, under the names of `Network`.

    Raises
    ------
    UsageError
        If one cannot be charged.
    """
    given: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if tensor is None and name != "w_rec":
            continue
        if not isinstance(tensor, torch.Tensor):
            raise UsageError(f"{_NAMES[name]} must be a PyTorch tensor, found {type(tensor).__name__}")
        if not tensor.is_leaf or not tensor.is_floating_point():
            raise UsageError(
                f"{_NAMES[name]} must be a parameter of the module itself, in floating point; what is computed from "
                "others, or a view of them, cannot be changed in place"
            )
        given[name] = tensor
    recurrent = given["w_rec"]
    if recurrent.ndim != 2 or recurrent.shape[0] != recurrent.shape[1] or len(recurrent) < 2:
        raise UsageError(f"recurrent must have the shape (n, n), found {tuple(recurrent.shape)}; gates are not known")
    if not recurrent.requires_grad:
        raise UsageError("recurrent must be trained, and its requires_grad is False")
    n = len(recurrent)
    for name, axis, shape in (("w_in", 0, f"({n}, n_in)"), ("w_out", 1, f"(n_out, {n})"), ("bias", 0, f"({n},)")):
        if name in given:
            found = tuple(given[name].shape)
            if len(found) != (1 if name == "bias" else 2) or found[axis] != n:
                raise UsageError(f"{_NAMES[name]} must have the shape {shape}, found {found}")
            if given[name].device != recurrent.device:
                raise UsageError(f"{_NAMES[name]} is on {given[name].device}, recurrent on {recurrent.device}")
    return given


def check_optimizer(optimizer: torch.optim.Optimizer, charged: Mapping[str, torch.Tensor]) -> None:
    """Refuse an optimizer whose metric is not known, or that does not hold a tensor of `charged`.

    Raises
    ------
    UsageError
        With the reason.
    """
    if type(optimizer) not in OPTIMIZERS:
        raise UsageError(
            f"the proximal step is known for Adam, AdamW and SGD, not for {type(optimizer).__name__}; take one of them"
        )
    held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    for name, weight in charged.items():
        if id(weight) not in held:
            raise UsageError(f"the optimizer does not hold {_NAMES[name]}; give both the same parameter")


def make_settings(n: int, strength: float | None, steps: int | None, options: Options) -> Settings:
    """Return the settings of a training of n neurons that is told the same.

    Raises
    ------
    UsageError
        If an option is unknown or out of range, or needs to know the number of steps.
    """
    values: dict[str, Any] = {"network.neurons": n, "training.steps": _ENDLESS, "chip.weight_bits": 32}
    if steps is None:
        values |= _AT_ONCE
    else:
        values["training.steps"] = steps
    if strength is not None:
        values["wiring.strength"] = strength
    for key, value in options.items():
        if key not in Options.__annotations__:
            near = difflib.get_close_matches(key, Options.__annotations__, n=1)
            raise UsageError(f"there is no option '{key}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        if key in ("ramp_from", "ramp_to", "bias_from") and steps is None:
            raise UsageError(f"{key} is a share of the whole training; give steps, its number of optimizer steps")
        if key == "cores" and not isinstance(value, str):
            value = "x".join(map(str, value))  # type: ignore[call-overload]
        values[f"chip.{key}" if key in _OF_CHIP else f"wiring.{key}"] = value
    return config.load(None, (), values)
