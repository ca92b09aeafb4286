"""Devices that stay silent, and the command that hears of what somebody should know."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from farm.errors import InfrastructureError
from farm.health.states import RETIRED, Standing

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from farm.health.settings import HealthSettings
    from farm.health.states import Clock

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Silence:
    """A device that has not answered for ``silent_s``. ``told``: an alarm told of this silence already."""

    standing: Standing
    silent_s: float
    told: bool


def silences(
    standings: Mapping[str, Standing], devices: Sequence[str], after_s: float, now: float
) -> tuple[Silence, ...]:
    """Those of the devices that were admitted once and are silent for longer than ``after_s``."""
    found = []
    for name in devices:
        standing = standings.get(name)
        if standing is None or standing.health == RETIRED:
            continue
        seen = standing.seen_unix_s or standing.since_unix_s
        if seen and now - seen > after_s:
            told = standing.record.told_unix_s == seen
            found.append(Silence(standing, now - seen, told))
    return tuple(found)


def mark_told(engine: Engine, silence: Silence, *, clock: Clock | None = None) -> None:
    """Remember that this silence was told, so that it is told once. Raises as ``Store`` does."""
    from farm.health import rows

    def how(before: Standing, now: float) -> Standing:
        del now
        seen = before.seen_unix_s or before.since_unix_s
        return replace(before, record=replace(before.record, told_unix_s=seen))

    rows.change(engine, silence.standing.device, "farm health", how, clock=clock, create=False)


def tell(settings: HealthSettings, document: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> None:
    """Give a JSON document to the command of the settings on its standard input; without one do nothing.

    Raises InfrastructureError ``health.alarm`` when it cannot be started, fails, or does not end in time.
    """
    if not settings.alarm:
        return
    name = settings.alarm[0]
    try:
        process = subprocess.Popen(
            settings.alarm,
            cwd=settings.alarm_folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _failed(f"{name} cannot be started: {error}") from error
    try:
        process.communicate(json.dumps(document).encode(), timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise _failed(f"{name} did not end within {timeout_s:g} s") from error
    if process.returncode != 0:
        raise _failed(f"{name} ended with exit status {process.returncode}")


def _failed(text: str) -> InfrastructureError:
    return InfrastructureError(
        f"the alarm command {text}",
        code="health.alarm",
        fix="run it by hand with a JSON document on its standard input; see [health] alarm in docs/health.md",
    )
