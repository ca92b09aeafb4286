"""Rows of time and value out of lines of separated values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from farm.power import MeterError

# 2^62 ns: what lies beyond is no time of this age.
_LATEST_NS = 4.6e18


class Parser(Protocol):
    """Remembers what lines before meant (a header, half a packet)."""

    def rows(self, lines: Sequence[str]) -> list[tuple[int, float]]:
        """(nanoseconds of the file's time base, watts or joules). Raises MeterError meter.garbled."""


class Table:
    """Columns by number, or by their name in the first line that holds both."""

    def __init__(
        self,
        *,
        time_column: int | str,
        value_column: int | str,
        time_scale_ns: float,
        value_scale: float,
        separator: str,
    ) -> None:
        self._columns = (time_column, value_column)
        self._scales = (time_scale_ns, value_scale)
        self._separator = separator
        self._places: tuple[int, int] | None = None
        if isinstance(time_column, int) and isinstance(value_column, int):
            self._places = (time_column, value_column)
        self._begun = False

    def rows(self, lines: Sequence[str]) -> list[tuple[int, float]]:
        """A first line that holds no numbers is a header; a later one is an error."""
        found = []
        for line in lines:
            if not line or line.startswith("#"):
                continue
            cells = [cell.strip() for cell in line.split(self._separator)]
            if self._places is None:
                self._places = self._header(cells)
                continue
            try:
                time_ns = finite(cells[self._places[0]]) * self._scales[0]
                value = finite(cells[self._places[1]]) * self._scales[1]
            except (ValueError, IndexError) as error:
                if not self._begun:
                    self._begun = True
                    continue
                raise garbled(line) from error
            if abs(time_ns) > _LATEST_NS:
                raise garbled(line)
            self._begun = True
            found.append((int(time_ns), value))
        return found

    def _header(self, cells: list[str]) -> tuple[int, int]:
        try:
            places = [cells.index(c) if isinstance(c, str) else c for c in self._columns]
        except ValueError as error:
            wanted = " or ".join(map(repr, self._columns))
            raise MeterError(
                f"the file's header is {', '.join(cells)[:120]!r}, without {wanted}",
                code="meter.garbled",
                fix="correct time_column and value_column",
            ) from error
        return places[0], places[1]


def finite(word: str) -> float:
    """A finite number. Raises ValueError."""
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(word)
    return value


def garbled(line: str) -> MeterError:
    """A line that means nothing."""
    return MeterError(
        f"the file has the line {line[:80]!r}", code="meter.garbled", fix="check its format and its writer"
    )
