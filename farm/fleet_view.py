"""The fleet as the dashboard sees it: the inventory, and what the store knows of each device now."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm_results.dashboard.fleet import AuditEntry, Canary, DeviceView, JobView, Ticket

if TYPE_CHECKING:
    from farm.config import Config
    from farm.devices.device import Device
    from farm.devices.reservations import Reservation
    from farm.health.states import Standing
    from farm_results.store import Store

FRESH_S = 2.0


@dataclass
class FleetView:
    """Reads only. One answer serves all pages for ``fresh_s``: a page may ask several times."""

    store: Store
    inventory_path: Path
    alarm_after_s: float
    fresh_s: float = FRESH_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: tuple[float, tuple[DeviceView, ...]] = (float("-inf"), ())

    def devices(self) -> tuple[DeviceView, ...]:
        """Every device of the inventory, then those that only the store knows. Raises as ``Store`` does."""
        with self._lock:
            made_s, found = self._kept
            if time.monotonic() - made_s > self.fresh_s:
                found = self._read()
                self._kept = (time.monotonic(), found)
        return found

    def device(self, name: str) -> DeviceView | None:
        """One device by name."""
        return next((one for one in self.devices() if one.name == name), None)

    def jobs(self) -> tuple[JobView, ...]:
        """Unfinished jobs, the oldest first."""
        from farm.jobs.collecting import listed

        return tuple(
            JobView(job.job_id, job.run_id, job.device, job.state, job.age_s, job.driver)
            for job in listed(self.store)
        )

    def waiting(self) -> tuple[Ticket, ...]:
        """Who waits for which device."""
        from farm.devices import waiting

        return tuple(
            Ticket(one.device, one.job_id, one.owner, one.priority, one.since_unix_s)
            for device in self.devices()
            if device.waiting
            for one in waiting.queue(self.store.engine, device.name)
        )

    def audit(self, device: str | None, limit: int) -> tuple[AuditEntry, ...]:
        """The newest rows of the audit trail."""
        from farm import audit

        return tuple(
            AuditEntry(each.at_unix_s, each.device, each.actor, each.event, each.reason)
            for each in audit.recent(self.store.engine, device, limit=limit)
        )

    def _read(self) -> tuple[DeviceView, ...]:
        from farm.devices import inventory
        from farm.health import rows
        from farm.health.states import Standing, database_now

        known = inventory.load(self.inventory_path)
        standings = rows.read_all(self.store.engine)
        now = database_now(self.store.engine)
        held, waiting, kept = _held(self.store), _waiting(self.store), _reserved(self.store)
        measured = _measured(self.store)
        if measured and all(origin for _, origin in measured.values()):
            # A simulated fleet: this farm's own devices have nothing to do with it.
            known = {name: device for name, device in known.items() if name in {*standings, *measured}}
        names = [*known, *sorted({*standings, *measured} - set(known))]
        nothing = (0.0, "")
        return tuple(
            replace(
                _view(
                    name,
                    known.get(name),
                    standings.get(name) or Standing(name, seen_unix_s=measured.get(name, nothing)[0]),
                    now,
                    self.alarm_after_s,
                    held.get(name),
                    waiting.get(name, 0),
                    kept.get(name),
                ),
                origin="" if name in known else measured.get(name, nothing)[1],
            )
            for name in names
        )


def fleet_of(store: Store, config: Config) -> FleetView:
    """The fleet of one farm."""
    return FleetView(store, config.inventory_path, config.health.alarm_after_s)


def _view(
    name: str,
    device: Device | None,
    standing: Standing,
    now: float,
    alarm_after_s: float,
    held: tuple[str, str] | None,
    waiting: int,
    kept: Reservation | None,
) -> DeviceView:
    from farm.health import report

    line = report.line(standing)
    silent_s = now - standing.seen_unix_s if standing.seen_unix_s else 0.0
    return DeviceView(
        name,
        profile=device.profile if device else "",
        transport=device.transport if device else "",
        tags=device.tags if device else (),
        known=device is not None,
        health=standing.health,
        reason=standing.reason,
        since_unix_s=standing.since_unix_s,
        until_unix_s=standing.until_unix_s,
        seen_unix_s=standing.seen_unix_s,
        checked_unix_s=standing.checked_unix_s,
        strikes=standing.strikes,
        silent=device is not None and silent_s > alarm_after_s,
        holder=held[0] if held else "",
        job_id=held[1] if held else "",
        reserved_by=kept.owner if kept else "",
        waiting=waiting,
        usual_ns=line.usual_ns[0] if line.usual_ns else None,
        usual_spread_ns=line.usual_ns[1] if line.usual_ns else None,
        canaries=tuple(Canary(c.unix_s, c.p50_ns, c.series, c.slower) for c in standing.record.canaries),
        drift=tuple(each.replace(" -> ", " → ") for each in line.drift),
        facts=standing.record.facts,
    )


def _measured(store: Store) -> Mapping[str, tuple[float, str]]:
    """When a device last gave a result: all there is to know of one that another farm measured. And whether
    all that it gave is of a simulation: "simulated", or ""."""
    from sqlalchemy import func, select

    from farm_results.storage.schema import SERIES
    from farm_results.storage.session import reading

    # "" is the least of all texts: one measured series is enough for a device to exist
    found = (SERIES.c.device, func.max(SERIES.c.last_unix_s), func.min(SERIES.c.origin))
    query = select(*found).group_by(SERIES.c.device)
    with reading(store) as connection:
        return {row[0]: (float(row[1]), str(row[2])) for row in connection.execute(query)}


def _held(store: Store) -> Mapping[str, tuple[str, str]]:
    """Who has which device, and for which job."""
    from sqlalchemy import select

    from farm.devices import holder, leases
    from farm_results.storage.schema import LEASE
    from farm_results.storage.session import reading

    now = leases.database_clock(store.engine)
    query = select(LEASE.c.device, LEASE.c.holder, LEASE.c.job_id).where(LEASE.c.expires_unix_s > now)
    with reading(store) as connection:
        return {row[0]: (holder.shown(row[1]), str(row[2])) for row in connection.execute(query)}


def _waiting(store: Store) -> Mapping[str, int]:
    from sqlalchemy import func, select

    from farm.devices import leases
    from farm_results.storage.schema import WAITING
    from farm_results.storage.session import reading

    now = leases.database_clock(store.engine)
    query = select(WAITING.c.device, func.count()).where(WAITING.c.expires_unix_s > now)
    with reading(store) as connection:
        return {row[0]: int(row[1]) for row in connection.execute(query.group_by(WAITING.c.device))}


def _reserved(store: Store) -> Mapping[str, Reservation]:
    from sqlalchemy import select

    from farm.devices.reservations import reservation_of
    from farm_results.storage.schema import RESERVATION
    from farm_results.storage.session import reading

    with reading(store) as connection:
        names = [str(row[0]) for row in connection.execute(select(RESERVATION.c.device))]
    found = {name: reservation_of(store.engine, name) for name in names}
    return {name: one for name, one in found.items() if one is not None}
