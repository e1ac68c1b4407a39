from __future__ import annotations

import contextlib
import os

import numpy as np
import pytest

from neuromod.errors import UsageError
from neuromod.spiking import conversion

nir = pytest.importorskip("nir")
h5py = pytest.importorskip("h5py")
exporting = pytest.importorskip("neuromod.exporting.nir")
importing = pytest.importorskip("neuromod.importing.nir")


def lif(n, **changes):
    values = {"tau": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0}
    return nir.LIF(**{**{key: np.full(n, value) for key, value in values.items()}, **changes})


def cuba(n):
    values = {"tau_syn": 0.005, "tau_mem": 0.01, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0, "w_in": 3.0}
    return nir.CubaLIF(**{key: np.full(n, value) for key, value in values.items()})


def affine(rows, columns, seed=0, bias=0.0):
    rng = np.random.default_rng(seed)
    return nir.Affine(weight=rng.normal(size=(rows, columns)).astype(np.float32), bias=np.full(rows, bias, np.float32))


def write(path, nodes, edges, **kwargs):
    ends = {"input": nir.Input({"input": np.array([3])}), "output": nir.Output({"output": np.array([2])})}
    nir.write(path, nir.NIRGraph({**ends, **nodes}, edges, **kwargs))
    return path


RECURRENT = [("input", "a"), ("a", "l"), ("l", "r"), ("r", "l"), ("l", "o"), ("o", "output")]


def recurrent(path, neurons, **kwargs):
    nodes = {"a": affine(4, 3, bias=0.5), "l": neurons, "r": affine(4, 4, 1, bias=0.25), "o": affine(2, 4, 2)}
    return write(path, nodes, RECURRENT, **kwargs), nodes


@pytest.mark.parametrize("neurons", [lif(4), cuba(4), nir.IF(r=np.ones(4), v_threshold=np.full(4, 2.0))])
def test_flat_recurrent_graph(tmp_path, neurons):
    path, nodes = recurrent(tmp_path / "a.nir", neurons, metadata={"dt_s": 1e-3})
    network = importing.read_network(path)
    np.testing.assert_allclose(network.w_in, nodes["a"].weight)
    np.testing.assert_allclose(network.w_rec.toarray(), nodes["r"].weight)
    np.testing.assert_allclose(network.w_out, nodes["o"].weight)
    np.testing.assert_allclose(network.bias, 0.75)
    group = network.info["nir"]["groups"][0]
    assert group["type"] == type(neurons).__name__
    assert group["v_threshold"] == neurons.v_threshold[0]
    assert network.dt_s == 1e-3


def test_layers_become_blocks(tmp_path):
    nodes = {"a": affine(4, 3), "x": lif(4), "b": affine(5, 4, 1), "y": cuba(5), "o": affine(2, 5, 2)}
    edges = [("input", "a"), ("a", "x"), ("x", "b"), ("b", "y"), ("y", "o"), ("o", "output")]
    network = importing.read_network(write(tmp_path / "a.nir", nodes, edges))
    assert network.n == 9
    w_rec = network.w_rec.toarray()
    np.testing.assert_allclose(w_rec[4:, :4], nodes["b"].weight)
    assert not w_rec[:4].any()
    assert not w_rec[4:, 4:].any()
    np.testing.assert_allclose(network.w_out[:, 4:], nodes["o"].weight)
    assert not network.w_out[:, :4].any()
    assert not network.w_in[4:].any()
    assert [group["type"] for group in network.info["nir"]["groups"]] == ["LIF", "CubaLIF"]
    assert network.info["nir"]["dt_known"] is False


def test_linear_nodes_in_a_row_are_multiplied_and_parallel_ones_added(tmp_path):
    nodes = {
        "a": affine(5, 3, bias=1.0),
        "s": nir.Scale(scale=np.arange(5.0)),
        "b": nir.Linear(weight=affine(4, 5, 1).weight),
        "c": affine(4, 3, 2),
        "x": lif(4),
        "o": affine(2, 4, 3),
    }
    edges = [
        ("input", "a"),
        ("a", "s"),
        ("s", "b"),
        ("b", "x"),
        ("input", "c"),
        ("c", "x"),
        ("x", "o"),
        ("o", "output"),
    ]
    network = importing.read_network(write(tmp_path / "a.nir", nodes, edges))
    chain = nodes["b"].weight @ np.diag(np.arange(5.0))
    np.testing.assert_allclose(network.w_in, chain @ nodes["a"].weight + nodes["c"].weight, rtol=1e-6)
    np.testing.assert_allclose(network.bias, chain @ np.ones(5), rtol=1e-6)


def test_nested_subgraphs_are_taken_apart(tmp_path):
    inner = nir.NIRGraph(
        {"input": nir.Input({"input": np.array([4])}), "lif": lif(4), "w_rec": affine(4, 4, 1),
         "output": nir.Output({"output": np.array([4])})},
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )  # fmt: skip
    nodes = {"a": affine(4, 3), "rnn": inner, "o": affine(2, 4, 2)}
    edges = [("input", "a"), ("a", "rnn"), ("rnn", "o"), ("o", "output")]
    network = importing.read_network(write(tmp_path / "a.nir", nodes, edges))
    np.testing.assert_allclose(network.w_rec.toarray(), inner.nodes["w_rec"].weight)
    np.testing.assert_allclose(network.w_in, nodes["a"].weight)
    np.testing.assert_allclose(network.w_out, nodes["o"].weight)


def test_parameters_of_single_neurons_are_kept(tmp_path):
    path, _ = recurrent(tmp_path / "a.nir", lif(4, tau=np.array([0.01, 0.02, 0.03, 0.04])))
    assert importing.read_network(path).info["nir"]["groups"][0]["tau"] == [0.01, 0.02, 0.03, 0.04]


def same(a, b):
    assert a.info == b.info
    assert (a.dt_s, a.n_in, a.n_out) == (b.dt_s, b.n_in, b.n_out)
    for name in ("w_in", "w_out", "bias", "bias_out"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(a.w_rec.toarray(), b.w_rec.toarray())
    assert a.sha256() == b.sha256()


@pytest.mark.parametrize("kind", ["lif", "cuba", "layers", "literal", "readout"])
def test_in_out_in_is_identical(solver, tmp_path, kind):
    if kind in ("lif", "cuba"):
        path, _ = recurrent(tmp_path / "a.nir", {"lif": lif, "cuba": cuba}[kind](4), metadata={"reset": "soft"})
    elif kind == "layers":
        nodes = {
            "a": affine(4, 3, bias=1.0),
            "x": lif(4),
            "b": affine(5, 4, 1),
            "y": cuba(5),
            "o": affine(2, 5, 2, 0.5),
        }
        edges = [("input", "a"), ("a", "x"), ("x", "b"), ("b", "y"), ("y", "o"), ("o", "output")]
        path = write(tmp_path / "a.nir", nodes, edges)
    elif kind == "readout":
        readout = nir.LI(tau=np.full(2, 0.02), r=np.ones(2), v_leak=np.zeros(2))
        nodes = {"a": affine(4, 3), "l": lif(4), "o": affine(2, 4, 2), "li": readout}
        path = write(tmp_path / "a.nir", nodes, [("input", "a"), ("a", "l"), ("l", "o"), ("o", "li"), ("li", "output")])
    else:
        spiking = conversion.convert(solver, np.ones(17), substeps=4, mode="continuous", delay=0, floor=None)
        path = exporting.write(spiking, tmp_path / "a.nir", network=solver, form="literal")
    first = importing.read_network(path)
    second = importing.read_network(exporting.save(exporting.rebuild(first), tmp_path / "b.nir"))
    same(first, second)


def test_own_export_comes_back_as_what_was_written(solver, tmp_path):
    spiking = conversion.convert(solver, np.ones(17), substeps=4, mode="continuous", delay=0, floor=None)
    network = importing.read_network(exporting.write(spiking, tmp_path / "a.nir", network=solver))
    np.testing.assert_allclose(network.w_rec.toarray(), np.float32(spiking.share) * spiking.w_rec.toarray(), rtol=1e-6)
    np.testing.assert_array_equal(network.w_in[:, :53], spiking.w_in)
    assert network.info["nir"]["reset"] == "soft"
    assert network.dt_s == 0.1 / 4


def test_an_imported_network_does_not_run_as_a_rate_network(tmp_path):
    network = importing.read_network(recurrent(tmp_path / "a.nir", lif(4))[0])
    with pytest.raises(UsageError, match="spiking and does not run here"):
        network.run(np.zeros((2, 1, 3)))


def conv():
    return nir.Conv1d(
        input_shape=3, weight=np.ones((1, 1, 2)), stride=1, padding=0, dilation=1, groups=1, bias=np.ones(1)
    )


@pytest.mark.parametrize(
    ("nodes", "edges", "said"),
    [
        ({"c": conv(), "l": lif(2)}, [("input", "c"), ("c", "l"), ("l", "output")], "node c is a Conv1d"),
        ({"t": nir.Threshold(np.ones(3))}, [("input", "t"), ("t", "output")], "t is a Threshold"),
        ({"d": nir.Delay(np.ones(2)), "l": lif(2)}, [("input", "l"), ("l", "d"), ("d", "output")], "d is a Delay"),
        ({"a": affine(2, 3)}, [("input", "a"), ("a", "output")], "holds no LIF"),
        ({"a": affine(4, 3), "l": lif(5), "o": affine(2, 5)},
         [("input", "a"), ("a", "l"), ("l", "o"), ("o", "output")], "a gives 4 values, l takes 5"),
        ({"a": affine(2, 3), "l": lif(2), "b": affine(2, 2), "c": affine(2, 2)},
         [("input", "a"), ("a", "l"), ("b", "l"), ("b", "c"), ("c", "b"), ("l", "output")], "no neuron in it"),
        ({"a": affine(2, 3), "l": lif(2), "b": affine(2, 3)},
         [("input", "a"), ("a", "l"), ("l", "output"), ("input", "b"), ("b", "output")], "without a neuron in between"),
    ],
)  # fmt: skip
def test_what_cannot_be_represented_is_named(tmp_path, nodes, edges, said):
    path = tmp_path / "a.nir"
    ends = {"input": nir.Input({"input": np.array([3])}), "output": nir.Output({"output": np.array([2])})}
    nir.write(path, nir.NIRGraph({**ends, **nodes}, edges, type_check=False))
    with pytest.raises(UsageError, match=said):
        importing.read_network(path)


# Files as other tools write them.


def test_a_file_written_by_snntorch(tmp_path):
    snntorch = pytest.importorskip("snntorch")
    torch = pytest.importorskip("torch")
    export = pytest.importorskip("snntorch.export_nir")
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 4),
        snntorch.RLeaky(beta=0.9, linear_features=4, init_hidden=True, all_to_all=True),
        torch.nn.Linear(4, 2),
        snntorch.Leaky(beta=torch.full((2,), 0.8), threshold=torch.ones(2), init_hidden=True),
    )
    try:
        graph = export.export_to_nir(net, torch.rand(3))
    except Exception as error:
        pytest.skip(f"snntorch cannot export here: {error}")
    nir.write(tmp_path / "a.nir", graph)
    network = importing.read_network(tmp_path / "a.nir")
    assert (network.n, network.n_in, network.n_out) == (6, 3, 2)
    assert network.n_synapses == 4 * 4 + 2 * 4
    weights = {round(float(abs(w)), 5) for w in network.w_rec.data}
    assert {round(float(abs(w)), 5) for w in net[1].recurrent.weight.detach().numpy().ravel()} <= weights


def test_a_file_written_by_norse(tmp_path):
    norse = pytest.importorskip("norse.torch")
    import torch

    net = norse.SequentialState(torch.nn.Linear(3, 4), norse.LIFBoxCell(), torch.nn.Linear(4, 2), norse.LIFBoxCell())
    # Its parameters are scalars, which nir cannot compress.
    nir.write(tmp_path / "a.nir", norse.to_nir(net, torch.rand(1, 3)), compression=None)
    network = importing.read_network(tmp_path / "a.nir")
    assert (network.n, network.n_in, network.n_out) == (6, 3, 2)
    by_size = sorted(group["stop"] - group["start"] for group in network.info["nir"]["groups"])
    assert by_size == [2, 4]
    np.testing.assert_allclose(sorted(network.w_rec.data), sorted(net[2].weight.detach().numpy().ravel()), rtol=1e-6)


def test_a_file_written_by_spikingjelly(tmp_path):
    exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange")
    import torch
    from spikingjelly.activation_based import layer, neuron

    net = torch.nn.Sequential(layer.Linear(3, 4), neuron.IFNode(), layer.Linear(4, 2), neuron.LIFNode(tau=2.0))
    exchange.export_to_nir(net, torch.rand(1, 3), save_path=str(tmp_path / "a.nir"), dt=1e-4)
    network = importing.read_network(tmp_path / "a.nir")
    assert (network.n, network.n_in, network.n_out) == (6, 3, 2)
    assert sorted(group["type"] for group in network.info["nir"]["groups"]) == ["IF", "LIF"]


# Hostile files.


def test_truncated_files_are_one_sentence(tmp_path):
    path, _ = recurrent(tmp_path / "a.nir", lif(4))
    whole = path.read_bytes()
    for share in (0, 0.1, 0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UsageError, match=r"cannot (read|use)"):
            importing.read_network(path)
    with pytest.raises(UsageError, match="cannot read"):
        importing.read_network(tmp_path / "missing.nir")


def test_damaged_bytes_never_do_more_than_one_sentence(tmp_path):
    path, _ = recurrent(tmp_path / "a.nir", lif(4))
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = whole.copy()
        for place in rng.integers(0, len(whole), 20):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(UsageError):  # whatever else comes out of it fails the test
            importing.read_network(path)


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_values_that_are_not_finite_are_refused(tmp_path, name):
    path, _ = recurrent(tmp_path / "a.nir", lif(4))
    with h5py.File(path, "r+") as file:
        file[f"node/nodes/r/{name}"][...] = np.nan
    with pytest.raises(UsageError, match="finite"):
        importing.read_network(path)


def test_huge_declared_shapes_are_refused_before_they_are_read(tmp_path):
    path, _ = recurrent(tmp_path / "a.nir", lif(4))
    with h5py.File(path, "r+") as file:
        del file["node/nodes/r/weight"]
        # Nothing of it is stored.
        file["node/nodes/r"].create_dataset("weight", shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))
    with pytest.raises(UsageError, match="declares more than"):
        importing.read_network(path)


def test_links_out_of_the_file_are_refused(tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["w"] = np.zeros((4, 4), np.float32)
    for kind in ("external", "soft", "virtual", "storage"):
        path, _ = recurrent(tmp_path / f"{kind}.nir", lif(4))
        with h5py.File(path, "r+") as file:
            group = file["node/nodes/r"]
            del group["weight"]
            if kind == "external":
                group["weight"] = h5py.ExternalLink(str(secret), "/w")
            elif kind == "soft":
                group["weight"] = h5py.SoftLink("/node/nodes/a/weight")
            elif kind == "virtual":
                layout = h5py.VirtualLayout(shape=(4, 4), dtype="f4")
                layout[...] = h5py.VirtualSource(str(secret), "w", shape=(4, 4))
                group.create_virtual_dataset("weight", layout)
            else:
                raw = os.fspath(tmp_path / "raw.bin")
                group.create_dataset("weight", shape=(4, 4), dtype="f4", external=[(raw, 0, h5py.h5f.UNLIMITED)])
        with pytest.raises(UsageError, match=r"link to elsewhere|another file"):
            importing.read_network(path)


def test_groups_in_a_circle_are_refused(tmp_path):
    path, _ = recurrent(tmp_path / "a.nir", lif(4))
    with h5py.File(path, "r+") as file:
        file["node/nodes/r/again"] = file["node"]
    with pytest.raises(UsageError, match="circle"):
        importing.read_network(path)


def test_groups_may_be_nested_to_a_depth_that_is_said(tmp_path):
    # The last group is at the depth 3 + levels. Where the depth is allowed, the group is what is wrong with the node.
    for levels, refused in ((61, False), (62, True)):
        path, _ = recurrent(tmp_path / f"{levels}.nir", lif(4))
        with h5py.File(path, "r+") as file:
            file["node/nodes/r"].create_group("/".join(["deep"] * levels))
        with pytest.raises(UsageError) as found:
            importing.read_network(path)
        assert ("nested too deep" in str(found.value)) == refused, str(found.value)


def test_a_pyramid_of_linear_nodes_is_read_in_no_time(tmp_path):
    # Each layer feeds the next twice: 2^40 paths.
    nodes, edges, last = {}, [], "input"
    for k in range(40):
        for side in "ab":
            nodes[f"{k:02d}{side}"] = nir.Linear(weight=np.eye(3, dtype=np.float32) * 0.5)
            edges += [(last, f"{k:02d}{side}")] if k == 0 else [(f"{k - 1:02d}{s}", f"{k:02d}{side}") for s in "ab"]
    nodes |= {"l": lif(3), "o": affine(2, 3)}
    edges += [("39a", "l"), ("39b", "l"), ("l", "o"), ("o", "output")]
    network = importing.read_network(write(tmp_path / "a.nir", nodes, edges))
    np.testing.assert_allclose(network.w_in, np.eye(3))
