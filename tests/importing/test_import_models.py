"""ONNX files, state dicts and NIR graphs as people export them: as their own runtime says, or refused by name."""

from __future__ import annotations

import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils import prune

from neuromod.errors import UsageError
from neuromod.importing import Choice, read

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

nir = pytest.importorskip("nir")
from import_models import EQUAL, REFUSED, all_cases, judge  # noqa: E402
from import_models_nir import braille, imported, simulate  # noqa: E402
from onnx_changes import chain, last_by, start_by  # noqa: E402
from onnx_models import Model, finish, plain, start  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=[f"{case.reader}: {case.transformation}" for case in CASES])
def test_every_kind_of_file_is_read_as_its_runtime_says_or_refused(case):
    """A sample of ``tests/benchmarks/import_models.py``, one file of each kind."""
    outcome, said = judge(case, np.random.default_rng(7))
    assert outcome in ([case.must] if case.must else [EQUAL, REFUSED]), said


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_operators_at_random_rearrange_the_readout_or_are_refused(tmp_path_factory, seed):
    m = start(np.random.default_rng(seed))
    chain(m)
    path = tmp_path_factory.mktemp("chain") / "a.onnx"
    compare = finish(m, path)
    try:
        found = read(path)
    except UsageError:
        return
    assert compare(found)


def model(tmp_path, change, seed=3):
    m: Model = start(np.random.default_rng(seed))
    change(m)
    finish(m, tmp_path / "a.onnx")
    return tmp_path / "a.onnx"


def test_what_is_not_the_same_network_of_an_onnx_file_is_said(tmp_path):
    assert any("last step alone" in note for note in read(model(tmp_path, last_by("gather"))).notes)
    assert any("from outside (h0)" in note for note in read(model(tmp_path, start_by("input", 0.0))).notes)

    def more(m):
        plain(m)
        m.outputs = ["Y_h", "y"]
        m.put("never used", np.ones(2))
        m.node("Relu", ["h"], "dead")

    found = read(model(tmp_path, more))
    assert found.ignored == ("Y_h", "never used", "Relu dead")
    assert "its output Y_h is the states of the neurons, of the last step" in found.notes


def test_single_precision_is_said_of_an_onnx_file_of_doubles(tmp_path):
    def doubles(m):
        m.dtype, m.n, m.n_in = np.float64, 2, 1
        m.put("W", np.full((1, 2, 1), 0.1))
        m.put("R", [[[0, 1e-60], [0.5, 0]]])
        m.rnn, m.outputs = ["x", "W", "R"], ["Y"]

    found = read(model(tmp_path, doubles))
    assert found.network.n_synapses == 1
    assert "w_rec, w_in: kept in single precision (float32), to which the numbers were rounded" in found.notes
    assert "1 numbers that are not zero are too small for single precision and became zero" in found.notes


def test_a_shape_that_the_file_only_claims_proves_nothing(tmp_path):
    """A reshape that mixes steps and trials, declared as one that does not."""
    hidden, free = 3, ["t", "b"]
    tensors = {"W": np.ones((1, hidden, 2)), "R": np.ones((1, hidden, hidden))}
    tensors = {name: numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()}
    nodes = [
        helper.make_node("RNN", ["x", "W", "R"], ["Y"], hidden_size=hidden, activations=["Relu"]),
        helper.make_node("Reshape", ["Y", "s"], ["y"]),
    ]
    shape = numpy_helper.from_array(np.array([2, -1, hidden]), "s")
    enters = helper.make_tensor_value_info("x", TensorProto.FLOAT, [*free, 2])
    leaves = helper.make_tensor_value_info("y", TensorProto.FLOAT, [*free, hidden])
    graph = helper.make_graph(nodes, "g", [enters], [leaves], [*tensors.values(), shape])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "a.onnx")
    with pytest.raises(UsageError, match="Reshape between the RNN and the output"):
        read(tmp_path / "a.onnx")


def test_operators_of_other_domains_are_not_taken_for_those_of_onnx(tmp_path):
    m = start(np.random.default_rng(0))
    plain(m)
    finish(m, tmp_path / "a.onnx")
    changed = onnx.load(tmp_path / "a.onnx")
    changed.opset_import.append(helper.make_opsetid("mine", 1))
    changed.graph.node[-1].domain = "mine"
    onnx.save(changed, tmp_path / "a.onnx")
    with pytest.raises(UsageError, match="Add between the RNN and the output"):
        read(tmp_path / "a.onnx")


class Exported(nn.Module):
    """What people export: a recurrent layer, a start and a readout."""

    def __init__(self, begin, last):
        super().__init__()
        self.rnn, self.fc = nn.RNN(3, 5, nonlinearity="relu", batch_first=True), nn.Linear(5, 2)
        self.h0 = nn.Parameter(torch.rand(1, 1, 5))
        self.begin, self.last = begin, last

    def forward(self, x):
        h0 = {
            "none": lambda: None,
            "zeros": lambda: torch.zeros(1, x.size(0), 5),
            "like": lambda: x.new_zeros(1, x.size(0), 5),
            "learned": lambda: self.h0.expand(-1, x.size(0), -1).contiguous(),
        }[self.begin]()
        h, last = self.rnn(x, h0)
        return self.fc({"all": h, "index": h[:, -1], "state": last[-1], "rows": h.reshape(-1, 5)}[self.last])


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize(
    ("begin", "last"),
    [("none", "all"), ("zeros", "all"), ("like", "index"), ("learned", "all"), ("zeros", "state"), ("none", "rows")],
)
def test_what_pytorch_exports(tmp_path, begin, last, free):
    torch.manual_seed(1)
    net, x = Exported(begin, last).eval(), torch.randn(2, 6, 3)
    options = {"input_names": ["x"], "dynamic_axes": {"x": {0: "b", 1: "t"}}} if free else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), str(tmp_path / "a.onnx"), dynamo=False, opset_version=18, **options)
    if begin == "learned":
        with pytest.raises(UsageError, match="starts from a state that is not zero"):
            read(tmp_path / "a.onnx")
        return
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    wanted = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    found = read(tmp_path / "a.onnx")
    y = found.network.run(x.numpy().transpose(1, 0, 2))[0]
    y = y[-1] if last in ("index", "state") else y.transpose(1, 0, 2)
    np.testing.assert_allclose(y.reshape(wanted.shape), wanted, atol=1e-5)
    assert "its input is laid out as batch, time, inputs; here it is time, batch, inputs" in found.notes


# State dicts.


def pruned(tmp_path):
    torch.manual_seed(0)
    rnn = nn.RNN(1, 3, nonlinearity="relu")
    prune.custom_from_mask(rnn, "weight_hh_l0", torch.tensor([[0, 1, 0], [0, 0, 0], [1, 0, 0]]))
    prune.custom_from_mask(rnn, "bias_hh_l0", torch.tensor([1, 0, 1]))
    torch.save({f"core.{name}": value for name, value in rnn.state_dict().items()}, tmp_path / "p.pt")
    return rnn


@pytest.mark.parametrize("name", [None, "core.weight_hh_l0", "core.weight_hh_l0_orig", "core.weight_hh_l0_mask"])
def test_pruned_weights_are_multiplied_by_their_masks_whatever_name_is_given(tmp_path, name):
    rnn = pruned(tmp_path)
    found = read(tmp_path / "p.pt", Choice(recurrent=name))
    assert found.network.n_synapses == 2
    np.testing.assert_array_equal(found.network.w_rec.toarray(), rnn.weight_hh_l0.detach().numpy())
    np.testing.assert_allclose(found.network.bias, (rnn.bias_ih_l0 + rnn.bias_hh_l0).detach().numpy(), rtol=1e-6)
    assert found.ignored == ()
    assert "core.weight_hh_l0 is the product of core.weight_hh_l0_orig and core.weight_hh_l0_mask" in found.notes


@pytest.mark.parametrize("kind", ["two layers", "l0", "reverse"])
def test_a_chosen_layer_does_not_get_the_readout_of_another(tmp_path, kind):
    net = nn.ModuleDict({"rnn": nn.RNN(4, 4, 2, nonlinearity="relu"), "fc": nn.Linear(4, 2)})
    torch.save(net.state_dict(), tmp_path / "m.pt")
    if kind == "l0":
        assert read(tmp_path / "m.pt", Choice(recurrent="rnn.weight_hh_l0")).network.n_out == 0
    elif kind == "two layers":
        assert read(tmp_path / "m.pt", Choice(recurrent="rnn.weight_hh_l1")).network.n_out == 2
    else:
        torch.save(nn.RNN(4, 4, bidirectional=True).state_dict(), tmp_path / "m.pt")
        with pytest.raises(UsageError, match="runs backwards"):
            read(tmp_path / "m.pt", Choice(recurrent="weight_hh_l0_reverse"))


def save(tmp_path, **tensors):
    torch.save(tensors, tmp_path / "m.pt")
    return tmp_path / "m.pt"


def test_precision_is_judged_before_the_cast(tmp_path):
    w = torch.tensor([[0, 0.1], [1e-50, 2.0]], dtype=torch.float64)
    found = read(save(tmp_path, weight_hh=w, bias_hh=torch.zeros(2)))
    assert found.network.n_synapses == 2
    assert "w_rec: kept in single precision (float32), to which the numbers were rounded" in found.notes
    assert "1 numbers that are not zero are too small for single precision and became zero" in found.notes
    w[1, 0] = -3e50
    with pytest.raises(UsageError, match=r"single precision \(float32\) cannot: -3e\+50 at \[1, 0\]"):
        read(save(tmp_path, weight_hh=w))


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (
            {"weight_hh": torch.eye(2), "gate": torch.tensor([[1, 0], [1, 0]])},
            "gate looks like a mask or signs of weight_hh",
        ),
        ({"weight_hh": -torch.eye(2), "d": torch.tensor([1.0, -1.0])}, "d looks like a mask or signs of weight_hh"),
        ({"weight_hh": torch.eye(2), "h0": torch.ones(2)}, r"starts from a state that is not zero \(h0\)"),
        ({"weight_hh": torch.eye(2), "bn.running_var": torch.ones(2)}, r"normalises its values \(bn\.running_var\)"),
        ({"a": {"w": torch.eye(2)}, "b": {"w": torch.eye(2)}}, "several state dicts, a, b; save one alone"),
        ({"best": {"epoch": 3, "score": torch.tensor(1.0)}}, "no state dict, names with their tensors, among best"),
        ({"lif.weight_hh": torch.eye(2)}, "spiking network.*export it as NIR"),
        (
            {"weight_hh_orig": torch.eye(2), "weight_hh_u": torch.ones(2)},
            "weight_hh is made of weight_hh_orig, weight_hh_u",
        ),
    ],
)
def test_what_a_state_dict_does_not_tell_is_refused_by_name(tmp_path, held, said):
    with pytest.raises(UsageError, match=said):
        read(save(tmp_path, **held))


def test_checkpoints_name_what_lies_beside_the_model(tmp_path):
    state = {"weight_hh_l0": torch.eye(2)}
    inner = {"ema_decay": torch.tensor(0.9), "model": state, "optimizer": {"state": {}, "param_groups": []}}
    found = read(save(tmp_path, step=1, trainer=inner, loss=torch.tensor(0.5)))
    assert found.network.n_synapses == 2
    assert found.ignored == ("loss", "trainer.ema_decay")


def test_an_archive_over_several_disks_is_refused(tmp_path):
    end = b"PK\x05\x06" + bytes(18)
    (tmp_path / "m.pt").write_bytes(bytes(60) + b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 2) + end)
    with pytest.raises(UsageError, match=r"no readable checkpoint.*multiple disks"):
        read(tmp_path / "m.pt")


# NIR.


def test_a_refusal_of_nir_says_its_reason_once(tmp_path):
    nodes, edges = braille(np.random.default_rng(0))
    nodes["fc2"] = nir.Delay(delay=np.ones(len(nodes["fc1"].weight)))
    path = tmp_path / "delay.nir"
    nir.write(path, nir.NIRGraph(nodes, edges, type_check=False))
    with pytest.raises(UsageError) as error:
        read(path)
    assert str(error.value) == f"cannot import {path}: the node fc2 is a Delay, which cannot be represented here"


@pytest.mark.parametrize("seed", range(4))
def test_a_network_as_the_braille_networks_of_the_nir_paper(tmp_path, seed):
    """Input, Affine or Linear, CubaLIF with a recurrent node beside it, Affine or Linear, CubaLIF, output."""
    rng = np.random.default_rng(seed)
    nodes, edges = braille(rng)
    nir.write(tmp_path / "braille.nir", nir.NIRGraph(nodes, edges))
    found = read(tmp_path / "braille.nir")
    n, k = len(nodes["fc1"].weight), len(nodes["fc2"].weight)
    w = found.network.w_rec.toarray()
    np.testing.assert_array_equal(w[:n, :n], nodes["lif1.w_rec"].weight)
    np.testing.assert_array_equal(w[n:, :n], nodes["fc2"].weight)
    assert not w[:, n:].any()
    np.testing.assert_array_equal(
        found.network.w_in, np.vstack([nodes["fc1"].weight, np.zeros((k, found.network.n_in))])
    )
    assert not any("precision" in note for note in found.notes)
    x = (rng.random((30, found.network.n_in)) < 0.5).astype(float)
    np.testing.assert_allclose(imported(found.network, x), simulate(nodes, edges, x), atol=1e-6)


def test_nir_says_what_single_precision_does(tmp_path):
    nodes, edges = braille(np.random.default_rng(2))
    nodes["fc1"] = nir.Linear(nodes["fc1"].weight.astype(np.float64) / 3)
    nir.write(tmp_path / "a.nir", nir.NIRGraph(nodes, edges))
    assert any("w_in: kept in single precision" in note for note in read(tmp_path / "a.nir").notes)
