"""``farm jobs``: what is unfinished, bringing it home, and giving it up."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farm.drive import Driver, Watcher
from farm.errors import FarmError, UsageError
from farm.jobs import rows

if TYPE_CHECKING:
    from farm.config import Config
    from farm.devices.device import Device
    from farm.jobs.rows import JobRow
    from farm_results.store import Store

AT_ONCE = 16
REACH_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Unfinished:
    """A job that is written down. ``driver``: who drives it now, "" when nobody does."""

    job_id: str
    run_id: str
    device: str
    state: str
    age_s: float
    driver: str


@dataclass(frozen=True)
class Collected:
    """What became of a device's jobs. ``error``: why they are as they were."""

    device: str
    jobs: tuple[str, ...]
    error: FarmError | None = None


def listed(store: Store) -> tuple[Unfinished, ...]:
    """Every unfinished job of the store, the oldest first. Raises as ``Store`` does."""
    from farm.devices import holder, leases

    found = []
    for row in rows.unfinished(store.engine):
        lease = leases.holder_of(store.engine, row.device)
        lives = lease and lease.job_id == row.job_id and not holder.provably_dead(lease.holder)
        driver = holder.shown(lease.holder) if lease and lives else ""
        age_s = max(0.0, time.time() - row.changed_unix_s)
        found.append(Unfinished(row.job_id, row.run_id, row.device, row.state, age_s, driver))
    return tuple(found)


def collect(
    store: Store, config: Config, devices: Sequence[Device], *, wait_s: float, tell: Callable[[str], None]
) -> tuple[Collected, ...]:
    """Bring home what is left on these devices, several at once. Ctrl-C leaves the rest as it is."""
    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="farm-") as scratch:
        collector = _Collector(store, config, stop, wait_s, Path(scratch), tell)
        with ThreadPoolExecutor(min(AT_ONCE, max(1, len(devices)))) as pool:
            futures = [pool.submit(collector.visit, device) for device in devices]
            try:
                return tuple(future.result() for future in futures)
            except KeyboardInterrupt:
                stop.set()
                raise


@dataclass(frozen=True)
class _Collector:
    """What all visits share."""

    store: Store
    config: Config
    stop: threading.Event
    wait_s: float
    scratch: Path
    tell: Callable[[str], None]

    def visit(self, device: Device) -> Collected:
        """One device."""
        from farm import audit
        from farm.devices.holder import holder_text
        from farm.health.rounds import session_of
        from farm.jobs.keeper import StoreKeeper

        before = [row.job_id for row in rows.unfinished(self.store.engine, device.name)]
        error: FarmError | None = None
        session = session_of(device, self.config, self.store.name, self.stop)
        try:
            driver = Driver(
                session,
                self.store.engine,
                holder_text("collecting"),
                self.stop,
                self.wait_s,
                self.scratch,
                owner=audit.person(),
                keeper=StoreKeeper(self.store, self.scratch, self.config.cache_dir, self.tell),
            )
            session.reach(patience_s=REACH_PATIENCE_S)
            driver.collect(f"collect-{secrets.token_hex(4)}", _Stages(device.name, self.tell))
        except FarmError as problem:
            error = problem
        finally:
            session.close()
        left = {row.job_id for row in rows.unfinished(self.store.engine, device.name)}
        return Collected(device.name, tuple(job for job in before if job not in left), error)


class _Stages(Watcher):
    """Tells each stage once."""

    def __init__(self, device: str, tell: Callable[[str], None]) -> None:
        self._device, self._tell, self._said = device, tell, ""

    def stage(self, text: str) -> None:
        if text.startswith("waiting:") and text != self._said:
            self._said = text
            self._tell(f"{self._device}: {text}")


def drop(store: Store, job_id: str, actor: str) -> JobRow:
    """Give a job up: its result says so, and whatever of it runs is stopped at the next contact.

    Raises UsageError job.not-unfinished, job.driven while a driver works on it.
    """
    from farm import audit
    from farm.devices.holder import shown
    from farm.errors import InfrastructureError
    from farm.jobs.keeper import StoreKeeper

    found = {row.job_id: row for row in rows.unfinished(store.engine)}
    if job_id not in found:
        raise UsageError(
            f"no unfinished job is called {job_id}",
            code="job.not-unfinished",
            fix="`farm jobs` lists them; give the whole name",
        )
    row = found[job_id]
    driver = next((each.driver for each in listed(store) if each.job_id == job_id), "")
    if driver:
        raise UsageError(
            f"{shown(driver)} works on {job_id}",
            code="job.driven",
            fix="end that command with Ctrl-C: it stops the job and stores what there is",
        )
    error = InfrastructureError(f"{actor} gave it up", code="job.dropped", fix="run it again as a new job")
    keeper = StoreKeeper(store, Path(), Path(), lambda _text: None)
    keeper.fail(row, error)
    audit.append(store.engine, row.device, actor, "job-dropped", job_id)
    return row
