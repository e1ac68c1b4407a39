"""The film of a training: what its frames are, that they are kept, and that a training that goes on has them all."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from neuromod.cli.output import Talk

from neuromod import cli
from neuromod.analysis import functional_clusters
from neuromod.errors import StageError, UsageError
from neuromod.hardware import grown_on
from neuromod.network import Network
from neuromod.runs import run as rundir
from neuromod.stages import train_stage
from neuromod.training import config, frames
from neuromod.training import loop as training

TINY = {"tasks.names": "go,anti", "network.neurons": 16, "training.steps": 40, "training.checkpoint_every": 10,
        "training.log_every": 7, "wiring.swap_every": 5, "wiring.ramp_from": 0.1, "wiring.ramp_to": 0.3}  # fmt: skip


class KilledError(Exception):
    pass


def train(path, *, until=None, resume=False, film="film.gif", **changes):
    """Train into a folder; as if the process were killed after a step."""

    class Watched(Talk):
        def progress(self, message, *, done=False):
            if until is not None and int(message.split("/")[0].split()[-1]) >= until:
                raise KilledError

    run = rundir.Run(path) if resume else rundir.create("tiny", path)
    settings = config.load(None, (), {**TINY, **changes})
    return run, train_stage(run, settings, talk=Watched(quiet=True), resume=resume, film=film)


def same(one, other):
    a, b = dataclasses.asdict(one), dataclasses.asdict(other)
    for key in ("strength", "accuracy"):
        np.testing.assert_equal(a[key], b[key])
    return all(
        np.array_equal(a[key], b[key]) for key in ("step", "synapses", "positions", "source", "target", "weight")
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run, _ = train(tmp_path_factory.mktemp("film") / "whole")
    return run


@given(st.integers(1, 10**6))
def test_the_steps_are_known_beforehand(steps):
    found = sorted(frames.steps_of(steps))
    assert found[0] == 0
    assert found[-1] == steps
    assert len(found) == min(steps + 1, frames.MOST_FRAMES)
    # Evenly, to the step.
    assert np.ptp(np.diff(found)) <= 1


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_frame_has_the_strongest_connections(n, seed):
    rng = np.random.default_rng(seed)
    w = np.where(rng.random((n, n)) < 0.5, rng.normal(size=(n, n)), 0).astype(np.float32)
    frame = frames.take(3, w, np.zeros((n, 2)), strength=0.5, accuracy=0.25)
    assert frame.synapses == np.count_nonzero(w)
    apart = w.copy()
    np.fill_diagonal(apart, 0)
    wanted = sorted(np.abs(apart[apart != 0]))[-frames.MOST_CONNECTIONS :]
    np.testing.assert_allclose(np.abs(frame.weight), wanted, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(w[frame.target, frame.source], frame.weight, rtol=1e-3, atol=1e-6)
    assert (frame.source != frame.target).all()


def test_equal_weights_are_taken_in_one_order():
    w = np.ones((80, 80), np.float32)
    frame = frames.take(0, w, np.zeros((80, 2)), strength=0, accuracy=np.nan)
    assert len(frame.weight) == frames.MOST_CONNECTIONS
    assert len(set(zip(frame.source.tolist(), frame.target.tolist(), strict=True))) == frames.MOST_CONNECTIONS
    huge = frames.take(0, 1e9 * w, np.zeros((80, 2)), strength=0, accuracy=np.nan)
    assert np.isfinite(huge.weight).all()


def test_a_training_keeps_its_frames(whole):
    film = frames.load(whole.file(frames.FILE))
    assert [frame.step for frame in film.frames] == list(range(41))
    assert film.frames[0].strength == 0
    assert np.isnan(film.frames[0].accuracy)
    assert film.frames[-1].strength == config.load(None, (), TINY).wiring.strength
    assert all(0 <= frame.accuracy <= 1 for frame in film.frames[1:])
    # Neurons swapped: each frame has all places, not always in the same order.
    places = {tuple(map(tuple, np.sort(frame.positions.view("f4,f4"), axis=0).tolist())) for frame in film.frames}
    assert len(places) == 1
    assert len({frame.positions.tobytes() for frame in film.frames}) > 1


def test_the_last_frame_is_the_network(whole):
    film, network = frames.load(whole.file(frames.FILE)), Network.load(whole.file("network.safetensors"))
    last = film.frames[-1]
    np.testing.assert_array_equal(last.positions[film.order], network.positions)
    number = np.argsort(film.order)
    weights = network.w_rec.toarray()[number[last.target], number[last.source]]
    np.testing.assert_allclose(weights, last.weight, rtol=1e-3, atol=1e-6)
    assert film.grouping == "function"
    np.testing.assert_array_equal(film.group[film.order], functional_clusters(network))


def test_frames_change_nothing(whole, tmp_path):
    run, result = train(tmp_path / "plain", film=None)
    assert not run.file(frames.FILE).exists()
    assert run.file("network.safetensors").read_bytes() == whole.file("network.safetensors").read_bytes()
    assert result["steps"] == 40


# After the first step of all; between checkpoints; when all frames are taken.
@pytest.mark.parametrize("until", [7, 21, 40])
def test_a_training_that_goes_on_has_all_frames(whole, tmp_path, until):
    with pytest.raises(KilledError):
        train(tmp_path / "run", until=until)
    run, _ = train(tmp_path / "run", resume=True, film=None)
    one, other = (frames.load(part.file(frames.FILE)) for part in (whole, run))
    assert len(one.frames) == len(other.frames)
    assert all(same(a, b) for a, b in zip(one.frames, other.frames, strict=True))
    np.testing.assert_array_equal(one.order, other.order)
    np.testing.assert_array_equal(one.group, other.group)


def test_neurons_are_told_by_the_core_they_end_on(tmp_path):
    changes = {"wiring.cost": "hops", "chip.cores": "2x2"}
    run, _ = train(tmp_path / "run", **changes)
    film, network = frames.load(run.file(frames.FILE)), Network.load(run.file("network.safetensors"))
    grid, core_of = grown_on(network)
    assert film.grouping == "core"
    assert film.grid == (grid.rows, grid.columns) == (2, 2)
    np.testing.assert_array_equal(film.group[film.order], core_of)
    # The places of a core are those of its block.
    at = film.frames[-1].positions[:, ::-1] // film.block
    np.testing.assert_array_equal(at @ (2, 1), film.group)


def test_data_may_end_a_training_early(tmp_path):
    """The film has the last step, and its neurons are those of the network that is kept."""
    from neuromod.trials import Trials

    rng = np.random.default_rng(0)
    targets = np.arange(60) % 2
    inputs = rng.normal(0, 0.1, (60, 8, 2)) + targets[:, None, None]
    data = Trials.from_arrays(inputs, targets)
    given_settings = {
        **TINY,
        "tasks.names": "yang19",
        "data.patience": 5,
        "training.steps": 60,
        "training.log_every": 2,
    }
    run = rundir.create("tiny", tmp_path / "run")
    settings = config.load(None, (), given_settings)
    result = train_stage(run, settings, talk=Talk(quiet=True), data=data, film="a.gif")
    film, network = frames.load(run.file(frames.FILE)), Network.load(run.file("network.safetensors"))
    assert film.frames[-1].step == result["steps"] < 60
    # Weights into a neuron stay with it: the strongest of the last frame are near those of the network.
    assert sorted(film.order) == list(range(16))
    assert network.n == 16


@pytest.mark.parametrize(
    "damage",
    [
        lambda t, m: t.update(order=np.zeros(16, np.int64)),
        lambda t, m: t.update(source=t["source"][:-1]),
        lambda t, m: t.update(source=t["source"] + 16),
        lambda t, m: t.update(connections=-t["connections"]),
        lambda t, m: t.update(step=t["step"][::-1].copy()),
        lambda t, m: t.update(positions=t["positions"] * np.float32("nan")),
        lambda t, m: t.update(positions=t["positions"][..., 0]),
        lambda t, m: t.pop("weight"),
        lambda t, m: t.pop("group"),
        lambda t, m: m.update(grouping="core"),
        lambda t, m: m.update(grouping="colour"),
        lambda t, m: m.update(grid=[0, 2], block=[1, 1], grouping="core"),
        lambda t, m: m.pop("steps"),
    ],
)
def test_what_does_not_fit_together_is_refused(whole, tmp_path, damage):
    from neuromod.files import load_tensors, save_tensors

    tensors, told = load_tensors(whole.file(frames.FILE), schema=frames.SCHEMA)
    damage(tensors, told)
    save_tensors(tmp_path / "frames.safetensors", tensors, told)
    with pytest.raises(UsageError, match=r"cannot read .*frames\.safetensors"):
        frames.load(tmp_path / "frames.safetensors")


def test_a_film_is_written_as_it_was_read(whole, tmp_path):
    film = frames.load(whole.file(frames.FILE))
    frames.save(tmp_path / "again", film)
    assert (tmp_path / "again").read_bytes() == whole.file(frames.FILE).read_bytes()
    empty = frames.Film((), 7)
    frames.save(tmp_path / "empty", empty)
    assert frames.load(tmp_path / "empty").frames == ()


def test_the_command_draws_and_records_it(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole.path, run)
    done = CliRunner().invoke(
        cli.group, ["train", "--resume", "--run", str(run), "--film", str(tmp_path / "a.gif"), "--json", "-q"]
    )
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(done.stdout)["film"] == str(tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_bytes().startswith(b"GIF89a")
    assert "--film film.gif" in rundir.Run(run).again("train")[0]


def test_a_run_without_frames_cannot_be_drawn(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole.path, run)
    (run / frames.FILE).unlink()
    done = CliRunner().invoke(cli.group, ["train", "--resume", "--run", str(run), "--film", str(tmp_path / "a.gif")])
    assert isinstance(done.exception, StageError)
    assert "neuromod train --film" in str(done.exception)


def test_a_broken_film_does_not_break_the_run(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole.path, run)
    (run / frames.FILE).write_bytes(b"broken")
    checkpoints = (run / "checkpoint.pt").read_bytes()
    with pytest.raises(UsageError, match="or delete it to go on without a film"):
        train(run, resume=True)
    assert (run / "checkpoint.pt").read_bytes() == checkpoints
    assert rundir.Run(run).state("train")[0] == "fresh"


@pytest.mark.parametrize(("name", "words"), [("film.avi", "GIF or MP4"), ("film.mp4", "takes ffmpeg")])
def test_a_film_that_cannot_be_written_is_refused_before_anything_is_trained(tmp_path, monkeypatch, name, words):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    done = CliRunner().invoke(cli.group, ["train", "--film", name, "--run", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert words in done.output
    assert not (tmp_path / "run").exists()


def test_the_library_hands_frames_to_a_callback():
    found = []
    settings = config.load(None, (), {**TINY, "training.steps": 3})
    training.train(settings, on_frame=found.append)
    assert [frame.step for frame in found] == [0, 1, 2, 3]
