"""The command line: one short module per command, imported when it is called for."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from farm.cli.crash import write_crash_log
from farm.cli.lazy import LazyGroup, ReaderGoneError
from farm.cli.output import print_error, print_problem, say
from farm.cli.state import State
from farm.config import load_config
from farm.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, FarmBug, FarmError, exit_code
from farm.version import __version__

GARBAGE = (50_000, 20, 50)
"""A command makes and drops many small things and soon ends: to look for cycles as often as Python does by
itself takes a tenth of its time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; every failure becomes a message, never a trace."""
    gc.set_threshold(*GARBAGE)
    try:
        return _run(arguments)
    except (BrokenPipeError, ReaderGoneError):
        # Whoever read our output has gone; nothing may complain about it later on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except FarmError as error:
        print_error(error)
        if isinstance(error, FarmBug):
            say(f"  the trace is in {write_crash_log()}")
        return exit_code(error)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return EXIT_USAGE
    except click.ClickException as error:
        print_problem("cli.usage", error.format_message(), _help_of(error))
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        print_problem("cli.interrupted", "interrupted")
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a stack trace must not reach the user
        print_problem("farm.bug", f"{type(error).__name__}: {error}", f"report this with {write_crash_log()}")
        return EXIT_BUG


def _run(arguments: Sequence[str] | None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that this terminal's encoding lacks must not end the program.
        sys.stdout.reconfigure(errors="backslashreplace")
    result = group.main(arguments, prog_name="farm", standalone_mode=False)
    sys.stdout.flush()
    return result if isinstance(result, int) else EXIT_OK


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "\b\nExamples:\n"
        "  farm bench                            the bundled network on this machine\n"
        "  farm bench model.onnx --devices 'rpi*,local'\n"
        "  farm results show last"
    ),
)
@click.option("-C", "folder", type=click.Path(path_type=Path), help="Run as if started in this folder.")
@click.option("--store", metavar="DIR|URL", help="Where results are kept.")
@click.option("--offline", is_flag=True, help="Download nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print data and errors only.")
@click.option("-v", "--verbose", count=True, help="Say more; may be repeated.")
@click.version_option(__version__, message="farm %(version)s")
@click.pass_context
def group(
    context: click.Context,
    folder: Path | None,
    store: str | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Learn what a neural network really costs on real edge hardware."""
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            raise click.UsageError(f"-C {folder}: {error.strerror}", context) from error
    overrides = {"store": store} if store is not None else {}
    if offline:
        overrides["offline"] = "true"
    config = load_config(overrides)
    if config.offline or "FARM_OFFLINE" in os.environ:
        # What builds converter environments reads the variable, wherever the setting came from.
        os.environ["FARM_OFFLINE"] = "1" if config.offline else "0"
    context.obj = State(config, json=as_json, quiet=quiet, verbose=verbose)


def _help_of(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context is not None else 'farm'} --help"
