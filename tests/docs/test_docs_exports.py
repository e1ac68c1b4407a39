"""The blocks of docs/exports.md that need a simulator; the others run with those of the other pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from neuromod.cli import group

from neuromod.runs import run as rundir

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exports.md"
BLOCKS = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, solver_network):
    pytest.importorskip("nir")
    folder = tmp_path_factory.mktemp("docs")
    run = rundir.create("import", folder / "runs" / "made-by-hand")
    solver_network.save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0, inputs=[], outputs=["network.safetensors"], result={})
    (folder / "runs" / "latest").write_text("made-by-hand\n")
    options = ("--substeps", "4", "--tune-steps", "2", "--tune", "never")
    done = CliRunner().invoke(group, ["export", "--format", "nir", *options, "--run", str(run.path), "-q"])
    assert done.exit_code == 0, done.output
    return folder


def test_ten_lines_load_and_run_each_export():
    """Imports aside, and but for the block that does without neuromod."""
    blocks = re.findall(r"^```py(?:thon)?\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    lines = [[line for line in block.splitlines() if line and not re.match(r"import|from", line)] for block in blocks]
    assert len(blocks) == 7
    assert sorted(map(len, lines))[-2] <= 10


def test_snntorchs_own_importer_is_still_no_way_in(folder):
    """If this fails, docs/exports.md can say so."""
    nir = pytest.importorskip("nir")
    pytest.importorskip("nirtorch")
    importer = pytest.importorskip("snntorch.import_nir")
    graph = nir.read(folder / "runs/made-by-hand/exports/network.nir")
    with pytest.raises(AssertionError, match="r not supported"):
        importer.import_from_nir(graph)


@pytest.mark.parametrize("block", BLOCKS, ids=["norse", "spikingjelly", "norse-alone"])
def test_the_block_of_a_simulator_runs(block, folder):
    pytest.importorskip("norse" if "norse" in block else "spikingjelly")
    done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "decides for" in done.stdout
