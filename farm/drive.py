"""THE loop, for one job on one device: lease, ship, start, attach, fetch, hand over, acknowledge, release.

Every step may be repeated: a lost link means reconnect and attach again, never run again. The job's
result stays on the device until ``keep`` has returned. What other drivers left on the device comes first
(``farm.jobs.adopt``).
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import FarmError, InfrastructureError
from farm.fetch import FETCH_TIMEOUT_S, Fetched, fetch
from farm.jobs import failures
from farm.outline import patience_s
from farm_agent.wire import Blob, Event, JobSpec

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from farm.agent_client import AgentClient
    from farm.devices.hold import Hold
    from farm.devices.session import Session
    from farm.jobs.adopt import Keeper
    from farm.jobs.context import JobContext
    from farm.transports import Transport

__all__ = ["FETCH_TIMEOUT_S", "Driver", "Fetched", "Order", "Shipment", "Watcher", "shipment_of"]

ATTACH_WAIT_S = 5.0
SHIP_TIMEOUT_S = 1800.0
LINK_PATIENCE_S = 90.0
STOP_PATIENCE_S = 120.0  # its process has a time limit of its own, and is killed within seconds
# The device did not take in that its result is stored (its disk may be full): it is told again later.
NOT_TOLD = ("link.", "device.", "lease.", "agent.")


@dataclass(frozen=True)
class Shipment:
    """Files that must lie on the device before the job starts."""

    blobs: tuple[tuple[Blob, Path], ...]


class Watcher:
    """What the loop tells the outside; every method may be overridden, none may raise."""

    def stage(self, text: str) -> None:
        """The job entered a stage: waiting, ship, start, measure, fetch, store, acknowledge."""

    def event(self, event: Event) -> None:
        """The agent reported something."""

    def sent(self, byte_count: int) -> None:
        """So many bytes of the shipment have gone over the link."""


@dataclass(frozen=True)
class Order:
    """A job, its files, and who takes what it produced. ``context``: what is written down of it in the
    store, so that another driver can end it; None: nothing, it dies with this one."""

    spec: JobSpec
    shipment: Shipment
    keep: Callable[[Fetched], None]
    context: JobContext | None = None


@dataclass(frozen=True)
class Driver:
    """What every job of a run on one device needs. ``holder`` names this process to other people
    (``farm.devices.holder``), ``owner`` the person to reservations. ``keeper`` judges and stores what other
    drivers left on the device; without one, what is written down of them is left alone."""

    session: Session
    engine: Engine
    holder: str
    stop: threading.Event
    wait_s: float
    scratch: Path
    owner: str = ""
    priority: int = 0
    keeper: Keeper | None = None

    def drive(
        self,
        spec: JobSpec,
        shipment: Shipment,
        keep: Callable[[Fetched], None],
        watcher: Watcher,
        context: JobContext | None = None,
    ) -> None:
        """Run ``spec`` to its end and hand what it produced to ``keep``. Raises FarmError.

        With a ``context`` the job is in the store from before it is shipped until it is acknowledged.
        """
        from farm.jobs.adopt import bring_home

        with self._held(spec.job_id, watcher) as held:
            give_up = time.monotonic() + self.wait_s
            bring_home(self, held, give_up, watcher)
            self.carry(Order(spec, shipment, keep, context), held, give_up, watcher)

    def collect(self, why: str, watcher: Watcher) -> int:
        """Bring home what other drivers left on the device; how many jobs ended. ``why``: the lease's job."""
        from farm.jobs.adopt import bring_home

        with self._held(why, watcher) as held:
            return bring_home(self, held, time.monotonic() + self.wait_s, watcher)

    @contextlib.contextmanager
    def _held(self, job_id: str, watcher: Watcher) -> Iterator[Hold]:
        from farm.devices.hold import Wish, hold

        self.session.tell = watcher.stage
        watcher.stage("waiting for the device")
        wish = Wish(self.session.device.name, job_id, self.holder, self.owner, self.priority)
        with hold(
            self.engine,
            wish,
            wait_s=self.wait_s,
            stop=self.stop,
            waiting=lambda who: watcher.stage(f"waiting: held by {who}"),
        ) as held:
            yield held

    def carry(self, order: Order, held: Hold, give_up: float, watcher: Watcher) -> None:
        """A job from its beginning to its end, under a lease."""
        from farm.jobs import rows

        fence, free_bytes = self.settle(held, order.spec.job_id, give_up, watcher)
        if order.context is not None:
            rows.begin(self.engine, order.context)
        watcher.stage("ship")
        sent = self._ship(order.shipment, free_bytes, fence, watcher)
        fenced = self._start(replace(order.spec, fence=fence), held, give_up, watcher)
        if order.context is not None:
            rows.started(self.engine, replace(order.context, sent_bytes=sent[0], sent_files=sent[1]))
        self.finish(replace(order, spec=fenced), sent, held, watcher)

    def finish(
        self,
        order: Order,
        sent: tuple[int, int],
        held: Hold,
        watcher: Watcher,
        leave_at: float | None = None,
    ) -> None:
        """Follow a job that was started to its end, and bring home what it produced."""
        from farm.jobs import rows

        ended = self._follow(order.spec, held, watcher, leave_at)
        watcher.stage("fetch")
        fetched = self._fetch(order.spec, sent, ended)
        watcher.stage("store")
        order.keep(fetched)
        watcher.stage("acknowledge")
        told = self.acknowledge(order.spec.job_id, fetched.result_sha256, order.spec.fence)
        if told and order.context is not None:
            rows.forget(self.engine, order.context.job_id)

    def _start(self, spec: JobSpec, held: Hold, give_up: float, watcher: Watcher) -> JobSpec:
        """Start the job; what was started, with its fence.

        Drivers of two stores may find the device free at once: its agent lets one begin, the other waits.
        """
        while True:
            watcher.stage("start")
            try:
                self.session.call(lambda client, _: client.start(spec), patience_s=LINK_PATIENCE_S)  # noqa: B023
            except InfrastructureError as error:
                beaten = error.code in ("device.busy", "lease.fenced")
                if not beaten or time.monotonic() > give_up or self.stop.is_set():
                    raise
                spec = replace(spec, fence=self.settle(held, spec.job_id, give_up, watcher)[0])
            else:
                return spec

    def settle(
        self, held: Hold, job_id: str, give_up: float, watcher: Watcher, left: Collection[str] = ()
    ) -> tuple[int, int]:
        """Ask the agent what it runs before starting anything, and agree on a fence it has not seen.

        Returns the fence and the bytes that are free on the device.

        A job that a driver of this store left, and of which nothing is written down, is stopped; one of
        another coordinator is waited for. ``left``: jobs that are brought to their end anyway.
        """
        from farm.devices import leases
        from farm.jobs import rows

        while True:
            hello = self.session.hello(patience_s=LINK_PATIENCE_S)
            fence = held.lease.fence
            if hello.fence >= fence:
                fence = leases.raise_fence(self.engine, held.lease, hello.fence + 1)
            self.session.fence = fence
            others = [job for job in hello.running if job != job_id and job not in left]
            if not others:
                return fence, hello.free_bytes
            kept = {row.job_id for row in rows.unfinished(self.engine, held.lease.device)}
            ours = [
                job for job in others if job not in kept and leases.was_ours(self.engine, held.lease, job)
            ]
            for job in ours:
                watcher.stage(f"stopping {job}, left by a driver that died")
                self.stop_job(job, fence)
            if len(ours) == len(others):
                return fence, hello.free_bytes
            if time.monotonic() > give_up or self.stop.is_set():
                raise InfrastructureError(
                    f"{self.session.device.name} runs {others[0]} for another coordinator",
                    code="device.busy",
                    fix="wait for it with --wait 30m",
                )
            watcher.stage(f"waiting: {others[0]} of another coordinator runs there")
            self.stop.wait(1.0)

    def _ship(self, shipment: Shipment, free_bytes: int, fence: int, watcher: Watcher) -> tuple[int, int]:
        from farm.devices.room import make_room, quota_bytes
        from farm.ship import ship

        quota = quota_bytes(self.session.device, self.session.profile)
        blobs = [blob for blob, _ in shipment.blobs]
        deadline = time.monotonic() + SHIP_TIMEOUT_S  # of all attempts together

        def send(client: AgentClient, transport: Transport) -> tuple[int, int]:
            make_room(client, blobs, free_bytes=free_bytes, quota_bytes=quota, fence=fence)
            left_s = deadline - time.monotonic()
            done = ship(client, transport, shipment.blobs, timeout_s=left_s, progress=watcher.sent)
            return done.sent_bytes, done.sent_files

        return self.session.call(send, patience_s=LINK_PATIENCE_S)

    def _follow(
        self, spec: JobSpec, held: Hold, watcher: Watcher, leave_at: float | None
    ) -> FarmError | None:
        """Attach until the job ended; pass its events on in order, each once.

        Returns why its end could not be seen: another coordinator has begun a job of its own, which an agent
        allows only when ours is over. ``leave_at``: the job is another run's, and is left to itself then.
        """
        give_up = time.monotonic() + patience_s(spec)
        next_seq = 0
        over = math.inf  # when a job that was asked to stop must have ended
        watcher.stage("measure")
        while True:
            try:
                events, state = self.session.call(
                    lambda client, _: client.attach(spec.job_id, next_seq, ATTACH_WAIT_S, spec.fence),  # noqa: B023
                    patience_s=LINK_PATIENCE_S,
                )
            except InfrastructureError as error:
                if error.code == "lease.fenced":
                    return error
                raise failures.while_measuring(error, spec.job_id) from error
            for event in events:
                watcher.event(event)
                next_seq = max(next_seq, event.seq + 1)
            if state.ended:
                return None
            if held.lost.is_set():
                raise failures.taken_over(self.session.device.name)
            if leave_at is not None and (self.stop.is_set() or time.monotonic() > leave_at):
                raise failures.still_busy(self.session.device.name, spec.job_id, stopped=self.stop.is_set())
            ours = leave_at is None and self.stop.is_set()
            if time.monotonic() > over:
                raise _endless(self.session.device.name, spec.job_id)
            if (ours or time.monotonic() > give_up) and over == math.inf:
                over = time.monotonic() + STOP_PATIENCE_S
                watcher.stage("stopping")
                self.stop_job(spec.job_id, spec.fence)

    def stop_job(self, job_id: str, fence: int) -> None:
        """Ask the agent to end a job; never raises."""
        try:
            self.session.call(lambda client, _: client.stop(job_id, fence), patience_s=0.0)
        except FarmError:
            # The agent's own time limits end the job; the lease's expiry lets the next driver stop it.
            return

    def _fetch(self, spec: JobSpec, sent: tuple[int, int], fenced: FarmError | None) -> Fetched:
        try:
            return self.session.call(
                lambda client, transport: fetch(client, transport, spec, sent, self.scratch),
                patience_s=LINK_PATIENCE_S,
            )
        except InfrastructureError as error:
            if fenced is not None and error.code == "job.no-result":
                raise fenced from error
            raise

    def acknowledge(self, job_id: str, result_sha256: str, fence: int) -> bool:
        """Tell the device that its result is stored; False when that has to be said again later."""
        try:
            self.session.call(lambda client, _: client.ack(job_id, result_sha256, fence), patience_s=5.0)
        except FarmError as error:
            # The result is stored; the device keeps its copy for a while, which loses nothing.
            return not error.code.startswith(NOT_TOLD)
        return True


def _endless(device: str, job_id: str) -> InfrastructureError:
    return InfrastructureError(
        f"{device} still says that {job_id} runs, {STOP_PATIENCE_S:.0f} s after it was asked to stop it",
        code="job.endless",
        fix="look at the device: reboot it, then run `farm health run` on it",
    )


def shipment_of(parts: Sequence[tuple[Blob, Path]]) -> Shipment:
    """The parts without those that appear twice."""
    by_hash = {blob.sha256: (blob, path) for blob, path in parts}
    return Shipment(tuple(by_hash.values()))
