"""A job's folder: what was asked, what state it is in, its event spool and its result.

spec.json  fence  state.json  events.jsonl  partial.json  result.json  block-K.samples.gz
outputs.npz  log.txt
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from farm_agent import codec, files, identity
from farm_agent.errors import InfrastructureError, UsageError
from farm_agent.identity import ProcessId
from farm_agent.late import dataclass
from farm_agent.root import Root
from farm_agent.wire import Event, JobResult, JobSpec, JobState

LINE_LIMIT_BYTES = 64 * 1024
MOST_EVENTS = 1000


@dataclass(frozen=True)
class Record:
    """state.json. ``process``: the supervisor, whose process group holds everything the job started."""

    state: str
    spec_sha256: str
    process: Optional[ProcessId] = None

    @property
    def ended(self) -> bool:
        return self.state not in ("starting", "running")

    @property
    def living(self) -> bool:
        """Not ended, and its supervisor really runs."""
        return not self.ended and identity.lives(self.process)


@dataclass(frozen=True)
class Job:
    """One folder below ROOT/jobs."""

    path: Path

    @property
    def job_id(self) -> str:
        return self.path.name

    def spec(self) -> JobSpec:
        """What was asked for. Raises InfrastructureError ``job.unreadable``."""
        spec: JobSpec = _load(JobSpec, self.path / "spec.json")
        return spec

    def record(self) -> Optional[Record]:
        """None while the job was never started."""
        path = self.path / "state.json"
        return _load(Record, path) if path.exists() else None

    def write_record(self, record: Record) -> None:
        files.write_atomic(self.path / "state.json", codec.dumps(record).encode(), durable=record.ended)

    def fence(self) -> int:
        """The fence under which it was started or last adopted."""
        path = self.path / "fence"
        try:
            return int(files.read_bounded(path, 64)) if path.exists() else 0
        except ValueError:
            return 0  # torn by a power cut; the device's own fence is what refuses anybody

    def write_fence(self, fence: int) -> None:
        files.write_atomic(self.path / "fence", str(fence).encode())

    def state(self, record: Record) -> JobState:
        return JobState(self.job_id, record.state, self.fence(), self.next_seq())

    def events(self, from_seq: int) -> List[Event]:
        """At most a thousand events from ``from_seq`` on. A torn last line is not there yet."""
        found = [event for event in self._all_events() if event.seq >= from_seq]
        return found[:MOST_EVENTS]

    def events_bytes(self) -> int:
        """The size of the file of the events; 0 where there is none yet."""
        try:
            return (self.path / "events.jsonl").stat().st_size
        except OSError:
            return 0

    def next_seq(self) -> int:
        """The number that the next event will have."""
        last = -1
        for event in self._all_events():
            last = event.seq
        return last + 1

    def _all_events(self) -> Iterator[Event]:
        path = self.path / "events.jsonl"
        if not path.exists():
            return
        with files.disk_errors(path), open(path, "rb") as file:
            for line in iter(lambda: file.readline(LINE_LIMIT_BYTES), b""):
                if line.endswith(b"\n"):
                    try:
                        yield codec.loads(Event, line)
                    except codec.DecodeError:
                        continue

    def emit(self, seq: int, kind: str, data: Dict[str, Any]) -> None:
        """Append one event. Whoever supervises the job, or finds it dead, is the only writer."""
        event = Event(seq, time.time(), kind, data)
        path = self.path / "events.jsonl"
        with files.disk_errors(path):
            handle = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                size = os.fstat(handle).st_size
                torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
                os.write(handle, (b"\n" if torn else b"") + codec.dumps(event).encode() + b"\n")
            finally:
                os.close(handle)

    def partial(self) -> Optional[JobResult]:
        """The result as far as it had come."""
        path = self.path / "partial.json"
        return _load(JobResult, path) if path.exists() else None

    def write_partial(self, result: JobResult) -> None:
        files.write_atomic(self.path / "partial.json", codec.dumps(result).encode())

    def write_result(self, result: JobResult) -> None:
        files.write_atomic(self.path / "result.json", codec.dumps(result).encode(), durable=True)

    def result_bytes(self) -> bytes:
        """The result file. Raises InfrastructureError ``job.no-result``."""
        path = self.path / "result.json"
        if not path.exists():
            raise InfrastructureError(
                f"the job {self.job_id} has no result yet",
                code="job.no-result",
                fix="attach until it has ended",
            )
        return files.read_bounded(path)

    def acknowledge(self, sha256: str) -> None:
        """Say that the result is stored elsewhere. Raises UsageError ``job.other-result``."""
        import hashlib

        have = hashlib.sha256(self.result_bytes()).hexdigest()
        if have != sha256:
            raise UsageError(
                f"the result of {self.job_id} has the hash {have[:12]}, not {sha256[:12]}",
                code="job.other-result",
                fix="fetch the result again",
            )
        files.write_atomic(self.path / "acknowledged", sha256.encode())

    @property
    def acknowledged(self) -> bool:
        return (self.path / "acknowledged").exists()


def find(root: Root, job_id: str) -> Job:
    """A job that was started here. Raises InfrastructureError ``job.unknown``."""
    job = Job(root.job_path(job_id))
    if job.record() is None:
        raise InfrastructureError(
            f"no job {job_id} was started on this device", code="job.unknown", fix="start it"
        )
    return job


def living(root: Root) -> List[str]:
    """Ids of the jobs whose supervisor runs."""
    found = []
    for job_id in root.job_ids():
        try:
            record = Job(root.jobs / job_id).record()
        except InfrastructureError:
            continue
        if record is not None and record.living:
            found.append(job_id)
    return found


def blank(spec: JobSpec, agent_sha256: str) -> JobResult:
    """A result with nothing in it: what an interrupted job would have."""
    return JobResult(
        job_id=spec.job_id,
        outcome="interrupted",
        failure=None,
        blocks=(),
        check=None,
        proof=None,
        accuracy=None,
        runtime_version="",
        environment={},
        agent_sha256=agent_sha256,
        started_unix_s=time.time(),
        ended_unix_s=time.time(),
    )


def ended(result: JobResult, outcome: str, error: Any = None) -> JobResult:  # noqa: ANN401 - FarmError or None
    """``result`` as it finally is."""
    failure = files.failure_of(error) if error is not None else None
    return replace(result, outcome=outcome, failure=failure, ended_unix_s=time.time())


def _load(kind: Any, path: Path) -> Any:  # noqa: ANN401
    try:
        return codec.loads(kind, files.read_bounded(path))
    except codec.DecodeError as error:
        raise InfrastructureError(
            f"{path} cannot be read: {error}",
            code="job.unreadable",
            fix=f"remove {path.parent} on the device",
        ) from error
