"""Base tasks first, then all of them."""

import numpy as np
import pytest
import torch

from neuromod import tasks
from neuromod.errors import UsageError
from neuromod.training import checkpoints, config
from neuromod.training.on_tasks import batches

NAMES = ("modcog.go", "modcog.dm1", "modcog.goseqr", "modcog.dmsintl")


def _rules(settings):
    """Rule units seen in each step, the first rule being channel 33."""
    seen = []
    for packed in batches.batches(settings, 0, torch.device("cpu")):
        rule = packed.inputs[:, 33:].sum(dim=0).numpy()
        seen.append(set(np.flatnonzero(rule)))
    return seen


def _settings(**more):
    flags = {"tasks.names": NAMES, "training.steps": 64, "training.batch": 16, **more}
    return config.load(None, (), flags)


def test_variants_come_after_the_first_share_alone():
    place = {name: i for i, name in enumerate(tasks.resolve("modcog"))}
    base, every = {place[name] for name in NAMES[:2]}, {place[name] for name in NAMES}
    seen = _rules(_settings(**{"tasks.first": 0.5}))
    assert len(seen) == 64
    assert all(rules <= base for rules in seen[:32])
    assert set().union(*seen[32:]) == every


def test_what_follows_is_what_a_training_without_it_sees():
    with_first, without = (
        list(batches.batches(_settings(**{"tasks.first": first}), 0, torch.device("cpu"))) for first in (0.5, 0.0)
    )
    for one, other in zip(with_first[32:], without[32:], strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.targets, other.targets)


def test_a_step_has_the_same_trials_wherever_training_began():
    settings = _settings(**{"tasks.first": 0.25})
    whole = list(batches.batches(settings, 0, torch.device("cpu")))
    rest = list(batches.batches(settings, 10, torch.device("cpu")))
    assert all(torch.equal(one.inputs, other.inputs) for one, other in zip(whole[10:], rest, strict=True))


def test_base_tasks_are_those_that_neither_integrate_nor_follow_a_sequence():
    assert len(tasks.base_tasks("modcog")) == 20
    assert tasks.base_tasks("yang19") == tasks.resolve("yang19")
    assert tasks.base_tasks("modcog93") == tuple(f"modcog93.{name}" for name in tasks.resolve("yang19"))
    assert tasks.base_tasks("goseqr,dmsintl") == ()


def test_mod_cog_has_settings_that_suit_it_and_what_is_given_wins():
    suited = config.load(None, (), {"tasks.names": "modcog"})
    assert (suited.tasks.first, suited.training.steps, suited.network.tau_ms) == (0.25, 40000, 300.0)
    assert (suited.tasks.by_error, suited.wiring.ramp_from, suited.wiring.ramp_to) == (0.5, 0.5, 0.7)
    own = config.load(None, ("tasks.first=0", "training.steps=10"), {"tasks.names": "modcog"})
    assert (own.tasks.first, own.training.steps) == (0.0, 10)
    assert config.load(None, (), {"tasks.names": "modcog.go"}).tasks.first == 0.0
    assert config.load().tasks.first == 0.0


def test_a_file_of_an_earlier_version_keeps_its_meaning(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[tasks]\nnames = ["modcog"]\n[training]\nsteps = 5\n')
    of_then = config.load(path, (), None, config.BEFORE).tasks
    assert (of_then.first, of_then.by_error) == (0.0, 0.0)

    settings = config.load(path, ("network.neurons=9", "training.batch=4"), None, config.BEFORE)
    state = checkpoints.start(settings)
    checkpoints.save(tmp_path / "checkpoint.pt", settings, state)
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del content["settings"]["tasks"]["first"]
    torch.save(content, tmp_path / "checkpoint.pt")
    assert checkpoints.load(tmp_path / "checkpoint.pt", settings).step == 0


def test_variants_alone_have_nothing_to_learn_first():
    with pytest.raises(UsageError, match=r"tasks\.first = 0\.25: all of the tasks are variants"):
        config.load(None, (), {"tasks.names": "goseqr", "tasks.first": 0.25})
