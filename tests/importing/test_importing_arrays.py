"""Large arrays that are mapped: folders of .npy and archives that are not compressed; edges joined row by row."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from neuromod.errors import UsageError
from neuromod.importing import Choice, numpy_archive, read
from neuromod.importing.synapses import Edges, join

TRIPLETS = {
    "source": np.array([0, 1, 2, 0], np.int32), "target": np.array([1, 2, 2, 1], np.int32),
    "weight": np.array([1.5, -0.5, 1, 0.5], np.float32), "n_neurons": np.array(3),
}  # fmt: skip


@pytest.fixture
def everything_mapped(monkeypatch):
    """Small arrays are treated as large ones are."""
    monkeypatch.setattr(numpy_archive, "_MAPPED", 0)


def write_folder(folder: Path, **arrays) -> Path:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_a_folder_of_arrays_is_read_as_an_archive_of_them(tmp_path):
    more = {"positions": np.arange(6.0).reshape(3, 2), "rates": np.ones(3)}
    np.savez(tmp_path / "net.npz", **TRIPLETS, **more)
    folder = write_folder(tmp_path / "net", **TRIPLETS, **more)
    (folder / "notes.txt").write_text("from here")
    found, expected = read(folder), read(tmp_path / "net.npz")
    assert found.network.sha256() != expected.network.sha256()  # the format, which info names
    assert (found.network.w_rec != expected.network.w_rec).nnz == 0
    assert np.array_equal(found.network.positions, expected.network.positions)
    assert (found.format, found.ignored, found.repeated, found.first) == (
        "npy folder", ("notes.txt",), 1, expected.first,
    )  # fmt: skip
    assert found.notes == expected.notes


def test_a_folder_with_a_matrix(tmp_path):
    w = np.array([[0, 2.0], [0.5, 0]])
    found = read(write_folder(tmp_path / "net", w_rec=w), Choice(transpose=True))
    assert np.array_equal(found.network.w_rec.toarray(), w.T)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({}, "the folder has no .npy file; needed are w_rec.npy, or source.npy"),
        ({**TRIPLETS, "n_neurons": np.array(2)}, "source holds the neuron 2, but they are numbered from 0 to 1"),
        ({**TRIPLETS, "weight": np.ones(3, np.float32)}, "must be equally long"),
        ({**TRIPLETS, "weight": np.array([1, np.nan, 1, 1], np.float32)}, "w_rec holds values that are not finite"),
        ({name: TRIPLETS[name] for name in ("source", "target", "weight")}, "but not n_neurons"),
    ],
)
def test_folders_that_hold_no_network(tmp_path, held, message):
    with pytest.raises(UsageError, match=f"^cannot import .*{message}"):
        read(write_folder(tmp_path / "net", **held))


def test_a_broken_file_of_a_folder_is_named(tmp_path):
    folder = write_folder(tmp_path / "net", **TRIPLETS)
    for content in (b"junk", (folder / "weight.npy").read_bytes()[:-3], b""):
        (folder / "weight.npy").write_bytes(content)
        with pytest.raises(UsageError, match=r"cannot import .*net: weight\.npy: it is no readable NumPy file"):
            read(folder)


@pytest.mark.usefixtures("everything_mapped")
def test_stored_arrays_of_an_archive_are_mapped_and_compressed_ones_read(tmp_path):
    np.savez(tmp_path / "stored.npz", **TRIPLETS)
    np.savez_compressed(tmp_path / "packed.npz", **TRIPLETS)
    stored, packed = (numpy_archive._arrays(tmp_path / f"{name}.npz") for name in ("stored", "packed"))
    assert {name for name, array in stored.items() if isinstance(array, np.memmap)} == stored.keys()
    assert not any(isinstance(array, np.memmap) for array in packed.values())
    for name, array in TRIPLETS.items():
        assert np.array_equal(stored[name], array)
        assert np.array_equal(packed[name], array)
    assert read(tmp_path / "stored.npz").network.sha256() == read(tmp_path / "packed.npz").network.sha256()


@pytest.mark.usefixtures("everything_mapped")
def test_matrices_by_column_are_mapped_as_they_are(tmp_path):
    w = np.asfortranarray(np.arange(9.0).reshape(3, 3))
    np.savez(tmp_path / "net.npz", w_rec=w)
    assert np.array_equal(read(tmp_path / "net.npz").network.w_rec.toarray(), w)


@pytest.mark.usefixtures("everything_mapped")
def test_damaged_archives_are_refused_before_they_are_mapped(tmp_path):
    np.savez(tmp_path / "net.npz", w_rec=np.ones((40, 40)))
    data = bytearray((tmp_path / "net.npz").read_bytes())
    data[5000] ^= 1
    (tmp_path / "net.npz").write_bytes(data)
    with pytest.raises(UsageError, match=r"no readable NumPy archive .*CRC"):
        read(tmp_path / "net.npz")
    for header in (b"{'descr': '<f8', 'fortran_order': False, 'shape': (9, 9), }", b"{'descr': '|O', 'shape': ()}"):
        with zipfile.ZipFile(tmp_path / "lying.npz", "w") as archive:
            archive.writestr("w_rec.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
        with pytest.raises(UsageError, match="no readable NumPy archive"):
            read(tmp_path / "lying.npz")


def test_only_what_is_unpacked_counts_against_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("neuromod.importing.result._MAX_BYTES", 10_000)
    np.savez(tmp_path / "net.npz", w_rec=np.ones((40, 40)))
    with pytest.raises(UsageError, match="unpacks to"):
        read(tmp_path / "net.npz")
    monkeypatch.setattr(numpy_archive, "_MAPPED", 10_000)
    assert read(tmp_path / "net.npz").network.n_synapses == 1600
    np.savez_compressed(tmp_path / "net.npz", w_rec=np.ones((40, 40)))
    with pytest.raises(UsageError, match="unpacks to"):
        read(tmp_path / "net.npz")


@pytest.mark.parametrize(("names", "first"), [(None, "from 1 to 2"), (["a", "b", "c"], "from b to c")])
def test_undirected_edges_given_twice_are_refused_by_their_names(names, first):
    ends, once = np.array([[0, 1, 1], [1, 2, 2]]), np.ones(3)
    given_edges = Edges(*ends, once, undirected=np.ones(3, bool))
    with pytest.raises(UsageError, match=f"the first {first},"):
        join(given_edges, 3, "refuse", names)


@given(
    n=st.integers(1, 5),
    listed=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-2, 2)), max_size=60),
    duplicates=st.sampled_from([None, "sum", "first", "max", "refuse"]),
    wide=st.booleans(),
)
def test_edges_are_joined_as_a_dictionary_would(n, listed, duplicates, wide):
    edges: dict[tuple[int, int], list[int]] = {}
    listed = [(source % n, target % n, weight) for source, target, weight in listed]
    for source, target, weight in listed:
        edges.setdefault((source, target), []).append(weight)
    columns = np.array(listed, np.int64).reshape(-1, 3).T
    given_edges = Edges(columns[0], columns[1], columns[2].astype(np.float64 if wide else np.float32))
    twice = [pair for pair, weights in edges.items() if len(weights) > 1]
    if duplicates == "refuse" and twice:
        source, target = twice[0]
        with pytest.raises(UsageError, match=f"the first from {source} to {target},"):
            join(given_edges, n, duplicates)
        return
    joined = join(given_edges, n, duplicates)
    take = {"first": lambda weights: weights[0], "max": max}.get(duplicates or "sum", sum)
    expected = {pair: take(weights) for pair, weights in edges.items()}
    w = np.zeros((n, n))
    for (source, target), weight in expected.items():
        w[target, source] = weight
    assert np.array_equal(sparse.csr_array(joined.w_rec).toarray(), w)
    assert joined.repeated == len(twice)
    synapses = [(*pair, float(expected[pair])) for pair in edges if expected[pair]]
    assert joined.first == (synapses[0] if synapses else None)
    told = " ".join(joined.notes)
    assert ("too many" in told) == bool(twice)
    if twice:
        assert f"({len(listed) - len(edges):,} line" in told
