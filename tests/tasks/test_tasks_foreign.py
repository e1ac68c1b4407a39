"""Trials of NeuroGym environments, with a stand-in where NeuroGym is not installed."""

from __future__ import annotations

import sys
import types
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from neuromod import Network, evaluate
from neuromod.errors import UsageError
from neuromod.tasks import generate, resolve
from neuromod.tasks.foreign import steps_read, where_read
from neuromod.training import model
from neuromod.trials import decisions


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


class Timing(Waiting):
    """An answer that is over before the trial is, as ReadySetGo and MotorTiming want it."""

    def new_trial(self):
        length = self.rng.randint(6, 9)
        self.ob = self.rng.randn(length, 2).astype(np.float32)
        self.gt = np.zeros(length, np.int64)
        self.gt[length - 3 : length - 1] = 1


class Wrong(Waiting):
    """As Reaching1D, which has three actions and calls the sixth right."""

    def new_trial(self):
        super().new_trial()
        self.gt[-1] = 5


class Reward(Waiting):
    def new_trial(self):
        self.ob = np.zeros((2, 2))


@pytest.fixture
def neurogym(monkeypatch):
    known = {"Waiting-v0": Waiting, "Reward-v0": Reward, "Timing-v0": Timing, "Wrong-v0": Wrong}

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
        ("neurogym:Wrong-v0", {}, r"it calls action 5 right, needed one of its actions 0 to 2"),
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


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        ("0001", "0001"),  # most environments
        ("0000", "0001"),  # the right answer is none, as in GoNogo
        ("0022", "0001"),
        ("1111", "0001"),
        ("0100", "1100"),  # when to answer is what matters
        ("0011000", "0101000"),
        ("0110010", "1010110"),
        ("0102", "0101"),  # two answers, as in HierarchicalReasoning
        ("0012", "0011"),
        ("1000", "1000"),
    ],
)
def test_where_answers_are_read(wanted, read):
    found = steps_read(np.array([int(digit) for digit in wanted]))
    assert "".join(str(int(each)) for each in found) == read


def answering(action):
    """A network that always gives the same answer."""
    return Network(
        w_rec=np.zeros((1, 1)), w_in=np.zeros((1, 2)), w_out=np.zeros((3, 1)), bias=np.zeros(1),
        bias_out=np.eye(3)[action], dt_s=0.1, tau_s=0.1,
    )  # fmt: skip


@pytest.mark.usefixtures("neurogym")
def test_neither_silence_nor_answering_throughout_is_accurate_where_the_time_matters():
    trials = generate("neurogym:Timing-v0", 40, seed=1)
    assert (trials.answers == np.tile([0, 1], 40)).all()
    assert evaluate(answering(0), trials).accuracy == evaluate(answering(1), trials).accuracy == 0.5
    assert evaluate(answering(2), trials).accuracy == 0
    perfect = evaluate(answering(0), trials, runner=lambda _: np.eye(3)[trials.targets])
    assert perfect.accuracy == 1
    assert perfect.decisions.shape == (80,)


@pytest.mark.usefixtures("neurogym")
def test_training_counts_the_same_answers():
    trials = generate("neurogym:Timing-v0", 6, seed=1)
    packed = model.pack(
        trials.inputs, trials.targets, trials.mask, response_weight=3, device=torch.device("cpu"), reads=trials.read
    )
    assert sorted(packed.targets[packed.asked].tolist()) == sorted(trials.answers) == [0] * 6 + [1] * 6
    heavy = packed.weights > packed.weights.min()
    assert heavy[packed.asked].all()
    assert heavy.sum() == 6 * 3


@pytest.mark.usefixtures("neurogym")
def test_the_rule_is_said_where_it_is_another():
    said = where_read(generate("neurogym:Timing-v0", 6, seed=1))
    assert said == (
        "accuracy is read at the last step of each answer and, where it is over before the trial is, at the step "
        "before it begins: 2 a trial"
    )
    assert where_read(generate("neurogym:Waiting-v0", 6, seed=1)) is None
    assert where_read(generate("go", 6, seed=1)) is None


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


@pytest.mark.skipif(find_spec("neurogym") is None, reason="NeuroGym is not installed")
def test_silence_is_never_right_throughout_in_any_environment():
    import gymnasium

    names = [key for key, spec in gymnasium.registry.items() if str(spec.entry_point).startswith("neurogym")]
    read = []
    for name in names:
        try:
            trials = generate(f"neurogym:{name}", 60, seed=1)
        except UsageError:
            continue
        silent = evaluate(None, trials, runner=lambda _, t=trials: np.eye(t.n_classes)[np.zeros_like(t.targets)])
        assert silent.accuracy < 1, name
        read.append(name)
    assert len(read) > 30
    assert {"ReadySetGo-v0", "MotorTiming-v0", "DelayMatchSampleDistractor1D-v0"} <= set(read)
