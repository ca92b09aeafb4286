"""A night from begin to end: choose, measure, judge, confirm, tell. Killed, it goes on where it was."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING

from farm.errors import FarmError, UsageError
from farm.nightly import silences, weekly
from farm.nightly.alone import alone
from farm.nightly.away import AWAY, OFTEN, is_back
from farm.nightly.bench import Bench, Say, Wanted
from farm.nightly.choose import Last, choose
from farm.nightly.content import of_result, took_s
from farm.nightly.diary import Diary, begun, broken, resumed, with_job_ids
from farm.nightly.leftovers import close
from farm.nightly.record import DONE, FAILED, INTERRUPTED, MEASURED, SKIPPED, WAITING, CellRecord, NightRecord
from farm.nightly.settings import WEEKLY, NightlySettings
from farm.nightly.settle import heard, settle, waiting_again, was_away
from farm.nightly.tell import Tell, tell_once

if TYPE_CHECKING:
    from farm.nightly.judging import Judging
    from farm_results.store import Store

Recover = Callable[["Store"], None]
AT_ONCE = 16
JOIN_S = 0.2


def run_night(
    store: Store,
    settings: NightlySettings,
    bench: Bench,
    say: Say,
    *,
    fresh: bool = False,
    tell: Tell | None = None,
    recover: Recover | None = None,
) -> NightRecord:
    """One night: everything it measures, finds and decides is in the store.

    A night that broke off lately goes on; ``fresh``: it is given up, as an older one is: what it had compared
    is judged. ``tell`` sends what people want to hear; ``recover`` stores what waits on this machine because
    the store was away. Raises InfrastructureError ``nightly.running`` while another night of this store goes
    on, and UsageError for a matrix that names nothing.
    """
    with alone(store) as driver:
        if recover is not None:
            recover(store)
        now_unix_s = bench.now_unix_s()
        within_s = None if fresh else settings.resume_within_s
        lately, given_up = broken(store, origin=bench.origin, now_unix_s=now_unix_s, resume_within_s=within_s)
        for record in given_up:
            close(store, settings, bench, record, say, tell)
        wanted = bench.matrix(say)
        refuse_empty(wanted)
        if lately is not None:
            diary = resumed(store, lately, driver)
            say(f"{lately.night_id} goes on (attempt {diary.record.attempts})")
        else:
            diary = begun(store, origin=bench.origin, driver=driver, now_unix_s=now_unix_s)
            say(f"{diary.record.night_id} begins")
        try:
            whole = _patiently(store, settings, bench, diary, wanted, say, recover)
            if whole:
                _silences(store, bench, diary)
                if tell is not None:
                    tell_once(store, settings, diary, tell)
        except KeyboardInterrupt:
            bench.stop.set()
            whole = False
        except FarmError as error:
            with contextlib.suppress(FarmError):  # the store itself may be the trouble
                diary.note(f"it ended early: {error.message}")
                diary.end(INTERRUPTED, bench.now_unix_s())
            raise
        return diary.end(DONE if whole else INTERRUPTED, bench.now_unix_s())


def _patiently(
    store: Store,
    settings: NightlySettings,
    bench: Bench,
    diary: Diary,
    wanted: Sequence[Wanted],
    say: Say,
    recover: Recover | None,
) -> bool:
    """Measure and judge; where the store goes away, wait for it and go on as a killed night would. False
    when a person interrupted it."""
    for left in reversed(range(OFTEN)):
        try:
            settle(store, diary)
            diary.change(lambda r: replace(r, cells=planned(store, settings, bench, wanted, r.cells)))
            whole = _measure(store, bench, diary, wanted, say, recover)
            return whole and _judge(store, settings, bench, diary, say)
        except FarmError as error:
            if error.code not in AWAY or not left or not is_back(diary, error, bench.stop, say):
                raise
        if recover is not None:
            recover(store)
    return False


def refuse_empty(wanted: Sequence[Wanted]) -> None:
    """Raises UsageError ``nightly.nothing`` where no cell is left that a night could measure, ever."""
    if not wanted:
        raise UsageError(
            "[nightly] names nothing to measure",
            code="nightly.nothing",
            fix='write [nightly] with models = ["model.onnx"] into farm.toml, as docs/nightly.md says',
        )


def planned(
    store: Store,
    settings: NightlySettings,
    bench: Bench,
    wanted: Sequence[Wanted],
    before: Sequence[CellRecord] = (),
) -> tuple[CellRecord, ...]:
    """Tonight's cells; what the night did already (``before``) stays as it is."""
    done = {cell.key: cell for cell in before if cell.state == MEASURED or cell.job_ids}
    done = {key: cell for key, cell in done.items() if cell.state != WAITING}
    tried = {cell.key: cell.job_ids for cell in before}
    spent: Counter[str] = Counter()
    for cell in done.values():
        spent[cell.device] += int(cell.estimate_s)
    left = [each for each in wanted if each.key not in done]
    chosen = choose(
        left,
        last_of(store, left),
        budget_s=settings.budget_s,
        now_unix_s=bench.now_unix_s(),
        spent_s=spent,
    )
    return (*done.values(), *(replace(cell, job_ids=tried.get(cell.key, ())) for cell in chosen))


def last_of(store: Store, wanted: Sequence[Wanted]) -> dict[str, Last]:
    """The newest ok result of every cell that has one, by the cell's key."""
    from farm_results.history.points import series_row

    found = {}
    for each in wanted:
        row = series_row(store, each.series)
        if row is not None and row.last_ok_job_id:
            last = store.result(row.last_ok_job_id)
            found[each.key] = Last(row.last_ok_unix_s, of_result(last), took_s(last))
    return found


def _measure(
    store: Store,
    bench: Bench,
    diary: Diary,
    wanted: Sequence[Wanted],
    say: Say,
    recover: Recover | None,
) -> bool:
    """Measure what waits, and once more what failed because its device or the store was away for a while;
    False when a person interrupted it."""
    by_key = {each.key: each for each in wanted}

    def round_of(waiting: Sequence[CellRecord]) -> bool:
        def began(jobs: Mapping[str, str]) -> None:
            diary.put(*with_job_ids(waiting, dict(jobs)))
            diary.flush()

        chosen = [by_key[cell.key] for cell in waiting]
        whole = bench.measure(
            diary.record.night_id, chosen, began, lambda result: heard(store, diary, result)
        )
        settle(store, diary)
        return whole

    waiting = [cell for cell in diary.record.cells if cell.state == WAITING]
    if waiting and not round_of(waiting):
        return False

    def tried_in_vain() -> list[CellRecord]:
        diary.put(*(waiting_again(cell) for cell in diary.record.cells if was_away(cell)))
        return [cell for cell in diary.record.cells if cell.state == WAITING and cell.error_code]

    again = tried_in_vain()
    if again and recover is not None:  # the device may have measured it all the same
        recover(store)
        settle(store, diary)
        again = tried_in_vain()
    if again:
        say(f"{len(again)} failed because their device or the store was away: once more")
        if not round_of(again):
            return False
    left = [cell for cell in diary.record.cells if cell.state == WAITING]
    late = "the night's time was over before its turn"
    diary.put(
        *(
            replace(cell, state=FAILED, why=cell.text)
            if cell.error_code
            else replace(cell, state=SKIPPED, why=late)
            for cell in left
        )
    )
    diary.flush()
    return True


def _judge(store: Store, settings: NightlySettings, bench: Bench, diary: Diary, say: Say) -> bool:
    """Look at every device's numbers, devices side by side, then say what all of it means; False when a
    person interrupted it."""
    from farm.nightly.judging import Judging, Pending
    from farm.nightly.last_word import say_all

    cells = diary.record.cells
    devices = list(dict.fromkeys(cell.device for cell in cells if cell.state == MEASURED))
    if not devices:
        return True
    pending: dict[str, list[Pending]] = {}

    def one(device: str) -> None:
        mine = [cell for cell in cells if cell.device == device]
        spent_s = sum(cell.estimate_s for cell in mine if cell.state == MEASURED)
        judging = Judging(store, settings, bench, diary, say, settings.budget_s - spent_s)
        judging.cells(mine)
        pending[device] = judging.pending
        _weekly(judging, device)

    if not _side_by_side(one, devices, bench):
        return False
    say_all(store, bench, diary, [each for device in devices for each in pending[device]], say)
    return True


def _side_by_side(action: Callable[[str], None], devices: Sequence[str], bench: Bench) -> bool:
    with ThreadPoolExecutor(min(AT_ONCE, len(devices)), thread_name_prefix="night") as pool:
        futures = [pool.submit(action, device) for device in devices]
        try:
            while wait(futures, timeout=JOIN_S).not_done:
                pass
        except KeyboardInterrupt:
            bench.stop.set()
            pool.shutdown(cancel_futures=True)
            return False
    for future in futures:
        future.result()
    return not bench.stop.is_set()


def _weekly(judging: Judging, device: str) -> None:
    """The device's A/A, when it is due, nobody waits for the night's end, and there is time left."""
    settings, diary, bench, store = judging.settings, judging.diary, judging.bench, judging.store
    if settings.aa != WEEKLY or bench.stop.is_set() or judging.left_s <= 0:
        return
    if not weekly.due(store, device, now_unix_s=bench.now_unix_s(), origin=bench.origin):
        return
    cells = [cell for cell in diary.record.cells if cell.device == device]
    taken = weekly.take(store, bench, diary.record.night_id, cells, settings.pairs, judging.say)
    if taken is None:
        return
    if isinstance(taken, FarmError):
        diary.note(f"{device}: no A/A: {taken.message} [{taken.code}]")
        return
    diary.change(lambda r: replace(r, aa=(*r.aa, taken.comparison_id)))
    if weekly.false_alarm(taken):
        diary.note(f"{device}: a false alarm: the A/A calls an artifact {taken.word} than itself")


def _silences(store: Store, bench: Bench, diary: Diary) -> None:
    night = diary.record
    found = silences.find(
        store,
        night.cells,
        night_id=night.night_id,
        now_unix_s=bench.now_unix_s(),
        origin=bench.origin,
    )
    if found:
        diary.change(
            lambda r: replace(r, silent=tuple(dict.fromkeys([*r.silent, *(f.series for f in found)])))
        )
