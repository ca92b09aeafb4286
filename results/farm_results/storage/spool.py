"""What was measured and the store could not take just now: files on this machine, stored once it answers.

An entry is whole or absent, and goes only once what it holds is in the store. Storing it twice changes
nothing, so a process that dies in between costs nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from farm_agent import codec
from farm_agent.errors import FarmError, InfrastructureError
from farm_results.comparison import FAILED, Comparison
from farm_results.history import comparisons
from farm_results.model import Result, Run
from farm_results.storage.faults import store_faults
from farm_results.storage.objects import sync_folder
from farm_results.store import LATE_CODES

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farm_results.store import Store

AWAY = ("store.unreachable", "store.locked", "host.disk-full")
"""Errors of a store that may take the result later."""


@dataclass(frozen=True)
class Spooled:
    """A result or a comparison that waits. ``note``: what is to be done with a result in one transaction, by
    whoever spooled it."""

    run: Run
    result: Result | None = None
    note: Mapping[str, str] = field(default_factory=dict)
    comparison: Comparison | None = None

    @property
    def name(self) -> str:
        """The job's id, or the comparison's: those are different jobs of a device."""
        if self.result is not None:
            return self.result.job_id
        return "" if self.comparison is None else self.comparison.comparison_id

    @property
    def is_late(self) -> bool:
        """Whether it only says that something could not be reached: what was measured comes before it."""
        if self.result is not None:
            return self.result.status == "failed" and self.result.error_code in LATE_CODES
        return self.comparison is None or self.comparison.word == FAILED


@dataclass(frozen=True)
class Flushed:
    """What became of the entries: stored now, still waiting, and those that cannot be stored and why."""

    stored: tuple[str, ...] = ()
    waiting: int = 0
    refused: tuple[str, ...] = ()


Also = Callable[[Spooled], "Callable[[Connection], None] | None"]


class Spool:
    """The entries for one store. Safe for several processes at once."""

    def __init__(self, state_dir: Path, store_name: str) -> None:
        self.folder = state_dir / "spool" / _digest(store_name)[:16]
        self._store_name = store_name

    def put(self, entry: Spooled) -> Path:
        """Keep an entry until it can be stored; where it lies. What was measured is never replaced by a
        failure to reach something. Raises InfrastructureError host.disk-full, UsageError store.not-writable.
        """
        with store_faults(str(self.folder)):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "store").write_text(self._store_name + "\n", "utf-8", "backslashreplace")
            kind = "" if entry.comparison is None else "comparison "
            path = self.folder / f"{_digest(kind + entry.name)[:32]}.json"
            before = self._read(path)
            if before is not None and not before.is_late:
                return path
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".part-")
            part = Path(name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(codec.dumps(entry))
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            sync_folder(self.folder)
        return path

    def entries(self) -> tuple[Spooled, ...]:
        """What waits, the oldest first; files that cannot be read are left out."""
        found = [entry for path in self._paths() if (entry := self._read(path)) is not None]
        return tuple(sorted(found, key=_age))

    def texts(self) -> Iterator[str]:
        """The entries as they lie there: the objects that they mention must stay."""
        for path in self._paths():
            with contextlib.suppress(OSError):
                yield path.read_text("utf-8", "replace")

    def count(self) -> int:
        """How many wait; costs next to nothing."""
        return len(self._paths())

    def flush(self, store: Store, also: Also | None = None) -> Flushed:
        """Store what waits, each in one transaction with what ``also`` makes of it; never raises what the
        store raises. Does nothing while another process is at it."""
        if not self._paths():
            return Flushed()
        stored, refused = [], []
        with self._alone() as alone:
            if not alone:
                return Flushed(waiting=self.count())
            for path in self._paths():
                entry = self._read(path)
                if entry is None:
                    refused.append(f"{path}: it cannot be read")
                    continue
                try:
                    _store(store, entry, None if also is None else also(entry))
                except FarmError as error:
                    if error.code in AWAY:
                        break
                    refused.append(f"{path}: {error.message}")
                    continue
                path.unlink(missing_ok=True)
                stored.append(entry.name)
        return Flushed(tuple(stored), self.count() - len(refused), tuple(refused))

    def _paths(self) -> list[Path]:
        try:
            return sorted(self.folder.glob("*.json"), key=lambda path: (path.stat().st_mtime, path.name))
        except OSError:  # one that has just been stored by another process
            return []

    def _read(self, path: Path) -> Spooled | None:
        try:
            entry = codec.loads(Spooled, path.read_bytes())
        except (OSError, ValueError):
            return None
        return entry if entry.name else None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        with (self.folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def keep(
    store: Store,
    spool: Spool,
    entry: Spooled,
    also: Callable[[Connection], None] | None = None,
) -> InfrastructureError | None:
    """Store an entry whose run is stored, or spool it and return why. Raises what says that waiting would not
    help."""
    try:
        if entry.comparison is not None:
            comparisons.add(store, entry.comparison)
        if entry.result is not None:
            store.add_result(entry.result, also=also)
    except InfrastructureError as error:
        if error.code not in AWAY:
            raise
        spool.put(entry)
        return error
    return None


def _store(store: Store, entry: Spooled, also: Callable[[Connection], None] | None) -> None:
    """In the place of a failure of the same name, where it is none itself."""
    store.add_run(entry.run)
    if entry.comparison is not None:
        comparisons.add(store, entry.comparison, late=not entry.is_late)
    if entry.result is not None:
        store.add_result(entry.result, also=also, late=not entry.is_late)


def _age(entry: Spooled) -> tuple[float, str]:
    made = entry.result or entry.comparison
    return (0.0 if made is None else made.created_unix_s), entry.name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
