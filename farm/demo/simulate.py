"""All nights, one after the other, into a store that is whole or not there."""

from __future__ import annotations

import glob
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.demo import cells
from farm.demo.bench import NIGHT_S, DemoBench
from farm.demo.fleet import ENTRIES, Entry
from farm.demo.story import LEAST_NIGHTS, Story
from farm.errors import UsageError
from farm_results.storage.faults import store_faults

if TYPE_CHECKING:
    from farm_results.store import Store

MARK = "SIMULATED.json"
STALE_S = 86400.0
Tell = Callable[[int, int], None]
"""Hears how many nights are done, and of how many."""


@dataclass(frozen=True)
class Demo:
    """What is in the folder. ``findings``: how many of each word; ``step_series``: where the step is;
    ``last_run``: the newest night's. ``reused``: it was there before."""

    folder: Path
    nights: int
    devices: int
    results: int
    findings: dict[str, int]
    step_series: str
    last_run: str
    reused: bool = False


def demo(
    folder: Path,
    *,
    nights: int,
    seed: int,
    now_unix_s: float,
    tell: Tell,
    again: bool = False,
    entries: Sequence[Entry] = ENTRIES,
) -> Demo:
    """Simulate into ``folder``, unless it holds a demo already (``again`` makes it anew).

    It is there whole or not at all. Raises UsageError ``demo.not-empty`` for a folder with anything else,
    ``demo.nights``, ``store.not-writable``.
    """
    if nights < LEAST_NIGHTS:
        raise UsageError(
            f"{nights} nights are too few for a story",
            code="demo.nights",
            fix=f"ask for at least {LEAST_NIGHTS}",
        )
    known = read(folder)
    if known is not None and not again:
        return known
    _refuse_others(folder, known)
    with store_faults(str(folder)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        story = Story(nights)
        with _opened(part / "store") as store:
            bench = DemoBench(store, story, _first(story, now_unix_s), seed, part, entries)
            made = replace(_simulated(bench, tell), folder=folder)
        values = {key: value for key, value in asdict(made).items() if key not in ("folder", "reused")}
        with store_faults(str(folder)):
            (part / "store" / MARK).write_text(json.dumps(values, indent=1), encoding="utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            (part / "store").rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


def _refuse_others(folder: Path, known: Demo | None) -> None:
    """Raises UsageError ``demo.not-empty`` where making the demo anew would cost somebody something."""
    from farm_results.history import comparisons
    from farm_results.history.points import series_rows
    from farm_results.store import open_store

    taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    what = "something that is no demo"
    if known is not None:
        others = [each.name for each in folder.iterdir() if not _own(each.name)]
        store = open_store(folder)
        measured = series_rows(store, origin="", limit=1) or comparisons.recent(store, origin="", limit=1)
        store.close()
        taken = bool(measured or others)
        what = "results that a device measured, too" if measured else f"{min(others, default='')!r}, too"
    if taken:
        raise UsageError(
            f"{folder} holds {what}, and simulated results never mix with others",
            code="demo.not-empty",
            fix="name a folder of its own: farm demo --into FOLDER",
        )


def _own(name: str) -> bool:
    """Whether a file is one of a store that holds a demo."""
    return name in (MARK, "objects") or name.startswith("farm.db")


def _sweep(folder: Path) -> None:
    """Remove what killed demos of this folder left beside it."""
    for part in folder.parent.glob(f".{glob.escape(folder.name)}-*"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE_S:
                shutil.rmtree(part, ignore_errors=True)


def read(folder: Path) -> Demo | None:
    """The demo in a folder; None where there is none."""
    try:
        values = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return Demo(folder, **values, reused=True)
    except (OSError, ValueError, TypeError):
        return None


def _simulated(bench: DemoBench, tell: Tell) -> Demo:
    from farm.nightly.night import run_night
    from farm.nightly.settings import NightlySettings
    from farm_results.history import findings

    settings, nights = NightlySettings(budget_s=8 * 3600.0), bench.story.nights
    for number in range(nights):
        bench.begin(number)
        run_night(bench.store, settings, bench, lambda _text: None, fresh=True)
        if bench.stop.is_set():
            raise KeyboardInterrupt
        tell(number + 1, nights)
    stepped = next((entry for entry in bench.entries if bench.story.stepped(entry, nights)), None)
    return Demo(
        folder=Path(),
        nights=nights,
        devices=len({entry.device for entry in bench.entries}),
        results=bench.store.count(),
        findings=dict(Counter(each.word for each in findings.recent(bench.store, limit=None))),
        step_series=cells.wanted(stepped, bench.story, 0).series if stepped else "",
        last_run=bench.store.runs(1)[0].run_id,
    )


@contextmanager
def _opened(where: Path) -> Iterator[Store]:
    """A store that does not wait for the disk at every step."""
    from sqlalchemy import event

    from farm_results.store import open_store

    store = open_store(where)

    def hasten(connection: object, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]

    event.listen(store.engine, "connect", hasten)
    store.engine.dispose()
    try:
        yield store
    finally:
        store.close()


def _first(story: Story, now_unix_s: float) -> float:
    """One in the morning (UTC) of the first night; the last one was over by three, today or yesterday."""
    last_day = (now_unix_s - 3 * 3600.0) // NIGHT_S
    return (last_day - story.nights + 1) * NIGHT_S + 3600.0
