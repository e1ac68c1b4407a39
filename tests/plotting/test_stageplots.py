"""Figures of single steps, through the commands that draw them."""

import json
import shutil

import pytest
from click.testing import CliRunner

from neuromod import cli
from neuromod.errors import UsageError


@pytest.fixture(scope="module")
def master(full_run, solver_network, tmp_path_factory):
    return full_run(tmp_path_factory.mktemp("plots") / "run", solver_network, verify=False)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
@pytest.mark.parametrize("command", [["train", "--resume"], ["prune", "--keep", "0.9"], ["map", "--placer", "tiles"],
                                     ["estimate"], ["report"]], ids=lambda command: command[0])  # fmt: skip
def test_commands_draw_what_they_did(command, suffix, master, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(master.path, run)
    (run / "config.toml").write_text("seed = 0\n")
    file = tmp_path / f"figure.{suffix}"
    done = CliRunner().invoke(cli.group, [*command, "--run", str(run), "--plot", str(file), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(done.stdout)["plot"] == str(file)
    start = file.read_bytes()[:5]
    assert start == {"png": b"\x89PNG\r", "svg": b"<?xml", "pdf": b"%PDF-"}[suffix]


def test_the_sweep_of_substeps_is_drawn(master, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(master.path, run)
    file = tmp_path / "substeps.svg"
    done = CliRunner().invoke(
        cli.group,
        ["export", "--format", "snn", "--substeps", "4", "--tune", "never", "--run", str(run), "--plot", str(file)],
    )
    assert done.exit_code == 0, (done.output, done.exception)
    assert "substeps per time step" in file.read_text() or file.stat().st_size > 5000
    done = CliRunner().invoke(cli.group, ["export", "--format", "onnx", "--run", str(run), "--plot", str(file)])
    assert isinstance(done.exception, UsageError)
    assert '`format="snn"`' in str(done.exception)


def test_tasks_and_verified_exports_are_drawn(master, tmp_path):
    for collection, tasks in (("yang19", 20), ("modcog", 82)):
        file = tmp_path / f"{collection}.svg"
        done = CliRunner().invoke(cli.group, ["tasks", "--collection", collection, "--plot", str(file)])
        assert done.exit_code == 0, (done.output, done.exception)
        assert done.stdout.splitlines()[-1] == f"figure {file}"
        assert file.read_text().count("<image") == tasks
    run = tmp_path / "run"
    shutil.copytree(master.path, run)
    file = tmp_path / "verified.png"
    done = CliRunner().invoke(
        cli.group,
        ["verify", "--trials", "20", "--run", str(run), "--min-agreement", "0", "--plot", str(file), "--json"],
    )
    assert file.read_bytes()[:4] == b"\x89PNG", (done.output, done.exception)
    assert json.loads(done.stdout)["plot"] == str(file)


def test_another_format_is_refused_before_anything_is_computed(master, tmp_path):
    before = (master.path / "run.json").read_bytes()
    for command in ("prune", "map", "estimate", "export", "report"):
        done = CliRunner().invoke(cli.group, [command, "--run", str(master.path), "--plot", str(tmp_path / "a.gif")])
        assert done.exit_code == 2
        assert "PNG, SVG or PDF" in done.output
    assert (master.path / "run.json").read_bytes() == before
