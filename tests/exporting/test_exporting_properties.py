"""Any network, written as spiking snnTorch and as NIR, does what the reference in NumPy does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import Network
from neuromod.exporting import snn
from neuromod.spiking import conversion
from neuromod.spiking.quantization import quantize
from neuromod.verification.snn import load

NETWORKS = st.fixed_dictionaries(
    {
        "n": st.integers(1, 64),
        "density": st.sampled_from([0, 0.05, 0.5, 1]),
        "alpha": st.sampled_from([0.05, 0.3, 0.5, 0.9, 1]),
        "seed": st.integers(0, 1000),
    }
)


def network_of(n, density, alpha, seed, n_in=4):
    """Weights of that density, so rows of zeros and no recurrence at all come up, too."""
    rng = np.random.default_rng(seed)

    def weights(rows, columns):
        return rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < density)

    return Network(
        w_rec=weights(n, n) * 0.7 / max(1, np.sqrt(n * density)), w_in=weights(n, n_in), w_out=weights(3, n),
        bias=rng.normal(size=n) * 0.3, bias_out=rng.normal(size=3), dt_s=0.1, tau_s=0.1 / alpha,
    )  # fmt: skip


def spiking_of(network, seed, **options):
    return conversion.convert(network, np.random.default_rng(seed).uniform(0.5, 2, network.n), **options)


def untied(reference):
    """Trials in which no membrane comes within rounding of the threshold, where runtimes may part."""
    return reference.margin.min(axis=(0, 2), initial=np.inf) > 1e-5


@settings(max_examples=40, deadline=None)
@given(
    some=NETWORKS, substeps=st.integers(1, 9), mode=st.sampled_from(["hold", "continuous"]),
    reset=st.sampled_from(["soft", "hard"]), floor=st.sampled_from([0.0, None]), bits=st.sampled_from([None, 8]),
)  # fmt: skip
def test_snntorch(some, substeps, mode, reset, floor, bits):
    network = network_of(**some)
    mode = "hold" if network.alpha == 1 else mode
    spiking = spiking_of(network, some["seed"], substeps=substeps, mode=mode, reset=reset, floor=floor)
    spiking = spiking if bits is None else quantize(spiking, bits)
    x = np.random.default_rng(1).normal(size=(9, 8, 4)).astype(np.float32)
    wanted = spiking.run(x)
    with tempfile.TemporaryDirectory() as folder:
        snn.write(spiking, Path(folder) / "snn", network=network)
        with torch.no_grad():
            y, spikes, _ = load(Path(folder) / "snn")(torch.from_numpy(x))
    apart = untied(wanted)
    np.testing.assert_array_equal(spikes.numpy()[:, apart], wanted.spikes[:, apart])
    np.testing.assert_allclose(y.numpy()[:, apart], wanted.y[:, apart], atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    some=NETWORKS, substeps=st.integers(1, 6), reset=st.sampled_from(["soft", "hard"]),
    form=st.sampled_from(["cuba", "literal"]),
)  # fmt: skip
def test_nir(nir_simulation, some, substeps, reset, form):
    nir = pytest.importorskip("nir")
    from neuromod.exporting import nir as exporting
    from neuromod.importing.nir import read_network

    network = network_of(**{**some, "alpha": min(some["alpha"], 0.9)})
    options = {"mode": "continuous", "delay": 0, "floor": None, "reset": reset}
    spiking = spiking_of(network, some["seed"], substeps=substeps, **options)
    x = np.random.default_rng(1).normal(size=(7, 8, 4)).astype(np.float32)
    wanted = spiking.run(x)
    with tempfile.TemporaryDirectory() as folder:
        path = exporting.write(spiking, Path(folder) / "a.nir", network=network, form=form)
        graph = nir.read(path)
        first = read_network(path)
        again = read_network(exporting.save(exporting.rebuild(first), Path(folder) / "b.nir"))
    out = nir_simulation(graph, exporting.encode(x, spiking, form), graph.metadata["dt_s"])
    apart = untied(wanted)
    np.testing.assert_allclose(exporting.decode(out, spiking, form)[:, apart], wanted.y[:, apart], atol=1e-3)
    assert again.sha256() == first.sha256()
    assert again.info == first.info
