"""Mod-Cog: against recorded trials of the published code, in both readings, and by hand."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neuromod.errors import UsageError
from neuromod.tasks import COLLECTIONS, find, generate, resolve

GOLDEN = Path(__file__).parents[1] / "golden"
golden = runpy.run_path(str(GOLDEN / "compare.py"))
RECORDING = golden["load"](GOLDEN / "modcog.npz")
NAMES = [task.name.removeprefix("modcog93.") for task in COLLECTIONS["modcog93"]]

both = pytest.mark.parametrize("strict", [True, False])


def test_collections():
    assert len(COLLECTIONS["modcog"]) == 82
    assert sorted(NAMES) == sorted(RECORDING["names"].tolist())
    assert [task.name.partition(".")[2] for task in COLLECTIONS["modcog"]] == NAMES[:82]
    # Some places in the published list.
    assert [NAMES[i] for i in (0, 19, 20, 33, 41, 42, 43, 61, 62, 81)] == [
        "go", "dnmc", "dlygointr", "multidlydmintl", "dnmcintl", "goseqr", "rtgoseqr", "dnmcseqr", "goseql", "dnmcseql",
    ]  # fmt: skip


@both
def test_recorded_trials_are_rendered_exactly(strict):
    part = "strict_dt100" if strict else "corrected_dt100"
    found = golden["compare"](RECORDING, part, collection="modcog93", strict=strict)
    assert len(found) == 93
    for name, (n, error, wrong) in found.items():
        assert n == 12
        assert error <= 1e-6, name
        assert wrong == 0, name


@both
def test_the_comparison_tells_the_readings_apart(strict):
    part = "corrected_dt100" if strict else "strict_dt100"
    found = golden["compare"](RECORDING, part, collection="modcog93", strict=strict)
    assert sum(wrong > 0 for _, _, wrong in found.values()) > 60


def test_recording_covers_the_slip():
    assert RECORDING["strict_dt100_targets"].max() == 15
    assert RECORDING["corrected_dt100_targets"].max() == 16


@both
def test_widths_and_rules(strict):
    for collection, k in (("modcog", 82), ("modcog93", 93)):
        trials = generate(collection, 2 * k, seed=0, strict=strict)
        assert trials.inputs.shape[2] == 33 + k
        np.testing.assert_array_equal(trials.inputs[0, :, 33:], np.eye(k)[trials.task])
        assert (trials.inputs[~trials.mask] == 0).all()
    one = generate("modcog.dnmcseql", 3, seed=0, strict=strict)
    np.testing.assert_array_equal(one.inputs[0, :, 33:], np.tile(np.eye(82)[81], (3, 1)))


def test_sequences_move_by_one_position_per_100_ms():
    for name, side in (("goseqr", 1), ("dm2seql", -1), ("rtantiseqr", 1)):
        trials = generate(name, 64, seed=1)
        n = 5 if "rt" in name else 10
        for i in range(64):
            position = trials.targets[trials.last_step[i] - n + 1 : trials.last_step[i] + 1, i] - 1
            np.testing.assert_array_equal(position, (position[0] + side * np.arange(n)) % 16)
            assert (trials.targets[: trials.last_step[i] - n + 1, i] == 0).all()


@pytest.mark.parametrize(("name", "side"), [("dmsintr", 1), ("dmsintl", -1)])
def test_match_integration_by_hand(name, side):
    trials = generate(name, 600, seed=2, noise=False)
    sample = trials.inputs[3, :, 1:33].reshape(600, 2, 16).max(axis=1).argmax(axis=1)
    delay = trials.mask.sum(axis=0) - 22
    assert set(delay) == set(range(12))
    test = trials.inputs[8 + delay, np.arange(600), 1:33].reshape(600, 2, 16).max(axis=1).argmax(axis=1)
    wanted = np.where(sample == test, 1 + (test + side * delay) % 16, 0)
    np.testing.assert_array_equal(trials.answers, wanted)


@pytest.mark.parametrize(("name", "side"), [("dlydm1intr", 5), ("multidlydmintl", -5)])
def test_decision_integration_by_hand(name, side):
    plain = generate(f"modcog.{name[:-4]}", 300, seed=3, noise=False)
    moved = generate(f"modcog.{name}", 300, seed=3, noise=False)
    np.testing.assert_array_equal(plain.inputs[:, :, :33], moved.inputs[:, :, :33])
    np.testing.assert_array_equal(moved.answers - 1, (plain.answers - 1 + side) % 16)


@pytest.mark.parametrize(("name", "side", "anti"), [("dlygointr", 1, 0), ("dlygointl", -1, 0), ("dlyantiintl", -1, 1)])
def test_reach_integration_by_hand(name, side, anti):
    trials = generate(name, 300, seed=4)
    delay_ms = 100 * (trials.mask.sum(axis=0) - 15)
    assert set(delay_ms) == set(range(0, 1200, 100))
    seen = trials.inputs[5, :, 1:33].reshape(300, 2, 16).max(axis=1)
    theta = 2 * np.pi * np.arange(16) / 16
    # The population vector of a bump points to its peak, up to what 16 units can resolve.
    at = np.angle(seen @ np.exp(1j * theta))
    wanted = 2 * np.pi * (trials.answers - 1) / 16 + side * 0.01 * delay_ms + anti * np.pi
    assert np.abs(np.angle(np.exp(1j * (at - wanted)))).max() < 0.02


def test_published_off_by_one():
    corrected = generate("modcog.go", 800, seed=5)
    published = generate("modcog.go", 800, seed=5, strict=True)
    np.testing.assert_array_equal(published.answers, corrected.answers % 16)
    assert set(corrected.answers) == set(range(1, 17))
    assert set(published.answers) == set(range(16))


def test_match_delay_is_drawn_per_trial_or_as_published_once_per_ring():
    corrected = generate("modcog.dms", 4000, seed=7, noise=False)
    published = generate("modcog.dms", 4000, seed=7, noise=False, strict=True)
    delays = np.bincount(corrected.mask.sum(axis=0) - 22, minlength=12)[2:12]
    assert stats.chisquare(delays).pvalue > 0.001
    ring = published.inputs[3, :, 1:33].reshape(4000, 2, 16).any(axis=2).argmax(axis=1)
    lengths = published.mask.sum(axis=0)
    assert all(len(set(lengths[ring == r])) == 1 for r in (0, 1))
    others = {tuple(sorted(set(generate("modcog.dms", 40, seed=s, strict=True).mask.sum(axis=0)))) for s in range(8)}
    assert len(others) > 3


def test_go_equals_dlygo_but_for_the_rule():
    for pair in (("modcog.go", "modcog.dlygo"), ("modcog.anti", "modcog.dlyanti")):
        a, b = (generate(name, 50, seed=8) for name in pair)
        np.testing.assert_array_equal(a.inputs[:, :, :33], b.inputs[:, :, :33])
        np.testing.assert_array_equal(a.targets, b.targets)
        assert (a.inputs[:, :, 33:] != b.inputs[:, :, 33:]).any()


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=12, unique=True),
    n=st.integers(1, 50),
    seed=st.integers(0, 2**31),
    dt=st.sampled_from([10, 20, 30, 50, 100, 200]),
    strict=st.booleans(),
)
def test_any_request_gives_consistent_trials(names, n, seed, dt, strict):
    given_names = [f"modcog93.{name}" for name in names]
    trials = generate(given_names, n, seed=seed, dt_ms=dt, strict=strict)
    again = generate(given_names, n, seed=seed, dt_ms=dt, strict=strict)
    np.testing.assert_array_equal(trials.inputs, again.inputs)
    np.testing.assert_array_equal(trials.targets, again.targets)
    lengths = trials.mask.sum(axis=0)
    np.testing.assert_array_equal(trials.mask, np.arange(lengths.max())[:, None] < lengths)
    assert 0 <= trials.targets.min() <= trials.targets.max() <= (15 if strict else 16)
    tasks, _, _ = find(given_names, strict=strict)
    for i, task in enumerate(tasks):
        shortest, longest = task.steps(dt)
        assert all(shortest <= length <= longest for length in lengths[trials.task == i])
        assert ((trials.targets[:, trials.task == i] > 0).sum(axis=0) <= task.timing_ms[4][0] // dt).all()


def test_names():
    assert resolve("goseqr,dlygointr") == ("modcog.goseqr", "modcog.dlygointr")
    assert resolve("modcog.go") == ("modcog.go",)
    assert resolve("dmsintseq") == ("modcog93.dmsintseq",)
    assert resolve("yang19.go") == ("go",)
    with pytest.raises(UsageError, match="of the collections yang19 and modcog, whose rule inputs differ"):
        resolve("go,goseqr")
    with pytest.raises(UsageError, match=r"did you mean 'modcog\.goseqr'"):
        resolve("modcog.goseqq")


def test_meanings_that_do_not_exist():
    with pytest.raises(UsageError, match=r"neurogym-2\.3 is a meaning of yang19; modcog has go-cue alone"):
        generate("modcog", 1, seed=0, semantics="neurogym-2.3")
    with pytest.raises(UsageError, match="strict asks for Mod-Cog as published; it does not apply to yang19"):
        generate("yang19", 1, seed=0, strict=True)
