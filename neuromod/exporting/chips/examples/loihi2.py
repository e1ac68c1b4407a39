"""Run the network of this folder in Lava's fixed-point model of graded units, and compare it to the last bit.

    pip install lava-nc
    python example.py

Without arguments it takes trials.safetensors, which also holds what is expected. With ``--trials FILE --results FILE``
it runs other trials, and writes both activities of each neuron as npz. Everything else about the network is in
network.json.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from tensors import read

HERE = pathlib.Path(__file__).resolve().parent

# Biases are payloads of a source that is always on, in three digits.
DIGITS = (4096 * 64, 4096, 64, 1)


def main():
    """Run the trials; say how many are equal, or write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", default=HERE / "trials.safetensors")
    parser.add_argument("--results")
    arguments = parser.parse_args()
    trials = read(arguments.trials)
    arrays, about = read(HERE / "network.safetensors"), json.loads((HERE / "network.json").read_text())
    found = run(arrays, about, trials["messages"].astype(int))
    if arguments.results:
        np.savez(arguments.results, **found)
        return 0
    names = [name for name in found if name in trials]
    equal = np.all([(found[name] == trials[name]).all(axis=(0, 2)) for name in names], axis=0)
    print(f"{equal.sum()} of {len(equal)} trials are equal to the last bit in {', '.join(names)}")
    return 0 if equal.all() else 1


def run(arrays, about, messages):
    """Run all trials side by side; messages (time, trial, n_in), results (time, trial, n).

    The first n units of a trial keep what the leak leaves, the others take in what comes anew.
    """
    import lava_python

    lava_python.prepare()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.graded.process import GradedReluVec
    from lava.proc.io.source import RingBuffer
    from lava.proc.monitor.process import Monitor
    from lava.proc.sparse.process import Sparse
    from scipy import sparse

    time, n_trials, n_in = messages.shape
    n = len(arrays["core"])
    units = GradedReluVec(shape=(n_trials * 2 * n,), vth=0)

    def connect(port, weights, exponent, bits):
        """Weights (2n, sources) of each trial."""
        if weights.any():
            each = sparse.identity(n_trials, dtype=int, format="csr")
            synapses = Sparse(
                weights=sparse.csr_matrix(sparse.kron(each, weights, format="csr")),
                weight_exp=exponent,
                num_message_bits=bits,
            )
            port.connect(synapses.s_in)
            synapses.a_out.connect(units.a_in)

    def rows(weights, chosen):
        """Weights onto the units that take in, of the rows that are chosen."""
        return np.vstack([np.zeros_like(weights), np.where(chosen[:, None], weights, 0)])

    source = RingBuffer(data=messages.transpose(1, 2, 0).reshape(n_trials * n_in, time))
    weights_in, weights_rec = arrays["weights_in"].astype(int), arrays["weights_rec"].astype(int)
    kept = about["leak"] * np.eye(n, dtype=int)
    connect(units.s_out, np.vstack([np.hstack([kept, kept]), np.zeros((n, 2 * n), int)]), -7, 24)
    for exponent in np.unique(arrays["weight_exp_rec"]):
        chosen = arrays["weight_exp_rec"] == exponent
        connect(units.s_out, rows(np.hstack([weights_rec, weights_rec]), chosen), int(exponent), 24)
    for exponent in np.unique(arrays["weight_exp_in"]):
        connect(source.s_out, rows(weights_in, arrays["weight_exp_in"] == exponent), int(exponent), 16)
    rest, digits = np.abs(arrays["bias"].astype(int)), []
    for size in DIGITS:
        digits.append(np.sign(arrays["bias"]).astype(int) * (rest // size))
        rest = rest % size
    always = RingBuffer(data=np.tile(np.array(DIGITS)[:, None], (n_trials, time)))
    connect(always.s_out, rows(2 * np.stack(digits, axis=1), np.ones(n, bool)), -1, 24)
    monitor = Monitor()
    monitor.probe(units.s_out, time + 1)
    # Inputs reach a unit one step after they were sent.
    units.run(condition=RunSteps(time + 1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    out = np.asarray(monitor.get_data()[units.name]["s_out"][1:], np.int32).reshape(time, n_trials, 2 * n)
    units.stop()
    return {"kept": out[:, :, :n], "fresh": out[:, :, n:]}


if __name__ == "__main__":
    sys.exit(main())
