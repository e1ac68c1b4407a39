"""Every console and Python block of the documentation runs, on a network made by hand instead of a trained one."""

import importlib.util
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from neuromod import cli
from neuromod.files import load_tensors
from neuromod.mapping import placers
from neuromod.runs import run as rundir

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "tutorials").glob("*.md")),
]

# Too long for a test, or about the installation: .ci/run executes them. Their arguments are parsed here.
ELSEWHERE = (
    "neuromod demo",
    "neuromod train",
    "neuromod train --tasks go,anti,rtgo,rtanti,dlygo,dlyanti --neurons 100 --steps 1500 --wiring-cost hops "
    "--cores 4x4 --film film.gif --plot training.svg",
    "pip install .",
    "pip install xylosim",
    "pip install -e '.[test]' && pytest",
)

# Run with less to do: of an option that is given twice, the last one counts.
SHORTER = {
    "neuromod train --run runs/growing --film growing.gif": "--tasks go,anti --neurons 36 --steps 60",
}


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def in_order(page):
    return re.findall(r"^```(console|python)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page):
    return [line[2:] for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def master(tmp_path_factory, solver_network):
    """A folder with a run as `neuromod train` leaves it, of a network that solves its tasks."""
    folder = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("NEUROMOD_RUNS", raising=False)
        run = rundir.create("yang19", Path("runs") / "2026-11-23-yang19-a1f3")
    run = rundir.Run(folder / run.path)
    solver_network.save(run.file("network.safetensors"))
    run.file("metrics.jsonl").write_text('{"step": 100, "loss": 0.1, "accuracy": 1.0, "wiring_length": 30.0}\n')
    names = solver_network.info["tasks"]
    result = {"accuracy": 1.0, "accuracy_per_task": dict.fromkeys(names, 1.0), "run": str(run.path)}
    run.record("train", arguments={"seed": 0}, seconds=1, inputs=[], outputs=["network.safetensors"], result=result)
    return folder


@pytest.fixture
def folder(master, tmp_path, monkeypatch):
    """A copy of it, in which one page is followed from top to bottom."""
    shutil.copytree(master, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("NEUROMOD_RUNS", raising=False)
    # A page may register what it makes.
    monkeypatch.setattr(placers, "PLACERS", dict(placers.PLACERS))
    before = set(sys.modules)
    yield tmp_path / "work"
    for name in {"neuromod.mapping.placers.by_rate", "model"} & (set(sys.modules) - before):
        del sys.modules[name]


@pytest.fixture(autouse=True)
def small_data(request, tmp_path, monkeypatch):
    """Data of the layout that the wheel of aeon has, where it is not installed, and fewer steps of training on them."""
    from neuromod.training.on_data import defaults

    monkeypatch.setattr(defaults, "_ROUNDS", 0)
    monkeypatch.setattr(defaults, "_FEWEST", 200)
    monkeypatch.setattr(defaults, "NEURONS", 36)
    if importlib.util.find_spec("aeon") is not None:
        return
    folder = tmp_path / "wheel" / "aeon" / "datasets" / "data" / "BasicMotions"
    folder.mkdir(parents=True)
    (tmp_path / "wheel" / "aeon" / "__init__.py").touch()
    rng = np.random.default_rng(0)
    for part in ("TRAIN", "TEST"):
        lines = ["@classLabel true Standing Running Walking Badminton", "@data"]
        for k in range(40):
            speed = (0.0, 0.9, 0.4, 0.2)[k % 4]
            x = np.sin(speed * np.arange(100)[:, None] + rng.uniform(0, 6, 6)) + 0.3 * rng.normal(size=(100, 6))
            # Far apart, so that a small network, trained for some steps, decides without doubt.
            x[:, k % 4] += 3
            channels = [",".join(f"{value:.4f}" for value in channel) for channel in x.T]
            lines.append(":".join([*channels, ("Standing", "Running", "Walking", "Badminton")[k % 4]]))
        (folder / f"BasicMotions_{part}.ts").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path / "wheel")


def test_there_is_something_to_run():
    assert sum(len(commands(page)) for page in PAGES) >= 40
    assert sum(len(blocks(page, "python")) for page in PAGES) >= 10


@pytest.mark.parametrize("page", [page for page in PAGES if in_order(page)], ids=lambda page: page.stem)
def test_every_block_works_as_printed(page, folder, capsys):
    for language, block in in_order(page):
        if language == "console":
            for line in block.splitlines():
                if line.startswith("$ "):
                    _command(line[2:])
            continue
        if "exports/" in block and not list(folder.glob("runs/*/exports/snn")):
            _command("neuromod export --format onnx --format snn --substeps 5 --tune never")
        capsys.readouterr()
        exec(compile(block, page.name, "exec"), {"__name__": "__main__"})
        said = capsys.readouterr().out
        assert said.strip(), block


def _command(command):
    if command in ELSEWHERE:
        for part in command.split(" && "):
            words = shlex.split(part)
            if words[0] == "neuromod":
                parsed = cli.group.get_command(click.Context(cli.group), words[1])
                parsed.make_context(words[1], words[2:])
        return
    words = shlex.split(f"{command} {SHORTER.get(command, '')}")
    assert words[0] == "neuromod", command
    done = CliRunner().invoke(cli.group, words[1:])
    if importlib.util.find_spec("xylosim") is None and "xylo: no simulator is installed" in str(done.exception):
        assert done.exception.exit_code == 4
        return
    assert done.exit_code == 0, (command, done.output, done.exception)
    if "--json" in words:
        json.loads(done.stdout)


def test_the_formats_page_names_every_field(full_run, tmp_path):
    from neuromod.cli.output import Talk

    from neuromod.stages import export_stage

    run = full_run(tmp_path / "run")
    export_stage(run, formats=("snn",), talk=Talk(quiet=True), substeps=2)
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`\n]+)`", page))
    wanted = set()
    for file in ("run.json", "placement.json", "traffic.json", "verify.json", "exports/snn/config.json"):
        wanted |= set(json.loads(run.file(file).read_text()))
    traffic = json.loads(run.file("traffic.json").read_text())
    verify = json.loads(run.file("verify.json").read_text())
    step = run.manifest()["steps"]
    wanted |= set(traffic["per_core"][0]) | set(traffic["shuffled"]) | set(traffic["links"]) | set(traffic["activity"])
    wanted |= set(verify["onnx"]) | set(verify["snn"]) | set(step["map"])
    for file, schema in (("pruned.safetensors", "network"), ("activity.safetensors", "activity")):
        tensors, metadata = load_tensors(run.file(file), schema=f"neuromod/{schema}/1")
        wanted |= set(tensors) | set(metadata)
    assert {name for name in wanted if name not in named} == set()
    # And it names no schema that is not there.
    for file in ("run.json", "placement.json", "traffic.json", "verify.json", "exports/snn/config.json"):
        assert f"`{json.loads(run.file(file).read_text())['schema']}`" in page
    # Every artefact of the run is on the page.
    for path in run.path.iterdir():
        assert path.name in page


def test_metrics_are_named():
    import dataclasses

    from neuromod.training.loop import Progress

    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(Progress):
        assert f"`{field.name}`" in page, field.name


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "cli.md"], ids=lambda page: page.name)
def test_the_table_of_exit_codes_is_that_of_the_errors(page):
    from neuromod import errors

    table = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", page.read_text(encoding="utf-8"), re.M))
    codes = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.NeuromodError)
    }
    assert {int(code) for code in table} == codes | {0}


def test_the_readme_lists_every_command():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in cli.COMMANDS:
        assert re.search(rf"`(neuromod )?{name}\b", text), name


def test_pictures_and_pages_that_are_linked_exist():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_nothing_names_a_path_of_this_machine_or_a_registry():
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CITATION.cff", ROOT / ".ci" / "run"]:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(^|[\s\"'`(])/(work|root|home)/", text), page.name
        assert "--index-url" not in text, page.name
