import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from neuromod import Network
from neuromod.errors import UsageError


def random_network(n: int, seed: int, *, density: float = 0.3, alpha: float = 0.4) -> Network:
    rng = np.random.default_rng(seed)
    return Network(
        w_rec=rng.standard_normal((n, n)) * (rng.random((n, n)) < density) / np.sqrt(n),
        w_in=rng.standard_normal((n, 3)),
        w_out=rng.standard_normal((2, n)),
        bias=rng.standard_normal(n),
        bias_out=rng.standard_normal(2),
        dt_s=0.1,
        tau_s=0.1 / alpha,
        positions=rng.random((n, 2)),
        rates=rng.random(n),
        info={"a": [1, "ü"]},
    )


@settings(deadline=None)
@given(
    n=st.integers(1, 20), seed=st.integers(0, 10**6), alpha=st.floats(0.01, 1), density=st.sampled_from([0, 0.05, 1])
)
def test_run_is_the_equation(n: int, seed: int, alpha: float, density: float) -> None:
    net = random_network(n, seed, density=density, alpha=alpha)
    rng = np.random.default_rng(seed)
    x, h = rng.standard_normal((4, 2, 3)), rng.random((2, n))
    y, last = net.run(x, h)
    w = net.w_rec.toarray().astype(float)
    for t in range(4):
        for b in range(2):
            drive = [
                sum(w[i, j] * h[b, j] for j in range(n))
                + sum(float(net.w_in[i, k]) * x[t, b, k] for k in range(3))
                + float(net.bias[i])
                for i in range(n)
            ]
            h[b] = (1 - net.alpha) * h[b] + net.alpha * np.maximum(0, drive)
            np.testing.assert_allclose(y[t, b], net.w_out.astype(float) @ h[b] + net.bias_out, atol=1e-9)
    np.testing.assert_allclose(last, h, atol=1e-9)


def test_one_neuron_settles_where_algebra_says() -> None:
    net = Network(w_rec=[[0.5]], w_in=[[1.0]], w_out=[[2.0]], bias=[0.25], bias_out=[0.0], dt_s=0.1, tau_s=1.0)
    y, last = net.run(np.ones((2000, 1, 1)))
    assert last[0, 0] == pytest.approx((1 + 0.25) / (1 - 0.5))
    assert y[-1, 0, 0] == pytest.approx(2 * last[0, 0])


def test_running_in_two_pieces_is_running_in_one() -> None:
    net = random_network(7, 0)
    x = np.random.default_rng(0).standard_normal((9, 2, 3))
    y, last = net.run(x)
    first, state = net.run(x[:4])
    second, end = net.run(x[4:], state)
    np.testing.assert_allclose(np.concatenate([first, second]), y)
    np.testing.assert_allclose(end, last)
    assert net.run(x[:0], state)[1].tolist() == state.tolist()


@settings(deadline=None)
@given(n=st.integers(1, 20), seed=st.integers(0, 10**6))
def test_save_and_load(tmp_path_factory: pytest.TempPathFactory, n: int, seed: int) -> None:
    net = random_network(n, seed)
    path = tmp_path_factory.mktemp("n") / "n.safetensors"
    net.save(path)
    again = Network.load(path)
    assert again.sha256() == net.sha256()
    first = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == first
    np.testing.assert_array_equal(again.w_rec.toarray(), net.w_rec.toarray())
    assert again.info == net.info


def test_equal_content_has_equal_bytes_in_another_process(tmp_path: Path) -> None:
    random_network(5, 1).save(tmp_path / "a.safetensors")
    code = "import sys; from neuromod import Network; Network.load(sys.argv[1]).save(sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.safetensors", tmp_path / "b.safetensors"], check=True)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_truncated_or_altered_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    random_network(6, 2).save(path)
    data = path.read_bytes()
    for size in [0, 4, 8, 50, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(UsageError, match="cannot read"):
            Network.load(path)
    for place in range(0, len(data), 37):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            Network.load(path)  # a changed weight is still a weight
        except UsageError:
            continue
    with pytest.raises(UsageError, match="no such file"):
        Network.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w_rec": np.zeros((2, 3))}, "w_rec must have the shape"),
        ({"w_rec": [[np.nan, 0], [0, 0]]}, "w_rec holds values that are not finite"),
        ({"w_in": np.zeros((3, 2))}, "w_in must have the shape"),
        ({"bias": [1.0, np.inf]}, "bias holds values that are not finite"),
        ({"bias": ["a", "b"]}, "bias cannot be read as numbers"),
        ({"w_in": np.ones((2, 1)) * 1j}, "w_in cannot be read as numbers: they are complex"),
        ({"w_rec": np.eye(2) * 1j}, "w_rec cannot be read as a sparse matrix: its values are complex"),
        ({"info": ["tasks"]}, "info must be a mapping, found list"),
        ({"dt_s": 0.2}, "0 < dt_s <= tau_s"),
        ({"rates": [1.0, -1.0]}, "rates must not be negative"),
        ({"neuron_ids": [1, 1]}, "2 different integers"),
        ({"positions": np.zeros((2, 3))}, "positions must have the shape"),
    ],
)
def test_what_is_no_network_is_named(changes: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "w_rec": np.zeros((2, 2)),
        "w_in": np.zeros((2, 1)),
        "w_out": np.zeros((1, 2)),
        "bias": np.zeros(2),
        "bias_out": np.zeros(1),
        "dt_s": 0.1,
        "tau_s": 0.1,
    }
    with pytest.raises(UsageError, match=message):
        Network(**{**good, **changes})  # type: ignore[arg-type]


def test_w_rec_is_canonical_and_arrays_are_read_only() -> None:
    w = sparse.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    net = Network(w_rec=w, w_in=np.zeros((2, 1)), w_out=np.zeros((1, 2)), bias=[0, 0], bias_out=[0], dt_s=1, tau_s=1)
    assert net.n_synapses == 1
    assert net.w_rec[0, 1] == 3
    for array in (net.w_rec.data, net.w_in, net.bias, net.neuron_ids):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_inputs_of_the_wrong_shape_are_refused() -> None:
    net = random_network(3, 0)
    with pytest.raises(UsageError, match=r"\(time, batch, 3\)"):
        net.run(np.zeros((2, 3)))
    with pytest.raises(UsageError, match="h0 must have the shape"):
        net.run(np.zeros((2, 1, 3)), np.zeros((2, 3)))


def test_subset_keeps_numbers_and_synapses() -> None:
    net = random_network(8, 3)
    part = net.subset(np.array([5, 2]))
    assert part.neuron_ids.tolist() == [5, 2]
    np.testing.assert_array_equal(part.w_rec.toarray(), net.w_rec.toarray()[np.ix_([5, 2], [5, 2])])
