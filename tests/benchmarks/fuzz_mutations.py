"""What changes a valid file of each kind: bytes, values within its format, sizes, names."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tomllib
import zipfile
from typing import Any

import numpy as np

Rng = np.random.Generator

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
        case 5 if array.ndim:
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
