"""What ansible-playbook reports: one JSON object per line (ansible/callback_plugins), read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from farm.errors import InfrastructureError

STATUSES = ("ok", "changed", "skipped", "failed", "unreachable", "ignored")


@dataclass(frozen=True)
class Begun:
    """A task begins."""

    role: str
    task: str


@dataclass(frozen=True)
class Ended:
    """A task ended on a device. ``diff``: what it changes, where ``--diff`` was asked for."""

    device: str
    role: str
    task: str
    status: str
    reason: str
    diff: str


@dataclass(frozen=True)
class Counts:
    """The end: per device how many tasks were ok, changed, failed ..."""

    devices: Mapping[str, Mapping[str, int]]

    @property
    def changed(self) -> int:
        """Changed tasks of all devices."""
        return sum(each.get("changed", 0) for each in self.devices.values())


Event = Begun | Ended | Counts


def read(line: str) -> Event:
    """One line. Raises InfrastructureError enroll.ansible for anything that our callback does not write."""
    try:
        data = json.loads(line)
        kind = data["event"]
        if kind == "task":
            return Begun(_text(data["role"]), _text(data["task"]))
        if kind == "result":
            ended = Ended(
                **{key: _text(data[key]) for key in ("device", "role", "task", "status", "reason", "diff")}
            )
            if ended.status in STATUSES:
                return ended
        if kind == "stats":
            return Counts(
                {
                    _text(device): {_text(name): int(count) for name, count in counts.items()}
                    for device, counts in data["devices"].items()
                }
            )
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InfrastructureError(
        f"Ansible said something unexpected: {line.strip()[:300]}",
        code="enroll.ansible",
        fix="farm env sync ansible makes its environment anew; run the command again",
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
