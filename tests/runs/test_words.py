"""What the library says in Python, in words of the command line."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neuromod.importing.edge_list import headings
from neuromod.runs.words import in_commands

LIBRARY = Path(__file__).resolve().parents[2] / "neuromod"


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("give `tau_ms`, too", "give --tau-ms, too"),
        ("choose with `recurrent=NAME`", "choose with --recurrent NAME"),
        ('`duplicates="sum"` adds them', "--duplicates sum adds them"),
        ("`dt_ms=5` ms; leave `dt_ms` out", "--dt-ms 5 ms; leave --dt-ms out"),
        ("it is out of range: `trials_per_task=1`", "it is out of range: --trials 1"),
        ("stale; run `neuromod.place`", "stale; run `neuromod map`"),
        ('`neuromod.export(format="snn")`', "`neuromod export --format snn`"),
        (
            "`neuromod.train(wiring_cost='hops', cores='4x4')`",
            "`neuromod train --wiring-cost hops --cores 4x4`",
        ),
        (headings.columns(source=1, target=2), "--columns source=1,target=2"),
        (headings.columns(source="a b", weight="n"), "--columns 'source=a b,weight=n'"),
        (headings.columns(source="…"), "--columns source=…"),
    ],
)
def test_python_becomes_what_is_typed(said, typed):
    assert in_commands(said) == typed


@pytest.mark.parametrize(
    "text",
    ["no marks", "`pip install nir`", "`neuromod.load(x)`", "`neuromod map --cores 4x4`", "`rates`", "a ` alone", "``"],
)
def test_what_no_command_does_stays(text):
    assert in_commands(text) == text


def test_every_function_that_a_message_names_has_a_command():
    """What a message calls `neuromod.…` is there in Python, and is typed as a command."""
    import neuromod

    found = set()
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.Raise):
                found |= set(re.findall(r"(?:run|with) `neuromod\.([a-z_]+)[`(]", ast.unparse(node)))
    assert {"place", "train", "export", "estimate", "analyze"} <= found
    for name in found:
        assert callable(getattr(neuromod, name))
        assert in_commands(f"`neuromod.{name}`") != f"`neuromod.{name}`"


def test_a_refusal_of_the_command_names_the_option(tmp_path):
    (tmp_path / "a.txt").write_text("a;b,c;d\n")
    done = subprocess.run(
        [sys.executable, "-c", "from neuromod.cli import main; main()", "import", str(tmp_path / "a.txt")],
        capture_output=True, text=True, env={"NEUROMOD_RUNS": str(tmp_path / "runs"), "PATH": ""}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "say which with --delimiter" in done.stderr
    assert "`" not in done.stderr


def test_settings_without_an_option_are_set():
    from neuromod.runs import words

    assert words.in_commands("or a smaller ring with `tasks.ring=4`") == "or a smaller ring with --set tasks.ring=4"
    assert words.in_commands("the `chip.spikes` of it") == "the `chip.spikes` of it"
