"""The process that owns a running job: check, blocks, accuracy, result. Detached from the link."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Dict, Optional

from farm_agent import environment, faults, files, identity, job, lifecycle, pack, restore, steps
from farm_agent.errors import FarmBug, FarmError, InfrastructureError
from farm_agent.job import Job, Record
from farm_agent.wire import JobResult, JobSpec, spec_hash

RESERVE_BYTES = 128 * 1024
LOCK_S = 10.0


class Stopped(BaseException):
    """Raised in the main thread by SIGTERM or SIGINT; not an Exception, so that nothing swallows it."""


def main(job_path: str) -> int:
    """Wait for the word, then run the job to its end."""
    found = Job(Path(job_path))
    if os.read(0, len(lifecycle.GO)) != lifecycle.GO:
        return 1
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with open(found.path.parent.parent / "running.lock", "ab") as lock:
        # A second line of defence: the kernel lets only one supervisor of this root run.
        if not _locked(lock.fileno()):
            return 1
        Supervisor(found).run()
    return 0


def _locked(lock: int) -> bool:
    """Take the lock. The supervisor of the job before may have said its last word and still hold it."""
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


class Supervisor:
    """Carries one job's result from step to step."""

    def __init__(self, found: Job) -> None:
        self._job = found
        self._spec: JobSpec = found.spec()
        self._seq = found.next_seq()
        self.result = job.blank(self._spec, pack.agent_sha256())
        self._before: Dict[str, Any] = {}
        self._versions: Dict[str, str] = {}

    def run(self) -> None:
        """Every way a job can end leaves a result behind, as far as the disk allows."""
        outcome, error = "ok", None  # type: str, Optional[FarmError]
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _on_signal)
            self._begin()
            steps.run_all(self, self._spec, self._job.path)
        except Stopped:
            outcome, error = "stopped", InfrastructureError("the job was stopped", code="job.stopped", fix="")
        except FarmError as problem:
            outcome, error = "failed", problem
        except OSError as problem:
            outcome, error = "failed", files.disk_error(problem, self._job.path)
        except Exception as problem:  # noqa: BLE001 - the last line of defence
            text = faults.shorten(f"{type(problem).__name__}: {problem}")
            outcome, error = (
                "failed",
                FarmBug(f"the supervisor failed: {text}", code="farm.bug", fix="report this"),
            )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        # A signal in the very moment of setting back leaves it half done.
        restore.own(self._job.path.parent.parent)
        self._end(outcome, error)

    def _begin(self) -> None:
        process = identity.identify(os.getpid())
        self._job.write_record(Record("running", spec_hash(self._spec), process))
        # Kept free so that the result of a job that filled the disk can still be written.
        files.write_atomic(self._job.path / "reserve", b"\xff" * RESERVE_BYTES)
        self._before = environment.snapshot()
        self.emit("state", {"state": "running"})
        self.keep(self.result)

    def _end(self, outcome: str, error: Optional[FarmError]) -> None:
        with contextlib.suppress(OSError):
            (self._job.path / "reserve").unlink()
        self.keep(self.result, write=False)
        final = job.ended(self.result, outcome, error)
        self._job.write_result(final)
        data: Dict[str, Any] = {"state": outcome}
        if error is not None:
            data.update({"code": error.code, "message": error.message})
        with contextlib.suppress(FarmError):
            self.emit("state", data)
        record = Record(outcome, spec_hash(self._spec), identity.identify(os.getpid()))
        self._job.write_record(record)

    def emit(self, kind: str, data: Dict[str, Any]) -> None:
        """Spool one event."""
        self._job.emit(self._seq, kind, data)
        self._seq += 1

    def note_versions(self, versions: Dict[str, str]) -> None:
        """What the measured process says it runs on."""
        self._versions.update(versions)

    def keep(self, result: JobResult, *, write: bool = True) -> None:
        """Make ``result`` the one that a crash from now on leaves behind."""
        conditions = environment.conditions(self._spec, self._versions)
        around = {"before": self._before, "after": environment.snapshot()}
        self.result = replace(
            result,
            environment={**conditions, **around},
            runtime_version=result.runtime_version or self._versions.get("runtime", ""),
        )
        if write:
            self._job.write_partial(self.result)

    def log(self, text: str) -> None:
        """Keep what a process wrote to stderr; the log is bounded."""
        path = self._job.path / "log.txt"
        with contextlib.suppress(OSError):
            if path.stat().st_size < 256 * 1024:
                with open(path, "a", encoding="utf-8", errors="replace") as file:
                    file.write(text)


def _on_signal(number: int, frame: Optional[FrameType]) -> None:
    del number, frame
    for again in (signal.SIGTERM, signal.SIGINT):
        signal.signal(again, signal.SIG_IGN)
    sys.stderr.flush()
    raise Stopped
