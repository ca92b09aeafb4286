"""A deadline for calls that know none of their own: it ends the connection under them."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import paramiko


class Watchdog:
    """Closes ``transport`` when the block lasts too long, which wakes whatever waits on it.

    ``limit_s`` bounds the whole block; ``stall_s``, where given, the time between two ``progress()`` calls.
    ``fired`` says why afterwards: empty, "time" or "stall".
    """

    def __init__(self, transport: paramiko.Transport, limit_s: float, stall_s: float | None = None) -> None:
        self._transport = transport
        self._end = time.monotonic() + limit_s
        self._stall_s = stall_s
        self._last = time.monotonic()
        self._done = threading.Event()
        self.fired = ""

    def progress(self) -> None:
        """Something arrived or left."""
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, daemon=True, name="ssh-watchdog").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()

    def _watch(self) -> None:
        while not self.fired:
            now = time.monotonic()
            stall_end = self._end if self._stall_s is None else self._last + self._stall_s
            if now >= min(self._end, stall_end):
                self.fired = "time" if now >= self._end else "stall"
            elif self._done.wait(min(self._end, stall_end) - now):
                return
        self._transport.close()
