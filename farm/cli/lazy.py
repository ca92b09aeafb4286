"""A click group whose commands are the modules of this package, imported only on use."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import itertools
import pkgutil
from collections.abc import Iterator
from typing import Any

import click

import farm.cli

HELPERS = frozenset(
    {
        "ab_options",
        "after_options",
        "calib_options",
        "crash",
        "data_options",
        "duration",
        "gate_options",
        "holding",
        "enroll_options",
        "enroll_phone",
        "lazy",
        "measure_options",
        "nightly_install",
        "output",
        "results_care",
        "results_output",
        "results_push",
        "results_query",
        "results_read",
        "results_transfer",
        "shapes_option",
        "state",
        "table",
        "types",
    }
)


OTHER_WORDS = {
    "ab": "bench --ab",
    "add": "enroll",
    "benchmark": "bench",
    "check": "doctor",
    "dashboard": "serve",
    "deploy": "export",
    "diff": "compare",
    "history": "results list",
    "import": "results import",
    "list": "results list",
    "ls": "results list",
    "measure": "bench",
    "prune": "optimize",
    "quantise": "convert",
    "quantize": "convert",
    "query": "results query",
    "remove": "retire",
    "run": "bench",
    "status": "nightly status",
    "ui": "serve",
    "web": "serve",
}
"""What other tools call it."""
GLOBAL_FLAGS = frozenset({"-q", "--quiet", "-v", "-vv", "--verbose", "--offline"})
"""Options of ``farm`` that no command has itself."""


class ReaderGoneError(Exception):
    """Whoever read our output has gone. Not an OSError, because click would end the process with 1."""


class LazyGroup(click.Group):
    """Every module of farm.cli that is not a helper defines ``command``, a click command or group."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:  # noqa: ANN401 - click's signature
        """As click does; prints help on the way."""
        with _noticing_the_reader():
            return super().make_context(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but the global options may also stand behind the command."""
        return super().parse_args(ctx, globals_first(args))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """As click does."""
        with _noticing_the_reader():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names by file name; nothing is imported."""
        return sorted(
            module.name for module in pkgutil.iter_modules(farm.cli.__path__) if module.name not in HELPERS
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that is asked for."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"farm.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but suggest the nearest name without importing every command."""
        name = args[0]
        if name[:1] != "-" and name not in self.list_commands(ctx):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            meant = OTHER_WORDS.get(name) or (near[0] if near else "")
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


def globals_first(arguments: list[str]) -> list[str]:
    """``bench m.onnx -q --store here`` as ``-q --store here bench m.onnx``; nothing behind ``--`` moves."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments[:end])
    for word in words:
        if word in GLOBAL_FLAGS or word.startswith("--store="):
            front.append(word)
        elif word == "--store":
            front += [word, *itertools.islice(words, 1)]
        else:
            rest.append(word)
    return [*front, *rest, *arguments[end:]]


@contextlib.contextmanager
def _noticing_the_reader() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGoneError from error
