"""Progress of many devices in one line: how many jobs ended, what the others do, how long it takes yet."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm.plan import Cell, Plan
    from farm_results.model import Result

MANY = 20
"""Devices beyond which nobody reads a line of each."""
FAILURES_TOLD = 20
SAID_EVERY_S = 5.0
WORTH_A_GUESS = 0.02
"""Share of the work after which the pace of the run itself tells more than the plan."""
DOING = (
    ("connect", "connecting"),
    ("waiting", "waiting for their turn"),
    ("wait for the artifact", "waiting for a conversion"),
    ("wait until", "waiting for a conversion"),
    ("convert", "waiting for a conversion"),
    ("ship", "shipping"),
    ("fetch", "bringing results home"),
    ("store", "bringing results home"),
    ("acknowledge", "bringing results home"),
    ("stopping", "stopping"),
    ("next", "between jobs"),
)
"""What a stage begins with, and what a device is counted as then; as measuring in all others."""


class Crowd:
    """What the devices of a run do. Thread-safe."""

    def __init__(self, plan: Plan, planned_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``planned_s``: how long the longest device is expected to take."""
        cells = [cell for cell in plan.cells if cell.runs]
        self.total = len(cells)
        self._open = Counter(cell.device.name for cell in cells)
        names = sorted({cell.device.name for cell in plan.cells}, key=len, reverse=True)
        self._names = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in names))
        self._doing: dict[str, str] = {}
        self._shares: dict[str, float] = {}
        self._ended = self._failed = 0
        self._folded: Counter[str] = Counter()
        self._planned_s = planned_s
        self._clock = clock
        self._began = clock()
        self._said = self._began
        self._lock = threading.Lock()

    def stage(self, cell: Cell, text: str, done: float) -> None:
        """A device entered a stage of a job; ``done`` is the share of the job that is behind."""
        word = next((word for prefix, word in DOING if text.startswith(prefix)), "measuring")
        with self._lock:
            self._doing[cell.device.name] = word
            self._shares[cell.device.name] = done

    def end(self, cell: Cell, result: Result) -> bool:
        """A job ended; whether that is worth a line of its own."""
        name = cell.device.name
        with self._lock:
            self._ended += 1
            self._shares.pop(name, None)
            self._open[name] -= 1
            self._doing[name] = "between jobs"
            if not self._open[name]:
                self._doing.pop(name)
            if result.status == "ok":
                return False
            self._failed += 1
            return self._failed <= FAILURES_TOLD

    def fold(self, text: str) -> bool:
        """Whether a note says of another device what was said before; it is counted then."""
        key = self._names.sub("…", text)
        with self._lock:
            self._folded[key] += 1
            return self._folded[key] > 1

    def folded(self) -> list[str]:
        """What was said of several devices, once each, for the end."""
        with self._lock:
            return [f"{count} times: {key}" for key, count in self._folded.items() if count > 1]

    def due(self) -> bool:
        """Whether the last summary is long enough ago; asking counts as saying it."""
        with self._lock:
            now = self._clock()
            if now - self._said < SAID_EVERY_S:
                return False
            self._said = now
            return True

    @property
    def completed(self) -> float:
        """Jobs that are behind, begun ones by their share."""
        with self._lock:
            return self._ended + sum(self._shares.values())

    def text(self) -> str:
        """The counts."""
        with self._lock:
            failed = f", {self._failed} of them failed" if self._failed else ""
            doing = Counter(self._doing.values()).most_common()
            idle = sum(count > 0 for count in self._open.values()) - len(self._doing)
        words = [f"{count} {word}" for word, count in doing] + ([f"{idle} not begun"] if idle > 0 else [])
        return (
            f"{self._ended} of {self.total} jobs ended{failed}" + (": " if words else "") + ", ".join(words)
        )

    def left_s(self) -> float:
        """How long the rest takes: by the plan at first, then by the pace of all devices together."""
        elapsed_s = self._clock() - self._began
        done = self.completed
        if done < WORTH_A_GUESS * self.total:
            return max(0.0, self._planned_s - elapsed_s)
        return elapsed_s * (self.total - done) / done
