"""State dicts of PyTorch: which of their tensors are the network, and what the others do to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.importing.result import Choice, Imported, build
from neuromod.importing.torch_files import Array, load, resolve

if TYPE_CHECKING:
    from pathlib import Path

# Recurrent weights of PyTorch's layers, as weight_hh_l1 and weight_hh_l0_reverse.
_LAYER = re.compile(r"(^|\.)weight_hh_l(\d+)(_reverse)?$")

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

# Biases of the units that go by the module of the recurrent weights rather than by the name of a weight.
_BIASES = ("bias", "b", "b_rec", "b_h", "b_hh", "b_ih", "b_in")

# Last parts of names, or whole parts, that tensors of spiking neurons alone have.
_SPIKING = {
    "threshold", "v_threshold", "thresh", "spike_threshold", "vth", "v_th", "v_reset", "v_mem", "min_v_mem", "tau_mem",
    "tau_syn", "reset_mechanism_val", "graded_spikes_factor", "current_decay", "voltage_decay",
}  # fmt: skip
_SPIKING_PART = re.compile(r"(\w*lif|iaf|snn|spik\w*)\d*")

# What tensors that were not taken may do to those that were, by their names.
_MASK = re.compile(
    r"mask|sparsity|connectiv|adjacen|prun|(^|[._])(sign|signs|dale|polarity|e_?i|exc|inh)($|[._\d])", re.I
)
_START = re.compile(
    r"(^|\.)(h_?0|hx|x_?0|r_?0|hidden_?0|(init|initial)_?(h|hidden|state)|(h|hidden|state)_?init(ial)?)$", re.I
)
_NORM = re.compile(r"(^|\.)(running_mean|running_var|\w*norm\w*|[lb]n(_\w+)?\d*)(\.|$)", re.I)
_LEAK = re.compile(r"(^|\.)(alphas?|leak(_rate)?|decay|taus?|time_constants?)$", re.I)
_SCALE = re.compile(r"(^|[._])(scales?|zero_points?)$", re.I)
_GAIN = re.compile(r"(^|[._])(gains?|scales?|g)$", re.I)


def read(path: Path, choice: Choice) -> Imported:
    """Read the recurrent, input and readout weights and the biases of a simple recurrent network.

    They are found by their names and shapes, or named by `choice`. Biases of the same layer add up; the masks of
    `torch.nn.utils.prune` and old weight normalisation are multiplied in. Gated units (LSTM, GRU), whose weights are
    stacked, are refused, and so are several layers or directions, unless `choice` names one.

    Raises
    ------
    UsageError
        If the file is broken, the recurrent weights cannot be told, its neurons spike, or another tensor changes what
        those that are taken do.
    """
    held = load(path)
    _refuse_spiking(held.tensors)
    weights = resolve(held)
    tensors = weights.tensors
    if choice.transpose:
        # As JAX and Keras have them: a row for each source.
        tensors = {name: value.T if value.ndim == 2 else value for name, value in tensors.items()}
    recurrent = _pick(tensors, weights.plain(choice.recurrent), _RECURRENT, "recurrent weights", "recurrent")
    assert recurrent is not None
    layers = [name for name in tensors if _LAYER.search(name)]
    if choice.recurrent is None and len(layers) > 1 and recurrent in layers:
        raise UsageError(
            f"it has recurrent weights in several layers or directions ({', '.join(sorted(layers))}); "
            "only one layer running forward can be imported, chosen with `recurrent=NAME`"
        )
    if recurrent.endswith("_reverse"):
        raise UsageError(f"{recurrent} runs backwards; only a layer running forward can be imported")
    w_rec = tensors[recurrent]
    if w_rec.ndim == 2 and w_rec.shape[0] in (3 * w_rec.shape[1], 4 * w_rec.shape[1]):
        gates = "a GRU" if w_rec.shape[0] == 3 * w_rec.shape[1] else "an LSTM"
        raise UsageError(f"{recurrent} has the shape {w_rec.shape}, that of {gates}; only simple units can be imported")
    if w_rec.ndim != 2 or w_rec.shape[0] != w_rec.shape[1]:
        raise UsageError(f"{recurrent} must have the shape (n, n), found {w_rec.shape}")
    n = len(w_rec)
    names = {"w_rec": recurrent}
    for part, named, known, axis in (("w_in", choice.inputs, _INPUTS, 0), ("w_out", choice.readout, _READOUTS, 1)):
        free = {k: v for k, v in tensors.items() if k not in names.values() and v.ndim == 2 and v.dtype != bool}
        fitting = {k: v for k, v in free.items() if v.shape[axis] == n}
        option, name = "inputs" if part == "w_in" else "readout", weights.plain(named)
        if part == "w_in" and not name:
            # The inputs of the same layer.
            twin = recurrent.replace("weight_hh", "weight_ih")
            name = twin if twin != recurrent and twin in fitting else None
        if part == "w_out" and not name and not _is_last(recurrent, layers):
            continue
        name = _pick(tensors if name else fitting, name, known, part, option, needed=False)
        if name is not None:
            names[part] = name
    parts: dict[str, Any] = {part: tensors[name] for part, name in names.items()}
    used = set(names.values())
    if bias_out := _first(tensors, _biases_of(names.get("w_out", "")) - used):
        parts["bias_out"] = tensors[bias_out]
        used.add(bias_out)
    module = recurrent[: recurrent.rfind(".") + 1]
    near = {module + name for name in _BIASES} | {"bias"}
    for name in (recurrent, names.get("w_in", "")):
        near |= _biases_of(name)
    found = sorted(name for name in near - used if name in tensors and tensors[name].shape == (n,))
    if found:
        total = np.sum([tensors[name].astype(np.float64) for name in found], axis=0)
        parts["bias"] = total.astype(np.result_type(*(tensors[name] for name in found), np.float32))
        used |= set(found)
    for name in ("positions", "rates", "dt_s", "tau_s"):
        if name in tensors:
            parts[name] = tensors[name]
            used.add(name)
    for name in sorted(used):
        weights.check(name)
    left = {name: value for name, value in tensors.items() if name not in used}
    notes = [
        f"{name} is the product of {' and '.join(weights.made_of[name])}"
        for name in sorted(used & weights.made_of.keys())
    ]
    notes += _account(left, {name: tensors[name] for name in names.values()}, choice, len(layers) > 1, module)
    network, more = build(parts, "PyTorch state dict", choice)
    notes = [f"the recurrent weights are {recurrent}", *notes, *more]
    ignored = sorted(origin for name in left for origin in weights.made_of.get(name, (name,)))
    return Imported(network, "PyTorch state dict", (*ignored, *held.beside), tuple(notes), direction=choice.direction)


def _is_last(recurrent: str, layers: list[str]) -> bool:
    """Whether no layer of the same module lies between these units and a readout."""
    found = _LAYER.search(recurrent)
    module = recurrent[: found.start()] if found else ""
    others = [_LAYER.search(name) for name in layers if found and name.startswith(module)]
    return not found or all(int(other[2]) <= int(found[2]) for other in others if other)


def _first(tensors: dict[str, Array], names: set[str]) -> str | None:
    return next((name for name in sorted(names) if name in tensors), None)


def _biases_of(name: str) -> set[str]:
    """Names of the bias that goes with a weight, as ``bias_hh_l0`` with ``weight_hh_l0``."""
    if name.endswith("w_out"):
        return {name.replace("w_out", "bias_out"), name.replace("w_out", "b_out")}
    return {f"{name.removesuffix('weight')}bias" if name.endswith("weight") else name.replace("weight", "bias")} - {
        name,
        "",
    }


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
            raise UsageError(f"the {what} may be any of {', '.join(sorted(fitting))}; choose with `{option}=NAME`")
    if needed:
        raise UsageError(
            f"the {what} cannot be told among {', '.join(sorted(tensors)) or 'nothing'}; give `{option}=NAME`"
        )
    return None


def _refuse_spiking(tensors: dict[str, Array]) -> None:
    """Refuse the names that snnTorch, sinabs, Rockpool, SpikingJelly, Norse and others give to spiking neurons."""
    telling = [
        name
        for name, value in tensors.items()
        if name.split(".")[-1] in _SPIKING
        or any(_SPIKING_PART.fullmatch(part) for part in name.lower().split(".")[:-1])
        or (name.split(".")[-1] == "w" and value.ndim == 0)
        or (name.endswith("recurrent_weights") and name.replace("recurrent_weights", "input_weights") in tensors)
    ]
    if telling:
        raise UsageError(
            f"it is a spiking network ({', '.join(sorted(telling)[:4])}), and a state dict does not tell how its "
            "neurons work; give a module of snnTorch to `neuromod.from_snntorch`, or export it as NIR, with "
            "export_to_nir of its tool, and import that"
        )


def _account(left: dict[str, Array], taken: dict[str, Array], choice: Choice, layered: bool, module: str) -> list[str]:
    """Refuse tensors that change what those that were taken do, and say what else to know of the rest."""
    notes = []
    n = len(next(iter(taken.values())))
    for name, value in sorted(left.items()):
        # A mask that names its weight is that one's alone.
        named = {weight: array for weight, array in taken.items() if weight in name} or taken
        of = next((weight for weight, array in named.items() if _masks(name, value, array)), None)
        if of is not None:
            raise UsageError(
                f"{name} looks like a mask or signs of {of}, and a state dict does not tell how they are applied; "
                f"multiply them in before saving, and leave {name} out"
            )
        if _START.search(name) and np.any(value):
            raise UsageError(f"it starts from a state that is not zero ({name}); networks here start at rest")
        if _NORM.search(name):
            raise UsageError(f"it normalises its values ({name}), which a network here cannot")
        if "lora_" in name.lower():
            raise UsageError(f"{name} adds to other weights; merge it before saving")
        if _SCALE.search(name) and any(np.issubdtype(array.dtype, np.integer) for array in taken.values()):
            raise UsageError(f"its weights are whole numbers with a scale ({name}); save them dequantised")
        if _LEAK.search(name) and choice.tau_ms is None and np.any(value != 1):
            raise UsageError(
                f"{name} may say how its units leak, which is not read from a state dict; give `tau_ms` and `dt_ms`"
            )
        if _GAIN.search(name) and np.any(value != 1):
            raise UsageError(f"{name} may scale what was taken, which a state dict does not tell; multiply it in first")
        if (
            "bias" in name
            and name.startswith(module)
            and "." not in name[len(module) :]
            and not layered
            and value.size == n
        ):
            raise UsageError(f"{name} may be a bias of its units, but has the shape {value.shape} and a name not known")
        if value.ndim == 2 and value.dtype != bool:
            notes.append(f"what {name} does is not part of the imported network")
    return notes


def _masks(name: str, value: Array, weight: Array) -> bool:
    """Whether a tensor may be applied to a weight of its shape, or to its rows or columns, and would change it."""
    told = _MASK.search(name) is not None or value.dtype == bool
    if value.ndim == 2 and value.shape in (weight.shape, weight.T.shape):
        if not told and not np.isin(value, (-1, 0, 1)).all():
            return False
        spread = [value] if value.shape == weight.shape else [value.T]
    elif told or (value.size > 1 and np.isin(value, (-1, 1)).all() and (value == -1).any()):
        sides = [value.reshape(1, -1) if value.size == weight.shape[1] else None]
        sides += [value.reshape(-1, 1) if value.size == weight.shape[0] else None]
        spread = [side for side in sides if side is not None] if value.ndim == 1 or 1 in value.shape else []
    else:
        return False
    # Already multiplied in: zero or of that sign wherever it says so.
    return any(
        not np.array_equal((np.abs(weight) if (side < 0).any() else weight) * side, weight)
        for side in (s.astype(np.float64) for s in spread)
    )
