"""Folders of chips: what is written is read again, faults in them are found, and simulators that fail are sentences."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy import sparse

from neuromod import Network
from neuromod.chips import calibrate_loihi2, calibrate_xylo
from neuromod.errors import UsageError, VerificationError
from neuromod.exporting import chips
from neuromod.exporting.chips import calibrate_loihi, writers
from neuromod.spiking import balance
from neuromod.spiking.conversion import convert
from neuromod.spiking.thresholds import activities
from neuromod.verification.chips import verify_chip
from neuromod.verification.simulators import SimulatorError, equal_trials, run_example, version_of

FAMILIES = ("xylo", "loihi", "loihi2")


def rate_network(n=14, n_in=4, n_out=3):
    rng = np.random.default_rng(2)
    return Network(
        w_rec=sparse.csr_array(rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.3) * 0.4),
        w_in=rng.normal(size=(n, n_in)) * 0.5,
        w_out=rng.normal(size=(n_out, n)) * 0.3,
        bias=rng.normal(size=n) * 0.2,
        bias_out=rng.normal(size=n_out) * 0.1,
        dt_s=0.1,
        tau_s=0.2,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Family -> network, integers and folder."""
    network = rate_network()
    x = np.repeat(np.random.default_rng(0).normal(size=(5, 12, 4)), 5, axis=0)
    spiking = convert(
        network,
        4 * balance(activities(network, x).reshape(-1, network.n), percentile=99.9),
        substeps=6,
        mode="continuous",
        reset="hard",
        delay=0,
        floor=-1.0,
        start=0.0,
    )
    core = np.arange(network.n) // 5
    found = {
        "xylo": calibrate_xylo(network, x, percentiles=(100.0,), shifts=(0,)).integers,
        "loihi": calibrate_loihi(spiking, x, core=core).integers,
        "loihi2": calibrate_loihi2(network, x, core=core).integers,
    }
    there = {}
    for family, integers in found.items():
        folder = tmp_path_factory.mktemp(family)
        getattr(chips, family).write(integers, folder, network=network, x=x)
        there[family] = (network, integers, folder)
    return there


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_is_read_as_it_was_written(written, family, tmp_path):
    network, integers, folder = written[family]
    found = getattr(chips, family).read(folder)
    integers.save(tmp_path / "own.safetensors")
    for other in (found, type(integers).load(tmp_path / "own.safetensors")):
        for name, value in vars(integers).items():
            np.testing.assert_array_equal(getattr(other, name), value)
    said = json.loads((folder / "network.json").read_text())
    assert said["network_sha256"] == network.sha256()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_folder_reads_its_own_arrays_without_safetensors(written, family):
    _, integers, folder = written[family]
    program = (
        "import sys; sys.modules['safetensors'] = None; from tensors import read; "
        "import json; arrays = read('network.safetensors').items(); "
        "print(json.dumps({name: [str(a.dtype), int(a.astype(int).sum())] for name, a in arrays}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    wanted = {name: [str(a.dtype), int(a.astype(int).sum())] for name, a in integers.arrays().items()}
    assert json.loads(done.stdout) == wanted


@pytest.mark.parametrize("family", FAMILIES)
def test_the_example_says_what_it_takes_without_a_simulator(written, family):
    folder = written[family][2]
    done = subprocess.run([sys.executable, "example.py", "--help"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--trials" in done.stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_every_spoilt_array_number_and_trial_is_found(written, family, tmp_path, monkeypatch):
    # The files alone are judged here, by what was exported.
    monkeypatch.setattr("neuromod.verification.chips.version_of", lambda package, python: None)
    network, integers, healthy = written[family]
    common = {"spiking": integers, "n_trials": 12, "simulated": 3, "min_agreement": 0}

    def reasons(folder):
        try:
            return verify_chip(family, folder, network, **common)["reasons"]
        except VerificationError as error:
            return [str(error)]

    assert reasons(healthy) == []
    said = json.loads((healthy / "network.json").read_text())
    places = [("array", name) for name in integers.arrays()] + [("number", key) for key in said if key != "figures"]
    places += [("trials", name) for name in load_file(healthy / "trials.safetensors")] + [("script", "example.py")]
    for kind, name in places:
        folder = tmp_path / f"{kind}-{name}"
        shutil.copytree(healthy, folder)
        if kind in ("array", "trials"):
            path = folder / ("network.safetensors" if kind == "array" else "trials.safetensors")
            arrays = {key: value.copy() for key, value in load_file(path).items()}
            flat = arrays[name].reshape(-1)
            at = int(np.abs(flat.astype(int)).argmax())
            flat[at] = flat[at] - 1 if flat[at] > 0 else flat[at] + 1
            header = {"neuromod": json.dumps({"schema": f"neuromod/{family}/1"})}
            save_file(arrays, path, header)
        elif kind == "number":
            value = said[name]
            changed = (
                value + 1 if isinstance(value, int | float) else "another" if isinstance(value, str) else value[:-1]
            )
            (folder / "network.json").write_text(json.dumps({**said, name: changed}))
        else:
            (folder / name).write_text("print('hello')\n")
        assert reasons(folder), (kind, name)


def test_without_a_simulator_nothing_is_passed(written, monkeypatch):
    network, integers, folder = written["xylo"]
    monkeypatch.setattr("neuromod.verification.chips.version_of", lambda package, python: None)
    result = verify_chip("xylo", folder, network, spiking=integers, n_trials=12, simulated=3)
    assert (result["verified"], result["passed"]) == (False, False)
    assert "xylosim" in result["reason"]


@pytest.mark.parametrize(
    ("placed_on", "chip"), [("xylo-imu", "xylo-imu"), ("generic-mesh", "xylo-a2"), (None, "xylo-a2")]
)
def test_the_chip_is_that_of_the_placement_where_it_is_of_the_family(placed_on, chip):
    job = SimpleNamespace(placement=placed_on and SimpleNamespace(target=placed_on))
    assert writers._chip(job, "xylo-a2") == chip


def test_a_current_that_decays_at_once_is_replaced_whole(written):
    assert replace(written["loihi"][1], du=4095).share == 1


def test_trials_that_differ_are_counted_and_the_first_is_told(written, monkeypatch):
    network, integers, folder = written["xylo"]

    def run(folder, given, **rest):
        out = integers.run(given["counts"])
        spikes = out.spikes.copy()
        spikes[0, [2, 4]] += 1
        return {**vars(out), "spikes": spikes}

    monkeypatch.setattr("neuromod.verification.chips.version_of", lambda package, python=None: "1")
    monkeypatch.setattr("neuromod.verification.chips.run_example", run)
    result = verify_chip("xylo", folder, network, spiking=integers, n_trials=12, simulated=6, min_agreement=0)
    assert (result["passed"], result["bit_equal"], result["trials"]) == (False, 4, 6)
    assert "2 of 6 trials differ from the integers, the first is 2" in result["reasons"][-1]


SCRIPTS = {
    "import os; os.abort()": "crashed (SIGABRT)",
    "import time; time.sleep(30)": "did not finish in 1 seconds",
    "raise ValueError('a word of its own')": "ValueError: a word of its own",
    "print('hello')": "it said nothing",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_happens_in_a_simulator_is_a_sentence(script, tmp_path):
    (tmp_path / "example.py").write_text(script)
    with pytest.raises(SimulatorError) as error:
        run_example(tmp_path, {"counts": np.zeros((2, 1, 1), np.uint8)}, time_limit=1 if "sleep" in script else 60)
    assert SCRIPTS[script] in str(error.value)


def test_results_of_another_shape_are_refused():
    with pytest.raises(SimulatorError, match="gave no spikes"):
        equal_trials({"spikes": np.zeros((2, 3, 4))}, {"spikes": np.zeros((2, 3, 5))})
    found = equal_trials({"u": np.array([[[1], [2]]])}, {"u": np.array([[[1], [3]]])})
    assert found.tolist() == [True, False]


def test_a_python_that_is_none_is_refused(tmp_path):
    assert version_of("numpy") == np.__version__
    assert version_of("no-such-package-at-all") is None
    with pytest.raises(UsageError, match="cannot run the Python"):
        version_of("numpy", str(tmp_path / "python"))


def test_xylosim_is_equal_to_the_last_bit(written):
    pytest.importorskip("xylosim", reason="xylosim, the extra xylo, is not installed")
    network, integers, folder = written["xylo"]
    result = verify_chip("xylo", folder, network, spiking=integers, n_trials=30, simulated=30)
    assert (result["bit_equal"], result["trials"]) == (30, 30)


def test_brian2_tells_the_steps_of_spikes_on_long_trials(written):
    """Its own times are too early by one for some of the steps after 4,000."""
    pytest.importorskip("brian2_loihi", reason="brian2-loihi, of the extra loihi, is not installed")
    network, integers, folder = written["loihi"]
    x = np.random.default_rng(1).normal(size=(800, 1, network.n_in))
    events = integers.encode(x)
    response = integers.run(events)
    assert len(events) == 4800
    assert response.spikes[4000:].any()
    found = run_example(folder, {"events": events}, arguments=("--simulator", "brian2-loihi"), time_limit=600.0)
    ours = {"spikes": response.spikes, "u": response.u, "v": response.v}
    assert equal_trials(found, ours).all()


def test_other_cores_than_those_of_the_placement_are_found(written):
    network, integers, folder = written["loihi2"]

    class Placed:
        core_of = integers.core + 1

    result = verify_chip("loihi2", folder, network, spiking=integers, placement=Placed(), n_trials=12, simulated=3)
    assert any("other cores" in reason for reason in result["reasons"])
    assert not result["passed"]


def test_a_simulator_that_disagrees_fails(written, monkeypatch):
    from neuromod.verification import chips as verifying

    network, integers, folder = written["xylo"]
    monkeypatch.setattr(verifying, "_where", lambda package, pythons: (sys.executable, "1.0"))

    def simulated(folder, given, **kwargs):
        found = integers.run(given["counts"])
        return {name: getattr(found, name) + 1 for name in verifying._FAMILIES["xylo"].wanted}

    monkeypatch.setattr(verifying, "run_example", simulated)
    result = verify_chip("xylo", folder, network, spiking=integers, n_trials=12, simulated=3)
    assert result["verified"]
    assert not result["passed"]
