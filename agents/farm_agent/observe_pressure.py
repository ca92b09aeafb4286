"""How much of a span some task had to wait for a CPU, by the kernel's pressure stall counters."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, Optional

from farm_agent import observe_proc, sysfs


class Pressure:
    """From ``begin`` to ``end``."""

    def __init__(self, root: Path = Path("/"), now: Callable[[], int] = time.monotonic_ns) -> None:
        self._path = root / "proc/pressure/cpu"
        self._now = now
        self._first: Optional[int] = None
        self._last: Optional[int] = None
        self._from_ns = self._to_ns = 0

    def begin(self) -> None:
        """The span begins."""
        self._first, self._from_ns = self._stalled_us(), self._now()

    def end(self) -> None:
        """The span ends."""
        self._last, self._to_ns = self._stalled_us(), self._now()

    def share_pct(self) -> Optional[float]:
        """Percent of the span; None: the kernel does not say."""
        if self._first is None or self._last is None:
            return None
        elapsed_us = max(1, (self._to_ns - self._from_ns) // 1000)
        return 100.0 * max(0, self._last - self._first) / elapsed_us

    def _stalled_us(self) -> Optional[int]:
        return observe_proc.stalled_us(sysfs.text(self._path))
