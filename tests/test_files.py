import json
import os
from pathlib import Path

import numpy as np
import pytest

from neuromod import files
from neuromod.errors import UsageError


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"schema": "s", "x": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"x": float("nan")})

    def die_half_way() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die_half_way()
    assert names(tmp_path) == ["a.json"]
    assert files.read_json(path, schema="s")["x"] == 1


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(UsageError, match=r"cannot write .*a.txt: No space left on device"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        files.write_text(tmp_path / "f" / "a.txt", "x")


@pytest.mark.parametrize("text", ["", "[", "[1]", "null", '{"schema": "other"}', "[" * 100000, "\xff"])
def test_json_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="cannot read"):
        files.read_json(path, schema="s")


def test_tensors_round_trip_with_sorted_metadata(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    tensors = {"b": np.arange(6, dtype=np.int64).reshape(2, 3).T, "a": np.zeros((0, 2), np.float32)}
    files.save_tensors(path, tensors, {"schema": "s", "z": 1, "a": [2]})
    got, metadata = files.load_tensors(path, schema="s")
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(got[name], tensor)
    assert list(json.loads(json.dumps(metadata))) == ["a", "schema", "z"]
    with pytest.raises(UsageError, match="needed 'other'"):
        files.load_tensors(path, schema="other")


def test_digest_of_a_folder_sees_names_and_content(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("1")
    one = files.sha256(tmp_path / "d")
    (tmp_path / "d" / "a").rename(tmp_path / "d" / "b")
    two = files.sha256(tmp_path / "d")
    (tmp_path / "d" / "b").write_text("2")
    assert len({one, two, files.sha256(tmp_path / "d")}) == 3


def test_new_files_have_the_usual_permissions(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_writing_leaves_the_modes_of_other_threads_alone(tmp_path):
    import threading

    seen, stop = set(), threading.Event()

    def look():
        i = 0
        while not stop.is_set():
            path = tmp_path / f"other-{i}"
            i += 1
            path.touch()
            seen.add(path.stat().st_mode & 0o777)
            path.unlink()

    before = os.umask(0o077)
    other = threading.Thread(target=look)
    try:
        other.start()
        for _ in range(300):
            files.write_text(tmp_path / "a.txt", "x")
    finally:
        stop.set()
        other.join()
        os.umask(before)
    assert seen == {0o600}
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600


def test_files_and_folders_take_the_umask(tmp_path):
    for umask in (0o022, 0o027):
        before = os.umask(umask)
        try:
            files.write_text(tmp_path / "a.txt", "x")
            with files.replacing_folder(tmp_path / "folder") as folder:
                (folder / "b.txt").write_text("x", encoding="utf-8")
        finally:
            os.umask(before)
        assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask
        assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask
