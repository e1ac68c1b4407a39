from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuromod import Network, rundir
from neuromod.rundir import Run


@pytest.fixture
def solver() -> Network:
    """A network made by hand that solves go, rtgo and dlygo: a neuron for each ring position that remembers."""
    w_in = np.zeros((17, 53))
    w_in[0, 0] = 1  # the fixation cue
    for k in range(16):
        w_in[1 + k, [1 + k, 17 + k]] = 1  # both rings
    return Network(
        w_rec=np.diag([0] + [0.9] * 16),
        w_in=w_in,
        w_out=np.diag([20.0] + [1.0] * 16),
        bias=np.zeros(17),
        bias_out=np.zeros(17),
        dt_s=0.1,
        tau_s=0.2,
        positions=np.stack(np.divmod(np.arange(17), 5), axis=1),
        neuron_ids=np.arange(100, 117),
        info={"tasks": ["go", "rtgo", "dlygo"], "semantics": "go-cue", "dt_ms": 100},
    )


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[[Network], Run]:
    """Make a run that holds a network as an imported one."""

    def make(network: Network, **kwargs: Any) -> Run:
        run = rundir.create("test", tmp_path / "run", **kwargs)
        network.save(run.file("network.safetensors"))
        run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
        return run

    return make
