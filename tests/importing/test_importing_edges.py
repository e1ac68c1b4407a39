"""Edges out of lists, graphs and matrices as people have them: right or refused, and told; by the command, too."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file
from scipy import sparse

from neuromod import Network, cli
from neuromod.errors import UsageError
from neuromod.exporting import onnx
from neuromod.importing import Choice, read


def edges(path, text=None, **said):
    """Edges that a file is read as, source, target and weight, by the numbers of the neurons; and what was read."""
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read(path, Choice(**said))
    w, ids = found.network.w_rec.tocoo(), found.network.neuron_ids.tolist()
    return sorted((ids[s], ids[t], float(v)) for t, s, v in zip(w.row, w.col, w.data, strict=True)), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to;from;w\n7;5;0,5\n6;5;-1,25\n", [(5, 6, -1.25), (5, 7, 0.5)]),
        ("Cible,Source,Poids\n7,5,0.5\n", [(5, 7, 0.5)]),
        ("x1,x2\n5,7\n7,5\n", [(5, 7, 1), (7, 5, 1)]),
        (",source,target,weight\n0,5,7,0.5\n1,7,5,2\n", [(5, 7, 0.5), (7, 5, 2)]),
        ("# ToNodeId\tFromNodeId\n7\t5\n", [(5, 7, 1)]),
        ("5 7\t0.5\n7 5\t2\n", [(5, 7, 0.5), (7, 5, 2)]),
        ("'5','7'\n'7','6'\n", [(5, 7, 1), (7, 6, 1)]),
        ('"from" "to" "w"\n"1" 7 5 0.5\n"2" 5 6 2\n', [(5, 6, 2), (7, 5, 0.5)]),
        ("5,7,0.5,\n7,5,2,\n", [(5, 7, 0.5), (7, 5, 2)]),
        ("5,7.0\n7,5.0\n", [(5, 7, 1), (7, 5, 1)]),
        ("5,7,\n7,5,\n", [(5, 7, 1), (7, 5, 1)]),
        ("5 7 .5e1\n7 5 +2.\n", [(5, 7, 5), (7, 5, 2)]),
    ],
)
def test_edge_lists_as_people_have_them(tmp_path, text, expected):
    assert edges(tmp_path / "a.csv", text)[0] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("i,j\n0,1\n", r"line 1 \('i, j'\) is unlike all other lines"),
        ("0,1,weight\n1,2,0.5\n", r"line 1 \('0, 1, weight'\) is unlike"),
        ("alpha,beta,n\nA,B,1\nB,C,2\n", "line 1 .* is unlike"),
        ("Neuron 1,Neuron 2\nAVA,AVB\n", "line 1 .* may be a heading or an edge"),
        ("i,j,w\nA,B\nB,A\n", "line 1 .* may be a heading or an edge"),
        ("Neuron Partner\nAVA AVB\nAVB AVA\n", "line 1 .* may be a heading or an edge"),
        ("from,to\n1,2,5\n2,3,4\n", r"line 1 \('from, to'\) names 2 columns, and the lines have 3"),
        ('"from" "to"\n"1" "2" 5\n"2" "3" 4\n', "names 2 columns, and the lines have 3"),
        ("34 3\n1 34\n2 1\n3 2\n", r"line 1 \('34, 3'\) may be the numbers of nodes and edges"),
        ("1 2\n2 a\n3 b\n", r"line 2 \('2, a'\) does not name its neurons by numbers, as others do"),
        ("1 2\n01 3\n", "1 and 01 in line 2 .* may be one neuron or two"),
        ("1;2;1,234\n2;3;2,345\n", "1,234 in line 1 .* may have a decimal comma or not"),
        ("1;2;1,5\n2;3;2.5\n", "some weights have a decimal comma"),
        ("a;b,c;d\n", "split at semicolons or at commas; say which with `delimiter`"),
        ("0:1:2\n", "1 column: `delimiter` says what splits"),
        ("1 2 3x\n", "weight in line 1 must be a number"),
        ("1 2 3,x\n", "looks like several numbers; say what splits with `delimiter`"),
        ("source,target,pre,post\n1,2,3,4\n", r"source may be any of the columns 1 \(source\) and 3 \(pre\)"),
        ("Source,Target,Type\n1,2,directed\n2,3,mutual\n", "column Type of line 3 .* must be one of"),
        ("0 1 {'weight': 2.0}\n", "write_weighted_edgelist"),
        ("%%MatrixMarket matrix coordinate real general\n2 2 1\n1 2 1\n", "let its name end in .mtx"),
        ("% bip\n1 1\n", "two kinds"),
        ('"1,2\n', "the quotes in line 1 .* do not fit"),
        (",2\n", "line 1 .* has no source"),
        (b"1 2\n\xe9 3\n", "line 2 is no text in UTF-8"),
        ("1 2\n".encode("utf-16"), "UTF-16"),
        ("source,target\n", "no edges"),
        ("1 2 1_000\n", "must be a number"),
    ],
)
def test_what_is_open_is_refused_and_quoted(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        edges(tmp_path / "a.txt", text)


def test_no_line_is_lost_where_numbers_and_names_mix_on_purpose(tmp_path):
    text = "1 a\nb 2\n1 2\n"
    _, found = edges(tmp_path / "a.txt", text, columns={"source": "1", "target": "2"})
    assert (found.network.n, found.network.n_synapses) == (4, 3)
    with pytest.raises(UsageError, match="line 2"):
        edges(tmp_path / "a.txt", "1 2\nb 2\n1 3\n", columns={"source": "1", "target": "2"})


def test_what_the_user_says_goes_before_what_is_found(tmp_path):
    text = "pre,post,n\n1,2,7\n"
    said = {"source": "post", "target": "pre", "weight": "3"}
    assert edges(tmp_path / "a.csv", text, columns=said)[0] == [(2, 1, 7)]
    assert edges(tmp_path / "a.csv", text, columns={"weight": "N"})[0] == [(1, 2, 7)]
    found, read_ = edges(tmp_path / "a.csv", text, columns={"source": "pre", "target": "post"})
    assert found == [(1, 2, 1)]
    assert read_.ignored == ("column n",)
    assert edges(tmp_path / "a.txt", "1 : 2 : 3", delimiter=":")[0] == [(1, 2, 3)]
    assert edges(tmp_path / "a.txt", "; 1 2\n5 6\n", comments=";")[0] == [(5, 6, 1)]
    with pytest.raises(UsageError, match="no column size among 3; it has pre, post, n"):
        edges(tmp_path / "a.csv", text, columns={"weight": "size"})
    with pytest.raises(UsageError, match="different columns"):
        edges(tmp_path / "a.csv", text, columns={"source": "1", "target": "1"})


def test_layouts_of_published_networks(tmp_path):
    """Of the C. elegans lists of Cook and others, of KONECT with times, of SuiteSparse; numbers of our own."""
    worm = (
        "Source,Target,Weight,Type\nAX1 , AX2L    ,3,chemical\nAX2L , AX1    ,2,electrical\nAX1 , AX2L ,2,electrical\n"
    )
    found, read_ = edges(tmp_path / "worm.csv", worm)
    assert found == [(0, 1, 5), (1, 0, 2)]
    assert read_.ignored == ("column Type",)
    assert read_.repeated == 1
    assert str(read_.first) == "neuron 0 (AX1) → neuron 1 (AX2L), weight 5"
    konect = "% sym positive\n% 3 3 3\n1 2 1 1247658439\n1 2 1 1247658500\n2 3 4 1247658501\n"
    found, read_ = edges(tmp_path / "out.contacts", konect)
    assert found == [(1, 2, 2), (2, 1, 2), (2, 3, 4), (3, 2, 4)]
    mtx = (
        "%%MatrixMarket matrix coordinate pattern symmetric\n%----\n% UF Sparse Matrix Collection\n"
        "% kind: undirected graph\n%----\n4 4 3\n2 1\n4 2\n3 3\n"
    )
    found, read_ = edges(tmp_path / "graph.mtx", mtx)
    assert found == [(0, 1, 1), (1, 0, 1), (1, 3, 1), (2, 2, 1), (3, 1, 1)]
    assert (read_.self_connections, read_.isolated) == (1, 0)


def test_comments_that_count_otherwise_are_told(tmp_path):
    _, found = edges(tmp_path / "a.txt", "# Nodes: 4 Edges: 2\n1 2\n2 3\n")
    assert any("a comment says 4 nodes and 2 edges; its lines have 3" in note for note in found.notes)
    _, found = edges(tmp_path / "out.a", "% asym unweighted\n% 2 3 3\n1 2\n2 3\n")
    assert not any("a comment says" in note for note in found.notes)


def test_undirected_edges_that_disagree_are_refused_and_can_be_settled(tmp_path):
    text = "# Undirected graph\n1 2 0.5\n2 1 0.25\n"
    with pytest.raises(UsageError, match=r"between 1 and 2 with the weights 0\.5 and 0\.25; `duplicates`"):
        edges(tmp_path / "a.txt", text)
    for how, weight in (("sum", 0.75), ("first", 0.5), ("max", 0.5)):
        assert edges(tmp_path / "a.txt", text, duplicates=how)[0] == [(1, 2, weight), (2, 1, weight)]


@pytest.mark.parametrize(
    ("text", "between"), [("7,5,1\n7,5,2\n5,7,1\n", "from 7 to 5"), ("a,b,1\na,b,2\nb,a,1\n", "from a to b")]
)
def test_repeated_edges_are_refused_by_their_own_names(tmp_path, text, between):
    with pytest.raises(UsageError, match=between):
        edges(tmp_path / "a.csv", text, duplicates="refuse")


def test_zeros_are_told(tmp_path):
    found, read_ = edges(tmp_path / "a.csv", "1,2,0\n2,3,1\n3,3,2\n3,3,-2\n")
    assert found == [(2, 3, 1)]
    assert any("1 of the sums is zero, no synapse" in note for note in read_.notes)
    assert any("1 of the weights is zero: no synapse" in note for note in read_.notes)
    assert read_.isolated == 1


def test_options_that_a_format_cannot_serve_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", w_rec=np.eye(2))
    save_file({"w_rec": np.eye(2, dtype=np.float32)}, tmp_path / "a.safetensors")
    (tmp_path / "a.csv").write_text("1,2\n")
    network = Network(
        w_rec=np.eye(2), w_in=np.ones((2, 1)), w_out=np.ones((1, 2)), bias=np.zeros(2), bias_out=np.zeros(1), dt_s=0.1,
        tau_s=0.2,
    )  # fmt: skip
    onnx.write(network, tmp_path)
    for name, said, message in (
        ("a.npz", {"delimiter": ","}, "`delimiter` is about lists of edges; leave it out"),
        ("a.npz", {"duplicates": "max"}, "`duplicates` is about edges in a list"),
        ("a.safetensors", {"columns": {"source": "1"}}, "`columns` is about"),
        ("network.onnx", {"transpose": True}, "`transpose` is about matrices and edges whose direction is open"),
        ("network.onnx", {"tau_ms": 5.0}, "`tau_ms` is about files that know no time constant"),
        ("network.onnx", {"dt_ms": 5.0}, "says dt_s = 0.1 and `dt_ms=5` ms; leave `dt_ms` out"),
        ("a.csv", {"duplicates": "mean"}, "`duplicates` must be one of sum, first, max, refuse"),
        ("a.csv", {"delimiter": "::"}, "`delimiter` must be one character"),
        ("a.csv", {"tau_ms": 5.0}, "`tau_ms` needs the time step"),
    ):
        with pytest.raises(UsageError, match=message):
            read(tmp_path / name, Choice(**said))
    assert read(tmp_path / "network.onnx", Choice(dt_ms=100)).network.sha256() == network.sha256()


def test_a_state_dict_with_a_row_for_each_source(tmp_path):
    w = np.array([[0, 1], [2, 3]], np.float32)
    w_in, w_out = np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(4, dtype=np.float32).reshape(2, 2)
    save_file({"w_rec": w, "w_in": w_in, "w_out": w_out}, tmp_path / "a.safetensors")
    found = read(tmp_path / "a.safetensors", Choice(transpose=True, dt_ms=2, tau_ms=8))
    network = found.network
    assert network.w_rec.toarray().tolist() == w.T.tolist()
    assert (network.w_in.tolist(), network.w_out.tolist()) == (w_in.T.tolist(), w_out.T.tolist())
    assert network.alpha == 0.25
    assert "direction: row = source, column = target" in found.notes


def test_the_command_says_it_in_words_and_in_json(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    (tmp_path / "a.csv").write_text("post,pre,n\n17,3,-0.25\n17,3,-0.25\n4,4,1\n")
    sparse.save_npz(tmp_path / "a.npz", sparse.csr_array(([1.0], ([2], [0])), shape=(4, 4)))
    call = ["import", str(tmp_path / "a.csv"), "--columns", "weight=n", "--duplicates", "first", "-q"]
    done = CliRunner().invoke(cli.group, call)
    assert done.exit_code == 0, done.output
    assert "first: neuron 3 → neuron 17, weight −0.25" in done.output
    assert "direction: column pre → column post" in done.output
    assert "1 self-connection, 1 edge given more than once, 0 isolated neurons" in done.output
    said = json.loads(CliRunner().invoke(cli.group, [*call, "--json"]).stdout)
    assert said["first"] == {
        "source": 3, "target": 17, "weight": -0.25, "source_name": None, "target_name": None,
        "words": "neuron 3 → neuron 17, weight −0.25",
    }  # fmt: skip
    assert [said[key] for key in ("self_connections", "repeated_edges", "isolated_neurons")] == [1, 1, 0]
    record = json.loads((tmp_path / "runs" / said["run"].split("/")[-1] / "run.json").read_text())["steps"]["import"]
    assert record["arguments"]["columns"] == {"weight": "n"}
    said = json.loads(
        CliRunner()
        .invoke(cli.group, ["import", str(tmp_path / "a.npz"), "--dt-ms", "1", "--tau-ms", "20", "--json"])
        .stdout
    )
    assert said["direction"] == "row = target, column = source"
    assert (said["first"]["source"], said["first"]["target"], said["isolated_neurons"]) == (0, 2, 2)
    turned = CliRunner().invoke(cli.group, ["import", str(tmp_path / "a.npz"), "--transpose", "-q"])
    assert "first: neuron 2 → neuron 0, weight 1" in turned.output


@pytest.mark.parametrize(
    "columns", ["source", "source=", "weight=1,weight=2", "from=1", ""], ids=lambda text: text or "empty"
)
def test_columns_that_are_none_are_refused(tmp_path, columns):
    (tmp_path / "a.csv").write_text("1,2\n")
    done = CliRunner().invoke(cli.group, ["import", str(tmp_path / "a.csv"), "--columns", columns])
    assert done.exit_code == 2
    assert not list(tmp_path.glob("runs*"))


def test_time_steps_of_formats_that_know_none(tmp_path):
    nir = pytest.importorskip("nir")
    two = np.array([2])
    nodes = {
        "input": nir.Input(two), "w": nir.Linear(np.ones((2, 2))), "output": nir.Output(two),
        "l": nir.LIF(tau=np.full(2, 0.01), r=np.ones(2), v_leak=np.zeros(2), v_threshold=np.ones(2)),
    }  # fmt: skip
    nir.write(tmp_path / "a.nir", nir.NIRGraph(nodes=nodes, edges=[("input", "w"), ("w", "l"), ("l", "output")]))
    assumed, said = read(tmp_path / "a.nir"), read(tmp_path / "a.nir", Choice(dt_ms=2))
    assert any("time step" in note for note in assumed.notes)
    assert not any("time step" in note for note in said.notes)
    assert (assumed.network.dt_s, said.network.dt_s, said.network.tau_s) == (0.001, 0.002, 0.002)
    assert (assumed.network.info["nir"]["dt_known"], said.network.info["nir"]["dt_known"]) == (False, True)
    for wrong in ({"tau_ms": 5.0}, {"transpose": True}, {"dt_ms": 0.0}):
        with pytest.raises(UsageError):
            read(tmp_path / "a.nir", Choice(**wrong))
