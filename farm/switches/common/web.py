"""Switches over plain HTTP: the exchange is that of the power meters, the errors speak of switches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from farm.errors import FarmError, UsageError
from farm.kinds import Key
from farm.power import MeterError, MeterSettings
from farm.power.common import http
from farm.switches import SwitchError, SwitchSettings

KEYS = {name: key for name, key in http.KEYS.items() if name != "timeout_s"}
CHANNEL = Key((int,))
_CODES = {
    "meter.address": "switch.address",
    "meter.password": "switch.password",
    "meter.unreachable": "switch.unreachable",
    "meter.silent": "switch.silent",
    "meter.refused": "switch.refused",
    "meter.garbled": "switch.garbled",
    "meter.command": "switch.command",
}


class Web:
    """Where a switch answers."""

    def __init__(self, settings: SwitchSettings) -> None:
        """Raises UsageError switch.address, switch.password. Contacts nothing."""
        with switch_errors():
            same = MeterSettings(
                settings.name, settings.kind, settings.device, settings.options, settings.folder
            )
            self._host = http.host_of(same)

    @property
    def login(self) -> http.Login | None:
        """User and password, for firmware that takes them in the path."""
        return self._host.login

    def get(self, path: str, *, login: str = "") -> dict[str, Any]:
        """The JSON object at ``path``. Raises SwitchError switch.unreachable, .silent, .refused, .garbled."""
        with switch_errors():
            answer = self._host.get(path, login=login)
        if not isinstance(answer, dict):
            raise garbled("the answer is no JSON object")
        return answer


@contextmanager
def switch_errors() -> Iterator[None]:
    """Errors of a meter as those of a switch."""
    try:
        yield
    except MeterError as error:
        raise SwitchError(_said(error.message), **_named(error)) from error
    except UsageError as error:
        raise UsageError(_said(error.message), **_named(error)) from error


def _named(error: FarmError) -> dict[str, str]:
    return {"code": _CODES.get(error.code, error.code), "fix": _said(error.fix)}


def _said(text: str) -> str:
    return text.replace("docs/power.md", "docs/health.md").replace("meter", "switch")


def garbled(message: str) -> SwitchError:
    """An answer that makes no sense."""
    return SwitchError(
        message,
        code="switch.garbled",
        fix="check the switch's kind, channel and firmware; see docs/health.md",
    )
