"""The `neuromod` command: one file per subcommand, the library imported only inside the bodies."""

from __future__ import annotations

import difflib
import errno
import sys
import traceback
from importlib import import_module

import click

# Name on the command line -> module beside this file; the order is that of the help.
COMMANDS = {
    "demo": "demo",
    "train": "train",
    "import": "import_",
    "prune": "prune",
    "map": "map",
    "estimate": "estimate",
    "explore": "explore",
    "export": "export",
    "verify": "verify",
    "report": "report",
    "analyze": "analyze",
    "sweep": "sweep",
    "data": "data",
    "tasks": "tasks",
    "targets": "targets",
    "runs": "runs",
}


class _Commands(click.Group):
    """Finds subcommands by name, so that asking for one does not import the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"neuromod.cli.{COMMANDS[cmd_name]}").command
        assert isinstance(command, click.Command)
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else "; `neuromod --help` lists the commands"
            raise click.UsageError(f"there is no command '{name}'{hint}", ctx=ctx)
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from neuromod import __version__

        click.echo(f"neuromod {__version__}")
        ctx.exit()


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command works on the newest run unless given --run PATH, and prints one JSON object with --json.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def group() -> None:
    """Train spatial recurrent networks, map them onto neuromorphic cores, and export what is proven.

    \b
      neuromod demo                     all of it in one go, in three minutes
      neuromod train                    a network on 20 cognitive tasks
      neuromod map --cores 4x4          its neurons on a grid of cores
      neuromod export --format onnx     a file that other runtimes load
    """


def main() -> None:
    """Run the command; every foreseen failure is one sentence on stderr and its exit code."""
    from neuromod.errors import NeuromodError

    try:
        code = group.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; nothing half-written was left behind.", err=True)
        code = 130
    except NeuromodError as error:
        from neuromod.runs import words

        click.echo(f"Error: {words.in_commands(str(error))}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        # The reader of our output went away, as `head` does.
        sys.stderr.close()
        code = 0
    except OSError as error:
        # Libraries write temporary files of their own, without a word of where.
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        where = error.filename or ("a temporary file" if full else "a file")
        advice = "; free some space there, or name another folder with TMPDIR" if full else ""
        click.echo(f"Error: {where}: {error.strerror or error}{advice}", err=True)
        code = 2
    except MemoryError:
        click.echo("Error: not enough memory; try fewer trials, a smaller network or a smaller batch", err=True)
        code = 2
    except Exception as error:
        if "-v" in sys.argv or "--verbose" in sys.argv:
            traceback.print_exc()
        click.echo(
            f"Internal error: {type(error).__name__}: {error}. This is a bug in neuromod; -v shows where it happened.",
            err=True,
        )
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
