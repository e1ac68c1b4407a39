"""Run the network of this folder in xylosim, SynSense's simulator of Xylo, and compare it to the last bit.

    pip install xylosim numpy
    python example.py

Without arguments it takes trials.safetensors, which also holds what is expected. With ``--trials FILE --results FILE``
it runs other trials, and writes spikes, currents, membranes and readout as npz. Everything else about the network,
as what a count or a current stands for, is in network.json.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from tensors import read

HERE = pathlib.Path(__file__).resolve().parent


def main():
    """Run the trials; say how many are equal, or write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", default=HERE / "trials.safetensors")
    parser.add_argument("--results")
    arguments = parser.parse_args()
    trials = read(arguments.trials)
    found = run(read(HERE / "network.safetensors"), json.loads((HERE / "network.json").read_text()), trials["counts"])
    if arguments.results:
        np.savez(arguments.results, **found)
        return 0
    names = [name for name in found if name in trials]
    equal = np.all([(found[name] == trials[name]).all(axis=(0, 2)) for name in names], axis=0)
    print(f"{equal.sum()} of {len(equal)} trials are equal to the last bit in {', '.join(names)}")
    return 0 if equal.all() else 1


def run(arrays, about, counts):
    """Run trials one by one; counts (time, trial, channels), results (time, trial, …)."""
    from xylosim.v2 import XyloLayer, XyloSynapse

    def synapses(weights):
        return [[XyloSynapse(int(k), 0, int(row[k])) for k in np.flatnonzero(row)] for row in weights]

    n, n_out = arrays["weights_out"].shape
    # The layer points into these lists: they must live as long as it does.
    kept = [synapses(arrays[name]) for name in ("weights_in", "weights_rec", "weights_out")]
    numbers = {
        name: arrays[name].tolist()
        for name in ("threshold", "threshold_out", "bias", "bias_out", "dash_mem", "dash_mem_out")
    }
    layer = XyloLayer(
        synapses_in=kept[0],
        synapses_rec=kept[1],
        synapses_out=kept[2],
        aliases=[[] for _ in range(n)],
        has_bias=True,
        weight_shift_inp=about["weight_shift_in"],
        weight_shift_rec=about["weight_shift_rec"],
        weight_shift_out=about["weight_shift_out"],
        dash_syns=[[int(dash), 0] for dash in arrays["dash_syn"]],
        dash_syns_out=[[int(dash)] for dash in arrays["dash_syn_out"]],
        name="network",
        **numbers,
    )
    time, n_trials = counts.shape[:2]
    found = {name: np.zeros((time, n_trials, n), np.int16) for name in ("spikes", "current", "membrane")}
    found["readout"] = np.zeros((time, n_trials, n_out), np.int16)
    for trial in range(n_trials):
        layer.reset_all()
        # The output neurons are one step behind, so one more step without input follows.
        layer.evolve([*counts[:, trial].astype(int).tolist(), [0] * counts.shape[2]])
        found["spikes"][:, trial] = np.array(layer.rec_recurrent_spikes)[-time - 1 : -1]
        found["current"][:, trial] = np.array(layer.rec_i_syn).T[-time - 1 : -1]
        found["membrane"][:, trial] = np.array(layer.rec_v_mem).T[-time - 1 : -1]
        found["readout"][:, trial] = np.array(layer.rec_i_syn_out).T[-time:]
    return found


if __name__ == "__main__":
    sys.exit(main())
