"""Start, stop and bury jobs. Everything here runs under the root's lock.

What only the start of a job needs is imported there: it is asked for its news many times while it runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import List, Optional, Sequence

from farm_agent import files, identity, job
from farm_agent.errors import FarmError, InfrastructureError, JobError, UsageError
from farm_agent.job import Job, Record
from farm_agent.root import Root
from farm_agent.wire import JobSpec, JobState, blobs_of, spec_hash

GENTLE_STOP_S = 5.0
HARD_STOP_S = 5.0
GO = b"go"
# v0: v1 without gate, pins and interval rule, which a spec asks for one by one.
PROTOCOLS = ("closed-loop/v0", "closed-loop/v1")


def start(root: Root, spec: JobSpec) -> JobState:
    """Start a job, or say how the one of this id stands: a second start never is a second run.

    Raises InfrastructureError lease.fenced, device.busy, device.blob-missing; UsageError job.other-spec;
    JobError job.unsupported.
    """
    validate(spec)
    with root.locked():
        root.check_fence(spec.fence)
        found = Job(root.job_path(spec.job_id))
        record = found.record()
        if record is not None:
            if record.spec_sha256 != spec_hash(spec):
                raise UsageError(
                    f"the job {spec.job_id} was started with another specification",
                    code="job.other-spec",
                    fix="give the new job an id of its own",
                )
            root.raise_fence(spec.fence)
            found.write_fence(spec.fence)
            return found.state(bury(found, record))
        busy = job.living(root)
        if busy:
            raise InfrastructureError(
                f"the device is running the job {busy[0]}",
                code="device.busy",
                fix=f"attach to {busy[0]}, or stop it",
            )
        # Only now: a start that is refused must not fence off the driver of the job that runs.
        root.raise_fence(spec.fence)
        from farm_agent import restore

        restore.leftover(root.path)
        _lay_out(root, found, spec)
        return found.state(_launch(found, spec))


def validate(spec: JobSpec) -> None:
    """Refuse names that could leave the folder, and what this agent cannot measure."""
    from farm_agent import arms, scenarios

    files.safe_name(spec.job_id)
    for blob in blobs_of(spec):
        files.safe_name(blob.name)
        files.safe_sha256(blob.sha256)
    arms.validate(spec)
    for one in (spec, arms.reference_spec(spec)):
        names = [blob.name for blob in one.artifact.files]
        if not names or len(set(names)) != len(names):
            raise UsageError("an artifact needs files of different names", code="artifact.files", fix="")
    if spec.scenario not in scenarios.names() or spec.protocol not in PROTOCOLS:
        raise JobError(
            f"this agent does not know the scenario {spec.scenario} under {spec.protocol}",
            code="job.unsupported",
            fix="ship the agent of this farm again",
        )
    if spec.plan.blocks < 1 or spec.process_timeout_s <= 0:
        raise UsageError("a job needs at least one block and a positive time limit", code="job.plan", fix="")


def _lay_out(root: Root, found: Job, spec: JobSpec) -> None:
    """The job's folder, with each artifact's files under the names its runtime expects."""
    from farm_agent import arms, cas, codec

    sources = {blob.sha256: cas.require(root, blob) for blob in blobs_of(spec)}
    both = {arms.CANDIDATE: spec.artifact}
    if spec.reference is not None:
        both[arms.REFERENCE] = spec.reference.artifact
    with files.disk_errors(found.path):
        for name, artifact in both.items():
            folder = found.path / arms.FOLDERS[name]
            folder.mkdir(parents=True, exist_ok=True)
            for blob in artifact.files:
                files.place(sources[blob.sha256], folder / blob.name)
    files.write_atomic(found.path / "spec.json", codec.dumps(spec).encode())
    found.write_fence(spec.fence)


def _launch(found: Job, spec: JobSpec) -> Record:
    """Start the supervisor in a session of its own. It begins only when its identity is on the disk."""
    import subprocess

    with files.disk_errors(found.path), open(found.path / "log.txt", "ab") as log:
        process = subprocess.Popen(
            identity.agent_argv("_supervise", str(found.path)),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=str(found.path),
        )
    record = Record("starting", spec_hash(spec), identity.identify(process.pid))
    try:
        found.write_record(record)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(GO)
    finally:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
    return record


def bury(found: Job, record: Record) -> Record:
    """If the supervisor is gone without a last word, end the job as interrupted (or stopped, if asked)."""
    if record.living:
        return record
    from farm_agent import restore

    back = restore.leftover(found.path.parent.parent)
    if record.ended:
        return record
    kill_group(found, record)
    fresh = found.record() or record
    if fresh.ended:
        return fresh
    stopped = (found.path / "stop").exists()
    error = _death(record, stopped=stopped)
    outcome = "stopped" if stopped else "interrupted"
    if not (found.path / "result.json").exists():
        from farm_agent import pack, pins

        partial = found.partial() or job.blank(found.spec(), pack.agent_sha256())
        partial = replace(partial, pins=pins.with_restored(partial.pins, back))
        found.write_result(job.ended(partial, outcome, error))
    ended = Record(outcome, record.spec_sha256, record.process)
    found.emit(found.next_seq(), "state", {"state": outcome, "message": error.message})
    found.write_record(ended)
    return ended


def _death(record: Record, *, stopped: bool) -> FarmError:
    if stopped:
        return InfrastructureError(
            "the job was stopped", code="job.stopped", fix="start it again as a new job"
        )
    rebooted = record.process is not None and record.process.boot_id != identity.boot_id()
    what = "the device rebooted" if rebooted else "the job's process was killed"
    return InfrastructureError(
        f"interrupted: {what} in the middle",
        code="job.interrupted",
        fix="run it again as a new job; if this repeats, check the device's power and memory",
    )


def stop(root: Root, job_id: str, fence: int) -> JobState:
    """End a job and everything it started; an ended one stays as it is. Raises lease.fenced, job.unknown."""
    with root.locked():
        root.raise_fence(fence)
        found = job.find(root, job_id)
        record = found.record()
        if record is not None and record.living and record.process is not None:
            files.write_atomic(found.path / "stop", b"")
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.process.pid, signal.SIGTERM)
            if not _gone(record, GENTLE_STOP_S):
                kill_group(found, record)
                _gone(record, HARD_STOP_S)
        record = found.record()
        if record is None:
            raise InfrastructureError(f"the job {job_id} vanished", code="job.unknown", fix="start it")
        return found.state(bury(found, record))


def kill_group(found: Job, record: Record) -> None:
    """SIGKILL every process of the job's group. Only those that name the job's folder: ids are reused."""
    if record.process is None or record.process.boot_id != identity.boot_id():
        return
    for pid in _members(record.process.pid, found.path):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _members(group: int, folder: Path) -> Sequence[int]:
    found: List[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes()
            if int(fields[2]) == group and bytes(folder) in words:
                found.append(int(entry.name))
    return found


def _gone(record: Record, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while identity.lives(record.process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def inspect(root: Root, job_id: str, fence: Optional[int] = None) -> Job:
    """A job whose state on the disk is true now: a dead one is buried first. Raises lease.fenced."""
    with root.locked():
        if fence is not None:
            root.raise_fence(fence)
        found = job.find(root, job_id)
        record = found.record()
        if record is not None:
            bury(found, record)
        return found
