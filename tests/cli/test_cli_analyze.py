from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from neuromod import cli
from neuromod.plotting import analysis
from neuromod.runs.run import open_run


def neuromod(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli.group, arguments)
    if code == 0:
        assert done.exit_code == 0, (done.stderr, done.exception)
        return done.stdout
    assert getattr(done.exception, "exit_code", None) == code, done.output
    return str(done.exception)


def test_analyze_writes_what_it_says(run_of, solver, tmp_path) -> None:
    run = run_of(solver)
    common = ("analyze", "--run", str(run.path), "--nulls", "3", "--trials", "20")
    result = json.loads(neuromod(*common, "--json", "--plot", str(tmp_path / "figures")))
    assert open_run(run.path).state("analyze") == ("fresh", "")
    content = json.loads(run.file("analysis.json").read_text())
    assert content["schema"] == "neuromod/analysis/1"
    assert content["network"] == "network.safetensors"
    assert len(content["active"]) == result["active_neurons"] == 16
    assert result["neurons"] == 17
    assert content["lesions"]["accuracy"] == result["accuracy"] == 1.0
    assert len(content["importance"]) == 17
    assert result["wiring_length"] == 0
    # The same again gives the same file, and the figures are there, one for each that the run has measures for.
    before = run.file("analysis.json").read_bytes()
    said = neuromod(*common)
    assert run.file("analysis.json").read_bytes() == before
    assert "active neurons            16 of 17" in said
    figures = sorted((tmp_path / "figures").iterdir())
    assert [str(path) for path in figures] == sorted(result["figures"])
    assert {path.stem for path in figures} == set(analysis.FIGURES)
    for path in figures:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert "digitised" in (tmp_path / "figures" / "figure_2h_wiring_and_error.svg").read_text()


def test_a_network_without_tasks_or_positions(run_of, solver) -> None:
    import dataclasses

    run = run_of(dataclasses.replace(solver, info={}, positions=None))
    said = neuromod("analyze", "--run", str(run.path), "--nulls", "2")
    assert "unknown" in said
    assert "nan" not in said.lower()


def test_bad_input(run_of, solver, tmp_path) -> None:
    run = run_of(solver)
    assert "density=2` is out of range" in neuromod("analyze", "--run", str(run.path), "--density", "2", code=2)
    assert "is not a run" in neuromod("analyze", "--run", str(tmp_path / "nowhere"), code=5)
    assert not run.file("analysis.json").exists()


def test_a_figure_is_the_same_each_time(tmp_path) -> None:
    content = {"importance": [3.0, 2.0, 0.0], "clusters": None}
    first, second = (analysis.write(content, tmp_path / name) for name in "ab")
    assert [path.name for path in first] == ["figure_2e_importance.svg"]
    assert first[0].read_bytes() == second[0].read_bytes()


@pytest.mark.parametrize("name", ["figure_2g_neurons_and_error", "figure_2h_wiring_and_error"])
def test_our_point_lies_beside_the_papers(name: str) -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    content = {"active": np.arange(7), "lesions": {"accuracy": 0.9}, "wiring": {"count": 1234.0}}
    analysis.FIGURES[name][0](axes, content)
    star = axes.lines[-1]
    assert star.get_ydata() == pytest.approx([0.1])
    assert star.get_xdata()[0] == (7 if "neurons" in name else 1234.0)
    assert len(axes.lines) == 4
