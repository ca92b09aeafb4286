"""The log of SPEC PTDaemon: "Time,28-12-2020 15:21:14.682,Watts,22.950000,Volts,...".

The date is DD-MM-YYYY or MM-DD-YYYY, whatever the locale of the machine was. Where a date can be read both
ways it is refused unless the settings say which it is.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence

from farm.power import MeterError
from farm.power.common.table import finite, garbled

_TIME = re.compile(r"(\d{2})-(\d{2})-(\d{4}) (\d{2}):(\d{2}):(\d{2})\.(\d{3})")


class Parser:
    """``base``: utc or local; ``order``: day-first, month-first or "" for dates that leave no doubt."""

    def __init__(self, base: str, order: str) -> None:
        self._base = base
        self._order = order

    def rows(self, lines: Sequence[str]) -> list[tuple[int, float]]:
        """Lines without Time and Watts are the daemon's remarks and left out.

        Raises MeterError meter.garbled, meter.date.
        """
        found = []
        for line in lines:
            cells = [cell.strip() for cell in line.split(",")]
            fields = dict(zip(cells[::2], cells[1::2], strict=False))
            if "Time" not in fields or "Watts" not in fields:
                continue
            try:
                watts = finite(fields["Watts"])
            except ValueError as error:
                raise garbled(line) from error
            if watts < 0 and math.isclose(watts, -1.0):
                continue  # the daemon's word for "no value now"
            found.append((self._time_ns(fields["Time"]), watts))
        return found

    def _time_ns(self, text: str) -> int:
        match = _TIME.fullmatch(text)
        if not match:
            raise garbled(text)
        first, second, year, hour, minute, seconds, milli = (int(part) for part in match.groups())
        day, month = self._day_month(first, second, text)
        zone = dt.UTC if self._base == "utc" else None
        try:
            moment = dt.datetime(year, month, day, hour, minute, seconds, milli * 1000, tzinfo=zone)
            return round(moment.timestamp() * 1000) * 1_000_000
        except (ValueError, OverflowError, OSError) as error:
            raise garbled(text) from error

    def _day_month(self, first: int, second: int, text: str) -> tuple[int, int]:
        if self._order == "day-first" or (not self._order and first > 12):
            return first, second
        if self._order == "month-first" or (not self._order and second > 12):
            return second, first
        if first == second:
            return first, second
        raise MeterError(
            f"the date {text[:10]} can be read as day-month and as month-day",
            code="meter.date",
            fix='set date = "day-first" or "month-first" for the meter',
        )
