"""State dicts of an RNN with a readout, changed in known ways, beside the PyTorch module that they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from import_models import EQUAL, REFUSED, Case
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from neuromod import importing

State = dict[str, Any]
# What is saved, and the module that says what it computes.
Change = Callable[["Net", np.random.Generator], Any]


class Net(nn.Module):
    """A simple recurrent network with a readout."""

    def __init__(self, n_in: int, n: int, n_out: int, **flags: Any) -> None:
        super().__init__()
        self.rnn = nn.RNN(n_in, n, **{"nonlinearity": "relu", **flags})
        self.fc = nn.Linear(n, n_out)

    def forward(self, x: torch.Tensor) -> Any:
        """Readout of every step, of (time, batch, n_in)."""
        return self.fc(self.rnn(x)[0])


def module(rng: np.random.Generator, **flags: Any) -> Net:
    torch.manual_seed(int(rng.integers(2**31)))
    n_in, n, n_out = (int(k) for k in rng.integers(2, 7, 3))
    return Net(n_in, n, n_out, **flags)


def _same(net: nn.Module, n_in: int, rng: np.random.Generator) -> Callable[[importing.Imported], bool]:
    def compare(found: importing.Imported) -> bool:
        x = rng.normal(size=(4, 2, n_in))
        with torch.no_grad():
            kind = next(net.parameters()).dtype
            wanted = net(torch.tensor(x, dtype=kind)).double().numpy()
        y = found.network.run(x)[0]
        return y.shape == wanted.shape and np.allclose(y, wanted, rtol=1e-3, atol=1e-4)

    return compare


def _case(name: str, change: Change, must: str | None, *, ending: str = ".pt", **flags: Any) -> Case:
    def write(path: Path, rng: np.random.Generator) -> Callable[[importing.Imported], bool]:
        net = module(rng, **flags)
        made = change(net, rng)
        # A module says more than its state dict only where the state dict was changed as well.
        held, net_like = made if isinstance(made, tuple) else (made, net)
        if ending == ".safetensors":
            save_file({k: v.contiguous() for k, v in held.items()}, path)
        else:
            torch.save(held, path)
        return _same(net_like, net.rnn.input_size, rng)

    return Case("state dict", name + (" (safetensors)" if ending != ".pt" else ""), write, ending, must)


def plain(net: Net, rng: np.random.Generator) -> State:
    return net.state_dict()


def prefixed(prefix: str) -> Change:
    return lambda net, rng: {prefix + name: value for name, value in net.state_dict().items()}


def renamed(**names: str) -> Change:
    table = {"rnn.weight_hh_l0": "w_rec", "rnn.weight_ih_l0": "w_in", "fc.weight": "w_out", "fc.bias": "bias_out"}
    table |= {"rnn.bias_ih_l0": "b_in", "rnn.bias_hh_l0": "b_rec"} | {k.replace("__", "."): v for k, v in names.items()}
    return lambda net, rng: {table.get(name, name): value for name, value in net.state_dict().items()}


def cell(net: Net, rng: np.random.Generator) -> State:
    return {name.replace("_l0", ""): value for name, value in net.state_dict().items()}


def pruned(*what: str, amount: float = 0.5) -> Change:
    def change(net: Net, rng: np.random.Generator) -> State:
        for name in what:
            part, name = name.split(".")
            prune.random_unstructured(getattr(net, part), name, amount)
        return net.state_dict()

    return change


def masked(name: str, kind: str = "random", of: str = "rnn.weight_hh_l0") -> Change:
    """A mask beside the weights, in a network that applies it itself."""

    def change(net: Net, rng: np.random.Generator) -> Any:
        weight = net.get_parameter(of)
        shape = tuple(weight.shape)
        mask = torch.tensor(rng.random(shape) < 0.5)
        mask.view(-1)[0] = False
        value: Any = mask.float()
        if kind == "bool":
            value = mask
        elif kind == "uint8":
            value = mask.to(torch.uint8)
        elif kind == "turned":
            value = mask.float().T
        elif kind == "columns":
            value = mask[0].float()
        elif kind == "signs":
            value = torch.where(mask[0], 1.0, -1.0)
        elif kind == "sign matrix":
            value = torch.where(mask[:1], 1.0, -1.0).expand(shape).clone()
        held = {k: v.clone() for k, v in net.state_dict().items()}
        held[name] = value
        with torch.no_grad():
            if kind in ("signs", "sign matrix"):
                weight.copy_(weight.abs() * value)
            elif kind == "columns":
                weight.mul_(value)
            elif kind == "turned":
                weight.mul_(value.T)
            else:
                weight.mul_(value)
            if kind == "applied":
                held[of] = weight.clone()
        return held, net

    return change


def parametrised(kind: str) -> Change:
    def change(net: Net, rng: np.random.Generator) -> State:
        class Symmetric(nn.Module):
            def forward(self, w: torch.Tensor) -> torch.Tensor:
                return w.triu() + w.triu(1).transpose(-1, -2)

        if kind == "own":
            parametrize.register_parametrization(net.rnn, "weight_hh_l0", Symmetric())
        elif kind == "weight norm":
            parametrizations.weight_norm(net.rnn, "weight_hh_l0")
        elif kind == "spectral norm":
            parametrizations.spectral_norm(net.rnn, "weight_hh_l0")
        elif kind == "orthogonal":
            parametrizations.orthogonal(net.rnn, "weight_hh_l0")
        elif kind == "spectral norm of the readout":
            parametrizations.spectral_norm(net.fc)
        elif kind == "old weight norm":
            nn.utils.weight_norm(net.rnn, "weight_hh_l0")
            with torch.no_grad():
                net.rnn.weight_hh_l0_g.mul_(1.7)
        elif kind == "old weight norm of the readout, the other way":
            nn.utils.weight_norm(net.fc, dim=1)
            with torch.no_grad():
                net.fc.weight_g.mul_(0.6)
        elif kind == "old spectral norm":
            nn.utils.spectral_norm(net.rnn, "weight_hh_l0")
        return net.state_dict()

    return change


def beside(**more: Any) -> Change:
    def change(net: Net, rng: np.random.Generator) -> State:
        n = net.rnn.hidden_size
        made = {k.replace("__", "."): v(n) if callable(v) else v for k, v in more.items()}
        return {**net.state_dict(), **made}

    return change


def checkpoint(build: Callable[[State, Net], Any]) -> Change:
    return lambda net, rng: (build(net.state_dict(), net), net)


def adam(net: Net) -> Any:
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(2, 1, net.rnn.input_size)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def typed(dtype: Any) -> Change:
    def change(net: Net, rng: np.random.Generator) -> Any:
        held = {name: value.clone() for name, value in net.to(dtype).state_dict().items()}
        return held, net if dtype == torch.float64 else net.float()

    return change


def integers(net: Net, rng: np.random.Generator) -> Any:
    step = 0.05
    held = {k: (v / step).round().clamp(-100, 100).to(torch.int8) for k, v in net.state_dict().items()}
    return {**held, "scale": torch.tensor(step)}, net


def too_large(net: Net, rng: np.random.Generator) -> State:
    held = net.double().state_dict()
    held["rnn.weight_hh_l0"][0, 0] = 1e60
    return held


def spiking(names: str) -> Change:
    def change(net: Net, rng: np.random.Generator) -> State:
        n = net.rnn.hidden_size
        w, v, f = net.rnn.weight_hh_l0, net.rnn.weight_ih_l0, net.fc.weight
        one = torch.tensor(1.0)
        of: dict[str, State] = {
            "snnTorch": {"fc1.weight": v, "lif1.threshold": one, "lif1.graded_spikes_factor": one,
                         "lif1.beta": one * 0.9,
                         "lif1.reset_mechanism_val": one, "lif1.recurrent.weight": w, "fc2.weight": f},
            "snnTorch, leaky": {"fc1.weight": v, "a.threshold": one, "a.beta": one, "a.recurrent.weight": w},
            "Norse": {"0.input_weights": v, "0.recurrent_weights": w, "1.weight": f},
            "sinabs": {"lin.weight": v, "spk.tau_mem": one, "spk.rec_connect.weight": w, "spk.spike_threshold": one},
            "SpikingJelly": {"fc.weight": v, "node.w": one, "rec.weight": w},
            "Rockpool": {"w_in": v, "w_rec": w, "tau_mem": torch.ones(n), "threshold": torch.ones(n)},
            "Lava": {"fc.weight": v, "rec.weight": w, "neuron.voltage_decay": one, "neuron.current_decay": one},
            "by its module": {"cuba_lif.weight": v, "lif.weight_hh": w},
        }  # fmt: skip
        return {k: t.detach().clone() for k, t in of[names].items()}

    return change


_KINDS: dict[str, tuple[Change, str | None]] = {
    "none": (plain, EQUAL),
    **{f"prefix {p}": (prefixed(p), EQUAL) for p in ("model.", "module.", "net.", "_orig_mod.", "module.model.")},
    "renamed": (renamed(), EQUAL),
    "names of a cell": (cell, EQUAL),
    "a bias of unknown name": (renamed(rnn__bias_ih_l0="bias_extra"), REFUSED),
    **{f"pruned: {', '.join(w)}": (pruned(*w), EQUAL) for w in
       (("rnn.weight_hh_l0",), ("rnn.weight_ih_l0",), ("fc.weight",), ("rnn.bias_hh_l0",), ("fc.bias",),
        ("rnn.weight_hh_l0", "rnn.bias_ih_l0", "fc.weight", "fc.bias"))},
    **{f"mask: {name}, {kind}": (masked(name, kind), REFUSED) for name, kind in
       (("mask", "random"), ("rnn.mask", "random"), ("rnn.weight_hh_l0_mask", "random"), ("sparsity", "random"),
        ("anything", "random"), ("m", "bool"), ("m", "uint8"), ("connectivity", "turned"), ("neuron_mask", "columns"))},
    **{f"mask of {of}": (masked("mask", of=of), REFUSED) for of in ("rnn.weight_ih_l0", "fc.weight")},
    "mask: already applied": (masked("rnn.weight_hh_l0_mask", "applied"), EQUAL),
    **{f"Dale: {name}, {kind}": (masked(name, kind), REFUSED) for name, kind in
       (("sign", "signs"), ("d", "signs"), ("rnn.ei", "signs"), ("D", "sign matrix"))},
    **{f"parametrised: {k}": (parametrised(k), REFUSED) for k in
       ("own", "weight norm", "spectral norm", "orthogonal", "spectral norm of the readout", "old spectral norm")},
    **{f"parametrised: {k}": (parametrised(k), EQUAL) for k in
       ("old weight norm", "old weight norm of the readout, the other way")},
    "start: zeros": (beside(h0=lambda n: torch.zeros(1, 1, n)), EQUAL),
    **{f"start: {k.replace('__', '.')}": (beside(**{k: lambda n: torch.rand(1, 1, n)}), REFUSED) for k in
       ("h0", "rnn__h0", "init_hidden", "initial_state", "h_init", "x0")},
    **{f"normalised: {k.replace('__', '.')}": (beside(**{k: torch.ones}), REFUSED) for k in
       ("bn__running_mean", "layer_norm__weight", "ln__weight", "ln_f__weight", "norm1__bias")},
    **{f"leak: {k}": (beside(**{k: torch.tensor(0.2)}), REFUSED) for k in ("alpha", "tau", "rnn.leak", "decay")},
    **{f"gain: {k}": (beside(**{k: torch.tensor(1.5)}), REFUSED) for k in ("g", "gain", "rnn.scale")},
    "gain: none": (beside(g=torch.tensor(1.0)), EQUAL),
    "leak: none": (beside(alpha=torch.tensor(1.0)), EQUAL),
    "LoRA": (beside(rnn__lora_A=lambda n: torch.ones(2, n)), REFUSED),
    "checkpoint: state_dict": (checkpoint(lambda s, net: {"state_dict": s, "epoch": 3, "optimizer": adam(net)}), EQUAL),
    "checkpoint: model_state_dict, loss": (
        checkpoint(lambda s, net: {"epoch": 1, "model_state_dict": s, "optimizer_state_dict": adam(net),
                                   "loss": torch.tensor(0.3)}), EQUAL),
    "checkpoint: nested": (checkpoint(lambda s, net: {"state": {"model": s}, "step": 4}), EQUAL),
    "checkpoint: Lightning": (
        checkpoint(lambda s, net: {
            "state_dict": {f"model.{k}": v for k, v in s.items()}, "optimizer_states": [adam(net)], "lr_schedulers": [],
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.1)}}, "hyper_parameters": {"n": 3}}),
        EQUAL),
    "checkpoint: a tuple": (checkpoint(lambda s, net: (s, adam(net))), EQUAL),
    "checkpoint: random numbers' state": (checkpoint(lambda s, net: {"net": s, "rng": torch.get_rng_state()}), EQUAL),
    "checkpoint: two models": (checkpoint(lambda s, net: {"actor": s, "critic": s}), REFUSED),
    "checkpoint: model and its average": (checkpoint(lambda s, net: {"state_dict": s, "ema_state_dict": s}), REFUSED),
    "checkpoint: the optimizer alone": (checkpoint(lambda s, net: {"optimizer": adam(net)}), REFUSED),
    "checkpoint: a tensor": (checkpoint(lambda s, net: s["rnn.weight_hh_l0"]), REFUSED),
    **{f"precision: {str(t)[6:]}": (typed(t), EQUAL) for t in (torch.float64, torch.float16, torch.bfloat16)},
    "precision: int8 with a scale": (integers, REFUSED),
    "precision: too large": (too_large, REFUSED),
    "complex": (beside(rnn__weight_hh_l0=lambda n: torch.ones(n, n, dtype=torch.complex64)), REFUSED),
    "sparse": (beside(rnn__weight_hh_l0=lambda n: torch.eye(n).to_sparse()), REFUSED),
    "sparse rows": (beside(rnn__weight_hh_l0=lambda n: torch.eye(n).to_sparse_csr()), REFUSED),
    "truth values": (beside(rnn__weight_hh_l0=lambda n: torch.ones(n, n, dtype=torch.bool)), REFUSED),
    **{f"spiking: {k}": (spiking(k), REFUSED) for k in
       ("snnTorch", "snnTorch, leaky", "Norse", "sinabs", "SpikingJelly", "Rockpool", "Lava", "by its module")},
}  # fmt: skip

_FLAGGED: list[tuple[str, dict[str, Any]]] = [
    ("two layers", {"num_layers": 2}),
    ("both directions", {"bidirectional": True}),
]

TORCH_CASES = [
    *(_case(name, change, must) for name, (change, must) in _KINDS.items()),
    *(_case(name, plain, REFUSED, **flags) for name, flags in _FLAGGED),
    _case("no bias", plain, EQUAL, bias=False),
    *(
        _case(name, *_KINDS[name], ending=".safetensors")
        for name in ("none", "pruned: rnn.weight_hh_l0", "mask: m, bool", "precision: float64", "precision: bfloat16",
                     "precision: float16", "start: h0", "parametrised: own", "spiking: snnTorch", "complex")
    ),
]  # fmt: skip
