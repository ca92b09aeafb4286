"""THE loop, for one job on one device: lease, ship, start, attach, fetch, hand over, acknowledge, release.

Every step may be repeated: a lost link means reconnect and attach again, never run again. The job's
result stays on the device until ``keep`` has returned.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import FarmError, InfrastructureError
from farm.outline import patience_s
from farm_agent.wire import Blob, Event, JobResult, JobSpec

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from farm.agent_client import AgentClient
    from farm.devices.hold import Hold
    from farm.devices.session import Session
    from farm.transports import Transport

ATTACH_WAIT_S = 5.0
SHIP_TIMEOUT_S = 1800.0
FETCH_TIMEOUT_S = 300.0
LINK_PATIENCE_S = 90.0


@dataclass(frozen=True)
class Shipment:
    """Files that must lie on the device before the job starts."""

    blobs: tuple[tuple[Blob, Path], ...]


@dataclass(frozen=True)
class Fetched:
    """A job's result as it came from the device: samples as local files, in the blocks' order.

    ``traces``: what the sensors told during the blocks that have them; ``energy_traces``: the same for the
    energy windows; ``outputs``: what the model answered on the data set; ``timing_cache``: what a build on
    the device left for the next one.
    """

    spec: JobSpec
    result: JobResult
    samples: tuple[Path, ...]
    sent_bytes: int
    sent_files: int
    traces: tuple[Path, ...] = ()
    energy_traces: Path | None = None
    outputs: Path | None = None
    timing_cache: Path | None = None


class Watcher:
    """What the loop tells the outside; every method may be overridden, none may raise."""

    def stage(self, text: str) -> None:
        """The job entered a stage: waiting, ship, start, measure, fetch."""

    def event(self, event: Event) -> None:
        """The agent reported something."""

    def sent(self, byte_count: int) -> None:
        """So many bytes of the shipment have gone over the link."""


@dataclass(frozen=True)
class Driver:
    """What every job of a run on one device needs. ``holder`` names this process to other people."""

    session: Session
    engine: Engine
    holder: str
    stop: threading.Event
    wait_s: float
    scratch: Path

    def drive(
        self, spec: JobSpec, shipment: Shipment, keep: Callable[[Fetched], None], watcher: Watcher
    ) -> None:
        """Run ``spec`` to its end and hand what it produced to ``keep``. Raises FarmError."""
        from farm.devices.hold import Wish, hold

        self.session.tell = watcher.stage
        watcher.stage("waiting for the device")
        with hold(
            self.engine,
            Wish(self.session.device.name, spec.job_id, self.holder),
            wait_s=self.wait_s,
            stop=self.stop,
            waiting=lambda who: watcher.stage(f"waiting: held by {who}"),
        ) as held:
            give_up = time.monotonic() + self.wait_s
            fence = self._settle(held, spec.job_id, give_up, watcher)
            watcher.stage("ship")
            sent = self._ship(shipment, watcher)
            fenced = self._start(replace(spec, fence=fence), held, give_up, watcher)
            ended = self._follow(fenced, held, watcher)
            watcher.stage("fetch")
            fetched, result_sha = self._fetch(fenced, sent, ended)
            keep(fetched)
            self._acknowledge(spec.job_id, result_sha)

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
                spec = replace(spec, fence=self._settle(held, spec.job_id, give_up, watcher))
            else:
                return spec

    def _settle(self, held: Hold, job_id: str, give_up: float, watcher: Watcher) -> int:
        """Ask the agent what it runs before starting anything, and agree on a fence it has not seen.

        A job left by a dead driver of this store is stopped; one of another coordinator is waited for.
        """
        from farm.devices import leases

        while True:
            hello = self.session.hello(patience_s=LINK_PATIENCE_S)
            fence = held.lease.fence
            if hello.fence >= fence:
                fence = leases.raise_fence(self.engine, held.lease, hello.fence + 1)
            others = [job for job in hello.running if job != job_id]
            ours = [job for job in others if leases.was_ours(self.engine, held.lease, job)]
            for job in ours:
                watcher.stage(f"stopping {job}, left by a driver that died")
                self._stop_job(job, fence)
            if len(ours) == len(others):
                return fence
            if time.monotonic() > give_up or self.stop.is_set():
                raise InfrastructureError(
                    f"{self.session.device.name} runs {others[0]} for another coordinator",
                    code="device.busy",
                    fix="wait for it with --wait 30m",
                )
            watcher.stage(f"waiting: {others[0]} of another coordinator runs there")
            self.stop.wait(1.0)

    def _ship(self, shipment: Shipment, watcher: Watcher) -> tuple[int, int]:
        from farm.ship import ship

        deadline = time.monotonic() + SHIP_TIMEOUT_S  # of all attempts together

        def send(client: AgentClient, transport: Transport) -> tuple[int, int]:
            left_s = deadline - time.monotonic()
            done = ship(client, transport, shipment.blobs, timeout_s=left_s, progress=watcher.sent)
            return done.sent_bytes, done.sent_files

        return self.session.call(send, patience_s=LINK_PATIENCE_S)

    def _follow(self, spec: JobSpec, held: Hold, watcher: Watcher) -> FarmError | None:
        """Attach until the job ended; pass its events on in order, each once.

        Returns why its end could not be seen: another coordinator has begun a job of its own, which an agent
        allows only when ours is over.
        """
        give_up = time.monotonic() + patience_s(spec)
        next_seq = 0
        asked_to_stop = False
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
                raise _while_measuring(error, spec.job_id) from error
            for event in events:
                watcher.event(event)
                next_seq = max(next_seq, event.seq + 1)
            if state.ended:
                return None
            if held.lost.is_set():
                raise InfrastructureError(
                    f"another driver took {self.session.device.name} over",
                    code="lease.lost",
                    fix="look at `farm results show` of the other run",
                )
            if (self.stop.is_set() or time.monotonic() > give_up) and not asked_to_stop:
                asked_to_stop = True
                watcher.stage("stopping")
                self._stop_job(spec.job_id, spec.fence)

    def _stop_job(self, job_id: str, fence: int) -> None:
        try:
            self.session.call(lambda client, _: client.stop(job_id, fence), patience_s=0.0)
        except FarmError:
            # The agent's own time limits end the job; the lease's expiry lets the next driver stop it.
            return

    def _fetch(self, spec: JobSpec, sent: tuple[int, int], fenced: FarmError | None) -> tuple[Fetched, str]:
        from farm_agent.engines import CACHE_LIMIT_BYTES

        def fetch(client: AgentClient, transport: Transport) -> tuple[Fetched, str]:
            result, result_sha = client.result(spec.job_id)
            folder = self.scratch / spec.job_id
            folder.mkdir(parents=True, exist_ok=True)

            def get(blob: Blob) -> Path:
                return _fetch_blob(transport, client.job_path(spec.job_id, blob.name), blob, folder)

            samples = tuple(get(block.samples) for block in result.blocks)
            traces = tuple(get(block.traces) for block in result.blocks if block.traces)
            energy = get(result.energy.traces) if result.energy and result.energy.traces else None
            evaluated = result.evaluation.outputs if result.evaluation else None
            outputs = get(_bounded(evaluated)) if evaluated else None
            timing = result.build.timing_cache if result.build else None
            kept = get(timing) if timing and timing.size_bytes <= CACHE_LIMIT_BYTES else None
            return Fetched(spec, result, samples, *sent, traces, energy, outputs, kept), result_sha

        try:
            return self.session.call(fetch, patience_s=LINK_PATIENCE_S)
        except InfrastructureError as error:
            if fenced is not None and error.code == "job.no-result":
                raise fenced from error
            raise

    def _acknowledge(self, job_id: str, result_sha: str) -> None:
        try:
            self.session.call(lambda client, _: client.ack(job_id, result_sha), patience_s=5.0)
        except InfrastructureError:
            # The result is stored; the device keeps its copy until a later gc, which loses nothing.
            return


def _bounded(outputs: Blob) -> Blob:
    """Refuse outputs of a size that no agent keeps."""
    from farm_agent.collect import MAX_OUTPUT_BYTES

    if outputs.size_bytes > MAX_OUTPUT_BYTES + (1 << 20):
        raise InfrastructureError(
            f"the device wants to send {outputs.size_bytes / 2**20:.0f} MiB of outputs",
            code="link.too-large",
            fix="give fewer samples, and look at what the device runs: its agent keeps less",
        )
    return outputs


def _while_measuring(error: InfrastructureError, job_id: str) -> InfrastructureError:
    """A link that went for good says what that means for the job."""
    from farm.devices.session import LINK_CODES

    if error.code not in LINK_CODES:
        return error
    return InfrastructureError(
        f"{error.message}; this was in the middle of job {job_id}",
        code=error.code,
        fix=f"{error.fix}; then run the command again: what is left of the job there is stopped first",
    )


def _fetch_blob(transport: Transport, source: str, blob: Blob, folder: Path) -> Path:
    target = folder / blob.name
    for _ in range(2):
        transport.get(source, target, timeout_s=FETCH_TIMEOUT_S, limit_bytes=blob.size_bytes)
        if hashlib.sha256(target.read_bytes()).hexdigest() == blob.sha256:
            return target
    raise InfrastructureError(
        f"{blob.name} arrived with another hash than the device gave, twice",
        code="link.corrupt",
        fix="check the device's memory and disk; its copy is kept until it arrives whole",
    )


def shipment_of(parts: Sequence[tuple[Blob, Path]]) -> Shipment:
    """The parts without those that appear twice."""
    by_hash = {blob.sha256: (blob, path) for blob, path in parts}
    return Shipment(tuple(by_hash.values()))
