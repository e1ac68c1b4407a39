"""The ONNX files in five runtimes, each in an environment of its own, against the reference in double precision.

Run it with ``python tests/benchmarks/bench_runtimes.py [FOLDER]``; the environments are made with pip and npm in FOLDER
(a temporary one if omitted) and used again if they are there. Bars: five of five read and run all four files of each
network; errors of files of floating-point weights at most 1e-5 of the state's size over 40 steps; of files of 8 bits,
which no reference is, at most that beside onnxruntime.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
from bench_onnx import random_network
from tables import Table, markdown

from neuromod import Network
from neuromod.exporting.onnx import write
from neuromod.exporting.onnx_int8 import write_int8

TABLE = Table("runtimes", "python tests/benchmarks/bench_runtimes.py")
HERE = Path(__file__).resolve().parent
FILES = ("network", "network_step", "network_int8", "network_int8_weights")
# The first is what files of 8 bits are compared with.
RUNTIMES = {
    "onnxruntime": "onnxruntime",
    "onnxruntime-web": "onnxruntime-web, WebAssembly in Node",
    "onnx": "the evaluator of onnx",
    "openvino": "OpenVINO, CPU, `INFERENCE_PRECISION_HINT` f32",
    "tract": "tract",
}
NETWORKS = {
    "60 neurons, 10 % density": random_network(60, alpha=0.2, density=0.1),
    "60 neurons, 10 % density, α = 1": random_network(60, alpha=1.0, density=0.1),
    "60 neurons, dense": random_network(60, alpha=0.2, density=1.0),
    "300 neurons, 2 % density": random_network(300, alpha=0.2, density=0.02),
}
STEPS, BATCH = 40, 3
MOST = 1e-5


def environment(runtime: str, folder: Path) -> tuple[list[str], str]:
    """Make the environment of a runtime if it is not there; return the command that runs files, and the version."""
    home = folder / runtime
    if runtime == "onnxruntime-web":
        modules = home / "node_modules"
        if not modules.exists():
            home.mkdir(parents=True)
            (home / "package.json").write_text('{"private": true}', encoding="utf-8")
            subprocess.run(["npm", "install", "--silent", "--ignore-scripts", runtime], cwd=home, check=True)
        package = json.loads((modules / runtime / "package.json").read_text(encoding="utf-8"))
        return ["node", str(HERE / "runtime_worker.mjs"), str(modules)], package["version"]
    python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")
    if not home.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "numpy", runtime], check=True)
    code = f"from importlib.metadata import version; print(version('{runtime}'))"
    found = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    return [python, str(HERE / "runtime_workers.py"), runtime], found


def run(command: list[str], network: Network, x: np.ndarray, h0: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Readout and last state of every file of a network."""
    shape = {"time": len(x), "batch": x.shape[1], "n_in": x.shape[2], "n": network.n}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(network, folder)
        write_int8(network, folder)
        for key, values in (("x", x), ("h0", h0)):
            np.save(folder / f"{key}.npy", values)
            values.tofile(folder / f"{key}.bin")
        (folder / "shape.json").write_text(json.dumps(shape), encoding="utf-8")
        done = subprocess.run([*command, name], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])

        def read(file: str, part: str, *dims: int) -> np.ndarray:
            path = folder / f"{file}.{part}.npy"
            values = np.load(path) if path.exists() else np.fromfile(path.with_suffix(".bin"), np.float32)
            return values.reshape(dims)

        sizes = {"y": (len(x), x.shape[1], network.n_out), "h": (x.shape[1], network.n)}
        return {file: [read(file, part, *dims) for part, dims in sizes.items()] for file in FILES}


def measure(runtime: str, folder: Path, network: Network) -> dict[str, Any]:
    """Largest errors of a runtime, relative to the size of the state."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(STEPS, BATCH, network.n_in)).astype(np.float32)
    h0 = rng.random((BATCH, network.n)).astype(np.float32)
    states = network.states(x, h0)
    exact = [states @ network.w_out.T.astype(float) + network.bias_out, states[-1]]
    command, version = environment(runtime, folder)
    found = run(command, network, x, h0)
    size = max(1.0, float(np.abs(states).max()))

    def error(file: str, wanted: list[np.ndarray]) -> float:
        return max(float(np.abs(a - b).max()) for a, b in zip(found[file], wanted, strict=True)) / size

    peer = run(environment("onnxruntime", folder)[0], network, x, h0)
    return {
        "version": version,
        "errors": {file: error(file, exact) for file in FILES},
        "errors_beside_onnxruntime": {file: error(file, peer[file]) for file in FILES},
        "steps": STEPS,
    }


def main(paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(paths[0]) if paths else Path(temporary)
        lines = []
        for runtime, title in RUNTIMES.items():
            rows = [
                TABLE.row(f"{runtime}: {name}", lambda r=runtime, n=network: measure(r, folder, n))
                for name, network in NETWORKS.items()
            ]
            errors = [max(row["errors"][file] for row in rows) for file in FILES[:2]]
            beside = [max(row["errors_beside_onnxruntime"][file] for row in rows) for file in FILES[2:]]
            passed = "yes" if max(errors + beside) <= MOST else "no"
            versions = ", ".join(dict.fromkeys(row["version"] for row in rows))
            lines.append([title, versions, *(f"{value:.1e}" for value in errors + beside), passed])
        header = ["runtime", "version", "`network`", "`_step`", "`_int8`", "`_int8_weights`", f"all ≤ {MOST:g}"]
        TABLE.write(
            markdown(header, lines),
            f"Largest errors of readouts and states over {STEPS} steps of {len(NETWORKS)} networks "
            f"({'; '.join(NETWORKS)}; seed 0), relative to the size of the state: the first two against the network in "
            "double precision, those of 8 bits against onnxruntime.",
        )


if __name__ == "__main__":
    main(sys.argv[1:])
