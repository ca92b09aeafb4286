"""GitHub Actions: the step's summary in Markdown, worst first, and annotations on the run.

A summary beyond 1 MiB is dropped whole by GitHub, and more than ten annotations of a kind per step are
dropped silently; so both are cut here, and say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from farm_results.model import Result
from farm_results.report.caveats import lines_of_caveats
from farm_results.report.figures import marks_of, name_of
from farm_results.report.junit import Gate
from farm_results.report.md import escape, line_of
from farm_results.report.rows import table_of
from farm_results.text import printable

SUFFIX = "md"
SUMMARY_LIMIT = 1 << 20
SLACK = 2_048
MOST_ANNOTATIONS = 10
_WORST = ("failed", "invalid", "throttled", "noisy", "valid", "skipped")


def render(results: Sequence[Result], failures: Gate | None = None, limit_bytes: int = SUMMARY_LIMIT) -> str:
    """Markdown of at most ``limit_bytes``: a line of counts, gates that did not hold, the table and the
    reasons behind the verdicts."""
    gate = failures or {}
    ordered = worst_first(results, gate)
    page = _Page(max(0, limit_bytes - SLACK))
    page.add(f"### farm: {_counts(ordered, gate)}")
    broken = [
        f"- {escape(name_of(result))}: **{escape(printable(line))}**"
        for result in ordered
        for line in gate.get(result.job_id, ())
    ]
    page.block("gates", broken)
    table = table_of(ordered)
    rules = ["---:" if side == "right" else "---" for side in table.align]
    rows = [line_of([escape(cell) for cell in row]) for row in table.rows]
    if rows:
        page.add("")
        page.add(line_of([*map(escape, table.columns)]))
        page.add(line_of(rules))
        page.block("rows", rows, before="")
    page.block("reasons", [f"- {escape(line)}" for line in lines_of_caveats(ordered)])
    return page.text()


class _Page:
    """Lines as long as they fit; what did not fit is counted."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._lines: list[str] = []
        self._cut: list[str] = []

    def add(self, line: str) -> bool:
        size = len(line.encode("utf-8")) + 1
        if size > self._left:
            return False
        self._left -= size
        self._lines.append(line)
        return True

    def block(self, what: str, lines: Sequence[str], before: str = "\n") -> None:
        if lines and before:
            self.add("")
        for index, line in enumerate(lines):
            if not self.add(line):
                self._cut.append(f"{len(lines) - index} {what}")
                return

    def text(self) -> str:
        if self._cut:
            self._lines += ["", f"Left out for GitHub's limit on summaries: {', '.join(self._cut)}."]
        return "\n".join(self._lines) + "\n"


def workflow_commands(results: Sequence[Result], failures: Gate | None = None) -> list[str]:
    """Annotations, at most ten of a kind: errors for what failed, warnings for what is not valid."""
    found: dict[str, list[str]] = {"error": [], "warning": []}
    gate = failures or {}
    for result in worst_first(results, gate):
        for kind, text in _annotations(result, gate.get(result.job_id, ())):
            found[kind].append(f"::{kind} title={_property(name_of(result))}::{_data(text)}")
    return [line for lines in found.values() for line in _most(lines)]


def worst_first(results: Sequence[Result], failures: Gate | None = None) -> list[Result]:
    """Gates that did not hold, then what failed, then by verdict; otherwise as they came."""

    def badness(result: Result) -> float:
        word = result.verdict.word if result.status == "ok" else result.status
        return (
            -math.inf if (failures or {}).get(result.job_id) else _WORST.index(word) if word in _WORST else 0
        )

    return sorted(results, key=badness)


def _annotations(result: Result, gate: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in gate:
        yield "error", line
    if result.status == "failed":
        fix = f" -> {result.error_fix}" if result.error_fix else ""
        yield "error", f"{result.error_code}: {result.error_message}{fix}"
    elif result.status == "ok" and result.verdict.word != "valid":
        bad = [c for c in result.verdict.caveats if c.severity != "note"]
        reasons = "; ".join(caveat.evidence for caveat in bad) or "see the summary"
        yield "warning", f"{result.verdict.word}: {reasons}"


def _most(lines: Sequence[str]) -> list[str]:
    if len(lines) <= MOST_ANNOTATIONS:
        return list(lines)
    kind = lines[0].split(" ", 1)[0].strip(":")
    more = len(lines) - MOST_ANNOTATIONS + 1
    return [*lines[: MOST_ANNOTATIONS - 1], f"::{kind} title=farm::{more} more stand in the summary"]


def _counts(results: Sequence[Result], gate: Gate) -> str:
    kinds: dict[str, int] = {}
    for result in results:
        word = marks_of(result)
        kinds[word] = kinds.get(word, 0) + 1
    parts = [f"{count} {escape(word)}" for word, count in kinds.items()]
    broken = sum(bool(gate.get(result.job_id)) for result in results)
    if broken:
        parts.insert(0, f"**{broken} behind a gate that did not hold**")
    return " · ".join(parts) or "nothing ran"


def _data(text: str) -> str:
    """A workflow command ends at the end of its line; what is foreign could begin another one."""
    return printable(text, 1_000).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
