"""Loading and running ONNX files in onnxruntime, with one clear error for whatever goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neuromod.errors import UsageError, VerificationError
from neuromod.importing import load
from neuromod.network import Array
from neuromod.verification.common import first_line

# What our files consist of, the quantised ones included.
_OPERATORS = {
    "Add", "Cast", "ConstantOfShape", "DynamicQuantizeLinear", "Gemm", "Identity", "MatMul", "MatMulInteger", "Mul",
    "Relu", "Reshape", "Scan", "ScatterElements", "Transpose",
}  # fmt: skip
_MAX_ELEMENTS = 2**29


def session(path: Path) -> Any:
    """Load a file in onnxruntime; from memory, so that no external file is followed.

    Raises
    ------
    VerificationError
        If the file cannot be read or loaded.
    """
    import onnxruntime

    try:
        _check(load(path), path)
    except (UsageError, ValueError, TypeError) as error:
        raise VerificationError(f"{path} cannot be used: {first_line(error)}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise VerificationError(f"{path} does not load in onnxruntime: {first_line(error)}") from error


def _check(model: Any, path: Path) -> None:
    """Refuse what no export contains and what could take for ever, before a runtime sees it."""
    import onnx

    graphs = [model.graph]
    sizes = {t.name: t for t in model.graph.initializer}
    while graphs:
        for node in graphs.pop().node:
            if node.op_type not in _OPERATORS or node.domain not in ("", "ai.onnx"):
                raise VerificationError(f"{path} holds the operator {node.op_type}, which no export of ours does")
            graphs += [a.g for a in node.attribute if a.HasField("g")]
            if node.op_type == "ConstantOfShape":
                size = sizes.get(node.input[0])
                shape = [-1] if size is None else onnx.numpy_helper.to_array(size).astype(object)
                if not 0 <= int(np.prod(shape)) <= _MAX_ELEMENTS:
                    raise VerificationError(f"{path} declares a tensor of the shape {list(shape)}")


def run(file: Any, **inputs: Array) -> list[Array]:
    """Run a loaded file.

    Raises
    ------
    VerificationError
        If it does not take these inputs.
    """
    try:
        arrays: list[Array] = file.run(None, {name: np.asarray(x, np.float32) for name, x in inputs.items()})
    except Exception as error:
        raise VerificationError(f"an exported file does not run in onnxruntime: {first_line(error)}") from error
    if len(arrays) != 2:
        raise VerificationError(f"an exported file gives {len(arrays)} outputs, needed the readout and the state")
    return arrays
