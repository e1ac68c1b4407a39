"""How many substeps Loihi's neurons get."""

from __future__ import annotations

from dataclasses import replace

import pytest

import neuromod
from neuromod.exporting.chips.writers import write_loihi
from neuromod.exporting.writers import Job
from neuromod.metrics import agree, evaluate, trials_for
from neuromod.spiking import ConversionSettings, choose


@pytest.fixture(scope="module")
def network():
    return neuromod.train(tasks="go,anti", neurons=24, steps=150, seed=0, more={"tasks.ring": 4})


@pytest.mark.parametrize(
    ("settings", "tried"),
    [
        # Any agreement is enough, none is, and what the user says is taken.
        ({"min_agreement": 0.0}, [(20,)]),
        ({"min_agreement": 1.1}, [(20,), (40,), (80,)]),
        ({"min_agreement": 1.1, "substeps": (4,)}, [(4,)]),
    ],
)
def test_more_substeps_are_tried_until_the_integers_agree(tmp_path, network, settings, tried):
    asked = []

    def choosing(network, settings):
        asked.append(settings.substeps)
        return choose(network, replace(settings, tune="never", n_trials=200))

    job = Job(network, tmp_path, settings=ConversionSettings(**settings), choose=choosing)
    written = write_loihi(job)
    assert asked == tried
    integers = written.references["loihi"]
    assert (integers.substeps,) in tried
    low, high = written.figures["agreement_95"]
    assert 0 <= low <= written.figures["agreement"] <= high <= 1
    # On trials of another seed, the share is about the same.
    trials = trials_for(network, 500, seed=99, split="validation")
    ours, theirs = evaluate(network, trials), evaluate(network, trials, runner=integers.respond)
    share = agree(ours.decisions, theirs.decisions, ours.trial_of_answer).share
    assert abs(share - written.figures["agreement"]) < 0.08
