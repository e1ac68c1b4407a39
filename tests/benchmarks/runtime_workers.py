"""Runs ONNX files in one runtime of Python, in an environment that holds NumPy and that runtime alone.

``python runtime_workers.py RUNTIME FOLDER``: FOLDER holds ``*.onnx``, ``x.npy`` (time, batch, n_in) and ``h0.npy``; for
each file the readout of all steps and the last state are written beside it, ``NAME.y.npy`` and ``NAME.h.npy``. The step
file is called once for each step. `bench_runtimes.py` calls it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[np.ndarray, np.ndarray], "list[np.ndarray]"]


def onnxruntime(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return lambda *values: session.run(None, dict(zip(names, values, strict=True)))


def onnx(path: Path) -> Run:
    from onnx.reference import ReferenceEvaluator

    model = ReferenceEvaluator(str(path))
    return lambda *values: model.run(None, dict(zip(model.input_names, values, strict=True)))


def openvino(path: Path) -> Run:
    import openvino

    core = openvino.Core()
    # It computes with 16 bits where the processor can, unless told otherwise.
    model = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(*values: np.ndarray) -> list[np.ndarray]:
        found = model(dict(enumerate(values)))
        return [found[k].copy() for k in range(2)]

    return run


def tract(path: Path) -> Run:
    import tract

    model = tract.onnx().load(str(path)).into_model().into_runnable()
    return lambda *values: [value.to_numpy() for value in model.run(list(values))]


def main(runtime: str, folder: Path) -> None:
    x, h0 = np.load(folder / "x.npy"), np.load(folder / "h0.npy")
    for path in sorted(folder.glob("*.onnx")):
        run = {"onnxruntime": onnxruntime, "onnx": onnx, "openvino": openvino, "tract": tract}[runtime](path)
        if path.name == "network_step.onnx":
            h, outputs = h0, []
            for x_t in x:
                y_t, h = run(x_t, h)
                outputs.append(y_t)
            y = np.stack(outputs)
        else:
            y, h = run(x, h0)
        np.save(folder / f"{path.stem}.y.npy", y)
        np.save(folder / f"{path.stem}.h.npy", h)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
