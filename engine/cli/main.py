"""The `greenfinch` command group.  Each command's module is imported only when it is used."""

from __future__ import annotations

import errno
import importlib
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from engine.errors import GreenfinchError

PASSED, FAILED, COULD_NOT_RUN = 0, 1, 2
_INTERRUPTED = 130

# Command, module that defines it under the same name, and what it does.
_COMMANDS = {
    "demo": ("engine.cli.demo", "Watch a local model implement a small sample project."),
    "implement": ("engine.cli.implement", "Implement PATH:NAME until its tests pass."),
    "verify": ("engine.cli.verify", "Judge a given text by the tests; touch nothing."),
    "models": ("engine.cli.models", "List, pull and check models."),
    "runs": ("engine.cli.runs", "List and show past runs."),
    "doctor": ("engine.cli.doctor", "Say what Greenfinch found on this machine, with remedies."),
    "bench": ("engine.cli.bench", "Measure strategies on a problem set."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use, so that none pays for another's libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, what) for name, (_, what) in _COMMANDS.items()]
        rows += [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from engine import version

        click.echo(f"greenfinch {version()}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
              help="Show the version and exit.")  # fmt: skip
def cli() -> None:
    """A small model on your own machine implements a function until your own tests pass."""


@contextmanager
def errors_as_json(wanted: bool) -> Iterator[None]:
    """Where wanted, end stdout with a line that tells the error, for those who read nothing else."""
    try:
        yield
    except (GreenfinchError, OSError) as error:
        told = _of_system(error) if isinstance(error, OSError) else error
        if wanted and getattr(error, "errno", None) != errno.EPIPE:  # then nobody reads it
            print(json.dumps({"event": "error", "what": told.what, "remedy": told.remedy}), flush=True)
        raise


def _of_system(error: OSError) -> GreenfinchError:
    """What the system refused, and no command has foreseen, as an error for the user."""
    where = f"{error.filename}: " if error.filename else ""
    return GreenfinchError(
        f"{where}{error.strerror or error}.",
        remedy="Check that it is there, that you may use it, and that disks have room.",
    )


def run(command: click.Command = cli) -> None:
    """Run the command line; ends the process with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a test says may have characters that no encoding knows, or that this terminal's does not.
            stream.reconfigure(errors="backslashreplace")
    try:
        # Not click's standalone mode: it would turn an interruption into "Aborted!" and exit status 1.
        status = command.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else PASSED)  # a number comes from `Context.exit`, as for --help
    except (GreenfinchError, OSError) as error:
        told = _of_system(error) if isinstance(error, OSError) else error
        print(f"greenfinch: {told.what}", file=sys.stderr)
        if told.remedy:
            print(f"  -> {told.remedy}", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("greenfinch: interrupted; nothing was changed.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
