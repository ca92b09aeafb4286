"""What the results in the store say of a night's cells: also of a night whose process was killed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from farm.nightly.away import AWAY
from farm.nightly.record import FAILED, MEASURED, SKIPPED, WAITING, CellRecord

if TYPE_CHECKING:
    from farm.nightly.diary import Diary
    from farm_results.model import Result
    from farm_results.store import Store

LOST = ("device.unreachable", "link.lost", "link.timeout")


def settle(store: Store, diary: Diary) -> None:
    """Give every cell whose job left a result the state that this says."""
    settled = []
    for cell in diary.record.cells:
        if cell.state != WAITING or not cell.job_ids:
            continue
        job_id = next((job for job in reversed(cell.job_ids) if store.has_result(job)), None)
        if job_id is not None:
            tried = tuple(job for job in cell.job_ids if job != job_id)
            settled.append(ended(replace(cell, job_ids=(*tried, job_id)), store.result(job_id)))
    if settled:
        diary.put(*settled)


def heard(store: Store, diary: Diary, result: Result) -> None:
    """A job ended: its cell has its state at once, for whoever looks on. Not where the result is not in the
    store yet: ``settle`` comes later."""
    for cell in diary.record.cells:
        if cell.state == WAITING and cell.job_ids and cell.job_ids[-1] == result.job_id:
            if store.has_result(result.job_id):
                diary.put(ended(cell, result))
            return


def ended(cell: CellRecord, result: Result) -> CellRecord:
    """The cell after its job; one that the store's absence failed still waits, with that error."""
    cell = replace(cell, text="", error_code="")
    if result.status == "ok":
        return replace(cell, state=MEASURED)
    if result.error_code == "run.interrupted":
        return cell
    if result.error_code in AWAY:  # it says nothing of the device or the model
        return replace(cell, text=result.error_message[:500], error_code=result.error_code)
    state = SKIPPED if result.status == "skipped" else FAILED
    return replace(cell, state=state, why=result.error_message[:500], error_code=result.error_code)


def was_away(cell: CellRecord) -> bool:
    """Whether its device answered when the night began, and went away before the cell was measured."""
    return cell.state == FAILED and bool(cell.job_ids) and cell.error_code in LOST


def waiting_again(cell: CellRecord) -> CellRecord:
    """The same with another try before it."""
    return replace(cell, state=WAITING, text=cell.why)
