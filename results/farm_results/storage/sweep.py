"""Remove files that nothing in the store names any more."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farm_agent import codec
from farm_results.storage.faults import store_faults
from farm_results.transfer.cargo import KINDS, StoreCargo, mentions

if TYPE_CHECKING:
    from farm_results.store import Store

YOUNG_S = 86_400.0
"""A writer puts files before the row that names them; no writer takes a day for that."""


@dataclass(frozen=True)
class Swept:
    """``kept_young``: nothing names them yet, but a writer may be about to."""

    objects: int
    swept: tuple[str, ...]
    swept_bytes: int
    kept_young: int


def sweep(
    store: Store, *, now_unix_s: float | None = None, dry_run: bool = False, also: Iterable[str] = ()
) -> Swept:
    """Remove objects that no result, comparison, night or finding mentions and that are a day old.

    Every hash that occurs anywhere in a record counts as a mention, so that what an older or a newer farm
    keeps is left alone; so does one in the texts of ``also``. Nobody may write meanwhile. A store that
    cannot be read whole is not swept. Raises what a store raises.
    """
    now = time.time() if now_unix_s is None else now_unix_s
    # Files first: what comes after this is not looked at, and what was named by then is found below.
    there = {path.parent.name + path.name: path for path in _files(store)}
    unnamed = set(there) - mentions(also)
    for kind in KINDS:
        for row in StoreCargo(store).rows(kind):
            unnamed -= mentions([codec.dumps(row)])
    swept, swept_bytes, young = [], 0, 0
    for sha256 in sorted(unnamed):
        with store_faults(str(there[sha256])):
            try:
                status = there[sha256].stat()
            except FileNotFoundError:
                continue
            # Its own time of change: putting it once more renews it.
            if now - max(status.st_mtime, status.st_ctime) < YOUNG_S:
                young += 1
                continue
            if not dry_run:
                there[sha256].unlink(missing_ok=True)
            swept.append(sha256)
            swept_bytes += status.st_size
    return Swept(len(there), tuple(swept), swept_bytes, young)


def _files(store: Store) -> Iterator[Path]:
    for path in store.objects.folder.glob("??/*"):
        if path.is_file() and len(path.parent.name + path.name) == 64:
            yield path
