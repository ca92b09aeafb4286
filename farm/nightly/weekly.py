"""Once a week on every device: one artifact against itself. How often that says "slower" is the farm's own
rate of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farm.errors import FarmError
from farm.nightly.away import AWAY
from farm.nightly.bench import AA, Bench, Say
from farm.nightly.record import MEASURED, CellRecord
from farm_results.comparison import FASTER, SLOWER

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.store import Store

EVERY_S, AHEAD_S = 6.5 * 86400.0, 3600.0
NO_ARTIFACT = "ab."
"""Codes of what cannot be compared by its kind; another series of the device may do."""


def due(store: Store, device: str, *, now_unix_s: float, origin: str) -> bool:
    """Whether the device has had no A/A for a week. One from the future, of a clock that stepped back since,
    says nothing of when it was."""
    from farm_results.history import comparisons

    since_s = now_unix_s - EVERY_S
    taken = comparisons.recent(store, kind=AA, device=device, origin=origin, since_unix_s=since_s, limit=None)
    return not any(since_s < each.created_unix_s <= now_unix_s + AHEAD_S for each in taken)


def take(
    store: Store, bench: Bench, night_id: str, cells: Sequence[CellRecord], pairs: int, say: Say
) -> Comparison | FarmError | None:
    """The A/A of a device over one of the cells it measured tonight: the one whose turn it is. None when it
    measured none; the last error where none of them can be compared with itself."""
    from farm_results.history import comparisons

    measured = [cell for cell in cells if cell.state == MEASURED and cell.job_ids]

    def last_s(cell: CellRecord) -> float:
        of_it = comparisons.of_series(store, cell.series, limit=50)
        return max((each.created_unix_s for each in of_it if each.kind == AA), default=0.0)

    trouble: FarmError | None = None
    for cell in sorted(measured, key=lambda cell: (last_s(cell), cell.canary, cell.key)):
        job = cell.job_ids[-1]
        say(f"{cell.device}  {cell.model} {cell.what}: weekly A/A, the artifact against itself")
        try:
            return bench.confirm(night_id, cell.device, job, job, pairs=pairs)
        except FarmError as error:
            if error.code in AWAY:
                raise
            trouble = error
            if not error.code.startswith(NO_ARTIFACT):
                return error
    return trouble


def false_alarm(comparison: Comparison) -> bool:
    """Whether an A/A says that the artifact differs from itself."""
    return comparison.word in (SLOWER, FASTER)
