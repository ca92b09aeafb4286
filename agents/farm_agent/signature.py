"""A pattern of load that an external meter's trace can be aligned by: bursts on all CPUs, pauses between.

The workers are forked while the process has neither threads nor a runtime; until they are told to spin they
wait for a pipe and cost nothing.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from typing import List

from farm_agent import task

BURSTS = 3
_MESSAGE = struct.Struct("<q")


class Burners:
    """One worker per CPU that this process may use."""

    def __init__(self) -> None:
        self._pipes: List[int] = []
        self._pids: List[int] = []
        for _ in range(_cpus()):
            self._fork()

    def burst(self, length_ns: int) -> List[int]:
        """Load every CPU for ``length_ns``; [begin, end] on CLOCK_MONOTONIC."""
        begin = time.monotonic_ns()
        end = begin + length_ns
        for pipe in self._pipes:
            os.write(pipe, _MESSAGE.pack(end))
        _sleep_until(end)
        return [begin, end]

    def signature(self, length_ns: int) -> List[int]:
        """``BURSTS`` bursts, each followed by a pause as long; their begins and ends."""
        edges: List[int] = []
        for _ in range(BURSTS):
            edges += self.burst(length_ns)
            _sleep_until(edges[-1] + length_ns)
        return edges

    def close(self) -> None:
        """The workers end when their pipe does."""
        for pipe in self._pipes:
            os.close(pipe)
        for pid in self._pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._pipes, self._pids = [], []

    def _fork(self) -> None:
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            # Ends here whatever happens: what follows the fork belongs to the parent alone.
            try:
                os.close(writable)
                for pipe in self._pipes:
                    os.close(pipe)
                task.die_with_parent()
                _work(readable)
            finally:
                os._exit(0)
        os.close(readable)
        self._pipes.append(writable)
        self._pids.append(pid)


def _work(readable: int) -> None:
    while True:
        message = os.read(readable, _MESSAGE.size)
        if len(message) < _MESSAGE.size:
            return
        (until,) = _MESSAGE.unpack(message)
        while time.monotonic_ns() < until:
            pass


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def _sleep_until(until_ns: int) -> None:
    while True:
        left_ns = until_ns - time.monotonic_ns()
        if left_ns <= 0:
            return
        time.sleep(left_ns / 1e9)
