"""A click group whose commands are the modules of this package, imported only on use."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

import click

import farm.cli

HELPERS = frozenset(
    {"crash", "duration", "lazy", "output", "results_output", "shapes_option", "state", "types"}
)


class LazyGroup(click.Group):
    """Every module of farm.cli that is not a helper defines ``command``, a click command or group."""

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
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)
