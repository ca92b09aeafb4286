"""Messages to chats, mail and phones by apprise: what a night found, in a few lines.

An address holds tokens and is never shown: services are told apart by their number and their kind.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.config import Config
from farm.errors import FarmError, InfrastructureError, UsageError
from farm.notify_settings import FAILURE, INFO, LEVELS, SUCCESS, VARIABLE, WARNING, NotifySettings
from farm_results.text import printable

__all__ = [
    "FAILURE",
    "INFO",
    "LEVELS",
    "SUCCESS",
    "WARNING",
    "Delivery",
    "addresses",
    "import_apprise",
    "send",
]

TITLE_LIMIT = 200
BODY_LIMIT = 3_000
MOST_ADDRESSES = 32
_STATUS = re.compile(r"error=(\d{3})")


@dataclass(frozen=True)
class Delivery:
    """``sent``: services that took the message; ``failed``: one line for each that did not, or why none could
    be asked. No line holds an address."""

    sent: int = 0
    failed: tuple[str, ...] = ()


def send(config: Config, title: str, body: str, level: str = INFO) -> Delivery:
    """Send a message to every address of the settings; without any, or below ``at_least``, send nothing.

    ``level``: info, success, warning or failure. Never raises a FarmError: a night does not fail because a
    chat is away. What went wrong stands in ``failed``.
    """
    settings = config.notify
    if LEVELS.index(level) < LEVELS.index(settings.at_least):
        return Delivery()
    try:
        found = addresses(settings)
        if not found:
            return Delivery()
        apprise = import_apprise()
    except FarmError as error:
        return Delivery(failed=(f"{error.message} ({error.fix})",))
    title, body = _plain(title, TITLE_LIMIT), _lines(body)
    sent, failed = 0, []
    for number, address in enumerate(found, 1):
        why = _send_one(apprise, address, title, body, level)
        sent += not why
        failed += [f"address {number}: {why}"] if why else []
    return Delivery(sent, tuple(failed))


def addresses(settings: NotifySettings) -> tuple[str, ...]:
    """Every address, each once: those of the variable, then those of the file.

    Raises UsageError notify.file, notify.secrets.
    """
    words = os.environ.get(settings.env, "").split()
    if settings.file is not None:
        words += [line for line in _read(settings.file).splitlines() if not line.lstrip().startswith("#")]
    found = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    if len(found) > MOST_ADDRESSES:
        raise UsageError(
            f"{len(found)} addresses are more than {MOST_ADDRESSES}",
            code="notify.file",
            fix="let one service hand the message on to the others",
        )
    return found


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno())
            if stat.S_IMODE(mode.st_mode) & 0o077 or mode.st_uid not in (os.getuid(), 0):
                raise UsageError(
                    f"{path} holds addresses with tokens, but others may read it",
                    code="notify.secrets",
                    fix=f"chmod 600 {path}, and let it belong to you",
                )
            return file.read(1 << 16).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(
            f"{path} cannot be read: {reason}",
            code="notify.file",
            fix=f"write one address per line into it, or use the variable {VARIABLE}",
        ) from error


def import_apprise() -> Any:  # noqa: ANN401 - a module
    """The package. Raises InfrastructureError notify.needs-apprise."""
    try:
        import apprise
    except ImportError as error:
        raise InfrastructureError(
            "messages need apprise, which is not installed",
            code="notify.needs-apprise",
            fix="pip install 'edgefarm[notify]'",
        ) from error
    return apprise


def _send_one(apprise: Any, address: str, title: str, body: str, level: str) -> str:  # noqa: ANN401
    """Why it was not sent, "" when it was."""
    with _quiet() as said:
        try:
            service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
            if service is None:
                return "apprise does not understand it; its documentation lists how an address is written"
            name = printable(str(service.service_name), 40)
            group = apprise.Apprise()
            group.add(service)
            taken = group.notify(body=body, title=title, notify_type=level, body_format="text")
        except Exception as error:  # noqa: BLE001 - a plugin's fault must not end a night, nor be printed
            return f"the service failed with {type(error).__name__}"
    if taken:
        return ""
    status = next((match[1] for line in said if (match := _STATUS.search(line))), "")
    why = f" (HTTP status {status})" if status else ""
    if not why and any("onnection error" in line for line in said):
        why = " (no connection)"
    return f"{name} did not take the message{why}"


@contextlib.contextmanager
def _quiet() -> Iterator[list[str]]:
    """What apprise and its HTTP client say is kept, not shown: their lines may hold an address."""
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler = Kept()
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3", "requests")]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(handler)
    try:
        yield said
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagate


def _lines(body: str) -> str:
    """The message cut to what every service takes; names in it come from models and devices."""
    text = "\n".join(_plain(line, 400) for line in body[: 4 * BODY_LIMIT].splitlines())
    return text if len(text) <= BODY_LIMIT else text[: BODY_LIMIT - 1] + "…"


def _plain(text: str, limit: int) -> str:
    """One line that mentions nobody: chats call people by @name, <@id> and <!channel>."""
    return printable(text, limit).replace("@", "(at)").replace("<!", "< !")
