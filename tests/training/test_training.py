import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import neuromod
from neuromod.errors import InterruptedRunError, UsageError
from neuromod.metrics import accuracy as evaluation
from neuromod.network import Network
from neuromod.training import checkpoints, config
from neuromod.training import loop as training
from neuromod.training.schedules import learning_rate
from neuromod.training.settings import Settings, TrainingSettings

TINY = [
    "tasks.names=go,dm1",
    "network.neurons=16",
    "training.steps=40",
    "training.batch=8",
    "training.log_every=10",
    "training.checkpoint_every=7",
    "wiring.swap_every=5",
    "wiring.ramp_from=0.0",
    "wiring.ramp_to=0.2",
]


def settings(*more: str) -> Settings:
    return config.load(None, [*TINY, *more])


def test_going_on_with_tasks_begins_where_the_network_is() -> None:
    still = {"wiring.swap_every": 0, "training.batch": 8}
    first = neuromod.train(tasks="go", neurons=16, steps=20, more=still)
    then = neuromod.train(tasks="go,dlygo", steps=1, start=first, more={**still, "wiring.strength": 0.0})
    # One step of Adam moves a weight by about its learning rate at most.
    assert 0 < abs(then.w_rec.toarray() - first.w_rec.toarray()).max() < 0.01
    assert then.positions.tolist() == first.positions.tolist()


def test_training_learns_a_task_and_prices_its_wires() -> None:
    heard: list[training.Progress] = []
    network = training.train(
        config.load(
            None,
            ["tasks.names=go,anti", "network.neurons=49", "training.steps=400", "training.batch=32"],
        ),
        on_step=heard.append,
    )
    score = evaluation.evaluate(network, evaluation.trials_for(network, 200, seed=9))
    assert score.accuracy > 0.95
    assert [p.step for p in heard] == [100, 200, 300, 400]
    assert heard[-1].synapses == network.n_synapses < 49**2 / 2
    assert heard[-1].seconds_left == 0
    assert network.info["tasks"] == ["go", "anti"]


@pytest.mark.parametrize("stop_at", [1, 7, 20, 39])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path, stop_at: int) -> None:
    whole = training.train(settings())
    checkpoint, seen = tmp_path / "checkpoint.pt", []

    def should_stop() -> bool:
        seen.append(0)
        return len(seen) == stop_at

    with pytest.raises(InterruptedRunError, match=f"step {stop_at} of 40"):
        training.train(
            settings(),
            on_checkpoint=lambda state: checkpoints.save(checkpoint, settings(), state),
            should_stop=should_stop,
        )
    state = checkpoints.load(checkpoint, settings())
    assert state.step == stop_at
    assert training.train(settings(), state=state).sha256() == whole.sha256()


def test_resuming_from_an_older_checkpoint_is_the_same_run(tmp_path: Path) -> None:
    kept: list[bytes] = []
    checkpoint = tmp_path / "checkpoint.pt"

    def keep(state: checkpoints.State) -> None:
        checkpoints.save(checkpoint, settings(), state)
        kept.append(checkpoint.read_bytes())

    whole = training.train(settings(), on_checkpoint=keep)
    assert len(kept) == 6
    checkpoint.write_bytes(kept[2])
    state = checkpoints.load(checkpoint, settings())
    assert state.step == 21
    assert training.train(settings(), state=state).sha256() == whole.sha256()


def test_seeds_and_settings_decide() -> None:
    assert training.train(settings()).sha256() == training.train(settings()).sha256()
    assert training.train(settings()).sha256() != training.train(settings("seed=1")).sha256()


def test_swapping_leaves_the_function_alone() -> None:
    state = checkpoints.start(settings())
    with torch.no_grad():
        state.parameters["w_rec"].add_(torch.randn(16, 16, generator=torch.Generator().manual_seed(0)))
    x = np.random.default_rng(0).standard_normal((5, 3, 53))
    before = training.network_of(settings(), state).run(x)[0]
    moved = dataclasses.replace(state, positions=state.positions[::-1].copy())
    after = training.network_of(settings(), moved).run(x)[0]
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_state_stays_bounded_in_a_stream() -> None:
    """Training that starts some trials where others ended must not end in a network that explodes."""
    network: Network = training.train(
        config.load(None, ["tasks.names=go", "network.neurons=25", "training.steps=300", "training.batch=32"])
    )
    trials = evaluation.trials_for(network, 40, seed=3)
    stream = trials.inputs.transpose(1, 0, 2).reshape(-1, 1, 53)
    h = network.states(stream)
    assert np.abs(h[-100:]).max() < 2 * np.abs(h[:100]).max()


def test_a_loss_that_is_not_finite_stops_with_what_to_do() -> None:
    state = checkpoints.start(settings())
    with torch.no_grad():
        state.parameters["w_in"][0, 0] = float("nan")
    with pytest.raises(UsageError, match=r"not finite at step 1; lower training\.learning_rate"):
        training.train(settings(), state=state)


def test_checkpoints_of_other_settings_or_broken_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(UsageError, match="nothing to resume"):
        checkpoints.load(path, settings())
    checkpoints.save(path, settings(), checkpoints.start(settings()))
    with pytest.raises(UsageError, match="other settings"):
        checkpoints.load(path, settings("seed=5"))
    data = path.read_bytes()
    for size in (0, 1, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(UsageError, match="truncated or corrupt"):
            checkpoints.load(path, settings())


def test_learning_rate_rises_holds_and_falls() -> None:
    t = TrainingSettings(steps=1000, learning_rate=1.0, warmup=0.1, decay=0.5)
    rates = [learning_rate(t, share) for share in (0, 0.05, 0.2, 0.5, 0.75, 1.0)]
    assert rates == pytest.approx([0.01, 0.51, 1, 1, 0.505, 0.01], abs=1e-6)


@pytest.mark.parametrize(("there", "chosen"), [(True, ["cuda", "cpu", "cpu"]), (False, ["cpu", "cpu", "cpu"])])
def test_large_networks_are_trained_on_a_gpu_where_one_is(
    there: bool, chosen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    asked = [("auto", 1024), ("auto", 1023), ("cpu", 1024)]
    found = [checkpoints.device_of(settings(f"device={name}", f"network.neurons={n}")).type for name, n in asked]
    assert found == chosen


def test_cuda_is_refused_where_there_is_none() -> None:
    if torch.cuda.is_available():
        assert checkpoints.device_of(settings("device=cuda")).type == "cuda"
    else:
        with pytest.raises(UsageError, match="no CUDA device"):
            checkpoints.device_of(settings("device=cuda"))
