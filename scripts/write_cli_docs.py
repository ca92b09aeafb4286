"""Write docs/cli.md from the commands' own help.

python scripts/write_cli_docs.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

import farm.cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEAD = """\
# Command line

Written from the commands' own help by `python scripts/write_cli_docs.py`; a test fails when it is stale.

Data go to standard output, messages to standard error. A terminal gets tables and bars; a pipe gets
tab-separated values with a header line, uncut; `--json`, before or after the command, gets one JSON
document. `NO_COLOR` and `FORCE_COLOR` are honoured.

Exit codes: 0 all ok, 1 a gate failed, 2 usage or configuration, 3 partial (what worked is kept), 4 nothing
selected or nothing ran, 5 inconclusive (only when asked for), 70 internal error, 130 interrupted. The
errors stand in [errors](errors.md).

## Settings

From `farm.toml` in the working folder (or `[tool.farm]` of its `pyproject.toml`), else from the user's
`~/.config/farm/config.toml`. `FARM_STORE` and so on, for the keys that are no tables, outrank files, options
outrank all. `farm config show --origin` tells what holds and where it came from.

| key | what | default |
|---|---|---|
| `store` | folder, `.db` file or address of a database: [store](store.md) | `~/.local/share/farm` |
| `cache_dir` | converted models, toolchains; may be removed at any time | `~/.cache/farm` |
| `state_dir` | keys, tokens, studies, results that wait for the store | `~/.local/state/farm` |
| `inventory_path` | the list of devices | `~/.config/farm/devices.toml` |
| `offline` | download nothing | `false` |
| `[nightly]` | what nights measure: [nights](nightly.md) | the bundled network |
| `[notify]` | who is told: [messages](integrations.md#messages) | nobody |
| `[health]`, `[switches]` | checks and power switches: [health](health.md) | |
| `[meters]` | power meters: [power](power.md) | |

`FARM_DEVICES` names the devices of a `farm bench` without `--devices`.
"""


def sections(words: str, command: click.Command, parent: click.Context | None) -> Iterator[str]:
    """A heading and the help of a command, then those of its subcommands."""
    name = words.rpartition(" ")[2]
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=100, max_content_width=100, color=False
    )
    context.help_option_names = ["-h", "--help"]
    yield f"## {words}\n\n```\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None:
                yield from sections(f"{words} {child_name}", child, context)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *sections("farm", farm.cli.group, None)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
