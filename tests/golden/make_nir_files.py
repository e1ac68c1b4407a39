"""Write small networks as NIR with the tools that others use, and beside them the weights as the tool holds them.

``python tests/golden/make_nir_files.py snntorch|norse|spikingjelly|sinabs|rockpool`` in an environment that has the
tool. The weights are random numbers of seed 0, so nothing in the files is anybody else's.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import sys
from pathlib import Path

import nir
import torch
from torch import nn

FOLDER = Path(__file__).parent / "nir"


def linear(layer):
    return {"weight": layer.weight.detach().tolist(), "bias": None if layer.bias is None else layer.bias.tolist()}


def snntorch():
    import snntorch
    from snntorch.export_nir import export_to_nir

    def leaky(n):
        return snntorch.Leaky(beta=torch.full((n,), 0.8), threshold=torch.ones(n), init_hidden=True)

    net = nn.Sequential(nn.Linear(3, 4), leaky(4), nn.Linear(4, 2), leaky(2))
    yield "feedforward", export_to_nir(net, torch.rand(3)), [linear(net[0]), linear(net[2])]
    recurrent = snntorch.RLeaky(
        beta=torch.full((4,), 0.9), threshold=torch.ones(4), linear_features=4, init_hidden=True, all_to_all=True
    )
    net = nn.Sequential(nn.Linear(3, 4), recurrent, nn.Linear(4, 2), leaky(2))
    first = {**linear(net[0]), "recurrent": linear(recurrent.recurrent)}
    yield "recurrent", export_to_nir(net, torch.rand(3)), [first, linear(net[2])]
    synaptic = snntorch.RSynaptic(
        alpha=torch.full((4,), 0.7), beta=torch.full((4,), 0.9), threshold=torch.ones(4), linear_features=4,
        init_hidden=True, all_to_all=True,
    )  # fmt: skip
    net = nn.Sequential(nn.Linear(3, 4), synaptic, nn.Linear(4, 2), leaky(2))
    first = {**linear(net[0]), "recurrent": linear(synaptic.recurrent)}
    yield "recurrent_cuba", export_to_nir(net, torch.rand(3)), [first, linear(net[2])]


def norse():
    import norse.torch as norse

    for name, cell in (("lif_box", norse.LIFBoxCell), ("lif", norse.LIFCell)):
        net = norse.SequentialState(nn.Linear(3, 4), cell(), nn.Linear(4, 2), cell())
        yield name, norse.to_nir(net, torch.rand(1, 3)), [linear(net[0]), linear(net[2])]


def spikingjelly():
    from spikingjelly.activation_based import layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    for name, make in (("if", neuron.IFNode), ("lif", lambda: neuron.LIFNode(tau=2.0))):
        net = nn.Sequential(layer.Linear(3, 4), make(), layer.Linear(4, 2), make())
        graph = export_to_nir(net, torch.rand(1, 3), save_path=None, dt=1e-4)
        yield name, graph, [linear(net[0]), linear(net[2])]


def sinabs():
    import sinabs.layers as layers
    from sinabs.nir import to_nir

    for name, make in (("iaf", layers.IAF), ("lif", lambda: layers.LIF(tau_mem=10.0))):
        net = nn.Sequential(nn.Linear(3, 4), make(), nn.Linear(4, 2), make())
        yield name, to_nir(net, torch.rand(1, 5, 3)), [linear(net[0]), linear(net[2])]


def rockpool():
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFTorch, LinearTorch, to_nir

    net = Sequential(LinearTorch((3, 4), has_bias=True), LIFTorch(4), LinearTorch((4, 2)), LIFTorch(2))
    graph = to_nir(net, torch.rand(1, 5, 3))
    first, second = net[0], net[2]  # it multiplies from the left
    layers = [{"weight": m.weight.detach().t().tolist(), "bias": None if m.bias is None else m.bias.tolist()}
              for m in (first, second)]  # fmt: skip
    yield "cuba", graph, layers


def plain(graph):
    """The graph with arrays instead of tensors that know their gradient, which `nir.write` refuses."""
    for node in graph.nodes.values():
        for key, value in vars(node).items():
            if isinstance(value, torch.Tensor):
                setattr(node, key, value.detach().numpy())
    return graph


def main(tool: str) -> None:
    torch.manual_seed(0)
    FOLDER.mkdir(exist_ok=True)
    made_by = f"{tool} {importlib.metadata.version(tool)}, nir {importlib.metadata.version('nir')}"
    for name, graph, layers in globals()[tool]():
        path = FOLDER / f"{tool}_{name}.nir"
        try:
            nir.write(path, plain(graph))
        except TypeError:  # parameters that are scalars cannot be compressed
            nir.write(path, plain(graph), compression=None)
        packed = gzip.compress(path.read_bytes(), mtime=0)
        path.unlink()
        path.with_suffix(".nir.gz").write_bytes(packed)
        path.with_suffix(".json").write_text(json.dumps({"made_by": made_by, "layers": layers}) + "\n")
        print(path.name, len(packed), "bytes packed")


if __name__ == "__main__":
    main(sys.argv[1])
