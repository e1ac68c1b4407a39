from __future__ import annotations

import copy
import gc
import importlib.util
import json
import pickle
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import snntorch
import torch
from safetensors.numpy import load_file

from neuromod.errors import UsageError
from neuromod.exporting import snn
from neuromod.hardware.grid import Grid
from neuromod.mapping.placement import Placement
from neuromod.spiking import conversion


def load(folder):
    """Load as a user does, from the folder's own model.py."""
    spec = importlib.util.spec_from_file_location("exported_model", folder / "model.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where pickle looks for it
    spec.loader.exec_module(module)
    return module.load(folder)


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def exported(solver, tmp_path):
    def make(**kwargs):
        reset = kwargs.pop("reset", "soft")
        floor = kwargs.pop("floor", 0.0)
        spiking = conversion.convert(solver, np.linspace(1, 2, 17), **{"substeps": 5, **kwargs})
        spiking = replace(spiking, reset=reset, floor=floor)
        snn.write(spiking, tmp_path / "snn", network=solver)
        return spiking, tmp_path / "snn"

    return make


@pytest.mark.parametrize("mode", ["hold", "continuous"])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("floor", [0.0, None])
@pytest.mark.parametrize("input", ["constant", "counts"])
def test_exported_model_runs_as_the_reference(exported, mode, reset, floor, input):
    spiking, folder = exported(mode=mode, reset=reset, floor=floor, input=input, input_peak=np.full(53, 3.0))
    x = np.random.default_rng(0).normal(size=(12, 6, 53)).astype(np.float32)
    wanted = spiking.run(x)
    with torch.no_grad():
        y, spikes, _ = load(folder)(torch.from_numpy(x))
    # Sums are taken in another order, so a membrane within rounding of the threshold may fire one substep later.
    assert (spikes.numpy() == wanted.spikes).mean() > 0.999
    np.testing.assert_allclose(y.numpy(), wanted.y, atol=1e-3)


@pytest.mark.parametrize("mode", ["hold", "continuous"])
@pytest.mark.parametrize("input", ["constant", "counts"])
def test_state_in_and_out_continues_without_a_seam(exported, mode, input):
    _, folder = exported(mode=mode, input=input)
    model = load(folder)
    x = torch.rand(10, 3, 53)
    with torch.no_grad():
        y, spikes, last = model(x)
        y_a, spikes_a, state = model(x[:4])
        model(torch.rand(5, 7, 53))  # somebody else's call in between leaves no trace
        y_b, spikes_b, state = model(x[4:], state)
    assert torch.equal(torch.cat([y_a, y_b]), y)
    assert torch.equal(torch.cat([spikes_a, spikes_b]), spikes)
    assert all(torch.equal(a, b) for a, b in zip(state, last, strict=True))


def test_trains_by_surrogate_gradient(exported):
    _, folder = exported()
    model = load(folder)
    y, _, _ = model(torch.rand(6, 3, 53))
    y.square().sum().backward()
    assert model.w_rec.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("keep", [1.0, 0.9])
def test_membranes_spikes_and_gradients_are_those_of_snntorchs_leaky(exported, keep):
    """To the last bit, with the state carried outside."""
    _, folder = exported(mode="hold", floor=-1.0)
    edit(folder, keep=keep)
    model, theirs = load(folder), load(folder)
    x = 3 * torch.rand(8, 5, 53, generator=torch.Generator().manual_seed(0))
    y, spikes, state = model(x)

    leaky = snntorch.Leaky(beta=keep, threshold=1.0, reset_mechanism="none")
    membrane, current, readout, *_ = theirs.initial(5)
    alpha, outputs, counts = theirs.config["alpha"], [], []
    for x_t in x:
        drive, arrived, read, count = theirs.w_in(x_t), 0, 0, 0
        for _ in range(5):
            spike, membrane = leaky(drive + current, membrane)
            membrane = (membrane - spike).clamp(min=-1)
            count, arrived, read = count + spike, arrived + theirs.w_rec(spike), read + theirs.w_out(spike)
        current = (1 - alpha) * current + (alpha / 5) * arrived
        readout = (1 - alpha) * readout + (alpha / 5) * read
        outputs.append(readout + theirs.bias_out)
        counts.append(count)

    assert 0 < spikes.mean() < 5
    assert torch.equal(y, torch.stack(outputs))
    assert torch.equal(spikes, torch.stack(counts))
    assert all(torch.equal(a, b) for a, b in zip(state, (membrane, current, readout), strict=False))
    y.square().sum().backward()
    torch.stack(outputs).square().sum().backward()
    for name in ("w_in", "w_rec", "w_out"):
        assert torch.equal(getattr(model, name).weight.grad, getattr(theirs, name).weight.grad)


def test_many_calls_at_once_are_right(exported):
    _, folder = exported()
    model = load(folder)
    inputs = [torch.rand(12, batch, 53) for batch in (1, 3, 8, 8) * 8]
    with torch.no_grad():
        alone = [model(x) for x in inputs]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(model, inputs))
    for (y, spikes, state), (y_alone, spikes_alone, state_alone) in zip(together, alone, strict=True):
        assert torch.equal(y, y_alone)
        assert torch.equal(spikes, spikes_alone)
        assert all(torch.equal(a, b) for a, b in zip(state, state_alone, strict=True))


def test_a_call_with_gradients_leaves_nothing_behind(exported):
    _, folder = exported()
    registered = len(snntorch.SpikingNeuron.instances)
    model = load(folder)
    x = torch.rand(6, 3, 53)
    y = model(x)[0]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert torch.equal(copy.deepcopy(model)(x)[0], y)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x)[0], y)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(tensor.grad_fn for tensor in model.state_dict(keep_vars=True).values())
    # Whoever deletes the model and its outputs has the memory back.
    watched = [weakref.ref(model), *(weakref.ref(part) for part in model.modules())]
    y.grad_fn.register_hook(graph := Canary())
    watched.append(weakref.ref(graph))
    del model, y, graph
    gc.collect()
    assert [ref() for ref in watched] == [None] * len(watched)
    assert len(snntorch.SpikingNeuron.instances) == registered


class Canary:
    """Lives as long as the graph that it is hooked to."""

    def __call__(self, *_):
        return None


def test_compiles_and_computes_in_double_precision(exported):
    _, folder = exported(substeps=2)
    model = load(folder)
    x = torch.rand(2, 2, 53)
    y, spikes, _ = model(x)
    compiled = torch.compile(model, backend="eager", fullgraph=True)(x)
    assert torch.equal(compiled[0], y)
    assert torch.equal(compiled[1], spikes)
    doubled = copy.deepcopy(model).double()
    y_double, spikes_double, state = doubled(x.double())
    assert {y_double.dtype, spikes_double.dtype, *(part.dtype for part in state)} == {torch.float64}
    torch.testing.assert_close(y_double.float(), y, atol=1e-5, rtol=0)
    assert torch.equal(spikes_double.float(), spikes)
    y_double.sum().backward()
    assert doubled.w_rec.weight.grad.dtype == torch.float64


def test_synapses_carry_zeros_and_ones_through_linear_layers(exported):
    for mode in ("hold", "continuous"):
        _, folder = exported(mode=mode)
        model = load(folder)
        seen: list[torch.Tensor] = []
        for layer in (model.w_rec, model.w_out):
            assert isinstance(layer, torch.nn.Linear)
            layer.register_forward_hook(lambda _module, inputs, _output, seen=seen: seen.append(inputs[0]))
        with torch.no_grad():
            model(torch.rand(4, 2, 53))
        assert seen
        assert all(((s == 0) | (s == 1)).all() for s in seen)


def test_folder_runs_without_neuromod(exported):
    _, folder = exported()
    code = (
        "import sys, runpy; sys.modules['neuromod'] = None; sys.path.insert(0, '.');"
        "runpy.run_path('example.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "decides for" in done.stdout


def test_sparse_matrices_are_stored_sparse_and_nothing_else_is_lost(exported):
    spiking, folder = exported()
    tensors = load_file(folder / "weights.safetensors")
    assert "w_rec.index" in tensors
    assert len(tensors["w_rec.value"]) == 16
    model = load(folder)
    np.testing.assert_array_equal(model.w_rec.weight.detach().numpy(), spiking.w_rec.toarray())
    np.testing.assert_array_equal(model.w_in.weight.detach().numpy(), spiking.w_in)
    np.testing.assert_array_equal(model.w_in.bias.detach().numpy(), spiking.bias)
    np.testing.assert_array_equal(model.w_out.weight.detach().numpy(), spiking.w_out)
    np.testing.assert_array_equal(model.scale.numpy(), spiking.scale)


def test_equal_input_gives_equal_bytes(exported):
    _, folder = exported()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "left_over.txt").write_text("from before")
    _, folder = exported()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(before) == {"model.py", "weights.safetensors", "config.json", "example.py"}


def test_config_says_what_the_network_is(exported, solver):
    _, folder = exported(mode="continuous")
    config = json.loads((folder / "config.json").read_text())
    assert [config[key] for key in ("n", "n_in", "n_out")] == [17, 53, 17]
    assert [config[key] for key in ("substeps", "mode", "delay", "reset", "floor")] == [5, "continuous", 2, "soft", 0]
    assert config["about"]["provenance"]["network_sha256"] == solver.sha256()
    assert config["about"]["positions"][16] == [3.0, 1.0]


def test_placement_of_another_network_leaves_nothing_behind(solver, tmp_path):
    spiking = conversion.convert(solver, np.ones(17), substeps=2)
    placement = Placement(Grid(1, 1), np.zeros(17, int), 17, "mesh", "tiles", 0, "0" * 64)
    with pytest.raises(UsageError, match="another network"):
        snn.write(spiking, tmp_path / "snn", network=solver, placement=placement)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["hold", "continuous"])
def test_inputs_as_spikes_are_said_and_verified(exported, solver, mode):
    from neuromod.verification.snn import verify_snn

    spiking, folder = exported(mode=mode, input="counts", input_peak=np.full(53, 1.5), substeps=10)
    said = json.loads((folder / "config.json").read_text())
    assert said["input"] == "counts"
    assert "none or one spike in a substep" in said["input_channels"]
    limits = {"n_trials": 100, "min_agreement": 0, "max_accuracy_gap": 1}
    assert verify_snn(folder, solver, spiking=spiking, **limits)["reasons"] == []
    # A model that took another size of spikes would not pass.
    other = replace(spiking, input_peak=spiking.input_peak * 1.01)
    snn.write(other, folder, network=solver)
    assert not verify_snn(folder, solver, spiking=spiking, **limits)["passed"]
