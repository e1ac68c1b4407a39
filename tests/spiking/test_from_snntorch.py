"""Networks of snnTorch's recurrent neurons: as snnTorch steps them, pruned, placed, exported, read back, refused."""

import json

import numpy as np
import pytest
import snntorch as snn
import torch

import neuromod
from neuromod.errors import UsageError
from neuromod.spiking import LeakyNetwork, count_spikes

N = 24


def module(neurons, n_in=3, n_out=2):
    return torch.nn.ModuleDict({"into": torch.nn.Linear(n_in, N), "neurons": neurons, "out": torch.nn.Linear(N, n_out)})


def rleaky(**more):
    return snn.RLeaky(**{"beta": 0.9, "linear_features": N, **more})


NEURONS = {
    "RLeaky": rleaky,
    "RLeaky, a beta and a threshold each": lambda: rleaky(beta=torch.rand(N), threshold=0.5 + torch.rand(N)),
    "RLeaky, beta out of range": lambda: rleaky(beta=1.3, learn_beta=True),
    "RLeaky, no memory": lambda: rleaky(beta=0.0),
    "RLeaky, zero": lambda: rleaky(reset_mechanism="zero"),
    "RLeaky, none": lambda: rleaky(beta=0.3, reset_mechanism="none"),
    "RLeaky, at once": lambda: rleaky(reset_delay=False, threshold=0.4),
    "RLeaky, zero at once": lambda: rleaky(reset_mechanism="zero", reset_delay=False),
    "RLeaky, one to one": lambda: snn.RLeaky(0.8, V=torch.randn(N), all_to_all=False),
    "RSynaptic": lambda: snn.RSynaptic(0.6, 0.9, linear_features=N),
    "RSynaptic, zero": lambda: snn.RSynaptic(0.6, 0.9, linear_features=N, reset_mechanism="zero"),
}


def run_in_snntorch(net, x):
    """Spikes, membranes and readout of every step, by snnTorch."""
    neurons, state, parts = net["neurons"], None, []
    rest = [torch.zeros(x.shape[1], N)] * (3 if isinstance(neurons, snn.RSynaptic) else 2)
    with torch.no_grad():
        for x_t in x:
            state = neurons(net["into"](x_t), *(rest if state is None else state))
            parts.append((state[0], state[-1], net["out"](state[0])))
    return [torch.stack(part).numpy() for part in zip(*parts, strict=True)]


@pytest.mark.parametrize("name", NEURONS)
def test_it_steps_as_snntorch_does(name):
    torch.manual_seed(1)
    net = module(NEURONS[name]())
    network = neuromod.from_snntorch(net)
    x = 3 * torch.randn(40, 6, 3)
    spikes, membrane, y = run_in_snntorch(net, x)
    found = LeakyNetwork.of(network).run(x.numpy())
    assert 0.02 < spikes.mean() < 0.98
    clear = found.margin.min(axis=(0, 2)) > 1e-4
    assert clear.sum() >= 4
    np.testing.assert_array_equal(found.spikes[:, clear], spikes[:, clear])
    np.testing.assert_allclose(found.membrane[:, clear], membrane[:, clear], atol=2e-4, rtol=1e-5)
    np.testing.assert_allclose(found.y[:, clear], y[:, clear], atol=1e-5)


def test_a_run_can_go_on_and_counts_are_its_spikes():
    torch.manual_seed(2)
    network = neuromod.from_snntorch(module(rleaky()))
    x = np.random.default_rng(0).normal(size=(30, 70, 3)).astype(np.float32) * 3
    running = LeakyNetwork.of(network)
    whole, first = running.run(x), running.run(x[:11])
    rest = running.run(x[11:], first.last)
    np.testing.assert_array_equal(np.concatenate([first.spikes, rest.spikes]), whole.spikes)
    active = count_spikes(network, x)
    np.testing.assert_allclose(active.rates, whole.spikes.mean(axis=(0, 1)), rtol=1e-6)
    assert (active.kind, active.steps) == ("spikes", 2100)
    trials = neuromod.generate("go", 3, seed=0)
    other = neuromod.from_snntorch(module(rleaky(), n_in=trials.inputs.shape[2]))
    by_hand = LeakyNetwork.of(other).run(trials.inputs).spikes[trials.mask].mean(axis=0)
    np.testing.assert_allclose(count_spikes(other, trials).rates, by_hand, rtol=1e-6)


def test_a_readout_that_leaks_is_low_passed():
    torch.manual_seed(3)
    net = torch.nn.Sequential(
        torch.nn.Linear(3, N), rleaky(), torch.nn.Dropout(0.5), torch.nn.Linear(N, 2),
        snn.Leaky(0.7, reset_mechanism="none"),
    )  # fmt: skip
    x = 3 * torch.randn(30, 4, 3)
    network = neuromod.from_snntorch(net)
    spikes, membrane, low, expected = torch.zeros(4, N), torch.zeros(4, N), torch.zeros(4, 2), []
    with torch.no_grad():
        for x_t in x:
            spikes, membrane = net[1](net[0](x_t), spikes, membrane)
            _, low = net[4](net[3](spikes), low)
            expected.append(low)
    np.testing.assert_allclose(LeakyNetwork.of(network).run(x.numpy()).y, torch.stack(expected), atol=1e-5)


@pytest.mark.parametrize("name", ["RLeaky, a beta and a threshold each", "RSynaptic", "RLeaky, zero at once"])
def test_it_is_pruned_placed_exported_verified_and_read_back(name, tmp_path):
    from neuromod import importing

    torch.manual_seed(4)
    net = module(NEURONS[name]())
    with torch.no_grad():  # a neuron that nothing needs, which pruning removes
        net["out"].weight[:, 5] = 0
        net["neurons"].recurrent.weight[:, 5] = 0
    network = neuromod.from_snntorch(net, positions=np.argwhere(np.ones((4, 6))), dt_s=0.01)
    if name == "RSynaptic":
        # What a spike gives a synapse whose current keeps 0.6 of itself in a step, in NIR's terms.
        assert network.info["nir"]["groups"][0]["w_in"] == pytest.approx(1 / (1 - 0.6))
    x = 3 * np.random.default_rng(1).normal(size=(20, 10, 3)).astype(np.float32)
    pruned = neuromod.prune(network, keep=0.5).network
    assert pruned.n == N - 1
    assert 5 not in pruned.neuron_ids
    ours, its = (LeakyNetwork.of(part) for part in (network, pruned))
    np.testing.assert_array_equal(its.beta, np.delete(ours.beta, 5))
    np.testing.assert_array_equal(its.threshold, np.delete(ours.threshold, 5))
    placement = neuromod.place(pruned, cores=(2, 2), activity=count_spikes(pruned, x))
    exported = neuromod.export(pruned, tmp_path, format="nir", placement=placement)
    verified = neuromod.verify(pruned, exported)
    assert verified.passed, verified.reasons
    figures = verified.figures["runtimes"]["snntorch"]
    assert figures["verified"]
    assert figures["spikes_wrong"] == 0
    assert figures["trials_without_a_tie"] > 20
    # The file is all that another machine needs: the same network, which runs.
    again = importing.read(exported.target).network
    assert again.info["nir"]["snntorch"] == network.info["nir"]["snntorch"]
    np.testing.assert_array_equal(LeakyNetwork.of(again).run(x).spikes, its.run(x).spikes)
    pruned.save(tmp_path / "kept.safetensors")
    kept = neuromod.Network.load(tmp_path / "kept.safetensors")
    np.testing.assert_array_equal(LeakyNetwork.of(kept).run(x).spikes, its.run(x).spikes)


def test_verification_finds_a_file_that_steps_otherwise(tmp_path):
    import nir

    from neuromod.exporting import nir as written
    from neuromod.verification.snntorch import verify_snntorch

    torch.manual_seed(5)
    network = neuromod.from_snntorch(module(rleaky()))
    graph = nir.read(written.save(written.rebuild(network), tmp_path / "network.nir"))
    assert verify_snntorch(graph, network)["reasons"] == []
    graph.nodes["w_rec_0000_0000"].weight[3, 4] += 0.01
    assert verify_snntorch(graph, network)["reasons"]
    graph.nodes["w_rec_0000_0000"].weight[3, 4] -= 0.01
    graph.metadata["snntorch"] = json.dumps({"neuron": "RLeaky", "reset": "zero", "reset_delay": True})
    assert verify_snntorch(graph, network)["reasons"]
    silent = neuromod.from_snntorch(module(rleaky(threshold=1e6)))
    graph = nir.read(written.save(written.rebuild(silent), tmp_path / "silent.nir"))
    assert "nothing was compared" in verify_snntorch(graph, silent)["reasons"][0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: torch.nn.Linear(2, 2), "found 0"),
        (lambda: torch.nn.Sequential(rleaky(), rleaky()), "found 2"),
        (lambda: torch.nn.Sequential(torch.nn.Conv1d(1, 1, 1), rleaky()), "0 is a Conv1d"),
        (lambda: torch.nn.Sequential(torch.nn.Linear(3, 9), torch.nn.Linear(9, N), rleaky()), "than one Linear.*0, 1"),
        (lambda: torch.nn.Sequential(torch.nn.Linear(3, N), rleaky(), torch.nn.Linear(N, 2), snn.Leaky(0.9)), "3 b"),
        (lambda: torch.nn.Sequential(torch.nn.Linear(3, 9), rleaky()), "24 neurons do not fit 9 values"),
        (lambda: snn.RLeaky(0.9, V=1.0, all_to_all=False), "RecurrentOneToOne"),
        (lambda: snn.RSynaptic(0.6, 0.9, linear_features=N, reset_delay=False), "reset_delay=False"),
        (lambda: snn.RLeaky(0.9, conv2d_channels=2, kernel_size=3), "Conv2d"),
    ],
)  # fmt: skip
def test_what_no_network_here_can_be_is_refused_by_name(make, words):
    with pytest.raises(UsageError, match=words):
        neuromod.from_snntorch(make())


def test_the_layers_can_be_named():
    net = torch.nn.Sequential(torch.nn.Linear(3, N), rleaky(), torch.nn.Linear(N, 2), snn.Leaky(0.9))
    found = neuromod.from_snntorch(net, readout=net[2])
    np.testing.assert_array_equal(found.w_out, net[2].weight.detach().numpy())
    alone = neuromod.from_snntorch(net[1], inputs=net[0], readout=net[2])
    assert alone.sha256() == found.sha256()
    with pytest.raises(UsageError, match="needed one from neuromod"):
        LeakyNetwork.of(neuromod.Network(np.eye(2), np.eye(2), np.eye(2), np.zeros(2), np.zeros(2), 0.1, 0.1))
    with pytest.raises(UsageError, match=r"shape \(time, trial, 3\)"):
        count_spikes(found, np.ones((4, 3)))
