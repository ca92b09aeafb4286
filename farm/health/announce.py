"""What people are told without asking: a device was put out of use, or stays silent.

Who is told: the alarm command of ``[health]``, and the addresses of ``[notify]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from farm.errors import FarmError
from farm.health import alarm, report
from farm.health.states import Standing, when

if TYPE_CHECKING:
    from farm.config import Config
    from farm.health.alarm import Silence


def quarantined(config: Config, standings: Sequence[Standing], note: Callable[[str], None]) -> None:
    """Tell of devices that were just put out of use, whoever found it out.

    Never raises a FarmError, for the work goes on: ``note`` hears what could not be told.
    """
    if not standings:
        return
    try:
        alarm.tell(config.health, report.quarantine_document(standings))
    except FarmError as error:
        note(f"{error.message}; {error.fix}")
    names = ", ".join(standing.device for standing in standings)
    lines = [f"{each.device}{_until(each)}: {each.reason}" for each in standings]
    _message(config, f"farm: {names} quarantined", lines, note)


def silent(config: Config, silences: Sequence[Silence], note: Callable[[str], None]) -> None:
    """Tell of devices that stay silent. Raises InfrastructureError ``health.alarm``; ``note`` hears of
    messages that were not sent."""
    if not silences:
        return
    alarm.tell(config.health, report.alarm_document("silent", silences))
    names = ", ".join(silence.standing.device for silence in silences)
    lines = [report.silence_error(silence).message for silence in silences]
    _message(config, f"farm: {names} silent", lines, note)


def _message(config: Config, title: str, lines: Sequence[str], note: Callable[[str], None]) -> None:
    from farm import notify

    for trouble in notify.send(config, title, "\n".join(lines), notify.WARNING).failed:
        note(f"a message was not sent: {trouble}")


def _until(standing: Standing) -> str:
    return f" until {when(standing.until_unix_s)}" if standing.until_unix_s else ""
