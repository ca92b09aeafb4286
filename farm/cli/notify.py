"""``farm notify``: send a message to where nights send theirs."""

from __future__ import annotations

import sys

import click

from farm.cli.output import print_json, print_problem, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_OK, EXIT_PARTIAL, UsageError
from farm.notify_settings import LEVELS, VARIABLE


@click.command(
    "notify",
    epilog=examples(
        "farm notify 'the farm is down for an hour' --level warning",
        "farm compare @baseline last --md | farm notify --title 'since the release'",
    ),
)
@click.argument("text", required=False)
@click.option("--title", default="farm", show_default=True, help="The message's first line.")
@click.option("--level", type=click.Choice(LEVELS), default="info", show_default=True, help="How bad it is.")
@json_option
@pass_state
def command(state: State, text: str | None, title: str, level: str) -> int:
    """Send a message to every chat, mailbox or phone of [notify].

    Without TEXT it is read from standard input. The addresses are apprise's (https://github.com/caronc/apprise)
    and come from FARM_NOTIFY_URLS, separated by blanks, or from the file that [notify] names.

    Exit code 3 when some service did not take it.
    """
    from farm import notify

    found = notify.addresses(state.config.notify)
    if not found:
        raise UsageError(
            "there is no address to send to",
            code="notify.none",
            fix=f'set {VARIABLE}, or name a file with addresses: [notify] file = "..." in farm.toml',
        )
    body = text if text is not None else _read()
    if not body.strip():
        raise UsageError("there is no text to send", code="cli.usage", fix="farm notify 'some text'")
    notify.import_apprise()
    done = notify.send(state.config, title, body, level)
    for line in done.failed:
        print_problem("notify.failed", line, "how addresses are written: https://github.com/caronc/apprise")
    least = state.config.notify.at_least
    if state.json:
        print_json({"schema": "farm.notify/1", "sent": done.sent, "failed": list(done.failed)})
    elif not done.sent and not done.failed:
        say(f"not sent: [notify] at_least = {least!r} is above {level}")
    else:
        say(f"sent to {done.sent} of {done.sent + len(done.failed)}")
    return EXIT_PARTIAL if done.failed else EXIT_OK


def _read() -> str:
    """The message on standard input, whatever its encoding; a person who types it is told so."""
    if sys.stdin is None:
        return ""
    if sys.stdin.isatty():
        say("reading the message from here; Ctrl-D ends it")
    return sys.stdin.buffer.read(1 << 16).decode("utf-8", "replace")
