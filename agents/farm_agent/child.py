"""One process of a job, from the supervisor's side: lines in, one byte out, a deadline, and how it ended."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Sequence

from farm_agent import faults
from farm_agent.errors import InfrastructureError, JobError

LINE_LIMIT_BYTES = 1024 * 1024
TAIL_BYTES = 16 * 1024
# numpy's OpenBLAS starts a thread per core, each of which spins for tens of ms: beside the first inference.
CALM = {"OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    """How a process ended. ``stderr`` is its tail."""

    returncode: int
    timed_out: bool
    stderr: str


@dataclass
class _Streams:
    """What was read so far."""

    line: bytes = b""
    tail: bytes = b""


def run(
    argv: Sequence[str], timeout_s: float, on_line: Optional[Callable[[int, bytes], bool]] = None
) -> Ended:
    """Run to the end. ``on_line(pid, line)`` sees each line of stdout; True lets the process go on.

    Whatever happens here, also an exception out of ``on_line`` or a signal's handler, the process is gone
    afterwards. Raises InfrastructureError ``device.no-process``.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**CALM, **os.environ},
        )
    except OSError as error:
        raise InfrastructureError(
            f"cannot start a process: {error}", code="device.no-process", fix="check the device's limits"
        ) from error
    streams = _Streams()
    try:
        timed_out = not _pump(process, streams, time.monotonic() + timeout_s, on_line)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return Ended(process.returncode, timed_out, streams.tail.decode("utf-8", "replace"))


def _pump(
    process: subprocess.Popen[bytes],
    streams: _Streams,
    deadline: float,
    on_line: Optional[Callable[[int, bytes], bool]],
) -> bool:
    """Read both streams until both end; False when the deadline passed first."""
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            selector.register(pipe, selectors.EVENT_READ)  # type: ignore[arg-type]
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(max(0.0, left)) if left > 0 else []
            if not ready:
                return False
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    streams.tail = (streams.tail + data)[-TAIL_BYTES:]
                else:
                    _lines(process, streams, data, on_line)
        return _reaped(process, deadline)


def _reaped(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Both streams ended; the process itself may still hang at exit."""
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _lines(
    process: subprocess.Popen[bytes],
    streams: _Streams,
    data: bytes,
    on_line: Optional[Callable[[int, bytes], bool]],
) -> None:
    *lines, streams.line = (streams.line + data).split(b"\n")
    streams.line = streams.line[-LINE_LIMIT_BYTES:]
    for line in lines:
        if on_line is not None and on_line(process.pid, line) and process.stdin is not None:
            try:
                process.stdin.write(b".")
            except BrokenPipeError:
                return


def failure(what: str, ended: Ended, timeout_s: float) -> Optional[JobError]:
    """The error behind a process that did not end well; None when it did."""
    detail = faults.shorten(ended.stderr[-500:])
    detail = f": {detail}" if detail else ""
    if ended.timed_out:
        return JobError(
            f"{what} did not end within {timeout_s:g} s",
            code="runtime.timeout",
            fix="use a smaller model, or raise process_timeout_s of the profile",
        )
    starved = faults.STARVED.search(ended.stderr) is not None
    if ended.returncode == -signal.SIGKILL or (ended.returncode != 0 and starved):
        return out_of_memory(what, detail)
    if ended.returncode < 0:
        return _crashed(what, -ended.returncode, detail)
    if ended.returncode > 0:
        return JobError(
            f"{what} ended with exit status {ended.returncode}{detail}",
            code="runtime.crashed",
            fix="try another version of the runtime",
        )
    return None


def out_of_memory(what: str, detail: str) -> JobError:
    """A process that wanted more memory than it may have, or than there is."""
    return JobError(
        f"{what} ran out of memory: {detail.lstrip(': ')}" if detail else f"{what} ran out of memory",
        code="runtime.out-of-memory",
        fix="use a smaller model or batch, or raise the memory limit",
    )


def _crashed(what: str, number: int, detail: str) -> JobError:
    known: List[Any] = [item for item in signal.Signals if item.value == number]
    name = known[0].name if known else f"signal {number}"
    if number == signal.SIGILL:
        return JobError(
            f"{what} was killed by SIGILL: the runtime's wheel uses CPU instructions that this device lacks",
            code="runtime.crashed",
            fix="install a build of the runtime made for this CPU",
        )
    return JobError(
        f"{what} was killed by {name}{detail}",
        code="runtime.crashed",
        fix="try another version of the runtime, or another runtime",
    )
