"""Processes that this one started for conversions: each group dies with its call, or all on ``stop_all``.

Ctrl-C reaches the main thread only; conversions run in others. ``stop_all`` is what the main thread calls.
A process is asked first (SIGTERM), because a guard (``guard.py``) also ends what left its group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

from farm_agent.errors import InfrastructureError

GRACE_S = 6.0  # longer than a guard takes
_LOOK_S = 0.01
_lock = threading.Lock()
_live: set[int] = set()
_stops = 0


def stop_all() -> None:
    """End every process group now running here; their calls, and waits for locks, raise run.interrupted."""
    global _stops  # noqa: PLW0603 - one number for the whole process is the point
    with _lock:
        _stops += 1
        asked = set(_live)
        for pid in asked:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while asked & _live and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    with _lock:
        for pid in asked & _live:
            _kill(pid)


def stops() -> int:
    """How often ``stop_all`` was called: take it before a long wait, give it to ``check`` during the wait."""
    return _stops


def check(before: int) -> None:
    """Raise InfrastructureError run.interrupted when ``stop_all`` was called since ``before``."""
    if _stops != before:
        raise InfrastructureError("the conversion was stopped", code="run.interrupted", fix="run again")


@contextlib.contextmanager
def owned(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Within the block the process, a leader of its own session, can be stopped; after it, it is gone."""
    before = _stops
    with _lock:
        _live.add(process.pid)
    try:
        yield
    finally:
        with _lock:
            _live.discard(process.pid)
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=GRACE_S)
        _kill(process.pid)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    check(before)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
