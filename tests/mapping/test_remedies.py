"""Advice of a refusal: followed to its end, it fits, or it says that nothing helps and why."""

from __future__ import annotations

import importlib
import pickle
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import neuromod
from neuromod import Network, cli
from neuromod.errors import Advice, DoesNotFitError
from neuromod.hardware import Grid
from neuromod.hardware.targets import Figure, Target
from neuromod.mapping import obstacles, remedies
from neuromod.mapping.problem import Effort


@pytest.fixture(scope="module")
def advice():
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        return importlib.import_module("advice")
    finally:
        sys.path.pop(0)


def net(w_rec, *, n_in=1, n_out=1):
    n = len(w_rec)
    return Network(
        w_rec=w_rec, w_in=np.ones((n, n_in)), w_out=np.ones((n_out, n)), bias=np.zeros(n), bias_out=np.zeros(n_out),
        dt_s=0.1, tau_s=0.1,
    )  # fmt: skip


def target(**figures):
    return Target(
        name="toy", title="Toy", about="A toy.", routing="unicast", destination="core", local_axons=False,
        figures={name: Figure(float(value), "chosen", "test") for name, value in figures.items()},
    )  # fmt: skip


ONE_CORE = {"chip_rows": 1, "chip_columns": 1, "max_chips": 1}


def refused(network, chip, **options):
    with pytest.raises(DoesNotFitError) as error:
        neuromod.place(network, target=chip, effort=Effort(0.05), **options)
    return error.value


def ring(n, weights=1.0):
    return np.roll(np.eye(n), 1, axis=0) * weights


def test_changes_of_two_kinds_are_one_of_each():
    network = net(ring(6))
    case = remedies.Case(network, Grid(1, 2), target(neurons=4), 3, "hilbert")
    found = list(remedies._changes(case, ("cores", "placer"), []))
    assert found
    for advice, changed in found:
        assert (advice.kind, advice.then.kind, advice.then.then) == ("cores", "placer", None)
        assert changed.grid == Grid(*advice.value)
        assert changed.placer == advice.then.value != "hilbert"


def test_random_refusals_are_followed_to_their_end(advice):
    refusals, seed = 0, 7000
    while refusals < 15:
        ends = advice.ends(advice.random_question(seed, most=40))
        seed += 1
        if ends is not None:
            refusals += 1
            assert {end for _, end in ends} <= {"fits", "nothing"}, (seed - 1, ends)


def test_a_hub_is_seen_to_by_hand():
    w = ring(40)
    w[7] = 1
    (said,) = refused(net(w), target(fan_in=10), cores=(2, 2)).advice
    assert said.kind == "nothing"
    assert "neuron 7 alone listens to 41 synapses, and the limit is 10: split it or take sources away" in said.value


def test_of_many_that_are_too_much_the_worst_is_named():
    w = ring(10)
    for neuron, sources in ((2, 5), (5, 9), (8, 6)):
        w[neuron, :sources] = 1
    # One synapse more than these is from an input channel.
    (said,) = obstacles.find_obstacles(net(w), target(fan_in=4), None)
    assert said == "3 of 10 neurons are too much for a core (neuron 5 listens to 10 synapses, and the limit is 4)"


def test_no_grid_beyond_the_chips_is_advised():
    (said,) = refused(net(ring(40)), target(neurons=30, **ONE_CORE)).advice
    assert said.kind == "nothing"
    assert "it takes 2 cores by neurons, and there can be one core of toy" in said.value
    (said,) = refused(net(ring(40)), target(neurons=30, **ONE_CORE), cores=(2, 2)).advice
    assert said.kind == "nothing"
    assert refused(net(ring(20)), target(neurons=30, **ONE_CORE), cores=(2, 2)).advice == (Advice("cores", (1, 1)),)


def test_more_channels_than_the_one_core_takes_are_not_pruned():
    (said,) = refused(net(ring(20), n_in=30), target(in_axons=20, **ONE_CORE)).advice
    assert said.kind == "nothing"
    assert "there are 30 input channels, and toy takes 20 sources" in said.value


def test_no_pruning_without_a_readout():
    (said,) = refused(net(np.ones((20, 20)), n_out=0), target(fan_in=10)).advice
    assert said.kind == "nothing"
    assert "no readout" in said.value


def test_pruning_that_is_advised_changes_something_and_is_the_least():
    rng = np.random.default_rng(0)
    network = net(rng.permutation(np.arange(1.0, 1601)).reshape(40, 40) / 2000, n_in=1)
    error = refused(network, target(fan_in=30, neurons=10), cores=(2, 2))
    (keep,) = [item.value for item in error.advice if item.kind == "keep"]
    pruned = neuromod.prune(network, keep=keep).network
    assert pruned.n_synapses < network.n_synapses
    assert np.diff(pruned.w_rec.indptr).max() + 0 <= 30
    more = neuromod.prune(network, keep=keep + 1 / 40**2).network
    assert (np.diff(more.w_rec.indptr) + (more.w_in != 0).sum(axis=1)).max() > 30


def test_a_larger_capacity_is_a_number():
    error = refused(net(ring(40)), target(neurons=30), cores=(2, 2), neurons_per_core=5)
    assert Advice("neurons_per_core", 10) in error.advice
    assert "neurons_per_core=10" in str(error)
    assert "--" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.advice) == (str(error), error.advice)


def test_networks_that_take_long_are_counted_alone(monkeypatch):
    monkeypatch.setattr(neuromod.mapping.remedies, "_QUICK", 10)
    error = refused(net(ring(40)), target(neurons=5), cores=(1, 2))
    assert [(item.kind, item.tried) for item in error.advice] == [("cores", False)]
    assert "not tried" in str(error)


def call(*arguments):
    done = CliRunner().invoke(cli.group, [str(item) for item in arguments])
    return done, "" if done.exception is None else str(done.exception)


@pytest.mark.parametrize("earlier", [(), ("--keep", 0.9)])
def test_what_the_command_advises_can_be_typed(earlier, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROMOD_RUNS", str(tmp_path / "runs"))
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "a.npz", w_rec=rng.normal(size=(60, 60)), w_in=np.ones((60, 2)), w_out=np.ones((1, 60)))
    assert call("import", tmp_path / "a.npz")[0].exit_code == 0
    if earlier:
        assert call("prune", *earlier)[0].exit_code == 0
    toml = tmp_path / "toy.toml"
    source = neuromod.hardware.target_files.read_text("dynapse2")
    toml.write_text(re.sub(r"fan_in = \{ value = \d+", "fan_in = { value = 40", source))
    given = ("--target", toml, "--cores", "1x1", "--seed", "4", "--effort", "0.05")
    _, message = call("map", *given)
    commands = re.findall(r"`(neuromod [^`]*)`", message)
    assert commands, message
    for command in commands:
        for part in command.split(" && "):
            done, said = call(*shlex.split(part)[1:])
            assert done.exit_code == 0, (part, said)
    assert f"--target {toml} --effort 0.05 --seed 4" in commands[0]
