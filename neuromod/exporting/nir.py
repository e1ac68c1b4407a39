"""NIR: the spiking network as a flat recurrent graph that simulators and chip tools read, written with `nir` alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neuromod.errors import UsageError
from neuromod.exporting.onnx import metadata
from neuromod.files import replacing
from neuromod.mapping import Placement
from neuromod.network import Array, Network
from neuromod.spiking import SpikingNetwork, decode, encode, weights_of_channels

__all__ = ["Form", "build", "decode", "encode", "nir_package", "rebuild", "save", "write"]

FORMAT = "neuromod/nir/1"

Form = Literal["cuba", "literal"]

# Time constant of membranes that do not leak, in time steps: their decay is 1 in single precision.
_NO_LEAK = 1e9

# The least single-precision number above 1: a simulator that fires at the threshold then agrees with those that fire
# above 1, also where sums of round weights hit it exactly.
_JUST_ABOVE = float(np.nextafter(np.float32(1), np.float32(2)))


def write(
    spiking: SpikingNetwork,
    path: Path,
    *,
    network: Network,
    placement: Placement | None = None,
    form: Form = "cuba",
) -> Path:
    """Write a ``.nir`` file that versions 1.0.4 and 1.0.8 of the nir package read.

    Parameters
    ----------
    spiking : SpikingNetwork
        What to export: mode ``continuous`` without delay and floor, which NIR has no words for.
    path : Path
        The file.
    network : Network
        The rate network that it was made from, for the metadata.
    placement : Placement, optional
        Cores of the neurons, written into the metadata.
    form : {'cuba', 'literal'}
        See `build`.

    Raises
    ------
    UsageError
        If NIR cannot say what the network does, `nir` is not installed, or the file cannot be written.
    """
    return save(build(spiking, network=network, placement=placement, form=form), path)


def save(graph: Any, path: Path) -> Path:
    """Write a graph so that nir 1.0.4 reads it, too; all or nothing."""
    import h5py

    with replacing(path) as temporary:
        nir_package().write(temporary, graph)
        with h5py.File(temporary, "r+") as file:
            # 1.0.4 does not know v_reset; 0 is what later versions take for granted.
            for node in file["node/nodes"].values():
                if "v_reset" in node and not node["v_reset"][()].any():
                    del node["v_reset"]
    return path


def build(spiking: SpikingNetwork, *, network: Network, placement: Placement | None = None, form: Form = "cuba") -> Any:
    r"""Return the network as a `nir.NIRGraph`.

    ``cuba``, which most importers read: input → w_in → lif ⇄ w_rec, lif → w_out → output. One `CubaLIF` is neuron and
    trace in one, so inputs pass the trace, too, and `encode` undoes that beforehand; the readout is to be low-passed
    with the same time constant, see `decode`. ``literal``, the network as it is: `IF` neurons, `LIF` if
    their membranes leak, and an `LI` for the trace of the spikes.

    Parameters
    ----------
    spiking, network, placement, form
        See `write`.

    Raises
    ------
    UsageError
        If NIR cannot say what the network does.
    """
    nir = nir_package()
    if spiking.mode != "continuous" or spiking.delay or spiking.floor is not None or spiking.input == "poisson":
        raise UsageError(
            "NIR cannot say what this network does: needed the mode continuous, no delay, no floor of the membrane and "
            f"no random input, found mode {spiking.mode}, delay {spiking.delay}, floor {spiking.floor}, input "
            f"{spiking.input}"
        )
    n, n_out, dt = spiking.n, len(spiking.bias_out), spiking.dt_s / spiking.substeps
    membrane = dt / (1 - spiking.keep) if spiking.keep < 1 else _NO_LEAK * dt
    w_rec = spiking.w_rec.toarray()
    tau = np.full(n, dt / spiking.share)
    # A soft reset takes the threshold off, so there it must be 1.
    threshold = _JUST_ABOVE if spiking.reset == "hard" else 1.0

    def same(value: float, size: int = n) -> Array:
        return np.full(size, float(value))

    def affine(weight: Array) -> Any:
        return nir.Affine(weight=np.asarray(weight, np.float32), bias=np.zeros(len(weight), np.float32))

    into = weights_of_channels(spiking)
    if form == "cuba":
        nodes = {
            "w_in": affine(into),
            "lif": nir.CubaLIF(
                tau_syn=tau,
                tau_mem=same(membrane),
                r=same(membrane / dt),
                v_leak=same(0),
                v_threshold=same(threshold),
                w_in=tau / dt,
                v_reset=same(0),
            ),
            "w_rec": affine(np.float32(spiking.share) * w_rec),
            "w_out": affine(spiking.w_out),
        }
        edges = [("input", "w_in"), ("w_in", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "w_out")]
        edges.append(("w_out", "output"))
    else:
        leaky = {"tau": tau, "r": same(1), "v_leak": same(0)}
        nodes = {
            "w_in": affine(into),
            "neurons": nir.LIF(
                tau=same(membrane), r=same(membrane / dt), v_leak=same(0), v_threshold=same(threshold), v_reset=same(0)
            )
            if spiking.keep < 1
            else nir.IF(r=same(1 / dt), v_threshold=same(threshold), v_reset=same(0)),
            "trace": nir.LI(**leaky),
            "w_rec": affine(w_rec),
            "w_out": affine(spiking.w_out),
        }
        edges = [("input", "w_in"), ("w_in", "neurons"), ("neurons", "trace"), ("trace", "w_rec")]
        edges += [("w_rec", "neurons"), ("trace", "w_out"), ("w_out", "output")]
        if spiking.input == "counts":
            size = into.shape[1]
            nodes["trace_in"] = nir.LI(tau=same(tau[0], size), r=same(tau[0] / dt, size), v_leak=same(0, size))
            edges[0] = ("input", "trace_in")
            edges.append(("trace_in", "w_in"))
    nodes = {
        "input": nir.Input({"input": np.array([into.shape[1]])}),
        **nodes,
        "output": nir.Output({"output": np.array([n_out])}),
    }
    return nir.NIRGraph(nodes, edges, metadata=_metadata(spiking, network, placement, form))


def rebuild(network: Network, *, placement: Placement | None = None) -> Any:
    """Return an imported spiking network as a `nir.NIRGraph` that does what the imported file does.

    Parameters
    ----------
    network : Network
        From `importing.nir.read` or `spiking.from_snntorch`, pruned or not.
    placement : Placement, optional
        Cores of the neurons, written into the metadata.

    Raises
    ------
    UsageError
        If the network does not spike.
    """
    nir = nir_package()
    about = network.info.get("nir")
    if not isinstance(about, dict) or not about["groups"] or about["groups"][-1]["stop"] != network.n:
        raise UsageError(
            "only a network that was imported from NIR, or made of snnTorch's neurons, can be written as it was"
        )
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([network.n_in])})}
    edges: list[tuple[str, str]] = []

    def affine(name: str, weight: Array, bias: Array, source: str, target: str) -> None:
        if weight.any() or bias.any() or target == "output":
            nodes[name] = nir.Affine(weight=np.asarray(weight, np.float32), bias=np.asarray(bias, np.float32))
            edges.extend([(source, name), (name, target)])

    def filled(values: dict[str, Any], size: int) -> dict[str, Array]:
        return {key: np.broadcast_to(np.asarray(value, np.float64), (size,)).copy() for key, value in values.items()}

    spikes = []
    parts = [slice(group["start"], group["stop"]) for group in about["groups"]]
    for index, (group, rows) in enumerate(zip(about["groups"], parts, strict=True)):
        name, size = f"neurons_{index:04d}", group["stop"] - group["start"]
        values = {key: value for key, value in group.items() if key not in ("type", "start", "stop", "trace")}
        nodes[name] = getattr(nir, group["type"])(**filled(values, size))
        affine(f"w_in_{index:04d}", network.w_in[rows], network.bias[rows], "input", name)
        if "trace" in group:
            nodes[f"trace_{index:04d}"] = nir.LI(**filled(group["trace"], size))
            edges.append((name, f"trace_{index:04d}"))
            name = f"trace_{index:04d}"
        spikes.append(name)
    for a, columns in enumerate(parts):
        for b, rows in enumerate(parts):
            block = network.w_rec[rows][:, columns].toarray()
            affine(f"w_rec_{a:04d}_{b:04d}", block, np.zeros(len(block)), spikes[a], f"neurons_{b:04d}")
    target = "output"
    if "readout" in about:
        target = "readout"
        nodes[target] = nir.LI(**filled(about["readout"], network.n_out))
        edges.append((target, "output"))
    for a, columns in enumerate(parts):
        bias = network.bias_out if a == 0 else np.zeros(network.n_out)
        weight = network.w_out[:, columns]
        if weight.any() or bias.any() or len(parts) == 1:
            nodes[f"w_out_{a:04d}"] = nir.Affine(weight=np.asarray(weight), bias=np.asarray(bias, np.float32))
            edges.extend([(spikes[a], f"w_out_{a:04d}"), (f"w_out_{a:04d}", target)])
    nodes["output"] = nir.Output({"output": np.array([network.n_out])})
    said = {key.removeprefix("neuromod."): json.loads(text) for key, text in metadata(network, placement).items()}
    extra: dict[str, Any] = {"format": FORMAT, "form": "imported", "about": json.dumps(said, sort_keys=True)}
    extra |= {"dt_s": network.dt_s} if about["dt_known"] else {}
    extra |= {"reset": about["reset"]} if "reset" in about else {}
    extra |= {"snntorch": json.dumps(about["snntorch"], sort_keys=True)} if "snntorch" in about else {}
    return nir.NIRGraph(nodes, edges, metadata=extra)


def nir_package() -> Any:
    """Return the nir package.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        import nir
    except ImportError as error:
        raise UsageError("the nir package is not installed; `pip install 'bimt-neuromod[nir]'`") from error
    return nir


def _metadata(spiking: SpikingNetwork, network: Network, placement: Placement | None, form: Form) -> dict[str, Any]:
    """What NIR has no words for; several keys of plain values, and one with JSON."""
    about = {key.removeprefix("neuromod."): json.loads(text) for key, text in metadata(network, placement).items()}
    return {
        "format": FORMAT,
        "form": form,
        "dt_s": spiking.dt_s / spiking.substeps,
        "step_s": spiking.dt_s,
        "substeps": spiking.substeps,
        "reset": spiking.reset,
        "membrane_floor": "none",
        "threshold": "a spike where the membrane is above it",
        "readout_tau_s": spiking.dt_s / spiking.substeps / spiking.share,
        "readout_bias": spiking.bias_out,
        "about": json.dumps(about, sort_keys=True),
        **_input(spiking, form),
    }


def _input(spiking: SpikingNetwork, form: Form) -> dict[str, Any]:
    """What the metadata say of the inputs."""
    if spiking.input == "counts":
        return {
            "input": "spikes, none or one of a channel in a substep: n_in channels, n_in channels of what is negative, "
            "then one that is always 1, 1 in the first substep only, and 1 in the second only; with the sum "
            "a[k] = (1 - dt_s / readout_tau_s) a[k - 1] + e[k] of an input's spikes, those of the negative taken off, "
            "e[k] = -1, 0 or 1, nearest to x[k] / input_size - (1 - dt_s / readout_tau_s) a[k - 1]",
            "input_size": spiking.spike_size,
            "bias": "weights of the channel that is always 1, and of the first substep's",
        }
    emphasised = "; each e[k] = x[k] - (1 - dt_s / readout_tau_s) x[k - 1]" if form == "cuba" else ""
    return {"input": f"n_in channels, then a constant 1, then 1 in the first substep only{emphasised}"}
