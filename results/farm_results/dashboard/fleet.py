"""What the pages ask of the fleet now: devices, how they are, who has them, what was done to them.

farm hands over something that answers; without it (a store alone) the pages say that nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

OK, HOT, BUSY, OFFLINE, LOCKED, UNKNOWN = "ok", "hot", "busy", "offline", "locked", "unknown"


@dataclass(frozen=True)
class Canary:
    """One run of a device's canary network. ``slower``: by which share, where it was flagged; else 0."""

    at_unix_s: float
    p50_ns: float
    series: str
    slower: float = 0.0


@dataclass(frozen=True)
class Ticket:
    """Somebody who waits for a device."""

    device: str
    job_id: str
    owner: str
    priority: int
    since_unix_s: float


@dataclass(frozen=True)
class DeviceView:
    """One device as it is now. ``known``: in the inventory; times are 0 where there was none.

    ``health``: good, suspect, quarantined, retired or unknown; ``holder`` "" when it is free; ``silent``: it
    has not answered for longer than it may; ``drift``: what changed since it was accepted; ``origin``:
    simulated where all that is known of it was made up, else "".
    """

    name: str
    profile: str = ""
    transport: str = ""
    tags: tuple[str, ...] = ()
    known: bool = True
    health: str = "unknown"
    reason: str = ""
    since_unix_s: float = 0.0
    until_unix_s: float = 0.0
    seen_unix_s: float = 0.0
    checked_unix_s: float = 0.0
    strikes: int = 0
    silent: bool = False
    holder: str = ""
    job_id: str = ""
    reserved_by: str = ""
    waiting: int = 0
    usual_ns: float | None = None
    usual_spread_ns: float | None = None
    canaries: tuple[Canary, ...] = ()
    drift: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""

    @property
    def word(self) -> str:
        """For the fleet strip: what matters most of it in one word."""
        if self.health in ("quarantined", "retired", "suspect"):
            return self.health
        if self.silent:
            return OFFLINE
        if self.reserved_by:
            return LOCKED
        if self.holder:
            return BUSY
        return OK if self.health == "good" else UNKNOWN


@dataclass(frozen=True)
class JobView:
    """A job that was begun and whose result is not stored. ``driver``: "" when nobody drives it now."""

    job_id: str
    run_id: str
    device: str
    state: str
    age_s: float
    driver: str


@dataclass(frozen=True)
class AuditEntry:
    """What was done to a device, or to a series' baseline, by whom and why."""

    at_unix_s: float
    device: str
    actor: str
    event: str
    reason: str


class Fleet(Protocol):
    """Every method may raise a FarmError, which becomes a page that says so."""

    def devices(self) -> tuple[DeviceView, ...]:
        """Every device of the inventory, then those that only the store knows."""
        ...

    def device(self, name: str) -> DeviceView | None:
        """One device; None when neither the inventory nor the store knows it."""
        ...

    def jobs(self) -> tuple[JobView, ...]:
        """Unfinished jobs, the oldest first."""
        ...

    def waiting(self) -> tuple[Ticket, ...]:
        """Who waits for which device, the next one first."""
        ...

    def audit(self, device: str | None, limit: int) -> tuple[AuditEntry, ...]:
        """The newest rows of the audit trail, newest first; of one device or of all."""
        ...


class NoFleet:
    """A store without a farm around it."""

    def devices(self) -> tuple[DeviceView, ...]:
        """None are known."""
        return ()

    def device(self, name: str) -> DeviceView | None:  # noqa: ARG002 - the protocol's
        """None is known."""
        return None

    def jobs(self) -> tuple[JobView, ...]:
        """None are known."""
        return ()

    def waiting(self) -> tuple[Ticket, ...]:
        """Nobody is known."""
        return ()

    def audit(self, device: str | None, limit: int) -> tuple[AuditEntry, ...]:  # noqa: ARG002
        """Nothing is known."""
        return ()
