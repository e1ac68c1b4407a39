"""Files of PyTorch and safetensors: the one state dict that they hold, and the weights that its tensors stand for."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.importing.result import check_archive

Array = npt.NDArray[Any]

_MAX_ELEMENTS = 2**29

# How deep a checkpoint may be nested, and how many of its entries are looked at.
_MAX_DEPTH = 8
_MAX_ENTRIES = 100_000

# Types of safetensors that NumPy knows.
_PLAIN = {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}


@dataclass(frozen=True, eq=False)
class StateDict:
    """Tensors by name, why some of them hold no plain numbers, and what else is in the file."""

    tensors: dict[str, Array]
    unread: dict[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()


def load(path: Path) -> StateDict:
    """Read the state dict of a file; of a checkpoint the one that holds matrices.

    Half precision and bfloat16 become single, without loss; all else keeps its type.

    Raises
    ------
    UsageError
        If the file is broken, holds no state dict or several, or more numbers than fit.
    """
    if path.suffix.lower() == ".safetensors":
        return _load_safetensors(path)
    import torch

    try:
        zipped = zipfile.is_zipfile(path)
    except zipfile.BadZipFile as error:
        raise UsageError(f"it is no readable checkpoint of tensors alone ({error})") from error
    if zipped:
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
    where, found = _state_dict(held)
    tensors = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    # A few bytes can stand for a tensor of any shape.
    if (size := sum(tensor.numel() for tensor in tensors.values())) > _MAX_ELEMENTS:
        raise UsageError(f"its tensors have {size:,} numbers, the most is {_MAX_ELEMENTS:,}")
    return _plain(tensors, (*_beside(held, where), *(name for name in found if name not in tensors)))


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _entries(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(str(name), part) for name, part in value.items()]
    return [(str(k), part) for k, part in enumerate(value)] if isinstance(value, list | tuple) else []


def _walk(
    value: Any, where: tuple[str, ...] = (), seen: list[None] | None = None
) -> Iterator[tuple[tuple[str, ...], dict[Any, Any]]]:
    """Every dict of a checkpoint that holds tensors itself, with the way to it; states of optimizers are none."""
    seen = [] if seen is None else seen
    seen.append(None)
    if len(seen) > _MAX_ENTRIES:
        return
    if isinstance(value, dict):
        if "param_groups" in value and "state" in value:
            return
        if any(_is_tensor(part) for part in value.values()):
            yield where, value
    if len(where) < _MAX_DEPTH:
        for name, part in _entries(value):
            if isinstance(part, dict | list | tuple):
                yield from _walk(part, (*where, name), seen)


def _state_dict(held: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Find the state dict in what was saved: that itself, or the one dict within it that holds matrices."""
    if _is_tensor(held):
        raise UsageError(
            "it holds one tensor without a name, no state dict; save it as torch.save({'w_rec': tensor}, …)"
        )
    found = list(_walk(held))
    square = [(where, of) for where, of in found if any(_may_be_recurrent(*entry) for entry in of.items())]
    matrices = [(where, of) for where, of in found if any(_is_tensor(v) and v.ndim > 1 for v in of.values())]
    fitting = square or matrices or [(where, of) for where, of in found if not where]
    if len(fitting) > 1:
        names = ", ".join(".".join(where) or "the file itself" for where, _ in fitting)
        raise UsageError(f"it holds several state dicts, {names}; save one alone: torch.save(module.state_dict(), …)")
    if not fitting:
        entries = ", ".join(name for name, _ in _entries(held)) or type(held).__name__
        raise UsageError(
            f"it holds no state dict, names with their tensors, among {entries[:200]}; "
            "save one: torch.save(module.state_dict(), …)"
        )
    where, state = fitting[0]
    if not all(isinstance(name, str) for name in state):
        raise UsageError("it holds no state dict, names with their tensors: some of its names are no text")
    return where, state


def _may_be_recurrent(name: Any, value: Any) -> bool:
    return _is_tensor(value) and value.ndim == 2 and (value.shape[0] == value.shape[1] or "weight_hh" in str(name))


def _beside(held: Any, where: tuple[str, ...]) -> Iterator[str]:
    """Entries that hold tensors next to the way to the state dict."""
    for depth, step in enumerate(where):
        for name, part in _entries(held):
            if name != step and (_is_tensor(part) or _holds_tensors(part)):
                yield ".".join([*where[:depth], name])
        held = dict(_entries(held))[step]


def _holds_tensors(value: Any, seen: set[int] | None = None) -> bool:
    seen = set() if seen is None else seen
    if id(value) in seen or len(seen) > _MAX_ENTRIES:
        return False
    seen.add(id(value))
    return any(_is_tensor(part) or _holds_tensors(part, seen) for _, part in _entries(value))


def _load_safetensors(path: Path) -> StateDict:
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load_file

    try:
        with safe_open(path, framework="numpy") as file:
            kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        if kinds <= _PLAIN:
            return StateDict({name: _single(value) for name, value in load_file(path).items()})
        # NumPy knows neither bfloat16 nor 8-bit floats.
        from safetensors.torch import load_file as load_tensors

        return _plain(load_tensors(path))
    except UsageError:
        raise
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"it is no readable safetensors file ({error})") from error


def _plain(tensors: dict[str, Any], beside: tuple[str, ...] = ()) -> StateDict:
    """Values of tensors in their own precision; where a tensor has none that NumPy knows, its shape."""
    import torch

    arrays: dict[str, Array] = {}
    unread = {}
    for name, tensor in tensors.items():
        kind = next((kind for kind in ("meta", "nested", "quantized", "sparse") if _is_kind(tensor, kind)), None)
        if kind:
            unread[name] = f"{name} is a {kind} tensor, which is not read; save it as a dense one of plain numbers"
            arrays[name] = np.broadcast_to(np.float32(0), () if kind == "nested" else tuple(tensor.shape))
            continue
        value = tensor.detach()
        single = value.is_floating_point() and value.dtype != torch.float64
        arrays[name] = (value.float() if single else value).resolve_conj().resolve_neg().numpy()
    return StateDict(arrays, unread, beside)


def _is_kind(tensor: Any, kind: str) -> bool:
    import torch

    return bool(tensor.layout != torch.strided if kind == "sparse" else getattr(tensor, f"is_{kind}"))


def _single(value: Array) -> Array:
    return value.astype(np.float32) if value.dtype == np.float16 else value


@dataclass(frozen=True, eq=False)
class Weights:
    """The tensors that a network computes with: products where the file keeps the factors.

    `made_of` tells the names in the file of those that are products, `lost` why the file does not tell the value of
    some; these are there with the shape that they have.
    """

    tensors: dict[str, Array]
    made_of: dict[str, tuple[str, ...]]
    lost: dict[str, str]

    def plain(self, name: str | None) -> str | None:
        """Name of the product that a factor belongs to, or the name itself."""
        return next((product for product, factors in self.made_of.items() if name in factors), name)

    def check(self, name: str) -> None:
        """Refuse a tensor that is no weight."""
        if name in self.lost:
            raise UsageError(self.lost[name])
        if np.iscomplexobj(self.tensors[name]) or self.tensors[name].dtype == bool:
            raise UsageError(f"{name} must hold real numbers, found {self.tensors[name].dtype}")


def resolve(state: StateDict) -> Weights:
    """Multiply out factors that PyTorch keeps: ``_orig`` and ``_mask`` of pruning, ``_g`` and ``_v`` of weight norm."""
    held = state.tensors
    tensors, made_of, lost = dict(held), dict[str, tuple[str, ...]](), dict(state.unread)

    def replace(name: str, factors: list[str], value: Array, why: str | None) -> None:
        for factor in factors:
            tensors.pop(factor, None)
        why = next((state.unread[factor] for factor in factors if factor in state.unread), why)
        if name in held:
            why = f"{name} is there twice, also as {factors[0]}; leave one of them out"
        tensors[name], made_of[name] = value, tuple(factors)
        if why:
            lost[name] = why

    for name, value in held.items():
        if name.endswith("_orig"):
            base = name.removesuffix("_orig")
            factors = [name, *(f for f in (f"{base}_mask", f"{base}_u", f"{base}_v") if f in held)]
            mask = held.get(f"{base}_mask")
            if len(factors) == 2 and mask is not None and mask.shape == value.shape:
                replace(base, factors, value * mask.astype(value.dtype), None)
            else:
                why = f"{base} is made of {', '.join(factors)} in a way that the file does not tell"
                replace(
                    base,
                    factors,
                    value,
                    f"{why}; save it after taking that off, as torch.nn.utils.remove_spectral_norm does",
                )
        elif name.endswith("_g") and f"{name[:-2]}_v" in held:
            base, v = name[:-2], held[f"{name[:-2]}_v"]
            if v.ndim == 2 and value.shape in ((len(v), 1), (1, v.shape[1]), ()):
                wide = v.astype(np.float64)
                along = 1 if value.shape == (len(v), 1) else 0 if value.ndim else None
                with np.errstate(all="ignore"):
                    product = wide * value / np.sqrt((wide**2).sum(axis=along, keepdims=along is not None))
                replace(base, [name, f"{base}_v"], product.astype(v.dtype), None)
    for name in held:
        found = re.fullmatch(r"((?:.*\.)?)parametrizations\.([^.]+)\.(.+)", name)
        if found and found[1] + found[2] not in made_of:
            base, start = found[1] + found[2], f"{found[1]}parametrizations.{found[2]}."
            factors = [other for other in held if other.startswith(start)]
            value = max((held[factor] for factor in factors), key=lambda array: (array.ndim, array.size))
            why = f"{base} is parametrised ({', '.join(factors)}), and what is applied to it does not lie in the file"
            replace(base, factors, value, f"{why}; save it after torch.nn.utils.parametrize.remove_parametrizations(…)")
    return Weights(tensors, made_of, lost)
