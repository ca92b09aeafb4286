"""A night that broke off and that nobody goes on with: what it had compared is judged all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from farm.nightly.diary import Diary
from farm.nightly.record import INTERRUPTED, MEASURED, SKIPPED, WAITING, NightRecord
from farm.nightly.settle import settle
from farm.nightly.tell import tell_once

if TYPE_CHECKING:
    from farm.nightly.bench import Bench, Say
    from farm.nightly.judging import Pending
    from farm.nightly.settings import NightlySettings
    from farm.nightly.tell import Tell
    from farm_results.store import Store


def close(
    store: Store,
    settings: NightlySettings,
    bench: Bench,
    record: NightRecord,
    say: Say,
    tell: Tell | None,
) -> None:
    """Judge what the night measured, by the A/Bs that it took and no others, tell it, and end the night.

    Killed in between, the next night does the same again: nothing is written twice.
    """
    from farm.nightly.judging import Judging
    from farm.nightly.last_word import say_all

    diary = Diary(store, record)
    settle(store, diary)
    todo = [cell for cell in diary.record.cells if cell.state == MEASURED and not cell.outcome]
    say(f"{record.night_id} broke off" + (f": {len(todo)} of its numbers are judged now" if todo else ""))
    pending: list[Pending] = []
    for device in dict.fromkeys(cell.device for cell in todo):
        judging = Judging(store, settings, bench, diary, say, 0.0, broke_off=True)
        judging.cells([cell for cell in diary.record.cells if cell.device == device])
        pending += judging.pending
    say_all(store, bench, diary, pending, say)
    if todo and tell is not None:
        tell_once(store, settings, diary, tell)
    waiting = [cell for cell in diary.record.cells if cell.state == WAITING]
    diary.put(*(replace(c, state=SKIPPED, why="the night broke off before its turn") for c in waiting))
    diary.change(lambda r: replace(r, closed=True))
    diary.end(INTERRUPTED, record.ended_unix_s)
