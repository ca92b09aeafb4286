"""The night's record in the store: written on after every step, so that a killed night can be taken up."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from farm.nightly.record import INTERRUPTED, RUNNING, CellRecord, NightRecord

if TYPE_CHECKING:
    from farm_results.night import Night
    from farm_results.store import Store


class Diary:
    """One night's record; safe for several threads. Every change is stored before it is believed."""

    def __init__(self, store: Store, record: NightRecord) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._record = record

    @property
    def record(self) -> NightRecord:
        """As it stands."""
        return self._record

    def change(self, how: Callable[[NightRecord], NightRecord]) -> NightRecord:
        """Write the record on."""
        from farm_results.history import nights

        with self._lock:
            after = how(self._record)
            nights.update(self._store, after.night_id, encoded(after), state=after.state)
            self._record = after
            return after

    def put(self, *cells: CellRecord) -> None:
        """Replace cells by their keys."""
        if not cells:
            return
        new = {cell.key: cell for cell in cells}
        self.change(
            lambda record: replace(record, cells=tuple(new.get(cell.key, cell) for cell in record.cells))
        )

    def note(self, text: str) -> None:
        """Something that somebody should know of the night; the same is kept once."""
        self.change(lambda r: r if text in r.notes else replace(r, notes=(*r.notes, text[:1000])))

    def end(self, state: str, now_unix_s: float) -> NightRecord:
        """End the night."""
        from farm_results.history import nights

        with self._lock:
            after = replace(self._record, state=state, ended_unix_s=now_unix_s)
            nights.end(
                self._store, after.night_id, ended_unix_s=now_unix_s, state=state, record=encoded(after)
            )
            self._record = after
            return after


def opened(
    store: Store, *, origin: str, driver: str, now_unix_s: float, resume_within_s: float
) -> tuple[Diary, bool]:
    """A new night, or the newest one when it broke off lately; and which of them it is (True: resumed).

    Call it only while no other night runs. Broken nights that are too old are ended as interrupted.
    """
    from farm_results.history import nights
    from farm_results.night import Night

    newest = nights.recent(store, origin=origin, limit=1)
    broken = [each for each in newest if each.state in (RUNNING, INTERRUPTED)]
    if broken and 0 <= now_unix_s - broken[0].started_unix_s <= resume_within_s:
        record = decoded(broken[0])
        if record is not None:
            diary = Diary(store, record)
            diary.change(lambda r: replace(r, state=RUNNING, driver=driver, attempts=r.attempts + 1))
            return diary, True
    for each in nights.recent(store, origin=origin, state=RUNNING):
        nights.end(store, each.night_id, ended_unix_s=now_unix_s, state=INTERRUPTED)
    record = NightRecord(new_id(now_unix_s), now_unix_s, origin=origin, driver=driver)
    nights.begin(
        store,
        Night(record.night_id, record.started_unix_s, record=encoded(record), origin=origin),
    )
    return Diary(store, record), False


def encoded(record: NightRecord) -> dict[str, Any]:
    """The record as JSON values."""
    from farm_agent import codec

    values: dict[str, Any] = codec.encode(record)
    return values


def decoded(night: Night) -> NightRecord | None:
    """The record of a stored night; None where another farm wrote it."""
    from farm_agent import codec

    try:
        record = codec.decode(NightRecord, dict(night.record))
    except codec.DecodeError:
        return None
    return replace(record, state=night.state, ended_unix_s=night.ended_unix_s)


def recent(store: Store, *, limit: int = 30, origin: str | None = None) -> list[NightRecord]:
    """The newest nights, newest first; those that cannot be read are left out."""
    from farm_results.history import nights

    found = [decoded(night) for night in nights.recent(store, origin=origin, limit=limit)]
    return [record for record in found if record is not None]


def new_id(now_unix_s: float) -> str:
    """UTC time to the second, for people, and four characters against clashes."""
    return "night-" + time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_unix_s)) + "-" + secrets.token_hex(2)


def with_job_ids(cells: Sequence[CellRecord], jobs: dict[str, str]) -> list[CellRecord]:
    """Those cells that are about to be measured, with the job id of this attempt."""
    return [replace(cell, job_ids=(*cell.job_ids, jobs[cell.key])) for cell in cells if cell.key in jobs]
