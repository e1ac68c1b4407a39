"""Axons of Loihi's cores: our count beside that of nengo-loihi, which is the source of what `loihi1` says of them."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from neuromod import Network
from neuromod.exporting import chips
from neuromod.hardware import Grid, load_target
from neuromod.hardware.resources import count_usage

# Of LoihiBlock.utilization().
THEIRS = ("in-axons", "out-axons")


def network_of(seed: int, *, n: int = 40, n_in: int = 6) -> tuple[Network, np.ndarray]:
    """Return a random network, and cores of its neurons on a grid of 2x3, one of which is empty."""
    rng = np.random.default_rng(seed)
    between = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.08)
    network = Network(
        w_rec=sparse.csr_array(between),
        w_in=rng.normal(size=(n, n_in)) * (rng.random((n, n_in)) < 0.3),
        w_out=np.ones((2, n)),
        bias=np.zeros(n),
        bias_out=np.zeros(2),
        dt_s=0.1,
        tau_s=0.2,
    )
    return network, rng.integers(0, 5, n).astype(np.int32)


def counted_by_nengo_loihi(network: Network, core_of: np.ndarray) -> dict[str, np.ndarray]:
    """Axons of the blocks that ``example.py`` of an export makes, one for each core."""
    spec = importlib.util.spec_from_loader("tensors", loader=None)
    sys.modules.setdefault("tensors", importlib.util.module_from_spec(spec)).read = None
    program: dict = {"__name__": "example", "__file__": "example.py"}
    exec(compile(chips.folder.source("loihi"), "example.py", "exec"), program)
    weights = {"weights_in": network.w_in, "weights_rec": network.w_rec.toarray()}
    arrays = {name: 2 * np.sign(value).astype(np.int16) for name, value in weights.items()} | {"core": core_of}
    arrays |= dict.fromkeys(("weight_exp_in", "weight_exp_rec"), np.zeros(network.n, np.int8))
    about = {"du": 100, "dv": 10, "vth": 100}
    _, blocks, _ = program["nengo_loihi_model"](arrays, about, np.zeros((1, network.n_in), int))
    found = {name: np.zeros(6, int) for name in THEIRS}
    for core, block in blocks.items():
        for name in THEIRS:
            found[name][core] = block.utilization()[name][0]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_axons_are_those_that_nengo_loihi_counts(seed):
    pytest.importorskip("nengo_loihi", reason="nengo-loihi is not installed, whose count this is about")
    network, core_of = network_of(seed)
    theirs = counted_by_nengo_loihi(network, core_of)
    chip = load_target("loihi1")
    ours = count_usage(network, core_of, Grid(2, 3), chip).of_core
    np.testing.assert_array_equal(ours["in_axons"], theirs["in-axons"])
    np.testing.assert_array_equal(ours["out_axons"], theirs["out-axons"])
    # Spikes that stay on their core are among them: without these there are fewer.
    away = count_usage(network, core_of, Grid(2, 3), replace(chip, local_axons=False)).of_core
    assert away["in_axons"].sum() < theirs["in-axons"].sum()


@pytest.mark.parametrize("seed", range(3))
def test_axons_are_pairs_of_a_source_and_a_core_home_included(seed):
    """The same by hand, where nengo-loihi is not installed."""
    network, core_of = network_of(seed)
    ours = count_usage(network, core_of, Grid(2, 3), load_target("loihi1")).of_core
    targets = [set(core_of[np.flatnonzero(column)]) for column in network.w_rec.toarray().T]
    inputs = [set(core_of[np.flatnonzero(column)]) for column in network.w_in.T]
    for core in range(6):
        assert ours["in_axons"][core] == sum(core in reached for reached in [*targets, *inputs])
        assert ours["out_axons"][core] == sum(
            len(reached) for home, reached in zip(core_of, targets, strict=True) if home == core
        )
