"""A Markdown table and the caveats below it, for issues and pull requests."""

from __future__ import annotations

import re
from collections.abc import Sequence

from farm_results.model import Result
from farm_results.report.caveats import lines_of_caveats
from farm_results.report.rows import table_of

SUFFIX = "md"

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#!@$&])")


def render(results: Sequence[Result]) -> str:
    """Foreign text is escaped: it can be neither a link, nor HTML, nor a mention."""
    table = table_of(results)
    rules = ["---:" if side == "right" else "---" for side in table.align]
    lines = [line_of(table.columns), line_of(rules)]
    lines += [line_of([escape(cell) for cell in row]) for row in table.rows]
    caveats = [f"- {escape(line)}" for line in lines_of_caveats(results)]
    return "\n".join([*lines, *([""] if caveats else []), *caveats]) + "\n"


def line_of(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def escape(text: str) -> str:
    """Foreign text that is no markup."""
    return _SPECIAL.sub(r"\\\1", text)
