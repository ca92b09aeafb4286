"""A deadline for calls that know none of their own: it ends the connection under them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import paramiko


_TICK_S = 1.0


class Watchdog:
    """Closes ``transport`` when the block lasts too long, which wakes whatever waits on it.

    ``limit_s`` bounds the whole block; ``stall_s``, where given, the time without ``progress()``. ``moved``
    says whether the link itself took something since it was last asked: what was written may wait in its
    queue for longer than a stall. ``fired`` says why afterwards: empty, "time" or "stall".
    """

    def __init__(
        self,
        transport: paramiko.Transport,
        limit_s: float,
        stall_s: float | None = None,
        moved: Callable[[], bool] = lambda: False,
    ) -> None:
        self._transport = transport
        self._moved = moved
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
            if self._stall_s is not None and self._moved():
                self.progress()
            now = time.monotonic()
            stall_end = self._end if self._stall_s is None else self._last + self._stall_s
            if now >= min(self._end, stall_end):
                self.fired = "time" if now >= self._end else "stall"
            elif self._done.wait(min(self._end - now, stall_end - now, _TICK_S)):
                return
        self._transport.close()
