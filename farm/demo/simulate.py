"""All nights, one after the other, into a store that is whole or not there."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.demo.bench import NIGHT_S, DemoBench
from farm.demo.fleet import ENTRIES, MACHINES
from farm.demo.story import LEAST_NIGHTS, Story
from farm.errors import UsageError

if TYPE_CHECKING:
    from farm_results.finding import Finding
    from farm_results.store import Store

MARK = "SIMULATED.json"
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


def demo(folder: Path, *, nights: int, seed: int, now_unix_s: float, tell: Tell, again: bool = False) -> Demo:
    """Simulate into ``folder``, unless it holds a demo already (``again`` makes it anew).

    Raises UsageError ``demo.not-empty`` for a folder that holds anything else, ``demo.nights``.
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
    if known is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} holds something that is no demo, and simulated results never mix with others",
            code="demo.not-empty",
            fix="name a folder of its own: farm demo --into FOLDER",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        made = _simulated(part / "store", part, Story(nights), seed, now_unix_s, tell)
        values = {key: value for key, value in asdict(made).items() if key not in ("folder", "reused")}
        (part / "store" / MARK).write_text(json.dumps(values, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        (part / "store").rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return replace(made, folder=folder)


def read(folder: Path) -> Demo | None:
    """The demo in a folder; None where there is none."""
    try:
        values = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return Demo(folder, **values, reused=True)
    except (OSError, ValueError, TypeError):
        return None


def _simulated(where: Path, scratch: Path, story: Story, seed: int, now_unix_s: float, tell: Tell) -> Demo:
    from farm.nightly.night import run_night
    from farm.nightly.settings import NightlySettings

    store = _opened(where)
    try:
        bench = DemoBench(store, story, _first(story, now_unix_s), seed, scratch)
        settings = NightlySettings(budget_s=8 * 3600.0)
        for number in range(story.nights):
            bench.begin(number)
            run_night(store, settings, bench, lambda _text: None, fresh=True)
            tell(number + 1, story.nights)
        return _told(store, story)
    finally:
        store.close()


def _opened(where: Path) -> Store:
    """A store that does not wait for the disk at every step."""
    from sqlalchemy import event

    from farm_results.store import open_store

    store = open_store(where)

    def hasten(connection: object, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]

    event.listen(store.engine, "connect", hasten)
    store.engine.dispose()
    return store


def _first(story: Story, now_unix_s: float) -> float:
    """One in the morning (UTC) of the first night; the last night is over by now."""
    return (now_unix_s // NIGHT_S - story.nights) * NIGHT_S + 3600.0


def _told(store: Store, story: Story) -> Demo:
    from farm.demo import cells
    from farm_results import findings

    stepped = next(entry for entry in ENTRIES if story.stepped(entry, story.nights))
    found: list[Finding] = findings.recent(store, limit=None)
    return Demo(
        folder=Path(),
        nights=story.nights,
        devices=len(MACHINES),
        results=store.count(),
        findings=dict(Counter(finding.word for finding in found)),
        step_series=cells.wanted(stepped, story, 0).series,
        last_run=store.runs(1)[0].run_id,
    )
