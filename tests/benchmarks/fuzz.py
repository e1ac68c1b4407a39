"""Mutated files for every reader: small valid seeds, what changes them, who reads them, and what is a finding.

A reader may do two things with a broken file: read it, or raise a `NeuromodError` whose message is one clear text.
Anything else is a finding: another exception, more than 5 s, more than 2 GiB beyond what the process had, a file
written outside of the run's folder, a pickle's class looked up, a process started, a connection opened.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import struct
import sys
import tomllib
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import io as scipy_io
from scipy import sparse

from neuromod import Network, rundir
from neuromod.errors import NeuromodError
from neuromod.files import sha256

SECONDS, BYTES = 5.0, 2 << 30

Rng = np.random.Generator


@dataclass(frozen=True)
class Reader:
    """A kind of file: its seeds' makers, what breaks it and what reads it."""

    name: str
    file: str
    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    mutate: Callable[[bytes, Rng], bytes]


# --- mutations ------------------------------------------------------------------------------------------------------

ODD_NUMBERS = (0, -1, 1, 2, 255, 2**15, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, -(2**63), 10**30)
ODD_FLOATS = (float("nan"), float("inf"), -float("inf"), 1e308, -0.0, 5e-324, 1e-320)
ODD_TEXTS = ("", "0", "nan", "4x4", "0x0", "-1x4", "9x" * 50, "../../escape", "/etc/passwd", "\x00", "\ud7ff", "λ" * 99,
             "generic-mesh", "bimt", "__class__", "%n%s", "1e999", "🧠", "a\nb", "neuromod/network/1")  # fmt: skip


def mutate_bytes(data: bytes, rng: Rng) -> bytes:
    """Change bytes without regard to what they mean, a few times."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        size = len(out)
        at = int(rng.integers(size + 1)) if rng.random() < 0.6 else int(rng.integers(min(size, 64) + 1))
        match int(rng.integers(8)):
            case 0:
                out[at : at + 1] = bytes([int(rng.integers(256))])
            case 1:
                del out[at:]
            case 2:
                del out[at : at + int(rng.integers(1, 40))]
            case 3:
                out[at:at] = rng.bytes(int(rng.integers(1, 40)))
            case 4 if size > 8:
                width = int(rng.choice([1, 2, 4, 8]))
                value = int(rng.choice([0, 1, 0x7F, 0xFF, 0x80]))
                out[at : at + width] = bytes([value] * width)
            case 5 if size:
                start = int(rng.integers(size))
                out[at:at] = out[start : start + int(rng.integers(1, 200))]
            case 6 if at < size:
                out[at] ^= 1 << int(rng.integers(8))
            case _:
                width = "<q" if rng.random() < 0.5 else "<i"
                number = ODD_NUMBERS[int(rng.integers(len(ODD_NUMBERS) - 2))]
                with contextlib.suppress(struct.error):
                    packed = struct.pack(width, number)
                    out[at : at + len(packed)] = packed
    return bytes(out)


def odd_value(rng: Rng, found: Any = None) -> Any:
    """Return something that a reader may not expect in place of `found`."""
    match int(rng.integers(10)):
        case 0 | 1:
            return ODD_NUMBERS[int(rng.integers(len(ODD_NUMBERS)))]
        case 2:
            return ODD_FLOATS[int(rng.integers(len(ODD_FLOATS)))]
        case 3 | 4:
            return ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))]
        case 5:
            return []
        case 6:
            return {}
        case 7:
            return [found, [found]]
        case 8:
            return bool(rng.integers(2))
        case _:
            return {"a": found} if rng.random() < 0.5 else [1, "2", 3.5]


def mutate_tree(tree: Any, rng: Rng) -> Any:
    """Return a copy of JSON-like data with a few nodes changed, dropped, doubled or renamed."""
    tree = json.loads(json.dumps(tree))
    for _ in range(int(rng.integers(1, 4))):
        node, path = tree, []
        while isinstance(node, dict | list) and node and (not path or rng.random() < 0.75):
            key = _pick(node, rng)
            path.append((node, key))
            node = node[key]
        if not path:
            return odd_value(rng)
        parent, key = path[-1]
        match int(rng.integers(5)):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))]] = parent.pop(key)
            case 2 if isinstance(parent, list):
                parent.insert(key, node)
            case _:
                parent[key] = odd_value(rng, node)
    return tree


def _pick(node: Any, rng: Rng) -> Any:
    return list(node)[int(rng.integers(len(node)))] if isinstance(node, dict) else int(rng.integers(len(node)))


def mutate_json(data: bytes, rng: Rng) -> bytes:
    """Change a JSON object, or its bytes."""
    if rng.random() < 0.25:
        return mutate_bytes(data, rng)
    if rng.random() < 0.02:
        return b"[" * 100_000
    return json.dumps(mutate_tree(json.loads(data), rng)).encode("utf-8", "surrogatepass")


def mutate_toml(data: bytes, rng: Rng) -> bytes:
    """Change a TOML table, or its bytes."""
    import tomli_w

    if rng.random() < 0.3:
        return mutate_bytes(data, rng)
    if rng.random() < 0.02:
        return b"a = " + b"[" * 5000 + b"]" * 5000
    with contextlib.suppress(TypeError, ValueError):
        return tomli_w.dumps(mutate_tree(tomllib.loads(data.decode()), rng)).encode("utf-8", "surrogatepass")
    return mutate_bytes(data, rng)


def mutate_safetensors(data: bytes, rng: Rng) -> bytes:
    """Change the header of a safetensors file, its payload, or its bytes."""
    if rng.random() < 0.3:
        return mutate_bytes(data, rng)
    (length,) = struct.unpack("<Q", data[:8])
    header, payload = json.loads(data[8 : 8 + length]), data[8 + length :]
    if rng.random() < 0.4 and "__metadata__" in header:
        inner = mutate_tree(json.loads(header["__metadata__"].get("neuromod", "{}")), rng)
        header["__metadata__"]["neuromod"] = json.dumps(inner)
    elif rng.random() < 0.5:
        payload = mutate_bytes(payload, rng)[: len(payload)].ljust(len(payload), b"\xff")
    else:
        header = mutate_tree(header, rng)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + payload


def mutate_npz(data: bytes, rng: Rng) -> bytes:
    """Change arrays of an npz file: shapes, types, values, names; or its bytes."""
    if rng.random() < 0.35:
        return mutate_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(int(rng.integers(1, 3))):
        name = _pick(members, rng)
        match int(rng.integers(6)):
            case 0:
                members.pop(name)
            case 1:
                members[ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))].replace("\x00", "") + ".npy"] = members[name]
            case 2:
                members[name] = mutate_bytes(members[name], rng)
            case _:
                try:
                    array = np.load(io.BytesIO(members[name]), allow_pickle=True)
                except Exception:
                    # Changed before, and no longer an array.
                    continue
                members[name] = _npy(_odd_array(array, rng))
        if not members:
            break
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if rng.random() < 0.5 else zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name or "x", content)
    return out.getvalue()


def _npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def _odd_array(array: Any, rng: Rng) -> Any:
    array = np.array(array)
    match int(rng.integers(7)):
        case 0:
            return array.reshape(-1)
        case 1:
            return array[..., None]
        case 2:
            return array.astype(rng.choice(["int8", "float64", "complex64", "bool", "U5", "int64", "uint64"]))
        case 3:
            return np.array([odd_value(rng)], dtype=object)
        case 4 if array.size and np.issubdtype(array.dtype, np.number):
            flat = array.astype(float).reshape(-1)
            flat[int(rng.integers(flat.size))] = [np.nan, np.inf, -1, 1e300, 2.5, 2.0**40][int(rng.integers(6))]
            return flat.reshape(array.shape)
        case 5:
            return array[:0]
        case _:
            return np.array(ODD_NUMBERS[int(rng.integers(len(ODD_NUMBERS) - 1))])


def mutate_text(data: bytes, rng: Rng) -> bytes:
    """Change words and lines of a text, or its bytes."""
    if rng.random() < 0.35:
        return mutate_bytes(data, rng)
    text = data.decode("utf-8", "replace")
    for _ in range(int(rng.integers(1, 4))):
        lines = text.split("\n")
        at = int(rng.integers(len(lines)))
        words = lines[at].split(" ")
        odd = str(odd_value(rng)) if rng.random() < 0.7 else str(ODD_NUMBERS[int(rng.integers(len(ODD_NUMBERS)))])
        match int(rng.integers(5)):
            case 0:
                lines.insert(at, lines[int(rng.integers(len(lines)))])
            case 1:
                lines.pop(at)
            case 2:
                words[int(rng.integers(len(words)))] = odd
                lines[at] = " ".join(words)
            case 3:
                lines[at] = odd
            case _:
                lines[at] = lines[at] + " " + odd
        text = "\n".join(lines)
    return text.encode("utf-8", "surrogatepass")


def mutate_onnx(data: bytes, rng: Rng) -> bytes:
    """Change fields of the graph of an ONNX file, or its bytes."""
    import onnx

    if rng.random() < 0.4:
        return mutate_bytes(data, rng)
    model = onnx.load_model_from_string(data)
    graph = model.graph
    for _ in range(int(rng.integers(1, 3))):
        lists = [part for part in (graph.node, graph.initializer, graph.input, graph.output) if len(part)]
        part = lists[int(rng.integers(len(lists)))]
        item = part[int(rng.integers(len(part)))]
        match int(rng.integers(7)):
            case 0:
                part.remove(item)
            case 1:
                part.append(item)
            case 2:
                item.name = ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))]
            case 3 if part is graph.initializer:
                item.dims[:] = [ODD_NUMBERS[int(rng.integers(10))] for _ in range(int(rng.integers(0, 4)))]
            case 4 if part is graph.initializer:
                item.data_location = 1
                entry = item.external_data.add()
                entry.key, entry.value = "location", "../../escape"
            case 5 if part is graph.node:
                item.op_type = ["If", "Loop", "RNN", "Gemm", "", "NonZero"][int(rng.integers(6))]
            case 6 if part is graph.node and len(item.input):
                item.input[int(rng.integers(len(item.input)))] = "nowhere"
            case _:
                model.ClearField(["ir_version", "opset_import", "metadata_props"][int(rng.integers(3))])
    return bytes(model.SerializeToString())


def mutate_hdf5(data: bytes, rng: Rng) -> bytes:
    """Change data sets and groups of an HDF5 file, or its bytes."""
    import h5py

    if rng.random() < 0.45:
        return mutate_bytes(data, rng)
    file = io.BytesIO(data)
    with h5py.File(file, "r+") as content:
        names: list[str] = []
        content.visit(names.append)
        for _ in range(int(rng.integers(1, 3))):
            name = names[int(rng.integers(len(names)))]
            if name not in content:
                continue
            item = content[name]
            match int(rng.integers(5)):
                case 0:
                    del content[name]
                case 1:
                    content.move(name, "moved")
                case _ if isinstance(item, h5py.Dataset):
                    value = item[()]
                    del content[name]
                    if isinstance(value, bytes):
                        words = (*ODD_TEXTS, "LIF", "IF", "Linear", "Conv2d", "NIRGraph")
                        content[name] = words[int(rng.integers(len(words)))].replace("\x00", "")
                        continue
                    if rng.random() < 0.15:
                        content.create_dataset(name, shape=(2**20, 2**20), dtype="f4", chunks=(64, 64))
                        continue
                    array = _odd_array(value, rng)
                    with contextlib.suppress(TypeError, ValueError, OSError):
                        content[name] = array if array.dtype.kind not in "UO" else "text"
                case _:
                    pass
    return file.getvalue()


# --- readers --------------------------------------------------------------------------------------------------------


def small_network(n: int = 6, *, tasks: bool = True) -> Network:
    """Return a network of `n` neurons that every reader takes."""
    rng = np.random.default_rng(5)
    info = {"tasks": ["go", "anti"], "semantics": "go-cue", "dt_ms": 100} if tasks else {}
    return Network(
        w_rec=sparse.random_array((n, n), density=0.5, rng=rng, dtype=np.float64),
        w_in=rng.normal(size=(n, 53)),
        w_out=rng.normal(size=(17, n)),
        bias=rng.normal(size=n),
        bias_out=np.zeros(17),
        dt_s=0.1,
        tau_s=0.2,
        positions=np.stack(np.divmod(np.arange(n), 3), axis=1),
        rates=rng.random(n),
        info=info,
    )


def quiet() -> Any:
    """Return a `Talk` that says nothing."""
    from neuromod.cli.output import Talk

    return Talk(quiet=True)


def _make_run(path: Path) -> None:
    """Make the run whose files are changed: everything that is quick."""
    from neuromod.cli.estimate import estimate_stage
    from neuromod.cli.export import export_stage
    from neuromod.cli.map import map_stage
    from neuromod.cli.report import report_stage
    from neuromod.cli.verify import verify_stage

    folder = path.parent
    shutil.rmtree(folder)
    run, network = rundir.create("fuzz", folder), small_network()
    for step, file in (("train", "network.safetensors"), ("prune", "pruned.safetensors")):
        network.save(run.file(file))
        result = {"accuracy": 0.5, "accuracy_per_task": {"go": 0.5, "anti": 0.5}, "run": "fuzz"}
        run.record(step, arguments={"seed": 0}, seconds=1.0, inputs=[], outputs=[file], result=result)
    run.file("metrics.jsonl").write_text(
        "".join(json.dumps({"step": k, "loss": 1 / k, "accuracy": 0.5, "wiring_length": 9.0}) + "\n" for k in (1, 2, 3))
    )
    map_stage(run, talk=quiet(), cores=(2, 2), placer="tiles")
    estimate_stage(run, talk=quiet())
    export_stage(run, formats=("onnx",), talk=quiet())
    verify_stage(run, talk=quiet(), n_trials=10)
    report_stage(run, talk=quiet())


def _read_run(path: Path) -> None:
    """Let every command look at the run that a changed file lies in, as if a step had written it so."""
    from neuromod.cli.estimate import estimate_stage
    from neuromod.cli.report import report_stage
    from neuromod.cli.runs import list_runs

    manifest = path.with_name("run.json")
    if path != manifest:
        digest, content = sha256(path), json.loads(manifest.read_text())
        for record in content["steps"].values():
            for kind in ("inputs", "outputs"):
                record[kind].update({path.name: digest} if path.name in record[kind] else {})
        manifest.write_text(json.dumps(content))
    list_runs()
    refusals = []
    for stage in (report_stage, estimate_stage):
        try:
            stage(rundir.open_run(path.parent), talk=quiet())
        except NeuromodError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _read_artefact(path: Path) -> None:
    from neuromod.activity import Activity
    from neuromod.placement import Placement

    kinds: dict[str, Callable[[Path], Any]] = {
        "placement.json": Placement.load,
        "activity.safetensors": Activity.load,
        "pruned.safetensors": Network.load,
    }
    try:
        kinds[path.name](path)
    finally:
        _read_run(path)


def _make_spiking(path: Path) -> None:
    from neuromod.conversion import activities, balance, convert
    from neuromod.evaluation import trials_for

    network = small_network()
    x = trials_for(network, 4, seed=0).inputs
    convert(network, balance(activities(network, x).reshape(-1, network.n)), substeps=3, mode="hold").save(path)


def _read_spiking(path: Path) -> None:
    from neuromod.spiking import SpikingNetwork

    spiking = SpikingNetwork.load(path)
    spiking.run(np.zeros((2, 1, spiking.w_in.shape[1])), rng=np.random.default_rng(0))


def _make_config(path: Path) -> None:
    from neuromod import config

    path.write_text(config.dump(config.load(None)))


def _read_config(path: Path) -> None:
    from neuromod import config, tasks

    settings = config.load(path)
    tasks.resolve(settings.tasks.names)


def _make_target(path: Path) -> None:
    from neuromod import target_files

    path.write_text(target_files.read_text("loihi1"))


def _read_target(path: Path) -> None:
    from neuromod import mapping

    mapping.place(small_network(), cores=(1, 2), target=str(path), placer="tiles")


def _make_sweep(path: Path) -> None:
    path.write_text(
        'name = "small"\nthen = ["prune", "analyze"]\n\n[settings.training]\nsteps = 10\n\n[[grid]]\n'
        '"wiring.regularizer" = ["bimt", "l1"]\n"wiring.strength" = [0.1, 0.3]\nseed = [0, 1]\n'
    )


def _read_sweep(path: Path) -> None:
    from neuromod.sweeping import read_plan

    read_plan(path)


def _read_network(path: Path) -> None:
    """Import a network, and estimate and place what came in, since odd values show late."""
    from neuromod import importing, mapping

    network = importing.read(path).network
    if network.n <= 2000:
        mapping.place(network, cores=(2, 2), placer="tiles")


def _make_npz(path: Path) -> None:
    network = small_network()
    np.savez(path, w_rec=network.w_rec.toarray(), w_in=network.w_in, w_out=network.w_out, positions=network.positions,
             rates=network.rates)  # fmt: skip


def _make_triplets(path: Path) -> None:
    coo = small_network().w_rec.tocoo()
    np.savez(path, source=coo.col, target=coo.row, weight=coo.data, n_neurons=coo.shape[0])


def _make_graphml(path: Path) -> None:
    import networkx

    graph = networkx.DiGraph()
    graph.add_weighted_edges_from([("a", "b", 0.5), ("b", "c", -1.0), ("c", "a", 2.0), ("c", "c", 1.0)])
    networkx.write_graphml(graph, path)


def _make_onnx(path: Path) -> None:
    from neuromod.exporting import onnx

    folder = path.parent / "made"
    onnx.write(small_network(), folder)
    shutil.copy(folder / "network.onnx", path)
    shutil.rmtree(folder)


def _make_nir(path: Path) -> None:
    from neuromod.conversion import activities, balance, convert
    from neuromod.evaluation import trials_for
    from neuromod.exporting import nir

    network = small_network()
    x = trials_for(network, 4, seed=0).inputs
    scale = balance(activities(network, x).reshape(-1, network.n))
    spiking = convert(network, scale, substeps=3, mode="continuous", delay=0, floor=None)
    nir.write(spiking, path, network=network)


def _state_dict() -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    model = torch.nn.ModuleDict(
        {"rnn": torch.nn.RNN(5, 4, nonlinearity="relu"), "readout": torch.nn.Linear(4, 3)}  # type: ignore[dict-item]
    )
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _make_state_dict(path: Path) -> None:
    from safetensors.torch import save_file

    save_file(_state_dict(), path)


def _make_pt(path: Path) -> None:
    import torch

    torch.save(_state_dict(), path)


def _make_checkpoint(path: Path) -> None:
    from neuromod import checkpoints

    checkpoints.save(path, _tiny(), checkpoints.start(_tiny()))


def _read_checkpoint(path: Path) -> None:
    from neuromod import checkpoints

    checkpoints.load(path, _tiny())


def _tiny() -> Any:
    from neuromod import config

    return config.load(None, (), {"network.neurons": 4, "tasks.names": "go", "training.batch": 2})


def _make_mtx(path: Path) -> None:
    scipy_io.mmwrite(path, small_network().w_rec.tocoo())


def _make_onnx_export(path: Path) -> None:
    from neuromod.exporting import onnx

    onnx.write(small_network(), path.parent)


def _read_onnx_export(path: Path) -> None:
    from neuromod.runners.onnx import verify_onnx

    verify_onnx(path.parent, small_network(), n_trials=10)


def _make_snn(path: Path) -> None:
    from neuromod.conversion import activities, balance, convert
    from neuromod.evaluation import trials_for
    from neuromod.exporting import snn

    network = small_network()
    x = trials_for(network, 4, seed=0).inputs
    scale = balance(activities(network, x).reshape(-1, network.n))
    shutil.rmtree(path.parent)
    snn.write(convert(network, scale, substeps=2, mode="hold"), path.parent, network=network)


def _read_snn(path: Path) -> None:
    from neuromod.runners.snn import load

    load(path.parent)


def _text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content, encoding="utf-8") and None


_EDGES = "\n".join(f"{s} {t} {w}" for s, t, w in [(0, 1, 0.5), (1, 2, -1.25), (2, 0, 3), (3, 3, 1)]) + "\n"

READERS = (
    Reader("config", "config.toml", _make_config, _read_config, mutate_toml),
    Reader("target", "chip.toml", _make_target, _read_target, mutate_toml),
    Reader("sweep", "sweep.toml", _make_sweep, _read_sweep, mutate_toml),
    Reader("run.json", "run.json", _make_run, _read_run, mutate_json),
    Reader("placement.json", "placement.json", _make_run, _read_artefact, mutate_json),
    Reader("traffic.json", "traffic.json", _make_run, _read_run, mutate_json),
    Reader("verify.json", "verify.json", _make_run, _read_run, mutate_json),
    Reader("metrics.jsonl", "metrics.jsonl", _make_run, _read_run, mutate_text),
    Reader("network.safetensors", "pruned.safetensors", _make_run, _read_artefact, mutate_safetensors),
    Reader("activity.safetensors", "activity.safetensors", _make_run, _read_artefact, mutate_safetensors),
    Reader("spiking.safetensors", "spiking.safetensors", _make_spiking, _read_spiking, mutate_safetensors),
    Reader("checkpoint.pt", "checkpoint.pt", _make_checkpoint, _read_checkpoint, mutate_bytes),
    Reader("network.onnx", "network.onnx", _make_onnx_export, _read_onnx_export, mutate_onnx),
    Reader("snn config.json", "config.json", _make_snn, _read_snn, mutate_json),
    Reader("snn weights", "weights.safetensors", _make_snn, _read_snn, mutate_safetensors),
    Reader("import npz", "dense.npz", _make_npz, _read_network, mutate_npz),
    Reader("import npz triplets", "triplets.npz", _make_triplets, _read_network, mutate_npz),
    Reader("import scipy npz", "sparse.npz", lambda p: sparse.save_npz(p, small_network().w_rec), _read_network,
           mutate_npz),
    Reader("import MatrixMarket", "weights.mtx", _make_mtx, _read_network, mutate_text),
    Reader("import GraphML", "graph.graphml", _make_graphml, _read_network, mutate_text),
    Reader("import edge list", "edges.edgelist", _text(_EDGES), _read_network, mutate_text),
    Reader("import csv", "edges.csv", _text("source,target,weight\n" + _EDGES.replace(" ", ",")), _read_network,
           mutate_text),
    Reader("import ONNX", "model.onnx", _make_onnx, _read_network, mutate_onnx),
    Reader("import NIR", "model.nir", _make_nir, _read_network, mutate_hdf5),
    Reader("import state dict", "model.safetensors", _make_state_dict, _read_network, mutate_safetensors),
    Reader("import pt", "model.pt", _make_pt, _read_network, mutate_bytes),
)  # fmt: skip


# --- the trial ------------------------------------------------------------------------------------------------------


class Watch:
    """Notes what a reader does besides reading."""

    def __init__(self, allowed: Path) -> None:
        self.allowed = str(allowed)
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect"):
            self.seen.append(event)
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._written(event, path)
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.symlink", "shutil.rmtree"):
            self._written(event, arguments[1] if event == "os.symlink" else arguments[0])
        elif event == "os.rename":
            self._written(event, arguments[1])

    def _written(self, event: str, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        full = os.path.realpath(os.fsdecode(path))
        if not full.startswith(self.allowed) and full not in ("/dev/null", "/dev/tty") and "__pycache__" not in full:
            self.seen.append(f"{event} {full}")


class _Slow(BaseException):
    pass


def _alarm(*_: Any) -> None:
    raise _Slow


def attempt(reader: Reader, path: Path, watch: Watch) -> str:
    """Let `reader` read `path`; return what is wrong with how it took it, else ``read`` or ``refused``."""
    watch.seen, watch.on = [], True
    signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            reader.read(path)
        said = "read"
    except NeuromodError as error:
        said = "refused" if str(error).strip() else "an error without words"
    except _Slow:
        said = f"longer than {SECONDS:g} s"
    except MemoryError:
        said = f"more than {BYTES >> 30} GiB"
    except Exception as error:
        ours = ("/neuromod/", "/cli/")
        frames = [f for f in traceback.extract_tb(error.__traceback__) if any(part in f.filename for part in ours)]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        said = f"{type(error).__name__} in {where}: {str(error).splitlines()[0][:100] if str(error) else ''}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        watch.on = False
    return f"side effect: {watch.seen[0]}" if watch.seen else said


def trial(reader: Reader, master: Path, folder: Path, seed: int, watch: Watch) -> tuple[str, bytes]:
    """Change the file of `master` once, read it in a fresh copy at `folder`; return the finding and the bytes."""
    rng = np.random.default_rng([seed, sum(reader.name.encode())])
    whole = (master / reader.file).read_bytes()
    try:
        broken = reader.mutate(whole, rng)
    except Exception:
        # A change of a change that no longer makes sense.
        broken = mutate_bytes(whole, rng)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(master, folder)
    (folder / reader.file).write_bytes(broken)
    return attempt(reader, folder / reader.file, watch), broken


def make_master(reader: Reader, folder: Path) -> Path:
    """Write the valid files and make sure that the reader takes them."""
    folder.mkdir(parents=True)
    reader.make(folder / reader.file)
    reader.read(folder / reader.file)
    shutil.rmtree(folder)
    folder.mkdir()
    reader.make(folder / reader.file)
    return folder
