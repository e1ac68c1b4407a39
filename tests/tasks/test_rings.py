"""Tasks on rings of 4 and 8, and inputs as counts behind a low-pass."""

from __future__ import annotations

import numpy as np
import pytest

from neuromod import train
from neuromod.errors import UsageError
from neuromod.metrics import trials_for
from neuromod.tasks import behind_low_pass, generate
from neuromod.training import Settings, config, for_target


@pytest.mark.parametrize("ring", [4, 8])
def test_a_small_ring_shows_where_to_answer(ring):
    trials = generate(["go", "anti"], 200, seed=3, noise=False, ring=ring)
    assert trials.inputs.shape[2] == 1 + 2 * ring + 2
    assert trials.n_classes == 1 + ring
    assert set(np.unique(trials.targets)) == set(range(1 + ring))
    last = trials.last_step
    for trial in range(200):
        shown = trials.inputs[: last[trial] + 1, trial, 1 : 1 + 2 * ring].max(axis=0).reshape(2, ring).max(axis=0)
        at = int(shown.argmax())
        away = ring // 2 if trials.names[trials.task[trial]] == "anti" else 0
        assert trials.answers[trial] == 1 + (at + away) % ring
        assert trials.inputs[0, trial, 1 + 2 * ring :].tolist() == [trials.task[trial] == 0, trials.task[trial] == 1]


def test_all_twenty_tasks_are_on_a_small_ring_and_what_cannot_be_is_refused():
    trials = generate("yang19", 400, seed=0, ring=4)
    assert trials.inputs.shape[2] == 29
    assert trials.targets.max() == 4
    with pytest.raises(UsageError, match="none of 4, 8, 16"):
        generate("go", 2, seed=0, ring=5)
    with pytest.raises(UsageError, match="Mod-Cog"):
        generate("modcog", 82, seed=0, ring=4)


def test_the_ring_of_16_is_as_it_was():
    one, other = (generate("yang19", 60, seed=5, **more) for more in ({}, {"ring": 16}))
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.targets, other.targets)


def test_counts_behind_the_low_pass_by_hand():
    trials = generate("go", 1, seed=0, noise=False, ring=4)
    steps = np.zeros_like(trials.inputs)
    steps[0, 0, 0], steps[1, 0, 0], steps[2, 0, 1] = 0.26, -0.5, 2.0
    from dataclasses import replace

    found = behind_low_pass(replace(trials, inputs=steps), counts=10, alpha=0.5).inputs[:, 0]
    # 2.6 counts are 3, negative ones are none, and there are 15 at most.
    np.testing.assert_allclose(found[:3, 0], [0.15, 0.075, 0.0375])
    np.testing.assert_allclose(found[2:4, 1], [0.75, 0.375])
    both = behind_low_pass(replace(trials, inputs=steps), counts=10, alpha=0.5, signed=True).inputs[:, 0]
    assert both.shape[1] == 2 * found.shape[1]
    np.testing.assert_allclose(both[1, found.shape[1]], 0.25)


def test_a_target_that_takes_counts_decides_on_leak_and_inputs():
    settings = config.load(flags={"network.tau_ms": 330.0, "chip.target": "xylo-a2", "tasks.ring": 4})
    found, said = for_target(settings)
    assert found.network.tau_ms == 400
    assert found.tasks.counts == 12
    assert "alpha = 2**-2" in said[0]
    assert "counts of 0 to 15" in said[1]
    assert for_target(found) == (found, ())
    slowest, said = for_target(
        config.load(flags={"network.tau_ms": 90_000.0, "chip.target": "xylo-a2", "tasks.ring": 4})
    )
    assert slowest.network.tau_ms == 12_800
    assert "alpha = 2**-7" in said[0]
    assert for_target(Settings()) == (Settings(), ())
    loihi = config.load(flags={"chip.target": "loihi1"})
    assert for_target(loihi) == (loihi, ())


def test_a_network_for_the_chip_says_what_its_trials_are():
    more = {"tasks.ring": 4, "chip.target": "xylo-a2"}
    network = train(tasks="go,anti", neurons=12, steps=3, more=more)
    assert (network.n_in, network.n_out, network.alpha) == (11, 5, 0.5)
    trials = trials_for(network, 40, seed=1)
    assert trials.inputs.shape[2] == 11
    # Behind the low-pass nothing jumps by more than half of what came.
    assert np.diff(trials.inputs, axis=0).max() <= 15 / 12 / 2 + 1e-6
