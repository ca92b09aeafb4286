"""The night's record in the store: written on while it goes, so that a killed night can be taken up."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from farm.errors import InfrastructureError
from farm.nightly.record import INTERRUPTED, RUNNING, CellRecord, NightRecord

if TYPE_CHECKING:
    from farm.nightly.alone import Driver
    from farm_results.night import Night
    from farm_results.store import Store

PACE = 20.0
"""Of a large night's time, a twentieth goes into writing down what can be worked out anew."""
MOST_BROKEN = 5
"""Interrupted nights that are looked through for what nobody judged; more than one only by set clocks."""


class Diary:
    """One night's record; safe for several threads.

    ``change`` is stored before it is believed. What ``put`` says of cells can be worked out again from their
    results and comparisons, so it is stored at once where that is cheap, and otherwise soon: a record of
    thousands of cells is not written anew for each of them. Once ``lost`` is set, another process drives the
    night: nothing is written, InfrastructureError ``nightly.running``.
    """

    def __init__(
        self,
        store: Store,
        record: NightRecord,
        lost: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._lost = lost or threading.Event()
        self._lock = threading.Lock()
        self._record = record
        self._clock = clock
        self._next_s = clock()
        self._behind = False

    @property
    def record(self) -> NightRecord:
        """As it stands."""
        return self._record

    def change(self, how: Callable[[NightRecord], NightRecord]) -> NightRecord:
        """Write the record on."""
        with self._lock:
            return self._store_record(how(self._record))

    def put(self, *cells: CellRecord) -> None:
        """Replace cells by their keys."""
        if not cells:
            return
        new = {cell.key: cell for cell in cells}
        with self._lock:
            after = tuple(new.get(cell.key, cell) for cell in self._record.cells)
            self._record, self._behind = replace(self._record, cells=after), True
            if self._clock() >= self._next_s:
                self._store_record(self._record)

    def flush(self) -> None:
        """Store what is not stored yet: whatever comes now takes long."""
        with self._lock:
            if self._behind:
                self._store_record(self._record)

    def note(self, text: str) -> None:
        """Something that somebody should know of the night; the same is kept once."""
        self.change(lambda r: r if text in r.notes else replace(r, notes=(*r.notes, text[:1000])))

    def end(self, state: str, at_unix_s: float | None) -> NightRecord:
        """End the night; ``at_unix_s`` None: nobody knows when it did."""

        def ended(record: NightRecord) -> NightRecord:
            counts = Counter(cell.outcome or cell.state for cell in record.cells)
            return replace(record, state=state, ended_unix_s=at_unix_s, counts=dict(counts))

        return self.change(ended)

    def _store_record(self, record: NightRecord) -> NightRecord:
        from farm_results.history import nights

        if self._lost.is_set():
            raise InfrastructureError(
                f"another process took {record.night_id} over while the store was away or this machine slept",
                code="nightly.running",
                fix="farm nightly status shows it",
            )
        begun_s = self._clock()
        nights.put(self._store, night_of(record))
        self._record, self._behind = record, False
        ended_s = self._clock()
        self._next_s = ended_s + PACE * (ended_s - begun_s)
        return record


def begun(store: Store, *, origin: str, driver: Driver, now_unix_s: float) -> Diary:
    """A new night."""
    from farm_results.history import nights

    record = NightRecord(new_id(now_unix_s), now_unix_s, origin=origin, driver=driver.text)
    nights.begin(store, night_of(record))
    return Diary(store, record, driver.lost)


def resumed(store: Store, record: NightRecord, driver: Driver) -> Diary:
    """A night that broke off, gone on with by this process."""
    diary = Diary(store, record, driver.lost)
    diary.change(
        lambda r: replace(r, state=RUNNING, ended_unix_s=None, driver=driver.text, attempts=r.attempts + 1)
    )
    return diary


def broken(
    store: Store, *, origin: str, now_unix_s: float, resume_within_s: float | None
) -> tuple[NightRecord | None, tuple[NightRecord, ...]]:
    """The night that broke off lately and is to go on, if there is one, and those that are given up.

    Call it only while no other night runs. ``resume_within_s`` None: none goes on. A clock that was set
    makes a night look older or younger by as much, and never hides one.
    """
    from farm_results.history import nights

    left = nights.recent(store, origin=origin, state=RUNNING)
    left += nights.recent(store, origin=origin, state=INTERRUPTED, limit=MOST_BROKEN)
    records = []
    for night in sorted(left, key=lambda each: -each.started_unix_s):
        record = decoded(night)
        if record is not None and not record.closed:
            records.append(record)
        elif night.state == RUNNING:  # of another farm
            nights.end(store, night.night_id, ended_unix_s=now_unix_s, state=INTERRUPTED)
    first = records[0] if records else None
    if first is None or resume_within_s is None or abs(now_unix_s - first.started_unix_s) > resume_within_s:
        return None, tuple(records)
    return first, tuple(records[1:])


def night_of(record: NightRecord) -> Night:
    """As it is stored."""
    from farm_agent import codec
    from farm_results.night import Night

    values: dict[str, Any] = codec.encode(record)
    names = ("night_id", "started_unix_s", "ended_unix_s", "state", "origin")
    return Night(**{name: getattr(record, name) for name in names}, record=values)


def decoded(night: Night) -> NightRecord | None:
    """The record of a stored night; None where another farm wrote it."""
    from farm_agent import codec

    try:
        record = codec.decode(NightRecord, dict(night.record))
    except codec.DecodeError:
        return None
    return replace(record, state=night.state, ended_unix_s=night.ended_unix_s)


def latest(store: Store, now_unix_s: float) -> NightRecord | None:
    """The newest night that this farm can read; one that a clock set back since has put into the future is
    not the newest for ever."""
    from farm_results.history import nights

    heads = nights.heads(store)
    for head in sorted(heads, key=lambda each: each.started_unix_s > now_unix_s + nights.AHEAD_S):
        record = decoded(nights.get(store, head.night_id))
        if record is not None:
            return record
    return None


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
