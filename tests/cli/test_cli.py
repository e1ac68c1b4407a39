import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from neuromod.cli.options import CoresType

from neuromod import cli, errors


def installed():
    """The function behind the installed command."""
    (point,) = entry_points(group="console_scripts", name="neuromod")
    return point.load()


def neuromod(*arguments, cwd=None, **environment):
    """Run the installed command in a process of its own."""
    code = (
        "import sys; from importlib.metadata import entry_points;"
        "(point,) = entry_points(group='console_scripts', name='neuromod'); sys.argv[0] = 'neuromod'; point.load()()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_the_installed_command_is_ours():
    assert installed() is cli.main


def test_version():
    done = neuromod("--version")
    assert (done.returncode, done.stdout) == (0, f"neuromod {version('bimt-neuromod')}\n")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command_with_what_it_does(flag):
    done = CliRunner().invoke(cli.group, [flag])
    assert done.exit_code == 0
    for name in cli.COMMANDS:
        listed = done.output.split("Commands:")[1].splitlines()
        line = next(line for line in listed if line.startswith(f"  {name} "))
        assert len(line.split()) > 3, line


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_help_of_every_command_explains_its_options_and_offers_json(name):
    done = CliRunner().invoke(cli.group, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "--json" in done.output
    command = cli.group.get_command(click.Context(cli.group), name)
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help, (name, parameter.name)
    # An example to copy.
    assert f"neuromod {name}" in done.output.split("Options:")[0].split("\n", 1)[1]


@pytest.mark.parametrize(
    ("typed", "meant"), [("trian", "train"), ("maps", "map"), ("expor", "export"), ("demoo", "demo")]
)
def test_near_misses_are_named(typed, meant):
    done = neuromod(typed)
    assert done.returncode == 2
    assert f"did you mean '{meant}'?" in done.stderr
    assert done.stdout == ""


def test_an_unknown_command_or_option_is_a_usage_error():
    done = neuromod("xyzzy")
    assert done.returncode == 2
    assert "there is no command 'xyzzy'" in done.stderr
    assert neuromod("report", "--frobnicate").returncode == 2


def test_without_a_run_the_message_names_the_command_to_run(tmp_path):
    done = neuromod("report", cwd=tmp_path)
    assert done.returncode == errors.StageError.exit_code == 5
    assert "neuromod train" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NeuromodError("x"), 1), (errors.UsageError("x"), 2), (errors.DoesNotFitError("x"), 3),
        (errors.VerificationError("x"), 4), (errors.StageError("x"), 5), (errors.InterruptedRunError("x"), 130),
        (KeyboardInterrupt(), 130), (click.Abort(), 130), (MemoryError(), 2), (RuntimeError("x"), 1),
        (OSError(28, "No space left on device"), 2),
    ],
)  # fmt: skip
def test_every_failure_has_its_exit_code_and_one_sentence(monkeypatch, capsys, error, code):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(cli.group, "main", fail)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1


def test_a_bug_shows_where_it_happened_only_when_asked(monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("x")

    monkeypatch.setattr(cli.group, "main", fail)
    for arguments, traced in ((["neuromod"], False), (["neuromod", "-v"], True)):
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit):
            cli.main()
        assert ("Traceback" in capsys.readouterr().err) is traced


@pytest.mark.parametrize("text", ["4by4", "4", "0x4", "4x0", "-1x4", "4x4x4", "x", "", "4.0x4", "99999x1", "٤x٤"])
def test_grids_that_are_none(text):
    with pytest.raises(click.UsageError, match="rows x columns"):
        CoresType().convert(text, None, None)


@pytest.mark.parametrize(("text", "grid"), [("4x4", (4, 4)), ("1x16", (1, 16)), ("32X2", (32, 2))])
def test_grids(text, grid):
    assert CoresType().convert(text, None, None) == grid


HEAVY = ("torch", "numpy", "scipy", "numba", "onnx", "onnxruntime", "snntorch", "matplotlib", "networkx", "jinja2")


@pytest.mark.parametrize(
    "code", ["import neuromod; dir(neuromod)", "from neuromod import cli; cli.group(['--help'], standalone_mode=False)"]
)
def test_importing_and_help_load_nothing_heavy(code):
    code += f"\nimport sys, json\nprint('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize("name", ["map", "estimate", "report", "targets", "tasks", "runs"])
def test_commands_right_of_the_network_do_not_load_torch(name, tmp_path):
    code = (
        f"from neuromod import cli\nimport sys\nsys.argv = ['neuromod', {name!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    done = subprocess.run(
        f"'{sys.executable}' -c 'from neuromod.cli import main; main()' --help | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_every_command_file_is_registered():
    here = Path(cli.__file__).parent
    files = {path.stem for path in here.glob("*.py")} - {"__init__", "activity", "options", "output", "spiking"}
    assert files == set(cli.COMMANDS.values())


def test_the_help_tells_every_command_in_full(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(cli.group, ["--help"]).output
    lines = text.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == list(cli.COMMANDS)
    assert all(line.endswith(".") and not line.endswith("..") for line in lines)
