from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from neuromod import Network
from neuromod.metrics import operations
from neuromod.metrics.accuracy import trials_for
from neuromod.spiking import conversion, count_spiking
from neuromod.spiking.quantization import quantize


def chain() -> Network:
    """Input 0 drives neuron 0, which drives neuron 1, which is read by both outputs."""
    return Network(
        w_rec=np.array([[0, 0], [1.0, 0]]),
        w_in=np.array([[1.0, 0], [0, 0]]),
        w_out=np.array([[0, 1.0], [0, 1.0]]),
        bias=np.zeros(2),
        bias_out=np.zeros(2),
        dt_s=0.1,
        tau_s=0.1,
    )


def test_operations_of_a_rate_network_by_hand():
    # The input is on in the first of three steps. Neuron 0 is active at t = 0, neuron 1 at t = 1.
    x = np.array([[[1.0, 5.0]], [[0, 5.0]], [[0, 5.0]]])
    counts = operations.count_rate(chain(), x)
    # One input weight at t = 0, one recurrent at t = 1, two readout weights at t = 1.
    assert counts.macs == pytest.approx(4 / 3)
    assert (counts.dense, counts.synapses, counts.weight_bytes) == (2 * (2 + 2 + 2), 4, 16)
    assert counts.activation_sparsity == pytest.approx(4 / 6)
    assert counts.connection_sparsity == pytest.approx(1 - 4 / 12)
    assert counts.dense_bytes == 4 * (12 + 2 + 2)


def test_operations_of_a_spiking_network_by_hand():
    # Two substeps: neuron 0 fires in both of them at t = 0, neuron 1 in both at t = 1.
    spiking = conversion.convert(chain(), np.ones(2), substeps=2)
    x = np.array([[[1.0, 5.0]], [[0, 5.0]], [[0, 5.0]]])
    counts = count_spiking(spiking, x, np.ones((3, 1), bool))
    assert counts.spikes == pytest.approx(4 / 3)
    assert counts.acs == pytest.approx((2 * 1 + 2 * 2) / 3)
    assert counts.macs == pytest.approx(1 / 3)
    assert counts.dense == 2 * 2 + 2 * 2 * (2 + 2)
    assert counts.neuron_updates == 4
    assert counts.activation_sparsity == pytest.approx(1 - 4 / 12)
    assert counts.dense_bytes == 4 * (12 + 2 + 2)


def test_without_trials_nothing_is_made_up():
    content = operations.count_rate(chain()).to_dict()
    assert content["macs"] is None
    assert content["activation_sparsity"] is None
    assert content["synapses"] == 4


def test_memory_counts_bits(solver):
    spiking = conversion.convert(solver, np.ones(17), substeps=2)
    trials = trials_for(solver, 20, seed=0)
    counts = count_spiking(quantize(spiking, 3), trials.inputs, trials.mask)
    assert counts.weight_bytes == -(-counts.synapses * 3 // 8)


def test_masked_steps_do_not_count(solver):
    spiking = conversion.convert(solver, np.ones(17), substeps=2)
    trials = trials_for(solver, 30, seed=0)
    noisy = np.where(trials.mask[..., None], trials.inputs, 7.0)
    a, b = (count_spiking(spiking, x, trials.mask) for x in (trials.inputs, noisy))
    assert a == b


@pytest.mark.parametrize("mode", ["hold", "continuous"])
def test_counts_are_neurobenchs(solver, tmp_path, mode):
    benchmark = pytest.importorskip("neurobench.benchmarks")
    import torch
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
    from neurobench.models import TorchModel

    from neuromod.exporting import snn

    # Without a delay, so that all spikes arrive within the nine steps.
    spiking = conversion.convert(solver, np.linspace(1, 2, 17), substeps=4, mode=mode, delay=0)
    snn.write(spiking, tmp_path / "snn", network=solver)
    spec = importlib.util.spec_from_file_location("exported_model", tmp_path / "snn" / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x = (np.random.default_rng(0).random((9, 30, 53)) * (np.random.default_rng(1).random((9, 30, 53)) < 0.4)).astype(
        np.float32
    )

    class BatchFirst(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module.load(tmp_path / "snn")

        def forward(self, batch):
            return self.inner(batch.transpose(0, 1))[0].transpose(0, 1)

    model = TorchModel(BatchFirst())
    model.add_activation_module(module.Fire)
    trials = torch.utils.data.TensorDataset(torch.from_numpy(x).transpose(0, 1), torch.zeros(30))
    data = torch.utils.data.DataLoader(trials, batch_size=30)
    with torch.no_grad():
        theirs = benchmark.Benchmark(
            model, data, [], [], [[Footprint, ConnectionSparsity], [SynapticOperations, ActivationSparsity]]
        ).run(quiet=True)
    ours = count_spiking(spiking, x, np.ones((9, 30), bool))
    # NeuroBench counts for a sample of nine time steps.
    found = theirs["SynapticOperations"]
    assert found["Effective_MACs"] == pytest.approx(9 * ours.macs, rel=1e-6)
    assert found["Effective_ACs"] == pytest.approx(9 * ours.acs, rel=1e-3)  # a spike on the edge may differ
    assert found["Dense"] == pytest.approx(9 * ours.dense, rel=1e-6)
    assert theirs["ActivationSparsity"] == pytest.approx(ours.activation_sparsity, abs=1e-4)
    assert theirs["ConnectionSparsity"] == pytest.approx(ours.connection_sparsity, abs=1e-3)
    assert ours.dense_bytes == 4 * (
        spiking.n * (spiking.n + spiking.w_in.shape[1] + len(spiking.bias_out)) + spiking.n + len(spiking.bias_out)
    )
    # Beside weights and biases the model holds scales.
    assert theirs["Footprint"] == ours.dense_bytes + 4 * (17 + 53)
