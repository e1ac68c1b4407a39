"""A folder with the spiking network in snnTorch, which loads with torch, snntorch and safetensors alone."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from neuromod.exporting.onnx import metadata
from neuromod.files import replacing_folder, save_tensors, write_text
from neuromod.mapping import Placement
from neuromod.network import Array, Network
from neuromod.spiking import SpikingNetwork
from neuromod.version import __version__

SCHEMA = "neuromod/snn/1"

# What inputs that are spikes need.
SIGNED = (
    "two for each input, none or one spike in a substep: what is negative, with the weights' other sign, has its own"
)

EXAMPLE = '''\
"""Runs the exported network on random inputs: python example.py"""

from pathlib import Path

import torch
from model import load

model = load(Path(__file__).parent)
x = torch.rand(20, 4, model.config["n_in"])  # (time, batch, n_in)
with torch.no_grad():
    y, spikes, state = model(x)
    y_next, _, state = model(x[:1], state)  # goes on from where it stopped
print("readout", tuple(y.shape), "decides for", y[-1].argmax(dim=1).tolist())
print(f"spikes per neuron and time step {spikes.mean():.3f}, at most {model.config['substeps']}")
'''


def write(spiking: SpikingNetwork, folder: Path, *, network: Network, placement: Placement | None = None) -> list[Path]:
    """Write ``model.py``, ``weights.safetensors``, ``config.json`` and ``example.py``; equal input gives equal bytes.

    Parameters
    ----------
    spiking : SpikingNetwork
        What to export.
    folder : Path
        Where to, replaced as a whole.
    network : Network
        The rate network that it was made from, for the metadata.
    placement : Placement, optional
        Cores of the neurons, written into the metadata.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    UsageError
        If the folder cannot be written, or the placement is of another network.
    """
    about = {key.removeprefix("neuromod."): json.loads(text) for key, text in metadata(network, placement).items()}
    with replacing_folder(folder) as temporary:
        save_tensors(temporary / "weights.safetensors", _tensors(spiking), {"schema": SCHEMA})
        write_text(temporary / "config.json", json.dumps({**config(spiking), "about": about}, indent=1) + "\n")
        write_text(temporary / "model.py", template())
        write_text(temporary / "example.py", EXAMPLE)
    return sorted(folder.iterdir())


def config(spiking: SpikingNetwork) -> dict[str, Any]:
    """Return what `config.json` says besides the metadata."""
    return {
        "schema": SCHEMA,
        "made_by": f"neuromod {__version__}",
        "n_in": spiking.w_in.shape[1],
        "n": spiking.n,
        "n_out": spiking.w_out.shape[0],
        "dt_s": spiking.dt_s,
        "alpha": spiking.alpha,
        "substeps": spiking.substeps,
        "mode": spiking.mode,
        "delay": spiking.delay,
        "threshold": 1.0,
        "reset": spiking.reset,
        "floor": spiking.floor,
        "start": spiking.start,
        "keep": spiking.keep,
        "input": spiking.input,
        "weight_bits": spiking.weight_bits,
    } | ({"input_channels": SIGNED, "bias": "the neurons' own"} if spiking.input == "counts" else {})


def template() -> str:
    """Return the text of ``model.py``, the same in every export."""
    return resources.files("neuromod.exporting").joinpath("snn_model.py").read_text(encoding="utf-8")


def _tensors(spiking: SpikingNetwork) -> dict[str, Array]:
    tensors = {name: getattr(spiking, name) for name in ("bias", "bias_out", "scale", "input_peak")}
    for name, matrix, step in (
        ("w_in", spiking.w_in, spiking.step_in),
        ("w_rec", spiking.w_rec, spiking.step_in),
        ("w_out", spiking.w_out, spiking.step_out),
    ):
        places = sparse.coo_array(matrix)
        places.eliminate_zeros()
        values = places.data
        if step is not None:
            assert spiking.weight_bits is not None
            tensors[f"{name}.step"] = step
            kind = np.int8 if spiking.weight_bits <= 8 else np.int16
            values = np.round(values / step[places.row]).astype(kind)
        size = int(np.prod(places.shape))
        flat = places.row.astype(np.int64) * places.shape[1] + places.col
        index = flat.astype(np.int32 if size <= 2**31 else np.int64)
        if index.nbytes + values.nbytes < values.itemsize * size:
            order = np.argsort(flat)
            tensors[f"{name}.index"], tensors[f"{name}.value"] = index[order], values[order]
        else:
            tensors[name] = sparse.coo_array((values, (places.row, places.col)), shape=places.shape).toarray()
    return tensors
