"""ONNX files: error over 500 steps, size against dense, speed against PyTorch eager, in one run on one thread.

Run it with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_onnx.py``; it prints one JSON object. Bars: relative error
at most 1e-5 at 100, 400 and 4,096 neurons, with leak and without; at most 1/8 of the dense size at 5 % density; at 400
neurons at least 3 times as fast as PyTorch for one trial, and at least twice for 64.
"""

from __future__ import annotations

import json
import statistics
import time

import numpy as np
import onnxruntime
import torch

from neuromod import Network
from neuromod.exporting import onnx


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
    return onnxruntime.InferenceSession(onnx.build(network).SerializeToString(), options)


def error(n: int, alpha: float) -> float:
    network = random_network(n, alpha=alpha, density=min(1.0, 20 / n + 0.02))
    x = np.random.default_rng(1).normal(size=(500, 2, network.n_in)).astype(np.float32)
    y, h = session(network).run(None, {"x": x, "h0": np.zeros((2, n), np.float32)})
    states = network.states(x)
    wanted = states @ network.w_out.T.astype(float) + network.bias_out
    size = max(1.0, float(np.abs(states).max()))
    return max(float(np.abs(y - wanted).max()), float(np.abs(h - states[-1]).max())) / size


def eager(network: Network, x: torch.Tensor):
    w_rec, w_in, w_out = (
        torch.tensor(np.asarray(m)).t().contiguous() for m in (network.w_rec.toarray(), network.w_in, network.w_out)
    )
    bias, bias_out, alpha = torch.tensor(network.bias), torch.tensor(network.bias_out), network.alpha

    def run():
        with torch.no_grad():
            h = torch.zeros(x.shape[1], network.n)
            outputs = []
            for x_t in x:
                h = (1 - alpha) * h + alpha * torch.relu(h @ w_rec + x_t @ w_in + bias)
                outputs.append(h @ w_out + bias_out)
            return torch.stack(outputs), h

    return run


def speed(batch: int, repeats: int = 15) -> float:
    """How many times faster than PyTorch eager: the median of pairs taken in turn."""
    network = random_network(400, alpha=0.2, density=1.0)
    x = np.random.default_rng(1).normal(size=(200, batch, network.n_in)).astype(np.float32)
    file, h0 = session(network), np.zeros((batch, 400), np.float32)
    peer = eager(network, torch.from_numpy(x))
    ratios = []
    for repeat in range(repeats + 2):
        begun = time.perf_counter()
        peer()
        between = time.perf_counter()
        file.run(None, {"x": x, "h0": h0})
        if repeat >= 2:
            ratios.append((between - begun) / (time.perf_counter() - between))
    return statistics.median(ratios)


def main() -> None:
    torch.set_num_threads(1)
    sizes = {density: onnx.build(random_network(400, alpha=0.2, density=density)).ByteSize() for density in (0.05, 1.0)}
    print(
        json.dumps(
            {
                "relative_error": {f"n={n} alpha={a}": error(n, a) for n in (100, 400, 4096) for a in (0.2, 1.0)},
                "size_at_5_percent_of_dense": round(sizes[0.05] / sizes[1.0], 4),
                "times_pytorch_eager_batch_1": round(speed(1), 2),
                "times_pytorch_eager_batch_64": round(speed(64), 2),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
