"""Learning a user's own data: the scale in the weights, what a batch is, resuming, and the whole way on a run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy import stats

import neuromod
from neuromod import Trials, cli
from neuromod.analysis.variance import class_variance
from neuromod.errors import UsageError
from neuromod.files import sha256
from neuromod.metrics import scores
from neuromod.metrics.agreements import allowed_gap
from neuromod.runs import run as rundir
from neuromod.training import checkpoints, config
from neuromod.training import loop as training
from neuromod.training.on_data import batches, defaults, learning, readout

KINDS = ("last", "mean", "every", "values", "values every")


def made(kind: str = "mean", n: int = 60, seed: int = 0) -> dict[str, object]:
    """Trials of known structure: the class, or the value, is in the mean of the channels."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 3
    x = rng.normal(size=(n, 12, 4)) * [1, 20, 0.1, 3] + [0, 500, -3, 8]
    x[:, :, :3] += np.eye(3)[label][:, None, :] * 3 * np.array([1, 20, 0.1])
    lengths = rng.integers(6, 13, n)
    if kind == "values":
        return {"inputs": x, "targets": np.stack([x[:, :6, 0].mean(axis=1), x[:, :6, 1].mean(axis=1)], axis=1),
                "lengths": lengths}  # fmt: skip
    if kind == "values every":
        return {"inputs": x, "targets": 7 + 3 * x[:, :, :1], "lengths": lengths}
    return {"inputs": x, "targets": label, "lengths": lengths, "readout": kind}


def settings_of(trials: Trials, **more: object) -> config.Settings:
    given = {"network.neurons": 9, "training.steps": 20, "training.log_every": 10, "network.noise": 0.0, **more}
    return defaults.settings_for(trials, given)


def test_defaults_of_data_are_those_of_the_documentation() -> None:
    settings = defaults.settings_for(Trials.from_arrays(**made()), {})  # type: ignore[arg-type]
    assert (settings.training.batch, settings.training.learning_rate, settings.training.carry) == (32, 0.003, 0)
    assert (settings.network.neurons, settings.wiring.strength, settings.network.tau_ms) == (100, 0.05, 200)


@pytest.mark.parametrize(("dt_ms", "said"), [(None, True), (10.0, False)])
def test_a_time_step_that_data_do_not_tell_is_said(dt_ms: float | None, said: bool) -> None:
    trials = Trials.from_arrays(**made(), dt_ms=dt_ms)  # type: ignore[arg-type]
    words = defaults.chosen_words(trials, defaults.settings_for(trials, {}), {})
    assert ("time steps of 100 ms, since the data tell none" in words) == said


@pytest.mark.parametrize("kind", KINDS)
def test_the_folded_network_does_what_was_learned(kind: str) -> None:
    trials = Trials.from_arrays(**made(kind))  # type: ignore[arg-type]
    settings = settings_of(trials)
    material = batches.prepare(settings, trials)
    kept: list[checkpoints.State] = []
    assert training.train(settings, data=trials, on_checkpoint=kept.append).data is trials
    inner = dataclasses.replace(training.network_of(settings, kept[-1]), data=None)
    y_inner, _ = inner.run(material.train.inputs)
    network = training.network_of(settings, kept[-1], material)
    y, _ = network.run(trials.part("train").inputs)
    wanted = y_inner * material.scaling.out_scale + material.scaling.out_shift
    mask = material.train.mask
    np.testing.assert_allclose(y[mask], wanted[mask], rtol=1e-3, atol=2e-4)
    # Standardised where it was learned, by the training trials alone.
    rows = material.train.inputs[mask]
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(rows.std(axis=0), 1, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_answers(kind: str) -> None:
    trials = Trials.from_arrays(**made(kind)).part("train")  # type: ignore[arg-type]
    weights = np.array([1.0, 2.0, 0.5]) if not trials.values else np.ones(trials.n_classes)
    packed = batches.pack(trials, weights, device=torch.device("cpu"))
    rng = np.random.default_rng(3)
    y = rng.normal(size=(*trials.mask.shape, trials.n_classes)).astype(np.float32)
    order = np.argsort(-trials.mask.sum(axis=0), kind="stable")
    rows = torch.from_numpy(y[:, order][trials.mask[:, order]])
    loss, score = batches.loss_and_score(rows, packed, label_smoothing=0.0)
    found = neuromod.trials.outputs(y, trials)
    if trials.values:
        assert float(loss) == pytest.approx(((found - trials.answers) ** 2).mean(axis=1).mean(), rel=1e-4) or (
            trials.readout == "every"
        )
        return
    log_p = found - np.log(np.exp(found).sum(axis=1, keepdims=True))
    each = -log_p[np.arange(len(found)), trials.answers]
    own = weights[trials.answers]
    if trials.readout == "every":
        own = own / trials.reads.sum(axis=0)[trials.trial_of_answer]
    assert float(loss) == pytest.approx((each * own).sum() / own.sum(), rel=1e-5)
    assert float(score) == pytest.approx((found.argmax(axis=1) == trials.answers).mean())


def test_every_trial_is_seen_once_in_a_round_and_a_step_follows_from_its_number() -> None:
    trials = Trials.from_arrays(**made())  # type: ignore[arg-type]
    settings = settings_of(trials, **{"training.batch": 6, "training.steps": 12})
    material = batches.prepare(settings, trials)
    cpu = torch.device("cpu")
    packs = list(batches.batches(settings, material, 0, cpu))
    first = torch.cat([packed.inputs[: packed.sizes[0], 0] for packed in packs[:6]]).sort().values
    n = material.train.n_trials
    assert n == 36 + 3
    again = next(batches.batches(settings, material, 7, cpu))
    assert torch.equal(again.inputs, packs[7].inputs)
    assert len(set(first.tolist())) == 36


def test_a_training_that_goes_on_ends_where_it_would_have(tmp_path: Path) -> None:
    trials = Trials.from_arrays(**made())  # type: ignore[arg-type]
    settings = settings_of(trials, **{"data.input_noise": 0.2, "data.balance": True, "training.steps": 30})
    whole = training.train(settings, data=trials)
    stops = iter([False] * 10 + [True])
    with pytest.raises(neuromod.errors.InterruptedRunError):
        training.train(
            settings,
            data=trials,
            on_checkpoint=lambda state: checkpoints.save(tmp_path / "c.pt", settings, state),
            should_stop=lambda: next(stops),
        )
    state = checkpoints.load(tmp_path / "c.pt", settings, data=trials)
    assert state.step == 11
    assert training.train(settings, data=trials, state=state).sha256() == whole.sha256()


def test_ending_early_returns_the_best_of_the_last_phase() -> None:
    trials = Trials.from_arrays(**made())  # type: ignore[arg-type]
    more = {"data.patience": 20, "training.steps": 400, "wiring.ramp_to": 0.3, "wiring.bias_from": 0.3}
    settings = settings_of(trials, **more)
    seen: list[training.Progress] = []
    network = training.train(settings, data=trials, on_step=seen.append)
    last_phase = [item.validation_score for item in seen if item.step >= 120]
    assert seen[-1].step < 400
    runner = lambda x: network.run(x, dtype=np.float32)[0]  # noqa: E731
    assert neuromod.evaluate(network, trials.part("validation"), runner=runner).accuracy == max(last_phase)


def test_r2_and_its_interval_against_the_definition_and_resampling() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(300, 2)) * [1, 9]
    found = wanted + rng.normal(size=(300, 2)) * [0.5, 3]
    pairs = zip(wanted.T, found.T, strict=True)
    by_hand = np.mean([1 - ((f - w) ** 2).sum() / ((w - w.mean()) ** 2).sum() for w, f in pairs])
    assert scores.r2(wanted, found) == pytest.approx(by_hand)
    assert scores.nrmse(wanted, found) == pytest.approx(np.sqrt(1 - by_hand))
    low, high = scores.interval(wanted, found, np.arange(300))
    boot = stats.bootstrap((np.arange(300),), lambda i: scores.r2(wanted[i], found[i]), vectorized=False,
                           n_resamples=800, method="percentile", rng=1)  # fmt: skip
    assert (low, high) == pytest.approx(boot.confidence_interval, abs=0.01)
    assert scores.r2(wanted, found * np.inf) == scores.LEAST


def test_an_interval_of_steps_is_wider_than_if_they_were_independent() -> None:
    rng = np.random.default_rng(0)
    trial = np.repeat(np.arange(20), 50)
    right = np.repeat(rng.random(20) < 0.7, 50).astype(int)
    low, high = scores.interval(np.ones(1000, int), right, trial)
    share = right.mean()
    assert high - low > 3 * 1.96 * np.sqrt(share * (1 - share) / 1000)
    assert allowed_gap(0.02, 40) == 1 / 40


def test_variance_of_classes_against_numpy() -> None:
    trials = Trials.from_arrays(**{**made(), "lengths": None})  # type: ignore[arg-type]
    network = training.train(settings_of(trials), data=trials)
    found = class_variance(network, trials)
    states = network.states(trials.inputs)
    for k in range(3):
        np.testing.assert_allclose(found[:, k], states[:, trials.answers == k].var(axis=1).mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("part", ["recurrent", "input", "readout"])
def test_going_on_keeps_what_is_frozen_and_the_positions(part: str) -> None:
    trials = Trials.from_arrays(**made())  # type: ignore[arg-type]
    first = training.train(settings_of(trials), data=trials)
    more = {"start.freeze": [part], "training.steps": 10, "network.noise": 0.0}
    second = neuromod.train(data=trials, start=first, more=more)
    names = {"recurrent": ["w_rec"], "input": ["w_in"], "readout": ["w_out", "bias_out"]}
    moved = {"w_rec", "w_in", "w_out"} - set(names[part])
    dense = {name: [getattr(net, name) for net in (first, second)] for name in ("w_rec", "w_in", "w_out", "bias_out")}
    dense["w_rec"] = [w.toarray() for w in dense["w_rec"]]
    for name in names[part]:
        np.testing.assert_allclose(*dense[name], rtol=1e-5, atol=1e-7)
    assert all((dense[name][0] != dense[name][1]).any() for name in moved)
    assert sorted(map(tuple, first.positions.tolist())) == sorted(map(tuple, second.positions.tolist()))


def test_without_a_step_going_on_is_the_same_network() -> None:
    trials = Trials.from_arrays(**made())  # type: ignore[arg-type]
    first = training.train(settings_of(trials), data=trials)
    settings = settings_of(trials)
    state = checkpoints.start(settings, data=trials, network=first)
    same = training.network_of(settings, state, batches.prepare(settings, trials))
    x = trials.inputs
    np.testing.assert_allclose(same.run(x)[0], first.run(x)[0], rtol=1e-3, atol=1e-4)


def test_new_inputs_and_readouts_where_sizes_differ() -> None:
    first = neuromod.train(tasks="go", neurons=16, steps=5)
    trials = Trials.from_arrays(**made())  # type: ignore[arg-type]
    second = neuromod.train(data=trials, start=first, steps=1, more={"start.freeze": ["recurrent"]})
    assert (second.n_in, second.n_out) == (4, 3)
    np.testing.assert_array_equal(second.w_rec.toarray(), first.w_rec.toarray())


def run_cli(*call: str) -> dict[str, object]:
    done = CliRunner().invoke(cli.group, [*call, "--json"])
    assert done.exit_code == 0, (call, done.output, done.exception)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["last", "mean", "every", "values"])
def test_the_whole_way_on_a_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = made(kind)
    readout = content.pop("readout", None)
    np.savez("mine.npz", **content)
    asked = ["--readout", readout] if readout else []
    told = run_cli("data", "mine.npz", *asked)
    small = ["--neurons", "9", "--steps", "150", "--run", "a"]
    trained = run_cli("train", "--data", "mine.npz", *asked, *small)
    assert trained["data"] == {key: told[key] for key in ("name", "sha256", "trials")}
    assert trained["data"]["sha256"] == sha256(Path("mine.npz"))
    assert trained["score_name"] == told["score_name"] == ("r2" if kind == "values" else "accuracy")
    assert trained["test_score"] > told["guessing"] + 0.2
    # Everything that follows needs neither the file nor an option.
    Path("mine.npz").rename("elsewhere.npz")
    pruned = run_cli("prune", "--run", "a")
    assert pruned["accuracy_before"] - pruned["accuracy_after"] <= 0.01 + 1e-9
    run_cli("map", "--cores", "2x2", "--run", "a")
    assert rundir.Run(Path("a")).step("activity")["result"]["kind"] == "active-steps"
    run_cli("estimate", "--run", "a")
    run_cli("export", "--format", "onnx", "--format", "snn", "--substeps", "20", "--tune-steps", "20", "--run", "a")
    verified = CliRunner().invoke(cli.group, ["verify", "--run", "a", "--json"])
    found = json.loads(verified.stdout)
    assert found["onnx"]["passed"], found["onnx"]
    assert found["onnx"]["max_relative_error"] <= 1e-5
    low, high = found["snn"]["decision_agreement_interval"]
    assert low <= found["snn"]["decision_agreement"] <= high
    run_cli("analyze", "--permutations", "100", "--nulls", "2", "--trials", "5", "--run", "a")
    run_cli("report", "--run", "a")
    page = Path("a/report.html").read_text()
    assert ("Predicted against true" if kind == "values" else "wanted \\ answered") in page
    for path in Path("a").rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes(), path


def at_one_end(n: int = 60, *, end: bool, seed: int = 0) -> dict[str, object]:
    """Trials whose class shows in three of 20 steps, the last ones or the first."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    x = rng.normal(size=(n, 20, 2))
    x[:, slice(17, 20) if end else slice(0, 3), 0] += (3 * (2 * label - 1))[:, None]
    return {"inputs": x, "targets": label}


@pytest.mark.parametrize(("end", "wanted"), [(True, "last"), (False, "mean")])
def test_the_readout_that_nobody_said_is_the_better_one_in_validation(
    end: bool, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", **at_one_end(end=end))
    trials = neuromod.read_trials("mine.npz")
    given = {"network.neurons": 9, "training.steps": 160}
    choice = readout.try_readouts(trials, given)
    assert choice.readout == wanted
    assert choice.steps == 40
    assert [readout.try_readouts(trials, given | {"training.steps": steps}).steps for steps in (4, 1)] == [1, 1]
    # The test trials have no say: other ones change nothing.
    moved = dataclasses.replace(trials, inputs=np.where(trials.split[:, None] == 2, 7, trials.inputs))
    assert readout.try_readouts(moved, given) == choice
    # The same in Python and on the command line, and it is said how.
    network = neuromod.train(data="mine.npz", neurons=9, steps=160)
    assert network.data is not None
    assert network.data.readout == network.info["data"]["readout"] == wanted
    done = CliRunner().invoke(
        cli.group, ["train", "--data", "mine.npz", "--neurons", "9", "--steps", "160", "--json", "--run", "a"]
    )
    assert done.exit_code == 0, (done.output, done.exception)
    result = json.loads(done.stdout)
    assert result["readout"] == wanted
    assert result["readout_losses"] == {name: round(loss, 4) for name, loss in choice.losses.items()}
    said = {"last": "at the last step", "mean": "as the mean over steps"}
    assert f"the answer is read {said[wanted]}: a loss of {choice.losses[wanted]:.3f}" in done.stderr
    # What goes on from there reads as it did; what is told is obeyed.
    again = CliRunner().invoke(
        cli.group, ["train", "--data", "mine.npz", "--from", "a", "--steps", "2", "--json", "--run", "b"]
    )
    assert json.loads(again.stdout)["readout"] == wanted
    told = "mean" if wanted == "last" else "last"
    obeyed = neuromod.train(data="mine.npz", neurons=9, steps=2, more={"data.readout": told})
    assert obeyed.data is not None
    assert obeyed.data.readout == told
    other = run_cli("train", "--data", "mine.npz", "--neurons", "9", "--steps", "2", "--readout", told, "--run", "c")
    assert (other["readout"], other["readout_losses"]) == (told, None)


def test_spiking_exports_decide_as_the_network_on_the_test_trials(tmp_path: Path) -> None:
    pytest.importorskip("norse")
    trials = Trials.from_arrays(**made("last", n=200))  # type: ignore[arg-type]
    network = training.train(settings_of(trials, **{"training.steps": 150}), data=trials)
    n = trials.counts()["test"]
    for form in ("snn", "nir"):
        found = neuromod.verify(network, neuromod.export(network, tmp_path / form, format=form))  # type: ignore[arg-type]
        assert found.passed, found.reasons
        parts = [found.figures] if form == "snn" else [found.figures, found.figures["hard"]]
        for part in parts:
            assert part["trials"] == n
            assert part["decision_agreement"] >= 0.97
            # A simulator does what our own simulation of the same file does, whatever its reset.
            for runtime in part.get("runtimes", {}).values():
                assert not runtime["verified"] or runtime["decisions_equal"] == 1.0


def test_an_imported_network_gets_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", **{key: value for key, value in made().items() if key != "readout"})
    trials = neuromod.read_trials("mine.npz")
    network = training.train(settings_of(trials, **{"training.steps": 150}), data=trials)
    np.savez("net.npz", w_rec=network.w_rec.toarray(), w_in=network.w_in, w_out=network.w_out, bias=network.bias,
             bias_out=network.bias_out, dt_s=network.dt_s, tau_s=network.tau_s)  # fmt: skip
    network.save("net.safetensors")
    from neuromod.exporting import onnx

    onnx.write(network, Path("made"))
    imported = run_cli("import", "made/network.onnx", "--data", "mine.npz", "--run", "b")
    assert imported["test_score"] == pytest.approx(neuromod.evaluate(network, trials.part("test")).accuracy)
    assert run_cli("prune", "--run", "b")["accuracy_after"] is not None
    run_cli("export", "--format", "snn", "--substeps", "20", "--tune", "never", "--run", "b")
    done = CliRunner().invoke(cli.group, ["import", "made/network.onnx", "--data", "other.npz"])
    np.savez("other.npz", inputs=np.ones((9, 4, 2)) * np.arange(9)[:, None, None], targets=np.arange(9) % 3)
    done = CliRunner().invoke(cli.group, ["import", "made/network.onnx", "--data", "other.npz", "--run", "c"])
    assert isinstance(done.exception, UsageError)
    assert "2 channels and 3 classes, but the network takes 4 inputs" in str(done.exception)
    assert not Path("c").exists()


def test_an_imported_network_is_read_where_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The last step says the class, the five before it the other one: a network that passes its input on is right there.
    label = np.arange(40) % 2
    x = np.eye(2)[1 - label][:, None, :].repeat(6, axis=1)
    x[:, -1] = np.eye(2)[label]
    np.savez("mine.npz", inputs=x, targets=label)
    ones, none = np.eye(2), np.zeros(2)
    np.savez("net.npz", w_rec=0 * ones, w_in=ones, w_out=ones, bias=none, bias_out=none, dt_s=0.1, tau_s=0.1)
    found = run_cli("import", "net.npz", "--data", "mine.npz", "--run", "a")
    assert (found["readout"], found["test_score"]) == ("last", 1.0)
    # By hand: outputs (1, 0) at the last step; (1/6, 5/6) in the mean, the wrong way round.
    nat = {"last": np.log(1 + np.exp(-1)), "mean": np.log(1 + np.exp(4 / 6))}
    assert found["readout_losses"] == pytest.approx(nat, abs=1e-4)
    for where, score in (("mean", 0.0), ("last", 1.0)):
        told = run_cli("import", "net.npz", "--data", "mine.npz", "--data-readout", where, "--run", where)
        assert (told["readout"], told["readout_losses"], told["test_score"]) == (where, None, score)
    # The run reads its data in this way from then on.
    assert run_cli("prune", "--threshold", "0.5", "--run", "a")["accuracy_after"] == 1.0
    assert run_cli("prune", "--threshold", "0.5", "--run", "mean")["accuracy_after"] == 0.0
    # A file that says how it was learned is believed.
    from neuromod.data import with_data
    from neuromod.exporting import onnx

    network = rundir.Run(Path("a")).network("network.safetensors")
    onnx.write(with_data(network, neuromod.read_trials("mine.npz", readout="mean")), Path("made"))
    told = run_cli("import", "made/network.onnx", "--data", "mine.npz", "--run", "b")
    assert (told["readout"], told["readout_losses"]) == ("mean", None)


def test_train_from_a_run_and_what_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", **{key: value for key, value in made().items() if key != "readout"})
    run_cli("train", "--data", "mine.npz", "--neurons", "9", "--steps", "30", "--run", "a")
    more = ["train", "--data", "mine.npz", "--from", "a", "--steps", "10"]
    run_cli(*more, "--freeze", "recurrent", "--run", "b")
    one, other = (rundir.Run(Path(name)).network("network.safetensors") for name in "ab")
    assert (one.w_rec != other.w_rec).nnz == 0
    assert other.info["start"] == {"run": "a", "network": one.sha256()}
    for extra, words in (
        ([*more, "--neurons", "16"], "has 9"),
        (["train", "--data", "mine.npz", "--freeze", "input"], "--from RUN"),
        (["train", "--readout", "last"], "give them with --data"),
        (["train", "--data", "mine.npz", "--tasks", "go"], "tasks.names is about tasks"),
    ):
        done = CliRunner().invoke(cli.group, extra)
        assert done.exit_code != 0
        assert words in f"{done.output}{done.exception}"


def test_data_that_changed_in_a_run_make_it_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", **{key: value for key, value in made().items() if key != "readout"})
    run_cli("train", "--data", "mine.npz", "--neurons", "9", "--steps", "5", "--run", "a")
    trials = Trials.from_arrays(**made(seed=1))  # type: ignore[arg-type]
    neuromod.data.storage.save(trials, Path("a/data.safetensors"))
    done = CliRunner().invoke(cli.group, ["prune", "--run", "a"])
    assert "data.safetensors has changed" in str(done.exception)


def test_a_sweep_over_data_makes_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", **{key: value for key, value in made().items() if key != "readout"})
    found = run_cli(
        "sweep", "--data", "mine.npz", "--strengths", "0.1", "--seeds", "0-1", "--set", "network.neurons=9", "--set",
        "training.steps=20", "--out", "sweep",
    )  # fmt: skip
    assert (found["trials"], found["failed"]) == (2, {}), found
    table = Path("sweep/table.csv").read_text().splitlines()
    row = dict(zip(table[0].split(","), table[1].split(","), strict=False))
    assert row["tasks"] == "mine.npz"
    assert 0 <= float(row["train.test_score"]) <= 1


@pytest.mark.parametrize("kind", ["values", "values every"])
def test_the_readout_of_values_is_that_of_a_ridge_regression(kind: str) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    trials = Trials.from_arrays(**made(kind))  # type: ignore[arg-type]
    settings = settings_of(trials, **{"wiring.strength": 0.0})
    kept: list[checkpoints.State] = []
    network = training.train(settings, data=trials, on_checkpoint=kept.append)
    before = training.network_of(settings, kept[-1], batches.prepare(settings, trials))
    train = trials.part("train")
    error = {name: 1 - neuromod.evaluate(net, train).accuracy for name, net in (("a", before), ("b", network))}
    states = neuromod.trials.outputs(network.states(train.inputs), train)
    best = linear_model.LinearRegression().fit(states, train.answers).score(states, train.answers)
    assert error["b"] <= error["a"]
    assert 1 - error["b"] <= best + 1e-9
    assert 1 - error["b"] >= best - 0.05


def test_the_readout_of_a_silent_network_stays() -> None:
    trials = Trials.from_arrays(**made("values"))  # type: ignore[arg-type]
    material = batches.prepare(settings_of(trials), trials)
    n, n_in, n_out = 9, trials.inputs.shape[2], trials.answers.shape[1]
    silent = neuromod.Network(
        w_rec=np.zeros((n, n)), w_in=np.zeros((n, n_in)), w_out=np.ones((n_out, n)), bias=-np.ones(n),
        bias_out=np.zeros(n_out), dt_s=0.1, tau_s=0.2, data=trials,
    )  # fmt: skip
    assert learning.with_solved_readout(silent, material) is silent
