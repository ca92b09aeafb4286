"""What a night tells people: its verdict and the worst three lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from farm.nightly.record import FAILED, MEASURED, NightRecord
from farm_results.finding import CANARY, ENVIRONMENT, IMPROVEMENT, INCONCLUSIVE, REGRESSION, SILENT, Finding

if TYPE_CHECKING:
    from farm.nightly.diary import Diary
    from farm.nightly.settings import NightlySettings
    from farm_results.store import Store

Tell = Callable[[str, str, str], Sequence[str]]
"""(title, body, level) -> what went wrong, a line for each."""

ORDER = (REGRESSION, CANARY, SILENT, ENVIRONMENT, INCONCLUSIVE, IMPROVEMENT)
WORST = 3


def tell_once(store: Store, settings: NightlySettings, diary: Diary, tell: Tell) -> None:
    """Tell what a night found; one that is taken up after that does not tell again."""
    from farm_results.history import findings

    if diary.record.told:
        return
    found = findings.of_night(store, diary.record.night_id)
    message = message_of(diary.record, found, settings.notify)
    if message is not None:
        for trouble in tell(*message):
            diary.note(f"a message was not sent: {trouble}")
    diary.change(lambda r: replace(r, told=True))


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
    return counted_words(Counter(finding.word for finding in found))


def counted_words(counts: Mapping[str, int]) -> str:
    """The same, of how many there are of each."""
    plural = {REGRESSION: "regressions", IMPROVEMENT: "improvements"}
    return ", ".join(
        f"{counts[word]} {plural.get(word, word) if counts[word] > 1 else word}"
        for word in ORDER
        if counts.get(word)
    )


def line_of(finding: Finding) -> str:
    """One finding in one line, with its first suspect."""
    cause = f"; {finding.causes[0].text}" if finding.causes else ""
    return f"{finding.word.upper()} {finding.model} on {finding.device}: {finding.message}{cause}"


def _mark(origin: str) -> str:
    return f"[{origin.upper()}] " if origin else ""
