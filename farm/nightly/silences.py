"""Series of the matrix that give no numbers any more: a finding, once for each silence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farm.nightly.record import CellRecord
from farm_results.finding import SILENT, Cause, Finding

if TYPE_CHECKING:
    from farm_results.store import Store

WINDOW = 200


def find(
    store: Store, cells: Sequence[CellRecord], *, night_id: str, now_unix_s: float, origin: str
) -> list[Finding]:
    """The silences among the cells' series; those that are new are stored.

    Only series that a night is to measure: one that nobody asks for any more is not missed.
    """
    from farm_results.detect.silence import silence
    from farm_results.history import findings
    from farm_results.history.points import points

    found = []
    for cell in cells:
        quiet = silence(points(store, cell.series, limit=WINDOW), now_unix_s)
        if quiet is None:
            continue
        # One id for each silence, so that it is told once however many nights it lasts.
        name = hashlib.sha256(f"{SILENT} {cell.series} {quiet.last_unix_s!r}".encode()).hexdigest()[:16]
        finding = Finding(
            finding_id=name,
            night_id=night_id,
            series=cell.series,
            device=cell.device,
            model=cell.model,
            at_unix_s=now_unix_s,
            word=SILENT,
            message=f"{cell.what}: {quiet.words(now_unix_s)}"[:500],
            causes=(Cause("last night", cell.why[:300]),) if cell.why else (),
            origin=origin,
        )
        if findings.add(store, finding):
            found.append(finding)
    return found
