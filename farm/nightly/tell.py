"""What a night tells people: its verdict and the worst three lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from farm.nightly.record import FAILED, MEASURED, NightRecord
from farm_results.finding import CANARY, ENVIRONMENT, IMPROVEMENT, INCONCLUSIVE, REGRESSION, SILENT, Finding

Tell = Callable[[str, str, str], Sequence[str]]
"""(title, body, level) -> what went wrong, a line for each."""

ORDER = (REGRESSION, CANARY, SILENT, ENVIRONMENT, INCONCLUSIVE, IMPROVEMENT)
WORST = 3


def message_of(
    night: NightRecord, found: Sequence[Finding], words: Sequence[str]
) -> tuple[str, str, str] | None:
    """Title, body and level; None where nothing was found that somebody wants to hear of."""
    heard = worst_first([finding for finding in found if finding.word in words])
    if not heard:
        return None
    lines = [line_of(finding) for finding in heard[:WORST]]
    if len(heard) > WORST:
        lines.append(f"and {len(heard) - WORST} more")
    measured = sum(cell.state == MEASURED for cell in night.cells)
    failed = sum(cell.state == FAILED for cell in night.cells)
    lines.append(f"{measured} measured, {failed} failed; farm nightly status {night.night_id}")
    level = "failure" if heard[0].word == REGRESSION else "warning"
    if all(finding.word == IMPROVEMENT for finding in heard):
        level = "success"
    return f"{_mark(night.origin)}farm: {counted(heard)}", "\n".join(lines), level


def worst_first(found: Sequence[Finding]) -> list[Finding]:
    """Regressions before anything else, the largest effect first."""
    rank = {word: place for place, word in enumerate(ORDER)}
    return sorted(
        found,
        key=lambda each: (rank.get(each.word, len(ORDER)), -abs(each.effect or 0.0), each.finding_id),
    )


def counted(found: Sequence[Finding]) -> str:
    """``2 regressions, 1 silent``."""
    counts = Counter(finding.word for finding in found)
    plural = {REGRESSION: "regressions", IMPROVEMENT: "improvements"}
    return ", ".join(
        f"{counts[word]} {plural.get(word, word) if counts[word] > 1 else word}"
        for word in ORDER
        if counts[word]
    )


def line_of(finding: Finding) -> str:
    """One finding in one line, with its first suspect."""
    cause = f"; {finding.causes[0].text}" if finding.causes else ""
    return f"{finding.word.upper()} {finding.model} on {finding.device}: {finding.message}{cause}"


def _mark(origin: str) -> str:
    return f"[{origin.upper()}] " if origin else ""
