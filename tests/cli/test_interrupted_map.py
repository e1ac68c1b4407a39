"""Ctrl-C during `neuromod map`: the best placement so far is kept, a second one keeps what was there."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuromod import Network
from neuromod.hardware import target_files
from neuromod.runs import run as rundir
from neuromod.stages import TimeLeft, map_stage

COMMAND = [sys.executable, "-c", "from neuromod.cli import main; main()"]
# A search that would take minutes.
LONG = ["--cores", "4x4", "--effort", "300", "--json"]


def make_run(folder):
    """A run with an imported local network of 400 neurons, and a cheap placement."""
    rng = np.random.default_rng(0)
    at = np.stack(np.meshgrid(np.arange(20), np.arange(20)), axis=-1).reshape(-1, 2)
    near = np.abs(at[:, None] - at[None]).sum(axis=-1)
    w = (near > 0) & (rng.random(near.shape) < np.exp(-near / 1.5))
    net = Network(
        w_rec=w.astype(float), w_in=np.zeros((400, 1)), w_out=np.zeros((1, 400)), bias=np.zeros(400),
        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.2, positions=at, rates=np.ceil(4 * rng.random(400)),
    )  # fmt: skip
    run = rundir.create("toy", folder / "run")
    net.save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
    return run, net


def call(folder, *arguments):
    return subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def interrupt(folder, arguments, *, times=1):
    """Begin a command, send Ctrl-C once it tells its progress, and again once it answers; return how it ended."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    said = ""
    for awaited in ("placing: ", "Interrupted: ")[:times]:
        for line in process.stderr:
            said += line
            if line.startswith(awaited):
                break
        assert process.poll() is None, said
        process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=60)
    return process.returncode, out, said + rest


def hops_of(net, path: Path):
    """Packet-hops of a placement, counted from its table of neurons."""
    with path.open() as file:
        rows = [(int(row["core_row"]), int(row["core_column"])) for row in csv.DictReader(file)]
    w = net.w_rec.toarray() != 0
    total = 0.0
    for source, here in enumerate(rows):
        aims = {rows[target] for target in np.flatnonzero(w[:, source]) if target != source} - {here}
        total += float(net.rates[source]) * sum(abs(here[0] - row) + abs(here[1] - column) for row, column in aims)
    return total, np.unique(rows, axis=0, return_counts=True)[1]


def snapshot(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_ctrl_c_keeps_the_best_placement_so_far(tmp_path):
    run, net = make_run(tmp_path)
    start = json.loads(call(tmp_path, "map", "--run", "run", "--placer", "tiles", "--json").stdout)
    assert start["interrupted"] is False
    code, out, said = interrupt(tmp_path, ["map", "--run", "run", *LONG])
    assert code == 130, said
    result = json.loads(out)
    assert result["interrupted"] is True
    assert "once more ends at once" in said
    assert "the placement of least cost until then is written" in said
    assert "`neuromod map --cores 4x4 --effort 300" in said
    assert "Traceback" not in said
    hops, sizes = hops_of(net, run.file("placement.csv"))
    assert hops == pytest.approx(result["hops"])
    assert hops <= start["hops"]
    assert sizes.sum() == 400
    assert sizes.max() <= result["neurons_per_core"]
    assert run.result("map")["interrupted"] is True
    assert run.state("map") == ("fresh", "")
    assert call(tmp_path, "estimate", "--run", "run", "-q").returncode == 0
    assert call(tmp_path, "report", "--run", "run", "-q").returncode == 0
    assert "search was interrupted" in run.file("report.html").read_text()


def test_a_second_ctrl_c_ends_at_once_and_keeps_the_former_placement(tmp_path):
    make_run(tmp_path)
    assert call(tmp_path, "map", "--run", "run", "--placer", "tiles", "-q").returncode == 0
    before = snapshot(tmp_path)
    code, out, said = interrupt(tmp_path, ["map", "--run", "run", *LONG], times=2)
    assert (code, out) == (130, ""), said
    assert "nothing half-written" in said
    assert "Traceback" not in said
    assert snapshot(tmp_path) == before


def test_where_nothing_fits_yet_ctrl_c_keeps_the_former_placement(tmp_path):
    """A chip whose cores take so few axons that the search has to look for a placement at all."""
    make_run(tmp_path)
    assert call(tmp_path, "map", "--run", "run", "--placer", "tiles", "-q").returncode == 0
    before = snapshot(tmp_path)
    plain = target_files.read_text("generic-mesh")
    tight = re.sub(r"(?m)^in_axons = .*$", 'in_axons = { value = 25, kind = "chosen", source = "model" }', plain)
    (tmp_path / "tight.toml").write_text(tight)
    code, out, said = interrupt(tmp_path, ["map", "--run", "run", "--target", "tight.toml", *LONG])
    assert (code, out) == (130, ""), said
    assert "interrupted before a placement was found that keeps every limit; what was there before is as it was" in said
    del before[str(tmp_path / "run" / "run.json")]
    after = snapshot(tmp_path)
    assert {name: after[name] for name in before} == before


class Heard:
    """Takes what a stage says, and keeps its progress."""

    def __init__(self):
        self.progressed = []

    def say(self, message):
        pass

    detail = warn = say

    def progress(self, message, *, done=False):
        self.progressed.append(message)


def test_progress_says_how_much_time_is_left(tmp_path):
    run, _ = make_run(tmp_path)
    heard = Heard()
    map_stage(run, talk=heard, cores=(4, 4), seconds=5.0)
    assert all(re.fullmatch(r"placing: \d+%(, about 0:\d\d left)?", line) for line in heard.progressed)
    assert heard.progressed[-1] == "placing: 100%, about 0:00 left"


def test_time_left_is_what_the_last_tenth_took():
    left = TimeLeft()
    assert left.after(0.0, 0.0) is None
    # One per cent a second, then two.
    assert left.after(0.01, 1.0) is None
    for second in range(2, 41):
        found = left.after(second / 100, float(second))
        assert found == pytest.approx(100 - second)
    for second in range(41, 60):
        found = left.after(0.4 + (second - 40) / 50, float(second))
    assert found == pytest.approx((1 - 0.78) * 50)
    # What begins anew may do so again.
    assert left.after(0.1, 61.0) is None
    assert left.after(0.9, 70.0) is None
