"""State dicts of PyTorch: safetensors, or a checkpoint that holds nothing but tensors."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, build, check_archive

Array = npt.NDArray[Any]

_MAX_ELEMENTS = 2**29

# Recurrent weights of PyTorch's layers, as weight_hh_l1 and weight_hh_l0_reverse.
_LAYER = re.compile(r"(^|\.)weight_hh_l\d+(_reverse)?$")

# Endings of the names under which recurrent weights are found, the most telling first.
_RECURRENT = ("w_rec", "weight_hh_l0", "weight_hh", "recurrent.weight", "h2h.weight", "hh.weight", "rec.weight")
_INPUTS = (
    "w_in",
    "weight_ih_l0",
    "weight_ih",
    "input.weight",
    "input2h.weight",
    "i2h.weight",
    "ih.weight",
    "in.weight",
)
_READOUTS = ("w_out", "fc.weight", "readout.weight", "output.weight", "out.weight", "h2o.weight", "linear.weight")


def read(path: Path, choice: Choice) -> Imported:
    """Read the recurrent, input and readout weights and the biases of a simple recurrent network.

    They are found by their names and shapes, or named by `choice`. Biases of the same layer add up. Gated units (LSTM,
    GRU), whose weights are stacked, are refused, and so are several layers or directions, unless `choice` names one.

    Raises
    ------
    UsageError
        If the file is broken, or the recurrent weights cannot be told.
    """
    tensors = _load(path)
    recurrent = _pick(tensors, choice.recurrent, _RECURRENT, "recurrent weights", "--recurrent")
    assert recurrent is not None
    if choice.recurrent is None:
        others = [name for name in tensors if name != recurrent and _LAYER.search(name)]
        if others and _LAYER.search(recurrent):
            names = ", ".join(sorted([recurrent, *others]))
            raise UsageError(
                f"it has recurrent weights in several layers or directions ({names}); "
                "only one layer running forward can be imported, chosen with --recurrent NAME"
            )
    w_rec = tensors[recurrent]
    if w_rec.ndim == 2 and w_rec.shape[0] in (3 * w_rec.shape[1], 4 * w_rec.shape[1]):
        gates = "a GRU" if w_rec.shape[0] == 3 * w_rec.shape[1] else "an LSTM"
        raise UsageError(f"{recurrent} has the shape {w_rec.shape}, that of {gates}; only simple units can be imported")
    if w_rec.ndim != 2 or w_rec.shape[0] != w_rec.shape[1]:
        raise UsageError(f"{recurrent} must have the shape (n, n), found {w_rec.shape}")
    n = len(w_rec)
    parts: dict[str, Any] = {"w_rec": w_rec}
    used = {recurrent}
    for part, named, known, axis in (("w_in", choice.inputs, _INPUTS, 0), ("w_out", choice.readout, _READOUTS, 1)):
        fitting = {k: v for k, v in tensors.items() if k not in used and v.ndim == 2 and v.shape[axis] == n}
        option = "--input" if part == "w_in" else "--readout"
        if part == "w_in" and not named:
            # The inputs of the same layer.
            twin = recurrent.replace("weight_hh", "weight_ih")
            named = twin if twin != recurrent and twin in fitting else None
        name = _pick(tensors if named else fitting, named, known, part, option, needed=False)
        if name is not None:
            parts[part] = tensors[name]
            used.add(name)
            if part == "w_out":
                bias_out = f"{name.removesuffix('weight')}bias" if name.endswith("weight") else "bias_out"
                if bias_out in tensors:
                    parts["bias_out"] = tensors[bias_out]
                    used.add(bias_out)
    biases = [_bias_of(name, tensors) for name in sorted(used)] + ["bias" if "bias" in tensors else None]
    found = [name for name in dict.fromkeys(biases) if name and name not in used and tensors[name].shape == (n,)]
    if found:
        parts["bias"] = np.sum([tensors[name] for name in found], axis=0)
        used |= set(found)
    for name in ("positions", "rates"):
        if name in tensors:
            parts[name] = tensors[name]
            used.add(name)
    network, notes = build(parts, "PyTorch state dict")
    notes = (
        f"the recurrent weights are {recurrent}",
        *notes,
        *([] if "w_in" in parts or "w_out" in parts else ["its units are taken for rectified ones without leak"]),
    )
    return Imported(network, "PyTorch state dict", tuple(sorted(tensors.keys() - used)), notes)


def _bias_of(name: str, tensors: dict[str, Array]) -> str | None:
    """Name of the bias that goes with a weight, as ``bias_hh_l0`` with ``weight_hh_l0``."""
    bias = name.replace("weight", "bias")
    return bias if bias != name and bias in tensors else None


def _pick(
    tensors: dict[str, Array], named: str | None, known: tuple[str, ...], what: str, option: str, *, needed: bool = True
) -> str | None:
    if named is not None:
        if named not in tensors:
            raise UsageError(f"it has no tensor {named}; it has {', '.join(sorted(tensors)) or 'none'}")
        return named
    for ending in known:
        fitting = [name for name in tensors if name == ending or name.endswith((f".{ending}", f"_{ending}"))]
        if len(fitting) == 1:
            return fitting[0]
        if len(fitting) > 1:
            raise UsageError(f"the {what} may be any of {', '.join(sorted(fitting))}; choose with {option} NAME")
    if needed:
        raise UsageError(
            f"the {what} cannot be told among {', '.join(sorted(tensors)) or 'nothing'}; give {option} NAME"
        )
    return None


def _load(path: Path) -> dict[str, Array]:
    if path.suffix.lower() == ".safetensors":
        return _load_safetensors(path)
    import torch

    if zipfile.is_zipfile(path):
        check_archive(path)
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Unpickling raises whatever a broken file leads to; `weights_only` keeps it from running anything.
        if isinstance(error, pickle.UnpicklingError) and "Weights only load failed" in str(error):
            raise UsageError(
                "it is no readable checkpoint of tensors alone: it holds other objects, as a whole module, and reading "
                "those could run anything; save the tensors alone: torch.save(module.state_dict(), …)"
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"it is no readable checkpoint of tensors alone ({reason[:200]})") from error
    held = _state_dict(held)
    tensors = {name: value for name, value in held.items() if isinstance(value, torch.Tensor)}
    # A few bytes can stand for a tensor of any shape.
    if (size := sum(tensor.numel() for tensor in tensors.values())) > _MAX_ELEMENTS:
        raise UsageError(f"its tensors have {size:,} numbers, the most is {_MAX_ELEMENTS:,}")
    return {name: _as_float(name, _numpy(value)) for name, value in tensors.items()}


def _state_dict(held: Any) -> dict[str, Any]:
    """Find the state dict in what was saved: that itself, or the one entry of a checkpoint that holds tensors."""
    import torch

    def has_tensors(value: Any) -> bool:
        return isinstance(value, dict) and any(isinstance(part, torch.Tensor) for part in value.values())

    if isinstance(held, dict) and not has_tensors(held):
        inner = {name: value for name, value in held.items() if has_tensors(value)}
        if len(inner) > 1 and "state_dict" not in inner:
            raise UsageError(f"it holds several state dicts, {', '.join(sorted(map(str, inner)))}; save one alone")
        held = inner.get("state_dict", next(iter(inner.values()), held))
    if not isinstance(held, dict) or not all(isinstance(name, str) for name in held):
        raise UsageError("it holds no state dict, names with their tensors")
    return held


def _load_safetensors(path: Path) -> dict[str, Array]:
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load_file

    try:
        with safe_open(path, framework="numpy") as file:
            kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        if "BF16" not in kinds:
            return {name: _as_float(name, value) for name, value in load_file(path).items()}
        # NumPy knows no bfloat16.
        from safetensors.torch import load_file as load_tensors

        return {name: _as_float(name, _numpy(value)) for name, value in load_tensors(path).items()}
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"it is no readable safetensors file ({error})") from error


def _numpy(tensor: Any) -> Array:
    """Values of a tensor; nothing if it is not a dense one of real numbers, which then fits nowhere."""
    import torch

    plain = tensor.layout == torch.strided and not (tensor.is_quantized or tensor.is_complex() or tensor.is_meta)
    return tensor.detach().float().numpy() if plain else np.zeros(0, np.float32)


def _as_float(name: str, value: Array) -> Array:
    if value.dtype == bool or not np.issubdtype(value.dtype, np.number) or np.iscomplexobj(value):
        return np.zeros(0, np.float32)
    return value.astype(np.float32)
