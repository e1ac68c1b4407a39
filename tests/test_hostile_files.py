"""Files that were made to hurt: each is refused in one sentence, in little time and memory."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

from neuromod import Network, importing
from neuromod.errors import UsageError
from neuromod.exporting import onnx as onnx_export

W = np.full((4, 4), 0.5, np.float32)

# Reads the files that it is given and says what became of each, how long it took, and the most memory in bytes.
READER = """
import json, resource, sys, time
from neuromod import importing
from neuromod.errors import UsageError

resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
found = {}
for path in sys.argv[1:]:
    begun = time.process_time()
    try:
        importing.read(path)
        said = "read"
    except UsageError as error:
        said = str(error)
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    found[path] = [said, time.process_time() - begun]
print(json.dumps([found, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def npz(name, **arrays):
    return name, lambda path: np.savez(path, **arrays)


def pt(name, content):
    return name, lambda path: torch.save(content() if callable(content) else content, path)


def raw(name, content):
    return name, lambda path: path.write_bytes(content)


def safetensors(header, data=b""):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + data


def one_tensor(kind, shape):
    return safetensors({"w_rec": {"dtype": kind, "shape": shape, "data_offsets": [0, 4]}}, b"0000")


def deflated(path):
    packed = io.BytesIO()
    torch.save({"w_rec": torch.ones(3000, 3000)}, packed)
    with zipfile.ZipFile(packed) as stored, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in stored.infolist():
            archive.writestr(member.filename, stored.read(member))


def onnx_of(**changes):
    """One of our own files whose metadata say something else."""

    def write(path):
        network = Network(
            w_rec=W, w_in=np.eye(4), w_out=np.ones((1, 4)), bias=np.zeros(4), bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2
        )
        model = onnx_export.build(network)
        for prop in model.metadata_props:
            if prop.key == "neuromod.network":
                prop.value = json.dumps({**json.loads(prop.value), **changes})
        onnx.save(model, path)

    return write


def rnn(change):
    """An RNN of another tool, changed."""

    def write(path):
        tensors = {"W": np.ones((1, 5, 3)), "R": np.ones((1, 5, 5)) * 0.1, "V": np.ones((5, 2))}
        nodes = [
            helper.make_node("RNN", ["x", "W", "R"], ["s", ""], hidden_size=5, activations=["Relu"]),
            helper.make_node("MatMul", ["s", "V"], ["y"]),
        ]
        ends = [helper.make_tensor_value_info(name, 1, None) for name in "xy"]
        initial = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
        model = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], initial))
        change(model.graph)
        path.write_bytes(model.SerializeToString())

    return write


def circle(graph):
    del graph.node[1]
    graph.node.append(helper.make_node("Identity", ["s"], ["t"]))
    graph.node.append(helper.make_node("Identity", ["t"], ["s"]))


def cut_short(graph):
    graph.initializer[1].raw_data = graph.initializer[1].raw_data[:7]


def strings(graph):
    graph.initializer[1].CopyFrom(helper.make_tensor("R", onnx.TensorProto.STRING, [2], [b"a", b"b"]))


FILES = dict(
    [
        npz("nan.npz", w_rec=np.full((3, 3), np.nan)),
        npz("infinite.npz", w_rec=np.full((3, 3), np.inf)),
        npz("complex.npz", w_rec=W.astype(complex)),
        npz("words.npz", w_rec=np.array([["a", "b"], ["c", "d"]])),
        npz("fields.npz", w_rec=np.zeros((2, 2), [("a", "f4"), ("b", "f4")])),
        npz("pickled.npz", w_rec=np.array([[{}, {}], [{}, {}]], dtype=object)),
        npz("one_number.npz", w_rec=np.float32(1)),
        npz("too_many.npz", source=[0], target=[0], weight=[1.0], n_neurons=10**12),
        npz("negative.npz", source=[-1], target=[0], weight=[1.0], n_neurons=3),
        npz("time.npz", w_rec=W, dt_s=np.nan),
        npz("inputs.npz", w_rec=W, w_in=np.ones((3, 2))),
        npz("positions.npz", w_rec=W, positions=np.full((4, 2), np.nan)),
        npz("wide_index.npz", source=[2**62], target=[0], weight=[1.0], n_neurons=3),
        pt("stretched.pt", lambda: {"w_rec": torch.ones(1).expand(10**6, 10**6)}),
        pt("complex.pt", {"w_rec": torch.ones(3, 3, dtype=torch.complex64)}),
        pt("quantized.pt", lambda: {"w_rec": torch.quantize_per_tensor(torch.ones(3, 3), 0.1, 0, torch.qint8)}),
        pt("nowhere.pt", lambda: {"w_rec": torch.ones(3, 3, device="meta")}),
        pt("scattered.pt", lambda: {"w_rec": torch.eye(3).to_sparse()}),
        pt("nan.pt", {"w_rec": torch.full((3, 3), torch.nan)}),
        pt("list.pt", [torch.ones(3, 3)]),
        pt("numbers.pt", {1: torch.ones(3, 3)}),
        raw("deep.pt", pickle.dumps({"w_rec": 1}, 2)[:-1] + b"(" * 200_000 + b"."),
        raw("deep.safetensors", safetensors(b"[" * 100_000)),
        raw("long.safetensors", struct.pack("<Q", 2**62) + b"{}"),
        raw("short.safetensors", safetensors({"w_rec": {"dtype": "F32", "shape": [9, 9], "data_offsets": [0, 324]}})),
        raw("lie.safetensors", one_tensor("F32", [2**40] * 2)),
        raw("kind.safetensors", one_tensor("X9", [1, 1])),
        ("nan.safetensors", lambda path: save_file({"w_rec": np.full((3, 3), np.nan, np.float32)}, path)),
        ("words.safetensors", lambda path: save_file({"w_rec": np.ones((3, 3), bool)}, path)),
        ("many_neurons.onnx", onnx_of(n=10**9)),
        ("more_neurons.onnx", onnx_of(n=20_000)),
        ("many_inputs.onnx", onnx_of(n_in=10**8)),
        ("half_a_neuron.onnx", onnx_of(n=4.5)),
        ("words.onnx", onnx_of(n="4", dt_s="soon")),
        ("list.onnx", onnx_of(neuron_ids=[10**400])),
        ("endless.onnx", onnx_of(dt_s=1e999)),
        ("circle.onnx", rnn(circle)),
        ("cut.onnx", rnn(cut_short)),
        ("strings.onnx", rnn(strings)),
        raw("empty.onnx", b""),
        raw("empty.npz", b""),
        raw("empty.pt", b""),
        raw("empty.safetensors", b""),
    ]
)  # fmt: skip


def hdf5_files():
    h5py = pytest.importorskip("h5py")
    nir = pytest.importorskip("nir")

    def graph(change):
        def write(path):
            nodes = {
                "input": nir.Input({"input": np.array([4])}),
                "lif": nir.LIF(**{k: np.ones(4) for k in ("tau", "r", "v_leak", "v_threshold")}),
                "w": nir.Affine(weight=W, bias=np.zeros(4, np.float32)),
                "output": nir.Output({"output": np.array([4])}),
            }
            edges = [("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")]
            nir.write(path, nir.NIRGraph(nodes, edges))
            with h5py.File(path, "r+") as file:
                change(file)

        return write

    def instead(**options):
        def change(file):
            del file["node/nodes/w/weight"]
            file["node/nodes/w"].create_dataset("weight", **options)

        return change

    def pyramid(file):
        # 2^60 paths.
        below = file.create_group("level0")
        below["x"] = np.zeros(1)
        for k in range(1, 60):
            level = file.create_group(f"level{k}")
            level["a"] = level["b"] = below
            below = level
        file["node/nodes/w/more"] = below

    return {
        "pyramid.nir": graph(pyramid),
        "zeros.nir": graph(instead(shape=(40_000, 40_000), dtype="f4", chunks=(1000, 1000), compression="gzip")),
        "words.nir": graph(instead(data=np.array([["a", "b"]], dtype=object), dtype=h5py.string_dtype())),
        "pointers.nir": graph(instead(shape=(2**28,), dtype=h5py.string_dtype(), chunks=(2**20,))),
        "fields.nir": graph(instead(data=np.zeros((4, 4), [("a", "f4"), ("b", "f4")]))),
        "references.nir": graph(instead(shape=(4, 4), dtype=h5py.ref_dtype)),
        "nothing.nir": graph(instead(data=h5py.Empty("f4"))),
        "nan.nir": graph(instead(data=np.full((4, 4), np.nan, np.float32))),
        "complex.nir": graph(instead(data=W.astype(complex))),
        "cube.nir": graph(instead(data=np.zeros((4, 4, 4), np.float32))),
        "kind.nir": graph(lambda file: file["node/nodes/w/type"].__setitem__((), b"Everything")),
        "no_kind.nir": graph(lambda file: file.__delitem__("node/nodes/w/type")),
        "no_edges.nir": graph(lambda file: file.__delitem__("node/edges")),
        "itself.nir": graph(lambda file: file["node/nodes"].__setitem__("w2", file["node"])),
        "empty.nir": lambda path: path.write_bytes(b""),
        "nothing_in_it.nir": lambda path: h5py.File(path, "w").close(),
    }


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    files = dict(FILES)
    with contextlib.suppress(pytest.skip.Exception):
        files |= hdf5_files()
    for name, write in files.items():
        write(folder / name)
    paths = [str(folder / name) for name in files]
    command = [sys.executable, "-c", READER, *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    found, memory = json.loads(done.stdout.splitlines()[-1])
    return (
        {Path(path).name: said for path, said in found.items()},
        memory,
        set(folder.iterdir()) - set(map(Path, paths)),
    )


def test_each_is_refused_in_one_sentence(outcome):
    said = {name: text for name, (text, _) in outcome[0].items()}
    wrong = {name: text for name, text in said.items() if not text.startswith("cannot import ") or len(text) > 1500}
    assert not wrong
    assert all("\n" not in text for text in said.values())


def test_none_takes_long_or_much_memory_or_writes_anything(outcome):
    found, memory, written = outcome
    assert {name: seconds for name, (_, seconds) in found.items() if seconds > 15} == {}
    assert memory < 3 * 2**30
    assert not written


@pytest.mark.parametrize("name", ["bomb.npz", "bomb.pt"])
def test_archives_that_unpack_to_too_much_are_not_unpacked(tmp_path, monkeypatch, name):
    monkeypatch.setattr("neuromod.importing.result._MAX_BYTES", 10**7)
    path = tmp_path / name
    if name == "bomb.npz":
        np.savez_compressed(path, w_rec=np.zeros((2000, 2000)))
        assert path.stat().st_size < 10**5
    else:
        deflated(path)
    with pytest.raises(UsageError, match="unpacks to"):
        importing.read(path)


def test_archives_of_very_many_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for k in range(10_001):
            archive.writestr(f"{k}.npy", b"")
    with pytest.raises(UsageError, match="unpacks to 10,001 members"):
        importing.read(tmp_path / "a.npz")
