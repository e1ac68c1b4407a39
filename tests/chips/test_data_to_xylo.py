"""Data of one's own on their way to Xylo: counts behind the low-pass, channels, levels in training, the whole path."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch

import neuromod
from neuromod import Trials
from neuromod.chips import calibrate_xylo
from neuromod.data import as_counts, encoding_of, read_trials, storage
from neuromod.errors import DoesNotFitError, UsageError
from neuromod.training import checkpoints, config, for_target, loop, model, trials_for_target
from neuromod.training.on_cores import spike_levels, weight_bits


def arrays(n=40, steps=9, n_in=3, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    x = rng.normal(size=(n, steps, n_in)) + 2 * np.eye(n_in)[label % n_in][:, None, :]
    # One channel that is never negative, as a temperature is.
    x[..., -1] = 20 + np.abs(x[..., -1])
    return x, label


@pytest.fixture
def file(tmp_path):
    x, label = arrays()
    lengths = 5 + np.arange(40) % 5
    np.savez(tmp_path / "mine.npz", inputs=x, targets=label, lengths=lengths, channel_names=["ax", "ay", "t"])
    return tmp_path / "mine.npz"


# --- counts -------------------------------------------------------------------------------------------------------


def test_signed_channels_take_two_and_others_one(file):
    data = read_trials(file)
    encoding = encoding_of(data, counts=5, alpha=0.5)
    assert [entry["name"] for entry in encoding["channels"]] == ["ax", "ay", "t", "minus ax", "minus ay"]
    rows = data.part("train").inputs[data.part("train").mask].astype(float)
    ax, _, t, minus, _ = encoding["channels"]
    assert ax["shift"] == minus["shift"] == pytest.approx(rows[:, 0].mean())
    assert ax["counts_per_unit"] == pytest.approx(5 / rows[:, 0].std())
    assert t["shift"] == rows[:, 2].min()
    assert (np.round((rows[:, 2] - t["shift"]) * t["counts_per_unit"]) <= 15).mean() > 0.99
    assert json.loads(json.dumps(encoding)) == encoding


def test_the_inputs_are_the_low_passed_counts_of_the_values(file):
    data = read_trials(file)
    encoding = encoding_of(data, counts=5, alpha=0.25)
    found = as_counts(data, encoding)
    for k, entry in enumerate(encoding["channels"]):
        value = data.inputs[..., entry["of"]].astype(float)
        counts = np.clip(np.round(entry["sign"] * (value - entry["shift"]) * entry["counts_per_unit"]), 0, 15)
        low = np.zeros(counts.shape[1])
        for t in range(len(counts)):
            low = 0.75 * low + 0.25 * counts[t] / encoding["counts"]
            np.testing.assert_allclose(found.inputs[t, :, k], np.where(data.mask[t], low, 0), rtol=1e-6, atol=1e-7)
    assert found.channel_names[3] == "minus ax"


def test_counts_stay_counts():
    rng = np.random.default_rng(0)
    label = np.arange(20) % 2
    data = Trials.from_arrays(rng.integers(0, 8, (20, 6, 4)) + label[:, None, None], label)
    encoding = encoding_of(data, counts=5, alpha=0.5)
    assert [(entry["shift"], entry["counts_per_unit"]) for entry in encoding["channels"]] == [(0.0, 1.0)] * 4
    found = as_counts(data, encoding)
    np.testing.assert_allclose(found.inputs[0], data.inputs[0] / 2 / encoding["counts"], rtol=1e-6)
    shown = found.part("train")
    assert shown.inputs[shown.mask].std() == pytest.approx(1)
    many = Trials.from_arrays(rng.integers(0, 60, (20, 6, 4)), label)
    assert 0.2 < encoding_of(many, counts=5, alpha=0.5)["channels"][0]["counts_per_unit"] < 0.3


def test_an_encoding_of_other_data_is_refused(file):
    data = read_trials(file)
    encoding = encoding_of(data, counts=5, alpha=0.5)
    with pytest.raises(UsageError, match="not those that become counts"):
        as_counts(replace(data, inputs=data.inputs[..., :2]), encoding)
    with pytest.raises(UsageError, match="unreadable"):
        as_counts(data, {"counts": 5})


def test_data_that_are_too_large_to_copy_become_the_same_counts_again(file, monkeypatch, tmp_path):
    data = read_trials(file)
    coded = as_counts(data, encoding_of(data, counts=5, alpha=0.5))
    storage.save(coded, tmp_path / "copied.safetensors")
    monkeypatch.setattr(storage, "MOST_COPIED", 0)
    storage.save(coded, tmp_path / "named.safetensors")
    for name in ("copied", "named"):
        found = storage.load(tmp_path / f"{name}.safetensors")
        np.testing.assert_array_equal(found.inputs, coded.inputs)
        assert (found.channel_names, found.source["encoding"]) == (coded.channel_names, coded.source["encoding"])


def test_the_chip_is_sent_the_counts_of_the_values(file):
    """What the export says about raw values, and what it makes of the network's inputs, are the same events."""
    raw = read_trials(file)
    network = neuromod.train(data=file, neurons=12, steps=5, more={"chip.target": "xylo-a2", "network.tau_ms": 800.0})
    assert (network.alpha, network.n_in) == (0.125, 5)
    assert network.info["counts"] == network.info["data"]["encoding"]["counts"]
    assert network.data is not None
    integers = calibrate_xylo(network, network.data.inputs, network.data.mask).integers
    assert not integers.signed.any()
    counts = integers.encode(network.data.inputs)
    for k, entry in enumerate(network.info["data"]["encoding"]["channels"]):
        value = raw.inputs[..., entry["of"]].astype(float)
        wanted = np.clip(np.round(entry["sign"] * (value - entry["shift"]) * entry["counts_per_unit"]), 0, 15)
        np.testing.assert_array_equal(counts[raw.mask][:, k], wanted[raw.mask])


# --- channels -----------------------------------------------------------------------------------------------------


def test_more_channels_than_the_chip_has_are_refused_before_training():
    x, label = arrays(n_in=9, classes=9, n=90)
    data = Trials.from_arrays(x, label)
    settings = config.load(flags={"chip.target": "xylo-a2", "data.file": "mine.npz", "data.dt_ms": 100.0})
    settings, _ = for_target(settings)
    with pytest.raises(DoesNotFitError) as error:
        trials_for_target(settings, data)
    assert "takes 17 input channels, 8 of them second ones" in str(error.value)
    assert "'minus channel 7' is the first beyond" in str(error.value)
    assert "there are 9 classes, and xylo-a2 has 8 outputs" in str(error.value)
    with pytest.raises(DoesNotFitError, match="the tasks take 53 input channels, and xylo-imu has 16: input 16 is"):
        neuromod.train(tasks="go,anti", neurons=12, steps=1, more={"chip.target": "xylo-imu"})


def test_map_counts_the_second_channels_and_names_them():
    x, label = arrays(n_in=9, n=40)
    names = [f"sensor {k}" for k in range(9)]
    wide = neuromod.train(data=Trials.from_arrays(x, label, channel_names=names), neurons=12, steps=1)
    with pytest.raises(DoesNotFitError) as error:
        neuromod.place(wide, target="xylo-imu")
    assert "17 input channels, 8 of them second ones for what is negative, limit 16" in str(error.value)
    assert "minus sensor 7 is the first beyond" in str(error.value)
    few = neuromod.train(data=Trials.from_arrays(x[..., :4], label), neurons=12, steps=1)
    assert neuromod.place(few, target="xylo-imu").network_sha256 == few.sha256()
    # The same network on a chip that takes no counts has no second channels.
    assert neuromod.place(wide, target="loihi1").core_of.shape == (12,)


# --- the last phase -----------------------------------------------------------------------------------------------


def test_levels_round_the_rates_and_the_gradient_passes():
    rng = torch.Generator().manual_seed(0)
    p = {k: torch.randn(s, generator=rng) * 0.4 for k, s in
         {"w_rec": (6, 6), "w_in": (6, 3), "w_out": (2, 6), "bias": (6,), "bias_out": (2,)}.items()}  # fmt: skip
    x = torch.randn(7, 5, 3, generator=rng)
    packed = model.pack(
        x.numpy(), np.zeros((7, 5), np.int64), np.ones((7, 5), bool), response_weight=1.0, device=torch.device("cpu")
    )
    levels = spike_levels.of_peaks(np.linspace(0.5, 2, 6, dtype=np.float32), 31, p["bias"])

    def by_hand(w):
        h, all_h = torch.zeros(5, 6), []
        for t in range(7):
            rate = torch.relu(h @ w.t() + x[t] @ p["w_in"].t() + p["bias"])
            rate = rate + ((rate / levels.size).round() * levels.size - rate).detach()
            h = 0.5 * h + 0.5 * rate
            all_h.append(h)
        return torch.cat(all_h)

    grads = []
    for run in (
        by_hand,
        lambda w: model.states({**p, "w_rec": w}, packed, torch.zeros(5, 6), alpha=0.5, levels=levels),
    ):
        w = p["w_rec"].clone().requires_grad_()
        h = run(w)
        (h**2).sum().backward()
        grads.append((h.detach(), w.grad))
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-5)
    before = torch.cat([torch.zeros(5, 6), grads[0][0][:-5]])
    drive = model.drives(p, packed, grads[0][0], torch.zeros(5, 6))
    torch.testing.assert_close(0.5 * before + 0.5 * levels.rounded(torch.relu(drive)), grads[0][0])


def test_peaks_are_held_for_a_while():
    # A neuron that hardly fires has levels of a hundredth of the most active one's.
    levels = spike_levels.of_peaks(np.array([0.0, 5.0], np.float32), 10, torch.zeros(1))
    assert levels.size.tolist() == pytest.approx([0.005, 0.5])
    # Nothing is below no activity at all.
    assert spike_levels.follow(np.zeros(1, np.float32), torch.tensor([[-0.5]])).tolist() == [0]
    peaks = spike_levels.follow(np.array([1.0, 1.0], np.float32), torch.tensor([[0.5, 3.0], [-1.0, 0.0]]))
    np.testing.assert_allclose(peaks, [0.98, 3.0])


def test_weights_are_whole_numbers_of_the_chips_units():
    rng = torch.Generator().manual_seed(1)
    p = {k: torch.randn(s, generator=rng) for k, s in
         {"w_rec": (6, 6), "w_in": (6, 3), "w_out": (2, 6), "bias": (6,), "bias_out": (2,)}.items()}  # fmt: skip
    spikes = torch.linspace(0.1, 0.9, 6)
    found = weight_bits.round_weights(p, 8, (0.2, spikes))
    into = torch.cat([found["w_in"] * 0.2, found["w_rec"] * spikes], dim=1)
    whole = into / into.abs().amax(dim=1, keepdim=True) * 127
    torch.testing.assert_close(whole, whole.round(), atol=1e-3, rtol=0)
    out = found["w_out"] * spikes
    whole = out / out.abs().max() * 127
    torch.testing.assert_close(whole, whole.round(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("spikes", [0, 65536])
def test_resumed_training_with_levels_is_bit_identical(tmp_path, spikes):
    from neuromod.errors import InterruptedRunError

    flags = {
        "tasks.names": "go,anti", "tasks.ring": 4, "chip.target": "xylo-a2", "chip.spikes": spikes,
        "network.neurons": 12, "training.steps": 20, "training.batch": 8,
    }  # fmt: skip
    settings, _ = for_target(config.load(flags=flags))
    seen = []
    whole = loop.train(settings, on_checkpoint=lambda state: seen.append(state.peaks.copy()))
    # From the step before the last phase on, the largest activity is known, unless nobody asks.
    assert (seen[-1] > 0).any() == (spikes == 0)
    path, count = tmp_path / "checkpoint.pt", iter(range(1000))
    with pytest.raises(InterruptedRunError):
        loop.train(
            settings,
            on_checkpoint=lambda state: checkpoints.save(path, settings, state),
            should_stop=lambda: next(count) == 17,
        )
    assert loop.train(settings, state=checkpoints.load(path, settings)).sha256() == whole.sha256()


def test_one_of_few_test_trials_is_no_failure():
    """As in the other formats: with 40 test trials, one of them is 0.025."""
    from neuromod.verification.common import gap_of

    x, label = arrays(n=200)
    test = Trials.from_arrays(x, label).part("test")
    assert test.n_trials == 40
    assert 1.0 - 39 / 40 <= gap_of(0.02, test) < 1.0 - 38 / 40


# --- the commands -------------------------------------------------------------------------------------------------


def command(*arguments):
    (point,) = entry_points(group="console_scripts", name="neuromod")
    main, out, err = point.load(), io.StringIO(), io.StringIO()
    sys.argv = ["neuromod", *arguments]
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as done:
        main()
    return int(done.value.code or 0), out.getvalue(), err.getvalue()


def test_from_a_file_to_a_verified_folder(file, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    run = tmp_path / "run"
    code, out, err = command(
        "train", "--data", str(file), "--target", "xylo-a2", "--neurons", "16", "--steps", "200", "--run", str(run),
        "--json",
    )  # fmt: skip
    assert code == 0, err
    trained = json.loads(out)
    assert trained["chip"]["fits"]
    assert "counts of 0 to 15 events a step, 5 for a standard deviation" in err
    file.unlink()
    for arguments in (["prune"], ["map"], ["export", "--format", "xylo"]):
        code, _, err = command(*arguments, "--run", str(run))
        assert code == 0, err
    said = json.loads((run / "exports" / "xylo" / "network.json").read_text())
    assert said["channels"] == ["ax", "ay", "t", "minus ax", "minus ay"]
    assert [entry["of"] for entry in said["encoding"]] == [0, 1, 2, 0, 1]
    assert set(said["figures"]["load_per_step"]["busiest"]) == {
        "synaptic_operations", "neuron_updates", "messages", "weight_bits"
    }  # fmt: skip
    code, out, err = command("verify", "--run", str(run), "--json")
    found = json.loads(out)["xylo"]
    if found["verified"]:
        # Where xylosim is installed.
        assert found["bit_equal"] == found["trials"] == 8
        assert code == (0 if found["passed"] else 4)
    else:
        assert "xylosim" in found["reason"]


def test_a_file_with_too_many_channels_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    x, label = arrays(n_in=12)
    np.savez(tmp_path / "wide.npz", inputs=x, targets=label)
    run = tmp_path / "run"
    code, _, err = command("train", "--data", str(tmp_path / "wide.npz"), "--target", "xylo-imu", "--run", str(run))
    assert code == 3
    assert "wide.npz takes 23 input channels" in err
    assert "Traceback" not in err
    assert not run.exists()
