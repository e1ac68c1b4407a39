from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.exporting import onnx as exporting
from neuromod.importing import onnx as importing


def network_of(n=20, density=0.2, seed=0):
    rng = np.random.default_rng(seed)
    return Network(
        w_rec=rng.normal(size=(n, n)) * (rng.random((n, n)) < density),
        w_in=rng.normal(size=(n, 4)),
        w_out=rng.normal(size=(3, n)),
        bias=rng.normal(size=n),
        bias_out=rng.normal(size=3),
        dt_s=0.1,
        tau_s=0.3,
        positions=rng.random((n, 2)),
        neuron_ids=rng.permutation(100)[:n],
        info={"tasks": ["go"]},
    )


@pytest.mark.parametrize("density", [0, 0.2, 1])
@pytest.mark.parametrize("name", ["network.onnx", "network_step.onnx"])
def test_own_files_come_back_to_the_last_bit(tmp_path, density, name):
    network = network_of(density=density)
    exporting.write(network, tmp_path)
    assert importing.read_network(tmp_path / name).sha256() == network.sha256()


def rnn_model(n=5, n_in=3, n_out=2, *, activation="Relu", readout="MatMul", change=lambda nodes, tensors: None):
    rng = np.random.default_rng(1)
    tensors = {
        "W": rng.normal(size=(1, n, n_in)),
        "R": rng.normal(size=(1, n, n)) * 0.3,
        "B": rng.normal(size=(1, 2 * n)),
        "V": rng.normal(size=(n, n_out)),
        "c": rng.normal(size=n_out),
        "axes": np.array([1]),
    }
    nodes = [
        helper.make_node("RNN", ["x", "W", "R", "B"], ["states", ""], hidden_size=n, activations=[activation]),
        helper.make_node("Squeeze", ["states", "axes"], ["h"]),
        helper.make_node(readout, ["h", "V"], ["p"]),
        helper.make_node("Add", ["p", "c"], ["y"]),
    ]
    change(nodes, tensors)
    values = [helper.make_tensor_value_info(*v) for v in (("x", 1, ["t", "b", n_in]), ("y", 1, ["t", "b", n_out]))]
    initial = [
        numpy_helper.from_array(v.astype(np.int64 if k == "axes" else np.float32), k) for k, v in tensors.items()
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_an_rnn_of_another_tool_runs_as_it_does_in_onnxruntime(tmp_path):
    model = rnn_model()
    onnx.save(model, tmp_path / "a.onnx")
    network = importing.read_network(tmp_path / "a.onnx")
    x = np.random.default_rng(0).normal(size=(9, 4, 3)).astype(np.float32)
    wanted = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(network.run(x)[0], wanted, atol=1e-5)
    assert network.info["dt_known"] is False


def with_first_state(nodes, tensors):
    tensors["h0"] = np.ones((1, 1, 5))
    nodes[0].input.extend(["", "h0"])


def from_the_left(nodes, tensors):
    tensors["V"] = np.ones((5, 5))
    nodes[2] = helper.make_node("MatMul", ["V", "h"], ["p"])


def turned(nodes, tensors):
    nodes[1] = helper.make_node("Transpose", ["states"], ["h"], perm=[0, 1, 3, 2])


def softmax(nodes, tensors):
    nodes[2] = helper.make_node("MatMul", ["s", "V"], ["p"])
    nodes.insert(2, helper.make_node("Softmax", ["h"], ["s"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_first_state, "starts from a state that is not zero"),
        (from_the_left, "MatMul between the RNN and the output"),
        (turned, "MatMul between the RNN and the output"),
        (softmax, "Softmax between the RNN and the output"),
    ],
)
def test_nothing_of_a_model_is_left_out_without_a_word(tmp_path, change, said):
    onnx.save(rnn_model(change=change), tmp_path / "a.onnx")
    with pytest.raises(UsageError, match=said):
        importing.read_network(tmp_path / "a.onnx")


def test_a_readout_of_the_last_state_alone(tmp_path):
    def change(nodes, tensors):
        nodes[0].output[1] = "last"
        nodes[1] = helper.make_node("Squeeze", ["last", "axes"], ["h"])
        tensors["axes"] = np.array([0])

    onnx.save(rnn_model(change=change), tmp_path / "a.onnx")
    plain = rnn_model()
    onnx.save(plain, tmp_path / "b.onnx")
    last, every = (importing.read_network(tmp_path / name) for name in ("a.onnx", "b.onnx"))
    assert last.sha256() == every.sha256()


def torch_file(path, *, dynamo=False, length=7, **options):
    """What `torch.onnx.export` makes of an RNN with a readout, and the module."""
    torch = pytest.importorskip("torch")
    import warnings

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.RNN(3, 5, **{"nonlinearity": "relu", **options})
            self.out = torch.nn.Linear(10 if options.get("bidirectional") else 5, 2)

        def forward(self, x):
            return self.out(self.rnn(x)[0])

    net = Net()
    x = torch.rand(length, 2, 3)
    if dynamo:
        pytest.importorskip("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"external_data": False} if dynamo else {}
        torch.onnx.export(net, (x,), str(path), dynamo=dynamo, opset_version=18, **options)
    return net, x


@pytest.mark.parametrize("bias", [True, False])
def test_an_rnn_written_by_pytorch(tmp_path, bias):
    net, x = torch_file(tmp_path / "a.onnx", bias=bias)
    network = importing.read_network(tmp_path / "a.onnx")
    np.testing.assert_allclose(network.run(x.numpy())[0], net(x).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_layers": 2}, "recurrent nodes: RNN, RNN"),
        ({"bidirectional": True}, "found bidirectional"),
        ({"nonlinearity": "tanh"}, "found forward, Tanh"),
    ],
)
def test_other_rnns_of_pytorch_are_refused(tmp_path, options, said):
    torch_file(tmp_path / "a.onnx", **options)
    with pytest.raises(UsageError, match=said):
        importing.read_network(tmp_path / "a.onnx")


def test_pytorchs_newer_exporter_unrolls_and_that_is_said(tmp_path):
    torch_file(tmp_path / "a.onnx", dynamo=True)
    with pytest.raises(UsageError, match=r"unrolled.*dynamo=False"):
        importing.read_network(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("model", "said"),
    [(rnn_model(activation="Tanh"), "found forward, Tanh"), (rnn_model(readout="Mod"), "Mod between the RNN")],
)
def test_what_cannot_be_represented_is_named(tmp_path, model, said):
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(UsageError, match=said):
        importing.read_network(tmp_path / "a.onnx")


def test_other_models_are_refused(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [1])],
        [helper.make_tensor_value_info("y", 1, [1])],
    )
    onnx.save(helper.make_model(graph), tmp_path / "a.onnx")
    with pytest.raises(UsageError, match="recurrent nodes: none"):
        importing.read_network(tmp_path / "a.onnx")


# Hostile files.


@pytest.fixture
def own(tmp_path):
    exporting.write(network_of(), tmp_path)
    return tmp_path / "network.onnx"


def test_truncated_files_are_one_sentence(own):
    whole = own.read_bytes()
    for share in (0, 0.2, 0.5, 0.99):
        own.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UsageError, match="cannot (read|use)"):  # noqa: RUF043
            importing.read_network(own)
    with pytest.raises(UsageError, match="cannot read"):
        importing.read_network(own.parent / "missing.onnx")


def test_weights_in_other_files_are_refused(own, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(400))
    model = onnx.load(own)
    tensor = next(t for t in model.graph.initializer if t.name == "bias")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    own.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match="bias lies in another file"):
        importing.read_network(own)


def test_sparse_weights_in_other_files_are_refused(own):
    model = onnx.load(own)
    values = numpy_helper.from_array(np.ones(1, np.float32), "few")
    values.ClearField("raw_data")
    values.data_location = TensorProto.EXTERNAL
    values.external_data.add(key="location", value="../secret")
    places = numpy_helper.from_array(np.zeros((1, 1), np.int64))
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=values, indices=places, dims=[4]))
    own.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match="few lies in another file"):
        importing.read_network(own)


def edit(path, change):
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())


def set_tensor(model, name, values):
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def set_metadata(model, key, value):
    next(prop for prop in model.metadata_props if prop.key == key).value = value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: set_tensor(m, "bias", np.full(20, np.nan, np.float32)), "not finite"),
        (lambda m: set_tensor(m, "bias", np.zeros(7, np.float32)), "bias"),
        (lambda m: set_tensor(m, "bias", np.zeros(20, np.float64)), "its graph is not"),
        (lambda m: set_tensor(m, "w_rec.index", np.full(3, 60000, np.uint16)), "valid network"),
        (lambda m: set_tensor(m, "keep", np.float32(0.5)), "keep does not fit"),
        (lambda m: set_metadata(m, "neuromod.network", "[" * 100000), "valid network"),
        (
            lambda m: set_metadata(m, "neuromod.network", json.dumps({"n": 10**9, "n_in": 1, "n_out": 1})),
            "valid network",
        ),
        (lambda m: m.graph.node.pop(3), "its graph is not"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(slice(None), [2**40]), "declares the shape"),
    ],
)
def test_changed_files_are_one_sentence(own, change, said):
    edit(own, change)
    with pytest.raises(UsageError, match=said):
        importing.read_network(own)


def test_damaged_bytes_never_do_more_than_one_sentence(own):
    whole = bytearray(own.read_bytes())
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        damaged = whole.copy()
        for place in rng.integers(0, len(whole), 10):
            damaged[place] = rng.integers(256)
        own.write_bytes(damaged)
        try:
            importing.read_network(own)
        except UsageError:
            refused += 1
    assert refused > 0
