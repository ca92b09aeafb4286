"""The last word of a night: what all of its A/Bs together allow to be said, written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from farm.nightly.found import back_at_baseline, finding_of, known_before
from farm.nightly.judging import Pending
from farm.nightly.record import STEADY, UNCONFIRMED, CellRecord
from farm.nightly.verdict import Case, judge
from farm_results.comparison import FASTER, SAME, SLOWER, Comparison

if TYPE_CHECKING:
    from farm.nightly.bench import Bench, Say
    from farm.nightly.diary import Diary
    from farm_results.detect.false_alarms import FalseAlarms
    from farm_results.detect.many import Chance
    from farm_results.store import Store


def say_all(store: Store, bench: Bench, diary: Diary, pending: Sequence[Pending], say: Say) -> None:
    """Judge every pending cell; a night that breaks off in between decides the same when it goes on."""
    from farm_results.detect.many import among, chance_of, of_two

    if not pending:
        return
    rates = {name: rate_of(store, name, bench.origin) for name in {each.cell.device for each in pending}}
    taken = _taken(store, diary, pending)
    chances = among({each.comparison_id: chance_of(each, _zone(rates, each)) for each in of_two(taken)})
    for each in pending:
        case = doubted(each.case, rates[each.cell.device], chances)
        diary.put(_judged(store, bench, diary, replace(each, case=case), say))
    diary.flush()


def rate_of(store: Store, device: str, origin: str) -> FalseAlarms:
    """What the device's own A/As say of it."""
    from farm_results.detect.false_alarms import WINDOW, of_device
    from farm_results.history import comparisons

    return of_device(device, comparisons.recent(store, kind="aa", device=device, origin=origin, limit=WINDOW))


def doubted(case: Case, rate: FalseAlarms, chances: Mapping[str, Chance]) -> Case:
    """The case with what speaks against a word of its A/B: the device's own A/As, or the night's number."""
    trust = "" if rate.trusted else f"this device {rate.words}"
    comparison = case.comparison
    if comparison is None or comparison.word not in (SLOWER, FASTER):
        return replace(case, trust=trust)
    return replace(case, trust=trust, doubt=_doubt(comparison, rate, chances))


def _doubt(comparison: Comparison, rate: FalseAlarms, chances: Mapping[str, Chance]) -> str:
    from farm_results.statistics.paired import word_of

    wide = comparison.effect and replace(comparison.effect, zone=max(comparison.effect.zone, rate.zone))
    if wide is not None and not rate.trusted and word_of(wide) != comparison.word:
        return f"this device {rate.words}"
    chance = chances.get(comparison.comparison_id)
    if chance is None or chance.holds:
        return ""
    return (
        f"one of {chance.count} A/Bs tonight, of which some look so by luck alone "
        f"(p {chance.alone:.2g}, {chance.among:.2g} among them all)"
    )


def _zone(rates: Mapping[str, FalseAlarms], comparison: Comparison) -> float:
    from farm_results.statistics.paired import ZONE

    rate = rates.get(comparison.device)
    return max(comparison.effect.zone if comparison.effect else ZONE, rate.zone if rate else ZONE)


def _taken(store: Store, diary: Diary, pending: Sequence[Pending]) -> list[Comparison]:
    """Every A/B of the night, those of cells that were judged before a break too."""
    from farm_results.history import comparisons

    fresh = [each.case.comparison for each in pending]
    found = {each.comparison_id: each for each in fresh if each is not None}
    before = [cell.comparison_id for cell in diary.record.cells if cell.comparison_id]
    found |= {name: comparisons.get(store, name) for name in before if name not in found}
    return [found[name] for name in sorted(found)]


def _judged(store: Store, bench: Bench, diary: Diary, each: Pending, say: Say) -> CellRecord:
    cell, found, comparison = each.cell, each.found, each.case.comparison
    verdict = judge(each.case)
    if not verdict.word and comparison is not None and comparison.word == SAME:
        back_at_baseline(store, found, comparison)
    finding = finding_of(cell, found, comparison, verdict, diary.record.night_id, bench.origin)
    known = known_before(found, finding) if finding else None
    if finding and known is None:
        from farm_results.history import findings

        findings.add(store, finding)
        say(f"{cell.device}  {cell.model} {cell.what}: {verdict.word.upper()}: {verdict.text}")
    return replace(
        cell,
        outcome=verdict.word or _quiet(comparison),
        text=f"{verdict.text} (known)" if known else verdict.text,
        comparison_id=comparison.comparison_id if comparison else "",
        finding_id=known or (finding.finding_id if finding else ""),
    )


def _quiet(comparison: Comparison | None) -> str:
    """The outcome where nothing is told: only an A/B that says the same makes a number steady."""
    return STEADY if comparison is not None and comparison.word == SAME else UNCONFIRMED
