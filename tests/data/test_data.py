"""Trials of the user's own: what files are read as, against independent readers, and every refusal."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import neuromod
from neuromod import Trials, cli, read_trials
from neuromod.data import storage
from neuromod.errors import UsageError
from neuromod.trials import decisions, outputs

h5py = pytest.importorskip("h5py")


def small(n: int = 30, steps: int = 9, channels: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    inputs = rng.normal(size=(n, steps, channels)) + targets[:, None, None]
    return {"inputs": inputs, "targets": targets}


def spikes(path: Path, n: int = 24, units: int = 20, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Write a file in the layout of the Heidelberg digits; class k fires in the k-th quarter of the units."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    made = []
    for label in labels:
        count = int(rng.integers(5, 30))
        times = np.sort(rng.random(count) * rng.uniform(0.2, 0.5)).astype(np.float16)
        made.append((times, (rng.integers(0, units // 4, count) + label * units // 4).astype(np.uint16)))
    with h5py.File(path, "w") as file:
        group = file.create_group("spikes")
        for name, kind, part in (("times", np.float16, 0), ("units", np.uint16, 1)):
            data = group.create_dataset(name, (n,), dtype=h5py.vlen_dtype(kind))
            for k, pair in enumerate(made):
                data[k] = pair[part]
        file["labels"] = labels
    return made


def ts(path: Path, inputs: np.ndarray, labels: list[str], lengths: np.ndarray | None = None) -> None:
    ends = [inputs.shape[1]] * len(inputs) if lengths is None else lengths
    names = " ".join(sorted(set(labels)))
    lines = ["# made here", "@problemName small", "@timeStamps false", f"@classLabel true {names}", "@data"]
    for x, label, end in zip(inputs, labels, ends, strict=True):
        lines.append(":".join([*(",".join(map(repr, channel[:end].tolist())) for channel in x.T), label]))
    path.write_text("\n".join(lines) + "\n")


def test_npz_is_read_as_it_was_written(tmp_path: Path) -> None:
    lengths = np.arange(30) % 5 + 4
    split = np.array(["train"] * 15 + ["validation"] * 6 + ["test"] * 9)
    made = small()
    np.savez(tmp_path / "a.npz", **made, lengths=lengths, split=split, class_names=["x", "y", "z"], dt_ms=5)
    trials = read_trials(tmp_path / "a.npz")
    assert trials.counts() == {"train": 15, "validation": 6, "test": 9}
    assert (trials.last_step == lengths - 1).all()
    assert (trials.answers == made["targets"]).all()
    assert trials.class_names == ("x", "y", "z")
    assert trials.dt_ms == 5
    for k in range(30):
        assert (trials.inputs[: lengths[k], k] == made["inputs"][k, : lengths[k]].astype(np.float32)).all()
        assert (trials.inputs[lengths[k] :, k] == 0).all()


def test_labels_that_do_not_start_at_0_keep_their_names() -> None:
    trials = Trials.from_arrays(small()["inputs"], small()["targets"] * 5 - 3)
    assert trials.class_names == ("-3", "2", "7")
    assert set(trials.answers.tolist()) == {0, 1, 2}


def test_what_is_held_out_is_a_fifth_of_each_class_and_follows_from_the_seed() -> None:
    made = small(n=60)
    first, same, other = (Trials.from_arrays(**made, split_seed=seed) for seed in (0, 0, 1))
    assert (first.split == same.split).all()
    assert (first.split != other.split).any()
    for name in ("test", "validation"):
        assert len(set(np.bincount(first.part(name).answers).tolist())) == 1
    assert first.counts() == {"train": 39, "validation": 9, "test": 12}


@pytest.mark.parametrize("readout", ["last", "mean", "every"])
def test_answers_are_read_as_asked(readout: str) -> None:
    rng = np.random.default_rng(1)
    made = small(n=12)
    lengths = rng.integers(3, 10, 12)
    mask = rng.random((12, 9)) < 0.6
    mask[:, 0] = True
    trials = Trials.from_arrays(**made, lengths=lengths, mask=mask, readout=readout)
    y = rng.normal(size=(9, 12, 3))
    by_hand: list[np.ndarray] = []
    for k in range(12):
        steps = [t for t in range(lengths[k]) if mask[k, t]]
        read = y[steps, k]
        by_hand += {"last": [read[-1]], "mean": [read.mean(axis=0)], "every": list(read)}[readout]
    np.testing.assert_allclose(outputs(y, trials), by_hand)
    assert (decisions(y, trials) == np.argmax(by_hand, axis=1)).all()
    assert len(trials.answers) == len(trials.trial_of_answer) == len(by_hand)


def test_values_of_a_trial_and_of_every_step() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, 7, 2))
    whole = Trials.from_arrays(x, rng.normal(size=(20, 3)))
    assert whole.values
    assert (whole.readout, whole.answers.shape) == ("mean", (20, 3))
    every = Trials.from_arrays(x, np.cumsum(x, axis=1), lengths=np.full(20, 5))
    assert (every.readout, every.answers.shape) == ("every", (100, 2))
    np.testing.assert_allclose(every.answers[:5], np.cumsum(x[0, :5], axis=0), rtol=1e-5)


def test_ts_against_a_reader_of_its_own(tmp_path: Path) -> None:
    made = small(n=18)
    lengths = np.arange(18) % 4 + 5
    labels = [f"c{k}" for k in made["targets"]]
    ts(tmp_path / "X_TRAIN.ts", made["inputs"], labels, lengths)
    ts(tmp_path / "X_TEST.ts", made["inputs"][:6] + 1, labels[:6])
    trials = read_trials(tmp_path / "X_TRAIN.ts")
    assert trials.source["test_file"]["name"] == "X_TEST.ts"
    assert trials.counts()["test"] == 6
    for k, line in enumerate((tmp_path / "X_TRAIN.ts").read_text().split("@data\n")[1].splitlines()):
        *parts, label = line.split(":")
        wanted = np.array([[float(v) for v in part.split(",")] for part in parts], np.float32).T
        assert (trials.inputs[: len(wanted), k] == wanted).all()
        assert trials.class_names[trials.answers[k]] == label


@pytest.mark.parametrize(("dt_ms", "channels"), [(10.0, None), (25.0, 5), (7.0, 3)])
def test_spikes_equal_an_independent_count(tmp_path: Path, dt_ms: float, channels: int | None) -> None:
    made = spikes(tmp_path / "s.h5")
    trials = read_trials(tmp_path / "s.h5", dt_ms=dt_ms, channels=channels)
    n_units = 1 + max(int(u.max()) for _, u in made)
    width = channels or n_units
    for k, (times, units) in enumerate(made):
        length = int(trials.mask[:, k].sum())
        wanted, _, _ = np.histogram2d(
            times.astype(float), units * width // n_units,
            bins=[np.arange(length + 1) * dt_ms / 1000, np.arange(width + 1)],
        )  # fmt: skip
        assert (trials.inputs[:length, k] == wanted).all()
        assert trials.inputs[:, k].sum() == len(times)


REFUSED = {
    "two dimensions": (lambda m: {**m, "inputs": m["inputs"][:, :, 0]}, "one channel is inputs"),
    "other lengths": (lambda m: {**m, "targets": m["targets"][:-1]}, "targets must have the shape"),
    "NaN": (lambda m: {**m, "inputs": np.where(m["inputs"] == m["inputs"][4, 2, 1], np.nan, m["inputs"])},
            "trial 4, step 2, channel 1"),
    "one class": (lambda m: {**m, "targets": np.ones(30, int)}, "one class only"),
    "labels are no integers": (lambda m: {**m, "targets": m["targets"] + 0.5}, "must be whole numbers"),
    "labels are words": (lambda m: {**m, "targets": m["targets"].astype(str)}, "numbers words"),
    "empty split": (lambda m: {**m, "split": np.array(["train"] * 30)}, "split has no trial for test"),
    "unknown split": (lambda m: {**m, "split": np.array(["dev"] * 30)}, "split holds 'dev'"),
    "constant channel": (lambda m: {**m, "inputs": m["inputs"] * [1, 0, 1]}, "channel 1 is constant"),
    "long lengths": (lambda m: {**m, "lengths": np.full(30, 10)}, "lengths must be 1 to 9, found 10"),
    "lengths of 0": (lambda m: {**m, "lengths": np.zeros(30, int)}, "lengths must be 1 to 9, found 0"),
    "no trial": (lambda m: {"inputs": m["inputs"][:0], "targets": m["targets"][:0]}, "none of them 0"),
    "one trial": (lambda m: {"inputs": m["inputs"][:2], "targets": m["targets"][:2]}, "too few"),
    "class names": (lambda m: {**m, "class_names": np.array(["a", "b"])}, "must be 0 to 1"),
    "empty mask": (lambda m: {**m, "mask": np.zeros((30, 9), bool)}, "trial 0 no step"),
    "unknown array": (lambda m: {**m, "labels": m["targets"]}, "an array 'labels'"),
    "no targets": (lambda m: {"inputs": m["inputs"]}, "no array 'targets'"),
    "dt": (lambda m: {**m, "dt_ms": -1.0}, "dt_ms must be"),
    "objects": (lambda m: {**m, "targets": np.array([None] * 30)}, "Python objects"),
    "complex": (lambda m: {**m, "inputs": m["inputs"] + 1j}, "must be numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_sentence_and_nothing_written(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, words = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", **change(small()))
    for call in (["data", "a.npz"], ["train", "--data", "a.npz", "--steps", "2", "--run", "run"]):
        done = CliRunner().invoke(cli.group, call)
        assert isinstance(done.exception, UsageError), (call, done.output, done.exception)
        assert words in str(done.exception)
        assert "\n" not in str(done.exception)
        assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@classLabel true a b\n@data\n1,2:x\n", "'x' is not among"),
        ("@classLabel true a b\n@data\n1,2:3,4:a\n1,2:b\n", "it has 1 channels"),
        ("@classLabel true a b\n@data\n1,?:a\n", "a value is missing"),
        ("@classLabel true a b\n@data\n1,2:3:a\n", "1 to 2 steps"),
        ("@classLabel true a b\n@data\n", "holds no trial"),
        ("@classLabel true a b\n", "no line @data"),
        ("@data\n1,2:a\n", "no labels"),
        ("@timestamps true\n@classLabel true a b\n@data\n(1,2):a\n", "time stamps"),
        ("hello\n", "found 'hello'"),
        ("@classLabel true a b\n@data\n1,inf:a\n", "not finite"),
    ],
)
def test_ts_that_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text(text)
    with pytest.raises(UsageError, match=r"a\.ts") as caught:
        read_trials(tmp_path / "a.ts")
    assert words in str(caught.value)


def test_spikes_that_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["labels"] = np.arange(4)
    with pytest.raises(UsageError, match="no spikes/times"):
        read_trials(tmp_path / "a.h5")
    spikes(tmp_path / "b.h5")
    with pytest.raises(UsageError, match="more channels"):
        read_trials(tmp_path / "b.h5", channels=100)
    (tmp_path / "c.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    with pytest.raises(UsageError, match="no HDF5 file"):
        read_trials(tmp_path / "c.h5")


def test_an_array_that_promises_more_than_there_is(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (10**9, 10**3), "fortran_order": False, "descr": "<f8"})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("inputs", "targets"):
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(UsageError, match=r"no \.npz archive"):
        read_trials(tmp_path / "a.npz")


def test_a_copy_in_a_run_is_the_same_and_equal_bytes(tmp_path: Path) -> None:
    trials = Trials.from_arrays(**small(), lengths=np.arange(30) % 5 + 5, readout="last")
    for name in ("a", "b"):
        storage.save(trials, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    back = storage.load(tmp_path / "a")
    for name in ("inputs", "targets", "mask", "split", "reads", "answers"):
        assert (getattr(back, name) == getattr(trials, name)).all(), name
    assert (back.class_names, back.readout, back.source) == (trials.class_names, "last", trials.source)


def test_large_data_are_found_by_name_and_refused_if_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MOST_COPIED", 10)
    np.savez(tmp_path / "big.npz", **small())
    trials = read_trials(tmp_path / "big.npz")
    (tmp_path / "run").mkdir()
    storage.save(trials, tmp_path / "run" / storage.FILE)
    assert str(tmp_path).encode() not in (tmp_path / "run" / storage.FILE).read_bytes()
    assert (storage.load(tmp_path / "run" / storage.FILE).inputs == trials.inputs).all()
    np.savez(tmp_path / "big.npz", **small(seed=1))
    with pytest.raises(UsageError, match="has changed"):
        storage.load(tmp_path / "run" / storage.FILE)
    (tmp_path / "big.npz").unlink()
    with pytest.raises(UsageError, match="NEUROMOD_DATA"):
        storage.load(tmp_path / "run" / storage.FILE)


def test_data_says_what_is_in_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **small(), channel_names=["ax", "ay", "az"])
    call = ["data", str(tmp_path / "a.npz"), "--json", "--plot", str(tmp_path / "a.svg")]
    content = json.loads(CliRunner().invoke(cli.group, call).stdout)
    x = small()["inputs"]
    train = read_trials(tmp_path / "a.npz").split == 0
    assert [c["name"] for c in content["channels"]] == ["ax", "ay", "az"]
    assert content["channels"][1]["mean"] == pytest.approx(x[train, :, 1].mean(), rel=1e-5)
    assert content["channels"][2]["max"] == pytest.approx(x[train, :, 2].max(), rel=1e-6)
    assert content["guessing"] == pytest.approx(1 / 3)
    assert content["trials"] == {"train": 18, "validation": 6, "test": 6}
    assert (tmp_path / "a.svg").stat().st_size > 1000


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["last", "mean", "every"]), st.booleans())
def test_order_and_padding_of_trials_do_not_matter(seed: int, readout: str, values: bool) -> None:
    rng = np.random.default_rng(seed)
    n, steps = 12, 6
    x, lengths = rng.normal(size=(n, steps, 2)), rng.integers(1, steps + 1, n)
    wanted = rng.normal(size=(n, 2)) if values else np.arange(n) % 3
    split = np.repeat(["train", "test", "validation"], 4)
    n_out = 2 if values else 3
    net = neuromod.Network(w_rec=rng.normal(size=(4, 4)) / 4, w_in=rng.normal(size=(4, 2)), bias=np.zeros(4), dt_s=0.1,
                           w_out=rng.normal(size=(n_out, 4)), bias_out=np.zeros(n_out), tau_s=0.2)  # fmt: skip
    trials = Trials.from_arrays(x, wanted, lengths=lengths, readout=readout, split=split)
    order = rng.permutation(n)
    padded = np.concatenate([x, rng.normal(size=(n, 3, 2))], axis=1)
    moved = Trials.from_arrays(
        padded[order], wanted[order], lengths=lengths[order], readout=readout, split=split[order]
    )
    one, other = neuromod.evaluate(net, trials), neuromod.evaluate(net, moved)
    assert one.accuracy == pytest.approx(other.accuracy, abs=1e-9)
