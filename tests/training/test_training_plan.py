"""What a training run is done with: the target as its file is now, the plane of the cores, one capacity, one thread."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from neuromod import Network
from neuromod.errors import InterruptedRunError, UsageError
from neuromod.geometry import Plane
from neuromod.hardware import target_files
from neuromod.hardware.grid import Grid
from neuromod.mapping import limits
from neuromod.mapping.search import place
from neuromod.spiking import fine_tuning as tuning
from neuromod.training import config
from neuromod.training import loop as training
from neuromod.training import plan as training_plan
from neuromod.training.on_cores import plan as chip
from neuromod.training.on_cores import schedule
from neuromod.training.penalties import family as regularizers

TINY = ["tasks.names=go", "network.neurons=8", "training.steps=2", "training.batch=2", "training.log_every=1"]


def test_a_target_file_that_was_edited_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = target_files.read_text("loihi1")
    path.write_text(text, encoding="utf-8")
    settings = config.load(None, (), {"chip.target": str(path), "network.neurons": 16, "chip.cores": "2x2"})
    plan = training_plan.make_plan(settings)
    path.write_text(text.replace("neurons = { value = 1024", "neurons = { value = 99"), encoding="utf-8")
    # A plan stays what it was; a new one sees the file.
    assert plan.cores is not None
    assert plan.cores.target.limit("neurons") == 1024
    again = training_plan.make_plan(settings).cores
    assert again is not None
    assert again.target.limit("neurons") == 99


def test_training_reads_its_target_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    load = chip.load_target
    monkeypatch.setattr(chip, "load_target", lambda name: read.append(name) or load(name))
    training.train(config.load(None, [*TINY, "chip.cores=2x2"]))
    assert read == ["generic-mesh"]


def test_neurons_stay_where_limits_are_kept_in_full() -> None:
    given = {"chip.target": "dynapse2", "chip.cores": "1x1", "network.neurons": 16, "wiring.swap_every": 5}
    plan = training_plan.make_plan(config.load(None, ("training.steps=100",), given))
    assert [step for step in range(70, 101) if schedule.swaps_after(plan, step)] == [70, 75, 80, 85]


@pytest.mark.parametrize(("cores", "rows", "columns"), [("1x16", 4, 64), ("16x1", 64, 4), ("4x4", 16, 16)])
def test_lengths_and_terminals_are_those_of_the_plane(cores: str, rows: int, columns: int) -> None:
    given = {"chip.cores": cores, "network.neurons": 256, "wiring.terminals": True, "chip.neurons_per_core": 16}
    plan = training_plan.make_plan(config.load(None, (), given))
    assert plan.plane == Plane(rows, columns)
    assert plan.cores is not None
    at = plan.cores.positions(256)
    into, out = regularizers.terminals(53, 17, plan.plane)
    assert (into[:, 0].max(), out[:, 0].min()) == (at[:, 0].min() - 1, at[:, 0].max() + 1)
    assert (into[0, 1], into[-1, 1], out[-1, 1]) == (0, at[:, 1].max(), at[:, 1].max())
    p = {"w_rec": torch.zeros(256, 256), "w_in": torch.zeros(256, 53), "w_out": torch.zeros(17, 256)}
    priced = regularizers.prices(plan.settings.wiring, at, p, plane=plan.plane, with_biases=False)
    # From corner to corner, in the longer side, with the length that every connection has besides.
    far = (rows - 1 + columns - 1) / max(rows, columns) + plan.settings.wiring.layer_spacing
    assert float(priced["w_rec"].max()) * 256 == pytest.approx(far)
    assert float(priced["w_in"].max()) * 256 == pytest.approx(far + 1 / max(rows, columns))
    moved = regularizers.anchors(plan.settings.wiring, p, plan.plane)
    assert moved is not None
    assert moved.positions.tolist() == np.vstack([into, out]).tolist()


def test_the_square_of_networks_without_cores() -> None:
    assert training_plan.make_plan(config.load(None, ["network.neurons=50"])).plane == Plane(8, 8)


def test_training_and_mapping_hold_as_many_neurons_on_a_core() -> None:
    settings = config.load(None, (), {"chip.cores": "2x2", "network.neurons": 16})
    found = chip.of_settings(settings)
    assert found is not None
    mesh = target_files.load_target("generic-mesh")
    assert found.capacity == limits.decide_capacity(mesh, Grid(2, 2), 16)[0] == 5
    # Where one core of the chip would hold all, training for a grid still spreads them.
    loihi = target_files.load_target("loihi1")
    assert limits.decide_capacity(loihi, Grid(2, 2), 16)[0] == 1024
    assert limits.decide_capacity(loihi, Grid(2, 2), 16, spread=True)[0] == 5
    assert limits.decide_capacity(loihi, Grid(2, 2), 8000, spread=True)[0] == 1024


def test_a_trained_network_is_placed_at_its_own_capacity() -> None:
    network = training.train(config.load(None, [*TINY, "wiring.cost=hops", "chip.cores=2x2", "chip.target=loihi1"]))
    loihi = target_files.load_target("loihi1")
    assert limits.capacity_of(network, loihi, Grid(2, 2, 2, 2)) == (3, "as trained for")
    assert limits.capacity_of(network, loihi, Grid(2, 2, 2, 2), 4) == (4, "as asked for")
    assert limits.capacity_of(network, loihi, Grid(3, 2, 2, 2))[0] == 1024
    assert limits.capacity_of(network, target_files.load_target("generic-mesh"), Grid(2, 2))[0] == 3
    assert place(network, cores=(2, 2), target="loihi1", placer="grown").neurons_per_core == 3


def test_a_run_of_0_1_0_goes_on_with_its_even_share(tmp_path: Path) -> None:
    from neuromod.training import checkpoints

    settings = config.load(None, [*TINY, "network.neurons=20", "chip.cores=2x2", "wiring.cost=hops"])
    old = training_plan.make_plan(settings, neurons_per_core=5)
    state = checkpoints.start(settings, plan=old)
    checkpoints.save(tmp_path / "new.pt", settings, state)
    content = torch.load(tmp_path / "new.pt", weights_only=True)
    assert content.pop("neurons_per_core") == 5
    torch.save(content, tmp_path / "old.pt")
    assert chip.of_settings(settings).capacity == 6  # type: ignore[union-attr]
    for name in ("new.pt", "old.pt"):
        found = checkpoints.load(tmp_path / name, settings)
        assert found.neurons_per_core == 5
        assert training.train(settings, state=found).info["chip"]["neurons_per_core"] == 5


class _Harm:
    """Pickled, it makes a file where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    from neuromod.training import checkpoints

    settings = config.load(None, TINY)
    checkpoints.save(tmp_path / "good.pt", settings, checkpoints.start(settings))
    content = torch.load(tmp_path / "good.pt", weights_only=True)
    torch.save({**content, "more": _Harm(tmp_path / "ran")}, tmp_path / "bad.pt")
    with pytest.raises(UsageError, match=r"bad\.pt"):
        checkpoints.load(tmp_path / "bad.pt", settings)
    assert not (tmp_path / "ran").exists()


def test_training_gives_the_threads_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        training.train(config.load(None, TINY))
        assert torch.get_num_threads() == 2
        seen = []
        with pytest.raises(InterruptedRunError):
            training.train(config.load(None, TINY), should_stop=lambda: seen.append(torch.get_num_threads()) is None)
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_tuning_gives_the_threads_back_after_an_error(solver: Network) -> None:
    from neuromod.spiking.conversion import convert

    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def fail(step: int, loss: float) -> None:
        assert torch.get_num_threads() == 1
        raise KeyboardInterrupt

    try:
        spiking = convert(solver, np.ones(solver.n), substeps=4)
        with pytest.raises(KeyboardInterrupt):
            tuning.tune(solver, spiking, steps=1, batch=2, on_step=fail)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_plans_are_frozen() -> None:
    plan = training_plan.make_plan(config.load(None, TINY))
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.cores = None  # type: ignore[misc]
