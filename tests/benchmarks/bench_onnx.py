"""ONNX files: error over 500 steps, size, 8 bits, and speed against PyTorch eager, in one run on one thread.

Run it with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_onnx.py RUN …`` with runs that have been
trained and pruned.
Bars: relative error at most 1e-5 over 500 steps and all decisions equal, at 100, 400 and 4,096 neurons, with leak and
without; the full check of the onnx package passes; at most 1/8 of the dense size at 5 % density; with 8 bits at most
1/3 of the size and 0.01 less accuracy; at 400 neurons at least 3 times as fast as PyTorch for one trial, and at least
twice for 64.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from tables import Table, markdown
from trained import trained

from neuromod import Network
from neuromod.exporting.onnx import build, write
from neuromod.exporting.onnx_int8 import write_int8
from neuromod.metrics.accuracy import trials_for
from neuromod.verification.common import streams
from neuromod.verification.onnx import verify_int8

TABLE = Table(
    "onnx",
    "OMP_NUM_THREADS=1 python tests/benchmarks/bench_onnx.py RUN …",
    ("numpy", "onnx", "onnxruntime", "torch"),
)
STEPS = 500


def random_network(n: int, *, alpha: float, density: float, n_in: int = 8, n_out: int = 8, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)

    def sparse(rows, columns):
        return rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < density)

    return Network(
        w_rec=sparse(n, n) * 0.9 / np.sqrt(n * density),
        w_in=sparse(n, n_in),
        w_out=sparse(n_out, n) / np.sqrt(n * density),
        bias=rng.normal(size=n) * 0.1,
        bias_out=np.zeros(n_out),
        dt_s=0.1,
        tau_s=0.1 / alpha,
    )


def session(network: Network) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(build(network).SerializeToString(), options)


def error(network: Network, x: np.ndarray) -> dict[str, float | bool]:
    """Largest error relative to the state's size, and the share of equal decisions, one in every step."""
    for step in (False, True):
        onnx.checker.check_model(build(network, step=step), full_check=True)
    h0 = np.zeros((x.shape[1], network.n), np.float32)
    y, h = session(network).run(None, {"x": x.astype(np.float32), "h0": h0})
    states = network.states(x)
    wanted = states @ network.w_out.T.astype(float) + network.bias_out
    size = max(1.0, float(np.abs(states).max()))
    return {
        "relative_error": max(float(np.abs(y - wanted).max()), float(np.abs(h - states[-1]).max())) / size,
        "decisions_equal": float((y.argmax(-1) == wanted.argmax(-1)).mean()),
        "decisions": y.shape[0] * y.shape[1],
        "full_check": True,
    }


class Eager(torch.nn.Module):
    """The network as one writes it in PyTorch."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.alpha = network.alpha
        self.w_in, self.w_out = (torch.nn.Linear(w.shape[1], w.shape[0]) for w in (network.w_in, network.w_out))
        self.w_rec = torch.nn.Linear(network.n, network.n, bias=False)
        for layer, values in (
            (self.w_in.weight, network.w_in), (self.w_in.bias, network.bias),
            (self.w_rec.weight, network.w_rec.toarray()),
            (self.w_out.weight, network.w_out), (self.w_out.bias, network.bias_out),
        ):  # fmt: skip
            layer.data = torch.tensor(np.asarray(values))

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h, outputs = torch.zeros(x.shape[1], self.w_rec.in_features), []
        for x_t in x:
            h = (1 - self.alpha) * h + self.alpha * torch.relu(self.w_rec(h) + self.w_in(x_t))
            outputs.append(self.w_out(h))
        return torch.stack(outputs), h

    @torch.inference_mode()
    def tuned(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """All that PyTorch offers to make it fast without leaving eager mode."""
        h, states = torch.zeros(x.shape[1], self.w_rec.in_features), torch.empty(*x.shape[:2], self.w_rec.in_features)
        w_rec = self.w_rec.weight.t()
        for drive_t, out in zip(self.w_in(x).unbind(), states.unbind(), strict=True):
            h = torch.lerp(h, torch.addmm(drive_t, h, w_rec).relu_(), self.alpha, out=out)
        return self.w_out(states), h


def speed(network: Network, batch: int, *, repeats: int = 25) -> dict[str, float]:
    """How many times faster than PyTorch eager: the median of runs taken in turn."""
    x = np.random.default_rng(1).normal(size=(200, batch, network.n_in)).astype(np.float32)
    file, h0 = session(network), np.zeros((batch, network.n), np.float32)
    peer, tensor = Eager(network), torch.from_numpy(x)
    runs = [lambda: peer(tensor), lambda: peer.tuned(tensor), lambda: file.run(None, {"x": x, "h0": h0})]
    for run in runs[:2]:  # they do the same
        np.testing.assert_allclose(run()[0].numpy(), runs[2]()[0], rtol=1e-3, atol=1e-3)
    seconds = np.empty((repeats, len(runs)))
    for repeat in range(-2, repeats):
        for k, run in enumerate(runs):
            begun = time.perf_counter()
            run()
            seconds[max(repeat, 0), k] = time.perf_counter() - begun
    plain, tuned = (statistics.median(seconds[:, k] / seconds[:, 2]) for k in (0, 1))
    return {
        "times_eager": round(plain, 2),
        "times_tuned_eager": round(tuned, 2),
        "ms": round(1000 * float(np.median(seconds[:, 2])), 2),
    }


def int8(network: Network) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        whole = write(network, Path(folder))[0].stat().st_size
        write_int8(network, Path(folder))
        result = verify_int8(Path(folder), network, n_trials=4000)
    dense = replace(network, w_rec=np.where(network.w_rec.toarray() == 0, 1e-9, network.w_rec.toarray()))
    dense = replace(dense, w_in=np.where(dense.w_in == 0, 1e-9, dense.w_in))
    found = {"bytes": whole, "bytes_dense": build(dense).ByteSize(), "trials": 4000}
    for name, short in (("network_int8", "integers"), ("network_int8_weights", "weights")):
        part = result[name]
        found[f"bytes_{short}"] = part["bytes"]
        found[f"accuracy_lost_{short}"] = round(part["accuracy_reference"] - part["accuracy"], 4)
        found[f"agreement_{short}"] = round(part["decision_agreement"], 4)
    return found


def trial_stream(network: Network) -> np.ndarray:
    return streams(trials_for(network, 500, seed=4), STEPS, 16, np.random.default_rng(4))


def main(paths: list[str]) -> None:
    torch.set_num_threads(1)
    networks = dict(trained(path) for path in paths)
    random = {(n, a): random_network(n, alpha=a, density=min(1.0, 20 / n + 0.02))
              for n in (100, 400, 4096) for a in (0.2, 1.0)}  # fmt: skip
    x = np.random.default_rng(1).normal(size=(STEPS, 2, 8))
    errors, eights, speeds = [], [], []
    for (n, alpha), network in random.items():
        errors.append((f"random, {n:,} neurons, α = {alpha:g}", network, x))
    errors += [(f"{name}, {network.n} neurons", network, trial_stream(network)) for name, network in networks.items()]
    rows = [(name, TABLE.row(f"error: {name}", lambda n=net, x=x: error(n, x))) for name, net, x in errors]
    shown = [
        markdown(
            ["network", f"largest error over {STEPS} steps, relative to the state", "equal decisions", "full check"],
            [[name, f"{row['relative_error']:.1e}", f"{row['decisions_equal']:.2%} of {row['decisions']:,}", "passed"]
             for name, row in rows],
        )
    ]  # fmt: skip

    def size(n: int) -> dict[str, float]:
        sizes = [build(random_network(n, alpha=0.2, density=d)).ByteSize() for d in (0.05, 1.0)]
        return {"bytes": sizes[0], "bytes_dense": sizes[1], "share": round(sizes[0] / sizes[1], 4)}

    sizes = [(n, TABLE.row(f"size: {n}", lambda n=n: size(n))) for n in (400, 4096)]
    shown.append(
        "At 5 % density a file has "
        + " and ".join(f"{row['share']:.3f} of the bytes of a dense one at {n:,} neurons" for n, row in sizes)
        + "."
    )
    for name, network in networks.items():
        row = TABLE.row(f"int8: {name}", lambda n=network: int8(n))
        for short, file in (("integers", "network_int8.onnx"), ("weights", "network_int8_weights.onnx")):
            whole, dense = row[f"bytes_{short}"] / row["bytes"], row[f"bytes_{short}"] / row["bytes_dense"]
            lost, equal = row[f"accuracy_lost_{short}"], row[f"agreement_{short}"]
            eights.append([name, f"`{file}`", f"{whole:.2f}", f"{dense:.2f}", f"{lost:+.4f}", f"{equal:.4f}"])
    header = ["network", "file", "of `network.onnx`", "of a dense `network.onnx`", "accuracy lost", "equal decisions"]
    shown.append(markdown(header, eights))
    at_400 = {"random, dense": random_network(400, alpha=0.2, density=1.0),
              "random, 5 % density": random_network(400, alpha=0.2, density=0.05)}  # fmt: skip
    whole = dict(trained(path, pruned=False) for path in paths[-2:])
    for name, network in {**at_400, **networks, **whole}.items():
        for batch in (1, 64):
            row = TABLE.row(f"speed: {name}, batch {batch}", lambda n=network, b=batch: speed(n, b))
            speeds.append([name, network.n, batch, row["times_eager"], row["times_tuned_eager"], row["ms"]])
    header = ["network", "neurons", "batch", "times PyTorch eager", "times tuned eager", "ms for 200 steps"]
    shown.append(markdown(header, speeds))
    TABLE.write(*shown)


if __name__ == "__main__":
    main(sys.argv[1:])
