"""A sample of tests/benchmarks/bench_faults.py: every kind of fault once, on small networks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def faults():
    path = Path(__file__).parents[1] / "benchmarks" / "faults.py"
    spec = importlib.util.spec_from_file_location("faults", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["faults"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["faults"]


@pytest.mark.parametrize(("kind", "seed"), [("onnx", 0), ("snn", 0), ("snn", 1), ("nir", 0)])
def test_every_kind_of_fault_is_reported_and_a_healthy_export_is_not(faults, tmp_path, kind, seed):
    if kind == "nir":
        pytest.importorskip("norse")
    network = faults.random_network(9, alpha=0.5, density=0.3, seed=seed)
    exports = faults.export(network, tmp_path / "healthy", with_nir=kind == "nir", seed=seed)
    assert not faults.caught(exports, kind, exports.folder, seed=3)
    rng = np.random.default_rng(seed)
    missed = []
    for name, fault in faults.faults(exports, kind):
        faults.spoil(exports, fault, tmp_path / "spoiled", rng)
        if not faults.caught(exports, kind, tmp_path / "spoiled", seed=3):
            missed.append(name)
    assert missed == []
