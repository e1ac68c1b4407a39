"""Trials of NeuroGym environments, with a stand-in where NeuroGym is not installed."""

from __future__ import annotations

import sys
import types
from importlib.util import find_spec

import numpy as np
import pytest

from neuromod.errors import UsageError
from neuromod.tasks import decisions, generate, resolve


class Discrete:
    n = 3


class Waiting:
    """An environment as NeuroGym makes them: trials of random length, class 1 or 2 wanted at the last step."""

    def __init__(self, dt):
        self.dt, self.action_space, self.unwrapped = dt, Discrete(), self

    def get_wrapper_attr(self, name):
        return getattr(self, name)

    def seed(self, seed):
        self.rng = np.random.RandomState(seed)

    def new_trial(self):
        length = self.rng.randint(3, 7)
        self.ob = self.rng.randn(length, 2).astype(np.float32)
        self.gt = np.zeros(length, np.int64)
        self.gt[-1] = 1 + (self.ob[:, 0].sum() > 0)


class Reward(Waiting):
    def new_trial(self):
        self.ob = np.zeros((2, 2))


@pytest.fixture
def neurogym(monkeypatch):
    known = {"Waiting-v0": Waiting, "Reward-v0": Reward}

    def make(name, dt):
        if name not in known:
            raise KeyError(f"Environment {name} doesn't exist.")
        return known[name](dt)

    registry = {name: types.SimpleNamespace(entry_point="neurogym.envs:X") for name in known}
    monkeypatch.setitem(sys.modules, "neurogym", types.SimpleNamespace(make=make))
    monkeypatch.setitem(sys.modules, "gymnasium", types.SimpleNamespace(registry=registry))


@pytest.mark.usefixtures("neurogym")
def test_trials_of_an_environment():
    trials = generate("neurogym:Waiting-v0", 30, seed=1)
    again = generate("neurogym:Waiting-v0", 30, seed=1)
    other = generate("neurogym:Waiting-v0", 30, seed=2)
    np.testing.assert_array_equal(trials.inputs, again.inputs)
    assert trials.inputs.shape != other.inputs.shape or (trials.inputs != other.inputs).any()
    assert trials.inputs.shape == (6, 30, 2)
    assert trials.inputs.dtype == np.float32
    assert trials.names == ("neurogym:Waiting-v0",)
    assert trials.n_classes == 3
    lengths = trials.mask.sum(axis=0)
    assert set(lengths) == {3, 4, 5, 6}
    assert (trials.inputs[~trials.mask] == 0).all()
    np.testing.assert_array_equal(trials.answers, 1 + (trials.inputs[:, :, 0].sum(axis=0) > 0))
    np.testing.assert_array_equal(decisions(np.eye(3)[trials.targets], trials), trials.answers)


@pytest.mark.usefixtures("neurogym")
@pytest.mark.parametrize(
    ("names", "arguments", "message"),
    [
        ("neurogym:Reward-v0", {}, "does not say which of a number of actions is right"),
        ("neurogym:Waitin-v0", {}, "did you mean 'neurogym:Waiting-v0'"),
        ("neurogym:Waiting-v0", {"noise": False}, "noise and meaning cannot be chosen here"),
        ("neurogym:Waiting-v0", {"strict": True}, "noise and meaning cannot be chosen here"),
        ("neurogym:Waiting-v0,go", {}, "of the collections neurogym:Waiting-v0 and yang19"),
        ("neurogym:", {}, "no task or collection 'neurogym:'"),
    ],
)
def test_what_cannot_be_had(names, arguments, message):
    with pytest.raises(UsageError, match=message):
        generate(names, 2, seed=0, **arguments)


def test_without_neurogym(monkeypatch):
    monkeypatch.setitem(sys.modules, "neurogym", None)
    assert resolve("neurogym:GoNogo-v0") == ("neurogym:GoNogo-v0",)
    with pytest.raises(UsageError, match="needs NeuroGym, which is not installed; `pip install neurogym`"):
        generate("neurogym:GoNogo-v0", 1, seed=0)


@pytest.mark.skipif(find_spec("neurogym") is None, reason="NeuroGym is not installed")
def test_with_neurogym_itself():
    trials = generate("neurogym:PerceptualDecisionMaking-v0", 20, seed=1)
    assert trials.inputs.shape[1:] == (20, 3)
    assert set(trials.answers) <= {1, 2}
