"""Comma-separated values (RFC 4180), one row per result, numbers in full."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from farm_results.model import Result
from farm_results.report.flat import metrics_of, table
from farm_results.text import printable

SUFFIX = "csv"

# A spreadsheet runs a cell that begins like this, or with the full-width twin (OWASP, "CSV Injection");
# a leading ' makes it text.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_LIMIT = 32_000


def render(results: Sequence[Result]) -> str:
    """The table with a header line; an unknown number is an empty cell."""
    return "".join(parts([results], metrics_of(results)))


def parts(batches: Iterable[Sequence[Result]], metrics: Sequence[str]) -> Iterator[str]:
    """The same a part at a time, of results that do not fit into memory together."""
    first = True
    for results in batches:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        kinds, records = table(results, metrics)
        if first:
            writer.writerow([cell(name) for name in kinds])
        first = False
        for record in records:
            writer.writerow([cell(value) for value in record.values()])
        yield text.getvalue()


def cell(value: Any) -> Any:  # noqa: ANN401 - text, int, float or None
    """A value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    plain = printable(value, _LIMIT)
    return f"'{plain}" if plain.lstrip(" ").startswith(_FORMULA) else plain
