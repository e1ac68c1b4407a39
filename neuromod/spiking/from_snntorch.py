"""A spiking network out of a PyTorch module with snnTorch's recurrent neurons, directly and without NIR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.network import Array, Network
from neuromod.spiking.leaky import RESETS, tau_of

if TYPE_CHECKING:
    import torch

# Modules that do nothing to what passes, once training is over.
_PASS = ("Dropout", "Identity", "Flatten")


def from_snntorch(
    module: torch.nn.Module,
    *,
    inputs: torch.nn.Linear | None = None,
    readout: torch.nn.Linear | None = None,
    dt_s: float = 1e-3,
    positions: npt.NDArray[np.floating] | None = None,
    info: Mapping[str, Any] | None = None,
) -> Network:
    """Return the spiking network of a module of snnTorch neurons, trained or not.

    The module is taken apart by what it holds: a `Linear` into one ``RLeaky`` or ``RSynaptic``, and a `Linear` out of
    it, with a ``Leaky`` behind that if this does not reset, as it then low-passes the readout. What ``forward`` does
    besides is not seen. The network is one as from a NIR file, of `LIF` or `CubaLIF` neurons: it can be pruned, placed
    and exported as NIR. It runs, too, see `spiking.LeakyNetwork`, so that its spikes can be counted on any inputs, see
    `spiking.count_spikes`.

    Parameters
    ----------
    module : torch.nn.Module
        The module, or an ``RLeaky`` or ``RSynaptic`` alone.
    inputs, readout : torch.nn.Linear, optional
        The layers before and after the neurons, where the module has more than one, or are outside of it. The network
        ends with the readout.
    dt_s : float
        Time step in seconds, which snnTorch does not know.
    positions : (n, 2) array, optional
        Column and row of each neuron, as `Wiring.positions`.
    info : mapping, optional
        Goes into the network's `info`, as `Wiring.info`.

    Returns
    -------
    Network
        Its neurons in the order of the module.

    Raises
    ------
    UsageError
        If the module holds something that no network here can be; the message names it.

    Examples
    --------
    >>> import snntorch, torch
    >>> import neuromod
    >>> net = torch.nn.ModuleDict({
    ...     "into": torch.nn.Linear(3, 16), "neurons": snntorch.RLeaky(0.9, linear_features=16),
    ...     "out": torch.nn.Linear(16, 2)})
    >>> network = neuromod.from_snntorch(net)
    >>> network.n, network.n_in, network.info["nir"]["groups"][0]["type"]
    (16, 3, 'LIF')
    """
    neurons, before, after, leak = _parts(module, inputs, readout)
    if not 0 < dt_s < np.inf:
        raise UsageError(f"dt_s = {dt_s} is out of range: needed seconds above 0")
    name = type(neurons).__name__
    w_rec, bias = _recurrent(neurons)
    n = len(bias)
    w_in, b_in = (np.eye(n), np.zeros(n)) if before is None else _linear(before)
    w_out, b_out = (np.zeros((0, n)), np.zeros(0)) if after is None else _linear(after)
    if w_in.shape[0] != n or w_out.shape[1] != n:
        raise UsageError(f"{n} neurons do not fit {w_in.shape[0]} values into them and {w_out.shape[1]} out of them")
    _check_neurons(neurons, name)
    beta, threshold = _values(neurons.beta.clamp(0, 1), n), _values(neurons.threshold, n)
    size = {"r": 1 / (1 - np.minimum(beta, 1 - 1e-9)), "v_leak": np.zeros(n), "v_threshold": threshold}
    group: dict[str, Any] = {"type": "LIF", "start": 0, "stop": n, "tau": tau_of(beta, dt_s)}
    if name == "RSynaptic":
        alpha = _values(neurons.alpha.clamp(0, 1), n)
        group = {"type": "CubaLIF", "start": 0, "stop": n, "tau_mem": tau_of(beta, dt_s)}
        group["tau_syn"] = tau_of(alpha, dt_s)
        size["w_in"] = 1 / (1 - np.minimum(alpha, 1 - 1e-9))
    size["v_reset"] = np.zeros(n)
    group |= {key: float(v[0]) if (v == v[0]).all() else v.tolist() for key, v in size.items()}
    about: dict[str, Any] = {
        "groups": [group],
        "dt_known": True,
        "reset": "hard" if neurons.reset_mechanism == "zero" else "soft",
        "snntorch": {"neuron": name, "reset": neurons.reset_mechanism, "reset_delay": bool(neurons.reset_delay)},
    }
    if leak is not None:
        kept = _values(leak.beta.clamp(0, 1), len(b_out))
        r = 1 / (1 - np.minimum(kept, 1 - 1e-9))
        about["readout"] = {"tau": tau_of(kept, dt_s), "r": r.tolist(), "v_leak": 0.0}
    return Network(
        w_rec=sparse.csr_array(w_rec),
        w_in=w_in,
        w_out=w_out,
        bias=np.asarray(b_in, np.float32) + np.asarray(bias, np.float32),
        bias_out=b_out,
        dt_s=dt_s,
        tau_s=dt_s,
        positions=positions,
        info={"made_by": "neuromod.from_snntorch", **(info or {}), "nir": about},
    )


def _parts(module: Any, inputs: Any, readout: Any) -> tuple[Any, Any, Any, Any]:
    """Return the recurrent neurons, the layers before and after them, and the readout that leaks."""
    found: list[tuple[str, Any]] = []

    def walk(part: Any, name: str) -> None:
        if type(part).__name__ in ("RLeaky", "RSynaptic"):
            found.append((name or "module", part))
            return
        children = list(part.named_children())
        for child, inner in children:
            walk(inner, f"{name}.{child}" if name else child)
        if not children and not type(part).__name__.startswith(_PASS):
            found.append((name, part))

    walk(module, "")
    at = [k for k, (_, part) in enumerate(found) if type(part).__name__ in ("RLeaky", "RSynaptic")]
    if len(at) != 1:
        raise UsageError(f"needed one layer of RLeaky or RSynaptic neurons in the module, found {len(at)}")
    (k,) = at
    own = [part for _, part in found]
    front = [item for item in found[:k] if item[1] is not readout] if inputs is None else []
    back = [item for item in found[k + 1 :] if item[1] is not inputs] if readout is None else []
    for name, part in front + back:
        if type(part).__name__ not in ("Linear", "Leaky"):
            raise UsageError(
                f"{name} is a {type(part).__name__}, which cannot be represented here; give inputs, readout"
            )
    before = inputs if inputs is not None else _one([i for i in front if hasattr(i[1], "weight")], "inputs")
    after = readout if readout is not None else _one([i for i in back if hasattr(i[1], "weight")], "readout")
    if any(type(part).__name__ == "Leaky" for _, part in front):
        raise UsageError("there are Leaky neurons before the recurrent ones, which cannot be represented here")
    leaks = [item for item in back if type(item[1]).__name__ == "Leaky"]
    if len(leaks) > 1 or any(part.reset_mechanism != "none" for _, part in leaks):
        name = leaks[0][0]
        raise UsageError(
            f"the neurons {name} behind the readout spike, which cannot be represented here; with readout=, given the "
            "Linear before them, the network ends there"
        )
    return own[k], before, after, leaks[0][1] if leaks else None


def _one(layers: list[tuple[str, Any]], what: str) -> Any:
    if len(layers) > 1:
        names = ", ".join(name for name, _ in layers)
        raise UsageError(f"the module has more than one Linear that may be the {what}: {names}; say which: {what}=")
    return layers[0][1] if layers else None


def _check_neurons(neurons: Any, name: str) -> None:
    lacking = [key for key in ("inhibition", "state_quant") if getattr(neurons, key, False)]
    if float(getattr(neurons, "graded_spikes_factor", 1)) != 1:
        lacking.append("graded_spikes_factor")
    if name == "RSynaptic" and not neurons.reset_delay:
        lacking.append("reset_delay=False")
    if lacking:
        raise UsageError(f"the {name} neurons have {', '.join(lacking)}, which cannot be represented here")
    if neurons.reset_mechanism not in RESETS:
        raise UsageError(f"the {name} neurons have the unknown reset {neurons.reset_mechanism!r}")


def _recurrent(neurons: Any) -> tuple[Array, Array]:
    layer = neurons.recurrent
    if type(layer).__name__ == "Linear":
        return _linear(layer)
    values = getattr(layer, "V", None)
    if values is None or values.ndim != 1:
        raise UsageError(
            f"the recurrent layer is a {type(layer).__name__}, which cannot be represented here; needed "
            "linear_features, or one-to-one weights V, one for each neuron"
        )
    return np.diag(values.detach().cpu().numpy()), np.zeros(len(values))


def _linear(layer: Any) -> tuple[Array, Array]:
    weight = layer.weight.detach().cpu().numpy()
    bias = np.zeros(len(weight), np.float32) if layer.bias is None else layer.bias.detach().cpu().numpy()
    return weight, bias


def _values(tensor: Any, n: int) -> Array:
    values = tensor.detach().cpu().numpy().astype(np.float64).ravel()
    if values.size not in (1, n):
        raise UsageError(f"needed one number or {n} for the neurons' beta, alpha and threshold, found {values.size}")
    return np.broadcast_to(values, (n,))
