"""Run the network of this folder in a simulator of Loihi, and compare it to the last bit.

    pip install lava-nc                # Intel's framework: its fixed-point model of the neuron
    python example.py
    pip install nengo-loihi            # or this emulator, one block for each core of the placement
    python example.py --simulator nengo-loihi
    pip install brian2-loihi           # or this one
    python example.py --simulator brian2-loihi

Without further arguments it takes trials.safetensors, which also holds what is expected. With ``--trials FILE
--results FILE`` it runs other trials, and writes spikes, currents u and membranes v as npz. Everything else about the
network, as what a spike of an input channel stands for, is in network.json.
"""

import argparse
import json
import pathlib
import sys
import warnings

import numpy as np
from tensors import read

HERE = pathlib.Path(__file__).resolve().parent


def main():
    """Run the trials; say how many are equal, or write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulator", choices=list(SIMULATORS), default="lava")
    parser.add_argument("--trials", default=HERE / "trials.safetensors")
    parser.add_argument("--results")
    arguments = parser.parse_args()
    trials = read(arguments.trials)
    arrays, about = read(HERE / "network.safetensors"), json.loads((HERE / "network.json").read_text())
    found = SIMULATORS[arguments.simulator](arrays, about, trials["events"].astype(int))
    if arguments.results:
        np.savez(arguments.results, **found)
        return 0
    names = [name for name in found if name in trials]
    equal = np.all([(found[name] == trials[name]).all(axis=(0, 2)) for name in names], axis=0)
    print(f"{equal.sum()} of {len(equal)} trials are equal to the last bit in {', '.join(names)}")
    return 0 if equal.all() else 1


def by_exponent(arrays, kind):
    """Yield each exponent of the weights of a kind, and these weights with the other rows set to 0."""
    exponents, weights = arrays[f"weight_exp_{kind}"].astype(int), arrays[f"weights_{kind}"].astype(int)
    for exponent in np.unique(exponents):
        rows = np.where(exponents[:, None] == exponent, weights, 0)
        if rows.any():
            yield int(exponent), rows


def lava(arrays, about, events):
    """Lava's LIF with fixed_pt; events (steps, trial, channels), results (steps, trial, n). All trials side by side."""
    import lava_python

    lava_python.prepare()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF
    from lava.proc.monitor.process import Monitor
    from lava.proc.sparse.process import Sparse
    from scipy import sparse

    steps, n_trials, channels = events.shape
    n = len(arrays["weights_rec"])
    each = sparse.identity(n_trials, dtype=int, format="csr")
    source = RingBuffer(data=events.transpose(1, 2, 0).reshape(n_trials * channels, steps))
    neurons = LIF(shape=(n_trials * n,), du=about["du"], dv=about["dv"], vth=about["vth"], bias_mant=0)
    for port, kind in ((source.s_out, "in"), (neurons.s_out, "rec")):
        for exponent, rows in by_exponent(arrays, kind):
            weights = sparse.csr_matrix(sparse.kron(each, rows, format="csr"))
            synapses = Sparse(weights=weights, weight_exp=exponent, num_message_bits=1)
            port.connect(synapses.s_in)
            synapses.a_out.connect(neurons.a_in)
    monitors = {"spikes": (Monitor(), neurons.s_out), "u": (Monitor(), neurons.u), "v": (Monitor(), neurons.v)}
    for monitor, what in monitors.values():
        monitor.probe(what, steps + 1)
    # Inputs reach a neuron one step after they were sent; in the first step nothing happens.
    neurons.run(condition=RunSteps(steps + 1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    found = {}
    for name, (monitor, what) in monitors.items():
        data = monitor.get_data()[neurons.name][what.name]
        found[name] = np.asarray(data[1:], np.int32).reshape(steps, n_trials, n)
    neurons.stop()
    return found


def nengo_loihi(arrays, about, events):
    """One LoihiBlock a core, one Axon for each pair of cores with a synapse; trial by trial."""
    warnings.filterwarnings("ignore")
    from nengo_loihi.emulator import EmulatorInterface
    from nengo_loihi.probe import LoihiProbe

    steps, n_trials, _ = events.shape
    n = len(arrays["weights_rec"])
    found = {name: np.zeros((steps, n_trials, n), np.int32) for name in ("spikes", "u", "v")}
    keys = {"spikes": "spiked", "u": "current", "v": "voltage"}
    for trial in range(n_trials):
        model, blocks, members = nengo_loihi_model(arrays, about, events[:, trial])
        probes = {
            (name, core): LoihiProbe(target=block, key=key)
            for core, block in blocks.items()
            for name, key in keys.items()
        }
        for probe in probes.values():
            model.add_probe(probe)
        with EmulatorInterface(model) as emulator:
            emulator.run_steps(steps + 1)
            for (name, core), probe in probes.items():
                # Spikes of inputs arrive one step later.
                found[name][:, trial, members[core]] = np.array(emulator.collect_probe_output(probe))[1:]
    return found


def nengo_loihi_model(arrays, about, events):
    """Model, blocks of its cores, and the neurons of each; events (steps, channels) of one trial."""
    from nengo_loihi.block import Axon, LoihiBlock, Synapse, SynapseConfig
    from nengo_loihi.builder import Model
    from nengo_loihi.inputs import SpikeInput

    n_cores = np.unique(arrays["core"])
    members = {core: np.flatnonzero(arrays["core"] == core) for core in n_cores.tolist()}
    model, source, blocks = Model(), SpikeInput(events.shape[1]), {}
    for step, row in enumerate(events):
        source.add_spikes(step + 1, np.flatnonzero(row), permanent=True)
    model.add_input(source)
    for core, neurons in members.items():
        block = LoihiBlock(len(neurons), label=str(core))
        cell = block.compartment
        cell.configure_relu()
        cell.dtype = np.int32
        for name, value in {
            "decay_u": about["du"],
            "decay_v": about["dv"],
            "vth": about["vth"] << 6,
            "bias": 0,
        }.items():
            setattr(cell, name, np.full(len(neurons), value, np.int32))
        cell.vmin, cell.vmax, cell.scale_u, cell.scale_v = -(2**23) + 1, 2**23 - 1, False, False
        cell.noise_exp = np.int32(0)
        model.add_block(block)
        blocks[core] = block
    settings = SynapseConfig(weight_bits=7, fanout_type=1, compression=0, idx_bits=5, synapse_type=0, n_synapses=63)

    def connect(add_axon, core, weights, exponents):
        """Give every source that has a target on the core an axon there; weights (sources, neurons of the core).

        Each synapse names its format, and with it its exponent.
        """
        rows = np.flatnonzero(weights.any(axis=1))
        if not len(rows):
            return
        synapse = Synapse(len(rows))
        targets = [np.flatnonzero(weights[row]) for row in rows]
        synapse.weights = [
            (weights[row][there].astype(np.int32) << (6 + exponents[there].astype(np.int32)))[None]
            for row, there in zip(rows, targets, strict=True)
        ]
        synapse.indices = [there[None].astype(np.int32) for there in targets]
        synapse.axon_compartment_bases = [0] * len(rows)
        synapse.axon_to_weight_map = {k: k for k in range(len(rows))}
        synapse.synapse_cfg = settings
        blocks[core].add_synapse(synapse)
        axon = Axon(len(rows))
        axon.target = synapse
        number = np.full(len(weights), -1)
        number[rows] = np.arange(len(rows))
        axon.set_compartment_axon_map(number)
        add_axon(axon)

    for core, neurons in members.items():
        connect(source.add_axon, core, arrays["weights_in"][neurons].T, arrays["weight_exp_in"][neurons])
        for home, sources in members.items():
            weights = arrays["weights_rec"][np.ix_(neurons, sources)].T
            connect(blocks[home].add_axon, core, weights, arrays["weight_exp_rec"][neurons])
    return model, blocks, members


def brian2_loihi(arrays, about, events):
    """The emulator in Brian 2; all trials side by side."""
    warnings.filterwarnings("ignore")
    import brian2
    import brian2_loihi as b2

    brian2.prefs.codegen.target = "numpy"
    steps, n_trials, channels = events.shape
    n = len(arrays["weights_rec"])
    trial, channel, step = (part.ravel() for part in np.nonzero(events.transpose(1, 2, 0)))
    source = b2.LoihiSpikeGeneratorGroup(n_trials * channels, trial * channels + channel, step)
    # This emulator takes the decay itself, where Lava and the chip add 1 to it.
    neurons = b2.LoihiNeuronGroup(
        n_trials * n, refractory=1, threshold_v_mant=about["vth"], decay_v=about["dv"], decay_I=about["du"] + 1
    )
    # It knows no end of a membrane's 24 bits, at which Lava and nengo-loihi hold it: one line of Brian's own.
    neurons.run_regularly(f"v = clip(v, {-(2**23) + 1}, {2**23 - 1})", when="after_groups")
    parts = [source, neurons]
    for origin, width, kind in ((source, channels, "in"), (neurons, n, "rec")):
        for exponent, weights in by_exponent(arrays, kind):
            target, start = np.nonzero(weights)
            synapses = b2.LoihiSynapses(
                origin, neurons, w_exp=exponent, sign_mode=b2.synapse_sign_mode.MIXED, num_weight_bits=8
            )
            shift = np.arange(n_trials)[:, None]
            synapses.connect(i=(start + shift * width).ravel(), j=(target + shift * n).ravel())
            synapses.w = np.tile(weights[target, start], n_trials)
            parts.append(synapses)
    spikes = b2.LoihiSpikeMonitor(neurons)
    states = {
        "v": b2.LoihiStateMonitor(neurons, "v", record=True),
        "u": b2.LoihiStateMonitor(neurons, "I", record=True),
    }
    b2.LoihiNetwork(*parts, spikes, *states.values()).run(steps)
    fired = np.zeros((steps, n_trials * n), np.int32)
    # Its own `t` cuts off milliseconds of which some are a little below a whole number.
    at = np.rint(np.asarray(spikes.t_) * 1000).astype(int)
    fired[at, np.asarray(spikes.i)] = 1
    found = {
        "spikes": fired,
        "u": np.asarray(states["u"].I).T,
        "v": np.asarray(states["v"].v).T,
    }
    return {name: value.astype(np.int32).reshape(steps, n_trials, n) for name, value in found.items()}


SIMULATORS = {"lava": lava, "nengo-loihi": nengo_loihi, "brian2-loihi": brian2_loihi}

if __name__ == "__main__":
    sys.exit(main())
