"""A clock that tests turn, and loops over it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from farm_agent import bench
from farm_agent.loop import PythonLoop
from farm_agent.wire import BlockPlan

US = 1_000
MS = 1_000_000
S = 1000 * MS

QUICK = BlockPlan(
    blocks=2,
    min_time_ns=S,
    min_runs=10,
    max_time_ns=60 * S,
    warmup_min_ns=0,
    warmup_min_runs=1,
    warmup_max_ns=10 * S,
)


class Clock:
    """Each inference takes the next duration; sleeping takes what it should and ``wake_ns`` more."""

    def __init__(self, durations: Iterable[int], wake_ns: int = 0) -> None:
        self.now = 1_000
        self.calls = 0
        self.wake_ns = wake_ns
        self._durations = iter(durations)

    def __call__(self) -> int:
        return self.now

    def infer(self) -> None:
        self.calls += 1
        self.now += next(self._durations)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += round(seconds * 1e9) + self.wake_ns

    def loop(self) -> PythonLoop:
        return PythonLoop(self.infer, clock=self)


@dataclass(frozen=True)
class Asked:
    """The parts of a BlockRequest that scenarios read."""

    plan: BlockPlan = QUICK
    scenario_options: dict[str, str] = field(default_factory=dict)
    point: dict[str, str] = field(default_factory=dict)


def rows_of(block: bench.Block) -> npt.NDArray[np.int64]:
    """The rows as the coordinator reads them."""
    return np.frombuffer(block.to_bytes(), "<i8").reshape(-1, len(block.columns)).astype(np.int64)
