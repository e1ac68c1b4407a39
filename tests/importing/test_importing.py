"""Importing: each format as its own tool writes it, equal to the same network built directly; broken files refused."""

import io
import sys
import zipfile

import networkx as nx
import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from scipy import sparse

from neuromod import Network
from neuromod.errors import UsageError
from neuromod.importing import FORMATS, Choice, read

# Neuron 0 -> 1 with 2, 1 -> 2 with -0.5, 2 -> 2 with 1: row = target.
W = np.array([[0, 0, 0], [2, 0, 0], [0, -0.5, 1]], np.float32)


def same(network, w=W):
    assert network.w_rec.toarray().tolist() == w.tolist()


def test_npz_with_everything(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(
        path, w_rec=W, positions=np.eye(3, 2), rates=[0, 0.5, 3], w_in=np.ones((3, 4)), w_out=np.ones((2, 3)),
        bias=[1, 2, 3], bias_out=[4, 5], neuron_ids=[7, 5, 9], dt_s=0.01, tau_s=0.05, comment="mine",
    )  # fmt: skip
    found = read(path)
    same(found.network)
    assert found.network.positions.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert found.network.rates.tolist() == [0, 0.5, 3]
    assert (found.network.n_in, found.network.n_out) == (4, 2)
    assert found.network.neuron_ids.tolist() == [7, 5, 9]
    assert found.network.alpha == pytest.approx(0.2)
    assert found.ignored == ("comment",)
    assert found.notes == ("direction: row = target, column = source; `transpose` turns it round",)


def test_npz_with_the_matrix_alone(tmp_path):
    np.savez_compressed(tmp_path / "net.npz", w_rec=W)
    found = read(tmp_path / "net.npz")
    same(found.network)
    assert (found.network.n_in, found.network.n_out, found.network.positions) == (0, 0, None)
    assert found.network.alpha == 1
    assert found.notes == (
        "it has no time step: 100 ms is taken (`dt_ms`), and rectified units without leak (`tau_ms`)",
        "it has no input weights",
        "it has no readout",
        "direction: row = target, column = source; `transpose` turns it round",
    )
    y, _ = found.network.run(np.zeros((2, 1, 0)))
    assert y.shape == (2, 1, 0)


def test_npz_with_triplets(tmp_path):
    np.savez(tmp_path / "net.npz", source=[0, 1, 2, 0], target=[1, 2, 2, 1], weight=[1.5, -0.5, 1, 0.5], n_neurons=3)
    same(read(tmp_path / "net.npz").network)


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix])
def test_scipy_sparse(tmp_path, make):
    sparse.save_npz(tmp_path / "net.npz", make(W))
    found = read(tmp_path / "net.npz")
    same(found.network)
    assert found.ignored == ()


@pytest.mark.parametrize("name", ["net.mtx", "net.mtx.gz"])
def test_matrix_market(tmp_path, name):
    target = tmp_path / name
    if name.endswith("gz"):
        import gzip

        text = io.BytesIO()
        scipy.io.mmwrite(text, sparse.coo_array(W))
        target.write_bytes(gzip.compress(text.getvalue()))
    else:
        scipy.io.mmwrite(target, sparse.coo_array(W))
    same(read(target).network)


def test_matrix_market_pattern_and_dense(tmp_path):
    (tmp_path / "a.mtx").write_text("%%MatrixMarket matrix coordinate pattern general\n2 2 1\n2 1\n")
    assert read(tmp_path / "a.mtx").network.w_rec.toarray().tolist() == [[0, 0], [1, 0]]
    scipy.io.mmwrite(tmp_path / "b.mtx", W)
    same(read(tmp_path / "b.mtx").network)


def test_graphml_with_positions_and_rates(tmp_path):
    graph = nx.DiGraph()
    for name, x, y, rate in (("5", 0.0, 1.0, 0.5), ("3", 2.0, 3.0, 0.25), ("9", 4.0, 5.0, 1.0)):
        graph.add_node(name, x=x, y=y, rate=rate)
    graph.add_edge("3", "5", weight=2.0)
    graph.add_edge("9", "9")
    nx.write_graphml(graph, tmp_path / "g.graphml")
    found = read(tmp_path / "g.graphml")
    assert found.network.neuron_ids.tolist() == [3, 5, 9]
    assert found.network.w_rec.toarray().tolist() == [[0, 0, 0], [2, 0, 0], [0, 0, 1]]
    assert found.network.positions.tolist() == [[2, 3], [0, 1], [4, 5]]
    assert found.network.rates.tolist() == [0.25, 0.5, 1]


def test_graphml_without_direction_or_numbers(tmp_path):
    graph = nx.Graph()
    graph.add_edge("a", "b", weight=3)
    nx.write_graphml(graph, tmp_path / "g.graphml")
    found = read(tmp_path / "g.graphml")
    assert found.network.w_rec.toarray().tolist() == [[0, 3], [3, 0]]
    assert found.network.neuron_ids.tolist() == [0, 1]
    assert "numbered as they come" in found.notes[0]
    assert "no direction" in found.notes[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.edgelist", "# mine\n0 1 2\n1 2 -0.5\n\n2 2\n"),
        ("g.csv", "source,target,weight\n0,1,2\n1,2,-0.5\n2,2,1\n"),
        ("g.csv", "\ufeffsource,target,weight\n0,1,2\n1,2,-0.5\n2,2,1\n"),
        ("g.csv", "\ufeff0,1,2\n1,2,-0.5\n2,2,1\n"),
        ("g.csv", "# mine\n\nSource,Target,weight\n0,1,2\n1,2,-0.5\n2,2,1\n"),
        ("g.tsv", "0\t1\t2\n1\t2\t-0.5\n2\t2\t1\n"),
        ("g.txt", "0 1 1.5\n0 1 0.5\n1 2 -0.5 # a comment\n2 2\n"),
    ],
)
def test_edge_lists(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    same(read(tmp_path / name).network)


def test_places_are_no_numbers(tmp_path):
    (tmp_path / "g.csv").write_text("1_0,3_12\n")
    found = read(tmp_path / "g.csv")
    assert found.network.neuron_ids.tolist() == [0, 1]
    assert any("numbered as they come" in note for note in found.notes)


def test_what_a_graph_says_beside_its_weights_is_named(tmp_path):
    graph = nx.DiGraph()
    graph.add_edge("0", "1", Weight=0.5)
    graph.add_edge("1", "2", weight=2.0)
    graph.nodes["0"]["colour"] = "red"
    nx.write_graphml(graph, tmp_path / "g.graphml")
    found = read(tmp_path / "g.graphml")
    assert found.ignored == ("edge attribute Weight", "node attribute colour")
    assert found.notes[0] == "1 of its 2 edges have no weight: 1 is taken"


def test_networkx_writes_what_is_read(tmp_path):
    graph = nx.DiGraph([(0, 1), (4, 2)])
    nx.write_weighted_edgelist(nx.DiGraph([(0, 1, {"weight": 2.0})]), tmp_path / "w.edgelist")
    nx.write_edgelist(graph, tmp_path / "plain.edges", data=False)
    assert read(tmp_path / "w.edgelist").network.w_rec.toarray().tolist() == [[0, 0], [2, 0]]
    assert read(tmp_path / "plain.edges").network.neuron_ids.tolist() == [0, 1, 2, 4]


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.RNN(4, 6, nonlinearity="relu")
        self.fc = torch.nn.Linear(6, 2)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_torch_rnn_runs_the_same(tmp_path, suffix):
    torch.manual_seed(0)
    model = Model()
    path = tmp_path / f"model{suffix}"
    state = model.state_dict()
    if suffix == ".pt":
        torch.save({"state_dict": state, "epoch": 3}, path)
    else:
        save_file({name: value.numpy() for name, value in state.items()}, path)
    found = read(path)
    assert found.ignored == ()
    x = torch.randn(5, 3, 4)
    expected = model.fc(model.rnn(x)[0]).detach().numpy()
    y, _ = found.network.run(x.numpy())
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_tensors_by_name(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {"a": W, "b": rng.random((3, 3)).astype("f"), "c": rng.random((2, 3)).astype("f")}
    save_file(tensors, tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="recurrent weights cannot be told among a, b, c; give `recurrent=NAME`"):
        read(tmp_path / "m.safetensors")
    found = read(tmp_path / "m.safetensors", Choice(recurrent="a", readout="c"))
    same(found.network)
    assert found.network.n_out == 2
    assert found.ignored == ("b",)
    with pytest.raises(UsageError, match="has no tensor z; it has a, b, c"):
        read(tmp_path / "m.safetensors", Choice(recurrent="z"))


@pytest.mark.parametrize(("make", "name"), [(torch.nn.LSTM, "an LSTM"), (torch.nn.GRU, "a GRU")])
def test_gated_units_are_refused(tmp_path, make, name):
    torch.save(make(2, 5).state_dict(), tmp_path / "m.pt")
    with pytest.raises(UsageError, match=f"that of {name}; only simple units"):
        read(tmp_path / "m.pt")


@pytest.mark.parametrize("options", [{"num_layers": 2}, {"bidirectional": True}])
def test_several_layers_are_refused_unless_one_is_chosen(tmp_path, options):
    state = torch.nn.RNN(5, 5, **options).state_dict()
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(UsageError, match=r"several layers or directions \(weight_hh_l0, weight_hh_l.*`recurrent=NAME`"):
        read(tmp_path / "m.pt")
    if options.get("num_layers"):
        found = read(tmp_path / "m.pt", Choice(recurrent="weight_hh_l1")).network
        assert found.w_in.tolist() == state["weight_ih_l1"].tolist()
        biases = state["bias_ih_l1"] + state["bias_hh_l1"]
        np.testing.assert_allclose(found.bias, biases.numpy(), atol=1e-7)


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"w_rec": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(UsageError, match="no readable checkpoint of tensors alone"):
        read(tmp_path / "evil.pt")
    np.savez(tmp_path / "evil.npz", w_rec=np.array([Evil()], object))
    with pytest.raises(UsageError, match="no readable NumPy archive"):
        read(tmp_path / "evil.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"w_rec": np.ones((2, 3))}, r"w_rec must have the shape \(n, n\)"),
        ({"w_rec": np.ones(4)}, "w_rec must have the shape"),
        ({"w_rec": np.array([["a"]])}, "w_rec must hold real numbers"),
        ({"w_rec": np.full((2, 2), np.nan)}, "not finite"),
        ({"w_rec": W, "rates": [1, -1, 0]}, "rates must not be negative"),
        ({"w_rec": W, "positions": np.ones((2, 2))}, "positions must have the shape"),
        ({"w_rec": W, "dt_s": -1.0}, "dt_s must be a number of seconds above 0"),
        ({"w_rec": W, "tau_s": np.ones(2)}, "tau_s must be one number"),
        ({"source": [0], "target": [1], "weight": [1.0]}, "but not n_neurons"),
        ({"source": [0], "target": [2], "weight": [1.0], "n_neurons": 2}, "numbered from 0 to 1"),
        ({"source": [-1], "target": [0], "weight": [1.0], "n_neurons": 2}, "holds the neuron -1"),
        ({"source": [0.5], "target": [0], "weight": [1.0], "n_neurons": 2}, "whole numbers"),
        ({"source": [0, 1], "target": [0], "weight": [1.0], "n_neurons": 2}, "equally long"),
        ({"source": [0], "target": [0], "weight": [1.0], "n_neurons": -3}, "number of neurons"),
        ({"source": [0], "target": [0], "weight": [1.0], "n_neurons": 10**15}, "number of neurons"),
        ({"weights": W}, "it holds weights; needed w_rec"),
        ({"format": "dia", "shape": [2, 2], "data": np.ones(1), "offsets": [0]}, "sparse format 'dia'"),
        ({"format": "csr", "shape": [2, 2], "data": np.ones(1)}, "has no indices, indptr"),
        ({"format": "csr", "shape": [2, 2], "data": [1.0], "indices": [9], "indptr": [0, 1, 1]}, "is broken"),
        ({"format": "csr", "shape": [2, 3], "data": [1.0], "indices": [0], "indptr": [0, 1, 1]}, r"shape \(n, n\)"),
    ],
)
def test_archives_that_hold_no_network(tmp_path, held, message):
    np.savez(tmp_path / "bad.npz", **held)
    with pytest.raises(UsageError, match=message) as error:
        read(tmp_path / "bad.npz")
    assert "bad.npz" in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.mtx", "%%MatrixMarket matrix coordinate real general\n2 3 1\n1 1 1\n", r"shape \(n, n\), found \(2, 3\)"),
        ("a.mtx", "%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 1\n", "complex"),
        ("a.mtx", "nonsense", "no readable MatrixMarket"),
        ("a.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 5\n1 1 1\n", "promise 5 lines of 3 numbers"),
        ("a.csv", "0,1,heavy\n", "weight in line 1 must be a number, found 'heavy'"),
        ("a.csv", "0,1,2,3\n", "line 1 .*must be a source, a target"),
        ("a.edgelist", "0 1\n2\n", "line 2 .*must be"),
        ("a.edgelist", "", "it holds no edges"),
        ("a.edgelist", "0 1 nan\n", "not finite"),
        ("a.graphml", "<graphml", "no readable graph"),
        ("a.graphml", "<graphml></graphml>", "no readable graph"),
        ("a.safetensors", "junk", "no readable safetensors"),
        ("a.pt", "junk", "no readable checkpoint"),
        ("a.npz", "junk", "no readable NumPy archive"),
        ("a.png", "junk", "its format is not known; choose one of .npz"),
    ],
)
def test_broken_files(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        read(tmp_path / name)


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read(tmp_path / "gone.npz")


def test_a_truncated_archive(tmp_path):
    np.savez(tmp_path / "net.npz", w_rec=W)
    data = (tmp_path / "net.npz").read_bytes()
    for length in range(0, len(data), 37):
        (tmp_path / "cut.npz").write_bytes(data[:length])
        with pytest.raises(UsageError):
            read(tmp_path / "cut.npz")


def test_an_archive_with_a_lying_header(tmp_path):
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000, 10000000000), }"
    header = header.ljust(127) + b"\n"
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("w_rec.npy", header)
    with pytest.raises(UsageError):
        read(tmp_path / "huge.npz")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_all_formats_agree(tmp_path_factory, n, seed):
    rng = np.random.default_rng(seed)
    w = (rng.integers(-4, 5, (n, n)) / 4).astype(np.float32)
    w[0, 0] = 1  # the first neuron is in every list of edges, and so is the last
    w[n - 1, n - 1] = 1
    np.fill_diagonal(w, 1)
    folder = tmp_path_factory.mktemp("formats")
    target, source = np.nonzero(w)
    np.savez(folder / "a.npz", w_rec=w)
    np.savez(folder / "b.npz", source=source, target=target, weight=w[target, source], n_neurons=n)
    sparse.save_npz(folder / "c.npz", sparse.csr_array(w))
    scipy.io.mmwrite(folder / "d.mtx", sparse.coo_array(w))
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((int(s), int(t), float(w[t, s])) for t, s in zip(target, source, strict=True))
    nx.write_graphml(graph, folder / "e.graphml")
    nx.write_weighted_edgelist(graph, folder / "f.edgelist")
    save_file({"w_rec": w}, folder / "g.safetensors")
    for path in sorted(folder.iterdir()):
        network = read(path).network
        assert isinstance(network, Network)
        same(network, w)


def test_every_ending_is_known():
    assert {".npz", ".mtx", ".graphml", ".edgelist", ".safetensors", ".pt"} <= FORMATS.keys()


@pytest.mark.parametrize("end", [b"1 1 3.2 ", b"1 1 3.2E-", b"1 1 3.\x002\n", b"1 1 3.2"], ids=repr)
def test_matrix_market_files_that_break_off_do_not_take_the_process_along(end, tmp_path):
    import subprocess

    (tmp_path / "a.mtx").write_bytes(b"%%MatrixMarket matrix coordinate real general\n2 2 1\n" + end)
    code = (
        "from neuromod import importing, errors\n"
        "try: print(importing.read('a.mtx').network.n_synapses)\n"
        "except errors.UsageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_rounding_to_single_precision_is_said_and_counted(tmp_path):
    np.savez(tmp_path / "net.npz", w_rec=np.array([[0, 0.1], [1e-60, 2.0]]))
    found = read(tmp_path / "net.npz")
    assert found.network.n_synapses == 2
    assert "single precision" in found.notes[0]
    assert found.notes[1].startswith("1 numbers that are not zero are too small")
    np.savez(tmp_path / "exact.npz", w_rec=np.array([[0, 0.5], [0.25, 2.0]]))
    assert not any("precision" in note for note in read(tmp_path / "exact.npz").notes)


@pytest.mark.filterwarnings("error")
def test_what_single_precision_cannot_hold_is_refused_with_its_place(tmp_path):
    np.savez(tmp_path / "net.npz", w_rec=np.array([[0, 0.5], [1e60, 0]]))
    with pytest.raises(UsageError, match=r"single precision \(float32\) cannot: 1e\+60 at \[1, 0\]"):
        read(tmp_path / "net.npz")


def test_a_transposed_matrix_is_called_so(tmp_path):
    np.savez(tmp_path / "net.npz", w_rec=W, w_in=np.ones((2, 3)))
    with pytest.raises(UsageError, match=r"w_in must have the shape \(3, any\), found \(2, 3\); it looks transposed"):
        read(tmp_path / "net.npz")


def test_arrays_of_other_names(tmp_path):
    np.savez(tmp_path / "net.npz", W=W, W_in=np.ones((3, 2)), other=np.ones(3))
    found = read(tmp_path / "net.npz", Choice(recurrent="W", inputs="W_in"))
    same(found.network)
    assert found.network.n_in == 2
    assert found.ignored == ("other",)
    with pytest.raises(UsageError, match="it has no array V; it has W, W_in, other"):
        read(tmp_path / "net.npz", Choice(recurrent="V"))


def test_a_choice_that_a_format_cannot_serve_is_refused(tmp_path):
    (tmp_path / "net.csv").write_text("0,1,0.5\n")
    with pytest.raises(UsageError, match="`recurrent`, `inputs` and `readout` choose among"):
        read(tmp_path / "net.csv", Choice(recurrent="W"))


def test_no_leak_is_said_where_the_network_can_run(tmp_path):
    np.savez(tmp_path / "net.npz", w_rec=W, w_in=np.ones((3, 1)))
    assert any("without leak" in note for note in read(tmp_path / "net.npz").notes)
    np.savez(tmp_path / "net.npz", w_rec=W, w_in=np.ones((3, 1)), dt_s=0.1)
    assert any("no time constant: rectified units without leak" in note for note in read(tmp_path / "net.npz").notes)
    np.savez(tmp_path / "net.npz", w_rec=W, w_in=np.ones((3, 1)), dt_s=0.1, tau_s=0.1)
    assert not any("leak" in note for note in read(tmp_path / "net.npz").notes)


def test_weights_that_are_not_there_are_said(tmp_path):
    (tmp_path / "net.csv").write_text("\n# mine\nsource,target,weight\n0,1,0.5\n1,2\n")
    found = read(tmp_path / "net.csv")
    assert found.network.w_rec.toarray().tolist() == [[0, 0, 0], [0.5, 0, 0], [0, 1, 0]]
    assert any("1 of its 2 edges have no weight" in note for note in found.notes)
    scipy.io.mmwrite(tmp_path / "net.mtx", sparse.coo_array(W), field="pattern")
    assert "no weights" in read(tmp_path / "net.mtx").notes[0]


def test_small_integers_given_twice_add_up_without_overflow(tmp_path):
    one = np.zeros(2, np.int64)
    np.savez(tmp_path / "net.npz", source=one, target=one, weight=np.full(2, 100, np.int8), n_neurons=1)
    assert read(tmp_path / "net.npz").network.w_rec.toarray().tolist() == [[200]]


def test_a_state_dict_inside_a_checkpoint(tmp_path):
    tensors = torch.nn.RNN(3, 5, nonlinearity="relu").state_dict()
    torch.save({"model": tensors, "epoch": 3}, tmp_path / "net.pt")
    same(read(tmp_path / "net.pt").network, tensors["weight_hh_l0"].numpy())
    torch.save({"a": tensors, "b": tensors}, tmp_path / "two.pt")
    with pytest.raises(UsageError, match="several state dicts, a, b"):
        read(tmp_path / "two.pt")


def test_a_whole_module_is_refused_with_what_to_save(tmp_path):
    torch.save(torch.nn.RNN(3, 5), tmp_path / "net.pt")
    with pytest.raises(UsageError, match=r"torch\.save\(module\.state_dict"):
        read(tmp_path / "net.pt")


def test_bfloat16_in_safetensors(tmp_path):
    import safetensors.torch

    weight = torch.tensor([[0.5, -1.0], [2.0, 0.25]])
    safetensors.torch.save_file({"weight_hh_l0": weight.bfloat16()}, tmp_path / "net.safetensors")
    same(read(tmp_path / "net.safetensors").network, weight.numpy())
