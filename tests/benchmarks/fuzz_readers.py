"""Every reader of neuromod, with the maker of a small valid file for it and what changes that file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import Reader
from fuzz_mutations import (
    mutate_bytes,
    mutate_hdf5,
    mutate_json,
    mutate_npz,
    mutate_onnx,
    mutate_safetensors,
    mutate_text,
    mutate_toml,
)
from scipy import io as scipy_io
from scipy import sparse

from neuromod import Network
from neuromod.errors import NeuromodError
from neuromod.files import sha256
from neuromod.runs import run as rundir


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
    from neuromod.stages import estimate_stage, export_stage, map_stage, report_stage, verify_stage

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
    from neuromod.cli.runs import list_runs

    from neuromod.stages import estimate_stage, report_stage

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
    from neuromod.mapping.placement import Placement
    from neuromod.metrics.activity import Activity

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
    from neuromod.metrics.accuracy import trials_for
    from neuromod.spiking.conversion import convert
    from neuromod.spiking.thresholds import activities, balance

    network = small_network()
    x = trials_for(network, 4, seed=0).inputs
    convert(network, balance(activities(network, x).reshape(-1, network.n)), substeps=3, mode="hold").save(path)


def _read_spiking(path: Path) -> None:
    from neuromod.spiking.network import SpikingNetwork

    spiking = SpikingNetwork.load(path)
    spiking.run(np.zeros((2, 1, spiking.w_in.shape[1])), rng=np.random.default_rng(0))


def _make_config(path: Path) -> None:
    from neuromod.training import config

    path.write_text(config.dump(config.load(None)))


def _read_config(path: Path) -> None:
    from neuromod import tasks
    from neuromod.training import config

    settings = config.load(path)
    tasks.resolve(settings.tasks.names)


def _make_target(path: Path) -> None:
    from neuromod.hardware import target_files

    path.write_text(target_files.read_text("loihi1"))


def _read_target(path: Path) -> None:
    from neuromod.mapping import search

    search.place(small_network(), cores=(1, 2), target=str(path), placer="tiles")


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
    from neuromod import importing
    from neuromod.mapping import search

    network = importing.read(path).network
    if network.n <= 2000:
        search.place(network, cores=(2, 2), placer="tiles")


def _read_with(**said: Any) -> Callable[[Path], None]:
    """Import a network of which the user says something."""

    def read(path: Path) -> None:
        from neuromod import importing
        from neuromod.importing import Choice

        importing.read(path, Choice(**said))

    return read


def _make_npz(path: Path) -> None:
    network = small_network()
    np.savez(path, w_rec=network.w_rec.toarray(), w_in=network.w_in, w_out=network.w_out, positions=network.positions,
             rates=network.rates)  # fmt: skip


def _make_triplets(path: Path) -> None:
    coo = small_network().w_rec.tocoo()
    np.savez(path, source=coo.col, target=coo.row, weight=coo.data, n_neurons=coo.shape[0])


def _make_array_folder(path: Path) -> None:
    coo = small_network().w_rec.tocoo()
    arrays = {"source": coo.col, "target": coo.row, "weight": coo.data, "n_neurons": np.array(coo.shape[0])}
    for name, array in arrays.items():
        np.save(path.with_name(f"{name}.npy"), array)


def _read_array_folder(path: Path) -> None:
    from neuromod import importing

    importing.read(path.parent)


def _read_mapped(path: Path) -> None:
    """Read an archive as one whose arrays are large, mapped and not read."""
    from unittest import mock

    from neuromod import importing
    from neuromod.importing import numpy_archive

    with mock.patch.object(numpy_archive, "_MAPPED", 0):
        importing.read(path)


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


def _make_rnn(path: Path) -> None:
    """An RNN as PyTorch writes it: by batches, a first state of zeros made of shapes, a readout of the last step."""
    import onnx_changes
    import onnx_models

    m = onnx_models.start(np.random.default_rng(3))
    onnx_changes.start_by("shape", 0.0)(m)
    m.after.clear()
    onnx_changes.flat_and_back("shape")(m)
    onnx_models.finish(m, path)


def _make_nir(path: Path) -> None:
    from neuromod.exporting import nir
    from neuromod.metrics.accuracy import trials_for
    from neuromod.spiking.conversion import convert
    from neuromod.spiking.thresholds import activities, balance

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


def _make_trained(path: Path) -> None:
    """A checkpoint of a pruned network beside its optimiser and loss."""
    import torch
    from torch.nn.utils import prune

    rnn = torch.nn.RNN(5, 4, nonlinearity="relu")
    prune.random_unstructured(rnn, "weight_hh_l0", 0.5)
    optimizer = torch.optim.Adam(rnn.parameters())
    rnn(torch.ones(2, 1, 5))[0].sum().backward()
    optimizer.step()
    held = {"model": rnn.state_dict(), "optimizer": optimizer.state_dict(), "loss": torch.tensor(0.5), "epoch": 1}
    torch.save(held, path)


def _make_checkpoint(path: Path) -> None:
    from neuromod.training import checkpoints

    checkpoints.save(path, _tiny(), checkpoints.start(_tiny()))


def _read_checkpoint(path: Path) -> None:
    from neuromod.training import checkpoints

    checkpoints.load(path, _tiny())


def _tiny() -> Any:
    from neuromod.training import config

    return config.load(None, (), {"network.neurons": 4, "tasks.names": "go", "training.batch": 2})


def _make_mtx(path: Path) -> None:
    scipy_io.mmwrite(path, small_network().w_rec.tocoo())


def _make_onnx_export(path: Path) -> None:
    from neuromod.exporting import onnx

    onnx.write(small_network(), path.parent)


def _read_onnx_export(path: Path) -> None:
    from neuromod.verification.onnx import verify_onnx

    verify_onnx(path.parent, small_network(), n_trials=10)


def _make_snn(path: Path) -> None:
    from neuromod.exporting import snn
    from neuromod.metrics.accuracy import trials_for
    from neuromod.spiking.conversion import convert
    from neuromod.spiking.thresholds import activities, balance

    network = small_network()
    x = trials_for(network, 4, seed=0).inputs
    scale = balance(activities(network, x).reshape(-1, network.n))
    shutil.rmtree(path.parent)
    snn.write(convert(network, scale, substeps=2, mode="hold"), path.parent, network=network)


def _read_snn(path: Path) -> None:
    from neuromod.verification.snn import load

    load(path.parent)


def _trials() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    label = np.arange(20) % 2
    return {"inputs": rng.normal(size=(20, 5, 2)) + label[:, None, None], "targets": label, "lengths": label + 4}


def _make_data_npz(path: Path) -> None:
    np.savez(path, **_trials(), split=np.repeat(["train", "test"], 10), class_names=["a", "b"], dt_ms=10.0)


def _make_data_ts(path: Path) -> None:
    rows = [
        ":".join([*(",".join(f"{value:.3f}" for value in channel) for channel in x.T), "ab"[k]])
        for x, k in zip(_trials()["inputs"], _trials()["targets"], strict=True)
    ]
    path.write_text("\n".join(["#", "@problemName x", "@timestamps false", "@classLabel true a b", "@data", *rows]))


def _make_data_h5(path: Path) -> None:
    import h5py

    rng = np.random.default_rng(4)
    with h5py.File(path, "w") as file:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            data = file.create_dataset(f"spikes/{name}", (20,), dtype=h5py.vlen_dtype(kind))
            for k in range(20):
                data[k] = (np.sort(rng.random(6)) if name == "times" else rng.integers(0, 8, 6)).astype(kind)
        file["labels"] = np.arange(20) % 2


def _make_data_copy(path: Path) -> None:
    from neuromod import Trials
    from neuromod.data import storage

    storage.save(Trials.from_arrays(**_trials()), path)


def _read_data(path: Path) -> None:
    """Read trials, tell what is in them and make a batch of them, since odd values show late."""
    import torch

    from neuromod.data import facts, read_trials, storage
    from neuromod.training.on_data import batches, defaults

    data = storage.load(path) if path.suffix == ".safetensors" else read_trials(path)
    facts.describe(data)
    settings = defaults.settings_for(data, {})
    material = batches.prepare(settings, data)
    next(iter(batches.batches(settings, material, 0, torch.device("cpu"))))


def _text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content, encoding="utf-8") and None


_EDGES = "\n".join(f"{s} {t} {w}" for s, t, w in [(0, 1, 0.5), (1, 2, -1.25), (2, 0, 3), (3, 3, 1)]) + "\n"

_R_EDGES = '"","from","to","w"\n' + "".join(f'"{k}",{k % 4},"{k % 3}",{k / 8}\n' for k in range(8))
_SYMMETRIC = "%%MatrixMarket matrix coordinate real symmetric\n% made by hand\n3 3 3\n1 1 0.5\n2 1 -1\n3 2 2.5\n"
_GRAPHML = """<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="w" for="edge" attr.name="strength" attr.type="double"><default>0.5</default></key>
<key id="x" for="node" attr.name="x" attr.type="double"/>
<graph edgedefault="undirected"><node id="0"><data key="x">1</data></node>
<node id="1"/><edge source="0" target="1"/>
<edge source="1" target="1" directed="true"><data key="w">2</data></edge></graph></graphml>
"""

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
    Reader("import npz, mapped", "triplets.npz", _make_triplets, _read_mapped, mutate_npz),
    Reader("import folder of npy", "target.npy", _make_array_folder, _read_array_folder, mutate_bytes),
    Reader("import scipy npz", "sparse.npz", lambda p: sparse.save_npz(p, small_network().w_rec), _read_network,
           mutate_npz),
    Reader("import MatrixMarket", "weights.mtx", _make_mtx, _read_network, mutate_text),
    Reader("import GraphML", "graph.graphml", _make_graphml, _read_network, mutate_text),
    Reader("import edge list", "edges.edgelist", _text(_EDGES), _read_network, mutate_text),
    Reader("import csv", "edges.csv", _text("source,target,weight\n" + _EDGES.replace(" ", ",")), _read_network,
           mutate_text),
    Reader("import csv as R writes it", "edges.csv", _text(_R_EDGES), _read_network, mutate_text),
    Reader("import KONECT", "out.mine", _text("% sym weighted\n% 4 4 4\n" + _EDGES), _read_network, mutate_text),
    Reader("import csv, columns chosen", "edges.csv", _text("a;b;c;d;e\n" + _EDGES.replace(" ", ";9;")),
           _read_with(columns={"source": "a", "target": "3", "weight": "5"}, duplicates="max"), mutate_text),
    Reader("import npy", "w.npy", lambda p: np.save(p, small_network().w_rec.toarray()),
           _read_with(transpose=True, dt_ms=1.0, tau_ms=20.0), mutate_bytes),
    Reader("import GraphML, mixed", "graph.graphml", _text(_GRAPHML), _read_with(columns={"weight": "strength"}),
           mutate_text),
    Reader("import MatrixMarket, symmetric", "weights.mtx", _text(_SYMMETRIC), _read_with(duplicates="first"),
           mutate_text),
    Reader("import ONNX", "model.onnx", _make_onnx, _read_network, mutate_onnx),
    Reader("import ONNX RNN", "rnn.onnx", _make_rnn, _read_network, mutate_onnx),
    Reader("import NIR", "model.nir", _make_nir, _read_network, mutate_hdf5),
    Reader("import state dict", "model.safetensors", _make_state_dict, _read_network, mutate_safetensors),
    Reader("import pt", "model.pt", _make_pt, _read_network, mutate_bytes),
    Reader("import checkpoint", "trained.pt", _make_trained, _read_network, mutate_bytes),
    Reader("data npz", "data.npz", _make_data_npz, _read_data, mutate_npz),
    Reader("data ts", "data.ts", _make_data_ts, _read_data, mutate_text),
    Reader("data h5", "data.h5", _make_data_h5, _read_data, mutate_hdf5),
    Reader("data.safetensors", "data.safetensors", _make_data_copy, _read_data, mutate_safetensors),
)  # fmt: skip
