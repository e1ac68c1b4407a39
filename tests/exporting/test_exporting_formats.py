"""One place for what a format is: adding one takes a writer, a runner and a line for each."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from neuromod.exporting import formats
from neuromod.verification.runners import RUNNERS, limits_of


def test_every_variant_has_a_runner_and_every_runner_a_variant():
    assert list(formats.variants()) == list(RUNNERS)
    assert all(limits_of(kind) for kind in RUNNERS)
    for name, format in formats.FORMATS.items():
        assert bool(format.variants) != bool(format.proof), name
        assert all(file for variant in format.variants.values() for file in variant.files)


def test_commands_and_steps_follow():
    from neuromod.cli.export import command

    from neuromod.runs.commands import COMMANDS

    assert [step for step in COMMANDS if step.startswith("export-")] == [f"export-{name}" for name in formats.FORMATS]
    (option,) = (param for param in command.params if param.name == "formats")
    assert list(option.type.choices) == [*formats.FORMATS, "all"]
    assert all(format.about in command.help for format in formats.FORMATS.values())


# What a person would write: the writer, the runner, and the two lines.
ADDED = """
from neuromod.exporting.formats import FORMATS, Format, Option, Variant
from neuromod.exporting.writers import Written


def write(job):
    path = job.folder / "network.throw"
    path.write_text(f"{job.network.sha256()} {job.options['loud']}")
    return Written((path,), {"loud": job.options["loud"]})


def run(path, network, *, placement=None, n_trials=1000, seed=1, max_error=1.0):
    passed = path.read_text().startswith(network.sha256())
    return {"verified": True, "passed": passed, "reasons": [] if passed else ["another network"], "bytes": 1,
            "decision_agreement": None, "accuracy": None, "max_abs_error": 0.0}


FORMATS["throwaway"] = Format("Throw-away", "exports/network.throw, for nobody", write,
                              variants={"throwaway": Variant("Throw-away", ("network.throw",), "network.throw")},
                              options={"loud": Option(("very",), "throwaway: how loud.")})
from neuromod.verification.runners import RUNNERS
RUNNERS["throwaway"] = run
"""


@pytest.fixture
def neuromod_with_it(tmp_path):
    script = tmp_path / "added.py"
    script.write_text(textwrap.dedent(ADDED) + "\nfrom neuromod.cli import main\nmain()\n")

    def call(*arguments):
        return subprocess.run([sys.executable, script, *map(str, arguments)], capture_output=True, text=True)

    return call


def test_a_throw_away_format_needs_nothing_else(neuromod_with_it, solver, run_of):
    run = run_of(solver)
    told = neuromod_with_it("export", "--help").stdout
    assert "exports/network.throw, for nobody" in told
    assert "--loud [very]" in told
    done = neuromod_with_it("export", "--format", "throwaway", "--loud", "very", "--run", run.path, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["formats"], result["throwaway"]["loud"]) == (["throwaway"], "very")
    assert [Path(file["path"]).name for file in result["files"]] == ["network.throw"]
    record = run.manifest()["steps"]["export-throwaway"]
    assert (record["arguments"], list(record["outputs"])) == ({"loud": "very"}, ["exports/network.throw"])
    done = neuromod_with_it("verify", "--run", run.path, "--json", "--trials", 10)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["throwaway"]["passed"]
    assert neuromod_with_it("report", "--run", run.path, "-q").returncode == 0
    page = (run.path / "report.html").read_text()
    assert page.count("Throw-away") >= 2
    run.file("exports/network.throw").write_text("something else")
    done = neuromod_with_it("verify", "--run", run.path, "--json", "--trials", 10)
    assert (done.returncode, json.loads(done.stdout)["throwaway"]["reason"]) == (4, "another network")


def test_several_formats_are_written_all_or_none(solver, run_of, monkeypatch):
    from neuromod.cli.output import Talk

    from neuromod.exporting import snn
    from neuromod.stages import export_stage

    run, talk = run_of(solver), Talk(quiet=True)
    given = {"formats": ("onnx", "snn"), "talk": talk, "substeps": 4, "tune": "never"}
    export_stage(run, **given, quantize="int8")

    def state():
        return {str(p.relative_to(run.path)): p.read_bytes() for p in run.path.rglob("*") if p.is_file()}

    before = state()
    monkeypatch.setattr(snn, "template", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export_stage(run, **given)
    assert state() == before
    monkeypatch.undo()
    export_stage(run, **given)
    gone = {name for name in before if "int8" in name}
    assert set(before) - set(state()) == gone
    assert len(gone) == 2
