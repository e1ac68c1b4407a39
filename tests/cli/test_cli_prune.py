"""`neuromod prune` for the bits of a chip."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from neuromod.cli import group

from neuromod import Network
from neuromod.metrics import accuracy as evaluation
from neuromod.quantization import rounded


def invoke(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def prune(run, *options):
    done = invoke("prune", "--trials", 60, "--run", run.path, "--json", *options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), done.stderr


def test_accuracy_is_that_of_the_rounded_weights(solver, run_of):
    run = run_of(solver)
    result, _ = prune(run, "--weight-bits", 8, "--max-accuracy-drop", 0.02)
    assert (result["weight_bits"], result["target"]) == (8, None)
    pruned = Network.load(run.file("pruned.safetensors"))
    tasks = solver.info["tasks"]
    trials = evaluation.trials_for(solver, 60 * len(tasks), seed=np.random.SeedSequence(0, spawn_key=(1,)))
    accuracy = {bits: evaluation.evaluate(net, trials).accuracy for bits, net in ((8, rounded(pruned, 8)), (0, pruned))}
    assert result["accuracy_after"] == pytest.approx(accuracy[8])
    assert result["accuracy_unrounded"] == pytest.approx(accuracy[0])
    assert result["accuracy_before"] - result["accuracy_after"] <= 0.02
    # What would be no synapse on the chip is none here.
    assert rounded(pruned, 8).n_synapses == pruned.n_synapses
    assert run.manifest()["steps"]["prune"]["arguments"]["weight_bits"] == 8


def test_the_bits_are_those_of_the_target(solver, run_of):
    run = run_of(solver)
    result, _ = prune(run, "--target", "loihi1")
    assert (result["weight_bits"], result["target"]) == (9, "loihi1")
    done = invoke("prune", "--trials", 20, "--target", "loihi1", "--run", run.path)
    assert "rounded to the 9 bits of loihi1" in done.stdout


def test_a_network_that_was_trained_for_a_chip_is_pruned_for_it(solver, run_of):
    chip = {"target": "loihi1", "weight_bits": 7}
    result, _ = prune(run_of(replace(solver, info={**solver.info, "chip": chip})))
    assert (result["weight_bits"], result["target"]) == (7, "loihi1")


def test_without_bits_nothing_is_rounded(solver, run_of):
    result, _ = prune(run_of(solver))
    assert (result["weight_bits"], result["target"]) == (None, None)
    assert result["accuracy_unrounded"] == result["accuracy_after"]


def test_too_few_bits_are_said_so(solver, run_of):
    result, said = prune(run_of(solver), "--weight-bits", 2, "--max-accuracy-drop", 0)
    lost = result["accuracy_before"] - result["accuracy_after"]
    assert ("rounding weights to 2 bits alone costs" in said) == (lost > 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--target", "loihi1", "--weight-bits", 4), "not both"),
        (("--target", "loihi2"), "unknown; give one with --weight-bits"),
        (("--target", "nonesuch"), "nonesuch"),
    ],
)
def test_bits_that_cannot_be_had(solver, run_of, options, said):
    done = invoke("prune", *options, "--run", run_of(solver).path)
    assert said in str(done.exception)
    assert done.exception.exit_code == 2
