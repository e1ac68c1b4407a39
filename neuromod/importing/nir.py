"""NIR files as networks: LIF, CubaLIF and IF neurons with linear connections, nested or flat, recurrent or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.exporting import nir as exported
from neuromod.importing.nir_graph import NEURONS, Flat, flatten
from neuromod.importing.result import Choice, Imported, build, notes_of_placement, read_unnamed
from neuromod.network import Array, Network
from neuromod.spiking import stepped

TRACE = ("tau", "r", "v_leak")

# Where NIR says nothing, this is the time step of the imported network.
DEFAULT_DT_S = 1e-3

# What a file may unpack to, and how many groups and arrays it may hold, counted along every path.
_MAX_BYTES = 2**30
_MAX_OBJECTS = 100_000


def read(path: Path, choice: Choice) -> Imported:
    """Read a file for `neuromod import`; see `read_network`.

    Raises
    ------
    UsageError
        If the file cannot be read or holds what no network here can be.
    """
    found = read_unnamed(_imported, path)
    about = found.network.info["nir"]
    kinds = ", ".join(sorted({group["type"] for group in about["groups"]}))
    notes = [f"it is a spiking network of {kinds} neurons: it can be mapped, estimated with rates, and exported as NIR"]
    if not about["dt_known"]:
        notes.append(f"NIR has no time step, so one of {DEFAULT_DT_S:g} s is assumed")
    return replace(found, notes=(*notes, *found.notes))


def read_network(path: Path) -> Network:
    """Read a ``.nir`` file.

    Populations become one network, in the order of their names; `Network.info` keeps their parameters under ``nir``,
    with which `exporting.nir.rebuild` writes the same graph again. Such a network is spiking: it can be mapped, its
    traffic estimated and exported as NIR, but `Network.run` refuses it.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UsageError
        If the file cannot be read, is too large, points to other files, or holds what cannot be represented; the
        message names the node.
    """
    return _imported(path).network


def _imported(path: Path) -> Imported:
    nir = exported.nir_package()
    check_file(path)
    try:
        # Its own check of shapes knows less than what follows.
        graph = nir.read(path, type_check=False)
    except Exception as error:  # nir raises whatever the missing key leads to
        raise UsageError(f"cannot read {path}: nir does not understand it ({type(error).__name__}: {error})") from error
    try:
        found, left = _convert(graph, str(path)), list[str]()
        network = _as_exported(found.network, graph.metadata, left)
        return replace(found, network=network, notes=(*found.notes, *left))
    except UsageError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise UsageError(f"cannot use {path}: its values do not fit each other ({error})") from error


def _as_exported(network: Network, said: Mapping[str, Any], left: list[str]) -> Network:
    """Add what a file of ours says of its neurons, which NIR has no words for."""
    if _text(said.get("format", "")) != exported.FORMAT:
        return network
    about, form = json.loads(_text(said["about"])), _text(said["form"])
    if about["network"]["n"] != network.n:
        left.append(f"its positions and numbers are those of another network, of {about['network']['n']} neurons")
        return network
    kept = {"neuron_ids": np.asarray(about["network"]["neuron_ids"])}
    if "positions" in about:
        kept["positions"] = np.asarray(about["positions"])
    if "rates" in about and form == "imported":
        kept["rates"] = np.asarray(about["rates"])
    elif "rates" in about:
        left.append("the rates that it carries are those of the rate network that it was made from, and are not taken")
    if form != "imported":
        left.append(
            "it was made from a rate network: it has two more input channels, a constant 1 and one that is 1 in the "
            "first step only, and its tasks are not taken, as it does not run here"
        )
    left += notes_of_placement(about.get("placement"))
    return replace(network, **kept)  # type: ignore[arg-type]


def to_network(graph: Any, *, where: str) -> Network:
    """Turn a `nir.NIRGraph` into a network; arguments as for `read_network`.

    Raises
    ------
    UsageError
        If it holds what no network here can be.
    """
    return _convert(graph, where).network


def _convert(graph: Any, where: str) -> Imported:
    flat = flatten(graph, where)
    groups: list[dict[str, Any]] = []
    start = 0
    for name, node in flat.nodes.items():
        if type(node).__name__ in NEURONS:
            kind = type(node).__name__
            size = flat.size(name)
            values = {key: _parameter(flat, name, node, key, size) for key in NEURONS[kind] if hasattr(node, key)}
            groups.append({"type": kind, "node": name, "start": start, "stop": start + size, **values})
            start += size
    if not groups:
        raise UsageError(f"cannot use {where}: it holds no LIF, CubaLIF or IF neurons")
    n, n_in, n_out = start, flat.size(flat.input), flat.size(flat.output)
    at = {group["node"]: slice(group["start"], group["stop"]) for group in groups}
    w_in, w_out, bias = np.zeros((n, n_in)), np.zeros((n_out, n)), np.zeros(n)
    blocks: list[tuple[Array, Array, Array]] = []
    traced: dict[str, bool] = {}
    for group in groups:
        rows = at[group["node"]]
        sources, bias[rows] = flat.drive(group["node"])
        for (source, trace), matrix in sources.items():
            if source == flat.input:
                w_in[rows] += matrix.toarray()
            else:
                block = matrix.tocoo()
                blocks.append((block.data, block.row + rows.start, block.col + at[source].start))
                _same_use(traced, source, trace, where)
    blocks.append((np.zeros(0), np.zeros(0, int), np.zeros(0, int)))
    data, targets, origins = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    w_rec: sparse.csr_array = sparse.csr_array((data, (targets, origins)), shape=(n, n))
    readout = _readout(flat)
    sources, bias_out = flat.drive(flat.output if readout is None else readout)
    for (source, trace), matrix in sources.items():
        if source == flat.input:
            raise UsageError(f"cannot use {where}: an input reaches the output without a neuron in between")
        w_out[:, at[source]] += matrix.toarray()
        _same_use(traced, source, trace, where)
    for group in groups:
        name = group.pop("node")
        if traced.get(name):
            node = flat.trace_of(name)
            group["trace"] = {key: _parameter(flat, name, node, key, flat.size(name)) for key in TRACE}
    known = graph.metadata.get("dt_s", graph.metadata.get("dt"))
    about: dict[str, Any] = {"groups": groups, "dt_known": known is not None}
    if "reset" in graph.metadata:
        about["reset"] = _text(graph.metadata["reset"])
    if "snntorch" in graph.metadata:
        about["snntorch"] = stepped(graph.metadata["snntorch"], [group["type"] for group in groups])
    if readout is not None:
        node = flat.nodes[readout]
        about["readout"] = {key: _parameter(flat, readout, node, key, n_out) for key in TRACE}
    dt = float(np.asarray(known)) if known is not None else DEFAULT_DT_S
    parts: dict[str, Any] = {"w_rec": w_rec, "w_in": w_in, "w_out": w_out, "bias": bias, "bias_out": bias_out}
    if not flat.wide:
        parts = {name: part.astype(np.float32) for name, part in parts.items()}
    network, notes = build({**parts, "dt_s": dt, "tau_s": dt}, "NIR")
    used = {*flat.known, *at, flat.input, flat.output, readout}
    ignored = tuple(f"{type(node).__name__} {name}" for name, node in flat.nodes.items() if name not in used)
    return Imported(replace(network, info={"nir": about}), "NIR", ignored, notes)


def _readout(flat: Flat) -> str | None:
    """The LI node that alone feeds the output and low-passes more than one population's spikes."""
    feeding = flat.sources.get(flat.output, [])
    if len(feeding) == 1 and type(flat.nodes[feeding[0]]).__name__ == "LI":
        before = flat.sources.get(feeding[0], [])
        if len(before) != 1 or type(flat.nodes[before[0]]).__name__ not in NEURONS:
            return feeding[0]
    return None


def _same_use(traced: dict[str, bool], population: str, trace: bool, where: str) -> None:
    if traced.setdefault(population, trace) != trace:
        raise UsageError(f"cannot use {where}: the spikes of {population} are used both with and without a trace")


def _parameter(flat: Flat, name: str, node: Any, key: str, size: int) -> Any:
    """One number, or a list where the values differ."""
    values = np.ravel(np.asarray(getattr(node, key), np.float64))
    if values.size not in (1, size) or not np.isfinite(values).all():
        raise UsageError(f"cannot use {flat.where}: {key} of {name} must be {size} finite numbers")
    return float(values[0]) if (values == values[0]).all() else values.tolist()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def check_file(path: Path) -> None:
    """Refuse what would take too much memory or read other files, before `nir` reads anything."""
    import h5py

    total = objects = 0

    def look(group: Any, depth: int) -> None:
        nonlocal total, objects
        if depth > 64:
            raise UsageError(f"cannot read {path}: its groups are nested too deep or in a circle")
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UsageError(f"cannot read {path}: {name} is a link to elsewhere")
            item = group[name]
            objects += 1
            if objects > _MAX_OBJECTS:
                raise UsageError(f"cannot read {path}: it holds more than {_MAX_OBJECTS:,} groups and arrays")
            if isinstance(item, h5py.Group):
                look(item, depth + 1)
                continue
            if not isinstance(item, h5py.Dataset):
                raise UsageError(f"cannot read {path}: {name} holds no numbers")
            if item.dtype.kind not in "biufS" and h5py.check_string_dtype(item.dtype) is None:
                raise UsageError(f"cannot read {path}: {name} holds {item.dtype}, neither real numbers nor text")
            # Strings of any length are held as pointers; 1 KiB each leaves room for them.
            size = 1024 if item.dtype.hasobject else item.dtype.itemsize
            total += size * max(1, int(np.prod(item.shape or (1,), dtype=object)))
            if item.is_virtual or item.external:
                raise UsageError(f"cannot read {path}: {name} lies in another file")
            if total > _MAX_BYTES:
                raise UsageError(f"cannot read {path}: it declares more than {_MAX_BYTES:,} bytes of numbers")

    try:
        with h5py.File(path, "r") as file:
            look(file, 0)
    except OSError as error:
        raise UsageError(f"cannot read {path}: it is missing, truncated or no HDF5 file ({error})") from error
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"cannot read {path}: it is corrupt ({error})") from error
