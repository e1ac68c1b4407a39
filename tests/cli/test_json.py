"""Every key that a command prints with ``--json`` stands in docs/json.md, and those that stand there are printed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import io, sparse

from neuromod import cli

DOCS = Path(__file__).parents[2] / "docs"

# Objects whose keys are data: tasks, trials, stages, figures, methods, collections, runtimes.
OPEN = {"accuracy_per_task", "failed", "stages", "figures", "methods", "collections", "runtimes", "null"}


def sections(page: str) -> dict[str, set[str]]:
    """Heading -> words in code type below it."""
    parts = re.split(r"^## (.*)$", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        heading: {word for code in re.findall(r"`([^`]+)`", text) for word in re.split(r"[^\w]+", code)}
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def keys(content: object) -> set[str]:
    """All keys, however deep, but those that are data."""
    if isinstance(content, list):
        return set().union(*map(keys, content))
    if not isinstance(content, dict):
        return set()
    found = set(content)
    for name, value in content.items():
        if name in OPEN:
            found |= set().union(*(keys(part) for part in value.values())) if isinstance(value, dict) else set()
        else:
            found |= keys(value)
    return found


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> dict[str, list[object]]:
    """Command -> what it printed, each time."""
    folder = tmp_path_factory.mktemp("json")
    run = str(folder / "run")
    rng = np.random.default_rng(0)
    io.mmwrite(folder / "w.mtx", sparse.random(12, 12, 0.3, rng=rng))
    for part in ("TRAIN", "TEST"):
        rows = [f"{','.join(f'{v:.3f}' for v in rng.normal(size=6) + k % 2)}:{'ab'[k % 2]}" for k in range(20)]
        (folder / f"d_{part}.ts").write_text("\n".join(["@classLabel true a b", "@data", *rows]))
    np.savez(folder / "v.npz", inputs=rng.normal(size=(20, 6, 2)), targets=rng.normal(size=(20, 1)))
    small = ["--tasks", "go,rtgo,dlygo", "--set", "training.steps=40", "--set", "network.neurons=25"]
    calls = [
        ["train", *small, "--cores", "2x2", "--wiring-cost", "hops", "--plot", str(folder / "a.svg"),
         "--film", str(folder / "a.gif"), "--run", run],
        ["prune", "--threshold", "0.001", "--run", run],
        ["map", "--run", run],
        ["estimate", "--run", run],
        ["prune", "--packets", "--max-accuracy-drop", "0.5", "--trials", "20", "--run", run],
        ["map", "--run", run],
        ["export", "--format", "all", "--format", "xylo", "--format", "loihi", "--format", "loihi2",
         "--quantize", "int8", "--substeps", "3", "--tune", "never", "--run", run],
        ["verify", "--trials", "20", "--run", run],
        ["analyze", "--trials", "4", "--run", run],
        ["explore", "--cores", "2x2", "--weight-bits", "4", "--placer", "tiles", "--plot", str(folder / "e.svg"),
         "--run", run],
        ["report", "--run", run],
        ["import", str(folder / "w.mtx"), "--run", str(folder / "other")],
        ["report", "--compare", run, str(folder / "other"), "--out", str(folder / "c.html")],
        ["sweep", "--regularizers", "none", "--seeds", "0", "--set", "training.steps=5", "--set", "network.neurons=9",
         "--set", "tasks.names=go", "--out", str(folder / "sweep")],
        ["sweep", "--dry-run"],
        ["tasks"],
        ["data", str(folder / "d_TRAIN.ts")],
        ["data", str(folder / "v.npz")],
        ["train", "--data", str(folder / "d_TRAIN.ts"), "--neurons", "9", "--steps", "5", "--run", str(folder / "d")],
        ["targets"],
        ["targets", "show", "loihi1"],
        ["runs"],
    ]  # fmt: skip
    found: dict[str, list[object]] = {}
    for call in calls:
        done = CliRunner(env={"NEUROMOD_RUNS": str(folder)}).invoke(cli.group, [*call, "--json"])
        assert done.stdout.startswith("{"), (call, done.output, done.exception)
        found.setdefault(call[0], []).append(json.loads(done.stdout))
    return found


# What a command prints is also described with the file that holds it.
ALSO = {
    "estimate": ["traffic.json"],
    "verify": ["verify.json"],
    "export": ["exports/snn/"],
    "analyze": ["analysis.json"],
    "demo": [],
}


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_every_key_is_documented(command: str, printed) -> None:
    documented, files = sections("json.md"), sections("formats.md")
    known = documented[f"neuromod {command}"].union(*(files[name] for name in ALSO.get(command, [])))
    known |= {"run", "seconds", "plot", "accuracy_per_task"}
    if command == "demo":
        # It prints what the others print; tests/check_demo.py runs it.
        assert {"run", "accuracy", "report", "train", "verify"} <= known
        return
    found = keys(printed[command])
    assert found
    assert found - known == set()


@pytest.mark.parametrize(
    "command", ["train", "import", "prune", "map", "explore", "sweep", "tasks", "data", "targets", "runs", "report"]
)
def test_every_documented_key_is_printed(command: str, printed) -> None:
    text = (DOCS / "json.md").read_text(encoding="utf-8").split(f"## neuromod {command}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row)} - {"plot"}
    assert named
    assert named <= keys(printed[command])
