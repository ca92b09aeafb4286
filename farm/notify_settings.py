"""The table ``[notify]`` of the settings: where the addresses of chats, mail and phones are kept.

The addresses themselves hold tokens, so they never stand in ``farm.toml``, which people commit: they come
from the environment or from a file that only its owner may read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import UsageError
from farm.kinds import Key
from farm.tables import check, wrong

INFO, SUCCESS, WARNING, FAILURE = "info", "success", "warning", "failure"
LEVELS = (INFO, SUCCESS, WARNING, FAILURE)
VARIABLE = "FARM_NOTIFY_URLS"
KEYS = {"env": Key((str,)), "file": Key((str,)), "at_least": Key((str,), choices=LEVELS)}


@dataclass(frozen=True)
class NotifySettings:
    """``env``: the variable with the addresses, separated by blanks; ``file``: one address per line, readable
    by its owner alone, None: no file; ``at_least``: messages below this level are not sent."""

    env: str = VARIABLE
    file: Path | None = None
    at_least: str = INFO


def parse_notify(table: object, origin: str, folder: Path) -> dict[str, Any]:
    """What the table sets, as arguments of NotifySettings. Raises UsageError config.*, notify.secrets."""
    if not isinstance(table, dict):
        raise wrong(origin, "notify", type(table).__name__, 'a table like [notify] with file = "..."')
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in KEYS:
            raise _unknown(origin, key)
        check(origin, f"notify.{key}", KEYS[key], key, value)
        if "://" in value:
            raise _secret(origin, key)
        found[key] = folder / Path(value).expanduser() if key == "file" else value
    return found


def _unknown(origin: str, key: str) -> UsageError:
    if key in ("url", "urls"):
        return _secret(origin, key)
    return UsageError(
        f"{origin}: [notify] has no setting {key!r}",
        code="config.unknown-key",
        fix=f"use one of: {', '.join(KEYS)}",
    )


def _secret(origin: str, key: str) -> UsageError:
    """The value is not repeated: it may be a token."""
    return UsageError(
        f"{origin}: notify.{key} would put an address with its token into a settings file",
        code="notify.secrets",
        fix=f"put the addresses into {VARIABLE}, or into a file of mode 0600 that notify.file names",
    )
