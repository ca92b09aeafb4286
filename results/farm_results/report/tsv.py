"""Tab-separated rows of the table that people see, for pipes: one line per result, a header first."""

from __future__ import annotations

from collections.abc import Sequence

from farm_results.model import Result
from farm_results.report.rows import table_of

SUFFIX = "tsv"


def render(results: Sequence[Result]) -> str:
    """Cells hold no tab and no newline: ``printable`` spelled them out."""
    table = table_of(results)
    return "".join("\t".join(row) + "\n" for row in (table.columns, *table.rows))
