"""What ``farm enroll`` and ``farm retire`` share: options about logging in, and how they talk."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from farm.cli.output import printable, say

if TYPE_CHECKING:
    from farm.devices.device import Device
    from farm.devices.hostkeys import HostKey
    from farm.enroll.events import Event
    from farm.enroll.proposal import Proposal

F = TypeVar("F", bound=Callable[..., Any])
VARIABLES = {"password": "FARM_LOGIN_PASSWORD", "become_password": "FARM_BECOME_PASSWORD"}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--identity", default="", metavar="FILE", help="The private key to log in with."),
    click.option("--ask-password", is_flag=True, help="Ask for the password to log in with."),
    click.option(
        "--password-file",
        type=_FILE,
        help=f"Log in with the password in this file's first line (or {VARIABLES['password']}).",
    ),
    click.option("--ask-become-password", is_flag=True, help="Ask for the password of sudo there."),
    click.option(
        "--become-password-file",
        type=_FILE,
        help=f"The password of sudo, if another (or {VARIABLES['become_password']}).",
    ),
    click.option("--check", is_flag=True, help="Change nothing; say what would be changed."),
    click.option("--diff", is_flag=True, help="With --check: show every change."),
    click.option("--yes", is_flag=True, help="Do not ask."),
)


def login_options(function: F) -> F:
    """Decorator: the options in the order in which they are listed here."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def secret(what: str, file: Path | None, ask: bool, prompt: str) -> str:
    """A password from where it was said to be; empty where it was not. Never from the command line."""
    from farm.errors import UsageError

    if file is not None:
        try:
            text = file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{file} cannot be read: {error}",
                code="enroll.password-file",
                fix="give a text file of one line",
            ) from error
        if not text:
            raise UsageError(
                f"{file} is empty", code="enroll.password-file", fix="write the password into its first line"
            )
        return text
    if ask:
        return str(click.prompt(prompt, hide_input=True, err=True))
    return os.environ.get(VARIABLES[what], "")


def end_in_order() -> None:
    """Let SIGTERM and a closed terminal end this process as Ctrl-C does: what it keeps secret is removed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


class Terminal:
    """Talks to whoever sits there (``farm.enroll.talk.Talk``)."""

    def __init__(self, *, yes: bool, diff: bool) -> None:
        self.present = sys.stdin.isatty()
        self._yes = yes
        self._diff = diff

    def say(self, text: str) -> None:
        """On standard error."""
        say(text)

    def hear(self, event: Event) -> None:
        """A line for each task that did something; its changes with ``--diff``."""
        from farm.enroll.events import Ended

        if not isinstance(event, Ended) or event.status in ("ok", "skipped"):
            return
        role = f"{event.role}: " if event.role else ""
        say(f"{event.device}  {event.status:<8} {role}{printable(event.task)}")
        if self._diff and event.diff:
            say("".join(f"    {line}\n" for line in event.diff.strip().splitlines()).rstrip())

    def is_key(self, device: Device, key: HostKey) -> bool:
        """As ``farm devices add`` asks."""
        from farm.cli.devices import _confirm

        return _confirm(device, key)

    def password(self, what: str) -> str:
        """Without echo."""
        return str(click.prompt(what, hide_input=True, err=True))

    def agreed(self, device: Device, proposal: Proposal | None) -> bool:
        """What was found and would be installed; then yes or no. Raises enroll.unconfirmed."""
        from farm.errors import UsageError

        if proposal is not None:
            lines = proposal.lines()
            width = max(len(what) for what, _ in lines)
            say("\n".join(f"  {what:<{width}}  {how}" for what, how in lines))
        if self._yes:
            return True
        if not self.present:
            raise UsageError(
                f"device {device.name}: nobody confirmed that it is to be changed",
                code="enroll.unconfirmed",
                fix="say --yes; --check --diff shows what would be done",
            )
        return click.confirm(f"Change {device.name} so?", err=True)
