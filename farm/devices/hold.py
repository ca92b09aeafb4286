"""Hold a device's lease while something runs on it: wait for it, keep it alive, give it back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.devices.beater import beater
from farm.errors import FarmError, InfrastructureError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from farm.devices.leases import Lease

ASK_AGAIN_S = 0.5


class Hold:
    """A lease that ``beater`` keeps alive. ``lost`` is set when another holder took over."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lost = threading.Event()


@dataclass(frozen=True)
class Wish:
    """Who wants a device, what for and how urgently. ``owner``: user@host, for reservations."""

    device: str
    job_id: str
    holder: str
    owner: str = ""
    priority: int = 0


@contextmanager
def hold(
    engine: Engine,
    wish: Wish,
    *,
    wait_s: float,
    stop: threading.Event,
    waiting: Callable[[str], None],
) -> Iterator[Hold]:
    """Take the lease within ``wait_s`` and beat until the block ends, then release.

    ``waiting`` is told who holds the device and the place in the queue, whenever that changes. Raises
    InfrastructureError lease.timeout, lease.reserved for a reservation that outlasts the wait, or
    lease.stopped when ``stop`` is set while waiting.
    """
    from farm.devices import leases

    held = Hold(_take(engine, wish, wait_s=wait_s, stop=stop, waiting=waiting))
    beater.add(engine, held)
    try:
        yield held
    finally:
        beater.remove(held)
        leases.release(engine, held.lease)


def _take(
    engine: Engine, wish: Wish, *, wait_s: float, stop: threading.Event, waiting: Callable[[str], None]
) -> Lease:
    from farm.devices import leases

    lease = leases.take(
        engine, wish.device, wish.job_id, wish.holder, owner=wish.owner, priority=wish.priority
    )
    if lease is not None:
        return lease
    queued = _Queued(engine, wish)
    try:
        return queued.wait(time.monotonic() + wait_s, wait_s, stop, waiting)
    finally:
        queued.leave()


class _Queued:
    """A waiter with its ticket."""

    def __init__(self, engine: Engine, wish: Wish) -> None:
        from farm.devices import waiting

        self._engine, self._wish = engine, wish
        self._ticket = self._join()
        self._prolong_s = waiting.PROLONG_S
        self._prolonged = time.monotonic()

    def wait(
        self, give_up: float, wait_s: float, stop: threading.Event, told: Callable[[str], None]
    ) -> Lease:
        """The lease, once it is this waiter's turn."""
        from farm.devices import leases

        wish, said = self._wish, ""
        while True:
            lease = leases.take(
                self._engine,
                wish.device,
                wish.job_id,
                wish.holder,
                owner=wish.owner,
                priority=wish.priority,
                ticket=self._ticket,
            )
            if lease is not None:
                return lease
            why = self._why(give_up)
            if why != said:
                told(why)
                said = why
            if time.monotonic() >= give_up:
                raise InfrastructureError(
                    f"{wish.device} is held by {why}; waited {wait_s:.0f} s",
                    code="lease.timeout",
                    fix="wait longer with --wait 30m, or run when the device is free; "
                    f"`farm devices who {wish.device}` tells who has it",
                )
            if stop.wait(ASK_AGAIN_S):
                raise InfrastructureError(f"stopped while waiting for {wish.device}", code="lease.stopped")
            self._keep_place()

    def leave(self) -> None:
        """Give the place up; a ticket that cannot be given back expires."""
        from farm.devices import waiting

        with contextlib.suppress(FarmError):
            waiting.leave(self._engine, self._ticket)

    def _join(self) -> str:
        from farm.devices import waiting

        wish = self._wish
        return waiting.join(
            self._engine, wish.device, wish.job_id, wish.holder, owner=wish.owner, priority=wish.priority
        )

    def _keep_place(self) -> None:
        from farm.devices import waiting

        if time.monotonic() - self._prolonged < self._prolong_s:
            return
        if not waiting.prolong(self._engine, self._ticket):
            self._ticket = self._join()  # asleep for longer than a ticket lasts
        self._prolonged = time.monotonic()

    def _why(self, give_up: float) -> str:
        """Who has the device, and which place in the queue this is. Raises ``lease.reserved`` in vain."""
        from farm.devices import holder, leases, waiting
        from farm.devices.reservations import refusal, reservation_of

        reserved = reservation_of(self._engine, self._wish.device)
        if reserved is not None and reserved.owner != self._wish.owner:
            if reserved.left_s is None or reserved.left_s > give_up - time.monotonic():
                raise refusal(reserved)
            return reserved.text()
        current = leases.holder_of(self._engine, self._wish.device)
        who = f"{holder.shown(current.holder)} ({current.job_id})" if current else "another run"
        tickets = [ticket.ticket for ticket in waiting.queue(self._engine, self._wish.device)]
        place = tickets.index(self._ticket) + 1 if self._ticket in tickets else 0
        return f"{who}; place {place} of {len(tickets)} in the queue" if len(tickets) > 1 else who
