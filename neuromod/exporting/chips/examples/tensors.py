"""Read a safetensors file with NumPy alone."""

import json

import numpy as np

KINDS = {
    "I8": np.int8, "U8": np.uint8, "I16": np.int16, "U16": np.uint16, "I32": np.int32, "I64": np.int64,
    "F32": np.float32, "F64": np.float64, "BOOL": np.bool_,
}  # fmt: skip


def read(path):
    """Return the arrays of a file by their names."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + int.from_bytes(data[:8], "little")
    arrays = {}
    for name, about in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = about["data_offsets"]
            flat = np.frombuffer(data[start + begin : start + end], KINDS[about["dtype"]])
            arrays[name] = flat.reshape(about["shape"])
    return arrays
