"""NIR files that other tools wrote: those in tests/golden/nir, made by tests/golden/make_nir_files.py."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nir")
exporting = pytest.importorskip("neuromod.exporting.nir")
importing = pytest.importorskip("neuromod.importing.nir")

FOLDER = Path(__file__).parents[1] / "golden" / "nir"
FILES = sorted(path.name.removesuffix(".nir.gz") for path in FOLDER.glob("*.nir.gz"))
KINDS = {
    "norse_lif": "CubaLIF", "norse_lif_box": "LIF", "rockpool_cuba": "CubaLIF", "sinabs_iaf": "IF", "sinabs_lif": "LIF",
    "snntorch_feedforward": "LIF", "snntorch_recurrent": "LIF", "snntorch_recurrent_cuba": "CubaLIF",
    "spikingjelly_if": "IF", "spikingjelly_lif": "LIF",
}  # fmt: skip


@pytest.fixture
def unpacked(tmp_path):
    def unpack(name):
        path = tmp_path / f"{name}.nir"
        path.write_bytes(gzip.decompress((FOLDER / f"{name}.nir.gz").read_bytes()))
        return path

    return unpack


def test_there_is_a_file_of_every_tool():
    assert set(KINDS) == set(FILES)
    assert {name.split("_")[0] for name in FILES} == {"snntorch", "norse", "spikingjelly", "sinabs", "rockpool"}


@pytest.mark.parametrize("name", FILES)
def test_weights_are_those_of_the_tool(name, unpacked):
    network = importing.read_network(unpacked(name))
    first, second = json.loads((FOLDER / f"{name}.json").read_text())["layers"]
    assert (network.n, network.n_in, network.n_out) == (6, 3, 2)
    at = {
        group["stop"] - group["start"]: slice(group["start"], group["stop"]) for group in network.info["nir"]["groups"]
    }
    hidden, last = at[4], at[2]
    w_rec = network.w_rec.toarray()
    recurrent = first.get("recurrent", {"weight": np.zeros((4, 4)), "bias": None})

    def close(found, *wanted):
        wanted = sum(np.asarray(part if part is not None else 0.0) for part in wanted)
        np.testing.assert_allclose(found, np.broadcast_to(wanted, np.shape(found)), rtol=1e-6, atol=1e-7)

    close(network.w_in[hidden], first["weight"])
    close(network.bias[hidden], first["bias"], recurrent["bias"])
    close(w_rec[hidden, hidden], recurrent["weight"])
    close(w_rec[last, hidden], second["weight"])
    close(network.bias[last], second["bias"])
    close(network.w_out[:, last], np.eye(2))
    for found in (network.w_in[last], w_rec[hidden, last], w_rec[last, last], network.w_out[:, hidden]):
        assert not found.any()


@pytest.mark.parametrize("name", FILES)
def test_kinds_of_neurons_and_their_round_trip(name, unpacked, tmp_path):
    network = importing.read_network(unpacked(name))
    hidden = next(group for group in network.info["nir"]["groups"] if group["stop"] - group["start"] == 4)
    assert hidden["type"] == KINDS[name]
    again = importing.read_network(exporting.save(exporting.rebuild(network), tmp_path / "again.nir"))
    assert again.info == network.info
    assert again.sha256() == network.sha256()
